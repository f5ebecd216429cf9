// rdf-canon: canonical forms, maps of labels, and datasets that have to be refused.
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/w3c/suite.h"
#include "twin/canonical.h"
#include "twin/rdf_canon.h"

namespace mvmd {
namespace {

absl::Status RunOne(const W3cFolder& folder, const Json& test) {
  absl::StatusOr<std::string> input = folder.ReadText(TextAt(test, "action"));
  if (!input.ok()) return input.status();
  absl::StatusOr<std::vector<RdfQuad>> quads = ParseNQuads(*input);
  if (!quads.ok()) return quads.status();
  const RdfHash hash = TextAt(test, "hashAlgorithm") == "SHA384" ? RdfHash::kSha384 : RdfHash::kSha256;
  absl::StatusOr<CanonicalDataset> dataset = CanonicalizeDataset(*quads, hash);
  const std::string type = TextAt(test, "type");
  if (type == "rdfc:RDFC10NegativeEvalTest") {
    return dataset.ok() ? absl::UnknownError("expected an error") : absl::OkStatus();
  }
  if (!dataset.ok()) return dataset.status();
  absl::StatusOr<std::string> expected = folder.ReadText(TextAt(test, "result"));
  if (!expected.ok()) return expected.status();
  if (type == "rdfc:RDFC10MapTest") {
    Json labels = Json::Object();
    for (const auto& [label, canonical] : dataset->labels) labels.Set(label, Json::String(canonical));
    absl::StatusOr<Json> map = ParseJson(*expected);
    if (!map.ok()) return map.status();
    if (labels == *map) return absl::OkStatus();
    return absl::UnknownError(absl::StrCat("expected ", Canonicalize(*map), ", got ", Canonicalize(labels)));
  }
  if (dataset->nquads == *expected) return absl::OkStatus();
  return absl::UnknownError(absl::StrCat("expected\n", *expected, "got\n", dataset->nquads));
}

}  // namespace

absl::StatusOr<std::vector<W3cResult>> RunRdfCanonTests(const W3cFolder& folder) {
  absl::StatusOr<Json> manifest = folder.ReadJson("manifest.jsonld");
  if (!manifest.ok()) return manifest.status();
  const Json* entries = manifest->Find("entries");
  if (entries == nullptr || !entries->is_array()) return absl::NotFoundError("expected entries, which are tests");
  std::vector<W3cResult> results;
  for (const Json& test : entries->elements()) {
    results.push_back({IdOf(test), TextAt(test, "name"), RunOne(folder, test)});
  }
  return results;
}

}  // namespace mvmd
