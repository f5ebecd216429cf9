#include "twin/json_diff.h"

#include <chrono>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/twin/test_data.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// RFC 6902, add, remove and replace, as its text says; fails the test where that says that it is an error.
void ApplyOperation(const Json& operation, Json* document) {
  ASSERT_TRUE(operation.is_object());
  const std::string op = operation.Find("op")->string();
  const std::string path = operation.Find("path")->string();
  const Json* const value = operation.Find("value");
  ASSERT_EQ(value == nullptr, op == "remove") << path;
  if (path.empty()) {
    ASSERT_EQ(op, "replace");
    *document = *value;
    return;
  }
  ASSERT_EQ(path[0], '/');
  std::vector<std::string> tokens = absl::StrSplit(path.substr(1), '/');
  for (std::string& token : tokens) token = absl::StrReplaceAll(token, {{"~1", "/"}, {"~0", "~"}});
  Json* at = document;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (at->is_array()) {
      size_t index = 0;
      ASSERT_TRUE(absl::SimpleAtoi(tokens[i], &index)) << path;
      ASSERT_LT(index, at->elements().size()) << path;
      at = &at->elements()[index];
    } else {
      at = at->Find(tokens[i]);
      ASSERT_NE(at, nullptr) << path;
    }
  }
  const std::string& last = tokens.back();
  if (at->is_object()) {
    ASSERT_EQ(at->Find(last) != nullptr, op != "add") << path;
    if (op == "remove") {
      at->Remove(last);
    } else {
      at->Set(last, *value);
    }
    return;
  }
  ASSERT_TRUE(at->is_array()) << path;
  size_t index = 0;
  ASSERT_TRUE(absl::SimpleAtoi(last, &index)) << path;
  std::vector<Json>& elements = at->elements();
  ASSERT_LT(index, elements.size() + (op == "add" ? 1 : 0)) << path;
  const auto place = elements.begin() + static_cast<std::ptrdiff_t>(index);
  if (op == "add") {
    elements.insert(place, *value);
  } else if (op == "remove") {
    elements.erase(place);
  } else {
    *place = *value;
  }
}

Json Apply(const std::string& patch, Json document) {
  const absl::StatusOr<Json> operations = ParseJson(patch, kJsonPatchDepthMax);
  EXPECT_TRUE(operations.ok()) << operations.status() << "\n" << patch.substr(0, 1000);
  if (!operations.ok()) return document;
  EXPECT_TRUE(Canonicalize(*operations) == patch) << patch.substr(0, 1000);
  for (const Json& operation : operations->elements()) ApplyOperation(operation, &document);
  return document;
}

// Checks that the patch is exact, and gives it.
std::string PatchOf(const Json& from, const Json& to, const JsonDiffLimits& limits = {}) {
  const JsonDiff diff = DiffJson(from, to, limits);
  EXPECT_TRUE(Canonicalize(Apply(diff.patch, from)) == Canonicalize(to)) << diff.patch.substr(0, 1000);
  return diff.patch;
}

std::string PatchOf(absl::string_view from, absl::string_view to) {
  return PatchOf(ParseOrFail(from), ParseOrFail(to));
}

// `pointer: before -> after`.
std::vector<std::string> ChangesOf(absl::string_view from_text, absl::string_view to_text) {
  const Json from = ParseOrFail(from_text);
  const Json to = ParseOrFail(to_text);
  std::vector<std::string> texts;
  for (const JsonChange& change : DiffJson(from, to).changes) {
    texts.push_back(absl::StrCat(change.pointer, ": ",
                                 change.before == nullptr ? "nothing" : Canonicalize(*change.before), " -> ",
                                 change.after == nullptr ? "nothing" : Canonicalize(*change.after)));
  }
  return texts;
}

TEST(JsonDiffTest, IsEmptyForEqualDocuments) {
  EXPECT_EQ(PatchOf(R"({"a":[1,{"b":null}],"c":-0})", R"({"c":0,"a":[1.0,{"b":null}]})"), "[]");
  const Json example = ParseProfile("twin-complete.jsonld");
  EXPECT_EQ(PatchOf(example, example), "[]");
}

TEST(JsonDiffTest, NamesMembersThatChangedCameAndWent) {
  EXPECT_EQ(
      PatchOf(R"({"a":1,"b":{"c":1,"d":2},"e":[]})", R"({"a":1,"b":{"c":2,"f":null},"g":{}})"),
      R"([{"op":"replace","path":"/b/c","value":2},{"op":"remove","path":"/b/d"},)"
      R"({"op":"add","path":"/b/f","value":null},{"op":"remove","path":"/e"},{"op":"add","path":"/g","value":{}}])");
  EXPECT_THAT(ChangesOf(R"({"a":1,"b":2})", R"({"b":3,"c":null})"),
              ElementsAre("/a: 1 -> nothing", "/b: 2 -> 3", "/c: nothing -> null"));
}

TEST(JsonDiffTest, TellsApartWhatTheCanonicalFormDoes) {
  for (const auto& [from, to] :
       std::vector<std::pair<const char*, const char*>>{{"null", "{}"},
                                                        {"[]", "{}"},
                                                        {R"({"a":null})", "{}"},
                                                        {R"({"a":1})", R"({"a":"1"})"},
                                                        {R"({"a":[1]})", R"({"a":1})"},
                                                        {"[0]", "[false]"},
                                                        {"[[1,2],[3]]", "[[1],[2,3]]"},
                                                        {R"({"":{"":1}})", R"({"":{"":2}})"}}) {
    EXPECT_NE(PatchOf(from, to), "[]") << from;
    EXPECT_NE(PatchOf(to, from), "[]") << from;
  }
}

TEST(JsonDiffTest, EscapesNames) {
  EXPECT_EQ(PatchOf(R"({"a/b":{"~0":{"\n\"":1}}})", R"({"a/b":{"~0":{"\n\"":2}}})"),
            R"([{"op":"replace","path":"/a~1b/~00/\n\"","value":2}])");
}

TEST(JsonDiffTest, ComparesSensorsById) {
  const char* const before = R"({"sensors":[{"id":"a","unit":"C"},{"id":"b","unit":"bar"},{"id":"c"}]})";
  EXPECT_EQ(PatchOf(before, R"({"sensors":[{"id":"b","unit":"Pa"},{"id":"c"},{"id":"d"}]})"),
            R"([{"op":"remove","path":"/sensors/0"},{"op":"replace","path":"/sensors/0/unit","value":"Pa"},)"
            R"({"op":"add","path":"/sensors/2","value":{"id":"d"}}])");
  EXPECT_THAT(ChangesOf(before, R"({"sensors":[{"id":"b","unit":"bar"},{"id":"c","x":1}]})"),
              ElementsAre(R"(/sensors/0: {"id":"a","unit":"C"} -> nothing)", "/sensors/1/x: nothing -> 1"));
  // Removed in the old document's indices, the rest in those of the new one.
  EXPECT_THAT(ChangesOf(before, R"({"sensors":[{"id":"a","unit":"C"}]})"),
              ElementsAre(R"(/sensors/1: {"id":"b","unit":"bar"} -> nothing)", R"(/sensors/2: {"id":"c"} -> nothing)"));
  // Another order.
  EXPECT_EQ(PatchOf(before, R"({"sensors":[{"id":"c"},{"id":"a","unit":"C"},{"id":"b","unit":"bar"}]})"),
            R"([{"op":"add","path":"/sensors/0","value":{"id":"c"}},{"op":"remove","path":"/sensors/3"}])");
  // Elsewhere an id is nothing special, nor where two sensors have one.
  EXPECT_EQ(PatchOf(R"({"x":[{"id":"a"},{"id":"b"}]})", R"({"x":[{"id":"b"},{"id":"c"}]})"),
            R"([{"op":"remove","path":"/x/0"},{"op":"add","path":"/x/1","value":{"id":"c"}}])");
  EXPECT_NE(PatchOf(R"({"sensors":[{"id":"a"},{"id":"a","u":1}]})", R"({"sensors":[{"id":"a","u":1},{"id":"b"}]})"),
            "[]");
}

TEST(JsonDiffTest, FindsWhatStayedInAnArray) {
  EXPECT_EQ(PatchOf("[1,2,3,4,5]", "[1,3,4,6,5]"),
            R"([{"op":"remove","path":"/1"},{"op":"add","path":"/3","value":6}])");
  EXPECT_EQ(PatchOf("[1,2,3]", "[1,4,3]"), R"([{"op":"replace","path":"/1","value":4}])");
  EXPECT_EQ(PatchOf("[]", "[1,2]"), R"([{"op":"add","path":"/0","value":1},{"op":"add","path":"/1","value":2}])");
  EXPECT_EQ(PatchOf("[1,1,1]", "[1]"), R"([{"op":"remove","path":"/1"},{"op":"remove","path":"/1"}])");
}

TEST(JsonDiffTest, LooksAtNoMorePairsThanItMay) {
  Json from = Json::Array();
  Json to = Json::Array();
  for (int i = 0; i < 100; ++i) from.Append(Json::Number(i));
  for (int i = 1; i < 101; ++i) to.Append(Json::Number(i));
  EXPECT_EQ(ParseOrFail(PatchOf(from, to)).elements().size(), 2u);
  JsonDiffLimits limits;
  limits.pairs_max = 9999;
  EXPECT_EQ(ParseOrFail(PatchOf(from, to, limits)).elements().size(), 100u);
}

TEST(JsonDiffTest, ReplacesWhatWouldTakeMoreRoom) {
  // A long name before many members that all change.
  Json from = Json::Object();
  Json to = Json::Object();
  Json& before = from.Set(std::string(10000, 'x'), Json::Object());
  Json& after = to.Set(std::string(10000, 'x'), Json::Object());
  for (int i = 0; i < 1000; ++i) {
    before.Set(absl::StrCat(i), Json::Number(i));
    after.Set(absl::StrCat(i), Json::Number(i + 1));
  }
  from.Set("y", Json::Number(1));
  to.Set("y", Json::Number(2));
  const std::string patch = PatchOf(from, to);
  EXPECT_LT(patch.size(), 2 * Canonicalize(to).size());
  const JsonDiff diff = DiffJson(from, to);
  ASSERT_EQ(diff.changes.size(), 2u);
  EXPECT_EQ(diff.changes[1].pointer, "/y");
  EXPECT_FALSE(diff.changes_truncated);
}

TEST(JsonDiffTest, BoundsTheChangesButNotThePatch) {
  Json from = Json::Object();
  Json to = Json::Object();
  for (int i = 0; i < 50; ++i) {
    from.Set(absl::StrCat(i), Json::Number(i));
    to.Set(absl::StrCat(i), Json::Number(i + 1));
  }
  JsonDiffLimits limits;
  limits.changes_max = 10;
  EXPECT_EQ(ParseOrFail(PatchOf(from, to, limits)).elements().size(), 50u);
  const JsonDiff diff = DiffJson(from, to, limits);
  EXPECT_EQ(diff.changes.size(), 10u);
  EXPECT_TRUE(diff.changes_truncated);
}

// Deep, wide, and different everywhere: takes a second where the work is not bounded, and far less where it is.
TEST(JsonDiffTest, TakesHostileDocuments) {
  const auto deep = [](int value) {
    Json json = Json::Array();
    for (int i = 0; i < 20000; ++i) json.Append(Json::Number(i + value));
    for (int depth = 0; depth < kJsonDepthMax - 2; ++depth) {
      Json outer = Json::Array();
      outer.Append(Json::String(std::string(100, 'x')));
      outer.Append(std::move(json));
      json = std::move(outer);
    }
    return json;
  };
  const Json from = deep(0);
  const Json to = deep(7);
  const std::string patch = PatchOf(from, to);
  EXPECT_LT(patch.size(), 2 * Canonicalize(to).size() + 8192);
}

// A document and another that was made from it by chance.
class RandomDocuments {
 public:
  explicit RandomDocuments(uint64_t seed) : random_(seed) {}

  Json Make(int depth) {
    switch (Below(depth > 0 ? 8 : 5)) {
      case 0:
        return Json();
      case 1:
        return Json::Bool(Below(2) == 0);
      case 2:
      case 3:
        return Json::Number(Below(4));
      case 4:
        return Json::String(kNames[Below(std::size(kNames))]);
      case 5:
      case 6: {
        Json json = Json::Object();
        for (size_t i = Below(5); i > 0; --i) json.Set(kNames[Below(std::size(kNames))], Make(depth - 1));
        return json;
      }
      default: {
        Json json = Json::Array();
        for (size_t i = Below(7); i > 0; --i) json.Append(Make(depth - 1));
        return json;
      }
    }
  }
  Json MakeSensors() {
    Json json = Json::Array();
    for (size_t i = Below(6); i > 0; --i) {
      Json sensor = Json::Object();
      sensor.Set("id", Json::String(kNames[Below(std::size(kNames))]));
      sensor.Set("unit", Make(1));
      json.Append(std::move(sensor));
    }
    return json;
  }
  void Change(Json* json) {
    if (Below(10) == 0) {
      *json = Make(2);
    } else if (json->is_array()) {
      std::vector<Json>& elements = json->elements();
      if (Below(3) == 0) std::shuffle(elements.begin(), elements.end(), random_);
      if (!elements.empty() && Below(3) == 0)
        elements.erase(elements.begin() + static_cast<int>(Below(elements.size())));
      if (Below(3) == 0) elements.insert(elements.begin() + static_cast<int>(Below(elements.size() + 1)), Make(2));
      for (Json& element : elements) {
        if (Below(3) == 0) Change(&element);
      }
    } else if (json->is_object()) {
      for (auto& [name, value] : json->members()) {
        if (Below(3) == 0) Change(&value);
      }
      if (Below(3) == 0) json->Remove(kNames[Below(std::size(kNames))]);
      if (Below(3) == 0) json->Set(kNames[Below(std::size(kNames))], Make(2));
    }
  }

 private:
  static constexpr const char* kNames[] = {"",       "a", "b", "~", "/", "0", "-", "\xF0\x9F\x98\x80", "\xEF\xBC\xA1",
                                           "sensors"};
  size_t Below(size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random_); }

  std::mt19937_64 random_;
};

TEST(JsonDiffTest, IsExactForDocumentsMadeByChance) {
  for (uint64_t seed = 0; seed < 3000 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    RandomDocuments documents(seed);
    Json from = documents.Make(4);
    if (from.is_object()) from.Set("sensors", documents.MakeSensors());
    Json to = from;
    for (int i = 0; i < 3; ++i) documents.Change(&to);
    const std::string patch = PatchOf(from, to);
    EXPECT_EQ(patch == "[]", from == to);
    PatchOf(to, from);
    JsonDiffLimits narrow;
    narrow.pairs_max = 4;
    PatchOf(from, to, narrow);
  }
}

}  // namespace
}  // namespace mvmd
