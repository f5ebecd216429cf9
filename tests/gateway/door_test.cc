// Who is in stays in only as long as they may: the whole gateway, over mutual TLS.
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "certs/credentials.h"
#include "gateway/gateway.h"
#include "gateway/gateway_config.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "mvmd/twin/v1alpha1/sync.grpc.pb.h"
#include "mvmd/twin/v1alpha1/twin_service.grpc.pb.h"
#include "runtime/grpc_status.h"
#include "runtime/status_proto.h"
#include "tests/certs/test_pki.h"
#include "tests/gateway/service_fixture.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr char kRule[] = "  - {subject: spiffe://plant.example/";
constexpr char kRobotsRule[] = "bridge/robots, roles: [bridge], twins: [\"twin-*\"]}\n";
constexpr char kViewerRule[] = "client/viewer, roles: [reader], twins: [\"*\"]}\n";

class DoorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_TRUE(EnsureTls13Only().ok()); }

  void SetUp() override {
    SetPolicy(absl::StrCat("rules:\n", kRule, kRobotsRule, kRule, kViewerRule));
    config_.set_listen("127.0.0.1:0");
    *config_.mutable_tls() = pki_.Files("gateway");
    config_.set_policy_file(pki_.Path("policy.yaml"));
    config_.mutable_store()->set_path(pki_.Path("data"));
    config_.mutable_ops()->set_address("off");
  }
  void Start() {
    ConfigErrors errors;
    CompleteGatewayConfig(pki_.Path("gateway.yaml"), &config_, &errors);
    ASSERT_TRUE(errors.ok()) << errors.ToString();
    auto gateway = Gateway::Start(config_, [] {});
    ASSERT_TRUE(gateway.ok()) << gateway.status();
    gateway_ = *std::move(gateway);
  }
  void SetPolicy(const std::string& text) {
    WriteFile(pki_.Path("policy.new"), text);
    std::filesystem::rename(pki_.Path("policy.new"), pki_.Path("policy.yaml"));
  }
  std::shared_ptr<grpc::Channel> ChannelOf(const std::string& name) {
    return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", gateway_->port()),
                                     MakeChannelCredentials(*MakeCertificateSource(pki_.Material(name)), ""),
                                     DefaultChannelArgs());
  }
  static std::unique_ptr<grpc::ClientContext> Context() {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
    return context;
  }
  std::unique_ptr<FakeBridge> OpenBridge(const std::string& name, uint64_t epoch = 42) {
    const auto stub = pb::SyncService::NewStub(ChannelOf(name));
    auto bridge = std::make_unique<FakeBridge>(stub.get(), Context());
    EXPECT_NE(bridge->Open(epoch), 0u);
    return bridge;
  }
  // A watch that is open, as ended tells.
  struct Watch {
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientReader<pb::WatchTwinsResponse>> stream;
    pb::WatchTwinsResponse last;

    absl::Status End() {
      while (stream->Read(&last)) {
      }
      return FromGrpcStatus(stream->Finish());
    }
    absl::Status Cancel() {
      context->TryCancel();
      return End();
    }
  };
  Watch OpenWatch(const std::string& name) {
    Watch watch{Context(), nullptr, {}};
    watch.stream = pb::TwinService::NewStub(ChannelOf(name))->WatchTwins(watch.context.get(), {});
    EXPECT_TRUE(watch.stream->Read(&watch.last));
    return watch;
  }

  TestPki pki_;
  pb::GatewayConfig config_;
  std::unique_ptr<Gateway> gateway_;
};

TEST_F(DoorTest, EndsStreamsOfTheRevokedAndNoOthers) {
  Start();
  const auto bridge = OpenBridge("bridge-robots");
  Watch watch = OpenWatch("client-viewer");
  ASSERT_EQ(pki_.Run("--revoke bridge-robots"), 0);
  const absl::Status end = bridge->End();
  EXPECT_EQ(end.code(), absl::StatusCode::kUnauthenticated) << end;
  EXPECT_EQ(ReasonOf(end), "CERTIFICATE_REVOKED");
  const auto again = pb::SyncService::NewStub(ChannelOf("bridge-robots"));
  EXPECT_EQ(FakeBridge(again.get(), Context()).End().code(), absl::StatusCode::kUnavailable) << "refused at the door";
  EXPECT_EQ(watch.Cancel().code(), absl::StatusCode::kCancelled) << "it was still open";
}

TEST_F(DoorTest, EndsStreamsAndCallsOfTheExpired) {
  Start();
  pki_.Issue("soon", {.sans = "URI:spiffe://plant.example/bridge/robots", .not_after = absl::Now() + absl::Seconds(6)});
  pki_.Issue("read", {.sans = "URI:spiffe://plant.example/client/viewer", .not_after = absl::Now() + absl::Seconds(6)});
  const auto bridge = OpenBridge("soon");
  const auto reader = pb::TwinService::NewStub(ChannelOf("read"));
  pb::ListTwinsResponse response;
  EXPECT_TRUE(reader->ListTwins(Context().get(), {}, &response).ok());
  const absl::Status end = bridge->End();
  EXPECT_EQ(end.code(), absl::StatusCode::kUnauthenticated) << end;
  EXPECT_EQ(ReasonOf(end), "CERTIFICATE_EXPIRED");
  // The other one expires in the same second, or the next.
  absl::Status call;
  while (call.ok()) call = FromGrpcStatus(reader->ListTwins(Context().get(), {}, &response));
  EXPECT_EQ(ReasonOf(call), "CERTIFICATE_EXPIRED") << "the connection is open still";
}

TEST_F(DoorTest, EndsWhatIsTooOld) {
  *config_.mutable_max_connection_age() = ToProtoDuration(absl::Milliseconds(100));
  Start();
  const auto bridge = OpenBridge("bridge-robots");
  Watch watch = OpenWatch("client-viewer");
  for (const absl::Status& end : {bridge->End(), watch.End()}) {
    EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable) << end;
    EXPECT_EQ(ReasonOf(end), "CONNECTION_TOO_OLD");
  }
  EXPECT_FALSE(watch.last.resume_token().empty());
  OpenBridge("bridge-robots");
}

TEST_F(DoorTest, ANewPolicyEndsOnlyStreamsWhoseRulesHaveChanged) {
  Start();
  const auto bridge = OpenBridge("bridge-robots");
  Watch watch = OpenWatch("client-viewer");
  // The watch of the file tells, without a signal.
  SetPolicy(absl::StrCat("rules:\n", kRule, kViewerRule));
  const absl::Status end = bridge->End();
  EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable) << end;
  EXPECT_EQ(ReasonOf(end), "POLICY_CHANGED");
  const auto again = pb::SyncService::NewStub(ChannelOf("bridge-robots"));
  EXPECT_EQ(ReasonOf(FakeBridge(again.get(), Context()).End()), "NOT_AUTHORIZED");
  EXPECT_EQ(watch.Cancel().code(), absl::StatusCode::kCancelled) << "it was still open";
}

}  // namespace
}  // namespace mvmd
