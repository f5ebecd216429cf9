#include "twin/jsonld_expand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/twin/test_data.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

using ::testing::StartsWith;

// C1 of the expansion of a document with this context and these members.
std::string Expand(absl::string_view context, absl::string_view members) {
  const Json document = ParseOrFail(absl::StrCat("{\"@context\": ", context, ", ", members, "}"));
  const absl::StatusOr<JsonLdExpansion> expansion = ExpandJsonLd(document);
  EXPECT_TRUE(expansion.ok()) << expansion.status() << "\n" << members;
  return expansion.ok() ? Canonicalize(expansion->document) : std::string();
}

std::string ErrorOf(absl::string_view text) {
  const absl::Status status = ExpandJsonLd(ParseOrFail(text)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(status.message());
}

size_t DroppedOf(absl::string_view text) {
  const absl::StatusOr<JsonLdExpansion> expansion = ExpandJsonLd(ParseOrFail(text));
  EXPECT_TRUE(expansion.ok()) << expansion.status() << "\n" << text;
  return expansion.ok() ? expansion->dropped : 0;
}

constexpr char kVocab[] = R"({"@vocab": "urn:v:"})";

TEST(ExpandJsonLdTest, ExpandsNamesAndValues) {
  EXPECT_EQ(Expand(kVocab, R"("a": [1, "x", true, null, [2]], "@type": "T", "b": {})"),
            R"([{"@type":["urn:v:T"],"urn:v:a":[{"@value":1},{"@value":"x"},{"@value":true},{"@value":2}],)"
            R"("urn:v:b":[{}]}])");
}

TEST(ExpandJsonLdTest, CoercesByTerm) {
  constexpr char kContext[] = R"({"@vocab": "urn:v:", "@language": "en", "id": {"@type": "@id"},
      "vocab": {"@type": "@vocab"}, "time": {"@type": "urn:time"}, "json": {"@type": "@json"},
      "none": {"@language": null}, "right": {"@direction": "rtl"}})";
  EXPECT_EQ(Expand(kContext, R"("id": "urn:x")"), R"([{"urn:v:id":[{"@id":"urn:x"}]}])");
  EXPECT_EQ(Expand(kContext, R"("id": 1)"), R"([{"urn:v:id":[{"@value":1}]}])");
  EXPECT_EQ(Expand(kContext, R"("vocab": "T")"), R"([{"urn:v:vocab":[{"@id":"urn:v:T"}]}])");
  EXPECT_EQ(Expand(kContext, R"("time": "now")"), R"([{"urn:v:time":[{"@type":"urn:time","@value":"now"}]}])");
  EXPECT_EQ(Expand(kContext, R"("json": {"z": [null]})"),
            R"([{"urn:v:json":[{"@type":"@json","@value":{"z":[null]}}]}])");
  EXPECT_EQ(Expand(kContext, R"("a": "x")"), R"([{"urn:v:a":[{"@language":"en","@value":"x"}]}])");
  EXPECT_EQ(Expand(kContext, R"("none": "x")"), R"([{"urn:v:none":[{"@value":"x"}]}])");
  EXPECT_EQ(Expand(kContext, R"("right": "x")"),
            R"([{"urn:v:right":[{"@direction":"rtl","@language":"en","@value":"x"}]}])");
}

TEST(ExpandJsonLdTest, MakesListsAndSets) {
  constexpr char kContext[] = R"({"@vocab": "urn:v:", "l": {"@container": "@list"}, "s": {"@container": "@set"}})";
  EXPECT_EQ(Expand(kContext, R"("l": [1, [2]])"),
            R"([{"urn:v:l":[{"@list":[{"@value":1},{"@list":[{"@value":2}]}]}]}])");
  EXPECT_EQ(Expand(kContext, R"("l": 1)"), R"([{"urn:v:l":[{"@list":[{"@value":1}]}]}])");
  EXPECT_EQ(Expand(kContext, R"("l": [])"), R"([{"urn:v:l":[{"@list":[]}]}])");
  EXPECT_EQ(Expand(kContext, R"("s": {"@set": [1]})"), R"([{"urn:v:s":[{"@value":1}]}])");
}

TEST(ExpandJsonLdTest, ReadsMaps) {
  constexpr char kContext[] = R"({"@vocab": "urn:v:", "lang": {"@container": "@language"},
      "index": {"@container": "@index"}, "id": {"@container": "@id"}, "type": {"@container": "@type"},
      "by": {"@container": "@index", "@index": "key"}, "graph": {"@container": ["@graph", "@id"]}})";
  EXPECT_EQ(Expand(kContext, R"("lang": {"en": "a", "@none": ["b", null]})"),
            R"([{"urn:v:lang":[{"@language":"en","@value":"a"},{"@value":"b"}]}])");
  EXPECT_EQ(Expand(kContext, R"("index": {"i": 1})"), R"([{"urn:v:index":[{"@index":"i","@value":1}]}])");
  EXPECT_EQ(Expand(kContext, R"("id": {"urn:x": {"a": 1}})"),
            R"([{"urn:v:id":[{"@id":"urn:x","urn:v:a":[{"@value":1}]}]}])");
  EXPECT_EQ(Expand(kContext, R"("type": {"T": {"@type": "U"}})"),
            R"([{"urn:v:type":[{"@type":["urn:v:T","urn:v:U"]}]}])");
  EXPECT_EQ(Expand(kContext, R"("by": {"k": {"a": 1}})"),
            R"([{"urn:v:by":[{"urn:v:a":[{"@value":1}],"urn:v:key":[{"@value":"k"}]}]}])");
  EXPECT_EQ(Expand(kContext, R"("graph": {"urn:g": {"a": 1}})"),
            R"([{"urn:v:graph":[{"@graph":[{"urn:v:a":[{"@value":1}]}],"@id":"urn:g"}]}])");
}

TEST(ExpandJsonLdTest, ScopesContexts) {
  constexpr char kContext[] = R"({"@vocab": "urn:v:", "p": {"@context": {"a": "urn:p:a"}},
      "T": {"@context": {"a": "urn:t:a"}}})";
  // By property: down to the leaves. By type: this node only.
  EXPECT_EQ(Expand(kContext, R"("a": 1, "p": {"a": 1, "b": {"a": 1}})"),
            R"([{"urn:v:a":[{"@value":1}],"urn:v:p":[{"urn:p:a":[{"@value":1}],)"
            R"("urn:v:b":[{"urn:p:a":[{"@value":1}]}]}]}])");
  EXPECT_EQ(Expand(kContext, R"("@type": "T", "a": 1, "b": {"a": 1})"),
            R"([{"@type":["urn:v:T"],"urn:t:a":[{"@value":1}],"urn:v:b":[{"urn:v:a":[{"@value":1}]}]}])");
}

TEST(ExpandJsonLdTest, UnfoldsNestsAndReverses) {
  constexpr char kContext[] = R"({"@vocab": "urn:v:", "box": "@nest", "of": {"@reverse": "urn:v:has"}})";
  EXPECT_EQ(Expand(kContext, R"("box": {"a": 1, "box": [{"b": 2}]})"),
            R"([{"urn:v:a":[{"@value":1}],"urn:v:b":[{"@value":2}]}])");
  EXPECT_EQ(Expand(kContext, R"("@id": "urn:x", "of": {"@id": "urn:y"})"),
            R"([{"@id":"urn:x","@reverse":{"urn:v:has":[{"@id":"urn:y"}]}}])");
  EXPECT_EQ(Expand(kContext, R"("@id": "urn:x", "@reverse": {"of": {"@id": "urn:y"}})"),
            R"([{"@id":"urn:x","urn:v:has":[{"@id":"urn:y"}]}])");
}

TEST(ExpandJsonLdTest, KeepsManyMembersApart) {
  std::string members = R"("a": 0)";
  for (int i = 0; i < 100; ++i) absl::StrAppend(&members, ", \"n", i, "\": ", i, ", \"urn:v:n", i, "\": \"x\"");
  const Json expanded = ParseOrFail(Expand(kVocab, members));
  ASSERT_EQ(expanded.elements()[0].members().size(), 101);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(expanded.elements()[0].Find(absl::StrCat("urn:v:n", i))->elements().size(), 2) << i;
  }
}

TEST(ExpandJsonLdTest, CountsWhatItDrops) {
  EXPECT_EQ(DroppedOf(R"({"@context": {"@vocab": "urn:v:", "x": null}, "a": null, "b": [null], "c": []})"), 0);
  EXPECT_EQ(DroppedOf(R"({"a": 1, "b": null})"), 1);
  EXPECT_EQ(DroppedOf(R"({"@context": {"x": null}, "x": 1, "@unknown": 1})"), 2);
  EXPECT_EQ(DroppedOf(R"({"@graph": [1, {"@value": 2}, {"@list": []}]})"), 3);
  EXPECT_EQ(DroppedOf(R"({"@type": "@unknown", "urn:a": 1})"), 1);
}

TEST(ExpandJsonLdTest, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> errors[] = {
      {R"({"@id": 1})", "invalid @id value"},
      {R"({"@type": 1})", "invalid type value"},
      {R"({"@context": {"id": "@id"}, "id": "urn:a", "@id": "urn:a"})", "colliding keywords"},
      {R"({"urn:a": {"@value": {}}})", "invalid value object value"},
      {R"({"urn:a": {"@value": 1, "urn:b": 1}})", "invalid value object"},
      {R"({"urn:a": {"@value": "1", "@type": "urn:t", "@language": "en"}})", "invalid value object"},
      {R"({"urn:a": {"@value": 1, "@language": "en"}})", "invalid language-tagged value"},
      {R"({"urn:a": {"@value": "1", "@language": 1}})", "invalid language-tagged string"},
      {R"({"urn:a": {"@value": "1", "@direction": "up"}})", "invalid base direction"},
      {R"({"urn:a": {"@value": "1", "@type": "relative"}})", "invalid typed value"},
      {R"({"urn:a": {"@list": [], "@id": "urn:x"}})", "invalid set or list object"},
      {R"({"@index": 1, "urn:a": 1})", "invalid @index value"},
      {R"({"@nest": 1})", "invalid @nest value"},
      {R"({"@nest": {"@value": 1}})", "invalid @nest value"},
      {R"({"@included": 1})", "invalid @included value"},
      {R"({"@reverse": 1})", "invalid @reverse value"},
      {R"({"@reverse": {"@id": "urn:x"}})", "invalid reverse property map"},
      {R"({"@reverse": {"urn:a": 1}})", "invalid reverse property value"},
      {R"({"@context": {"a": {"@id": "urn:a", "@container": "@language"}}, "a": {"en": 1}})",
       "invalid language map value"},
      {R"({"urn:a": {"@context": 1}})", "invalid local context"},
  };
  for (const auto& [text, code] : errors) EXPECT_THAT(ErrorOf(text), StartsWith(std::string(code) + ": ")) << text;
}

TEST(ExpandJsonLdTest, RefusesWhatIsTooDeep) {
  Json deep = Json::Number(1);
  for (int i = 0; i < 1000; ++i) {
    Json outer = Json::Object();
    outer.Set("urn:a", std::move(deep));
    deep = std::move(outer);
  }
  EXPECT_THAT(std::string(ExpandJsonLd(deep).status().message()), StartsWith("limit exceeded: "));
}

}  // namespace
}  // namespace mvmd
