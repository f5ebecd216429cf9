#include "twin/rdf_canon.h"

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

std::vector<RdfQuad> ParseQuads(absl::string_view text) {
  absl::StatusOr<std::vector<RdfQuad>> quads = ParseNQuads(text);
  EXPECT_TRUE(quads.ok()) << quads.status() << "\n" << text;
  return quads.ok() ? *std::move(quads) : std::vector<RdfQuad>();
}

absl::StatusOr<CanonicalDataset> CanonicalizeText(absl::string_view text, RdfHash hash = RdfHash::kSha256,
                                                  const RdfCanonLimits& limits = {}) {
  return CanonicalizeDataset(ParseQuads(text), hash, limits);
}

std::string CanonicalText(absl::string_view text) {
  absl::StatusOr<CanonicalDataset> dataset = CanonicalizeText(text);
  EXPECT_TRUE(dataset.ok()) << dataset.status();
  return dataset.ok() ? dataset->nquads : std::string();
}

// The same dataset with other labels, in another order.
std::vector<RdfQuad> Disguise(std::vector<RdfQuad> quads, std::mt19937_64* random) {
  const std::string salt = absl::StrCat("x", (*random)() % 1000);
  auto relabel = [&salt](RdfTerm* term) {
    if (term->is_blank()) term->value = Sha256Hex(absl::StrCat(salt, term->value)).substr(0, 16);
  };
  for (RdfQuad& quad : quads) {
    relabel(&quad.subject);
    relabel(&quad.object);
    relabel(&quad.graph);
  }
  std::shuffle(quads.begin(), quads.end(), *random);
  return quads;
}

// Every node knows every other: all are alike.
std::string Clique(int nodes) {
  std::string text;
  for (int i = 0; i < nodes; ++i) {
    for (int j = 0; j < nodes; ++j) {
      if (i != j) absl::StrAppend(&text, "_:n", i, " <urn:p> _:n", j, " .\n");
    }
  }
  return text;
}

// A ring of nodes without a beginning.
std::string Ring(int nodes) {
  std::string text;
  for (int i = 0; i < nodes; ++i) absl::StrAppend(&text, "_:n", i, " <urn:p> _:n", (i + 1) % nodes, " .\n");
  return text;
}

// A list of equal elements.
std::string List(int cells) {
  std::string text = "<urn:s> <urn:p> _:n0 .\n";
  for (int i = 0; i < cells; ++i) {
    const std::string rest = i + 1 == cells ? absl::StrCat("<", kRdfNil, ">") : absl::StrCat("_:n", i + 1);
    absl::StrAppend(&text, "_:n", i, " <", kRdfFirst, "> \"1\" .\n_:n", i, " <", kRdfRest, "> ", rest, " .\n");
  }
  return text;
}

TEST(CanonicalizeDatasetTest, KeepsTheProfilesGraphs) {
  std::mt19937_64 random(3);
  for (const char* name : {"twin-complete.nq", "twin-complete.lossless.nq"}) {
    const std::string text = ReadProfile(name);
    EXPECT_EQ(CanonicalText(text), text);
    for (int i = 0; i < 20; ++i) {
      const absl::StatusOr<CanonicalDataset> dataset = CanonicalizeDataset(Disguise(ParseQuads(text), &random));
      ASSERT_TRUE(dataset.ok()) << dataset.status();
      EXPECT_EQ(dataset->nquads, text);
    }
  }
}

TEST(CanonicalizeDatasetTest, GivesTheSpecificationsFirstDegreeHashesTheirOrder) {
  // Section "Unique Hashes": e0's hash 21d1..., e1's 6fa0...
  const absl::StatusOr<CanonicalDataset> dataset = CanonicalizeText(
      "<http://example.com/#p> <http://example.com/#q> _:e0 .\n<http://example.com/#p> <http://example.com/#r> _:e1 .\n"
      "_:e0 <http://example.com/#s> <http://example.com/#u> .\n_:e1 <http://example.com/#t> <http://example.com/#u> "
      ".\n");
  ASSERT_TRUE(dataset.ok());
  EXPECT_EQ(dataset->labels, (std::vector<std::pair<std::string, std::string>>{{"e0", "c14n0"}, {"e1", "c14n1"}}));
  EXPECT_EQ(dataset->quads, 4);
}

TEST(CanonicalizeDatasetTest, TellsAlikeNodesApart) {
  std::mt19937_64 random(5);
  for (const std::string& text : {Clique(3), Ring(7), List(12), Ring(3) + Clique(2)}) {
    const std::string expected = CanonicalText(text);
    for (int i = 0; i < 10; ++i) {
      const absl::StatusOr<CanonicalDataset> dataset = CanonicalizeDataset(Disguise(ParseQuads(text), &random));
      ASSERT_TRUE(dataset.ok()) << dataset.status();
      EXPECT_EQ(dataset->nquads, expected);
    }
  }
  // A ring of six and two rings of three look the same to every node's neighbours.
  EXPECT_NE(CanonicalText(Ring(6)), CanonicalText(Ring(3) + absl::StrReplaceAll(Ring(3), {{"_:n", "_:m"}})));
}

TEST(CanonicalizeDatasetTest, CountsRepeatedQuadsOnce) {
  EXPECT_EQ(CanonicalText("_:a <urn:p> \"1\" .\n_:a <urn:p> \"1\" .\n"), "_:c14n0 <urn:p> \"1\" .\n");
  EXPECT_EQ(CanonicalText(""), "");
}

TEST(CanonicalizeDatasetTest, SortsByCodePoint) {
  EXPECT_EQ(CanonicalText("<urn:s> <urn:p> \"\U0001F600\" .\n<urn:s> <urn:p> \"\uFF21\" .\n"),
            "<urn:s> <urn:p> \"\uFF21\" .\n<urn:s> <urn:p> \"\U0001F600\" .\n");
}

TEST(CanonicalizeDatasetTest, HashesWithSha384) {
  const absl::StatusOr<CanonicalDataset> dataset = CanonicalizeText(Ring(5), RdfHash::kSha384);
  ASSERT_TRUE(dataset.ok());
  EXPECT_EQ(dataset->quads, 5);
}

TEST(CanonicalizeDatasetTest, RefusesPoison) {
  for (const std::string& text : {Clique(10), Clique(60), List(3000), Ring(3000), Ring(2000) + Clique(9)}) {
    const absl::StatusOr<CanonicalDataset> dataset = CanonicalizeText(text);
    EXPECT_EQ(dataset.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(dataset.status().message()), HasSubstr("dataset too ambiguous: expected at most "));
  }
}

TEST(CanonicalizeDatasetTest, RefusesBeyondEachLimit) {
  EXPECT_TRUE(CanonicalizeText(List(100)).ok());
  EXPECT_THAT(std::string(CanonicalizeText(List(100), RdfHash::kSha256, {.depth_max = 50}).status().message()),
              HasSubstr("50 blank nodes in a row"));
  EXPECT_THAT(
      std::string(
          CanonicalizeText(List(100), RdfHash::kSha256, {.steps_max = 50, .steps_per_quad = 0}).status().message()),
      HasSubstr("50 steps"));
  // Eight nodes: 512 calls.
  EXPECT_THAT(std::string(CanonicalizeText(Clique(8)).status().message()),
              HasSubstr("512 calls of Hash N-Degree Quads"));
}

TEST(CanonicalizeDatasetTest, TakesManyEqualNodesThatHangOnDifferentOnes) {
  // As sensors with equal ranges in a lossless form: each has a list of two cells.
  std::string text;
  for (int i = 0; i < 20000; ++i) {
    absl::StrAppend(&text, "_:s", i, " <urn:id> \"", i, "\" .\n_:s", i, " <urn:range> _:a", i, " .\n");
    absl::StrAppend(&text, "_:a", i, " <", kRdfFirst, "> \"1\" .\n_:a", i, " <", kRdfRest, "> _:b", i, " .\n");
    absl::StrAppend(&text, "_:b", i, " <", kRdfFirst, "> \"2\" .\n_:b", i, " <", kRdfRest, "> <", kRdfNil, "> .\n");
  }
  const absl::StatusOr<CanonicalDataset> dataset = CanonicalizeText(text);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->quads, 120000);
  EXPECT_LT(dataset->steps, 3 * dataset->quads);
}

}  // namespace
}  // namespace mvmd
