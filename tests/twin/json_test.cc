#include "twin/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/twin/test_data.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "rule pointer line:column" of each problem.
std::vector<std::string> ProblemsOf(absl::string_view text) {
  std::vector<std::string> problems;
  for (const JsonProblem& problem : ParseIJson(text).problems) {
    problems.push_back(absl::StrCat(problem.rule, " ", problem.pointer, " ", problem.line, ":", problem.column));
  }
  return problems;
}

TEST(ParseIJsonTest, DecidesTheTestSuiteAsTheProfileDoes) {
  int lines = 0;
  for (const std::string& line : ReadProfileLines("jcs/parsing.jsonl")) {
    const Json vector = ParseOrFail(line);
    std::string text;
    if (const Json* b64 = vector.Find("b64"); b64 != nullptr) {
      ASSERT_TRUE(absl::Base64Unescape(b64->string(), &text));
    } else {
      const std::vector<Json>& repeat = vector.Find("repeat")->elements();
      for (int i = 0; i < static_cast<int>(repeat[1].number()); ++i) text += repeat[0].string();
    }
    const std::string& verdict = vector.Find("verdict")->string();
    const JsonParseResult result = ParseIJson(text);
    EXPECT_EQ(result.ok, verdict == "ok") << vector.Find("id")->string();
    if (verdict == "ok") {
      EXPECT_EQ(Canonicalize(result.value), vector.Find("jcs")->string()) << vector.Find("id")->string();
    } else {
      ASSERT_FALSE(result.problems.empty()) << vector.Find("id")->string();
      EXPECT_EQ(result.problems[0].rule, verdict) << vector.Find("id")->string();
    }
    ++lines;
  }
  EXPECT_EQ(lines, 318);
}

TEST(ParseIJsonTest, ReportsEveryProblemThatDoesNotEndReading) {
  EXPECT_THAT(
      ProblemsOf("{\"a\":1,\n \"b\":[1e400,\"\\ud800\",9007199254740992],\n  \"a\":{\"x\":0,\"\\u0078\":1}}"),
      ElementsAre("DOC-04 /b/0 2:7", "DOC-03 /b/1 2:13", "DOC-05 /b/2 2:22", "DOC-02 /a 3:3", "DOC-02 /a/x 3:14"));
}

TEST(ParseIJsonTest, KeepsWhatWasFoundBeforeTheTextBreaks) {
  EXPECT_THAT(ProblemsOf("{\"a\":1,\"a\":2,]"), ElementsAre("DOC-02 /a 1:8", "DOC-01  1:14"));
}

TEST(ParseIJsonTest, PutsAnUnpairedSurrogateInANameAtItsObject) {
  EXPECT_THAT(ProblemsOf(R"({"o":{"\udc00":1}})"), ElementsAre("DOC-03 /o 1:7"));
  // Two different broken names are no repetition; the pointer shows a replacement character.
  EXPECT_THAT(ProblemsOf(R"({"\ud800":1,"\ud801":1})"), ElementsAre("DOC-03  1:2", "DOC-03  1:13"));
  EXPECT_THAT(ProblemsOf(R"({"\ud800":1e999})"), ElementsAre("DOC-03  1:2", "DOC-04 /\xEF\xBF\xBD 1:11"));
}

TEST(ParseIJsonTest, RefusesMalformedShapes) {
  const std::string shapes[] = {"",
                                " ",
                                "{",
                                "}",
                                "[",
                                "]",
                                "{]",
                                "[}",
                                "[1,]",
                                "[,1]",
                                "[1 2]",
                                "{\"a\"}",
                                "{\"a\":}",
                                "{\"a\":1,}",
                                "{a:1}",
                                "{1:2}",
                                "{\"a\" 1}",
                                "{\"a\":1 \"b\":2}",
                                "nul",
                                "nulll",
                                "True",
                                "NaN",
                                "Infinity",
                                "-",
                                "+1",
                                ".5",
                                "1.",
                                "1.e1",
                                "1e",
                                "1e+",
                                "01",
                                "-01",
                                "0x1",
                                "1_000",
                                "'a'",
                                "\"",
                                "\"\\",
                                "\"\\u",
                                "\"\\u12",
                                "\"\\u123g\"",
                                "\"\\x\"",
                                "\"\\ud800\\u\"",
                                "\"a\nb\"",
                                "\"\t\"",
                                "1 2",
                                "{} {}",
                                "/**/1",
                                "1//",
                                "\xEF\xBB\xBF{}",
                                "\"\xC3\"",
                                "\"\xC0\x80\"",
                                "\"\xED\xA0\x80\"",
                                "\"\xF4\x90\x80\x80\"",
                                "\"\xFF\"",
                                "\"\xE2\x82\"",
                                "\xC2\xA0"
                                "1",
                                std::string("1\0", 2),
                                std::string("\"\0\"", 3)};
  for (const std::string& shape : shapes) {
    const JsonParseResult result = ParseIJson(shape);
    EXPECT_FALSE(result.ok) << absl::CEscape(shape);
    EXPECT_FALSE(result.well_formed) << absl::CEscape(shape);
    ASSERT_FALSE(result.problems.empty()) << absl::CEscape(shape);
    EXPECT_EQ(result.problems.back().rule, "DOC-01") << absl::CEscape(shape);
    EXPECT_TRUE(result.value.is_null()) << absl::CEscape(shape);
  }
}

TEST(ParseIJsonTest, LimitsDepth) {
  const std::string deepest = std::string(128, '[') + std::string(128, ']');
  EXPECT_TRUE(ParseIJson(deepest).ok);
  EXPECT_THAT(ProblemsOf("[" + deepest + "]"), ElementsAre("DOC-07  1:129"));
  EXPECT_TRUE(ParseIJson("[" + deepest + "]", 129).ok);
}

TEST(ParseIJsonTest, TellsIntegersBeyondTheInteroperableRange) {
  EXPECT_TRUE(ProblemsOf("[9007199254740991,-9007199254740991,9007199254740992.0,1e20]").empty());
  EXPECT_THAT(ProblemsOf("[9007199254740992,-9007199254740992]"), ElementsAre("DOC-05 /0 1:2", "DOC-05 /1 1:19"));
  const JsonParseResult result = ParseIJson("9007199254740993");
  EXPECT_TRUE(result.ok);
  EXPECT_EQ(result.value.number(), 9007199254740992.0);
  // Too large to be kept at all is another matter.
  EXPECT_THAT(ProblemsOf("1" + std::string(400, '0')), ElementsAre("DOC-04  1:1"));
}

TEST(ParseIJsonTest, RoundsWhatIsNextToZero) {
  for (absl::string_view text :
       {"1e-400", "-1e-400", "0e999999999999999999999", "0.000e400", "1e-99999999999999999999"}) {
    const JsonParseResult result = ParseIJson(text);
    EXPECT_TRUE(result.ok) << text;
    EXPECT_EQ(result.value.number(), 0) << text;
  }
  const std::string long_zero = "0." + std::string(400, '0') + "1e405";
  EXPECT_EQ(ParseIJson(long_zero).value.number(), 1e4);
}

TEST(ParseIJsonTest, FindsRepetitionsInLargeObjects) {
  std::string text = "{";
  for (int i = 0; i < 5000; ++i) absl::StrAppend(&text, "\"k", i, "\":", i, ",");
  text += "\"k17\":0}";
  const JsonParseResult result = ParseIJson(text);
  ASSERT_EQ(result.problems.size(), 1);
  EXPECT_EQ(result.problems[0].pointer, "/k17");
}

TEST(ParseIJsonTest, BoundsWhatItKeepsOfProblems) {
  std::string text = "{\"" + std::string(1 << 20, 'n') + "\":[";
  for (int i = 0; i < 1000; ++i) text += "1e999,";
  text += "0]}";
  const JsonParseResult result = ParseIJson(text);
  EXPECT_FALSE(result.ok);
  EXPECT_TRUE(result.problems_truncated);
  EXPECT_LT(result.problems.size(), 20);
}

TEST(ParseJsonTest, NamesPlaceAndReason) {
  const absl::Status status = ParseJson("{\n \"a\": tru}").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("line 2, column 10"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("expected 'true', got '}'"));
}

TEST(JsonTest, ComparesByValue) {
  EXPECT_EQ(ParseOrFail(R"({"a":1,"b":[1,2]})"), ParseOrFail(R"({"b":[1.0,2],"a":1e0})"));
  EXPECT_NE(ParseOrFail("[1,2]"), ParseOrFail("[2,1]"));
  EXPECT_NE(ParseOrFail(R"({"a":null})"), ParseOrFail("{}"));
  EXPECT_NE(ParseOrFail("0"), ParseOrFail("false"));
  EXPECT_EQ(ParseOrFail("-0"), ParseOrFail("0"));
}

TEST(JsonTest, ComparesLargeObjectsInAnyOrder) {
  Json a = Json::Object();
  Json b = Json::Object();
  for (int i = 0; i < 100; ++i) a.Set(absl::StrCat(i), Json::Number(i));
  for (int i = 99; i >= 0; --i) b.Set(absl::StrCat(i), Json::Number(i));
  EXPECT_EQ(a, b);
  b.Set("7", Json::Number(8));
  EXPECT_NE(a, b);
}

TEST(JsonTest, EditsMembers) {
  Json json = Json::Object();
  json.Set("a", Json::Number(1));
  json.Set("b", Json::Array()).Append(Json::Bool(true));
  json.Set("a", Json::String("x"));
  EXPECT_EQ(Canonicalize(json), R"({"a":"x","b":[true]})");
  EXPECT_TRUE(json.Remove("a"));
  EXPECT_FALSE(json.Remove("a"));
  EXPECT_EQ(json.Find("a"), nullptr);
  EXPECT_EQ(Json().Find("a"), nullptr);
}

TEST(JsonTest, TakesAPartOfItself) {
  Json json = ParseOrFail(R"({"a":{"b":[1,2,3]}})");
  json = Json(*json.Find("a"));
  EXPECT_EQ(Canonicalize(json), R"({"b":[1,2,3]})");
  json = *json.Find("b");
  EXPECT_EQ(Canonicalize(json), "[1,2,3]");
  json = std::move(json.elements()[1]);
  EXPECT_EQ(Canonicalize(json), "2");
}

TEST(FindPointerTest, FollowsRfc6901) {
  const Json json = ParseOrFail(R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"m~n":8," ":7,"~1":9})");
  EXPECT_EQ(FindPointer(json, ""), &json);
  EXPECT_EQ(FindPointer(json, "/foo/0")->string(), "bar");
  EXPECT_EQ(FindPointer(json, "/")->number(), 0);
  EXPECT_EQ(FindPointer(json, "/a~1b")->number(), 1);
  EXPECT_EQ(FindPointer(json, "/c%d")->number(), 2);
  EXPECT_EQ(FindPointer(json, "/m~0n")->number(), 8);
  EXPECT_EQ(FindPointer(json, "/ ")->number(), 7);
  EXPECT_EQ(FindPointer(json, "/~01")->number(), 9);
  for (absl::string_view nothing :
       {"foo", "/foo/2", "/foo/-", "/foo/01", "/foo/+1", "/foo/", "/m~2n", "/m~", "/x", "/foo/0/x"}) {
    EXPECT_EQ(FindPointer(json, nothing), nullptr) << nothing;
  }
}

}  // namespace
}  // namespace mvmd
