#include "twin/text_search.h"

#include "absl/strings/ascii.h"

namespace mvmd {

TextSearch::TextSearch(absl::string_view pattern)
    : pattern_(absl::AsciiStrToLower(pattern)), borders_(pattern.size(), 0) {
  size_t border = 0;
  for (size_t i = 1; i < pattern_.size(); ++i) {
    while (border > 0 && pattern_[i] != pattern_[border]) border = borders_[border - 1];
    if (pattern_[i] == pattern_[border]) ++border;
    borders_[i] = border;
  }
}

bool TextSearch::IsIn(absl::string_view text) const {
  if (pattern_.size() > text.size()) return false;
  size_t matched = 0;
  for (char c : text) {
    if (matched == pattern_.size()) break;
    const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
    while (matched > 0 && lower != pattern_[matched]) matched = borders_[matched - 1];
    if (lower == pattern_[matched]) ++matched;
  }
  return matched == pattern_.size();
}

}  // namespace mvmd
