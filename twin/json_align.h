// Which elements of two arrays belong together.
#ifndef MVMD_TWIN_JSON_ALIGN_H_
#define MVMD_TWIN_JSON_ALIGN_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "twin/json.h"

namespace mvmd {

// Equality of parts of documents, with a hash of each array and object that is made once. The documents outlive it and
// do not change. Thread-compatible.
class JsonEquality {
 public:
  // Compares whole only what has one hash, so that what differs is not gone through at every level.
  bool Same(const Json& a, const Json& b) { return HashOf(a) == HashOf(b) && a == b; }
  size_t HashOf(const Json& value);

 private:
  absl::flat_hash_map<const Json*, size_t> hashes_;
};

// From one array to another: `from` alone is removed, `to` alone is added, both stay together. Both grow from step to
// step, and each element is in one step.
struct JsonAlignStep {
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();
  size_t from = kNone;
  size_t to = kNone;
};

// By `id`. False when an element of either has no text `id`, or not one of its own.
bool AlignById(const std::vector<Json>& from, const std::vector<Json>& to, std::vector<JsonAlignStep>* steps);
// By equality, then by position. Looks at no more than `*pairs_left` pairs beside those at both ends, and takes off
// what it looked at.
std::vector<JsonAlignStep> AlignByValue(const std::vector<Json>& from, const std::vector<Json>& to,
                                        JsonEquality* equality, size_t* pairs_left);

}  // namespace mvmd

#endif  // MVMD_TWIN_JSON_ALIGN_H_
