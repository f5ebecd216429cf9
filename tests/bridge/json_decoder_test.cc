#include "bridge/json_decoder.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "twin/time.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class JsonDecoderTest : public ::testing::Test {
 protected:
  void Configure(const std::string& text) {
    pb::JsonDecoder config;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config)) << text;
    absl::StatusOr<std::unique_ptr<Decoder>> decoder = JsonDecoder::Make(config);
    ASSERT_TRUE(decoder.ok()) << decoder.status();
    decoder_ = *std::move(decoder);
  }
  absl::Status Decode(absl::string_view payload, absl::string_view topic = "plant/robot/temp-1") {
    return decoder_->Decode(topic, payload, &readings_, &bad_);
  }
  // Neither a reading nor OK, or not without a bad one.
  bool Refuses(absl::string_view payload) {
    const absl::Status status = Decode(payload);
    EXPECT_TRUE(status.ok() || bad_.empty()) << payload;
    return readings_.empty() && (!status.ok() || !bad_.empty());
  }
  // name@pointer: message
  std::vector<std::string> Bad() const {
    std::vector<std::string> texts;
    for (const BadReading& bad : bad_.described()) {
      texts.push_back(absl::StrCat(bad.name, "@", bad.pointer, ": ", bad.message));
    }
    return texts;
  }
  // name=value@time[unit]!quality
  std::vector<std::string> Texts() const {
    std::vector<std::string> texts;
    for (const Reading& reading : readings_) {
      std::string text = absl::StrCat(reading.name, "=");
      if (const double* number = std::get_if<double>(&reading.value)) absl::StrAppend(&text, *number);
      if (const bool* boolean = std::get_if<bool>(&reading.value)) absl::StrAppend(&text, *boolean ? "true" : "false");
      if (const std::string* value = std::get_if<std::string>(&reading.value)) absl::StrAppend(&text, "'", *value, "'");
      if (reading.time_unix_ns.has_value()) absl::StrAppend(&text, "@", FormatTimestamp(*reading.time_unix_ns));
      if (!reading.unit.empty()) absl::StrAppend(&text, "[", reading.unit, "]");
      if (reading.quality != pb::QUALITY_GOOD) absl::StrAppend(&text, "!", static_cast<int>(reading.quality));
      texts.push_back(std::move(text));
    }
    return texts;
  }

  std::unique_ptr<Decoder> decoder_;
  std::vector<Reading> readings_;
  BadReadings bad_;
};

TEST_F(JsonDecoderTest, TakesAValueAndItsTime) {
  Configure("readings { value: '/value' } time: '/timestamp'");
  ASSERT_TRUE(Decode(R"({"value":20.08,"timestamp":"2024-03-15T14:30:00Z"})").ok());
  EXPECT_THAT(Texts(), ElementsAre("value=20.08@2024-03-15T14:30:00Z"));
  // Again, from the same buffers.
  ASSERT_TRUE(Decode(R"({"timestamp":1710513004.25,"value":-1})").ok());
  EXPECT_THAT(Texts(), ElementsAre("value=-1@2024-03-15T14:30:04.25Z"));
  ASSERT_TRUE(Decode(R"({"value":true})").ok());
  EXPECT_THAT(Texts(), ElementsAre("value=true"));
}

TEST_F(JsonDecoderTest, TakesSeveralReadings) {
  Configure(R"(readings { value: '/a/b/0' name: 'first' } readings { value: '/c' time: '/t' unit: '/u' quality: '/q' }
               time: '/time')");
  ASSERT_TRUE(Decode(R"({"a":{"b":[1.5]},"c":2,"t":1710513000,"u":"bar","q":"uncertain","time":1710513001000})").ok());
  EXPECT_THAT(Texts(), ElementsAre("first=1.5@2024-03-15T14:30:01Z", "c=2@2024-03-15T14:30:00Z[bar]!2"));
  // One is missing: a partial update.
  ASSERT_TRUE(Decode(R"({"c":3})").ok());
  EXPECT_THAT(Texts(), ElementsAre("c=3"));
}

TEST_F(JsonDecoderTest, TakesEachElementOfAnArray) {
  Configure("readings { each: '/values' value: '/v' time: '/t' name: '/n' }");
  ASSERT_TRUE(
      Decode(R"({"values":[{"n":"x","v":1,"t":1710513000},{"n":"y","v":"on","t":null},{"n":"z","v":null}]})").ok());
  EXPECT_THAT(Texts(), ElementsAre("x=1@2024-03-15T14:30:00Z", "y='on'"));
  ASSERT_TRUE(Decode(R"({"values":[]})").ok());
  EXPECT_THAT(readings_, IsEmpty());
}

TEST_F(JsonDecoderTest, TakesEachMemberOfAnObject) {
  Configure("readings { each: '/values' } time: '/timestamp' time_format: 'ms'");
  ASSERT_TRUE(Decode(R"({"timestamp":1710513019075,"values":{"oil_temp":48.6,"running":true}})").ok());
  EXPECT_THAT(Texts(), ElementsAre("oil_temp=48.6@2024-03-15T14:30:19.075Z", "running=true@2024-03-15T14:30:19.075Z"));
}

TEST_F(JsonDecoderTest, FollowsPointersAsRfc6901SaysThem) {
  Configure("readings { value: '/a~1b/m~0n/ /1' }");
  ASSERT_TRUE(Decode(R"({"a/b":{"m~n":{" ":[0,7]}}})").ok());
  EXPECT_THAT(Texts(), ElementsAre("1=7"));
  EXPECT_FALSE(Decode(R"({"a/b":{"m~n":{" ":[0]}}})").ok());
}

TEST_F(JsonDecoderTest, TakesTheWholePayload) {
  Configure("readings { value: '' unit: '' }");
  ASSERT_TRUE(Decode("12.5").ok());
  EXPECT_THAT(Texts(), ElementsAre("temp-1=12.5"));
}

TEST_F(JsonDecoderTest, ReadsQualities) {
  Configure("readings { value: '/v' quality: '/q' }");
  const std::pair<const char*, int> cases[] = {{"\"good\"", 1},
                                               {"\"Good\"", 1},
                                               {"\"BadNoCommunication\"", 3},
                                               {"\"UNCERTAIN\"", 2},
                                               {"true", 1},
                                               {"false", 3},
                                               {"0", 1},
                                               {"2150694912", 3},
                                               {"1073741824", 2},
                                               {"{\"Code\":2147483648}", 3},
                                               {"null", 1}};
  for (const auto& [quality, expected] : cases) {
    ASSERT_TRUE(Decode(absl::StrCat(R"({"v":1,"q":)", quality, "}")).ok()) << quality;
    EXPECT_EQ(static_cast<int>(readings_.at(0).quality), expected) << quality;
  }
  EXPECT_TRUE(Refuses(R"({"v":1,"q":"so so"})"));
  EXPECT_TRUE(Refuses(R"({"v":1,"q":[1]})"));
  EXPECT_TRUE(Refuses(R"({"v":1,"q":-5})"));
}

TEST_F(JsonDecoderTest, GivesNoReadingForNothing) {
  Configure("readings { value: '/value' }");
  for (const char* payload :
       {R"({"value":null})", R"({"value":"NaN"})", R"({"value":"unavailable"})", "", "Online", "null"}) {
    EXPECT_TRUE(Decode(payload).ok()) << payload;
    EXPECT_THAT(readings_, IsEmpty()) << payload;
  }
}

TEST_F(JsonDecoderTest, RefusesWhatIsMalformed) {
  Configure("readings { value: '/value' } time: '/time'");
  for (const char* payload : {"{",
                              "}",
                              "{\"value\":}",
                              "{\"value\":1",
                              "{\"value\":1}}",
                              "{\"value\":1}x",
                              "{'value':1}",
                              "{\"value\":01}",
                              "{\"value\":+1}",
                              "{\"value\":1,}",
                              "{\"value\":\"\xFF\"}",
                              "[1,2",
                              "{\"value\":{}}",
                              "{\"value\":[1]}",
                              "{\"other\":1}",
                              "[]",
                              "{}",
                              "12",
                              "tru",
                              "{\"value\":1,\"time\":\"yesterday\"}",
                              "{\"value\":1,\"time\":true}",
                              "{\"value\":1,\"time\":[]}",
                              "{\"value\":1e400}",
                              "hello",
                              "\"",
                              "\x01\x02"}) {
    EXPECT_TRUE(Refuses(payload)) << payload;
  }
  EXPECT_THAT(std::string(Decode("{\"other\":1}").message()), HasSubstr("expected a value at /value, got `{"));
  EXPECT_THAT(std::string(Decode("{\"value\":1,\"time\":\"soon\"}").message()),
              HasSubstr("expected a time at /time, got `soon`"));
}

TEST_F(JsonDecoderTest, SurvivesDepth) {
  Configure("");
  const std::string deep = std::string(5000, '[') + std::string(5000, ']');
  EXPECT_FALSE(Decode(deep).ok());
  ASSERT_TRUE(Decode("[5," + std::string(100, '[') + "1" + std::string(100, ']') + ",{\"a\":6}]").ok());
  EXPECT_THAT(Texts(), ElementsAre("0=5", "2.a=6"));
  std::string pointer = "/1";
  for (int i = 0; i < 32; ++i) pointer += "/0";
  EXPECT_THAT(Bad(), ElementsAre(absl::StrCat("@", pointer, ": expected at most 32 levels")));
}

TEST_F(JsonDecoderTest, TakesWhatIsGoodBesideWhatIsBad) {
  Configure("readings { each: '/values' value: '/v' time: '/t' name: '/n' quality: '/q' }");
  ASSERT_TRUE(Decode(R"({"values":[{"n":"a","v":1},{"n":"b","v":{}},{"n":"c","v":2,"t":"soon"},{"v":3},{"n":7,"v":3},
                         {"n":"d","v":[1]},{"n":"e","v":4,"q":"so so"},5,{"n":"f"},{"v":null},{"n":"g","v":6}]})")
                  .ok());
  EXPECT_THAT(Texts(), ElementsAre("a=1", "g=6"));
  EXPECT_THAT(Bad(),
              ElementsAre("b@/values/1/v: expected a number, boolean or text, got an object",
                          "c@/values/2/t: expected a time, got `soon`", "@/values/3/n: expected a name (text)",
                          "@/values/4/n: expected a name (text)",
                          "d@/values/5/v: expected a number, boolean or text, got an array",
                          "e@/values/6/q: expected good, uncertain, bad, a boolean or a status code, got `so so`"));
  // The next message starts afresh.
  ASSERT_TRUE(Decode(R"({"values":[{"n":"a","v":1}]})").ok());
  EXPECT_THAT(Bad(), IsEmpty());
}

TEST_F(JsonDecoderTest, TakesGoodMembersBesideBadOnes) {
  Configure("readings { each: '/values' } readings { value: '/one' } readings { each: '/list' }");
  ASSERT_TRUE(Decode(R"({"values":{"a/b~c":{},"good":true},"one":1,"list":"x"})").ok());
  EXPECT_THAT(Texts(), ElementsAre("good=true", "one=1"));
  EXPECT_THAT(Bad(), ElementsAre("a/b~c@/values/a~1b~0c: expected a number, boolean or text, got an object",
                                 "@/list: expected an array or object, got `x`"));
}

TEST_F(JsonDecoderTest, TakesReadingsWithATimeOfTheirOwnWhenThatOfTheMessageIsWrong) {
  Configure("readings { value: '/a' } readings { value: '/b' time: '/bt' } time: '/time'");
  ASSERT_TRUE(Decode(R"({"a":1,"b":2,"bt":1710513000,"time":"soon"})").ok());
  EXPECT_THAT(Texts(), ElementsAre("b=2@2024-03-15T14:30:00Z"));
  EXPECT_THAT(Bad(), ElementsAre("a@/a: expected a time at /time, got `soon`"));
  // One problem of the message when all depend on it.
  EXPECT_EQ(Decode(R"({"a":1,"b":2,"time":"soon"})").message(), "expected a time at /time, got `soon`");
  EXPECT_THAT(Bad(), IsEmpty());
}

TEST_F(JsonDecoderTest, BoundsWhatIsSaidOfBadReadings) {
  Configure("readings { each: '/v' }");
  std::string many = "{\"v\":[{}";
  for (int i = 1; i < 50000; ++i) many += ",{}";
  ASSERT_TRUE(Decode(many + ",7]}").ok());
  EXPECT_THAT(Texts(), ElementsAre("50000=7"));
  EXPECT_EQ(bad_.count(), 50000u);
  EXPECT_THAT(bad_.described(), SizeIs(BadReadings::kDescribedMax));
  EXPECT_EQ(bad_.more(), 50000u - BadReadings::kDescribedMax);
  ASSERT_TRUE(Decode(absl::StrCat("{\"v\":{\"", std::string(100000, 'x'), "\":{},\"y\":1}}")).ok());
  EXPECT_THAT(Texts(), ElementsAre("y=1"));
  EXPECT_LT(bad_.described().at(0).pointer.size(), 200u);
}

TEST_F(JsonDecoderTest, TakesGoodSensorsOfTheProfileBesideBadOnes) {
  Configure("");
  ASSERT_TRUE(Decode(R"({"sensors":[{"id":"a","currentValue":1},{"id":"b","currentValue":{"x":1}},{"currentValue":2},
                         {"id":"c","currentValue":3,"timestamp":"soon"},{"id":"d","currentValue":4,"timestamp":null},
                         {"id":"e","currentValue":null}]})")
                  .ok());
  EXPECT_THAT(Texts(), ElementsAre("a=1", "d=4"));
  EXPECT_THAT(Bad(), ElementsAre("b@/sensors/1/currentValue: expected a number, boolean or text, got an object",
                                 "@/sensors/2/id: expected an id (text)",
                                 "c@/sensors/3/timestamp: expected a time, got `soon`"));
  ASSERT_TRUE(Decode(R"({"currentValue":2})").ok());
  EXPECT_THAT(Texts(), ElementsAre("temp-1=2"));
}

TEST_F(JsonDecoderTest, BoundsReadings) {
  Configure("");
  std::string many = "[1";
  for (size_t i = 1; i < kReadingsMax; ++i) many += ",1";
  ASSERT_TRUE(Decode(many + "]").ok());
  EXPECT_THAT(readings_, SizeIs(kReadingsMax));
  EXPECT_FALSE(Decode(many + ",1]").ok());
  EXPECT_THAT(readings_, IsEmpty());
}

TEST_F(JsonDecoderTest, FindsReadingsUnconfigured) {
  Configure("");
  ASSERT_TRUE(
      Decode(R"({"time":12,"a":{"b":1,"ts":1710513000,"c":[true,"x",{"id":7,"d":2}]},"e":"text","f":null})").ok());
  EXPECT_THAT(Texts(), ElementsAre("time=12", "a.b=1@2024-03-15T14:30:00Z", "a.c.0=true@2024-03-15T14:30:00Z",
                                   "a.c.2.d=2@2024-03-15T14:30:00Z"));
  ASSERT_TRUE(Decode(R"({"value":"auto","unit":"mode","quality":"bad"})").ok());
  EXPECT_THAT(Texts(), ElementsAre("temp-1='auto'[mode]!3"));
  ASSERT_TRUE(Decode("ON").ok());
  EXPECT_THAT(Texts(), ElementsAre("temp-1=true"));
  ASSERT_TRUE(Decode(R"([{"id":"a","currentValue":1},{"id":"b","currentValue":false}])").ok());
  EXPECT_THAT(Texts(), ElementsAre("a=1", "b=false"));
  ASSERT_TRUE(Decode(R"({"timestamp":"2024-03-15T14:30:00Z","sensors":[{"id":"a","currentValue":1}]})").ok());
  EXPECT_THAT(Texts(), ElementsAre("a=1@2024-03-15T14:30:00Z"));
}

TEST_F(JsonDecoderTest, TakesAConfiguredTimeForUnconfiguredReadings) {
  Configure("time: '/meta/when'");
  ASSERT_TRUE(Decode(R"({"a":1,"meta":{"when":"2024-03-15T14:30:00Z"}})").ok());
  EXPECT_THAT(Texts(), ElementsAre("a=1@2024-03-15T14:30:00Z"));
}

TEST(JsonDecoderConfigTest, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"time_format: 'iso'", "json.time_format: expected"},
      {"time: 'time'", "json.time: expected a JSON Pointer"},
      {"readings { value: '/a' } readings { value: 'b' }", "json.readings[1].value: expected a JSON Pointer"},
      {"readings { value: '/a' } readings { name: 'x' }", "json.readings[1].value: expected"},
      {"readings { value: '/a~2' }", "json.readings[0].value: `~`"},
      {"readings { value: '/a' unit: 'C' }", "json.readings[0].unit"},
  };
  for (const auto& [text, message] : cases) {
    pb::JsonDecoder config;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config));
    EXPECT_THAT(std::string(JsonDecoder::Make(config).status().message()), HasSubstr(message)) << text;
  }
}

}  // namespace
}  // namespace mvmd
