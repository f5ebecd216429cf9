#include "twin/jsonld_to_rdf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/twin/test_data.h"
#include "twin/rdf_canon.h"

namespace mvmd {
namespace {

using ::testing::StartsWith;

JsonLdDataset DatasetOf(absl::string_view text) {
  absl::StatusOr<JsonLdDataset> dataset = JsonLdToRdf(ParseOrFail(text));
  EXPECT_TRUE(dataset.ok()) << dataset.status() << "\n" << text;
  return dataset.ok() ? *std::move(dataset) : JsonLdDataset();
}

std::string CanonicalOf(absl::string_view text) {
  const absl::StatusOr<CanonicalDataset> canonical = CanonicalizeDataset(DatasetOf(text).quads);
  EXPECT_TRUE(canonical.ok()) << canonical.status();
  return canonical.ok() ? canonical->nquads : std::string();
}

// The object of a document's only quad, as N-Quads.
std::string ObjectOf(absl::string_view value) {
  const JsonLdDataset dataset = DatasetOf(absl::StrCat(R"({"@id": "urn:s", "urn:p": )", value, "}"));
  if (dataset.quads.size() != 1) return absl::StrCat(dataset.quads.size(), " quads");
  std::string out;
  AppendNQuadsTerm(dataset.quads[0].object, &out);
  return out;
}

TEST(JsonLdToRdfTest, MakesLiterals) {
  EXPECT_EQ(ObjectOf(R"("x")"), "\"x\"");
  EXPECT_EQ(ObjectOf("true"), absl::StrCat("\"true\"^^<", kXsdBoolean, ">"));
  EXPECT_EQ(ObjectOf("42.0"), absl::StrCat("\"42\"^^<", kXsdInteger, ">"));
  EXPECT_EQ(ObjectOf("0.5"), absl::StrCat("\"5.0E-1\"^^<", kXsdDouble, ">"));
  EXPECT_EQ(ObjectOf("1e21"), absl::StrCat("\"1.0E21\"^^<", kXsdDouble, ">"));
  EXPECT_EQ(ObjectOf(R"({"@value": 42, "@type": "http://www.w3.org/2001/XMLSchema#double"})"),
            absl::StrCat("\"4.2E1\"^^<", kXsdDouble, ">"));
  EXPECT_EQ(ObjectOf(R"({"@value": 4.5, "@type": "urn:t"})"), "\"4.5E0\"^^<urn:t>");
  EXPECT_EQ(ObjectOf(R"({"@value": "x", "@type": "http://www.w3.org/2001/XMLSchema#string"})"), "\"x\"");
  EXPECT_EQ(ObjectOf(R"({"@value": "x", "@language": "de-CH"})"), "\"x\"@de-ch");
  EXPECT_EQ(ObjectOf(R"({"@value": {"b": 1.0, "a": [null]}, "@type": "@json"})"),
            absl::StrCat(R"("{\"a\":[null],\"b\":1}"^^<)", kRdfJson, ">"));
}

TEST(JsonLdToRdfTest, MakesLists) {
  EXPECT_EQ(CanonicalOf(R"({"@id": "urn:s", "urn:p": {"@list": []}})"),
            absl::StrCat("<urn:s> <urn:p> <", kRdfNil, "> .\n"));
  EXPECT_EQ(DatasetOf(R"({"@id": "urn:s", "urn:p": {"@list": [1, 2, {"@list": [3]}]}})").quads.size(), 9);
}

TEST(JsonLdToRdfTest, MakesNamedGraphs) {
  EXPECT_EQ(CanonicalOf(R"({"@id": "urn:g", "urn:p": "1", "@graph": [{"@id": "urn:s", "urn:q": "2"}]})"),
            "<urn:g> <urn:p> \"1\" .\n<urn:s> <urn:q> \"2\" <urn:g> .\n");
  EXPECT_EQ(CanonicalOf(R"({"@graph": [{"@id": "urn:s", "urn:q": "2"}], "@id": "_:g"})"),
            "<urn:s> <urn:q> \"2\" _:c14n0 .\n");
}

TEST(JsonLdToRdfTest, FollowsReversesAndIncluded) {
  EXPECT_EQ(CanonicalOf(R"({"@id": "urn:s", "@reverse": {"urn:p": {"@id": "urn:o", "urn:q": "1"}}})"),
            "<urn:o> <urn:p> <urn:s> .\n<urn:o> <urn:q> \"1\" .\n");
  EXPECT_EQ(CanonicalOf(R"({"@id": "urn:s", "urn:p": "1", "@included": [{"@id": "urn:t", "urn:p": "2"}]})"),
            "<urn:s> <urn:p> \"1\" .\n<urn:t> <urn:p> \"2\" .\n");
}

TEST(JsonLdToRdfTest, KeepsBlankNodesOfTheDocumentTogether) {
  EXPECT_EQ(CanonicalOf(R"([{"@id": "_:x", "urn:p": "1"}, {"@id": "urn:s", "urn:q": {"@id": "_:x"}}, {"urn:p": "2"}])"),
            "<urn:s> <urn:q> _:c14n0 .\n_:c14n0 <urn:p> \"1\" .\n_:c14n1 <urn:p> \"2\" .\n");
}

TEST(JsonLdToRdfTest, LeavesOutWhatIsNoRdfButKeepsWhatIsInIt) {
  const std::pair<const char*, size_t> documents[] = {
      {R"({"@id": "relative", "urn:p": {"@id": "urn:s", "urn:q": "kept"}})", 1},
      {R"({"_:p": {"@id": "urn:s", "urn:q": "kept"}})", 1},
      {R"({"urn:p q": [{"@list": [{"@id": "urn:s", "urn:q": "kept"}]}]})", 1},
      {R"({"@id": "urn:s", "urn:q": ["kept", {"@value": "x", "@language": "not a tag"}]})", 1},
      {R"({"@id": "urn:s", "@type": "relative", "urn:q": "kept"})", 1},
      {R"({"@id": "relative", "@graph": {"urn:p": "lost", "urn:r": {"@id": "urn:g", "@graph": []}}, "urn:x": []})", 1},
      {R"({"@id": "urn:s", "@index": "i", "urn:q": "kept"})", 1},
      {R"({"@id": "urn:s", "urn:q": {"@value": "kept", "@direction": "ltr"}})", 1},
  };
  for (const auto& [text, dropped] : documents) {
    const JsonLdDataset dataset = DatasetOf(text);
    EXPECT_EQ(dataset.dropped, dropped) << text;
    for (const RdfQuad& quad : dataset.quads) EXPECT_EQ(NQuadsLine(quad), "<urn:s> <urn:q> \"kept\" .\n") << text;
  }
}

TEST(JsonLdToRdfTest, RefusesIndexesThatConflict) {
  const absl::Status status = JsonLdToRdf(ParseOrFail(R"([{"@id": "urn:s", "@index": "1", "urn:p": "1"},
      {"@id": "urn:s", "@index": "2", "urn:p": "1"}])"))
                                  .status();
  EXPECT_THAT(std::string(status.message()), StartsWith("conflicting indexes: "));
}

}  // namespace
}  // namespace mvmd
