// Where a value stands in a document, as a chain on the stack: nothing is allocated until somebody asks for its text.
#ifndef MVMD_TWIN_JSON_PATH_H_
#define MVMD_TWIN_JSON_PATH_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace mvmd {

// One step from a parent. The parent and the name are not owned and outlive the path.
//
//   JsonPath root;
//   JsonPath sensors = root.Member("sensors");
//   JsonPath first = sensors.Element(0);
//   first.Member("unit").Pointer();   // "/sensors/0/unit"
//   first.Member("unit").Property();  // "sensors[0].unit"
class JsonPath {
 public:
  JsonPath() = default;  // the root
  JsonPath(const JsonPath&) = delete;
  JsonPath& operator=(const JsonPath&) = delete;

  JsonPath Member(absl::string_view name) const& { return JsonPath(this, name, 0, false); }
  JsonPath Element(size_t index) const& { return JsonPath(this, {}, index, true); }
  // A chain through a temporary would point at nothing.
  JsonPath Member(absl::string_view name) const&& = delete;
  JsonPath Element(size_t index) const&& = delete;

  bool is_root() const { return parent_ == nullptr; }

  // RFC 6901.
  std::string Pointer() const;
  // As MVMD's validator writes it, see docs/validation.md.
  std::string Property() const;

 private:
  JsonPath(const JsonPath* parent, absl::string_view name, size_t index, bool is_element)
      : parent_(parent), name_(name), index_(index), is_element_(is_element) {}

  void AppendPointer(std::string* out) const;
  void AppendProperty(std::string* out) const;

  const JsonPath* parent_ = nullptr;
  absl::string_view name_;
  size_t index_ = 0;
  bool is_element_ = false;
};

// One step of a property path, appended to what is there.
void AppendPropertyName(absl::string_view name, std::string* property);
void AppendPropertyIndex(size_t index, std::string* property);

}  // namespace mvmd

#endif  // MVMD_TWIN_JSON_PATH_H_
