// The text of an etag.
#ifndef MVMD_GATEWAY_ETAG_H_
#define MVMD_GATEWAY_ETAG_H_

#include <algorithm>
#include <cstddef>

#include "absl/strings/string_view.h"

namespace mvmd {

inline constexpr size_t kEtagBytes = 64;

// SHA-256 in lower-case hex, as Sha256Hex of twin/canonical.h gives it.
inline bool IsEtag(absl::string_view text) {
  return text.size() == kEtagBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace mvmd

#endif  // MVMD_GATEWAY_ETAG_H_
