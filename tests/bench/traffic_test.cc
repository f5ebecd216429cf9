#include "tests/bench/traffic.h"

#include <gtest/gtest.h>

#include <set>

namespace mvmd {
namespace {

constexpr int64_t kTime = 1'710'513'000'123'456'789;  // 2024-03-15T14:30:00.123456789Z

std::string PayloadOf(PayloadKind kind, uint64_t n) {
  PayloadWriter writer(kind, 1);
  std::string payload;
  writer.Write(0, n, kTime, &payload);
  return payload;
}

TEST(TrafficTest, WritesTheThreeKinds) {
  EXPECT_EQ(PayloadOf(PayloadKind::kPacked, 42), R"({"value":42,"timestamp":"2024-03-15T14:30:00.123456789Z"})");
  EXPECT_EQ(PayloadOf(PayloadKind::kPlain, 42).substr(14), R"(,"timestamp":"2024-03-15T14:30:00.123Z"})");
  EXPECT_EQ(PayloadOf(PayloadKind::kFull, 42).substr(14),
            R"(,"timestamp":"2024-03-15T14:30:00.123Z","seq":42,"ns":1710513000123456789})");
}

TEST(TrafficTest, ReadsNumberAndTimeBack) {
  for (PayloadKind kind : {PayloadKind::kPacked, PayloadKind::kFull}) {
    const auto mark = ParsePayload(PayloadOf(kind, 1234567));
    ASSERT_TRUE(mark.has_value());
    EXPECT_EQ(mark->n, 1234567);
    EXPECT_EQ(mark->sent_unix_ns, kTime);
  }
}

TEST(TrafficTest, FindsNoNumberElsewhere) {
  for (const char* payload : {"", "{}", "{\"value\":", "{\"value\":1}", "{\"value\":1,\"timestamp\":\"2024\"}",
                              "{\"value\":1.5,\"timestamp\":\"2024-03-15T14:30:00.123456789Z\"}",
                              "{\"value\":1,\"timestamp\":\"2024-03-15T14:30:00.123Z\"}",
                              "{\"value\":1,\"timestamp\":\"2024-03-15T14:30:00.12345678Z\"}",
                              "{\"value\":1,\"seq\":,\"ns\":1}", "{\"value\":1,\"seq\":1,\"ns\":}", ",\"seq\":1"}) {
    EXPECT_FALSE(ParsePayload(payload).has_value()) << payload;
  }
  EXPECT_FALSE(ParsePayload(PayloadOf(PayloadKind::kPlain, 42)).has_value());
}

TEST(TrafficTest, GivesEveryIndexItsOwnTopic) {
  std::set<std::string> topics;
  for (uint32_t i = 0; i < 2000; ++i) topics.insert(BenchTopic(i));
  EXPECT_EQ(topics.size(), 2000);
}

}  // namespace
}  // namespace mvmd
