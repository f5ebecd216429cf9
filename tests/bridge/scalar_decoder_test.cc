#include "bridge/scalar_decoder.h"

#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<Reading> Decode(absl::string_view decoder, absl::string_view payload,
                            absl::string_view topic = "press/temp") {
  static std::unique_ptr<Decoder> made;
  made = *MakeDecoderByName(decoder);
  std::vector<Reading> readings;
  BadReadings bad;
  absl::Status status = made->Decode(topic, payload, &readings, &bad);
  EXPECT_TRUE(status.ok()) << payload << ": " << status;
  return readings;
}

absl::Status Error(absl::string_view decoder, absl::string_view payload) {
  std::unique_ptr<Decoder> made = *MakeDecoderByName(decoder);
  std::vector<Reading> readings(3);
  BadReadings bad;
  absl::Status status = made->Decode("press/temp", payload, &readings, &bad);
  EXPECT_THAT(readings, IsEmpty()) << payload;
  return status;
}

TEST(ScalarDecoderTest, ReadsNumbers) {
  const std::pair<const char*, double> cases[] = {{"45.20", 45.2},
                                                  {"-8.40", -8.4},
                                                  {" 12 \n", 12},
                                                  {"+3", 3},
                                                  {"1e3", 1000},
                                                  {".5", 0.5},
                                                  {"-0", -0.0},
                                                  {"5.", 5},
                                                  {"1E-2", 0.01},
                                                  {"007", 7},
                                                  {"1234567890123", 1234567890123}};
  for (const auto& [text, value] : cases) {
    const std::vector<Reading> readings = Decode("scalar", text);
    ASSERT_THAT(readings, SizeIs(1)) << text;
    EXPECT_EQ(std::get<double>(readings[0].value), value) << text;
    EXPECT_EQ(readings[0].name, "temp");
    EXPECT_FALSE(readings[0].time_unix_ns.has_value());
  }
}

TEST(ScalarDecoderTest, ReadsBooleans) {
  for (const char* text : {"true", "True", "ON", "on"}) {
    EXPECT_TRUE(std::get<bool>(Decode("scalar", text).at(0).value)) << text;
  }
  for (const char* text : {"false", "OFF", " off "}) {
    EXPECT_FALSE(std::get<bool>(Decode("scalar:boolean", text).at(0).value)) << text;
  }
  EXPECT_TRUE(std::get<bool>(Decode("scalar:boolean", "1").at(0).value));
}

TEST(ScalarDecoderTest, ReadsText) {
  EXPECT_EQ(std::get<std::string>(Decode("scalar:text", "läuft").at(0).value), "läuft");
  EXPECT_EQ(std::get<std::string>(Decode("scalar:text", "12").at(0).value), "12");
  EXPECT_FALSE(Error("scalar:text", "\xFF\xFE").ok());
}

TEST(ScalarDecoderTest, TakesWordsForNothingAsNoReading) {
  for (const char* text :
       {"", "  ", "nan", "NaN", "-nan", "inf", "null", "Online", "offline", "unavailable", "unknown"}) {
    EXPECT_THAT(Decode("scalar", text), IsEmpty()) << text;
    EXPECT_THAT(Decode("scalar:number", text), IsEmpty()) << text;
  }
}

TEST(ScalarDecoderTest, RefusesWhatIsMalformed) {
  for (const char* text : {"12,5", "12.5 C", "0x10", "1e", "--1", "1.2.3", "abc", "{}", "1e999", "- 1", "\x01"}) {
    EXPECT_FALSE(Error("scalar", text).ok()) << text;
  }
  EXPECT_FALSE(Error("scalar:number", "true").ok());
  EXPECT_FALSE(Error("scalar:boolean", "2").ok());
  EXPECT_THAT(std::string(Error("scalar", "12.5 C").message()),
              HasSubstr("expected a number or a boolean, got `12.5 C`"));
}

TEST(ScalarDecoderTest, NamesTheReadingByTheTopic) {
  EXPECT_EQ(ReadingNameOfTopic("press-hall/sensor/oil_temperature/state"), "oil_temperature");
  EXPECT_EQ(ReadingNameOfTopic("a/b"), "b");
  EXPECT_EQ(ReadingNameOfTopic("b"), "b");
  EXPECT_EQ(ReadingNameOfTopic("a/state/value"), "a");
  EXPECT_EQ(ReadingNameOfTopic("state"), "state");
  EXPECT_EQ(ReadingNameOfTopic("a/"), "a");
}

TEST(ScalarDecoderTest, CarriesTheConfiguredUnit) {
  twin::v1alpha1::ScalarDecoder config;
  config.set_unit("kPa");
  std::unique_ptr<Decoder> decoder = *ScalarDecoder::Make(config);
  std::vector<Reading> readings;
  BadReadings bad;
  ASSERT_TRUE(decoder->Decode("t", "5", &readings, &bad).ok());
  EXPECT_EQ(readings.at(0).unit, "kPa");
  config.set_type("integer");
  EXPECT_THAT(std::string(ScalarDecoder::Make(config).status().message()), HasSubstr("scalar.type: expected"));
}

}  // namespace
}  // namespace mvmd
