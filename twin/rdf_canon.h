// RDFC-1.0: one N-Quads text for all datasets that differ in nothing but the labels of their blank nodes.
#ifndef MVMD_TWIN_RDF_CANON_H_
#define MVMD_TWIN_RDF_CANON_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "twin/rdf.h"

namespace mvmd {

enum class RdfHash { kSha256, kSha384 };

// What one canonicalization may cost. Blank nodes that look alike from near are told apart by trying paths through
// them; datasets can be built for which this takes for ever. For n blank nodes whose surroundings are alike there are
// at most n^3 calls of Hash N-Degree Quads; beyond that limit and these a dataset is refused.
struct RdfCanonLimits {
  // Steps of these calls: a quad looked at, a node put on a path, an identifier copied. One takes about a microsecond,
  // and large datasets have more of them in good faith.
  uint64_t steps_max = 1 << 18;
  uint64_t steps_per_quad = 16;  // on top of these
  // Blank nodes alike in a row, each next to the one before: the calls nest.
  int depth_max = 1000;
};

struct CanonicalDataset {
  std::string nquads;  // canonical form, sorted by code point, without repetitions
  size_t quads = 0;
  // Labels of the input and the canonical ones, without `_:`, in the order of issue.
  std::vector<std::pair<std::string, std::string>> labels;
  uint64_t steps = 0;
};

// Repeated quads count once. INVALID_ARGUMENT, its message beginning with `dataset too ambiguous`, beyond a limit:
// never another form. https://www.w3.org/TR/rdf-canon/. Thread-safe.
absl::StatusOr<CanonicalDataset> CanonicalizeDataset(absl::Span<const RdfQuad> quads, RdfHash hash = RdfHash::kSha256,
                                                     const RdfCanonLimits& limits = {});

}  // namespace mvmd

#endif  // MVMD_TWIN_RDF_CANON_H_
