// The whole gateway, with its own store, over mutual TLS.
#include "gateway/gateway.h"

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "certs/credentials.h"
#include "gateway/gateway_config.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "mvmd/twin/v1alpha1/quarantine.grpc.pb.h"
#include "mvmd/twin/v1alpha1/sync.grpc.pb.h"
#include "mvmd/twin/v1alpha1/twin_service.grpc.pb.h"
#include "runtime/grpc_status.h"
#include "runtime/status_proto.h"
#include "tests/gateway/log_entries.h"
#include "tests/gateway/service_fixture.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr char kPolicy[] = R"(
rules:
  - {subject: spiffe://plant.example/bridge/robots, roles: [bridge], twins: ["twin-*"]}
  - {subject: spiffe://plant.example/client/alice, roles: [reader, writer, operator], twins: ["*"]}
)";

class GatewayTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_TRUE(EnsureTls13Only().ok());
    char pattern[] = "/tmp/mvmd-gateway-test-XXXXXX";
    ASSERT_NE(mkdtemp(pattern), nullptr);
    pki_ = new std::string(absl::StrCat(pattern, "/pki"));
    root_ = new std::string(pattern);
    const std::string command = absl::StrCat(MVMD_TEST_DATA "/../../certs/make_dev_pki.sh ", *pki_,
                                             " --bridges robots --clients alice,eve >/dev/null");
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  static void TearDownTestSuite() {
    std::filesystem::remove_all(*root_);
    delete root_;
    delete pki_;
  }

  void SetUp() override {
    folder_ = absl::StrCat(*root_, "/", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ + "/policy.yaml") << kPolicy;
    config_.set_listen("127.0.0.1:0");
    *config_.mutable_tls() = Files("gateway");
    config_.set_policy_file(folder_ + "/policy.yaml");
    config_.mutable_store()->set_path(folder_ + "/data");
    config_.mutable_ops()->set_address("127.0.0.1:0");
    *config_.mutable_drain_timeout() = ToProtoDuration(absl::Seconds(4));
    ConfigErrors errors;
    CompleteGatewayConfig(folder_ + "/gateway.yaml", &config_, &errors);
    ASSERT_TRUE(errors.ok()) << errors.ToString();
  }

  static pb::TlsFiles Files(const std::string& name) {
    pb::TlsFiles files;
    files.set_ca_file(*pki_ + "/ca.crt");
    files.set_certificate_file(absl::StrCat(*pki_, "/", name, ".crt"));
    files.set_key_file(absl::StrCat(*pki_, "/", name, ".key"));
    return files;
  }
  void Start() {
    auto gateway = Gateway::Start(config_, [] {});
    ASSERT_TRUE(gateway.ok()) << gateway.status();
    gateway_ = *std::move(gateway);
    ASSERT_GT(gateway_->port(), 0);
  }
  std::shared_ptr<grpc::Channel> ChannelOf(const std::string& name) {
    auto source = LoadCertificateSource(Files(name));
    EXPECT_TRUE(source.ok()) << source.status();
    return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", gateway_->port()), MakeChannelCredentials(*source, ""),
                                     DefaultChannelArgs());
  }
  static std::unique_ptr<grpc::ClientContext> Context() {
    auto context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    return context;
  }
  absl::StatusOr<pb::TwinDocument> Get(const std::string& who, const std::string& twin) {
    pb::GetTwinRequest request;
    request.set_twin_id(twin);
    pb::GetTwinResponse response;
    const absl::Status status =
        FromGrpcStatus(pb::TwinService::NewStub(ChannelOf(who))->GetTwin(Context().get(), request, &response));
    if (!status.ok()) return status;
    return response.twin();
  }
  absl::Status Put(const std::string& twin) {
    pb::PutTwinRequest request;
    request.set_document(TestDocumentText(twin));
    pb::PutTwinResponse response;
    return FromGrpcStatus(
        pb::TwinService::NewStub(ChannelOf("client-alice"))->PutTwin(Context().get(), request, &response));
  }

  static std::string* root_;
  static std::string* pki_;
  std::string folder_;
  pb::GatewayConfig config_;
  std::unique_ptr<Gateway> gateway_;
};

std::string* GatewayTest::root_ = nullptr;
std::string* GatewayTest::pki_ = nullptr;

TEST_F(GatewayTest, KnowsItsPeersByTheirCertificates) {
  Start();
  EXPECT_TRUE(Put("twin-1").ok());
  const auto twin = Get("client-alice", "twin-1");
  ASSERT_TRUE(twin.ok()) << twin.status();
  EXPECT_EQ(twin->canonical(), TestDocumentText("twin-1"));
  const absl::Status eve = Get("client-eve", "twin-1").status();
  EXPECT_EQ(ReasonOf(eve), "NOT_AUTHORIZED");
  EXPECT_EQ(MetadataOf(eve)["subject"], "spiffe://plant.example/client/eve");
}

TEST_F(GatewayTest, TakesSamplesAndHasThemAfterARestart) {
  Start();
  {
    const auto stub = pb::SyncService::NewStub(ChannelOf("bridge-robots"));
    FakeBridge bridge(stub.get(), Context());
    ASSERT_NE(bridge.Open(42), 0u);
    ASSERT_TRUE(
        bridge.Send({DocumentFrame(1, "twin-1", TestDocumentText("twin-1")),
                     BindingsFrame(2, "twin-1", {{1, "temp-1"}}), BlockFrame(3, {NumberAt(1, kTestTimeNs, 33.25)})}));
    ASSERT_TRUE(bridge.ReadUntilCommitted(3));
  }
  gateway_.reset();  // not gently
  Start();
  const auto twin = Get("client-alice", "twin-1");
  ASSERT_TRUE(twin.ok()) << twin.status();
  EXPECT_THAT(twin->canonical(), ::testing::HasSubstr("33.25"));
}

TEST_F(GatewayTest, DrainsBridgesAndWatchesAndStops) {
  Start();
  const auto sync = pb::SyncService::NewStub(ChannelOf("bridge-robots"));
  FakeBridge bridge(sync.get(), Context());
  ASSERT_NE(bridge.Open(42), 0u);
  const auto twins = pb::TwinService::NewStub(ChannelOf("client-alice"));
  const auto watch_context = Context();
  const auto watch = twins->WatchTwins(watch_context.get(), pb::WatchTwinsRequest());
  pb::WatchTwinsResponse response;
  ASSERT_TRUE(watch->Read(&response));

  const absl::Time started = absl::Now();
  std::thread draining([this] { gateway_->Drain(); });
  EXPECT_TRUE(bridge.ReadUntil(pb::SyncResponse::kDrain).has_value());
  const absl::Status bridge_end = bridge.End();
  EXPECT_EQ(bridge_end.code(), absl::StatusCode::kUnavailable) << bridge_end;
  EXPECT_EQ(ReasonOf(bridge_end), "DRAINING");
  while (watch->Read(&response)) {
  }
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_FALSE(response.resume_token().empty());
  draining.join();
  EXPECT_LT(absl::Now() - started, absl::Seconds(6));
  EXPECT_TRUE(gateway_->health().ok());
}

TEST_F(GatewayTest, TakesANewPolicyWithoutARestart) {
  Start();
  ASSERT_TRUE(Put("twin-1").ok());
  std::ofstream(folder_ + "/policy.yaml") << "rules: nonsense\n";
  EXPECT_FALSE(gateway_->ReloadPolicy().ok());
  EXPECT_TRUE(Get("client-alice", "twin-1").ok()) << "the old one stays";
  const auto sync = pb::SyncService::NewStub(ChannelOf("bridge-robots"));
  FakeBridge bridge(sync.get(), Context());
  ASSERT_NE(bridge.Open(42), 0u);
  std::ofstream(folder_ + "/policy.yaml")
      << "rules:\n  - {subject: spiffe://plant.example/client/eve, roles: [reader], twins: [\"*\"]}\n";
  EXPECT_TRUE(gateway_->ReloadPolicy().ok());
  EXPECT_EQ(bridge.End().code(), absl::StatusCode::kUnavailable) << "it was let in by the old one";
  EXPECT_TRUE(Get("client-eve", "twin-1").ok());
  EXPECT_FALSE(Get("client-alice", "twin-1").ok());
}

TEST_F(GatewayTest, TakesThePolicyOfValidationIntoItsLog) {
  const auto put_nameless = [this](const std::string& twin) {
    Json document = TestDocument(twin);
    document.Remove("name");
    pb::PutTwinRequest request;
    request.set_document(Canonicalize(document));
    pb::PutTwinResponse response;
    return FromGrpcStatus(
        pb::TwinService::NewStub(ChannelOf("client-alice"))->PutTwin(Context().get(), request, &response));
  };
  Start();
  EXPECT_EQ(ReasonOf(put_nameless("legacy-1")), "DOCUMENT_INVALID");
  gateway_.reset();
  config_.mutable_validation()->add_overrides()->set_prefix("legacy-");
  config_.mutable_validation()->mutable_overrides(0)->set_mode("warn");
  Start();
  EXPECT_TRUE(put_nameless("legacy-1").ok());
  EXPECT_EQ(ReasonOf(put_nameless("other")), "DOCUMENT_INVALID");
  gateway_.reset();
  Start();
  EXPECT_TRUE(put_nameless("legacy-2").ok()) << "it is in force already";
  gateway_.reset();
  config_.mutable_validation()->clear_overrides();
  Start();
  EXPECT_EQ(ReasonOf(put_nameless("legacy-3")), "DOCUMENT_INVALID");
  EXPECT_TRUE(Get("client-alice", "legacy-1").ok()) << "what was taken stays";
}

TEST_F(GatewayTest, GivesOperatorsTheQuarantine) {
  Start();
  const auto sync = pb::SyncService::NewStub(ChannelOf("bridge-robots"));
  FakeBridge bridge(sync.get(), Context());
  ASSERT_NE(bridge.Open(42), 0u);
  ASSERT_TRUE(bridge.Send({DocumentFrame(1, "twin-1", "{}")}));
  ASSERT_TRUE(bridge.ReadUntilCommitted(1));
  pb::ListQuarantinedDocumentsResponse response;
  const absl::Status status =
      FromGrpcStatus(pb::QuarantineService::NewStub(ChannelOf("client-alice"))
                         ->ListQuarantinedDocuments(Context().get(), pb::ListQuarantinedDocumentsRequest(), &response));
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(response.documents_size(), 1);
}

TEST_F(GatewayTest, SaysWhyItCannotStart) {
  Start();
  pb::GatewayConfig config = config_;
  EXPECT_EQ(Gateway::Start(config, [] {}).status().code(), absl::StatusCode::kUnavailable) << "the store is in use";
  config.mutable_store()->set_path(folder_ + "/other");
  config.set_listen(absl::StrCat("127.0.0.1:", gateway_->port()));
  const absl::Status status = Gateway::Start(config, [] {}).status();
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("cannot listen on")) << status;
}

}  // namespace
}  // namespace mvmd
