// Finds a text within others.
#ifndef MVMD_TWIN_TEXT_SEARCH_H_
#define MVMD_TWIN_TEXT_SEARCH_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mvmd {

// Without regard to the case of ASCII letters, in time linear in the text (Knuth, Morris, Pratt), so that no pair of
// pattern and text is expensive. Immutable, thread-safe.
class TextSearch {
 public:
  explicit TextSearch(absl::string_view pattern);

  bool IsIn(absl::string_view text) const;

 private:
  std::string pattern_;  // lower case
  // Of the first i + 1 bytes of the pattern: the length of the longest proper prefix that is also their end.
  std::vector<size_t> borders_;
};

}  // namespace mvmd

#endif  // MVMD_TWIN_TEXT_SEARCH_H_
