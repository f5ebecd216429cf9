#include "twin/document_path.h"

#include <algorithm>
#include <iterator>

namespace mvmd {
namespace {

// docs/protocol.md, Filters, has the list.
constexpr absl::string_view kOfSynchronization[] = {"connectionStatus", "endpoint",  "lastSynced",
                                                    "latency",          "mechanism", "updateFrequency"};

}  // namespace

DocumentPath::DocumentPath(const FilterMember& member) {
  const FilterMember::Name& first = member.names[0];
  if (!first.is_quoted && first.text == "id") {
    names_ = {"identifier", "value"};
  } else if (!first.is_quoted &&
             std::count(std::begin(kOfSynchronization), std::end(kOfSynchronization), first.text) != 0) {
    names_ = {"synchronization", first.text};
  } else {
    names_ = {first.text};
  }
  for (size_t i = 1; i < member.names.size(); ++i) names_.push_back(member.names[i].text);
}

ServedValue DocumentPath::Resolve(const ServedValue& root) const {
  ServedValue value = root;
  for (const std::string& name : names_) {
    value = value.is_sensors() ? value.Sensor(name) : value.Member(name);
    if (value.is_missing()) break;
  }
  return value;
}

bool DocumentPath::Any(const ServedValue& root, absl::FunctionRef<bool(const ServedValue&)> visit) const {
  return AnyBelow(root, 0, visit);
}

bool DocumentPath::AnyBelow(const ServedValue& value, size_t index,
                            absl::FunctionRef<bool(const ServedValue&)> visit) const {
  if (value.is_missing()) return false;
  if (index == names_.size()) return visit(value);
  if (value.kind() != ServedValue::Kind::kArray) return AnyBelow(value.Member(names_[index]), index + 1, visit);
  if (AnyBelow(value.Sensor(names_[index]), index + 1, visit)) return true;
  return value.AnyElement([&](const ServedValue& element) { return AnyBelow(element, index, visit); });
}

}  // namespace mvmd
