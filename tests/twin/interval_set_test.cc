#include "twin/interval_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <set>

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Closed = IntervalSet::Closed;
using Intervals = google::protobuf::RepeatedPtrField<mvmd::twin::v1alpha1::Interval>;

constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();

IntervalSet SetOf(std::initializer_list<Closed> intervals) {
  IntervalSet set;
  for (const Closed& interval : intervals) set.Add(interval.first, interval.last);
  return set;
}

TEST(IntervalSetTest, EmptyHasNothing) {
  const IntervalSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.Count(), 0u);
  EXPECT_FALSE(set.Contains(0));
  EXPECT_EQ(set.FirstMissing(7), 7u);
  EXPECT_EQ(set.FirstPresent(0), std::nullopt);
  EXPECT_THAT(set.Missing(3, 9), ElementsAre(Closed{3, 9}));
}

TEST(IntervalSetTest, MergesNeighbours) {
  IntervalSet set;
  set.Add(1);
  set.Add(3);
  EXPECT_EQ(set.interval_count(), 2u);
  set.Add(2);
  EXPECT_THAT(set.ToVector(), ElementsAre(Closed{1, 3}));
}

TEST(IntervalSetTest, SwallowsWhatItCovers) {
  IntervalSet set = SetOf({{5, 6}, {8, 9}, {20, 30}});
  set.Add(4, 19);
  EXPECT_THAT(set.ToVector(), ElementsAre(Closed{4, 30}));
}

TEST(IntervalSetTest, RemoveCutsInTwo) {
  IntervalSet set = SetOf({{1, 10}});
  set.Remove(4, 6);
  EXPECT_THAT(set.ToVector(), ElementsAre(Closed{1, 3}, Closed{7, 10}));
}

TEST(IntervalSetTest, RemoveSpansSeveral) {
  IntervalSet set = SetOf({{1, 3}, {5, 7}, {9, 12}});
  set.Remove(2, 10);
  EXPECT_THAT(set.ToVector(), ElementsAre(Closed{1, 1}, Closed{11, 12}));
}

TEST(IntervalSetTest, MissingLeavesOutWhatIsThere) {
  const IntervalSet set = SetOf({{2, 3}, {6, 7}, {20, 30}});
  EXPECT_THAT(set.Missing(1, 10), ElementsAre(Closed{1, 1}, Closed{4, 5}, Closed{8, 10}));
  EXPECT_THAT(set.Missing(3, 6), ElementsAre(Closed{4, 5}));
  EXPECT_THAT(set.Missing(21, 30), IsEmpty());
}

TEST(IntervalSetTest, HoldsTheLargestNumber) {
  IntervalSet set;
  set.Add(kLargest);
  set.Add(kLargest - 1);
  EXPECT_THAT(set.ToVector(), ElementsAre(Closed{kLargest - 1, kLargest}));
  EXPECT_EQ(set.FirstMissing(kLargest), kLargest);
  EXPECT_THAT(set.Missing(kLargest - 2, kLargest), ElementsAre(Closed{kLargest - 2, kLargest - 2}));
  set.Add(0, kLargest);
  EXPECT_THAT(set.ToVector(), ElementsAre(Closed{0, kLargest}));
  EXPECT_EQ(set.Count(), kLargest);
  EXPECT_THAT(set.Missing(0, kLargest), IsEmpty());
  set.Remove(1, kLargest - 1);
  EXPECT_THAT(set.ToVector(), ElementsAre(Closed{0, 0}, Closed{kLargest, kLargest}));
  set.Remove(kLargest, kLargest);
  EXPECT_THAT(set.ToVector(), ElementsAre(Closed{0, 0}));
}

TEST(IntervalSetTest, AddAllIsTheUnion) {
  IntervalSet set = SetOf({{1, 2}, {8, 9}});
  set.AddAll(SetOf({{3, 4}, {9, 12}}));
  EXPECT_THAT(set.ToVector(), ElementsAre(Closed{1, 4}, Closed{8, 12}));
  set.AddAll(set);
  EXPECT_THAT(set.ToVector(), ElementsAre(Closed{1, 4}, Closed{8, 12}));
}

TEST(IntervalSetTest, ProtoRoundTrip) {
  const IntervalSet set = SetOf({{1, 2}, {8, kLargest}});
  Intervals proto;
  set.ToProto(&proto);
  ASSERT_EQ(proto.size(), 2);
  const absl::StatusOr<IntervalSet> back = IntervalSet::FromProto(proto);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, set);
}

TEST(IntervalSetTest, FromProtoTakesAnyOrderAndOverlap) {
  Intervals proto;
  for (const Closed& interval : {Closed{8, 9}, Closed{1, 2}, Closed{2, 5}, Closed{1, 2}}) {
    proto.Add()->set_first(interval.first);
    proto.rbegin()->set_last(interval.last);
  }
  const absl::StatusOr<IntervalSet> set = IntervalSet::FromProto(proto);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(*set, SetOf({{1, 5}, {8, 9}}));
}

TEST(IntervalSetTest, FromProtoRefusesReversed) {
  Intervals proto;
  proto.Add()->set_first(5);
  proto.rbegin()->set_last(4);
  EXPECT_EQ(IntervalSet::FromProto(proto).status().message(), "interval is reversed: first 5, last 4");
}

// Against a set of numbers.
TEST(IntervalSetTest, AgreesWithNaiveModel) {
  constexpr uint64_t kRange = 64;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&random](uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n - 1)(random); };
    IntervalSet set;
    std::set<uint64_t> model;
    for (int step = 0; step < 60; ++step) {
      const uint64_t first = pick(kRange);
      const uint64_t last = std::min(kRange - 1, first + pick(8));
      const bool add = pick(3) != 0;
      add ? set.Add(first, last) : set.Remove(first, last);
      for (uint64_t n = first; n <= last; ++n) add ? void(model.insert(n)) : void(model.erase(n));

      ASSERT_EQ(set.Count(), model.size()) << "seed " << seed << ", step " << step;
      std::vector<uint64_t> present;
      uint64_t before = 0;
      for (const Closed& interval : set.ToVector()) {
        ASSERT_LE(interval.first, interval.last);
        ASSERT_TRUE(present.empty() || interval.first > before + 1) << "not merged, seed " << seed;
        before = interval.last;
        for (uint64_t n = interval.first; n <= interval.last; ++n) present.push_back(n);
      }
      ASSERT_THAT(present, ::testing::ElementsAreArray(model)) << "seed " << seed << ", step " << step;
      for (uint64_t n = 0; n < kRange; ++n) ASSERT_EQ(set.Contains(n), model.count(n) == 1);

      const uint64_t from = pick(kRange);
      uint64_t missing = from;
      while (model.count(missing) != 0) ++missing;
      ASSERT_EQ(set.FirstMissing(from), missing);
      const auto next = model.lower_bound(from);
      ASSERT_EQ(set.FirstPresent(from), next == model.end() ? std::nullopt : std::optional<uint64_t>(*next));
      const uint64_t to = from + pick(12);
      std::vector<uint64_t> gaps;
      for (const Closed& gap : set.Missing(from, to)) {
        for (uint64_t n = gap.first; n <= gap.last; ++n) gaps.push_back(n);
      }
      std::vector<uint64_t> model_gaps;
      for (uint64_t n = from; n <= to; ++n) {
        if (model.count(n) == 0) model_gaps.push_back(n);
      }
      ASSERT_EQ(gaps, model_gaps) << "seed " << seed << ", step " << step;
      ASSERT_EQ(set.ContainsAll(from, to), model_gaps.empty());
    }
  }
}

}  // namespace
}  // namespace mvmd
