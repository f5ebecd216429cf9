// What changed from one document to another: a JSON Patch for programs, a list of changes for people.
#ifndef MVMD_TWIN_JSON_DIFF_H_
#define MVMD_TWIN_JSON_DIFF_H_

#include <cstddef>
#include <string>
#include <vector>

#include "twin/json.h"

namespace mvmd {

// A value in an operation in the patch.
inline constexpr int kJsonPatchDepthMax = kJsonDepthMax + 2;

// One place. Values are parts of the documents that were compared.
struct JsonChange {
  // RFC 6901, in the new document; in the old one when `after` is null.
  std::string pointer;
  const Json* before = nullptr;  // null: it was not there
  const Json* after = nullptr;   // null: it is gone
};

struct JsonDiff {
  // RFC 6902, as C1; `[]` when the documents are the same. Applied to the old document it gives the new one, to the
  // last distinction that C1 sees. Not much longer than the new document, whatever changed; may nest deeper than a
  // document, so read it with kJsonPatchDepthMax.
  std::string patch;
  // In the order of the patch. The first ones, when there are more than the limits allow.
  std::vector<JsonChange> changes;
  bool changes_truncated = false;
};

struct JsonDiffLimits {
  size_t changes_max = 1000;
  size_t pointer_bytes_max = 1 << 20;  // of all changes
  // Pairs of array elements looked at, all arrays together.
  size_t pairs_max = 1 << 20;
};

// `from` and `to` outlive the result. Takes time and memory as the documents are large, and `limits.pairs_max` steps.
//
// - Members are compared by name, in the order of C1.
// - Elements of the root's `sensors` are compared by `id`, when all of them have one of their own in both documents.
// One
//   that changed its place among the others is removed and added.
// - Elements of other arrays are compared by position, between the longest row of equal ones; beyond `pairs_max` only
//   between equal ones at both ends.
// - Where the changes of an object or array would take much more room than its new value, it is replaced.
//
// Deterministic. Thread-safe.
JsonDiff DiffJson(const Json& from, const Json& to, const JsonDiffLimits& limits = {});

}  // namespace mvmd

#endif  // MVMD_TWIN_JSON_DIFF_H_
