// Finding the next interesting byte of a JSON string, eight at a time.
#ifndef MVMD_TWIN_BYTE_SCAN_H_
#define MVMD_TWIN_BYTE_SCAN_H_

#include <bit>
#include <cstdint>
#include <cstring>

namespace mvmd {

// Non-zero lanes (their top bit) where `word` has a quote, a backslash or a control character; with kHigh also where it
// has a byte of a multi-byte character. Only the lowest lane set is exact: a borrow may set lanes above a true one.
template <bool kHigh>
inline uint64_t StringSpecialLanes(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kTops = 0x8080808080808080;
  const uint64_t quote = word ^ (kOnes * '"');
  const uint64_t backslash = word ^ (kOnes * '\\');
  uint64_t lanes = ((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash) | ((word - kOnes * 0x20) & ~word);
  if (kHigh) lanes |= word;
  return lanes & kTops;
}

template <bool kHigh>
inline bool IsStringSpecial(unsigned char c) {
  return c == '"' || c == '\\' || c < 0x20 || (kHigh && c >= 0x80);
}

// First special byte in [p, end), or end.
template <bool kHigh>
inline const char* FindStringSpecial(const char* p, const char* end) {
  while (end - p >= 8) {
    uint64_t word;
    std::memcpy(&word, p, sizeof(word));
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    const uint64_t lanes = StringSpecialLanes<kHigh>(word);
    if (lanes != 0) return p + std::countr_zero(lanes) / 8;
    p += 8;
  }
  while (p != end && !IsStringSpecial<kHigh>(static_cast<unsigned char>(*p))) ++p;
  return p;
}

}  // namespace mvmd

#endif  // MVMD_TWIN_BYTE_SCAN_H_
