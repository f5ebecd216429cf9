#include "bridge/conditioner.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;
using Code = ConditionResult::Code;

TEST(ConditionerTest, TakesValueTimeAndQuality) {
  Reading reading;
  reading.value = 12.5;
  reading.time_unix_ns = 77;
  reading.quality = twin::v1alpha1::QUALITY_UNCERTAIN;
  Sample sample;
  EXPECT_EQ(Condition(reading, 99, nullptr, &sample).code, Code::kOk);
  EXPECT_EQ(std::get<double>(sample.value), 12.5);
  EXPECT_EQ(sample.time_unix_ns, 77);
  EXPECT_EQ(sample.quality, twin::v1alpha1::QUALITY_UNCERTAIN);
}

TEST(ConditionerTest, TakesTheTimeOfArrivalWhereThereIsNone) {
  Reading reading;
  reading.value = true;
  Sample sample;
  EXPECT_EQ(Condition(reading, 99, nullptr, &sample).code, Code::kOk);
  EXPECT_EQ(sample.time_unix_ns, 99);
}

TEST(ConditionerTest, KeepsTimesFarOff) {
  Reading reading;
  reading.value = 1.0;
  Sample sample;
  for (int64_t time : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::max()}) {
    reading.time_unix_ns = time;
    EXPECT_EQ(Condition(reading, 99, nullptr, &sample).code, Code::kOk);
    EXPECT_EQ(sample.time_unix_ns, time);
  }
}

TEST(ConditionerTest, RefusesNumbersThatAreNone) {
  Sample sample;
  for (double value : {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
                       std::numeric_limits<double>::quiet_NaN()}) {
    Reading reading;
    reading.value = value;
    EXPECT_EQ(Condition(reading, 0, nullptr, &sample).code, Code::kNotFinite);
  }
}

TEST(ConditionerTest, BoundsText) {
  Sample sample;
  Reading reading;
  reading.value = std::string(kSampleTextBytesMax, 'a');
  EXPECT_EQ(Condition(reading, 0, nullptr, &sample).code, Code::kOk);
  reading.value = std::string(kSampleTextBytesMax + 1, 'a');
  const ConditionResult result = Condition(reading, 0, nullptr, &sample);
  EXPECT_EQ(result.code, Code::kTextTooLong);
  EXPECT_THAT(result.message, HasSubstr("4097"));
}

TEST(ConditionerTest, RefusesAnotherUnit) {
  const LocalSensor celsius{.unit = "celsius"};
  const LocalSensor unitless{.unit = ""};
  Sample sample;
  Reading reading;
  reading.value = 1.0;
  reading.unit = "F";
  const ConditionResult result = Condition(reading, 0, &celsius, &sample);
  EXPECT_EQ(result.code, Code::kUnitMismatch);
  EXPECT_THAT(result.message, HasSubstr("expected unit `celsius` (the document's), got `F`"));
  EXPECT_EQ(Condition(reading, 0, &unitless, &sample).code, Code::kOk);
  reading.unit = "°C";
  EXPECT_EQ(Condition(reading, 0, &celsius, &sample).code, Code::kOk);
  reading.unit = "";
  EXPECT_EQ(Condition(reading, 0, &celsius, &sample).code, Code::kOk);
}

TEST(ConditionerTest, KnowsSpellingsOfUnits) {
  EXPECT_TRUE(SameUnit("C", "celsius"));
  EXPECT_TRUE(SameUnit("Cel", "°C"));
  EXPECT_TRUE(SameUnit("Celsius", "celsius"));
  EXPECT_TRUE(SameUnit("newton-meters", "Nm"));
  EXPECT_TRUE(SameUnit("furlong", "furlong"));
  EXPECT_FALSE(SameUnit("mW", "MW"));
  EXPECT_FALSE(SameUnit("c", "C"));
  EXPECT_FALSE(SameUnit("furlong", "Furlongs"));
  EXPECT_FALSE(SameUnit("Pa", "hPa"));
}

}  // namespace
}  // namespace mvmd
