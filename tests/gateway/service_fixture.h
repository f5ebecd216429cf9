// Both services in one process, over gRPC but without a network, on a log in memory.
#ifndef MVMD_TESTS_GATEWAY_SERVICE_FIXTURE_H_
#define MVMD_TESTS_GATEWAY_SERVICE_FIXTURE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gateway/quarantine_service.h"
#include "gateway/sync_service.h"
#include "gateway/twin_service.h"
#include "grpcpp/grpcpp.h"
#include "runtime/grpc_status.h"
#include "runtime/status_proto.h"
#include "tests/gateway/log_entries.h"
#include "tests/gateway/memory_log.h"

namespace mvmd {

inline constexpr char kOtherBridge[] = "spiffe://plant.example/bridge/other";
inline constexpr char kAlice[] = "spiffe://plant.example/client/alice";    // everything
inline constexpr char kRita[] = "spiffe://plant.example/client/rita";      // reads twin-1
inline constexpr char kWalter[] = "spiffe://plant.example/client/walter";  // writes twin-1
inline constexpr char kOlga[] = "spiffe://plant.example/client/olga";      // operates
inline constexpr char kEve[] = "spiffe://plant.example/client/eve";        // nothing
inline constexpr char kSubjectHeader[] = "x-test-subject";

inline constexpr char kTestPolicy[] = R"(
rules:
  - {subject: spiffe://plant.example/bridge/robots, roles: [bridge], twins: ["twin-*"]}
  - {subject: spiffe://plant.example/bridge/other, roles: [bridge], twins: ["other-*"]}
  - {subject: spiffe://plant.example/client/alice, roles: [reader, writer, operator], twins: ["*"]}
  - {subject: spiffe://plant.example/client/rita, roles: [reader], twins: ["twin-1"]}
  - {subject: spiffe://plant.example/client/olga, roles: [operator]}
  - {subject: spiffe://plant.example/client/walter, roles: [writer], twins: ["twin-1"]}
)";

struct ServiceLimits {
  size_t sessions_max = 4;
  size_t watches_max = 16;       // of one client: a quarter
  size_t waiting_max = 16;       // likewise
  size_t past_waiting_max = 16;  // likewise
  size_t recent_bytes_max = 16 << 20;
  size_t page_bytes_max = 2 << 20;
  size_t document_bytes_max = 1 << 20;
  SyncOptions sync;
  WatchLimits watch;
  LinkedDataOptions linked_data;
};

class ServiceTest : public ::testing::Test {
 protected:
  using SyncStub = mvmd::twin::v1alpha1::SyncService::Stub;
  using TwinStub = mvmd::twin::v1alpha1::TwinService::Stub;
  using QuarantineStub = mvmd::twin::v1alpha1::QuarantineService::Stub;

  void TearDown() override { Stop(); }

  // Call once, after changing limits_.
  void Start() {
    CommitterOptions options;
    options.recent_bytes_max = limits_.recent_bytes_max;
    state_ = std::make_unique<TwinState>(TwinStateLimits());
    ASSERT_TRUE(Committer::Recover(&log_, &store_, state_.get()).ok());
    committer_ = std::make_unique<Committer>(&log_, &store_, state_.get(), &SystemClock::Get(), options);
    history_ = std::make_unique<History>(&log_, committer_.get());
    past_ = std::make_unique<PastTwins>(&log_, &store_, committer_.get());
    sessions_ = std::make_unique<StreamRegistry>("TOO_MANY_SESSIONS", "bridge sessions", limits_.sessions_max);
    watches_ = std::make_unique<StreamRegistry>("TOO_MANY_WATCHES", "watches", limits_.watches_max);
    timers_ = std::make_unique<TimerQueue>();
    events_ = std::make_unique<Executor>(2, 1024);
    readers_ = std::make_unique<Executor>(2, 1024);
    sync_service_ = std::make_unique<SyncService>(SyncParts{committer_.get(), sessions_.get(), &live_, timers_.get(),
                                                            events_.get(), &SystemClock::Get(), &metrics_},
                                                  limits_.sync, &callers_);
    TwinServiceOptions twin_options;
    twin_options.page_bytes_max = limits_.page_bytes_max;
    twin_options.document_bytes_max = limits_.document_bytes_max;
    twin_options.waiting_max = limits_.waiting_max;
    twin_options.past_waiting_max = limits_.past_waiting_max;
    twin_options.watch = limits_.watch;
    twin_options.linked_data = limits_.linked_data;
    twin_service_ = std::make_unique<TwinService>(
        WatchParts{committer_.get(), history_.get(), watches_.get(), timers_.get(), events_.get(), readers_.get(),
                   &SystemClock::Get(), &metrics_, past_.get()},
        twin_options, &callers_, &live_, &signer_);
    quarantine_service_ = std::make_unique<QuarantineService>(
        QuarantineParts{.committer = committer_.get(), .readers = readers_.get(), .metrics = &metrics_}, &callers_);
    grpc::ServerBuilder builder;
    builder.RegisterService(sync_service_.get());
    builder.RegisterService(twin_service_.get());
    builder.RegisterService(quarantine_service_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    channel_ = server_->InProcessChannel(grpc::ChannelArguments());
    sync_ = mvmd::twin::v1alpha1::SyncService::NewStub(channel_);
    twins_ = mvmd::twin::v1alpha1::TwinService::NewStub(channel_);
    quarantine_ = mvmd::twin::v1alpha1::QuarantineService::NewStub(channel_);
  }

  void Stop() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_->Wait();
    EXPECT_TRUE(sessions_->WaitUntilEmpty(absl::Seconds(10)));
    EXPECT_TRUE(watches_->WaitUntilEmpty(absl::Seconds(10)));
    committer_->Stop();
    server_.reset();
    readers_.reset();
    events_.reset();
    timers_.reset();
  }

  static std::unique_ptr<grpc::ClientContext> As(const std::string& subject,
                                                 absl::Duration timeout = absl::Seconds(20)) {
    auto context = std::make_unique<grpc::ClientContext>();
    context->AddMetadata(kSubjectHeader, subject);
    context->set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    return context;
  }

  // Appends an entry as if a session or a write had, and waits until it is applied.
  ApplyResult Append(mvmd::twin::v1alpha1::LogEntry entry) {
    ApplyResult result;
    absl::Notification done;
    EXPECT_TRUE(committer_
                    ->Append(std::move(entry), nullptr,
                             [&](const ApplyResult& applied) {
                               result = applied;
                               done.Notify();
                             })
                    .ok());
    done.WaitForNotification();
    return result;
  }
  uint64_t PutTwin(const std::string& twin) { return Append(PutEntry(twin, TestDocumentText(twin))).revision; }

  // Calls a unary method as somebody.
  template <typename Request, typename Response>
  absl::Status Call(const std::string& subject,
                    grpc::Status (TwinStub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response, absl::Duration timeout = absl::Seconds(20)) {
    const auto context = As(subject, timeout);
    return FromGrpcStatus((twins_.get()->*method)(context.get(), request, response));
  }

  template <typename Request, typename Response>
  absl::Status Call(const std::string& subject,
                    grpc::Status (QuarantineStub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    const auto context = As(subject);
    return FromGrpcStatus((quarantine_.get()->*method)(context.get(), request, response));
  }

  ServiceLimits limits_;
  MemoryLog log_;
  MemoryStore store_;
  Metrics registry_{"mvmd_gateway_"};
  GatewayMetrics metrics_{&registry_};
  Callers callers_{[](const grpc::ServerContextBase& context) -> absl::StatusOr<std::string> {
                     const auto found = context.client_metadata().find(kSubjectHeader);
                     if (found == context.client_metadata().end()) {
                       return MakeError(absl::StatusCode::kUnauthenticated, "NO_IDENTITY", "expected a name");
                     }
                     return std::string(found->second.data(), found->second.size());
                   },
                   std::make_shared<const Policy>(*Policy::Parse(kTestPolicy, "policy.yaml"))};
  LiveBridges live_;
  DocumentSigner signer_{&SystemClock::Get(), &metrics_};
  std::unique_ptr<TwinState> state_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<History> history_;
  std::unique_ptr<PastTwins> past_;
  std::unique_ptr<StreamRegistry> sessions_;
  std::unique_ptr<StreamRegistry> watches_;
  std::unique_ptr<TimerQueue> timers_;
  std::unique_ptr<Executor> events_;
  std::unique_ptr<Executor> readers_;
  std::unique_ptr<SyncService> sync_service_;
  std::unique_ptr<TwinService> twin_service_;
  std::unique_ptr<QuarantineService> quarantine_service_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<SyncStub> sync_;
  std::unique_ptr<TwinStub> twins_;
  std::unique_ptr<QuarantineStub> quarantine_;
};

// A bridge as far as the gateway can tell.
class FakeBridge {
 public:
  using Request = mvmd::twin::v1alpha1::SyncRequest;
  using Response = mvmd::twin::v1alpha1::SyncResponse;

  FakeBridge(mvmd::twin::v1alpha1::SyncService::Stub* stub, std::unique_ptr<grpc::ClientContext> context)
      : context_(std::move(context)), stream_(stub->Sync(context_.get())) {}
  FakeBridge(FakeBridge&&) = default;
  ~FakeBridge() {
    if (context_ == nullptr || ended_) return;
    context_->TryCancel();
    End().IgnoreError();
  }

  bool Write(const Request& request) { return stream_->Write(request); }
  bool Hello(uint64_t epoch) {
    Request request;
    mvmd::twin::v1alpha1::Hello* hello = request.mutable_hello();
    hello->set_protocol_version(1);
    hello->set_epoch(epoch);
    hello->set_outbox_id("0123456789abcdef");
    hello->add_codecs(mvmd::twin::v1alpha1::CODEC_ZSTD);
    hello->set_software_version("1.2.3");
    return Write(request);
  }
  bool Send(const std::vector<mvmd::twin::v1alpha1::Frame>& frames) {
    Request request;
    *request.mutable_frames() = GroupOf(frames);
    return Write(request);
  }
  void WritesDone() { stream_->WritesDone(); }
  void Cancel() { context_->TryCancel(); }

  // The next response; nothing when the stream has ended.
  std::optional<Response> Read() {
    Response response;
    if (!stream_->Read(&response)) return std::nullopt;
    return response;
  }
  // Skips others until one of this kind.
  std::optional<Response> ReadUntil(Response::MessageCase kind) {
    while (std::optional<Response> response = Read()) {
      if (response->message_case() == kind) return response;
    }
    return std::nullopt;
  }
  // Reads until all up to `seq` is committed; false when the stream ends before.
  bool ReadUntilCommitted(uint64_t seq) {
    while (!committed_.Contains(seq)) {
      const auto response = ReadUntil(Response::kCommit);
      if (!response.has_value()) return false;
      committed_.AddAll(*IntervalSet::FromProto(response->commit().seqs()));
    }
    return true;
  }
  // Hello and Welcome; the session, or 0.
  uint64_t Open(uint64_t epoch) {
    if (!Hello(epoch)) return 0;
    const auto welcome = ReadUntil(Response::kWelcome);
    return welcome.has_value() ? welcome->welcome().session() : 0;
  }
  absl::Status End() {
    Response response;
    while (stream_->Read(&response)) {
    }
    ended_ = true;
    return FromGrpcStatus(stream_->Finish());
  }
  const IntervalSet& committed() const { return committed_; }

 private:
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream_;
  IntervalSet committed_;
  bool ended_ = false;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_GATEWAY_SERVICE_FIXTURE_H_
