// Gaps that a bridge has recorded since its start, by reason.
#ifndef MVMD_BRIDGE_GAP_COUNTS_H_
#define MVMD_BRIDGE_GAP_COUNTS_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "mvmd/twin/v1alpha1/block.pb.h"

namespace mvmd {

// Thread-safe.
class GapCounts {
 public:
  using Reason = mvmd::twin::v1alpha1::Gap::Reason;

  void Add(Reason reason) { counts_[static_cast<size_t>(reason)].fetch_add(1, std::memory_order_relaxed); }
  uint64_t count(Reason reason) const { return counts_[static_cast<size_t>(reason)].load(std::memory_order_relaxed); }

 private:
  std::array<std::atomic<uint64_t>, mvmd::twin::v1alpha1::Gap::Reason_ARRAYSIZE> counts_{};
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_GAP_COUNTS_H_
