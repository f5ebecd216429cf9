// Keyframes of a store that is a map in memory.
#ifndef MVMD_TESTS_SUPPORT_KEYFRAME_MAP_H_
#define MVMD_TESTS_SUPPORT_KEYFRAME_MAP_H_

#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "gateway/state_store.h"

namespace mvmd {

using RecordMap = std::map<std::string, std::string>;

// As StateStore::FindKeyframes.
inline StateStore::Keyframes FindKeyframesIn(const RecordMap& records, absl::string_view twin, uint64_t revision) {
  StateStore::Keyframes found;
  const auto after = records.upper_bound(KeyframeKey(twin, revision));
  if (after != records.begin() && std::prev(after)->first >= KeyframeKey(twin, 0)) {
    found.before = std::prev(after)->second;
  }
  const auto from_on = records.lower_bound(KeyframeKey(twin, revision));
  if (from_on != records.end() && from_on->first <= KeyframeKey(twin, std::numeric_limits<uint64_t>::max())) {
    found.from_on = from_on->second;
  }
  return found;
}

// As StateStore::TrimKeyframes.
inline void TrimKeyframesIn(uint64_t revision, RecordMap* records) {
  std::erase_if(*records, [revision](const auto& record) {
    const uint64_t of_keyframe = KeyframeRevisionOf(record.first);  // 0: it is none
    return of_keyframe != 0 && of_keyframe < revision;
  });
}

}  // namespace mvmd

#endif  // MVMD_TESTS_SUPPORT_KEYFRAME_MAP_H_
