// Key of a value: its kind (1 byte), then bytes that compare as the values of the kind do:
//
//   0x10 boolean    0 or 1
//   0x20 number     binary64, big endian; the sign flipped, and of negative numbers all other bits too
//   0x30 time       first and last instant, nanoseconds, 16 bytes each, big endian, the sign flipped
//   0x40 duration   picoseconds, 16 bytes, big endian, the sign flipped
//   0x50 text       bytes, with 00 as 00 FF; then 00 00, so that no text is the beginning of another one
//   0xFF            no place
//
// Descending: every byte inverted, but for 0xFF, which stays behind all others.
#include "twin/order_by.h"

#include <cstdint>
#include <cstring>
#include <optional>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "twin/filter.h"
#include "twin/filter_scanner.h"
#include "twin/time.h"

namespace mvmd {
namespace {

constexpr char kNoPlace = '\xFF';

void AppendBigEndian(uint64_t bits, std::string* key) {
  for (int shift = 56; shift >= 0; shift -= 8) key->push_back(static_cast<char>(bits >> shift & 0xFF));
}

void AppendNumber(double number, std::string* key) {
  constexpr uint64_t kSign = uint64_t{1} << 63;
  if (number == 0) number = 0;  // -0 is no less
  uint64_t bits = 0;
  std::memcpy(&bits, &number, sizeof bits);
  AppendBigEndian((bits & kSign) != 0 ? ~bits : bits | kSign, key);
}

void AppendInt128(absl::int128 value, std::string* key) {
  constexpr uint64_t kSign = uint64_t{1} << 63;
  AppendBigEndian(static_cast<uint64_t>(absl::Int128High64(value)) ^ kSign, key);
  AppendBigEndian(absl::Int128Low64(value), key);
}

void AppendInstants(const InstantRange& instants, std::string* key) {
  key->push_back('\x30');
  AppendInt128(instants.first_unix_ns, key);
  AppendInt128(instants.last_unix_ns, key);
}

void AppendText(absl::string_view text, std::string* key) {
  if (const std::optional<InstantRange> instants = ParseDateOrTimestamp(text)) return AppendInstants(*instants, key);
  if (const std::optional<absl::int128> duration = ParseDurationPicoseconds(text)) {
    key->push_back('\x40');
    return AppendInt128(*duration, key);
  }
  key->push_back('\x50');
  for (char c : text.substr(0, kOrderTextBytesMax)) {
    key->push_back(c);
    if (c == '\0') key->push_back('\xFF');
  }
  key->append(2, '\0');
}

void AppendValue(const ServedValue& value, std::string* key) {
  switch (value.kind()) {
    case ServedValue::Kind::kBool:
      key->push_back('\x10');
      key->push_back(value.boolean() ? '\1' : '\0');
      return;
    case ServedValue::Kind::kNumber:
      key->push_back('\x20');
      return AppendNumber(value.number(), key);
    case ServedValue::Kind::kText:
      return AppendText(value.text(), key);
    case ServedValue::Kind::kTime:
      return AppendInstants({value.time_unix_ns(), value.time_unix_ns()}, key);
    case ServedValue::Kind::kObject:
      if (const ServedValue name = value.Member("name"); name.kind() == ServedValue::Kind::kText) {
        return AppendText(name.text(), key);
      }
      break;
    case ServedValue::Kind::kMissing:
    case ServedValue::Kind::kArray:
      break;
  }
  key->push_back(kNoPlace);
}

}  // namespace

absl::StatusOr<OrderBy> OrderBy::Parse(absl::string_view text) {
  FilterScanner scanner(text);
  if (absl::Status status = scanner.CheckText(kOrderByBytesMax); !status.ok()) return status;
  OrderBy order;
  scanner.TakeSpace();
  if (scanner.at_end()) return order;
  do {
    scanner.TakeSpace();
    if (order.terms_.size() == kOrderKeysMax)
      return scanner.Expected(absl::StrCat("at most ", kOrderKeysMax, " paths"));
    const size_t begin = scanner.position();
    const absl::StatusOr<FilterMember> member = scanner.TakeMember("a path");
    if (!member.ok()) return member.status();
    if (member->names.size() > kFilterPathNamesMax) {
      return FilterScanner::ErrorAt(begin, absl::StrCat("a path of at most ", kFilterPathNamesMax, " names"),
                                    absl::StrCat(member->names.size()));
    }
    const bool has_space = scanner.TakeSpace();
    const absl::string_view direction = has_space ? scanner.NextText() : absl::string_view();
    const bool is_descending = direction == "desc";
    if (is_descending || direction == "asc") scanner.TakeText();
    scanner.TakeSpace();
    if (!scanner.at_end() && scanner.next() != ',') return scanner.Expected("asc, desc, a comma or the end");
    order.terms_.push_back({DocumentPath(*member), is_descending});
  } while (scanner.Take(","));
  return order;
}

std::string OrderBy::KeyOf(const ServedValue& document) const {
  std::string key;
  for (const Term& term : terms_) {
    const size_t begin = key.size();
    AppendValue(term.path.Resolve(document), &key);
    if (!term.is_descending || key[begin] == kNoPlace) continue;
    for (size_t i = begin; i < key.size(); ++i) key[i] = static_cast<char>(~static_cast<unsigned char>(key[i]));
  }
  return key;
}

}  // namespace mvmd
