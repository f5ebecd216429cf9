// Where checkpoints of the state live.
#ifndef MVMD_GATEWAY_STATE_STORE_H_
#define MVMD_GATEWAY_STATE_STORE_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gateway/twin_state.h"

namespace mvmd {

// One caller at a time.
class StateStore {
 public:
  virtual ~StateStore() = default;
  // All of the checkpoint or nothing. Need not be durable at once: the log is replayed from the last one that is.
  virtual absl::Status Save(const Checkpoint& checkpoint) = 0;
  // Calls `each` with every key and value; returns the revision of the last checkpoint, 0 when there is none.
  virtual absl::StatusOr<uint64_t> Load(
      const std::function<absl::Status(absl::string_view key, absl::string_view value)>& each) = 0;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_STATE_STORE_H_
