#include "runtime/log.h"

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "runtime/grpc_log.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const absl::Time kTime = absl::FromUnixMillis(1705314600123);

std::string Json(std::vector<LogField> fields, absl::string_view event = "event") {
  return FormatLogLine(LogFormat::kJson, "p", kTime, LogLevel::kInfo, event, fields);
}

std::string Text(std::vector<LogField> fields, absl::string_view event = "event") {
  return FormatLogLine(LogFormat::kText, "p", kTime, LogLevel::kInfo, event, fields);
}

TEST(FormatLogLineTest, WritesEveryKindOfValue) {
  const std::string text = "robots";
  const std::vector<LogField> fields = {{"bridge", text},
                                        {"n", -3},
                                        {"big", std::numeric_limits<uint64_t>::max()},
                                        {"ms", 0.1},
                                        {"ok", true},
                                        {"wait", absl::Milliseconds(50)},
                                        {"error", absl::NotFoundError("no twin")}};
  EXPECT_EQ(Json(fields),
            R"({"time":"2024-01-15T10:30:00.123Z","level":"info","program":"p","message":"event","bridge":"robots",)"
            R"("n":-3,"big":18446744073709551615,"ms":0.1,"ok":true,"wait":"50ms","error":"NOT_FOUND: no twin"})");
  EXPECT_EQ(
      Text(fields),
      R"(2024-01-15T10:30:00.123Z INFO  event bridge=robots n=-3 big=18446744073709551615 ms=0.1 ok=true wait=50ms )"
      R"(error="NOT_FOUND: no twin")");
}

TEST(FormatLogLineTest, EscapesWhatWouldBreakALine) {
  const std::string nasty("a\"b\\c\nd\te\x1b[31m\x7f\0z", 17);
  EXPECT_THAT(Json({{"v", nasty}}), HasSubstr(R"("v":"a\"b\\c\u000ad\u0009e\u001b[31m\u007f\u0000z")"));
  EXPECT_THAT(Text({{"v", nasty}}), HasSubstr(R"(v="a\"b\\c\nd\x09e\x1b[31m\x7f\x00z")"));
  EXPECT_EQ(Text({}, "two\nlines"), "2024-01-15T10:30:00.123Z INFO  two\\nlines");
}

TEST(FormatLogLineTest, TextQuotesWhatIsNotPlain) {
  EXPECT_THAT(Text({{"v", ""}}), HasSubstr(R"(v="")"));
  EXPECT_THAT(Text({{"v", "a b"}}), HasSubstr(R"(v="a b")"));
  EXPECT_THAT(Text({{"v", "a=b"}}), HasSubstr(R"(v="a=b")"));
  EXPECT_THAT(Text({{"v", "°C"}}), HasSubstr(R"(v="°C")"));
}

TEST(FormatLogLineTest, ReplacesBytesThatAreNotUtf8) {
  EXPECT_THAT(Json({{"v", "ok \xC3\xA4 \xF0\x9F\x98\x80"}}), HasSubstr("\"ok \xC3\xA4 \xF0\x9F\x98\x80\""));
  for (const char* bad : {"\xFF", "\xC3", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\x80"}) {
    EXPECT_THAT(Json({{"v", bad}}), HasSubstr("\"v\":\"\xEF\xBF\xBD")) << bad;
    EXPECT_THAT(Text({{"v", bad}}), HasSubstr("v=\"\\x")) << bad;
  }
}

TEST(FormatLogLineTest, NumbersThatJsonLacksBecomeText) {
  EXPECT_THAT(Json({{"v", std::numeric_limits<double>::quiet_NaN()}}), HasSubstr("\"v\":\"nan\""));
  EXPECT_THAT(Json({{"v", std::numeric_limits<double>::infinity()}}), HasSubstr("\"v\":\"inf\""));
}

TEST(FormatLogLineTest, CutsLongTextsBetweenCharacters) {
  std::string text(kLogTextBytesMax - 1, 'x');
  text += "\xC3\xA4";
  const std::string line = Json({{"v", text}});
  EXPECT_THAT(line, HasSubstr(std::string(kLogTextBytesMax - 1, 'x') + "...\"}"));
}

TEST(LogTest, InitRefusesUnknownValues) {
  mvmd::twin::v1alpha1::LogConfig config;
  config.set_level("loud");
  EXPECT_EQ(InitLogging(config, "p").message(), "log.level: expected debug, info, warning or error, got \"loud\"");
  config.set_level("");
  config.set_format("xml");
  EXPECT_EQ(InitLogging(config, "p").message(), "log.format: expected text or json, got \"xml\"");
}

TEST(LogTest, WritesLinesOfItsLevelAndAbove) {
  std::vector<std::string> lines;
  SetLogSink([&lines](absl::string_view line) { lines.emplace_back(line.substr(25)); });
  mvmd::twin::v1alpha1::LogConfig config;
  config.set_level("warning");
  ASSERT_TRUE(InitLogging(config, "p").ok());
  Log(LogLevel::kInfo, "quiet");
  Log(LogLevel::kError, "loud", {{"n", 1}});
  EXPECT_FALSE(LogEnabled(LogLevel::kInfo));
  ASSERT_TRUE(InitLogging({}, "p").ok());
  Log(LogLevel::kInfo, "now");
  SetLogSink(nullptr);
  EXPECT_THAT(lines, ElementsAre("ERROR loud n=1", "INFO  now"));
}

TEST(LogTest, RepeatsAreHeldBack) {
  std::vector<std::string> lines;
  SetLogSink([&lines](absl::string_view line) { lines.emplace_back(line.substr(25)); });
  for (int i = 0; i < 5; ++i) LogEvery(absl::Hours(1), "key a", LogLevel::kWarning, "bad payload", {{"n", i}});
  LogEvery(absl::Hours(1), "key b", LogLevel::kWarning, "bad payload");
  LogEvery(absl::ZeroDuration(), "key a", LogLevel::kWarning, "bad payload");
  SetLogSink(nullptr);
  EXPECT_THAT(lines, ElementsAre("WARN  bad payload n=0", "WARN  bad payload", "WARN  bad payload suppressed=4"));
}

// Whoever sends messages must not write lines of their own, nor as many as they like.
TEST(LogTest, HasTheErrorsOfProtobufOnceInAWhile) {
  RouteProtobufLog();
  std::vector<std::string> lines;
  SetLogSink([&lines](absl::string_view line) { lines.emplace_back(line.substr(25)); });
  mvmd::twin::v1alpha1::LogConfig config;
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(config.ParseFromString("\x0a\x01\xff"));
  SetLogSink(nullptr);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("WARN  protobuf error error="));
  EXPECT_THAT(lines[0], HasSubstr("UTF-8"));
}

TEST(LogLimiterTest, AllowsOneAnInterval) {
  LogLimiter limiter;
  uint64_t suppressed = 99;
  EXPECT_TRUE(limiter.Allow("a", absl::Nanoseconds(10), 100, &suppressed));
  EXPECT_EQ(suppressed, 0U);
  EXPECT_FALSE(limiter.Allow("a", absl::Nanoseconds(10), 105, &suppressed));
  EXPECT_FALSE(limiter.Allow("a", absl::Nanoseconds(10), 109, &suppressed));
  EXPECT_TRUE(limiter.Allow("b", absl::Nanoseconds(10), 109, &suppressed));
  EXPECT_TRUE(limiter.Allow("a", absl::Nanoseconds(10), 110, &suppressed));
  EXPECT_EQ(suppressed, 2U);
  EXPECT_TRUE(limiter.Allow("a", absl::Nanoseconds(10), 120, &suppressed));
  EXPECT_EQ(suppressed, 0U);
}

TEST(LogLimiterTest, ForgetsTheKeyUnusedTheLongest) {
  LogLimiter limiter;
  uint64_t suppressed = 0;
  for (size_t i = 0; i < LogLimiter::kKeysMax; ++i) {
    ASSERT_TRUE(limiter.Allow("k" + std::to_string(i), absl::Seconds(1), static_cast<int64_t>(i), &suppressed));
  }
  EXPECT_FALSE(limiter.Allow("k0", absl::Seconds(1), 5000, &suppressed));
  EXPECT_TRUE(limiter.Allow("new", absl::Seconds(1), 5001, &suppressed));
  EXPECT_EQ(limiter.key_count(), LogLimiter::kKeysMax);
  EXPECT_FALSE(limiter.Allow("k0", absl::Seconds(1), 5002, &suppressed));
  EXPECT_TRUE(limiter.Allow("k1", absl::Seconds(1), 5003, &suppressed));
}

}  // namespace
}  // namespace mvmd
