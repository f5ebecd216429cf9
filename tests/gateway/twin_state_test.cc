// Sessions, frames, samples, gaps. Documents and replay have files of their own.
#include "gateway/twin_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/status_proto.h"
#include "tests/gateway/log_entries.h"
#include "twin/time.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

IntervalSet Seqs(uint64_t first, uint64_t last) {
  IntervalSet set;
  set.Add(first, last);
  return set;
}

const Json& SensorOf(const Json& document, absl::string_view id) {
  for (const Json& sensor : document.Find("sensors")->elements()) {
    if (sensor.Find("id")->string() == id) return sensor;
  }
  ADD_FAILURE() << "no sensor " << id;
  return document;
}

BridgeSnapshot OnlyBridge(const TwinState& state) {
  const std::vector<BridgeSnapshot> bridges = state.ListBridges("", 10, /*include_issues=*/true);
  EXPECT_THAT(bridges, SizeIs(1));
  return bridges.empty() ? BridgeSnapshot() : bridges[0];
}

std::vector<std::string> IssueReasons(const TwinState& state) {
  std::vector<std::string> reasons;
  for (const pb::Issue& issue : OnlyBridge(state).issues) reasons.push_back(issue.reason());
  return reasons;
}

// A session with the document of twin "robot" and its sensors as bindings 1 to 3; seqs 1 and 2 are used.
class TwinStateTest : public ::testing::Test {
 protected:
  uint64_t Open(uint64_t epoch = 7) { return fold_.Apply(OpenedEntry(epoch)).revision; }
  uint64_t OpenRobot() {
    const uint64_t session = Open();
    const ApplyResult result = fold_.Apply(
        FramesEntry(session, {DocumentFrame(1, "robot", TestDocumentText("robot")),
                              BindingsFrame(2, "robot", {{1, "temp-1"}, {2, "motion-1"}, {3, "pressure-1"}})}));
    EXPECT_TRUE(result.status.ok()) << result.status;
    EXPECT_THAT(result.rejected, IsEmpty());
    return session;
  }
  TestFold fold_;
};

TEST_F(TwinStateTest, TellsTheAppliedSetOfTheEpochToANewSession) {
  const uint64_t first = Open(7);
  fold_.Apply(FramesEntry(first, {GapFrame(1, "robot", ""), GapFrame(2, "robot", ""), GapFrame(9, "robot", "")}));
  const ApplyResult second = fold_.Apply(OpenedEntry(7));
  IntervalSet expected = Seqs(1, 2);
  expected.Add(9);
  EXPECT_EQ(second.applied, expected);
  EXPECT_TRUE(fold_.Apply(OpenedEntry(8)).applied.empty());
  EXPECT_EQ(fold_.Apply(OpenedEntry(7)).applied, expected) << "an epoch that came back";
}

TEST_F(TwinStateTest, FencesOlderSessions) {
  const uint64_t old_session = OpenRobot();
  const uint64_t new_session = Open();
  const ApplyResult fenced = fold_.Apply(FramesEntry(old_session, {BlockFrame(3, {NumberAt(1, kTestTimeNs, 99)})}));
  EXPECT_EQ(fenced.status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(fenced.status), "FENCED");
  EXPECT_TRUE(fenced.applied.empty());
  EXPECT_THAT(fold_.last_applied().samples, IsEmpty());
  const ApplyResult current = fold_.Apply(FramesEntry(new_session, {BlockFrame(3, {NumberAt(1, kTestTimeNs, 1)})}));
  EXPECT_TRUE(current.status.ok());
  EXPECT_EQ(current.samples_applied, 1u);
}

TEST_F(TwinStateTest, RefusesFramesOfClosedAndUnknownSessions) {
  const uint64_t session = OpenRobot();
  fold_.Apply(ClosedEntry(session));
  EXPECT_EQ(ReasonOf(fold_.Apply(FramesEntry(session, {GapFrame(3, "robot", "")})).status), "FENCED");
  EXPECT_EQ(ReasonOf(fold_.Apply(FramesEntry(12345, {GapFrame(3, "robot", "")})).status), "FENCED");
}

TEST_F(TwinStateTest, IgnoresTheCloseOfAFencedSession) {
  const uint64_t old_session = OpenRobot();
  Open();
  fold_.Apply(ClosedEntry(old_session));
  EXPECT_TRUE(OnlyBridge(fold_.state()).connected);
  EXPECT_THAT(fold_.last_applied().connections, IsEmpty());
}

TEST_F(TwinStateTest, RefusesAnotherOutboxWithTheSameEpoch) {
  const uint64_t session = OpenRobot();
  const ApplyResult result = fold_.Apply(OpenedEntry(7, kTestBridge, "another-outbox-i"));
  EXPECT_EQ(ReasonOf(result.status), "EPOCH_CONFLICT");
  EXPECT_EQ(OnlyBridge(fold_.state()).session, session);
}

TEST_F(TwinStateTest, AppliesASeqOnce) {
  const uint64_t session = OpenRobot();
  const pb::Frame frame = BlockFrame(3, {NumberAt(1, kTestTimeNs, 1)});
  EXPECT_EQ(fold_.Apply(FramesEntry(session, {frame})).samples_applied, 1u);
  const ApplyResult again = fold_.Apply(FramesEntry(
      session, {frame, BlockFrame(4, {NumberAt(2, kTestTimeNs, 2)}), BlockFrame(4, {NumberAt(2, kTestTimeNs, 3)})}));
  EXPECT_EQ(again.applied, Seqs(3, 4)) << "a duplicate may be committed too";
  EXPECT_EQ(again.frames_duplicate, 2u);
  EXPECT_EQ(again.frames_applied, 1u);
  EXPECT_EQ(again.samples_applied, 1u);
  EXPECT_THAT(fold_.last_applied().samples, SizeIs(1));
  EXPECT_EQ(OnlyBridge(fold_.state()).frames_duplicate, 2u);
}

TEST_F(TwinStateTest, CountsRefusedFramesAsApplied) {
  const uint64_t session = OpenRobot();
  pb::LogEntry entry = FramesEntry(session, {BlockFrame(3, {NumberAt(1, kTestTimeNs, 99)})});
  pb::RefusedFrame* refused = entry.mutable_frames_received()->add_refused();
  refused->set_seq(3);
  *refused->mutable_status() =
      ToRpcStatus(MakeError(absl::StatusCode::kPermissionDenied, "TWIN_NOT_ALLOWED", "not yours"));
  const ApplyResult result = fold_.Apply(entry);
  EXPECT_EQ(result.applied, Seqs(3, 3));
  EXPECT_THAT(result.rejected, IsEmpty()) << "the session told it already";
  EXPECT_EQ(result.samples_applied, 0u);
  EXPECT_THAT(IssueReasons(fold_.state()), ElementsAre("TWIN_NOT_ALLOWED"));
  EXPECT_EQ(OnlyBridge(fold_.state()).frames_rejected, 1u);
}

TEST_F(TwinStateTest, RejectsAMalformedFrameAndAppliesTheOthers) {
  const uint64_t session = OpenRobot();
  pb::Frame bad = BlockFrame(3, {NumberAt(1, kTestTimeNs, 1)});
  bad.mutable_block()->set_count(7);
  const ApplyResult result = fold_.Apply(FramesEntry(session, {bad, BlockFrame(4, {NumberAt(1, kTestTimeNs, 2)})}));
  EXPECT_EQ(result.applied, Seqs(3, 4));
  ASSERT_THAT(result.rejected, SizeIs(1));
  EXPECT_EQ(result.rejected[0].first, 3u);
  EXPECT_EQ(ReasonOf(result.rejected[0].second), "BLOCK_MALFORMED");
  EXPECT_EQ(result.samples_applied, 1u);
}

TEST_F(TwinStateTest, AcceptsTheSameBindingAgainAndRejectsAnother) {
  const uint64_t session = OpenRobot();
  EXPECT_THAT(fold_.Apply(FramesEntry(session, {BindingsFrame(3, "robot", {{1, "temp-1"}})})).rejected, IsEmpty());
  const ApplyResult conflict =
      fold_.Apply(FramesEntry(session, {BindingsFrame(4, "robot", {{4, "new"}, {1, "motion-1"}})}));
  ASSERT_THAT(conflict.rejected, SizeIs(1));
  EXPECT_EQ(ReasonOf(conflict.rejected[0].second), "BINDING_CONFLICT");
  EXPECT_EQ(fold_.state().FindSensor("robot", "new"), nullptr) << "all of a frame or nothing";
  const ApplyResult inside = fold_.Apply(FramesEntry(session, {BindingsFrame(5, "robot", {{4, "a"}, {4, "b"}})}));
  EXPECT_EQ(ReasonOf(inside.rejected.at(0).second), "BINDING_CONFLICT");
}

TEST_F(TwinStateTest, RejectsBindingsOutOfBounds) {
  TestFold fold({.twins_a_bridge_max = 2, .sensors_a_twin_max = 2});
  const uint64_t session = fold.Apply(OpenedEntry(1)).revision;
  uint64_t seq = 0;
  const auto reason = [&](pb::Frame frame) {
    frame.set_seq(++seq);
    const ApplyResult result = fold.Apply(FramesEntry(session, {frame}));
    return result.rejected.empty() ? std::string() : ReasonOf(result.rejected[0].second);
  };
  EXPECT_EQ(reason(BindingsFrame(0, "a", {{0, "x"}})), "BINDING_INVALID");
  EXPECT_EQ(reason(BindingsFrame(0, "", {{1, "x"}})), "BINDING_INVALID");
  EXPECT_EQ(reason(BindingsFrame(0, "a", {{1, ""}})), "BINDING_INVALID");
  EXPECT_EQ(reason(BindingsFrame(0, std::string(2000, 'a'), {{1, "x"}})), "BINDING_INVALID");
  EXPECT_EQ(reason(BindingsFrame(0, "a", {{4'000'000'000, "x"}})), "BINDING_INVALID");
  EXPECT_EQ(reason(BindingsFrame(0, "a", {{70'000, "x"}})), "BINDING_INVALID");
  EXPECT_EQ(reason(BindingsFrame(0, "a", {{1, "x"}, {2, "y"}})), "");
  EXPECT_EQ(reason(BindingsFrame(0, "a", {{3, "z"}})), "TOO_MANY_SENSORS");
  EXPECT_EQ(reason(BindingsFrame(0, "b", {{3, "x"}})), "");
  EXPECT_EQ(reason(BindingsFrame(0, "c", {{4, "x"}})), "TOO_MANY_TWINS");
  EXPECT_EQ(reason(GapFrame(0, "c", "")), "TOO_MANY_TWINS");
  EXPECT_EQ(reason(DocumentFrame(0, "c", TestDocumentText("c"))), "TOO_MANY_TWINS");
}

TEST_F(TwinStateTest, AppliesTheBoundRunsOfABlock) {
  const uint64_t session = OpenRobot();
  const ApplyResult result = fold_.Apply(FramesEntry(
      session, {BlockFrame(3, {NumberAt(1, kTestTimeNs, 1), NumberAt(40, kTestTimeNs, 2), NumberAt(0, 5, 1)})}));
  EXPECT_EQ(result.samples_applied, 1u);
  ASSERT_THAT(result.rejected, SizeIs(1));
  EXPECT_EQ(ReasonOf(result.rejected[0].second), "UNKNOWN_BINDING");
  EXPECT_THAT(IssueReasons(fold_.state()), ElementsAre("UNKNOWN_BINDING"));
  EXPECT_THAT(fold_.last_applied().samples, SizeIs(1));
}

TEST_F(TwinStateTest, ServesTheNewestValueByEventTime) {
  const uint64_t session = OpenRobot();
  const auto value = [&] { return SensorOf(fold_.Served("robot"), "temp-1").Find("currentValue")->number(); };
  const auto send = [&](uint64_t seq, const std::vector<Sample>& samples, pb::Lane lane = pb::LANE_LIVE) {
    fold_.Apply(FramesEntry(session, {BlockFrame(seq, samples)}, lane));
  };
  const int64_t t = kTestTimeNs;
  send(3, {NumberAt(1, t, 1), NumberAt(1, t + 5, 2), NumberAt(1, t + 3, 3)});
  EXPECT_EQ(value(), 2) << "the newest of the run, not the last";
  send(4, {NumberAt(1, t + 4, 4)}, pb::LANE_BACKFILL);
  EXPECT_EQ(value(), 2) << "never back";
  send(5, {NumberAt(1, t + 5, 5)});
  EXPECT_EQ(value(), 5) << "at equal times the later one";
  send(6, {NumberAt(1, t + 6, 6), NumberAt(1, t + 6, 7)});
  EXPECT_EQ(value(), 7) << "at equal times the later one of the run";
  EXPECT_EQ(SensorOf(fold_.Served("robot"), "temp-1").Find("timestamp")->string(), FormatTimestamp(t + 6));
}

TEST_F(TwinStateTest, KeepsTheTypeOfAValue) {
  const uint64_t session = OpenRobot();
  fold_.Apply(FramesEntry(session, {BlockFrame(3, {Sample{.binding = 1, .time_unix_ns = kTestTimeNs, .value = true},
                                                   Sample{.binding = 2, .time_unix_ns = kTestTimeNs, .value = "on"},
                                                   NumberAt(3, kTestTimeNs, -0.0)})}));
  const Json served = fold_.Served("robot");
  EXPECT_TRUE(SensorOf(served, "temp-1").Find("currentValue")->is_bool());
  EXPECT_EQ(SensorOf(served, "motion-1").Find("currentValue")->string(), "on");
  EXPECT_EQ(SensorOf(served, "pressure-1").Find("currentValue")->number(), 0);
}

TEST_F(TwinStateTest, CountsSamplesOfUnknownTwinsAndSensors) {
  const uint64_t session = OpenRobot();
  const pb::Frame bindings = BindingsFrame(3, "robot", {{4, "extra"}});
  const pb::Frame other = BindingsFrame(4, "other", {{5, "x"}});
  fold_.Apply(FramesEntry(session, {bindings, other}));
  const std::vector<Sample> samples = {NumberAt(4, kTestTimeNs, 1), NumberAt(5, kTestTimeNs, 2),
                                       NumberAt(5, kTestTimeNs + 1, 3)};
  const ApplyResult first = fold_.Apply(FramesEntry(session, {BlockFrame(5, samples)}));
  EXPECT_EQ(first.samples_applied, 3u) << "they are in the log";
  EXPECT_THAT(first.documents_wanted, ElementsAre("other"));
  EXPECT_THAT(fold_.Apply(FramesEntry(session, {BlockFrame(6, samples)})).documents_wanted, IsEmpty())
      << "once a session";
  EXPECT_THAT(IssueReasons(fold_.state()), ElementsAre("UNKNOWN_SENSOR", "UNKNOWN_TWIN"));
  EXPECT_EQ(OnlyBridge(fold_.state()).issues[1].count(), 4u);
  EXPECT_EQ(ReasonOf(fold_.state().GetTwin("other").status()), "TWIN_NOT_FOUND");

  // With the document its values are there at once.
  const ApplyResult patched = fold_.Apply(
      PatchEntry("robot", R"({"sensors":[{"id":"extra","name":"E","type":"count","unit":"1","updateFrequency":1}]})"));
  ASSERT_TRUE(patched.status.ok()) << patched.status;
  EXPECT_EQ(SensorOf(fold_.Served("robot"), "extra").Find("currentValue")->number(), 1);
  const uint64_t next_session = Open();
  EXPECT_THAT(fold_.Apply(FramesEntry(next_session, {BlockFrame(7, samples)})).documents_wanted, ElementsAre("other"));
}

TEST_F(TwinStateTest, KeepsTheLastIssuesOnly) {
  TestFold fold({.issues_kept = 2});
  const uint64_t session = fold.Apply(OpenedEntry(1)).revision;
  fold.Apply(FramesEntry(session, {BindingsFrame(1, "a", {{1, "x"}}), BindingsFrame(2, "b", {{2, "x"}}),
                                   BindingsFrame(3, "c", {{3, "x"}})}));
  uint64_t seq = 3;
  for (uint32_t binding : {1u, 2u, 1u, 3u}) {
    fold.Apply(FramesEntry(session, {BlockFrame(++seq, {NumberAt(binding, kTestTimeNs, 1)})}));
  }
  const std::vector<pb::Issue> issues = OnlyBridge(fold.state()).issues;
  ASSERT_THAT(issues, SizeIs(2));
  EXPECT_EQ(issues[0].twin(), "a");
  EXPECT_EQ(issues[0].count(), 2u);
  EXPECT_EQ(issues[1].twin(), "c");
}

TEST_F(TwinStateTest, FlagsTimesFromTheFutureAndKeepsThem) {
  const uint64_t session = OpenRobot();
  const ApplyResult result =
      fold_.Apply(FramesEntry(session, {BlockFrame(3, {NumberAt(1, kTestTimeNs + 3600 * kSecondNs, 1)}),
                                        BlockFrame(4, {NumberAt(2, std::numeric_limits<int64_t>::min(), 1)})}));
  EXPECT_EQ(result.samples_applied, 2u);
  EXPECT_THAT(IssueReasons(fold_.state()), ElementsAre("TIME_IN_FUTURE"));
}

TEST_F(TwinStateTest, ShowsHowTheTwinIsSynchronized) {
  const uint64_t session = Open();
  fold_.Apply(FramesEntry(session, {BindingsFrame(1, "robot", {{1, "temp-1"}})}));
  fold_.Apply(PutEntry("robot", TestDocumentText("robot")));
  const auto sync = [&](const char* member) { return *fold_.Served("robot").Find("synchronization")->Find(member); };
  EXPECT_EQ(sync("lastSynced").string(), "2024-03-15T14:30:00Z") << "the document's own";
  EXPECT_EQ(sync("latency").number(), 120);

  const int64_t t = kTestTimeNs + 100 * kSecondNs;
  fold_.ApplyAt(t + 40'400'000, FramesEntry(session, {BlockFrame(2, {NumberAt(1, t, 1), NumberAt(1, t - 9, 1)})}));
  EXPECT_EQ(sync("lastSynced").string(), FormatTimestamp(t + 40'400'000));
  EXPECT_EQ(sync("latency").number(), 40);
  EXPECT_EQ(sync("connectionStatus").string(), "active");

  fold_.ApplyAt(t + 1'000'000'000, FramesEntry(session, {BlockFrame(3, {NumberAt(1, t + 991'600'000, 1)})}));
  EXPECT_EQ(sync("latency").number(), 36) << "40.4 - (40.4 - 8.4) / 8";
  fold_.ApplyAt(t + 2'000'000'000, FramesEntry(session, {BlockFrame(4, {NumberAt(1, t, 1)})}, pb::LANE_BACKFILL));
  EXPECT_EQ(sync("latency").number(), 36) << "backlog says nothing of the latency";

  const uint64_t before = fold_.state().GetTwin("robot")->revision;
  const ApplyResult closed = fold_.Apply(ClosedEntry(session));
  EXPECT_EQ(sync("connectionStatus").string(), "inactive");
  EXPECT_GT(closed.revision, before);
  EXPECT_EQ(fold_.state().GetTwin("robot")->revision, closed.revision);
  Open();
  EXPECT_EQ(sync("connectionStatus").string(), "active");
}

TEST_F(TwinStateTest, GivesATwinToTheBridgeThatLastSent) {
  const uint64_t first = OpenRobot();
  const char kOther[] = "spiffe://plant.example/bridge/other";
  const uint64_t second = fold_.Apply(OpenedEntry(1, kOther)).revision;
  fold_.Apply(
      FramesEntry(second, {BindingsFrame(1, "robot", {{1, "temp-1"}}), BlockFrame(2, {NumberAt(1, kTestTimeNs, 1)})}));
  const auto status = [&] { return fold_.Served("robot").Find("synchronization")->Find("connectionStatus")->string(); };
  fold_.Apply(ClosedEntry(first));
  EXPECT_EQ(status(), "active");
  fold_.Apply(ClosedEntry(second, kOther));
  EXPECT_EQ(status(), "inactive");
}

TEST_F(TwinStateTest, LeavesOutWhatThePolicyForbidsAndKnowsItWhenItIsAllowed) {
  const uint64_t session = OpenRobot();
  const auto send = [&](const pb::Frame& frame, bool forbidden) {
    pb::LogEntry entry = FramesEntry(session, {frame});
    if (forbidden) entry.mutable_frames_received()->add_forbidden_bindings(9);
    return fold_.Apply(entry);
  };
  const ApplyResult declared = send(BindingsFrame(3, "secret", {{9, "x"}}), true);
  ASSERT_THAT(declared.rejected, SizeIs(1));
  EXPECT_EQ(ReasonOf(declared.rejected[0].second), "NOT_AUTHORIZED");
  // One block with samples of both twins: one harms not the other.
  const ApplyResult mixed = send(BlockFrame(4, {NumberAt(1, kTestTimeNs, 1), NumberAt(9, kTestTimeNs, 2)}), true);
  EXPECT_EQ(mixed.samples_applied, 1u);
  EXPECT_THAT(mixed.rejected, SizeIs(1));
  EXPECT_THAT(fold_.last_applied().samples, SizeIs(1));
  EXPECT_TRUE(mixed.documents_wanted.empty());
  fold_.Apply(FramesEntry(session, {GapFrame(5, "", "")}));
  EXPECT_THAT(fold_.state().GapsOf("secret", "x"), IsEmpty()) << "it is none of the bridge's twins";
  EXPECT_THAT(fold_.state().GapsOf("robot", "temp-1"), SizeIs(1));

  const ApplyResult allowed = send(BlockFrame(6, {NumberAt(9, kTestTimeNs + 1, 3)}), false);
  EXPECT_EQ(allowed.samples_applied, 1u);
  EXPECT_THAT(allowed.rejected, IsEmpty());
  EXPECT_THAT(allowed.documents_wanted, ElementsAre("secret"));
  fold_.Apply(FramesEntry(session, {GapFrame(7, "", "")}));
  EXPECT_THAT(fold_.state().GapsOf("secret", "x"), SizeIs(1));
}

TEST_F(TwinStateTest, RecordsGapsOfATwinAndOfAllTwins) {
  const uint64_t session = OpenRobot();
  fold_.Apply(FramesEntry(session, {BindingsFrame(3, "other", {{4, "x"}})}));
  fold_.Apply(FramesEntry(session, {GapFrame(4, "robot", "temp-1", 5)}));
  EXPECT_THAT(fold_.last_applied().gaps, SizeIs(1));
  fold_.Apply(FramesEntry(session, {GapFrame(5, "", "", 7)}));
  EXPECT_THAT(fold_.last_applied().gaps, SizeIs(2)) << "one a twin of the bridge";
  EXPECT_THAT(fold_.state().GapsOf("robot", "temp-1"), SizeIs(2));
  EXPECT_THAT(fold_.state().GapsOf("robot", "motion-1"), SizeIs(1));
  EXPECT_THAT(fold_.state().GapsOf("other", "x"), SizeIs(1));
  EXPECT_THAT(fold_.state().GapsOf("nobody", "x"), IsEmpty());
}

TEST_F(TwinStateTest, GapsOfAllTwinsInOneEntryAreOnePerReason) {
  const uint64_t session = OpenRobot();
  std::vector<pb::Frame> frames;
  for (uint64_t seq = 3; seq < 103; ++seq) {
    frames.push_back(GapFrame(seq, "", "", 2));
    frames.back().mutable_gap()->set_first_seq(seq);
    frames.back().mutable_gap()->set_last_seq(seq);
    if (seq % 10 == 0) frames.back().mutable_gap()->set_reason(pb::Gap::REASON_DAMAGED_ROW);
    if (seq % 10 == 1) frames.back().mutable_gap()->set_reason(static_cast<pb::Gap::Reason>(1000 + seq));
  }
  const ApplyResult result = fold_.Apply(FramesEntry(session, frames));
  EXPECT_EQ(result.frames_applied, 100u);
  const std::vector<pb::Gap> gaps = fold_.state().GapsOf("robot", "temp-1");
  ASSERT_THAT(gaps, SizeIs(3));
  EXPECT_EQ(gaps[0].first_seq(), 3u);
  EXPECT_EQ(gaps[0].last_seq(), 102u);
  EXPECT_EQ(gaps[0].count(), 160u);
  EXPECT_EQ(gaps[1].reason(), pb::Gap::REASON_DAMAGED_ROW);
  EXPECT_EQ(gaps[1].count(), 20u);
  EXPECT_EQ(gaps[2].reason(), pb::Gap::REASON_UNSPECIFIED) << "unknown ones";
}

TEST_F(TwinStateTest, MergesTheOldestGapsWhenThereAreTooMany) {
  TestFold fold({.gaps_kept = 2});
  const uint64_t session = fold.Apply(OpenedEntry(1)).revision;
  for (uint64_t seq = 1; seq <= 4; ++seq) fold.Apply(FramesEntry(session, {GapFrame(seq, "robot", "x", seq)}));
  const std::vector<pb::Gap> gaps = fold.state().GapsOf("robot", "x");
  ASSERT_THAT(gaps, SizeIs(2));
  EXPECT_EQ(gaps[0].count(), 6u);
  EXPECT_EQ(gaps[0].sensor(), "x");
  EXPECT_EQ(gaps[1].count(), 4u);
}

TEST_F(TwinStateTest, ListsTwinsInOrder) {
  for (const char* twin : {"b2", "a", "b1", "c"}) fold_.Apply(PutEntry(twin, TestDocumentText(twin)));
  fold_.Apply(DeleteEntry("c"));
  const auto ids = [&](absl::string_view prefix, absl::string_view after, size_t limit) {
    std::vector<std::string> listed;
    for (const TwinSnapshot& twin : fold_.state().ListTwins(prefix, after, limit)) listed.push_back(twin.twin);
    return listed;
  };
  EXPECT_THAT(ids("", "", 10), ElementsAre("a", "b1", "b2"));
  EXPECT_THAT(ids("b", "", 10), ElementsAre("b1", "b2"));
  EXPECT_THAT(ids("b", "b1", 10), ElementsAre("b2"));
  EXPECT_THAT(ids("", "a", 1), ElementsAre("b1"));
  EXPECT_THAT(ids("b", "zzz", 10), IsEmpty());
  EXPECT_EQ(fold_.state().twin_count(), 3u);
}

TEST_F(TwinStateTest, RefusesHolesAndEntriesThatItDoesNotKnow) {
  EXPECT_EQ(fold_.state().Apply(2, OpenedEntry(1), nullptr, nullptr).status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(fold_.state().Apply(1, pb::LogEntry(), nullptr, nullptr).status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(fold_.state().applied_revision(), 0u);
}

TEST_F(TwinStateTest, GoesOnAfterAGroupThatCannotBeRead) {
  const uint64_t session = OpenRobot();
  pb::LogEntry entry = FramesEntry(session, {GapFrame(3, "robot", "")});
  entry.mutable_frames_received()->mutable_group()->set_raw_bytes(1);
  EXPECT_EQ(fold_.Apply(entry).status.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(fold_.Apply(FramesEntry(session, {GapFrame(3, "robot", "")})).status.ok());
}

TEST_F(TwinStateTest, KnowsWhereSamplesAre) {
  const uint64_t session = OpenRobot();
  const int64_t t = kTestTimeNs;
  uint64_t seq = 2;
  // Revisions 3 to 602: temp-1 every time, motion-1 in the second segment only.
  for (int i = 0; i < 600; ++i) {
    std::vector<Sample> samples = {NumberAt(1, t + i, i)};
    if (fold_.log().size() + 1 == 300) samples.push_back(NumberAt(2, t, 1));
    fold_.Apply(FramesEntry(session, {BlockFrame(++seq, samples)}));
  }
  const TwinState& state = fold_.state();
  const SensorRef* temperature = state.FindSensor("robot", "temp-1");
  const SensorRef* motion = state.FindSensor("robot", "motion-1");
  const SensorRef* pressure = state.FindSensor("robot", "pressure-1");
  const int64_t forever = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(state.SegmentsOf(temperature, 0, forever, 0, false),
              ElementsAre(RevisionRange{1, 256}, RevisionRange{257, 512}, RevisionRange{513, 602}));
  EXPECT_THAT(state.SegmentsOf(temperature, 0, forever, 300, false),
              ElementsAre(RevisionRange{300, 512}, RevisionRange{513, 602}));
  EXPECT_THAT(state.SegmentsOf(temperature, t + 10, t + 11, 0, false), ElementsAre(RevisionRange{1, 256}));
  EXPECT_THAT(state.SegmentsOf(temperature, t + 599, forever, 0, false), ElementsAre(RevisionRange{513, 602}));
  EXPECT_THAT(state.SegmentsOf(temperature, t + 600, forever, 0, false), IsEmpty());
  EXPECT_THAT(state.SegmentsOf(temperature, 0, t, 0, false), IsEmpty());
  EXPECT_THAT(state.SegmentsOf(motion, 0, forever, 0, false), ElementsAre(RevisionRange{257, 512}));
  EXPECT_THAT(state.SegmentsOf(pressure, 0, forever, 0, false), IsEmpty());
  EXPECT_THAT(state.SegmentsOf(temperature, 0, forever, 0, true), IsEmpty());
  fold_.Apply(FramesEntry(session, {BlockFrame(++seq, {NumberAt(1, t, 0)})}, pb::LANE_BACKFILL));
  EXPECT_THAT(state.SegmentsOf(temperature, 0, forever, 0, true), ElementsAre(RevisionRange{513, 603}));
}

TEST_F(TwinStateTest, MergesSegmentsWhenThereAreTooManyRows) {
  TestFold fold({.history_rows_max = 3});
  const uint64_t session = fold.Apply(OpenedEntry(1)).revision;
  fold.Apply(FramesEntry(session, {BindingsFrame(1, "robot", {{1, "x"}})}));
  for (int i = 0; i < 256 * 6; ++i) {
    fold.Apply(FramesEntry(session, {BlockFrame(2 + static_cast<uint64_t>(i), {NumberAt(1, kTestTimeNs + i, i)})}));
  }
  const std::vector<RevisionRange> ranges =
      fold.state().SegmentsOf(fold.state().FindSensor("robot", "x"), 0, std::numeric_limits<int64_t>::max(), 0, false);
  EXPECT_THAT(ranges, SizeIs(testing::Le(5)));
  EXPECT_EQ(ranges.front().first, 1u);
  EXPECT_EQ(ranges.back().last, fold.log().size());
  for (size_t i = 1; i < ranges.size(); ++i) EXPECT_EQ(ranges[i].first, ranges[i - 1].last + 1);
}

}  // namespace
}  // namespace mvmd
