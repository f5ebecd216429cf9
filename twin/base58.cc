#include "twin/base58.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace mvmd {
namespace {

constexpr absl::string_view kAlphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

// The digits of `value * from + digit` in base `to`, least significant first.
void MultiplyAdd(uint32_t from, uint32_t digit, uint32_t to, std::vector<uint8_t>* value) {
  uint32_t carry = digit;
  for (uint8_t& place : *value) {
    carry += place * from;
    place = static_cast<uint8_t>(carry % to);
    carry /= to;
  }
  for (; carry != 0; carry /= to) value->push_back(static_cast<uint8_t>(carry % to));
}

}  // namespace

std::string EncodeBase58(absl::string_view bytes) {
  // Each zero byte in front is a digit of its own, or they would be lost.
  const size_t zeros = std::min(bytes.find_first_not_of('\0'), bytes.size());
  std::vector<uint8_t> digits;
  for (const char byte : bytes.substr(zeros)) MultiplyAdd(256, static_cast<uint8_t>(byte), 58, &digits);
  std::string text(zeros, kAlphabet[0]);
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) text.push_back(kAlphabet[*digit]);
  return text;
}

std::optional<std::string> DecodeBase58(absl::string_view text) {
  if (text.size() > kBase58TextMax) return std::nullopt;
  const size_t zeros = std::min(text.find_first_not_of(kAlphabet[0]), text.size());
  std::vector<uint8_t> value;
  for (const char character : text.substr(zeros)) {
    const size_t digit = kAlphabet.find(character);
    if (digit == absl::string_view::npos) return std::nullopt;
    MultiplyAdd(58, static_cast<uint32_t>(digit), 256, &value);
  }
  std::string bytes(zeros, '\0');
  bytes.append(value.rbegin(), value.rend());
  return bytes;
}

}  // namespace mvmd
