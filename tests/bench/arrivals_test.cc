#include "tests/bench/arrivals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mvmd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kStart = 1'700'000'000'000'000'000;

TEST(ArrivalsTest, CountsDuplicatesAndDisorderPerSensor) {
  Arrivals arrivals(0);
  for (uint64_t n : {0, 2, 1, 2}) arrivals.Add("a", n, kStart, kStart + kMillisecond);
  arrivals.Add("b", 2, kStart, kStart + kMillisecond);

  EXPECT_EQ(arrivals.count(), 4);
  const std::string json = arrivals.ToJson();
  EXPECT_THAT(json, HasSubstr("\"duplicated\":1,\"out_of_order\":1"));
  EXPECT_THAT(json, HasSubstr("\"sensors\":2"));
}

TEST(ArrivalsTest, LeavesTheWarmUpOut) {
  Arrivals arrivals(20);
  arrivals.Add("a", 19, kStart, kStart);
  EXPECT_EQ(arrivals.count(), 0);
  EXPECT_EQ(arrivals.last_seen_unix_ns(), 0);

  arrivals.Add("a", 20, kStart, kStart);
  EXPECT_EQ(arrivals.count(), 1);
}

TEST(ArrivalsTest, ReportsRateAndLatency) {
  Arrivals arrivals(0);
  for (uint64_t n = 0; n < 101; ++n) {
    const int64_t sent = kStart + static_cast<int64_t>(n) * kMillisecond;
    arrivals.Add("a", n, sent, sent + (n < 99 ? 1 : 7) * kMillisecond);
  }
  const std::string json = arrivals.ToJson();
  EXPECT_THAT(json, HasSubstr("\"p50_ms\":1.000"));
  EXPECT_THAT(json, HasSubstr("\"p99_ms\":7.000"));
  EXPECT_THAT(json, HasSubstr("\"seconds\":0.106"));
}

TEST(ArrivalsTest, IsFreshWhenEverySensorShowsAValueSentAfterTheLinkCameBack) {
  Arrivals arrivals(0);
  arrivals.Add("a", 0, kStart, kStart);
  arrivals.Add("b", 0, kStart, kStart);
  const int64_t back = kStart + 1000 * kMillisecond;
  arrivals.MarkLinkBack(back);

  arrivals.Add("a", 1, back - 1, back + 10 * kMillisecond);  // of the backlog
  arrivals.Add("a", 2, back, back + 20 * kMillisecond);
  arrivals.Add("b", 1, back - 1, back + 30 * kMillisecond);
  EXPECT_THAT(arrivals.ToJson(), Not(HasSubstr("fresh_s")));

  arrivals.Add("b", 2, back + 1, back + 40 * kMillisecond);
  EXPECT_THAT(arrivals.ToJson(), HasSubstr("\"fresh_s\":0.040"));
}

}  // namespace
}  // namespace mvmd
