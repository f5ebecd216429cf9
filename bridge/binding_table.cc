#include "bridge/binding_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

std::string Key(absl::string_view twin, absl::string_view sensor) {
  return absl::StrCat(twin, absl::string_view("\0", 1), sensor);
}

}  // namespace

void BindingTable::Load(const std::vector<pb::Binding>& bindings) {
  for (const pb::Binding& binding : bindings) {
    ids_[Key(binding.twin(), binding.sensor())] = binding.id();
    last_id_ = std::max(last_id_, binding.id());
  }
}

uint32_t BindingTable::Bind(absl::string_view twin, absl::string_view sensor) {
  std::string key = Key(twin, sensor);
  if (auto it = ids_.find(key); it != ids_.end()) return it->second;
  if (last_id_ >= bindings_max_) return 0;
  const uint32_t id = ++last_id_;
  ids_.emplace(std::move(key), id);
  pb::Binding& binding = new_.emplace_back();
  binding.set_id(id);
  binding.set_twin(twin.data(), twin.size());
  binding.set_sensor(sensor.data(), sensor.size());
  return id;
}

std::vector<pb::Binding> BindingTable::TakeNew() { return std::exchange(new_, {}); }

}  // namespace mvmd
