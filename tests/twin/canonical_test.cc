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

// The fast way must say what the way by the tree says, in results and in errors.
void ExpectSameAsByTree(absl::string_view text) {
  const absl::StatusOr<Json> tree = ParseJson(text);
  const absl::StatusOr<std::string> canonical = CanonicalizeText(text);
  EXPECT_EQ(canonical.status(), tree.status()) << text.substr(0, 500);
  if (tree.ok() && canonical.ok()) {
    EXPECT_EQ(*canonical, Canonicalize(*tree)) << text.substr(0, 500);
  }
}

TEST(CanonicalizeTextTest, AgreesWithTheTreeOnEveryVector) {
  for (const char* name : {"arrays", "french", "structures", "unicode", "values", "weird"}) {
    ExpectSameAsByTree(ReadProfile(std::string("jcs/rfc8785/input/") + name + ".json"));
  }
  for (const std::string& line : ReadProfileLines("jcs/vectors.jsonl")) {
    ExpectSameAsByTree(line);
    ExpectSameAsByTree(ParseOrFail(line).Find("input")->string());
  }
  for (const std::string& line : ReadProfileLines("jcs/parsing.jsonl")) ExpectSameAsByTree(line);
  for (const char* name : {"twin-complete.jsonld", "twin-core.jsonld", "twin.schema.json", "rules.json"}) {
    ExpectSameAsByTree(ReadProfile(name));
  }
}

TEST(CanonicalizeTextTest, AgreesWithTheTreeOnOddTexts) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[",
                           "[1",
                           "[1,",
                           "[1,]",
                           "{\"a\"",
                           "{\"a\":",
                           "{\"a\":1",
                           "{\"a\":1,",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{\"b\":1,\"a\":2,\"b\":3}",
                           "{\"a\":1,\"\\u0061\":2}",
                           "{\"\\u0061\":[{\"z\":1,\"\xC3\xA4\":2,\"A\":{}}],\"B\":[]}",
                           "\"\\ud800\"",
                           "\"\\ud83d\\ude00\"",
                           "\"\xF0\x9F\x98\x80\"",
                           "\"\xC0\x80\"",
                           "\"a\nb\"",
                           "\"\\x\"",
                           "\"\\",
                           "\"a\\",
                           "\"\xEF\xBB\xBF\"",
                           "\xEF\xBB\xBF{}",
                           "tru",
                           "nullx",
                           "true false",
                           "1 2",
                           "-",
                           "-0",
                           "-0.0",
                           "0.0",
                           "1.50",
                           "01",
                           "1.",
                           ".5",
                           "1e",
                           "1e5",
                           "1E+2",
                           "1e400",
                           "1e-400",
                           "-1e-400",
                           "0.000001",
                           "0.0000001",
                           "0.00000010",
                           "123456789012345",
                           "1234567890123456",
                           "12345678901234567890",
                           "9007199254740993",
                           "0.1234567890123456",
                           "1.234567890123456",
                           "100000000000000000000",
                           "1000000000000000000000",
                           "4.9e-324",
                           "1.7976931348623157e308"}) {
    ExpectSameAsByTree(text);
    ExpectSameAsByTree(std::string("[") + text + "]");
    ExpectSameAsByTree(std::string("{\"k\":") + text + ",\"a\":[]}");
  }
  for (int depth : {kJsonDepthMax, kJsonDepthMax + 1}) {
    ExpectSameAsByTree(std::string(static_cast<size_t>(depth), '[') + std::string(static_cast<size_t>(depth), ']'));
  }
}

// A text with every kind of value, spaces and escapes where they may stand.
void AppendRandomValue(std::mt19937_64* random, int depth, std::string* out) {
  const auto pick = [random](uint64_t n) { return (*random)() % n; };
  const auto space = [&] { out->append(pick(6) == 0 ? " \n" : ""); };
  const auto string = [&] {
    static const char* const kParts[] = {
        "a",   "b",    "sensor",           "\\u00e9",        "\xC3\xA9",     "\\n", "\\\"", "\xE2\x82\xAC",
        "\\/", "\\\\", "\xF0\x9F\x98\x80", "\\ud83d\\ude00", "\xEF\xBF\xBD", "zz",  "Z",    "_"};
    out->push_back('"');
    for (uint64_t parts = pick(4); parts > 0; --parts) out->append(kParts[pick(std::size(kParts))]);
    out->push_back('"');
  };
  const uint64_t kind = pick(depth > 4 ? 4 : 6);
  if (kind == 0) {
    out->append(pick(2) == 0 ? "true" : "null");
  } else if (kind == 1) {
    string();
  } else if (kind < 4) {
    char text[64];
    switch (pick(4)) {
      case 0:
        std::snprintf(text, sizeof(text), "%lld", static_cast<long long>((*random)() >> pick(64)));
        break;
      case 1:
        std::snprintf(text, sizeof(text), "%.*f", static_cast<int>(pick(12)),
                      static_cast<double>(pick(2000000)) / 1000 - 1000);
        break;
      case 2:
        std::snprintf(text, sizeof(text), "%.*g", static_cast<int>(1 + pick(17)),
                      std::ldexp(static_cast<double>(pick(1 << 30)), static_cast<int>(pick(200)) - 100));
        break;
      default:
        std::snprintf(text, sizeof(text), "0.%0*d", static_cast<int>(1 + pick(9)), static_cast<int>(pick(100)));
    }
    out->append(text);
  } else {
    const bool object = kind == 4;
    out->push_back(object ? '{' : '[');
    space();
    for (uint64_t left = pick(7), first = 1; left > 0; --left, first = 0) {
      if (first == 0) out->push_back(',');
      space();
      if (object) {
        string();
        space();
        out->push_back(':');
        space();
      }
      AppendRandomValue(random, depth + 1, out);
      space();
    }
    out->push_back(object ? '}' : ']');
  }
}

TEST(CanonicalizeTextTest, AgreesWithTheTreeOnRandomTexts) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    AppendRandomValue(&random, 0, &text);
    ExpectSameAsByTree(text);
    // One byte changed.
    if (!text.empty()) text[random() % text.size()] = "\"\\{}[],:0a \x80\n"[random() % 13];
    ExpectSameAsByTree(text);
  }
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
