// base58btc: the alphabet that Multibase names `z`.
#ifndef MVMD_TWIN_BASE58_H_
#define MVMD_TWIN_BASE58_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace mvmd {

// Both take quadratic time: nothing that is longer is decoded.
inline constexpr size_t kBase58TextMax = 256;

// For keys and signatures: a hundred bytes, not documents.
std::string EncodeBase58(absl::string_view bytes);
// Each text stands for other bytes, and all bytes have one text. Nothing for a character that is not of the alphabet,
// and for a text longer than kBase58TextMax.
std::optional<std::string> DecodeBase58(absl::string_view text);

}  // namespace mvmd

#endif  // MVMD_TWIN_BASE58_H_
