#include "twin/json_path.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "twin/canonical.h"
#include "twin/json.h"

namespace mvmd {
namespace {

bool IsPlainPropertyName(absl::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '@' || c == ':' || c == '-';
  });
}

}  // namespace

void AppendPropertyName(absl::string_view name, std::string* property) {
  if (IsPlainPropertyName(name)) {
    if (!property->empty()) property->push_back('.');
    property->append(name.data(), name.size());
    return;
  }
  property->push_back('[');
  AppendCanonicalString(name, property);
  property->push_back(']');
}

void AppendPropertyIndex(size_t index, std::string* property) { absl::StrAppend(property, "[", index, "]"); }

std::string JsonPath::Pointer() const {
  std::string out;
  AppendPointer(&out);
  return out;
}

std::string JsonPath::Property() const {
  std::string out;
  AppendProperty(&out);
  return out;
}

void JsonPath::AppendPointer(std::string* out) const {
  if (is_root()) return;
  parent_->AppendPointer(out);
  if (is_element_) {
    absl::StrAppend(out, "/", index_);
  } else {
    AppendPointerToken(out, name_);
  }
}

void JsonPath::AppendProperty(std::string* out) const {
  if (is_root()) return;
  parent_->AppendProperty(out);
  if (is_element_) {
    AppendPropertyIndex(index_, out);
  } else {
    AppendPropertyName(name_, out);
  }
}

}  // namespace mvmd
