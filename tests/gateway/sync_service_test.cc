#include "gateway/sync_service.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gateway/service_fixture.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::HasSubstr;
using ::testing::SizeIs;
using Response = pb::SyncResponse;

class SyncServiceTest : public ServiceTest {
 protected:
  FakeBridge Connect(const std::string& subject = kTestBridge) { return FakeBridge(sync_.get(), As(subject)); }
  absl::StatusOr<TwinSnapshot> Twin(const std::string& twin) {
    return committer_->Read([&](const TwinState& state) { return state.GetTwin(twin); });
  }
  std::vector<BridgeSnapshot> Bridges() {
    return committer_->Read([](const TwinState& state) { return state.ListBridges("", 10, true); });
  }
  // Waits for what comes after the end of a stream.
  bool EventuallyClosed() {
    for (uint64_t revision = 1; revision < 1000; ++revision) {
      absl::Notification done;
      bool applied = false;
      committer_->WhenApplied(revision, absl::Now() + absl::Seconds(10), [&](bool yes) {
        applied = yes;
        done.Notify();
      });
      done.WaitForNotification();
      if (!applied) return false;
      const std::vector<BridgeSnapshot> bridges = Bridges();
      if (!bridges.empty() && !bridges[0].connected && revision > bridges[0].session) return true;
    }
    return false;
  }
};

TEST_F(SyncServiceTest, TakesDocumentAndSamplesAndCommitsThem) {
  Start();
  FakeBridge bridge = Connect();
  ASSERT_NE(bridge.Open(42), 0u);
  ASSERT_TRUE(
      bridge.Send({DocumentFrame(1, "twin-1", TestDocumentText("twin-1")), BindingsFrame(2, "twin-1", {{1, "temp-1"}}),
                   BlockFrame(3, {NumberAt(1, kTestTimeNs, 21.5), NumberAt(1, kTestTimeNs + 1, 22.5)})}));
  ASSERT_TRUE(bridge.ReadUntilCommitted(3));
  EXPECT_TRUE(bridge.committed().ContainsAll(1, 3));

  const absl::StatusOr<TwinSnapshot> twin = Twin("twin-1");
  ASSERT_TRUE(twin.ok()) << twin.status();
  EXPECT_EQ(Bridges()[0].samples_committed, 2u);
  EXPECT_EQ(Bridges()[0].software_version, "1.2.3");
  EXPECT_TRUE(Bridges()[0].connected);
  EXPECT_THAT(registry_.Text(), HasSubstr("mvmd_gateway_samples_total 2"));

  bridge.WritesDone();
  EXPECT_TRUE(bridge.End().ok());
  EXPECT_TRUE(EventuallyClosed());
}

TEST_F(SyncServiceTest, AppliesADuplicateOnceAndCommitsItAgain) {
  Start();
  FakeBridge bridge = Connect();
  ASSERT_NE(bridge.Open(42), 0u);
  const std::vector<pb::Frame> frames = {BindingsFrame(1, "twin-1", {{1, "temp-1"}}),
                                         BlockFrame(2, {NumberAt(1, kTestTimeNs, 21.5)})};
  ASSERT_TRUE(bridge.Send(frames));
  ASSERT_TRUE(bridge.Send(frames));
  int commits = 0;
  IntervalSet seen;
  while (commits < 2) {
    const auto response = bridge.ReadUntil(Response::kCommit);
    ASSERT_TRUE(response.has_value());
    commits += 1;
  }
  EXPECT_EQ(Bridges()[0].samples_committed, 1u);
  EXPECT_EQ(Bridges()[0].frames_duplicate, 2u);
}

TEST_F(SyncServiceTest, WelcomesABridgeThatComesBackWithWhatItHas) {
  Start();
  {
    FakeBridge bridge = Connect();
    ASSERT_NE(bridge.Open(42), 0u);
    ASSERT_TRUE(
        bridge.Send({BindingsFrame(1, "twin-1", {{1, "temp-1"}}), BlockFrame(3, {NumberAt(1, kTestTimeNs, 21.5)})}));
    ASSERT_TRUE(bridge.ReadUntilCommitted(3));
  }
  FakeBridge bridge = Connect();
  ASSERT_TRUE(bridge.Hello(42));
  const auto response = bridge.Read();
  ASSERT_TRUE(response.has_value());
  ASSERT_EQ(response->welcome().applied_size(), 2);
  EXPECT_EQ(response->welcome().applied(0).first(), 1u);
  EXPECT_EQ(response->welcome().applied(0).last(), 1u);
  EXPECT_EQ(response->welcome().applied(1).first(), 3u);
}

TEST_F(SyncServiceTest, FencesTheOlderSessionOfABridge) {
  Start();
  FakeBridge first = Connect();
  ASSERT_NE(first.Open(42), 0u);
  FakeBridge second = Connect();
  ASSERT_NE(second.Open(42), 0u);
  first.Send({BindingsFrame(1, "twin-1", {{1, "temp-1"}})});
  const absl::Status end = first.End();
  EXPECT_EQ(end.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(end), "FENCED");
  ASSERT_TRUE(second.Send({BindingsFrame(1, "twin-1", {{1, "temp-1"}})}));
  EXPECT_TRUE(second.ReadUntilCommitted(1)) << "the newer one is not harmed";
  EXPECT_TRUE(Bridges()[0].connected);
}

TEST_F(SyncServiceTest, EndsTheStreamForAGroupThatCannotBeRead) {
  Start();
  FakeBridge bridge = Connect();
  ASSERT_NE(bridge.Open(42), 0u);
  pb::SyncRequest request;
  request.mutable_frames()->set_codec(pb::CODEC_ZSTD);
  request.mutable_frames()->set_lane(pb::LANE_LIVE);
  request.mutable_frames()->set_raw_bytes(100);
  request.mutable_frames()->set_data("this is no zstd");
  bridge.Write(request);
  const absl::Status end = bridge.End();
  EXPECT_EQ(end.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(end), "GROUP_INVALID");
  EXPECT_TRUE(EventuallyClosed());
}

TEST_F(SyncServiceTest, RejectsAFrameOfATwinThatIsNotAllowedAndTakesTheOthers) {
  Start();
  FakeBridge bridge = Connect();
  ASSERT_NE(bridge.Open(42), 0u);
  ASSERT_TRUE(
      bridge.Send({BindingsFrame(1, "other-1", {{1, "temp-1"}}), BindingsFrame(2, "twin-1", {{2, "temp-001"}})}));
  const auto rejected = bridge.ReadUntil(Response::kRejected);
  ASSERT_TRUE(rejected.has_value());
  EXPECT_EQ(rejected->rejected().seq(), 1u);
  EXPECT_EQ(ReasonOf(FromRpcStatus(rejected->rejected().status())), "NOT_AUTHORIZED");
  EXPECT_TRUE(bridge.ReadUntilCommitted(2));
  EXPECT_THAT(Bridges()[0].issues, SizeIs(1));
  EXPECT_THAT(registry_.Text(), HasSubstr("mvmd_gateway_frames_refused_total{reason=\"NOT_AUTHORIZED\"} 1"));
}

TEST_F(SyncServiceTest, RejectsAFrameThatIsTooLarge) {
  limits_.sync.group.frame_bytes_max = 4096;
  Start();
  FakeBridge bridge = Connect();
  ASSERT_NE(bridge.Open(42), 0u);
  ASSERT_TRUE(
      bridge.Send({DocumentFrame(1, "twin-1", std::string(5000, ' ')), BindingsFrame(2, "twin-1", {{1, "t"}})}));
  const auto rejected = bridge.ReadUntil(Response::kRejected);
  ASSERT_TRUE(rejected.has_value());
  EXPECT_EQ(rejected->rejected().seq(), 1u);
  EXPECT_TRUE(bridge.ReadUntilCommitted(2));
}

TEST_F(SyncServiceTest, RefusesWhoMayNotSync) {
  Start();
  {
    FakeBridge eve = Connect(kEve);
    eve.Hello(42);
    const absl::Status end = eve.End();
    EXPECT_EQ(end.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(ReasonOf(end), "NOT_AUTHORIZED");
    EXPECT_THAT(std::string(end.message()), HasSubstr(kEve));
  }
  FakeBridge nobody(sync_.get(), std::make_unique<grpc::ClientContext>());
  nobody.Hello(42);
  EXPECT_EQ(nobody.End().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(SyncServiceTest, BoundsTheNumberOfSessions) {
  limits_.sessions_max = 1;
  Start();
  FakeBridge first = Connect();
  ASSERT_NE(first.Open(42), 0u);
  FakeBridge second = Connect(kOtherBridge);
  second.Hello(1);
  const absl::Status end = second.End();
  EXPECT_EQ(end.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(end), "TOO_MANY_SESSIONS");
}

TEST_F(SyncServiceTest, EndsUnavailableWhenTheDiskIsFullAndTakesItUpAgain) {
  Start();
  {
    FakeBridge bridge = Connect();
    ASSERT_NE(bridge.Open(42), 0u);
    log_.FailWith(absl::ResourceExhaustedError("no space left on device"));
    bridge.Send({BindingsFrame(1, "twin-1", {{1, "temp-1"}})});
    const absl::Status end = bridge.End();
    EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable) << end;
    EXPECT_EQ(ReasonOf(end), "GATEWAY_CANNOT_WRITE");
  }
  log_.FailWith(absl::OkStatus());
  FakeBridge bridge = Connect();
  ASSERT_NE(bridge.Open(42), 0u);
  ASSERT_TRUE(bridge.Send({BindingsFrame(1, "twin-1", {{1, "temp-1"}})}));
  EXPECT_TRUE(bridge.ReadUntilCommitted(1));
}

TEST_F(SyncServiceTest, ClosesTheSessionOfABridgeThatVanishes) {
  Start();
  FakeBridge bridge = Connect();
  ASSERT_NE(bridge.Open(42), 0u);
  bridge.Cancel();
  EXPECT_EQ(bridge.End().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(EventuallyClosed());
}

TEST_F(SyncServiceTest, AnswersProbesAndShowsTheReport) {
  Start();
  FakeBridge bridge = Connect();
  const uint64_t session = bridge.Open(42);
  ASSERT_NE(session, 0u);
  pb::SyncRequest request;
  request.mutable_report()->set_outbox_rows(17);
  ASSERT_TRUE(bridge.Write(request));
  request.mutable_clock_probe()->set_bridge_time_unix_ns(5);
  ASSERT_TRUE(bridge.Write(request));
  const auto reply = bridge.ReadUntil(Response::kClockReply);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->clock_reply().bridge_time_unix_ns(), 5);
  EXPECT_GT(reply->clock_reply().gateway_time_unix_ns(), kTestTimeNs);

  pb::ListBridgesResponse bridges;
  ASSERT_TRUE(Call(kAlice, &TwinStub::ListBridges, pb::ListBridgesRequest(), &bridges).ok());
  ASSERT_EQ(bridges.bridges_size(), 1);
  EXPECT_EQ(bridges.bridges(0).name(), kTestBridge);
  EXPECT_EQ(bridges.bridges(0).session(), session);
  EXPECT_EQ(bridges.bridges(0).report().outbox_rows(), 17u);
  EXPECT_TRUE(bridges.bridges(0).connected());
}

TEST_F(SyncServiceTest, GivesCreditBackWhileABridgeSendsMoreThanItsWindow) {
  limits_.sync.credit_bytes = 64 << 10;
  limits_.sync.commit_linger_ns = 20'000'000;
  Start();
  FakeBridge bridge = Connect();
  ASSERT_TRUE(bridge.Hello(42));
  const auto welcome = bridge.ReadUntil(Response::kWelcome);
  ASSERT_TRUE(welcome.has_value());
  uint64_t credit = welcome->welcome().credit_bytes();
  EXPECT_EQ(credit, 64u << 10);
  ASSERT_TRUE(bridge.Send({BindingsFrame(1, "twin-1", {{1, "temp-1"}})}));
  credit -= 200;  // about what that cost, and more
  uint64_t sent = 0;
  for (uint64_t seq = 2; sent < (1u << 20); ++seq) {
    std::vector<Sample> samples;
    for (int i = 0; i < 1000; ++i) {
      samples.push_back(NumberAt(
          1, kTestTimeNs + i, static_cast<double>((seq * 1000003 + static_cast<uint64_t>(i) * 7919) % 1000003) / 3.0));
    }
    pb::SyncRequest request;
    *request.mutable_frames() = GroupOf(std::vector<pb::Frame>{BlockFrame(seq, samples)});
    const uint64_t bytes = request.frames().data().size();
    while (credit < bytes) {
      const auto more = bridge.ReadUntil(Response::kCredit);
      ASSERT_TRUE(more.has_value());
      credit += more->credit().bytes();
    }
    credit -= bytes;
    sent += bytes;
    ASSERT_TRUE(bridge.Write(request));
  }
}

TEST_F(SyncServiceTest, TellsBridgesToMoveWhenTheGatewayDrains) {
  Start();
  FakeBridge bridge = Connect();
  ASSERT_NE(bridge.Open(42), 0u);
  ASSERT_TRUE(bridge.Send({BindingsFrame(1, "twin-1", {{1, "temp-1"}})}));
  ASSERT_TRUE(bridge.ReadUntilCommitted(1));

  sessions_->BeginDrain(absl::Seconds(5));
  const auto drain = bridge.ReadUntil(Response::kDrain);
  ASSERT_TRUE(drain.has_value());
  EXPECT_EQ(drain->drain().grace_ns(), 5'000'000'000);
  ASSERT_TRUE(bridge.Send({BlockFrame(2, {NumberAt(1, kTestTimeNs, 1)})}));
  EXPECT_TRUE(bridge.ReadUntilCommitted(2)) << "what is in flight is still taken";
  FakeBridge late = Connect();
  late.Hello(42);
  EXPECT_EQ(ReasonOf(late.End()), "DRAINING");

  sessions_->EndDrain();
  const absl::Status end = bridge.End();
  EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(end), "DRAINING");
}

TEST_F(SyncServiceTest, ManyBridgesComeAndGoAtOnce) {
  limits_.sessions_max = 100;
  Start();
  std::vector<std::thread> threads;
  std::atomic<int> fine = 0;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, &fine, thread] {
      for (uint64_t epoch = 1; epoch <= 20; ++epoch) {
        FakeBridge bridge = Connect(thread % 2 == 0 ? kTestBridge : kOtherBridge);
        if (bridge.Open(epoch) == 0) continue;
        bridge.Send({BindingsFrame(1, thread % 2 == 0 ? "twin-1" : "other-1", {{1, "temp-1"}})});
        if (epoch % 3 == 0) continue;  // gone at once
        fine += bridge.ReadUntilCommitted(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(fine.load(), 0);
  Stop();
  EXPECT_THAT(registry_.Text(), HasSubstr("mvmd_gateway_sessions 0"));
  EXPECT_THAT(registry_.Text(), HasSubstr("mvmd_gateway_credit_outstanding_bytes 0"));
}

}  // namespace
}  // namespace mvmd
