#include "tests/support/plant_ledger.h"

#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

// Three samples at 1, 2 and 3 s; the last one without PUBACK.
PlantLedger ThreeSamples() {
  PlantLedger ledger;
  const size_t sensor = ledger.AddSensor("t", "s");
  ledger.MarkAcked(sensor, ledger.AddPublished(sensor, 1'000'000'000, 1.5));
  ledger.MarkAcked(sensor, ledger.AddPublished(sensor, 2'000'000'000, 2.5));
  ledger.AddPublished(sensor, 3'000'000'000, 3.5);
  return ledger;
}

std::string Line(int second, double value) {
  std::ostringstream line;
  line << R"({"twin":"t","sensor":"s","timestamp":"1970-01-01T00:00:0)" << second << R"(Z","value":)" << value << "}\n";
  return line.str();
}

LedgerVerdict Check(const std::string& lines) {
  std::istringstream input(lines);
  return CheckLedger(ThreeSamples(), input).value();
}

TEST(PlantLedgerTest, ComesBackFromItsFile) {
  const auto again = PlantLedger::FromJson(ThreeSamples().ToJson());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->published(), 3u);
  EXPECT_EQ(again->acked(), 2u);
  EXPECT_EQ(again->ToJson(), ThreeSamples().ToJson());
}

TEST(PlantLedgerTest, RefusesMalformedFiles) {
  for (const char* text : {"", "[]", "{}", R"({"sensors":1})", R"({"sensors":[{}]})",
                           R"({"sensors":[{"samples":[[]]}]})", R"({"sensors":[{"samples":[["x",1,true]]}]})",
                           R"({"sensors":[{"samples":[["1970-01-01T00:00:00Z","1",true]]}]})"}) {
    EXPECT_FALSE(PlantLedger::FromJson(text).ok()) << text;
  }
}

TEST(PlantLedgerTest, IsCleanWhenEverythingAckedIsThereOnce) {
  EXPECT_TRUE(Check(Line(1, 1.5) + Line(2, 2.5)).clean());
  const LedgerVerdict all = Check(Line(1, 1.5) + Line(2, 2.5) + Line(3, 3.5));
  EXPECT_TRUE(all.clean());
  EXPECT_EQ(all.committed, 3u);
}

TEST(PlantLedgerTest, FindsLost) {
  EXPECT_EQ(Check(Line(2, 2.5)).lost, 1u);
  EXPECT_EQ(Check("").lost, 2u);
}

TEST(PlantLedgerTest, FindsDuplicated) {
  const LedgerVerdict verdict = Check(Line(1, 1.5) + Line(2, 2.5) + Line(2, 2.5));
  EXPECT_EQ(verdict.duplicated, 1u);
  EXPECT_FALSE(verdict.clean());
}

TEST(PlantLedgerTest, FindsWrong) {
  EXPECT_EQ(Check(Line(1, 1.5) + Line(2, 2.4)).wrong, 1u);
  EXPECT_EQ(Check(Line(1, 1.5) + Line(2, 2.5) + Line(4, 2.5)).wrong, 1u);
}

TEST(PlantLedgerTest, FindsDisorder) { EXPECT_EQ(Check(Line(2, 2.5) + Line(1, 1.5)).disordered, 1u); }

TEST(PlantLedgerTest, CountsGaps) {
  EXPECT_EQ(Check(Line(1, 1.5) + Line(2, 2.5) + "{\"gap\":{\"reason\":\"OUTBOX_FULL\"}}\n").gaps, 1u);
}

TEST(PlantLedgerTest, RefusesLinesThatAreNoSamples) {
  for (const char* line : {"x\n", "{}\n", R"({"twin":"t","sensor":"s","timestamp":"yesterday","value":1})"}) {
    std::istringstream input(line);
    EXPECT_FALSE(CheckLedger(ThreeSamples(), input).ok()) << line;
  }
}

}  // namespace
}  // namespace mvmd
