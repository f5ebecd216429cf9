#include "twin/filter_scanner.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "twin/utf8.h"

namespace mvmd {
namespace {

// What an error shows of the text.
constexpr size_t kShownBytesMax = 32;

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool IsTextCharacter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte <= 0x20 || byte == 0x7F) return false;
  return !absl::StrContains("\"'().,:=<>!", absl::string_view(&c, 1));
}

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

// Four hex digits.
bool ReadHex(absl::string_view text, uint32_t* value) {
  if (text.size() < 4) return false;
  *value = 0;
  for (char c : text.substr(0, 4)) {
    const auto byte = static_cast<unsigned char>(c);
    if (!absl::ascii_isxdigit(byte)) return false;
    *value = *value << 4 | static_cast<uint32_t>(byte <= '9' ? byte - '0' : absl::ascii_tolower(byte) - 'a' + 10);
  }
  return true;
}

bool IsHighSurrogate(uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool IsLowSurrogate(uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

}  // namespace

std::string ShownInError(absl::string_view part) {
  size_t length = std::min(part.size(), kShownBytesMax);
  while (length > 0 && length < part.size() && IsUtf8Continuation(part[length])) --length;
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(part.substr(0, length)), length < part.size() ? "...\"" : "\"");
}

bool FilterMember::is_plain() const {
  return std::none_of(names.begin(), names.end(), [](const Name& name) { return name.is_quoted; });
}

absl::Status FilterScanner::CheckText(size_t bytes_max) const {
  if (text_.size() > bytes_max) {
    return absl::InvalidArgumentError(absl::StrCat("expected at most ", bytes_max, " bytes, got ", text_.size()));
  }
  const char* const end = text_.data() + text_.size();
  for (const char* p = text_.data(); p < end;) {
    const size_t length = static_cast<unsigned char>(*p) < 0x80 ? 1 : Utf8SequenceLength(p, end);
    if (length == 0) return ErrorAt(static_cast<size_t>(p - text_.data()), "UTF-8", "another byte");
    p += length;
  }
  return absl::OkStatus();
}

bool FilterScanner::AtSpace() const { return IsSpace(next()); }

absl::string_view FilterScanner::NextText() const {
  size_t end = position_;
  while (end < text_.size() && IsTextCharacter(text_[end])) ++end;
  return text_.substr(position_, end - position_);
}

bool FilterScanner::TakeSpace() {
  const size_t begin = position_;
  while (AtSpace()) ++position_;
  return position_ > begin;
}

bool FilterScanner::Take(absl::string_view token) {
  if (!absl::StartsWith(text_.substr(position_), token)) return false;
  position_ += token.size();
  return true;
}

absl::string_view FilterScanner::TakeText() {
  const absl::string_view taken = NextText();
  position_ += taken.size();
  return taken;
}

absl::StatusOr<QuotedText> FilterScanner::TakeQuoted() {
  const size_t begin = position_;
  const char quote = text_[position_++];
  QuotedText taken;
  while (!at_end() && next() != quote) {
    taken.ends_with_star = next() == '*';
    if (taken.ends_with_star && taken.value.empty()) taken.begins_with_star = true;
    if (next() != '\\') {
      taken.value.push_back(text_[position_++]);
    } else if (!TakeEscape(&taken.value)) {
      const absl::Status error = Expected("one of the escapes \\\" \\' \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX \\*");
      position_ = begin;
      return error;
    }
  }
  if (at_end()) {
    const absl::Status error =
        ErrorAt(position_, absl::StrCat("the end of the text in quotes that begins at ", begin + 1), "the end");
    position_ = begin;
    return error;
  }
  ++position_;
  return taken;
}

bool FilterScanner::TakeEscape(std::string* out) {
  const absl::string_view rest = text_.substr(position_ + 1);
  if (rest.empty()) return false;
  constexpr absl::string_view kEscapes = "\"'\\/*bfnrt";
  constexpr absl::string_view kMeanings = "\"'\\/*\b\f\n\r\t";
  if (const size_t index = kEscapes.find(rest[0]); index != absl::string_view::npos) {
    out->push_back(kMeanings[index]);
    position_ += 2;
    return true;
  }
  uint32_t unit = 0;
  if (rest[0] != 'u' || !ReadHex(rest.substr(1), &unit) || IsLowSurrogate(unit)) return false;
  if (!IsHighSurrogate(unit)) {
    AppendUtf8(unit, out);
    position_ += 6;
    return true;
  }
  uint32_t low = 0;
  if (!absl::StartsWith(rest.substr(5), "\\u") || !ReadHex(rest.substr(7), &low) || !IsLowSurrogate(low)) return false;
  AppendUtf8(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), out);
  position_ += 12;
  return true;
}

absl::StatusOr<FilterMember> FilterScanner::TakeMember(absl::string_view what) {
  FilterMember member;
  do {
    if (AtQuote()) {
      absl::StatusOr<QuotedText> quoted = TakeQuoted();
      if (!quoted.ok()) return quoted.status();
      if (member.names.empty()) member.first_quoted = *quoted;
      member.names.push_back({std::move(quoted->value), true});
      continue;
    }
    const bool is_first = member.names.empty();
    const absl::string_view text = NextText();
    if (text.empty() || (is_first && IsKeyword(text))) return Expected(is_first ? what : "a name after the point");
    member.names.push_back({std::string(TakeText()), false});
  } while (Take("."));
  return member;
}

bool FilterScanner::TakeRestOfTime(absl::string_view text) {
  // 2012-04-21T11, and then :30:00.5-04:00
  constexpr absl::string_view kPattern = "0000-00-00T00";
  if (text.size() != kPattern.size() || next() != ':') return false;
  for (size_t i = 0; i < kPattern.size(); ++i) {
    if (kPattern[i] == '0' ? !IsDigit(text[i]) : text[i] != kPattern[i]) return false;
  }
  while (!at_end() && (IsDigit(next()) || absl::StrContains(":.+-Z", text_.substr(position_, 1)))) ++position_;
  return true;
}

absl::Status FilterScanner::ExpectedAt(size_t position, absl::string_view what) const {
  if (position == text_.size()) return ErrorAt(position, what, "the end");
  absl::string_view rest = text_.substr(position);
  size_t length = 1;
  while (length < rest.size() &&
         (IsTextCharacter(rest[0]) ? IsTextCharacter(rest[length]) : IsUtf8Continuation(rest[length]))) {
    ++length;
  }
  return ErrorAt(position, what, ShownInError(rest.substr(0, length)));
}

absl::Status FilterScanner::ErrorAt(size_t position, absl::string_view expected, absl::string_view got) {
  return absl::InvalidArgumentError(absl::StrCat("position ", position + 1, ": expected ", expected, ", got ", got));
}

}  // namespace mvmd
