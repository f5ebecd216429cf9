// (twin, sensor) -> small integer, dense from 1 within an epoch.
#ifndef MVMD_BRIDGE_BINDING_TABLE_H_
#define MVMD_BRIDGE_BINDING_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/block.pb.h"

namespace mvmd {

// Names come from topics, which anybody may invent: beyond it nothing is bound.
inline constexpr uint32_t kBindingsMax = 262144;

// Not thread-safe.
class BindingTable {
 public:
  explicit BindingTable(uint32_t bindings_max = kBindingsMax) : bindings_max_(bindings_max) {}

  // Those of earlier lives of this outbox, by id.
  void Load(const std::vector<mvmd::twin::v1alpha1::Binding>& bindings);

  // The id; 0 when the table is full.
  uint32_t Bind(absl::string_view twin, absl::string_view sensor);

  // Made since the last call, in the order of their ids; to be committed before the first block that uses them.
  std::vector<mvmd::twin::v1alpha1::Binding> TakeNew();
  bool has_new() const { return !new_.empty(); }

 private:
  const uint32_t bindings_max_;
  uint32_t last_id_ = 0;
  absl::flat_hash_map<std::string, uint32_t> ids_;  // twin NUL sensor
  std::vector<mvmd::twin::v1alpha1::Binding> new_;
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_BINDING_TABLE_H_
