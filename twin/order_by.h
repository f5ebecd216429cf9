// Orders of ListTwins: `order_by` of AIP-132, over documents as they are served.
#ifndef MVMD_TWIN_ORDER_BY_H_
#define MVMD_TWIN_ORDER_BY_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "twin/document_path.h"
#include "twin/served_document.h"

namespace mvmd {

inline constexpr size_t kOrderByBytesMax = 4096;
inline constexpr size_t kOrderKeysMax = 4;
// Of a text: what lies behind does not count for the order, and what is kept of a document stays small.
inline constexpr size_t kOrderTextBytesMax = 256;

// `path [asc | desc] {, path [asc | desc]}`. Immutable, thread-safe.
//
// A document's place is a string of bytes, its key: the keys of documents compare as the order wants them. Ascending:
// booleans, numbers, dates and times, durations, other texts by their code points; each kind by its value. An object
// has the place of its `name`. What has no place (missing, array, an object without a name) is last, whichever the
// direction.
class OrderBy {
 public:
  // No order: all keys are empty.
  OrderBy() = default;
  // INVALID_ARGUMENT, `position 12: expected ..., got ...`; positions are bytes, from 1.
  static absl::StatusOr<OrderBy> Parse(absl::string_view text);

  bool is_empty() const { return terms_.empty(); }
  // At most about 2 KiB.
  std::string KeyOf(const ServedValue& document) const;

 private:
  struct Term {
    DocumentPath path;
    bool is_descending;
  };

  std::vector<Term> terms_;
};

}  // namespace mvmd

#endif  // MVMD_TWIN_ORDER_BY_H_
