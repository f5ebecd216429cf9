// Scanning the bytes of JSON strings: the next interesting one, eight at a time, and UTF-8 sequences.
#ifndef MVMD_TWIN_BYTE_SCAN_H_
#define MVMD_TWIN_BYTE_SCAN_H_

#include <bit>
#include <cstddef>
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

inline bool IsUtf8Continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Bytes of the UTF-8 sequence at p (RFC 3629: no overlong form, no surrogate, at most U+10FFFF); 0 when it is none.
inline size_t Utf8SequenceLength(const char* p, const char* end) {
  const auto first = static_cast<unsigned char>(*p);
  const size_t length = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (length == 0 || static_cast<size_t>(end - p) < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsUtf8Continuation(p[i])) return 0;
  }
  const auto second = static_cast<unsigned char>(p[1]);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)) return 0;
  if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F)) return 0;
  return length;
}

}  // namespace mvmd

#endif  // MVMD_TWIN_BYTE_SCAN_H_
