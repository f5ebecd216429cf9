#include "bridge/reading_time.h"

#include <string>

#include "gtest/gtest.h"
#include "twin/time.h"

namespace mvmd {
namespace {

std::string Text(std::optional<int64_t> time) { return time.has_value() ? FormatTimestamp(*time) : "nothing"; }

TEST(ReadingTimeTest, ReadsTextAsItIsWritten) {
  const std::pair<const char*, const char*> cases[] = {
      {"2024-03-15T14:30:05Z", "2024-03-15T14:30:05Z"},
      {"2024-03-15T14:30:05z", "2024-03-15T14:30:05Z"},
      {"2024-03-15t14:30:05Z", "2024-03-15T14:30:05Z"},
      {"2024-02-26T20:44:09+01:00", "2024-02-26T19:44:09Z"},
      {"2024-02-26T20:44:09-0530", "2024-02-27T02:14:09Z"},
      {"2024-02-26T20:44:09+01", "2024-02-26T19:44:09Z"},
      {"2024-03-15T14:30:00", "2024-03-15T14:30:00Z"},
      {"2024-03-15 14:30:11", "2024-03-15T14:30:11Z"},
      {"2024-03-15T14:30", "2024-03-15T14:30:00Z"},
      {"2024-03-15T14:30:06.840594204Z", "2024-03-15T14:30:06.840594204Z"},
      {"2024-03-15T14:30:16.3424136Z", "2024-03-15T14:30:16.3424136Z"},
      {"2024-03-15T14:30:09.120+00:00", "2024-03-15T14:30:09.12Z"},
      {"2024-03-15T14:30:09,5Z", "2024-03-15T14:30:09.5Z"},
      {"2024-03-15T14:30:09.1234567899999Z", "2024-03-15T14:30:09.123456789Z"},
      {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"},
      {"1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"},
      {"2000-01-01T00:00:00Z", "2000-01-01T00:00:00Z"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Text(ParseLenientTimestamp(text)), expected) << text;
}

TEST(ReadingTimeTest, RefusesMalformedText) {
  for (const char* text : {"",
                           "now",
                           "2024-03-15",
                           "2024-03-15T",
                           "2024-03-15T14",
                           "2024-3-15T14:30:05Z",
                           "2024-13-15T14:30:05Z",
                           "2024-00-15T14:30:05Z",
                           "2024-02-30T14:30:05Z",
                           "2023-02-29T14:30:05Z",
                           "2024-03-15T24:30:05Z",
                           "2024-03-15T14:60:05Z",
                           "2024-03-15T14:30:60Z",
                           "2024-03-15T14:30:05.Z",
                           "2024-03-15T14:30:05Zx",
                           "2024-03-15T14:30:05+1",
                           "2024-03-15T14:30:05+24:00",
                           "2024-03-15T14:30:05 Z",
                           "9999-03-15T14:30:05Z",
                           "0001-01-01T00:00:00Z",
                           "2024/03/15T14:30:05Z",
                           "20240315T143005Z",
                           "2024-03-15T14:30:05+01:0"}) {
    EXPECT_FALSE(ParseLenientTimestamp(text).has_value()) << text;
  }
}

TEST(ReadingTimeTest, TellsEpochsByMagnitude) {
  EXPECT_EQ(Text(EpochToUnixNanos(int64_t{1710513004}, TimeFormat::kAuto)), "2024-03-15T14:30:04Z");
  EXPECT_EQ(Text(EpochToUnixNanos(int64_t{1710513000000}, TimeFormat::kAuto)), "2024-03-15T14:30:00Z");
  EXPECT_EQ(Text(EpochToUnixNanos(int64_t{1710513000000123}, TimeFormat::kAuto)), "2024-03-15T14:30:00.000123Z");
  EXPECT_EQ(Text(EpochToUnixNanos(int64_t{1710513021410000001}, TimeFormat::kAuto)), "2024-03-15T14:30:21.410000001Z");
  EXPECT_EQ(Text(EpochToUnixNanos(1710513004.25, TimeFormat::kAuto)), "2024-03-15T14:30:04.25Z");
  EXPECT_EQ(Text(EpochToUnixNanos(1710513004.1, TimeFormat::kAuto)), "2024-03-15T14:30:04.1Z");
  EXPECT_EQ(Text(EpochToUnixNanos(1710513004250.5, TimeFormat::kAuto)), "2024-03-15T14:30:04.2505Z");
  EXPECT_EQ(Text(EpochToUnixNanos(1.7105130170e+09, TimeFormat::kAuto)), "2024-03-15T14:30:17Z");
  EXPECT_EQ(Text(EpochToUnixNanos(-1.5, TimeFormat::kSeconds)), "1969-12-31T23:59:58.5Z");
}

TEST(ReadingTimeTest, RefusesEpochsOutOfRange) {
  EXPECT_FALSE(EpochToUnixNanos(int64_t{1} << 60, TimeFormat::kSeconds).has_value());
  EXPECT_FALSE(EpochToUnixNanos(1e300, TimeFormat::kSeconds).has_value());
  EXPECT_FALSE(EpochToUnixNanos(1e300, TimeFormat::kAuto).has_value());
  EXPECT_FALSE(EpochToUnixNanos(int64_t{5}, TimeFormat::kRfc3339).has_value());
}

TEST(ReadingTimeTest, TakesNumbersInText) {
  EXPECT_EQ(Text(TextToUnixNanos("1710513004", TimeFormat::kAuto)), "2024-03-15T14:30:04Z");
  EXPECT_EQ(Text(TextToUnixNanos("1710513004.5", TimeFormat::kSeconds)), "2024-03-15T14:30:04.5Z");
  EXPECT_FALSE(TextToUnixNanos("1710513004", TimeFormat::kRfc3339).has_value());
  EXPECT_FALSE(TextToUnixNanos("nan", TimeFormat::kSeconds).has_value());
  EXPECT_FALSE(TextToUnixNanos("12x", TimeFormat::kSeconds).has_value());
  EXPECT_FALSE(TextToUnixNanos("", TimeFormat::kSeconds).has_value());
}

TEST(ReadingTimeTest, KnowsItsFormats) {
  for (const char* name : {"", "auto", "rfc3339", "s", "ms", "us", "ns"}) {
    EXPECT_TRUE(ParseTimeFormat(name).has_value()) << name;
  }
  EXPECT_FALSE(ParseTimeFormat("iso").has_value());
}

}  // namespace
}  // namespace mvmd
