// A path to values of a document, as filters and orders write it.
#ifndef MVMD_TWIN_DOCUMENT_PATH_H_
#define MVMD_TWIN_DOCUMENT_PATH_H_

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "twin/filter_scanner.h"
#include "twin/served_document.h"

namespace mvmd {

// Names from the root on. Immutable, thread-safe.
//
//   const ServedValue value = path.Resolve(root);
//
// - `sensors` has its elements by id: the second name is that of a sensor.
// - A first name that is short for another path, such as `id` or `connectionStatus`, is replaced, unless it was quoted.
class DocumentPath {
 public:
  explicit DocumentPath(const FilterMember& member);

  // Missing when a name leads nowhere, or through an array that is not `sensors`.
  ServedValue Resolve(const ServedValue& root) const;
  // Goes through arrays on the way: whatever one of their elements has. So `sensors.type` is the type of each sensor,
  // and also the sensor with the id `type`. True when `visit` returned true for one of the values.
  bool Any(const ServedValue& root, absl::FunctionRef<bool(const ServedValue&)> visit) const;

  const std::vector<std::string>& names() const { return names_; }

 private:
  bool AnyBelow(const ServedValue& value, size_t index, absl::FunctionRef<bool(const ServedValue&)> visit) const;

  std::vector<std::string> names_;
};

}  // namespace mvmd

#endif  // MVMD_TWIN_DOCUMENT_PATH_H_
