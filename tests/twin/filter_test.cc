#include "twin/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/twin/test_data.h"
#include "twin/text_search.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;

// The profile's complete example, with more members, and live values over it.
class FilterTest : public ::testing::Test {
 protected:
  FilterTest() : definition_(ParseProfile("twin-complete.jsonld")) {
    definition_.Set("mvmd:site", Json::String("plant.7"));
    definition_.Set("flag", Json::Bool(true));
    definition_.Set("nothing", Json());
    definition_.Set("zero", Json::Number(0));
    definition_.Set("42", Json::String("answer"));
    definition_.Set("AND", Json::String("keyword"));
    definition_.Set("starred", Json::String("*x*"));
    definition_.Set("words", ParseOrFail(R"(["red", "green", ["nested"], 7, null])"));
    definition_.Set("mechanism", Json::String("at the root"));
    definition_.Set("numberText", Json::String("100"));
    live_.sensors.push_back({"temp-1", 61.5, 1'710'513'000'123'000'000});  // 2024-03-15T14:30:00.123Z
    live_.last_synced_unix_ns = 1'710'513'001'000'000'000;                 // 2024-03-15T14:30:01Z
    live_.connection_status = "inactive";
    live_.latency_ms = 35;
    live_.date_modified_unix_ns = 1'710'513'001'000'000'000;
  }

  bool Matches(absl::string_view text) const {
    const absl::StatusOr<Filter> filter = Filter::Parse(text);
    EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
    return filter.ok() && filter->Matches(ServedValue(definition_, live_));
  }
  void ExpectAll(bool expected, const std::vector<std::string>& filters) const {
    for (const std::string& filter : filters) EXPECT_EQ(Matches(filter), expected) << filter;
  }
  void ExpectMatch(const std::vector<std::string>& filters) const { ExpectAll(true, filters); }
  void ExpectNoMatch(const std::vector<std::string>& filters) const { ExpectAll(false, filters); }

  Json definition_;
  LiveView live_;
};

TEST_F(FilterTest, MatchesEverythingWhenItIsEmpty) {
  ExpectMatch({"", "  \t\r\n "});
  EXPECT_TRUE(Filter::Parse(" ")->is_empty());
  EXPECT_FALSE(Filter::Parse("a")->is_empty());
}

TEST_F(FilterTest, TakesTheExampleOfTheIssue) {
  ExpectMatch({R"(connectionStatus = "inactive" AND subjectOf.manufacturer = "Industrial Robotics Inc." AND
                  sensors.temp-1.currentValue > 60)"});
  ExpectNoMatch({R"(connectionStatus = "active" AND sensors.temp-1.currentValue > 60)"});
}

TEST_F(FilterTest, ComparesWhatIsServed) {
  ExpectMatch({
      "sensors.temp-1.currentValue = 61.5",
      R"(sensors.temp-1.timestamp = "2024-03-15T14:30:00.123Z")",
      R"(lastSynced = "2024-03-15T14:30:01Z")",
      "latency = 35",
      R"(connectionStatus = inactive)",
      R"(dateModified = "2024-03-15T14:30:01Z")",
      // No live value of this one.
      "sensors.motion-1.currentValue = 45.2",
  });
  ExpectNoMatch({"sensors.temp-1.currentValue = 42.3", R"(connectionStatus = "active")", "latency = 120"});
}

TEST_F(FilterTest, ComparesTextsByTheirCodePoints) {
  ExpectMatch({
      R"(name = "Manufacturing Robot Digital Twin")",
      R"(name != "manufacturing robot digital twin")",
      R"(name > "Manufacturing")",
      R"(name >= "Manufacturing Robot Digital Twin")",
      R"(name <= "Manufacturing Robot Digital Twin")",
      R"(name < "N")",
      R"(subjectOf.model = 'PrecisionArm X7')",
      "numberText = 100",
      R"(numberText = "100")",
      R"(numberText < "20")",
      R"("mvmd:site" = plant.7)",
      "42 = answer",
      R"("AND" = keyword)",
  });
  ExpectNoMatch({
      R"(name > "N")",
      R"(name < "Manufacturing Robot Digital Twin")",
      // AIP-160: `a < 42` is true of numeric values.
      "numberText < 200",
      "numberText > 1",
      "numberText = 100.0",
  });
}

TEST_F(FilterTest, ComparesNumbersByValue) {
  ExpectMatch({
      "sensors.temp-1.currentValue > 60",
      "sensors.temp-1.currentValue >= 61.5",
      "sensors.temp-1.currentValue <= 6.15e1",
      "sensors.temp-1.currentValue = 615E-1",
      "sensors.temp-1.currentValue < 100",
      "sensors.temp-1.currentValue > -5",
      "sensors.temp-1.currentValue < +62",
      R"(sensors.temp-1.currentValue > "60")",
      "sensors.temp-1.currentValue < 1e999",
      "sensors.temp-1.currentValue > -1e999",
      "subjectOf.location.geo.longitude = -122.4194",
      "zero = -0",
      "zero = 0.0",
  });
  ExpectNoMatch({
      "sensors.temp-1.currentValue > 61.5",
      "sensors.temp-1.currentValue < 9",
      "sensors.temp-1.currentValue > abc",
      "sensors.temp-1.currentValue < abc",
      "sensors.temp-1.currentValue = 0x3d",
      "sensors.temp-1.currentValue < inf",
      "sensors.temp-1.currentValue = 61.5s",
  });
}

TEST_F(FilterTest, ComparesBooleans) {
  ExpectMatch({"flag = true", R"(flag = "true")", "flag != false", "flag:true", "NOT flag = false"});
  ExpectNoMatch(
      {"flag = false", "flag = TRUE", "flag = 1", "flag > false", "flag < true", "flag >= true", "name = true"});
}

TEST_F(FilterTest, ComparesTimesByInstant) {
  ExpectMatch({
      R"(lastSynced = "2024-03-15T15:30:01+01:00")",
      "lastSynced = 2024-03-15T15:30:01+01:00",
      "lastSynced > 2024-03-15T14:30:00.999Z AND flag = true",
      "lastSynced:2024-03-15T14:30:01.000Z",
      R"(lastSynced < "2024-03-15T14:30:01.000000001Z")",
      // A day holds all of its instants.
      R"(lastSynced = "2024-03-15")",
      "lastSynced = 2024-03-15",
      "lastSynced >= 2024-03-15",
      "lastSynced <= 2024-03-15",
      "lastSynced > 2024-03-14",
      "lastSynced < 2024-03-16",
      "dateCreated = 2024-01-15",
      "dateCreated < 2024-01-16",
      R"(dateCreated = "2024-01-15T12:00:00Z")",
      R"(dateCreated < "2024-01-16T00:00:00Z")",
      "subjectOf.productionDate < 2024-01-15",
      "lastSynced != 2024-03-14",
      R"(lastSynced = "2024-03-*")",
      R"(lastSynced = "*:01Z")",
      R"(lastSynced < "yesterday")",
      R"(lastSynced > "2024-03")",
  });
  ExpectNoMatch({
      "lastSynced > 2024-03-15",
      "lastSynced < 2024-03-15",
      R"(lastSynced = "yesterday")",
      R"(lastSynced > "yesterday")",
      "lastSynced > 5",
      "lastSynced < 5",
      R"(lastSynced > "2024-03-15T14:30:01Z")",
      R"(lastSynced = "2024-03-15T14:30:01")",
  });
}

TEST_F(FilterTest, ComparesDurations) {
  ExpectMatch({
      "dataStorage.historicalData.retentionPeriod = 90d",
      "dataStorage.historicalData.retentionPeriod = 2160h",
      "dataStorage.historicalData.retentionPeriod > 12w",
      "dataStorage.historicalData.retentionPeriod > 100s",
      R"(dataStorage.historicalData.samplingRate = "PT1M")",
      "dataStorage.historicalData.samplingRate < 90.5s",
      "dataStorage.historicalData.samplingRate != 1h",
  });
  ExpectNoMatch({
      "dataStorage.historicalData.retentionPeriod < 1y AND dataStorage.historicalData.retentionPeriod > 1y",
      "dataStorage.historicalData.samplingRate > 60s",
      "latency < 1h",
  });
}

TEST_F(FilterTest, TakesStarsAtTheEndsOfTexts) {
  ExpectMatch({
      R"(name = "*Twin")",
      R"(name = "Manufacturing*")",
      R"(name = "*Robot*")",
      R"(name = "*")",
      "name = *Twin",
      "name != *Robot",
      R"(starred = "\*x\*")",
      R"(starred = "*x*")",
      R"(starred != "\*x")",
      "id = twin-2024-*",
      R"(name = "Manufacturing Robot Digital Twin*")",
  });
  ExpectNoMatch({
      R"(name = "*Robot")",
      R"(name = "Manu*Twin")",
      R"(name = "\*")",
      R"(name = "Manufacturing\*")",
      R"(sensors.temp-1.currentValue = "6*")",
      R"(flag = "*")",
      R"(missing = "*")",
      R"(name < "*")",
  });
}

// AIP-160: `a != 42` is true unless a equals 42.
TEST_F(FilterTest, HoldsWhatIsMissingUnequalToEverything) {
  ExpectMatch({
      "missing != 42",
      "NOT missing = 42",
      "nothing != 42",
      "missing.more.still != x",
      "missing = null",
      "nothing = null",
      "name != null",
      "sensors.none.currentValue != 1",
      // Another kind is not equal either, nor is an array.
      "name != 42",
      "zero != false",
      "words != red",
      "sensors != 1",
  });
  ExpectNoMatch({
      "missing = 42",
      "missing < 42",
      "missing >= 42",
      "nothing < 42",
      "missing:42",
      "missing:*",
      "missing:null",
      "nothing:*",
      "missing != null",
      "name = null",
      R"(missing = "null")",
      "words = red",
      "missing > null",
      "name.first = Manufacturing",
  });
}

TEST_F(FilterTest, TakesTheNameForAnObject) {
  ExpectMatch({
      R"(creator = "Digital Twin Solutions Inc.")",
      R"(creator = "Digital*")",
      R"(subjectOf.location = "Factory Floor - Section B")",
      R"(subjectOf.location < "G")",
      R"(creator.name = "Digital Twin Solutions Inc.")",
      R"(creator:"Digital Twin Solutions Inc.")",
  });
  ExpectNoMatch(
      {R"(creator = Organization)", "identifier = twin-2024-001", "identifier > a", "synchronization = MQTT"});
  definition_.Find("subjectOf")->Set("manufacturer", ParseOrFail(R"({"@type": "Organization", "name": "Acme"})"));
  ExpectMatch({"subjectOf.manufacturer = Acme", "subjectOf.manufacturer.name = Acme"});
}

TEST_F(FilterTest, HasShortNames) {
  ExpectMatch({
      "id = twin-2024-001",
      "mechanism = MQTT",
      "synchronization.mechanism = MQTT",
      R"("mechanism" = "at the root")",
      R"(endpoint = "mqtt://example.com/twins/robot-42")",
      "updateFrequency = realtime",
      "identifier.value = twin-2024-001",
      "latency:*",
  });
  ExpectNoMatch({"mechanism = at*", "mechanism.more = 1", R"("id" = twin-2024-001)", "subjectOf.latency = 35"});
}

TEST_F(FilterTest, KnowsSensorsByTheirIds) {
  definition_.Find("sensors")->Append(ParseOrFail(R"({"id": "a.b", "type": "odd \"one\"", "currentValue": 3})"));
  definition_.Find("sensors")->Append(ParseOrFail(R"({"id": "temp-1", "currentValue": 1000, "unit": "second"})"));
  definition_.Find("sensors")->Append(ParseOrFail(R"({"id": "type", "note": "named like a member"})"));
  ExpectMatch({
      R"(sensors."a.b".currentValue = 3)",
      R"(sensors.'a.b'.type = "odd \"one\"")",
      R"(sensors."a.b".type = 'odd "one"')",
      "sensors.temp-1.unit = celsius",
      "sensors:temp-1",
      R"(sensors:"a.b")",
      "sensors.temp-1:*",
      "sensors.temp-1:unit",
      // Any of them.
      "sensors.type:temperature",
      "sensors.unit:second",
      "sensors.currentValue:61.5",
      "sensors.currentValue:1000",
      "sensors.normalRange:30",
      "sensors.type.note:*",
      "sensors.temp-1.normalRange:65",
      "sensors:*",
  });
  ExpectNoMatch({
      "sensors.temp-1.currentValue = 1000",
      "sensors.temp-1.unit = second",
      "sensors:temp-9",
      "sensors:null",
      "sensors.type:temperatur",
      "sensors.currentValue:42.3",
      "sensors.unit = celsius",
      "sensors.0.unit = celsius",
      "sensors.temp-1.normalRange = 30",
  });
}

TEST_F(FilterTest, LooksIntoCollectionsWithTheColon) {
  ExpectMatch({
      "words:red",
      "words:7",
      "words:nested",
      "words:gre*",
      "words:*",
      "associatedMedia.encodingFormat:\"image/jpeg\"",
      "associatedMedia.name:\"Robot Arm*\"",
      "associatedMedia:\"Robot Installation Photo\"",
      "associatedMedia:contentUrl",
      "subjectOf:model",
      "subjectOf.model:*",
      "subjectOf.location.geo.latitude:37.7749",
      "\"@type\":DigitalDocument",
      "synchronization:lastSynced",
      "name:\"*Robot*\"",
      "maintenance.predictedIssues.probability:0.23",
      "words:(blue OR green)",
      "words:(red AND green)",
      "words:(red green)",
      "words:(NOT blue)",
      "dataStorage.analytics.predictionModels:failure_prediction",
  });
  ExpectNoMatch({"words:blue", "words:re", "subjectOf:colour", "subjectOf:modelX", "words:(red AND blue)", "words:null",
                 "name:Robot", "associatedMedia.name.first:x", "zero:*x", "words:(blue black)", "words:(NOT red)"});
  definition_.Set("words", Json::Array());
  ExpectNoMatch({"words:*", "words:red"});
}

TEST_F(FilterTest, ComparesWithEachValueInParentheses) {
  ExpectMatch({
      R"(connectionStatus = ("active" OR "inactive"))",
      "latency = (1 OR 2 OR 35)",
      "latency > (1 AND 2)",
      "latency > (1 2)",
      "latency != (1 AND 2)",
      "latency = (-(1 OR 2))",
      "subjectOf.location.geo.longitude = (-122.4194 OR 3)",
      "latency = (NOT 3 AND 35)",
      "latency = ( ( 35 ) )",
      "latency = (-abc)",
  });
  ExpectNoMatch({"latency = (1 OR 2)", "latency = (35 AND 36)", "latency = (-35 OR NOT 35)"});
}

TEST_F(FilterTest, FindsValuesWithoutAPathAnywhere) {
  ExpectMatch({
      "robot",
      "Robot twin",
      R"("robot digital")",
      "PrecisionArm X7",
      "inactive",
      "61.5",
      "1500",
      "example.com",
      "true",
      "*",
      "*Robot*",
      "NOT cat",
      "-cat",
      "2024-03-15T14",
      "hydraulic_pump",
      R"("")",
      R"("99.7%")",
  });
  ExpectNoMatch({"cat", "robot cat", "61.55", "42.3", "active2", "-robot", "NOT robot", "false", "schema.org/",
                 R"("Robot  Digital")"});
}

// AIP-160: OR binds tighter than AND; a sequence is a conjunction.
TEST_F(FilterTest, BindsOrTighterThanAnd) {
  const std::string t = "flag=true";
  const std::string f = "flag=false";
  for (int bits = 0; bits < 8; ++bits) {
    const bool a = (bits & 1) != 0;
    const bool b = (bits & 2) != 0;
    const bool c = (bits & 4) != 0;
    const auto text = [&](bool value) { return value ? t : f; };
    const std::string x = text(a);
    const std::string y = text(b);
    const std::string z = text(c);
    EXPECT_EQ(Matches(absl::StrCat(x, " AND ", y, " OR ", z)), a && (b || c)) << bits;
    EXPECT_EQ(Matches(absl::StrCat(x, " OR ", y, " AND ", z)), (a || b) && c) << bits;
    EXPECT_EQ(Matches(absl::StrCat(x, " ", y, " OR ", z)), a && (b || c)) << bits;
    EXPECT_EQ(Matches(absl::StrCat(x, " ", y, " AND ", z)), a && b && c) << bits;
    EXPECT_EQ(Matches(absl::StrCat("(", x, " AND ", y, ") OR ", z)), (a && b) || c) << bits;
    EXPECT_EQ(Matches(absl::StrCat("NOT ", x, " OR ", y, " AND -", z)), (!a || b) && !c) << bits;
    EXPECT_EQ(Matches(absl::StrCat("-(", x, " ", y, ") OR NOT (", z, ")")), !(a && b) || !c) << bits;
  }
}

TEST_F(FilterTest, TakesTheExamplesOfTheGrammar) {
  for (const char* text : {"a b AND c AND d",
                           "(a b) AND c AND d",
                           "New York Giants OR Yankees",
                           "New York (Giants OR Yankees)",
                           "a < 10 OR a >= 100",
                           "NOT (a OR b)",
                           "-file:\".java\"",
                           "-30",
                           "package=com.google",
                           "msg != 'hello'",
                           "1 > 0",
                           "2.5 >= 2.4",
                           "yesterday < request.time",
                           "map:key",
                           "prod",
                           "expr.type_map.1.type = x",
                           "a.AND.OR.NOT = 1",
                           "a = 2.997e9",
                           "a = 1.2s",
                           "a = \"*.foo\"",
                           "r.foo:42",
                           "m.foo:*",
                           "a=b",
                           "a  =\tb\n",
                           " ( a ) ",
                           "a:(b OR (c AND d))",
                           "\xc3\xa9t\xc3\xa9 = \"\xf0\x9f\x8c\x8d\"",
                           "a = 'it\\'s'",
                           "a = \"\\u00e9\\ud83c\\udf0d\\n\\\\\\/\"",
                           "not and or = And"}) {
    EXPECT_TRUE(Filter::Parse(text).ok()) << text << ": " << Filter::Parse(text).status();
  }
}

TEST_F(FilterTest, ReadsEscapes) {
  definition_.Set("odd", Json::String("\"'\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x8c\x8d*"));
  ExpectMatch({R"(odd = "\"\'\\\/\b\f\n\r\t\u00E9\ud83c\uDF0D\*")", R"(odd = '"\'\\/\b\f\n\r\t\u00e9\ud83c\udf0d\*')"});
}

struct Malformed {
  const char* text;
  size_t position;
  const char* expected;
  const char* got;
};

TEST_F(FilterTest, SaysWhereItIsMalformed) {
  const Malformed kMalformed[] = {
      {"AND", 1, "a path, a value, NOT, - or (", "\"AND\""},
      {"OR a", 1, "a path, a value, NOT, - or (", "\"OR\""},
      {"a AND", 6, "a path, a value, NOT, - or (", "the end"},
      {"a OR ", 6, "a path, a value, NOT, - or (", "the end"},
      {"a AND OR b", 7, "a path, a value, NOT, - or (", "\"OR\""},
      {"a OR OR b", 6, "a path, a value, NOT, - or (", "\"OR\""},
      {"NOT", 4, "a path, a value or (", "the end"},
      {"NOT NOT a", 5, "a path, a value or (", "\"NOT\""},
      {"NOT -a", 5, "a path, a value or (", "\"-a\""},
      {"--a", 2, "a path, a value or (", "\"-a\""},
      {"- a", 2, "a path, a value or (", "\" \""},
      {"NOT(a)", 4, "a space after NOT", "\"(\""},
      {"a AND(b)", 6, "a space after AND", "\"(\""},
      {"a OR(b)", 5, "a space after OR", "\"(\""},
      {"(a)AND b", 4, "a space before AND", "\"AND\""},
      {"(a)OR b", 4, "a space before OR", "\"OR\""},
      {"(a)(b)", 4, "a space, AND, OR or the end", "\"(\""},
      {"(a)b", 4, "a space, AND, OR or the end", "\"b\""},
      {"((a)b)", 5, "a space, AND, OR or )", "\"b\""},
      {"\"a\"b", 4, "a space, AND, OR or the end", "\"b\""},
      {"()", 2, "a path, a value, NOT, - or (", "\")\""},
      {"(a", 3, "AND, OR or )", "the end"},
      {"a)", 2, "AND, OR or the end", "\")\""},
      {"(a AND", 7, "a path, a value, NOT, - or (", "the end"},
      {"a =", 4, "a value or (", "the end"},
      {"a == b", 4, "a value or (", "\"=\""},
      {"a = AND", 5, "a value or (", "\"AND\""},
      {"a = NOT b", 5, "a value or (", "\"NOT\""},
      {"a <> b", 4, "a value or (", "\">\""},
      {"= b", 1, "a path, a value, NOT, - or (", "\"=\""},
      {"a ! b", 3, "a path, a value, NOT, - or (", "\"!\""},
      {"a = b = c", 7, "a path, a value, NOT, - or (", "\"=\""},
      {"a = b=c", 6, "a space, AND, OR or the end", "\"=\""},
      {"a. = 1", 3, "a name after the point", "\" \""},
      {"a..b = 1", 3, "a name after the point", "\".\""},
      {".a = 1", 1, "a path, a value, NOT, - or (", "\".\""},
      {"a .b", 3, "a path, a value, NOT, - or (", "\".\""},
      {"a = 1.", 7, "a name after the point", "the end"},
      {"a, b", 2, "a space, AND, OR or the end", "\",\""},
      {"a = (b = c)", 8, "a value, NOT, - or (", "\"=\""},
      {"a = ()", 6, "a value, NOT, - or (", "\")\""},
      {"a = (b", 7, "AND, OR or )", "the end"},
      {"a = 'b'.c", 5, "one text, in quotes or without", "a path with a name in quotes"},
      {"a.'b'", 6, "a comparison: one of = != < <= > >= :", "the end"},
      {"'a'.b OR c", 6, "a comparison: one of = != < <= > >= :", "\" \""},
      {"regex(m.key, '^.*prod.*$')", 1, "a path or a value", "the function \"regex\""},
      {"a AND math.mem('30mb')", 7, "a path or a value", "the function \"math.mem\""},
      {"experiment.rollout <= cohort(request.user)", 23, "a path or a value", "the function \"cohort\""},
      {"\"abc", 5, "the end of the text in quotes that begins at 1", "the end"},
      {"a = 'abc\"", 10, "the end of the text in quotes that begins at 5", "the end"},
      {"a = \"b\\", 7, "one of the escapes", "\"\\\\"},
      {"a = \"\\x41\"", 6, "one of the escapes", "\"\\\\"},
      {"a = \"\\ud800\"", 6, "one of the escapes", "\"\\\\"},
      {"a = \"\\udc00\"", 6, "one of the escapes", "\"\\\\"},
      {"a = \"\\ud800\\u0041\"", 6, "one of the escapes", "\"\\\\"},
      {"a = \"\\u12g4\"", 6, "one of the escapes", "\"\\\\"},
      {"a = \x01", 5, "a value or (", "\"\\x01\""},
      {"a\x7f", 2, "a space, AND, OR or the end", "\"\\x7f\""},
      {"a = \xff", 5, "UTF-8", "another byte"},
      {"a = \xed\xa0\x80", 5, "UTF-8", "another byte"},
      {"a = 2024-03-15T14:30:00Z:5", 5, "a time such as", "\"2024-03-15T14:30:00Z:5\""},
      {"a = 2024-03-15T14:30", 5, "a time such as", "\"2024-03-15T14:30\""},
      {"2024-03-15T14:30:00Z", 17, "a space, AND, OR or the end", "\":\""},
      {"a = b:c", 6, "a space, AND, OR or the end", "\":\""},
  };
  for (const Malformed& malformed : kMalformed) {
    const absl::StatusOr<Filter> filter = Filter::Parse(malformed.text);
    ASSERT_FALSE(filter.ok()) << malformed.text;
    EXPECT_EQ(filter.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(filter.status().message()),
                HasSubstr(absl::StrCat("position ", malformed.position, ": expected ", malformed.expected)))
        << malformed.text;
    EXPECT_THAT(std::string(filter.status().message()), HasSubstr(absl::StrCat(", got ", malformed.got)))
        << malformed.text;
  }
}

TEST_F(FilterTest, IsBounded) {
  const auto error = [](const std::string& text) { return std::string(Filter::Parse(text).status().message()); };
  EXPECT_TRUE(Filter::Parse(absl::StrCat("a = ", std::string(kFilterBytesMax - 4, 'x'))).ok());
  EXPECT_EQ(error(std::string(kFilterBytesMax + 1, ' ')), "expected at most 8192 bytes, got 8193");

  const auto nested = [](int depth) {
    return absl::StrCat(std::string(static_cast<size_t>(depth), '('), "a = 1",
                        std::string(static_cast<size_t>(depth), ')'));
  };
  EXPECT_TRUE(Filter::Parse(nested(kFilterDepthMax)).ok());
  EXPECT_THAT(error(nested(kFilterDepthMax + 1)), HasSubstr("position 33: expected at most 32 parentheses"));
  EXPECT_THAT(error("a = " + nested(4000)), HasSubstr("position 37: expected at most 32 parentheses"));

  const auto terms = [](size_t count) { return absl::StrJoin(std::vector<std::string>(count, "a = 1"), " OR "); };
  EXPECT_TRUE(Filter::Parse(terms(kFilterTermsMax)).ok());
  EXPECT_THAT(error(terms(kFilterTermsMax + 1)), HasSubstr("position 581: expected at most 64 values, got one more"));
  EXPECT_THAT(error(absl::StrCat("a = (", absl::StrJoin(std::vector<int>(65, 1), " "), ")")),
              HasSubstr("expected at most 64 values, got one more"));

  EXPECT_TRUE(Filter::Parse("a b c d e f g h").ok());
  EXPECT_THAT(error("a b c d e f g h i"), HasSubstr("position 17: expected at most 8 values without a path"));
  EXPECT_TRUE(Filter::Parse(std::string(kFilterTextBytesMax, 'a')).ok());
  EXPECT_THAT(error(std::string(kFilterTextBytesMax + 1, 'a')), HasSubstr("expected at most 256 bytes"));

  const auto path = [](size_t names) { return absl::StrJoin(std::vector<std::string>(names, "a"), "."); };
  EXPECT_TRUE(Filter::Parse(path(kFilterPathNamesMax) + " = 1").ok());
  EXPECT_THAT(error(path(kFilterPathNamesMax + 1) + " = 1"),
              HasSubstr("position 1: expected a path of at most 32 names"));
}

TEST_F(FilterTest, ShowsLongPartsCutAndPrintable) {
  const std::string message(Filter::Parse("(a)" + std::string(1000, 'x')).status().message());
  EXPECT_THAT(message, HasSubstr("\"" + std::string(32, 'x') + "...\""));
  EXPECT_LT(message.size(), 200u);
  EXPECT_THAT(std::string(Filter::Parse("(a)\xc3\xa9").status().message()), HasSubstr("\"\xc3\xa9\""));
}

TEST(TextSearchTest, FindsWithoutRegardToCase) {
  EXPECT_TRUE(TextSearch("").IsIn(""));
  EXPECT_TRUE(TextSearch("").IsIn("a"));
  EXPECT_FALSE(TextSearch("a").IsIn(""));
  EXPECT_TRUE(TextSearch("AbC").IsIn("xxaBcxx"));
  EXPECT_TRUE(TextSearch("aab").IsIn("aaab"));
  EXPECT_TRUE(TextSearch("ababac").IsIn("abababac"));
  EXPECT_TRUE(TextSearch("abc").IsIn("xabc"));
  EXPECT_FALSE(TextSearch("abc").IsIn("abab"));
  EXPECT_FALSE(TextSearch("\xc3\xa9").IsIn("\xc3\x89")) << "only of ASCII letters";
}

// Every text of a and b, against find.
TEST(TextSearchTest, FindsWhatFindFinds) {
  std::vector<std::string> texts = {""};
  for (size_t i = 0; texts[i].size() < 7; ++i) {
    texts.push_back(texts[i] + "a");
    texts.push_back(texts[i] + "b");
  }
  for (const std::string& pattern : texts) {
    if (pattern.size() > 5) break;
    const TextSearch search(pattern);
    for (const std::string& text : texts) {
      ASSERT_EQ(search.IsIn(text), text.find(pattern) != std::string::npos) << pattern << " in " << text;
    }
  }
}

}  // namespace
}  // namespace mvmd
