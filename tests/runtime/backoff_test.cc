#include "runtime/backoff.h"

#include <vector>

#include "gtest/gtest.h"

namespace mvmd {
namespace {

constexpr absl::Duration kMin = absl::Milliseconds(100);
constexpr absl::Duration kMax = absl::Seconds(5);

TEST(BackoffTest, StaysWithinItsBounds) {
  Backoff backoff(kMin, kMax, SeededUnit(1));
  for (int i = 0; i < 1000; ++i) {
    const absl::Duration wait = backoff.Next();
    EXPECT_GE(wait, kMin);
    EXPECT_LE(wait, kMax);
  }
}

TEST(BackoffTest, GrowsThreefoldAtMostUpToTheMaximum) {
  Backoff backoff(kMin, kMax, [] { return 1.0; });
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(300));
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(900));
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(2700));
  EXPECT_EQ(backoff.Next(), kMax);
  EXPECT_EQ(backoff.Next(), kMax);
}

TEST(BackoffTest, NeverWaitsLessThanTheMinimum) {
  Backoff backoff(kMin, kMax, [] { return 0.0; });
  EXPECT_EQ(backoff.Next(), kMin);
  EXPECT_EQ(backoff.Next(), kMin);
}

TEST(BackoffTest, ResetStartsOver) {
  Backoff backoff(kMin, kMax, [] { return 1.0; });
  backoff.Next();
  backoff.Next();
  backoff.Reset();
  EXPECT_EQ(backoff.Next(), absl::Milliseconds(300));
}

TEST(BackoffTest, EqualBoundsGiveAConstantWait) {
  Backoff backoff(kMin, kMin, SeededUnit(1));
  EXPECT_EQ(backoff.Next(), kMin);
  EXPECT_EQ(backoff.Next(), kMin);
}

TEST(BackoffTest, SameSeedSameWaits) {
  Backoff a(kMin, kMax, SeededUnit(42));
  Backoff b(kMin, kMax, SeededUnit(42));
  Backoff c(kMin, kMax, SeededUnit(43));
  bool differs = false;
  for (int i = 0; i < 20; ++i) {
    const absl::Duration wait = a.Next();
    EXPECT_EQ(wait, b.Next());
    differs |= wait != c.Next();
  }
  EXPECT_TRUE(differs);
}

TEST(BackoffTest, UnitsAreBelowOne) {
  const auto unit = RandomUnit();
  for (int i = 0; i < 1000; ++i) {
    const double value = unit();
    EXPECT_GE(value, 0.0);
    EXPECT_LT(value, 1.0);
  }
}

}  // namespace
}  // namespace mvmd
