#include "twin/order_by.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/twin/test_data.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string KeyOf(absl::string_view order_by, absl::string_view document, const LiveView& live = {}) {
  const absl::StatusOr<OrderBy> order = OrderBy::Parse(order_by);
  EXPECT_TRUE(order.ok()) << order_by << ": " << order.status();
  const Json definition = ParseOrFail(document);
  return order->KeyOf(ServedValue(definition, live));
}

std::string KeyOfValue(absl::string_view order_by, absl::string_view value) {
  return KeyOf(order_by, absl::StrCat("{\"v\":", value, "}"));
}

TEST(OrderByTest, GivesEachValueItsPlace) {
  // From first to last.
  const std::vector<std::string> kValues = {
      "false",
      "true",
      "-1e300",
      "-2",
      "-1",
      "-1e-300",
      "0",
      "5e-324",
      "1",
      "1.5",
      "2",
      "10",
      "1e300",
      "\"0000-01-01\"",
      "\"1969-12-31T23:59:59.999999999Z\"",
      "\"2024-03-15T14:30:00+01:00\"",
      "\"2024-03-15T14:30:00Z\"",
      "\"2024-03-15T14:30:00.000000001Z\"",
      "\"2024-03-16\"",
      "\"9999-12-31\"",
      "\"1s\"",
      "\"59s\"",
      "\"1m\"",
      "\"PT2H\"",
      "\"90d\"",
      "\"\"",
      "\"\\u0000\"",
      "\"\\u0000\\u0000\"",
      "\"\\u0000a\"",
      "\"10\"",
      "\"9\"",
      "\"a\"",
      "\"a\\u0000\"",
      "\"aa\"",
      "\"b\"",
      "{\"name\": \"c\"}",
      "\"d\"",
      "\"\xc3\xa9\"",
      "\"\xf0\x9f\x8c\x8d\"",
  };
  for (size_t i = 0; i < kValues.size(); ++i) {
    for (size_t j = 0; j < kValues.size(); ++j) {
      const std::string what = kValues[i] + " and " + kValues[j];
      EXPECT_EQ(i < j, KeyOfValue("v", kValues[i]) < KeyOfValue("v", kValues[j])) << what;
      EXPECT_EQ(i > j, KeyOfValue("v desc", kValues[i]) < KeyOfValue("v desc", kValues[j])) << what << ", descending";
    }
    for (const char* nowhere : {"null", "[]", "[1]", "{}", "{\"name\": 1}"}) {
      EXPECT_LT(KeyOfValue("v", kValues[i]), KeyOfValue("v", nowhere)) << kValues[i];
      EXPECT_LT(KeyOfValue("v desc", kValues[i]), KeyOfValue("v desc", nowhere)) << kValues[i];
      EXPECT_EQ(KeyOfValue("v", nowhere), KeyOf("v", "{}"));
      EXPECT_EQ(KeyOfValue("v desc", nowhere), KeyOf("v", "{}"));
    }
  }
  EXPECT_EQ(KeyOfValue("v", "-0.0"), KeyOfValue("v", "0"));
  EXPECT_EQ(KeyOfValue("v", "\"60s\""), KeyOfValue("v", "\"1m\""));
  EXPECT_EQ(KeyOfValue("v", "\"2024-03-15T14:30:00Z\""), KeyOfValue("v", "\"2024-03-15T15:30:00+01:00\""));
}

TEST(OrderByTest, OrdersByTheFirstThatDiffers) {
  // Every pair of a and b; c is in the way of neither.
  const char* const kFirst[] = {"0", "1", "\"a\"", "\"ab\"", "\"a\\u0000\"", "null"};
  for (const char* direction : {"", " asc", " desc"}) {
    for (const char* second_direction : {"", " desc"}) {
      const std::string order_by = absl::StrCat("a", direction, ",b", second_direction);
      for (const char* a1 : kFirst) {
        for (const char* b1 : kFirst) {
          for (const char* a2 : kFirst) {
            for (const char* b2 : kFirst) {
              const std::string key1 = KeyOf(order_by, absl::StrCat("{\"a\":", a1, ",\"b\":", b1, "}"));
              const std::string key2 = KeyOf(order_by, absl::StrCat("{\"a\":", a2, ",\"b\":", b2, "}"));
              const int first = KeyOf(absl::StrCat("a", direction), absl::StrCat("{\"a\":", a1, "}"))
                                    .compare(KeyOf(absl::StrCat("a", direction), absl::StrCat("{\"a\":", a2, "}")));
              const int second =
                  KeyOf(absl::StrCat("b", second_direction), absl::StrCat("{\"b\":", b1, "}"))
                      .compare(KeyOf(absl::StrCat("b", second_direction), absl::StrCat("{\"b\":", b2, "}")));
              const bool less = first != 0 ? first < 0 : second < 0;
              ASSERT_EQ(key1 < key2, less) << order_by << ": " << a1 << "," << b1 << " and " << a2 << "," << b2;
            }
          }
        }
      }
    }
  }
}

TEST(OrderByTest, OrdersWhatIsServed) {
  LiveView live;
  live.sensors.push_back({"s", 5.0, 1'000'000'000});
  live.last_synced_unix_ns = 1'710'513'001'000'000'000;
  constexpr char kDocument[] = R"({"sensors": [{"id": "s", "currentValue": 1}], "synchronization": {}})";
  EXPECT_EQ(KeyOf("sensors.s.currentValue", kDocument, live), KeyOfValue("v", "5"));
  EXPECT_EQ(KeyOf("lastSynced", kDocument, live), KeyOfValue("v", "\"2024-03-15T14:30:01Z\""));
  EXPECT_EQ(KeyOf("lastSynced", kDocument), KeyOf("v", "{}"));
}

TEST(OrderByTest, BoundsItsKeys) {
  const std::string long_text(100'000, 'x');
  const std::string key = KeyOfValue("v, v desc, v, v", absl::StrCat("\"", long_text, "\""));
  EXPECT_LT(key.size(), 2100u);
  EXPECT_EQ(KeyOfValue("v", absl::StrCat("\"", long_text, "\"")),
            KeyOfValue("v", absl::StrCat("\"", long_text, "y\"")));
}

TEST(OrderByTest, TakesWhatAip132Writes) {
  for (const char* text : {"a", "a, b desc", "a,b desc,c", "  a  ,  b   desc ", "a desc, b asc", "a.b.c desc",
                           "desc desc", "sensors.\"a.b\".currentValue desc", "asc", "'x y'"}) {
    EXPECT_TRUE(OrderBy::Parse(text).ok()) << text << ": " << OrderBy::Parse(text).status();
    EXPECT_FALSE(OrderBy::Parse(text)->is_empty());
  }
  for (const char* text : {"", "  "}) {
    ASSERT_TRUE(OrderBy::Parse(text).ok());
    EXPECT_TRUE(OrderBy::Parse(text)->is_empty());
    EXPECT_THAT(KeyOf(text, "{\"a\": 1}"), IsEmpty());
  }
}

TEST(OrderByTest, SaysWhereItIsMalformed) {
  const std::vector<std::pair<std::string, std::string>> kMalformed = {
      {",", "position 1: expected a path, got \",\""},
      {"a,", "position 3: expected a path, got the end"},
      {"a,,b", "position 3: expected a path, got \",\""},
      {"a b", "position 3: expected asc, desc, a comma or the end, got \"b\""},
      {"a DESC", "position 3: expected asc, desc, a comma or the end, got \"DESC\""},
      {"a desc desc", "position 8: expected asc, desc, a comma or the end, got \"desc\""},
      {"a desc asc", "position 8: expected asc, desc, a comma or the end, got \"asc\""},
      {"'a'desc", "position 4: expected asc, desc, a comma or the end, got \"desc\""},
      {"a = 1", "position 3: expected asc, desc, a comma or the end, got \"=\""},
      {"a.", "position 3: expected a name after the point, got the end"},
      {"(a)", "position 1: expected a path, got \"(\""},
      {"\"a", "position 3: expected the end of the text in quotes that begins at 1, got the end"},
      {"a,b,c,d,e", "position 9: expected at most 4 paths, got \"e\""},
      {"\xff", "position 1: expected UTF-8, got another byte"},
      {std::string(kOrderByBytesMax + 1, 'a'), "expected at most 4096 bytes, got 4097"},
  };
  for (const auto& [text, message] : kMalformed) {
    const absl::Status status = OrderBy::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << text;
  }
  std::string path = "a";
  for (size_t i = 0; i < 32; ++i) path += ".a";
  EXPECT_THAT(std::string(OrderBy::Parse(path).status().message()),
              HasSubstr("expected a path of at most 32 names, got 33"));
}

}  // namespace
}  // namespace mvmd
