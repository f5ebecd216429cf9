// Takes filters and orders apart: the tokens of AIP-160.
#ifndef MVMD_TWIN_FILTER_SCANNER_H_
#define MVMD_TWIN_FILTER_SCANNER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mvmd {

// A part of a filter as errors show it: in quotes, printable, and cut when it is long.
std::string ShownInError(absl::string_view part);

// A quoted text without its quotes and escapes.
struct QuotedText {
  std::string value;
  // Its first or last character is a `*` that was written without a backslash.
  bool begins_with_star = false;
  bool ends_with_star = false;
};

// value {DOT field}: a path, or a literal with points in it.
struct FilterMember {
  struct Name {
    std::string text;
    bool is_quoted = false;
  };
  std::vector<Name> names;  // at least one
  QuotedText first_quoted;  // of the first name, when it is quoted

  // One text in quotes.
  bool is_quoted() const { return names.size() == 1 && names[0].is_quoted; }
  // No name is quoted, so that it is what was written.
  bool is_plain() const;
};

// Reads a text from its start, which is not owned. Nothing is taken by what fails.
//
//   WS      blank, tab, line feed, carriage return
//   TEXT    one or more characters that are no WS, no control character and none of  " ' ( ) . , : = < > !
//   STRING  in " or ', with the escapes \" \' \\ \/ \b \f \n \r \t \uXXXX of JSON, and \* for a star that is no
//   wildcard
class FilterScanner {
 public:
  // AND, OR, NOT: in capitals only.
  static bool IsKeyword(absl::string_view text) { return text == "AND" || text == "OR" || text == "NOT"; }

  explicit FilterScanner(absl::string_view text) : text_(text) {}

  // INVALID_ARGUMENT when the text is larger than `bytes_max` or is no UTF-8.
  absl::Status CheckText(size_t bytes_max) const;

  size_t position() const { return position_; }
  void GoBackTo(size_t position) { position_ = position; }
  bool at_end() const { return position_ == text_.size(); }
  // NUL at the end.
  char next() const { return at_end() ? '\0' : text_[position_]; }
  bool AtSpace() const;
  bool AtQuote() const { return next() == '"' || next() == '\''; }
  // The TEXT that comes; empty: there is none.
  absl::string_view NextText() const;
  // What was taken since.
  absl::string_view TakenSince(size_t begin) const { return text_.substr(begin, position_ - begin); }

  // True when there was some.
  bool TakeSpace();
  bool Take(absl::string_view token);
  absl::string_view TakeText();
  // At a quote.
  absl::StatusOr<QuotedText> TakeQuoted();
  // `what` is what the error says was expected. A first name is no keyword; a later one may be.
  absl::StatusOr<FilterMember> TakeMember(absl::string_view what);
  // After the TEXT `text`: the rest of an RFC 3339 time, if it begins one; colons and points are no part of a TEXT.
  // False: nothing was taken.
  bool TakeRestOfTime(absl::string_view text);

  // INVALID_ARGUMENT: the position, what was expected there, and what stands there.
  absl::Status Expected(absl::string_view what) const { return ExpectedAt(position_, what); }
  absl::Status ExpectedAt(size_t position, absl::string_view what) const;
  static absl::Status ErrorAt(size_t position, absl::string_view expected, absl::string_view got);

 private:
  bool TakeEscape(std::string* out);

  const absl::string_view text_;
  size_t position_ = 0;
};

}  // namespace mvmd

#endif  // MVMD_TWIN_FILTER_SCANNER_H_
