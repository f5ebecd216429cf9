// UTF-8, one character at a time.
#ifndef MVMD_TWIN_UTF8_H_
#define MVMD_TWIN_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace mvmd {

inline bool IsUtf8Continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Bytes of the sequence of more than one byte at p (RFC 3629: no overlong form, no surrogate, at most U+10FFFF); 0 when
// it is none, which includes ASCII.
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

// The code point of a whole sequence of `length` bytes, 1 to 4.
inline uint32_t DecodeUtf8(const char* p, size_t length) {
  const auto first = static_cast<unsigned char>(*p);
  if (length == 1) return first;
  uint32_t code_point = first & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) code_point = code_point << 6 | (static_cast<unsigned char>(p[i]) & 0x3F);
  return code_point;
}

// Surrogates too, as three bytes.
inline void AppendUtf8(uint32_t code_point, std::string* out) {
  auto add = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    add(code_point);
  } else if (code_point < 0x800) {
    add(0xC0 | code_point >> 6);
    add(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    add(0xE0 | code_point >> 12);
    add(0x80 | (code_point >> 6 & 0x3F));
    add(0x80 | (code_point & 0x3F));
  } else {
    add(0xF0 | code_point >> 18);
    add(0x80 | (code_point >> 12 & 0x3F));
    add(0x80 | (code_point >> 6 & 0x3F));
    add(0x80 | (code_point & 0x3F));
  }
}

}  // namespace mvmd

#endif  // MVMD_TWIN_UTF8_H_
