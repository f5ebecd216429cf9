#include "twin/linked_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/twin/test_data.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kContextText[] = R"("@context": {"@vocab": "https://schema.org/", "mvmd": "https://mvmd.org/v1/"})";

// The graph of a document with the profile's context and these members.
CanonicalGraph GraphOf(absl::string_view members) {
  const Json document = ParseOrFail(absl::StrCat("{", kContextText, members.empty() ? "" : ", ", members, "}"));
  const absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(document);
  EXPECT_TRUE(graph.ok()) << graph.status() << "\n" << members;
  return graph.ok() ? *graph : CanonicalGraph();
}

std::string ErrorOf(absl::string_view text) {
  const absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(ParseOrFail(text));
  EXPECT_EQ(graph.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(graph.status().message());
}

// The same document with members in another order.
void Shuffle(Json* value, std::mt19937_64* random) {
  if (value->is_array()) {
    for (Json& element : value->elements()) Shuffle(&element, random);
  } else if (value->is_object()) {
    std::shuffle(value->members().begin(), value->members().end(), *random);
    for (Json::Member& member : value->members()) Shuffle(&member.second, random);
  }
}

TEST(CanonicalizeGraphTest, GivesTheProfilesBytes) {
  const Json complete = ParseProfile("twin-complete.jsonld");
  const absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(complete);
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->nquads, ReadProfile("twin-complete.nq"));
  const absl::StatusOr<CanonicalGraph> lossless = CanonicalizeGraph(LosslessDocument(complete));
  ASSERT_TRUE(lossless.ok()) << lossless.status();
  EXPECT_EQ(lossless->nquads, ReadProfile("twin-complete.lossless.nq"));
}

TEST(CanonicalizeGraphTest, GivesTheKnownDigests) {
  const Json expected = ParseProfile("expected.json");
  for (const auto& [name, facts] : expected.members()) {
    const Json document = ParseProfile(name);
    const Json lossless_document = LosslessDocument(document);
    const absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(document);
    const absl::StatusOr<CanonicalGraph> lossless = CanonicalizeGraph(lossless_document);
    ASSERT_TRUE(graph.ok() && lossless.ok()) << name << graph.status() << lossless.status();
    const Json& canonical = *facts.Find("canonical");
    EXPECT_EQ(graph->sha256, canonical.Find("rdfc_sha256")->string()) << name;
    EXPECT_EQ(static_cast<double>(graph->quads), canonical.Find("quads")->number()) << name;
    EXPECT_FALSE(graph->lossy) << name;
    const Json& other = *facts.Find("lossless");
    EXPECT_EQ(lossless->sha256, other.Find("rdfc_sha256")->string()) << name;
    EXPECT_EQ(static_cast<double>(lossless->quads), other.Find("quads")->number()) << name;
    EXPECT_FALSE(lossless->lossy) << name;
    const std::string bytes = Canonicalize(lossless_document);
    EXPECT_EQ(Sha256Hex(bytes), other.Find("jcs_sha256")->string()) << name;
    EXPECT_EQ(static_cast<double>(bytes.size()), other.Find("jcs_bytes")->number()) << name;
  }
}

TEST(CanonicalizeGraphTest, DoesNotDependOnTheOrderOfMembers) {
  std::mt19937_64 random(11);
  Json document = ParseProfile("twin-complete.jsonld");
  for (int i = 0; i < 20; ++i) {
    Shuffle(&document, &random);
    const absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(document);
    ASSERT_TRUE(graph.ok()) << graph.status();
    EXPECT_EQ(graph->nquads, ReadProfile("twin-complete.nq"));
  }
}

// The table of CANONICAL.md, "What C2 does not see".
TEST(CanonicalizeGraphTest, SeesNoDifferenceThatRdfDoesNotHave) {
  const std::pair<const char*, const char*> same[] = {
      {R"("normalRange": [30, 65])", R"("normalRange": [65, 30])"},
      {R"("a": [30, 30])", R"("a": 30)"},
      {R"("a": ["a", "a"])", R"("a": "a")"},
      {R"("a": [1])", R"("a": 1)"},
      {R"("a": [[1, 2], [3]])", R"("a": [1, 2, 3])"},
      {R"("a": null)", ""},
      {R"("a": [])", ""},
      {R"("a": 0.30000000000000004)", R"("a": 0.3)"},
      {R"("mvmd:x": 1)", R"("https://mvmd.org/v1/x": 1)"},
      {R"("@type": ["A", "B"])", R"("@type": ["B", "A"])"},
      {R"("a": 42.0)", R"("a": 42)"},
      {R"("a": -0)", R"("a": 0)"},
  };
  for (const auto& [a, b] : same) EXPECT_EQ(GraphOf(a).nquads, GraphOf(b).nquads) << a << " " << b;
  EXPECT_NE(GraphOf(R"("a": 120)").nquads, GraphOf(R"("a": "120")").nquads);
  EXPECT_NE(GraphOf("\"a\": \"\u00e9\"").nquads, GraphOf("\"a\": \"e\u0301\"").nquads);
}

TEST(CanonicalizeGraphTest, WritesNumbersAsTheDefinitionSays) {
  EXPECT_THAT(GraphOf(R"("a": 123456789012345683968)").nquads,
              HasSubstr("\"123456789012345683968\"^^<http://www.w3.org/2001/XMLSchema#integer>"));
  EXPECT_THAT(GraphOf(R"("a": 45.2)").nquads, HasSubstr("\"4.52E1\"^^<http://www.w3.org/2001/XMLSchema#double>"));
  EXPECT_THAT(GraphOf(R"("a": 1e-7)").nquads, HasSubstr("\"1.0E-7\"^^"));
  EXPECT_THAT(GraphOf(R"("a": 1e21)").nquads, HasSubstr("\"1.0E21\"^^<http://www.w3.org/2001/XMLSchema#double>"));
  EXPECT_THAT(GraphOf(R"("a": true)").nquads, HasSubstr("\"true\"^^<http://www.w3.org/2001/XMLSchema#boolean>"));
}

TEST(CanonicalizeGraphTest, KeepsWhatIsNoLoss) {
  for (const char* members :
       {"", R"("a": 1)", R"("@id": "urn:x", "a": 1)", R"("3DModel": 1)", R"("a": {"b": {"c": 1}})",
        R"("https://example.com/x": {"@value": 1})", R"("mvmd:x": {"@list": [1]})", R"("a": [{}, {}])"}) {
    EXPECT_FALSE(GraphOf(members).lossy) << members;
  }
}

TEST(CanonicalizeGraphTest, TellsOfLosses) {
  for (const char* members : {
           R"("@foo": 1)",                                            // LD-01
           R"("a": {"@value": 1})",                                   // LD-02
           R"("a b": 1)",                                             // LD-03
           R"("_:x": 1)",                                             //
           R"("p:x": 1)",                                             // LD-04
           R"("@id": "twin-1", "a": 1)",                              // LD-05
           R"("a": null)",                                            // LD-06
           R"("a": {"@context": {"b": "urn:b"}, "b": 1})",            // CTX-10
           R"("mvmd:x": {"@id": "relative"})",                        // LD-05
           R"("mvmd:x": {"@value": "a", "@language": "not a tag"})",  // no rule
           R"("mvmd:x": {"@value": "a", "@direction": "ltr"})",       //
           R"("mvmd:x": {"@id": "urn:a", "@index": "1"})",            //
           R"("a#b#c": 1)",                                           //
       }) {
    EXPECT_TRUE(GraphOf(members).lossy) << members;
  }
  const absl::StatusOr<CanonicalGraph> redefined =
      CanonicalizeGraph(ParseOrFail(R"({"@context": {"@vocab": "https://schema.org/", "name": null}, "name": "x"})"));
  ASSERT_TRUE(redefined.ok());
  EXPECT_TRUE(redefined->lossy);  // CTX-09
  const absl::StatusOr<CanonicalGraph> unmapped =
      CanonicalizeGraph(ParseOrFail(R"({"@context": {"@vocab": "https://schema.org/", "mine": null}, "mine": "x"})"));
  ASSERT_TRUE(unmapped.ok());
  EXPECT_TRUE(unmapped->lossy);  // no rule knows the name
}

TEST(CanonicalizeGraphTest, NamesWhatItRefuses) {
  EXPECT_THAT(ErrorOf("[]"), StartsWith("invalid document: "));
  EXPECT_THAT(ErrorOf(R"({"@context": "https://schema.org/"})"),
              StartsWith("loading remote context failed: schema.org's context is not built in whole"));
  EXPECT_THAT(
      ErrorOf(R"({"@context": ["https://example.com/c.jsonld"]})"),
      StartsWith("loading remote context failed: expected a context that is built in, got 'https://example.com"));
  EXPECT_THAT(ErrorOf(R"({"@context": "relative"})"), StartsWith("loading document failed: "));
  EXPECT_THAT(ErrorOf(R"({"@context": {"@import": "https://example.com/c.jsonld"}})"),
              StartsWith("loading remote context failed: "));
  EXPECT_THAT(ErrorOf(R"({"@context": {"@base": "relative"}})"), StartsWith("invalid base IRI: "));
  EXPECT_THAT(ErrorOf(R"({"@id": 1})"), StartsWith("invalid @id value: "));
}

TEST(CanonicalizeGraphTest, HoldsTheDataIntegrityContext) {
  const absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(ParseOrFail(R"({
    "@context": [{"@vocab": "https://schema.org/"}, "https://w3id.org/security/data-integrity/v2"],
    "name": "Press",
    "proof": {"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod"}})"));
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_THAT(graph->nquads, HasSubstr("<https://w3id.org/security#proof> _:"));
  EXPECT_THAT(graph->nquads, HasSubstr("<https://w3id.org/security#proofPurpose> "
                                       "<https://w3id.org/security#assertionMethod> _:"));
  EXPECT_THAT(graph->nquads, HasSubstr("\"eddsa-jcs-2022\"^^<https://w3id.org/security#cryptosuiteString>"));
  EXPECT_TRUE(graph->lossy);  // CTX-05
}

// A document that asks for more than its size allows is refused, soon, by name.
TEST(CanonicalizeGraphTest, RefusesDocumentsThatGrow) {
  // A long vocabulary before many names.
  std::string names;
  for (int i = 0; i < 20000; ++i) absl::StrAppend(&names, ", \"n", i, "\": 1");
  EXPECT_THAT(ErrorOf(absl::StrCat(R"({"@context": {"@vocab": "urn:)", std::string(100000, 'x'), "\"}", names, "}")),
              StartsWith("limit exceeded: "));
  // A long language or datatype at many values.
  std::string values;
  for (int i = 0; i < 20000; ++i) absl::StrAppend(&values, i == 0 ? "" : ",", "\"", i, "\"");
  for (const char* term : {R"("@language": "x)", R"("@type": "urn:)"}) {
    EXPECT_THAT(ErrorOf(absl::StrCat(R"({"@context": {"a": {"@id": "urn:a", )", term, std::string(100000, 'x'),
                                     "\"}}, \"a\": [", values, "]}")),
                StartsWith("limit exceeded: "));
  }
  // A large context that is copied for every node.
  std::string terms;
  std::string nodes;
  for (int i = 0; i < 20000; ++i) {
    absl::StrAppend(&terms, ", \"t", i, "\": \"urn:t\"");
    absl::StrAppend(&nodes, i == 0 ? "" : ",", R"({"@context": {"x": "urn:x"}})");
  }
  EXPECT_THAT(ErrorOf(absl::StrCat(R"({"@context": {"@vocab": "urn:v:")", terms, R"(}, "a": [)", nodes, "]}")),
              StartsWith("limit exceeded: "));
  // Terms that need each other, in a long row.
  std::string chain;
  for (int i = 0; i < 20000; ++i) absl::StrAppend(&chain, i == 0 ? "" : ",", "\"t", i, "\": \"t", i + 1, ":x\"");
  EXPECT_THAT(ErrorOf(absl::StrCat(R"({"@context": {)", chain, "}}")), StartsWith("limit exceeded: "));
  // The same in scoped contexts within each other, each at the end of such a row.
  std::string nested = "{}";
  for (int level = 0; level < 60; ++level) {
    std::string row;
    for (int i = 0; i < 200; ++i) absl::StrAppend(&row, "\"t", i, "\": \"t", i + 1, ":x\", ");
    nested = absl::StrCat("{", row, R"("t200": {"@id": "urn:t", "@prefix": true, "@context": )", nested, "}}");
  }
  EXPECT_THAT(ErrorOf(absl::StrCat(R"({"@context": )", nested, "}")), StartsWith("limit exceeded: "));
}

TEST(CanonicalizeGraphTest, RefusesAmbiguousDocuments) {
  std::string nodes;
  for (int i = 0; i < 12; ++i) {
    absl::StrAppend(&nodes, i == 0 ? "" : ",", "{\"@id\": \"_:n", i, "\", \"p\": [");
    for (int j = 0; j < 12; ++j) absl::StrAppend(&nodes, j == 0 ? "" : ",", "{\"@id\": \"_:n", j, "\"}");
    absl::StrAppend(&nodes, "]}");
  }
  EXPECT_THAT(ErrorOf(absl::StrCat("{", kContextText, ", \"a\": [", nodes, "]}")),
              StartsWith("dataset too ambiguous: "));
}

TEST(CanonicalizeGraphTest, TakesLargeDocuments) {
  Json document = ParseProfile("twin-complete.jsonld");
  std::vector<Json>& sensors = document.Find("sensors")->elements();
  for (int i = 0; i < 2000; ++i) {
    Json sensor = sensors[static_cast<size_t>(i) % 3];
    sensor.Set("id", Json::String(absl::StrCat("sensor-", i)));
    sensors.push_back(std::move(sensor));
  }
  for (const Json& each : {document, LosslessDocument(document)}) {
    const absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(each);
    ASSERT_TRUE(graph.ok()) << graph.status();
    EXPECT_GT(graph->quads, 20000);
  }
}

TEST(LosslessDocumentTest, HoldsTheProfilesContext) {
  EXPECT_EQ(LosslessContext(), *ParseProfile("context.jsonld").Find("@context"));
}

TEST(LosslessDocumentTest, PutsItsContextBeforeTheAuthors) {
  auto contexts = [](absl::string_view text) {
    const Json lossless = LosslessDocument(ParseOrFail(text));
    const std::vector<Json>& all = lossless.Find("@context")->elements();
    EXPECT_EQ(all[0], LosslessContext());
    Json rest = Json::Array();
    for (size_t i = 1; i < all.size(); ++i) rest.Append(all[i]);
    return Canonicalize(rest);
  };
  EXPECT_EQ(contexts(R"({"@context": {"a": "urn:a"}})"), R"([{"a":"urn:a"}])");
  EXPECT_EQ(contexts(R"({"@context": [{"a": "urn:a"}, "urn:c"]})"), R"([{"a":"urn:a"},"urn:c"])");
  EXPECT_EQ(contexts(R"({"@context": null})"), "[]");
  EXPECT_EQ(contexts("{}"), "[]");
}

TEST(LosslessDocumentTest, KeepsTheOrderOfRanges) {
  auto graph = [](absl::string_view range) {
    const Json document =
        ParseOrFail(absl::StrCat("{", kContextText, R"(, "sensors": [{"normalRange": )", range, "}]}"));
    const absl::StatusOr<CanonicalGraph> lossless = CanonicalizeGraph(LosslessDocument(document));
    EXPECT_TRUE(lossless.ok()) << lossless.status();
    return lossless.ok() ? lossless->nquads : std::string();
  };
  EXPECT_NE(graph("[30, 65]"), graph("[65, 30]"));
  EXPECT_NE(graph("[30, 30]"), graph("30"));
}

}  // namespace
}  // namespace mvmd
