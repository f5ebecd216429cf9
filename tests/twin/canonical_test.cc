#include "twin/canonical.h"

#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "tests/twin/test_data.h"

namespace mvmd {
namespace {

std::string NumberText(double value) {
  std::string text;
  AppendCanonicalNumber(value, &text);
  return text;
}

TEST(CanonicalizeTest, GivesTheSamplesOfRfc8785) {
  for (const char* name : {"arrays", "french", "structures", "unicode", "values", "weird"}) {
    const std::string file = std::string(name) + ".json";
    EXPECT_EQ(Canonicalize(ParseProfile("jcs/rfc8785/input/" + file)), ReadProfile("jcs/rfc8785/output/" + file))
        << name;
  }
}

TEST(CanonicalizeTest, GivesTheProfilesVectors) {
  for (const std::string& line : ReadProfileLines("jcs/vectors.jsonl")) {
    const Json vector = ParseOrFail(line);
    EXPECT_EQ(Canonicalize(ParseOrFail(vector.Find("input")->string())), vector.Find("output")->string())
        << vector.Find("id")->string();
  }
}

TEST(CanonicalizeTest, GivesTheKnownDigests) {
  const Json expected = ParseProfile("expected.json");
  for (const auto& [name, facts] : expected.members()) {
    const Json& canonical = *facts.Find("canonical");
    const std::string bytes = Canonicalize(ParseProfile(name));
    EXPECT_EQ(Sha256Hex(bytes), canonical.Find("jcs_sha256")->string()) << name;
    EXPECT_EQ(static_cast<double>(bytes.size()), canonical.Find("jcs_bytes")->number()) << name;
    EXPECT_EQ(Sha256Hex(ReadProfile(name)), facts.Find("source_sha256")->string()) << name;
  }
  EXPECT_EQ(Canonicalize(ParseProfile("twin-complete.jsonld")), ReadProfile("twin-complete.jcs.json"));
}

TEST(CanonicalizeTest, IsAFixedPoint) {
  const std::string once = ReadProfile("twin-complete.jcs.json");
  EXPECT_EQ(Canonicalize(ParseOrFail(once)), once);
}

TEST(AppendCanonicalNumberTest, PrintsAsEcmaScriptDoes) {
  int lines = 0;
  for (const std::string& line : ReadProfileLines("jcs/es6numbers-10000.txt")) {
    const std::vector<std::string> parts = absl::StrSplit(line, ',');
    uint64_t bits = 0;
    ASSERT_TRUE(absl::SimpleHexAtoi(parts[0], &bits)) << line;
    EXPECT_EQ(NumberText(std::bit_cast<double>(bits)), parts[1]) << line;
    // The same text reads back as the same number.
    const Json read = ParseOrFail(parts[1]);
    EXPECT_EQ(read.number(), std::bit_cast<double>(bits)) << line;
    ++lines;
  }
  EXPECT_EQ(lines, 10000);
}

TEST(AppendCanonicalNumberTest, PrintsDecimalsShortest) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 100000; ++i) {
    // Readings: up to four decimals, of every size that takes a short cut and some that do not.
    const double scale = std::pow(10, static_cast<int>(random() % 5));
    const double value = static_cast<double>(static_cast<int64_t>(random() % 2000000000000) - 1000000000000) / scale;
    const std::string text = NumberText(value);
    double back = 0;
    ASSERT_TRUE(absl::SimpleAtod(text, &back)) << text;
    ASSERT_EQ(back, value) << text;
    char shortest[64];
    const auto printed = std::to_chars(shortest, shortest + sizeof(shortest), value, std::chars_format::fixed);
    ASSERT_EQ(text, std::string(shortest, printed.ptr)) << value;
  }
}

TEST(AppendCanonicalNumberTest, KeepsTheBoundaries) {
  EXPECT_EQ(NumberText(-0.0), "0");
  EXPECT_EQ(NumberText(0.001), "0.001");
  EXPECT_EQ(NumberText(-0.5), "-0.5");
  EXPECT_EQ(NumberText(99999999999.5), "99999999999.5");
  EXPECT_EQ(NumberText(1e15), "1000000000000000");
  EXPECT_EQ(NumberText(999999999999999.9), "999999999999999.9");
  EXPECT_EQ(NumberText(1e21), "1e+21");
  EXPECT_EQ(NumberText(1e-6), "0.000001");
  EXPECT_EQ(NumberText(1e-7), "1e-7");
  EXPECT_EQ(NumberText(std::numeric_limits<double>::max()), "1.7976931348623157e+308");
  EXPECT_EQ(NumberText(std::numeric_limits<double>::denorm_min()), "5e-324");
}

TEST(CompareCanonicalNamesTest, OrdersByUtf16CodeUnits) {
  const std::string ascending[] = {"",       "A",          "Aa",         "a",      "\u0080",
                                   "\ud7fb", "\U0001F600", "\U0010FFFF", "\ue000", "\uff21"};
  for (size_t i = 0; i < std::size(ascending); ++i) {
    for (size_t j = 0; j < std::size(ascending); ++j) {
      const int order = CompareCanonicalNames(ascending[i], ascending[j]);
      EXPECT_EQ(order < 0, i < j) << i << " " << j;
      EXPECT_EQ(order == 0, i == j) << i << " " << j;
    }
  }
  EXPECT_LT(CompareCanonicalNames("\U0001F600", "\U0001F601"), 0);
}

TEST(Sha256Test, GivesKnownDigests) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256("abc").size(), 32);
}

}  // namespace
}  // namespace mvmd
