// What a twin remembers to be missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/twin_state.h"
#include "runtime/status_proto.h"
#include "tests/gateway/log_entries.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::IsEmpty;
using ::testing::SizeIs;

// Twin "robot" with bindings 1 to 2, "other" with binding 3; seqs 1 and 2 are used.
class TwinStateGapsTest : public ::testing::Test {
 protected:
  TwinStateGapsTest() {
    session_ = fold_.Apply(OpenedEntry(7)).revision;
    Apply({BindingsFrame(1, "robot", {{1, "temp-1"}, {2, "motion-1"}}), BindingsFrame(2, "other", {{3, "x"}})});
  }
  ApplyResult Apply(std::vector<pb::Frame> frames, std::vector<uint32_t> forbidden = {}) {
    pb::LogEntry entry = FramesEntry(session_, frames);
    for (const uint32_t binding : forbidden) entry.mutable_frames_received()->add_forbidden_bindings(binding);
    return fold_.Apply(std::move(entry));
  }
  // What watchers are told is the same from the log.
  void ExpectResolved() {
    const uint64_t revision = fold_.state().applied_revision();
    const auto resolved = fold_.state().Resolve(revision, fold_.log().back());
    ASSERT_TRUE(resolved.ok()) << resolved.status();
    EXPECT_EQ(Describe(**resolved), Describe(fold_.last_applied()));
  }
  static pb::Frame DropFrame(uint64_t seq, uint64_t covered_first, uint64_t covered_last) {
    pb::Frame frame = GapFrame(seq, "robot", "temp-1", 5);
    pb::Interval* covered = frame.mutable_gap()->add_covered();
    covered->set_first(covered_first);
    covered->set_last(covered_last);
    return frame;
  }

  TestFold fold_;
  uint64_t session_ = 0;
};

TEST_F(TwinStateGapsTest, TellsWhenAndByWhomAGapWasRecorded) {
  Apply({GapFrame(3, "robot", "temp-1", 5)});
  const std::vector<TwinGap> gaps = fold_.state().ListGaps("robot");
  ASSERT_THAT(gaps, SizeIs(1));
  EXPECT_EQ(gaps[0].revision, fold_.state().applied_revision());
  EXPECT_EQ(gaps[0].time_unix_ns, fold_.time_unix_ns());
  EXPECT_EQ(gaps[0].bridge, kTestBridge);
  EXPECT_EQ(gaps[0].epoch, 7u);
  EXPECT_EQ(gaps[0].gap.count(), 5u);
  EXPECT_EQ(gaps[0].gap.twin(), "robot");
  EXPECT_THAT(fold_.state().ListGaps("nobody"), IsEmpty());
}

TEST_F(TwinStateGapsTest, SamplesOfABlockThatIsRefusedAreAGapOfTheBridgesTwins) {
  pb::Frame bad = BlockFrame(3, {NumberAt(1, kTestTimeNs, 1)});
  bad.mutable_block()->add_counts(17);
  const ApplyResult result = Apply({bad});
  ASSERT_THAT(result.rejected, SizeIs(1));
  EXPECT_THAT(result.gaps, SizeIs(2)) << "a twin each";
  for (const char* twin : {"robot", "other"}) {
    const std::vector<TwinGap> gaps = fold_.state().ListGaps(twin);
    ASSERT_THAT(gaps, SizeIs(1)) << twin;
    EXPECT_EQ(gaps[0].gap.reason(), pb::Gap::REASON_REJECTED);
    EXPECT_EQ(gaps[0].gap.first_seq(), 3u);
    EXPECT_EQ(gaps[0].gap.last_seq(), 3u);
  }
  ExpectResolved();
}

TEST_F(TwinStateGapsTest, SamplesThatThePolicyNoLongerAllowsAreAGapOfTheirTwinOnly) {
  Apply({BlockFrame(3, {NumberAt(1, kTestTimeNs, 1), NumberAt(3, kTestTimeNs, 1)})});
  Apply({BlockFrame(
            4, {NumberAt(1, kTestTimeNs, 2), NumberAt(1, kTestTimeNs + kSecondNs, 3), NumberAt(3, kTestTimeNs, 4)})},
        {1});
  const std::vector<TwinGap> gaps = fold_.state().ListGaps("robot");
  ASSERT_THAT(gaps, SizeIs(1));
  EXPECT_EQ(gaps[0].gap.sensor(), "temp-1");
  EXPECT_EQ(gaps[0].gap.count(), 2u);
  EXPECT_EQ(gaps[0].gap.start_time_unix_ns(), kTestTimeNs);
  EXPECT_EQ(gaps[0].gap.end_time_unix_ns(), kTestTimeNs + kSecondNs);
  EXPECT_EQ(gaps[0].gap.reason(), pb::Gap::REASON_REJECTED);
  EXPECT_THAT(fold_.state().ListGaps("other"), IsEmpty());
  ExpectResolved();
}

TEST_F(TwinStateGapsTest, ATwinThatNeverWasAllowedIsLeftAlone) {
  Apply({BindingsFrame(3, "secret", {{4, "x"}})}, {4});
  Apply({BlockFrame(4, {NumberAt(4, kTestTimeNs, 1)})}, {4});
  EXPECT_THAT(fold_.state().ListGaps("secret"), IsEmpty());
}

TEST_F(TwinStateGapsTest, SamplesWithoutABindingAreAGapOfTheBridgesTwins) {
  Apply({BlockFrame(3, {NumberAt(9, kTestTimeNs, 1), NumberAt(9, kTestTimeNs, 2)})});
  ASSERT_THAT(fold_.state().ListGaps("robot"), SizeIs(1));
  EXPECT_EQ(fold_.state().ListGaps("robot")[0].gap.count(), 2u);
  ASSERT_THAT(fold_.state().ListGaps("other"), SizeIs(1));
  ExpectResolved();
}

TEST_F(TwinStateGapsTest, RowsThatAGapCoversCountAsApplied) {
  const ApplyResult result = Apply({DropFrame(20, 3, 18)});
  EXPECT_TRUE(result.applied.ContainsAll(3, 18)) << "the bridge is told";
  EXPECT_TRUE(result.applied.Contains(20));
  EXPECT_FALSE(result.applied.Contains(19));
  // Late ones change nothing.
  EXPECT_EQ(Apply({BlockFrame(5, {NumberAt(1, kTestTimeNs, 1)})}).samples_applied, 0u);
  EXPECT_EQ(fold_.state().ListGaps("robot")[0].gap.covered_size(), 0) << "which is between bridge and gateway";
  ExpectResolved();
}

TEST_F(TwinStateGapsTest, RefusesAGapThatCoversWhatComesAfterIt) {
  for (const auto& [first, last] : {std::pair{20, 20}, {30, 40}, {0, 3}, {9, 8}}) {
    const ApplyResult result = Apply({DropFrame(20, static_cast<uint64_t>(first), static_cast<uint64_t>(last))});
    ASSERT_THAT(result.rejected, SizeIs(first == 20 ? 1 : 0)) << first;  // then it is a duplicate
    if (first == 20) {
      EXPECT_EQ(ReasonOf(result.rejected[0].second), "GAP_INVALID");
    }
  }
  EXPECT_THAT(fold_.state().ListGaps("robot"), IsEmpty());
}

TEST_F(TwinStateGapsTest, GapsThatFollowOnEachOtherAreOne) {
  for (uint64_t seq = 3; seq <= 6; ++seq) {
    pb::Frame frame = GapFrame(seq, "robot", "temp-1", 2);
    frame.mutable_gap()->set_first_seq(seq);
    frame.mutable_gap()->set_last_seq(seq);
    if (seq == 6) frame.mutable_gap()->set_reason(pb::Gap::REASON_DAMAGED_ROW);
    Apply({frame});
  }
  const std::vector<TwinGap> gaps = fold_.state().ListGaps("robot");
  ASSERT_THAT(gaps, SizeIs(2));
  EXPECT_EQ(gaps[0].gap.first_seq(), 3u);
  EXPECT_EQ(gaps[0].gap.last_seq(), 5u);
  EXPECT_EQ(gaps[0].gap.count(), 6u);
  EXPECT_EQ(gaps[1].gap.reason(), pb::Gap::REASON_DAMAGED_ROW);
}

TEST_F(TwinStateGapsTest, AreTheSameAfterARestart) {
  Apply({BlockFrame(3, {NumberAt(9, kTestTimeNs, 1)}), DropFrame(20, 4, 18)});
  TwinState restored{TwinStateLimits()};
  for (const auto& [key, value] : fold_.state().TakeCheckpoint().changes) {
    if (value.has_value()) {
      ASSERT_TRUE(restored.Restore(key, *value).ok());
    }
  }
  ASSERT_TRUE(restored.FinishRestore(fold_.state().applied_revision()).ok());
  EXPECT_EQ(restored.Fingerprint(), fold_.state().Fingerprint());
  ASSERT_EQ(restored.ListGaps("robot").size(), fold_.state().ListGaps("robot").size());
  const TwinGap before = fold_.state().ListGaps("robot")[0];
  const TwinGap after = restored.ListGaps("robot")[0];
  EXPECT_EQ(after.gap.SerializeAsString(), before.gap.SerializeAsString());
  EXPECT_EQ(after.revision, before.revision);
  EXPECT_EQ(after.time_unix_ns, before.time_unix_ns);
  EXPECT_EQ(after.bridge, before.bridge);
  const auto resolved = restored.Resolve(fold_.state().applied_revision(), fold_.log().back());
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(Describe(**resolved), Describe(fold_.last_applied()));
}

}  // namespace
}  // namespace mvmd
