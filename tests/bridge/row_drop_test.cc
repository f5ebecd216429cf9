#include "bridge/row_drop.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::ElementsAre;

constexpr int64_t kSecondNs = 1'000'000'000;

std::optional<std::pair<std::string, std::string>> Name(uint32_t binding) {
  if (binding > 9) return std::nullopt;
  return std::pair(std::string(binding < 5 ? "robot" : "press"), std::string(1, static_cast<char>('a' + binding)));
}

// Value and time of the n-th sample are n.
pb::Frame Block(uint64_t seq, const std::vector<std::pair<uint32_t, int>>& samples) {
  std::vector<Sample> list;
  for (const auto& [binding, n] : samples) {
    list.push_back({.binding = binding, .time_unix_ns = n * kSecondNs, .value = static_cast<double>(n)});
  }
  pb::Frame frame;
  frame.set_seq(seq);
  EncodeBlock(list, frame.mutable_block());
  return frame;
}

pb::Frame FrameOf(const RowDrop::Row& row) {
  pb::Frame frame;
  EXPECT_TRUE(frame.ParseFromString(row.frame));
  return frame;
}

std::vector<std::pair<uint32_t, double>> SamplesOf(const RowDrop::Row& row) {
  DecodedBlock block;
  EXPECT_TRUE(DecodeBlock(FrameOf(row).block(), &block).ok());
  std::vector<std::pair<uint32_t, double>> samples;
  for (const DecodedBlock::Run& run : block.runs) {
    for (uint32_t i = run.begin; i < run.begin + run.count; ++i) samples.emplace_back(run.binding, block.numbers[i]);
  }
  return samples;
}

std::vector<uint64_t> SeqsOf(const RowDrop::Plan& plan) {
  std::vector<uint64_t> seqs;
  for (const auto& [seq, row] : plan.rows) seqs.push_back(seq);
  return seqs;
}

TEST(RowDropTest, KeepsTheNewestOfASensorThatIsSilentSince) {
  RowDrop drop(pb::Gap::REASON_OUTBOX_FULL, Name);
  for (uint64_t seq = 10; seq <= 19; ++seq) {
    const int n = static_cast<int>(seq);
    ASSERT_TRUE(drop.Add(Block(seq, {{1, n}, {2, n}})));
  }
  const auto plan = drop.Make({2}, /*keep_newest=*/true);
  ASSERT_TRUE(plan.has_value());
  ASSERT_THAT(SeqsOf(*plan), ElementsAre(18, 19));
  EXPECT_THAT(SamplesOf(plan->rows.at(18)), ElementsAre(std::pair(1u, 19.0)));
  const pb::Gap gap = FrameOf(plan->rows.at(19)).gap();
  EXPECT_EQ(gap.twin(), "robot");
  EXPECT_EQ(gap.sensor(), "") << "of two sensors";
  EXPECT_EQ(gap.count(), 19u);
  EXPECT_EQ(gap.first_seq(), 10u);
  EXPECT_EQ(gap.last_seq(), 19u);
  EXPECT_EQ(gap.start_time_unix_ns(), 10 * kSecondNs);
  EXPECT_EQ(gap.end_time_unix_ns(), 19 * kSecondNs);
  EXPECT_EQ(gap.reason(), pb::Gap::REASON_OUTBOX_FULL);
  ASSERT_EQ(gap.covered_size(), 1);
  EXPECT_EQ(gap.covered(0).first(), 10u);
  EXPECT_EQ(gap.covered(0).last(), 17u);
  EXPECT_EQ(plan->samples, 19u);
}

TEST(RowDropTest, MakesOneGapATwin) {
  RowDrop drop(pb::Gap::REASON_TOO_OLD, Name);
  for (uint64_t seq = 1; seq <= 8; ++seq) ASSERT_TRUE(drop.Add(Block(seq, {{1, 1}, {5, 2}, {12, 3}})));
  const auto plan = drop.Make({}, /*keep_newest=*/false);
  ASSERT_TRUE(plan.has_value());
  std::map<std::string, uint64_t> counts;
  uint64_t covered = 0;
  for (const auto& [seq, row] : plan->rows) {
    EXPECT_FALSE(row.is_block);
    const pb::Gap gap = FrameOf(row).gap();
    counts[gap.twin()] += gap.count();
    for (const pb::Interval& interval : gap.covered()) covered += interval.last() - interval.first() + 1;
    EXPECT_EQ(gap.reason(), pb::Gap::REASON_TOO_OLD);
  }
  EXPECT_THAT(counts, ElementsAre(std::pair("", 8u), std::pair("press", 8u), std::pair("robot", 8u)))
      << "a binding that nobody knows is of the whole bridge";
  EXPECT_EQ(covered + plan->rows.size(), 8u) << "each row is there or told";
}

TEST(RowDropTest, MakesOneWithTheGapsOfEarlierDrops) {
  RowDrop first(pb::Gap::REASON_OUTBOX_FULL, Name);
  for (uint64_t seq = 1; seq <= 5; ++seq) ASSERT_TRUE(first.Add(Block(seq, {{1, 1}})));
  const auto before = first.Make({1}, /*keep_newest=*/true);
  ASSERT_TRUE(before.has_value());
  ASSERT_THAT(SeqsOf(*before), ElementsAre(5));

  RowDrop second(pb::Gap::REASON_OUTBOX_FULL, Name);
  ASSERT_TRUE(second.Add(FrameOf(before->rows.at(5))));
  for (uint64_t seq = 7; seq <= 9; ++seq) ASSERT_TRUE(second.Add(Block(seq, {{1, 2}})));
  const auto plan = second.Make({1}, /*keep_newest=*/true);
  ASSERT_TRUE(plan.has_value());
  ASSERT_THAT(SeqsOf(*plan), ElementsAre(9));
  const pb::Gap gap = FrameOf(plan->rows.at(9)).gap();
  EXPECT_EQ(gap.count(), 8u);
  EXPECT_EQ(gap.first_seq(), 1u);
  EXPECT_EQ(gap.last_seq(), 9u);
  IntervalSet covered = *IntervalSet::FromProto(gap.covered());
  EXPECT_TRUE(covered.ContainsAll(1, 5));
  EXPECT_TRUE(covered.ContainsAll(7, 8));
  EXPECT_FALSE(covered.Contains(6)) << "it was not looked at";
}

TEST(RowDropTest, ManyTwinsInFewRowsAreOneGapOfTheBridge) {
  RowDrop drop(pb::Gap::REASON_OUTBOX_FULL,
               [](uint32_t binding) { return std::pair("twin-" + std::to_string(binding), std::string("x")); });
  std::vector<std::pair<uint32_t, int>> samples;
  for (uint32_t binding = 1; binding <= 100; ++binding) samples.emplace_back(binding, 1);
  for (uint64_t seq = 1; seq <= 4; ++seq) ASSERT_TRUE(drop.Add(Block(seq, samples)));
  const auto plan = drop.Make({}, /*keep_newest=*/false);
  ASSERT_TRUE(plan.has_value());
  ASSERT_THAT(SeqsOf(*plan), ElementsAre(4));
  EXPECT_EQ(FrameOf(plan->rows.at(4)).gap().twin(), "");
  EXPECT_EQ(FrameOf(plan->rows.at(4)).gap().count(), 400u);
}

TEST(RowDropTest, LeavesWhatIsNoSamples) {
  RowDrop drop(pb::Gap::REASON_OUTBOX_FULL, Name);
  pb::Frame frame;
  frame.set_seq(1);
  frame.mutable_gap()->set_reason(pb::Gap::REASON_DAMAGED_ROW);
  EXPECT_FALSE(drop.Add(frame));
  frame.mutable_command_result();
  EXPECT_FALSE(drop.Add(frame));
  frame.mutable_block()->set_count(3);
  EXPECT_FALSE(drop.Add(frame)) << "and what is none";
  EXPECT_TRUE(drop.seqs().empty());
}

TEST(RowDropTest, DoesNothingWhenEverySampleIsTheNewest) {
  RowDrop drop(pb::Gap::REASON_OUTBOX_FULL, Name);
  ASSERT_TRUE(drop.Add(Block(1, {{1, 1}})));
  ASSERT_TRUE(drop.Add(Block(2, {{2, 1}})));
  EXPECT_FALSE(drop.Make({}, /*keep_newest=*/true).has_value());
  EXPECT_TRUE(drop.Make({}, /*keep_newest=*/false).has_value());
}

}  // namespace
}  // namespace mvmd
