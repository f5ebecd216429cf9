#include "twin/time.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace mvmd {
namespace {

TEST(ParseTimestampTest, ReadsInstants) {
  EXPECT_EQ(ParseTimestamp("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(ParseTimestamp("2024-03-15T14:30:00Z"), 1710513000000000000);
  EXPECT_EQ(ParseTimestamp("2024-03-15T15:30:00.5+01:00"), 1710513000500000000);
  EXPECT_EQ(ParseTimestamp("2024-03-15T00:30:00-14:00"), 1710513000000000000);
  EXPECT_EQ(ParseTimestamp("1969-12-31T23:59:59.999999999Z"), -1);
  EXPECT_EQ(ParseTimestamp("2000-02-29T00:00:00-00:00"), 951782400000000000);
  EXPECT_EQ(ParseTimestamp("2262-04-11T23:47:16.854775807Z"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ParseTimestamp("1677-09-21T00:12:43.145224192Z"), std::numeric_limits<int64_t>::min());
}

TEST(ParseTimestampTest, RefusesMalformedShapes) {
  for (absl::string_view text :
       {"", "2024-03-15", "2024-03-15T14:30:00", "2024-03-15T14:30Z", "2024-03-15t14:30:00Z", "2024-03-15T14:30:00z",
        "2024-03-15 14:30:00Z", "2024-03-15T24:00:00Z", "2024-03-15T23:60:00Z", "2024-03-15T23:59:60Z",
        "2024-03-15T14:30:00.Z", "2024-03-15T14:30:00.1234567890Z", "2024-03-15T14:30:00,5Z",
        "2024-03-15T14:30:00+14:01", "2024-03-15T14:30:00+15:00", "2024-03-15T14:30:00+1:00", "2024-03-15T14:30:00+01",
        "2024-03-15T14:30:00+0100", "2024-03-15T14:30:00+01:60", "2024-03-15T14:30:00Z ", " 2024-03-15T14:30:00Z",
        "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2024-00-01T00:00:00Z",
        "2024-13-01T00:00:00Z", "2024-01-00T00:00:00Z", "24-01-01T00:00:00Z", "+2024-01-01T00:00:00Z",
        "02024-01-01T00:00:00Z",
        // Beyond 64 bits of nanoseconds.
        "2262-04-11T23:47:16.854775808Z", "1677-09-21T00:12:43.145224191Z", "9999-12-31T23:59:59Z"}) {
    EXPECT_FALSE(ParseTimestamp(text).has_value()) << text;
  }
}

TEST(FormatTimestampTest, WritesAsManyDigitsAsNeeded) {
  EXPECT_EQ(FormatTimestamp(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatTimestamp(1710513000000000000), "2024-03-15T14:30:00Z");
  EXPECT_EQ(FormatTimestamp(1710513000500000000), "2024-03-15T14:30:00.5Z");
  EXPECT_EQ(FormatTimestamp(1710513000012000000), "2024-03-15T14:30:00.012Z");
  EXPECT_EQ(FormatTimestamp(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(FormatTimestamp(std::numeric_limits<int64_t>::max()), "2262-04-11T23:47:16.854775807Z");
  EXPECT_EQ(FormatTimestamp(std::numeric_limits<int64_t>::min()), "1677-09-21T00:12:43.145224192Z");
}

TEST(FormatTimestampTest, ReadsBack) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 20000; ++i) {
    const auto time = static_cast<int64_t>(random());
    EXPECT_EQ(ParseTimestamp(FormatTimestamp(time)), time) << time;
  }
}

TEST(InstantRangeTest, KnowsWhatIsCertainlyBefore) {
  auto before = [](absl::string_view a, absl::string_view b) {
    return ParseDateOrTimestamp(a)->IsCertainlyBefore(*ParseDateOrTimestamp(b));
  };
  EXPECT_TRUE(before("2024-03-14", "2024-03-15"));
  EXPECT_FALSE(before("2024-03-15", "2024-03-15"));
  EXPECT_TRUE(before("2024-03-14T23:59:59.999999999Z", "2024-03-15"));
  EXPECT_FALSE(before("2024-03-15T00:00:00Z", "2024-03-15"));
  EXPECT_TRUE(before("2024-03-15", "2024-03-16T00:00:00Z"));
  EXPECT_FALSE(before("2024-03-15", "2024-03-15T23:59:59.999999999Z"));
  // An offset moves an instant into another day.
  EXPECT_TRUE(before("2024-03-15T01:00:00+02:00", "2024-03-15"));
  EXPECT_TRUE(before("0000-01-01", "9999-12-31"));
}

TEST(ParseDateTest, TakesRealDaysOnly) {
  for (absl::string_view text : {"0000-01-01", "0000-02-29", "2000-02-29", "9999-12-31"}) {
    EXPECT_TRUE(ParseDate(text).has_value()) << text;
  }
  for (absl::string_view text :
       {"2023-02-29", "1900-02-29", "2024-04-31", "2024-1-01", "2024-01-1", "20240101", "2024-01-01Z", ""}) {
    EXPECT_FALSE(ParseDate(text).has_value()) << text;
  }
}

TEST(ParseProfileDurationTest, ReadsBothNotations) {
  EXPECT_EQ(ParseProfileDuration("90d"), absl::Hours(90 * 24));
  EXPECT_EQ(ParseProfileDuration("1m"), absl::Minutes(1));
  EXPECT_EQ(ParseProfileDuration("1mo"), absl::Hours(30 * 24));
  EXPECT_EQ(ParseProfileDuration("1y"), absl::Hours(365 * 24));
  EXPECT_EQ(ParseProfileDuration("2w"), absl::Hours(14 * 24));
  EXPECT_EQ(ParseProfileDuration("1.5h"), absl::Minutes(90));
  EXPECT_EQ(ParseProfileDuration("250ms"), absl::Milliseconds(250));
  EXPECT_EQ(ParseProfileDuration("007s"), absl::Seconds(7));
  EXPECT_EQ(ParseProfileDuration("P90D"), absl::Hours(90 * 24));
  EXPECT_EQ(ParseProfileDuration("P2W"), absl::Hours(14 * 24));
  EXPECT_EQ(ParseProfileDuration("P1Y2M3DT4H5M6.5S"),
            absl::Hours((365 + 60 + 3) * 24 + 4) + absl::Minutes(5) + absl::Milliseconds(6500));
  EXPECT_EQ(ParseProfileDuration("PT1M"), absl::Minutes(1));
  EXPECT_EQ(ParseProfileDuration("P1M"), absl::Hours(30 * 24));
  EXPECT_EQ(ParseProfileDuration("P1DT0S"), absl::Hours(24));
  EXPECT_EQ(ParseDurationPicoseconds("0.000000001ms"), 1);
}

TEST(ParseProfileDurationTest, RefusesMalformedShapes) {
  for (absl::string_view text : {"",
                                 "d",
                                 "1",
                                 "90 d",
                                 "-1d",
                                 "+1d",
                                 "1D",
                                 "1M",
                                 "1min",
                                 "1.d",
                                 ".5d",
                                 "1,5d",
                                 "1234567890d",
                                 "1.1234567890s",
                                 "0d",
                                 "0.0s",
                                 "1d1h",
                                 " 1d",
                                 "1d ",
                                 "P",
                                 "PT",
                                 "P1DT",
                                 "P1",
                                 "PW",
                                 "1W",
                                 "P1W1D",
                                 "P1D1W",
                                 "P1.5D",
                                 "PT1.5M",
                                 "PT1.S",
                                 "P1D1Y",
                                 "PT1S1M",
                                 "P1H",
                                 "PT1D",
                                 "P-1D",
                                 "-P1D",
                                 "p1d",
                                 "P0D",
                                 "PT0.0S",
                                 "PT1,5S",
                                 "P1234567890D",
                                 "P1Y1Y"}) {
    EXPECT_FALSE(ParseProfileDuration(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace mvmd
