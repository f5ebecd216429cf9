// Broken documents at random: whatever comes, C2 is refused by name or keeps its promises. A failure prints its seed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>

#include "tests/twin/test_data.h"
#include "twin/canonical.h"
#include "twin/linked_data.h"
#include "twin/rdf_canon.h"

namespace mvmd {
namespace {

using ::testing::ContainsRegex;

constexpr const char* kNames[] = {"@id",     "@type",      "@value",     "@language",  "@list",     "@set",
                                  "@graph",  "@reverse",   "@index",     "@nest",      "@included", "@context",
                                  "@none",   "@json",      "@direction", "@vocab",     "@base",     "@container",
                                  "@prefix", "@protected", "@propagate", "@import",    "@version",  "name",
                                  "sensors", "mvmd:x",     "_:b",        "http://x/y", "id",        ""};

class DocumentBreaker {
 public:
  explicit DocumentBreaker(uint64_t seed) : random_(seed) {}

  void Break(Json* document) {
    for (size_t changes = 1 + Below(4); changes > 0; --changes) {
      std::vector<Json*> values;
      Collect(document, &values);
      Change(values, values[Below(values.size())]);
    }
  }

  void Shuffle(Json* value) {
    if (value->is_array()) {
      for (Json& element : value->elements()) Shuffle(&element);
    } else if (value->is_object()) {
      std::shuffle(value->members().begin(), value->members().end(), random_);
      for (Json::Member& member : value->members()) Shuffle(&member.second);
    }
  }

  void BreakText(std::string* text) {
    for (size_t changes = 1 + Below(3); changes > 0; --changes) {
      (*text)[Below(text->size())] = "<>_:\"\\@^. \n#uaZ0\xC3\xFF"[Below(18)];
    }
  }

 private:
  size_t Below(size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random_); }
  const char* Name() { return kNames[Below(std::size(kNames))]; }

  static void Collect(Json* value, std::vector<Json*>* values) {
    values->push_back(value);
    if (value->is_array()) {
      for (Json& element : value->elements()) Collect(&element, values);
    } else if (value->is_object()) {
      for (Json::Member& member : value->members()) Collect(&member.second, values);
    }
  }

  void Change(const std::vector<Json*>& values, Json* value) {
    const Json other = *values[Below(values.size())];
    switch (Below(6)) {
      case 0:
        *value = other;
        return;
      case 1:
        if (value->is_object()) value->Set(Name(), other);
        return;
      case 2:
        *value = Json::String(Name());
        return;
      case 3: {
        const char* name = Name();
        if (!value->is_object() || value->members().empty() || value->Find(name) != nullptr) return;
        value->members()[Below(value->members().size())].first = name;
        return;
      }
      case 4: {
        Json array = Json::Array();
        array.Append(*value);
        array.Append(other);
        *value = std::move(array);
        return;
      }
      default:
        *value = Below(2) == 0 ? Json() : Json::Object();
    }
  }

  std::mt19937_64 random_;
};

TEST(LinkedDataRandomTest, RefusesByNameOrKeepsItsPromises) {
  const Json complete = ParseProfile("twin-complete.jsonld");
  const Json lossless = LosslessDocument(complete);
  int fine = 0;
  for (uint64_t seed = 0; seed < 1500; ++seed) {
    DocumentBreaker breaker(seed);
    Json document = seed % 2 == 0 ? complete : lossless;
    breaker.Break(&document);
    const absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(document);
    Json shuffled = document;
    breaker.Shuffle(&shuffled);
    const absl::StatusOr<CanonicalGraph> same = CanonicalizeGraph(shuffled);
    ASSERT_EQ(graph.ok(), same.ok()) << "seed " << seed << " " << graph.status() << " " << same.status();
    if (!graph.ok()) {
      EXPECT_THAT(std::string(graph.status().message()), ContainsRegex("^[a-zI][a-zA-Z@ -]+: ")) << "seed " << seed;
      continue;
    }
    ++fine;
    ASSERT_EQ(graph->sha256, same->sha256) << "seed " << seed << "\n" << Canonicalize(document);
    ASSERT_EQ(graph->lossy, same->lossy) << "seed " << seed;
    const absl::StatusOr<std::vector<RdfQuad>> quads = ParseNQuads(graph->nquads);
    ASSERT_TRUE(quads.ok()) << "seed " << seed << " " << quads.status();
    const absl::StatusOr<CanonicalDataset> again = CanonicalizeDataset(*quads);
    ASSERT_TRUE(again.ok()) << "seed " << seed << " " << again.status();
    ASSERT_EQ(again->nquads, graph->nquads) << "seed " << seed;
  }
  EXPECT_GT(fine, 500);  // else nothing was tested
}

TEST(LinkedDataRandomTest, ReadsBrokenNQuadsOrRefusesThem) {
  const std::string text = ReadProfile("twin-fragment-sync.jsonld");
  const absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(ParseOrFail(text));
  ASSERT_TRUE(graph.ok());
  for (uint64_t seed = 0; seed < 20000; ++seed) {
    DocumentBreaker breaker(seed);
    std::string broken = graph->nquads;
    breaker.BreakText(&broken);
    const absl::StatusOr<std::vector<RdfQuad>> quads = ParseNQuads(broken);
    if (!quads.ok()) continue;
    std::string written;
    for (const RdfQuad& quad : *quads) AppendNQuad(quad, &written);
    const absl::StatusOr<std::vector<RdfQuad>> again = ParseNQuads(written);
    ASSERT_TRUE(again.ok()) << "seed " << seed << " " << again.status() << "\n" << written;
    ASSERT_EQ(*again, *quads) << "seed " << seed;
  }
}

}  // namespace
}  // namespace mvmd
