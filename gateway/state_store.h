// Where checkpoints of the state live.
#ifndef MVMD_GATEWAY_STATE_STORE_H_
#define MVMD_GATEWAY_STATE_STORE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gateway/twin_state.h"

namespace mvmd {

// One caller at a time, except for FindKeyframes, which is thread-safe.
class StateStore {
 public:
  virtual ~StateStore() = default;
  // All of the checkpoint or nothing. Need not be durable at once: the log is replayed from the last one that is.
  virtual absl::Status Save(const Checkpoint& checkpoint) = 0;
  // Calls `each` with every key and value, except for keyframes (keys that begin with kKeyframeKind), which may be left
  // out; returns the revision of the last checkpoint, 0 when there is none.
  virtual absl::StatusOr<uint64_t> Load(
      const std::function<absl::Status(absl::string_view key, absl::string_view value)>& each) = 0;

  // Values of the twin's keyframes next to `revision`; nullopt: there is none. Blocks.
  struct Keyframes {
    std::optional<std::string> before;   // the newest one up to `revision`
    std::optional<std::string> from_on;  // the oldest one from `revision` on
  };
  virtual absl::StatusOr<Keyframes> FindKeyframes(absl::string_view twin, uint64_t revision) const = 0;
  // Forgets the keyframes of all twins before `revision`.
  virtual absl::Status TrimKeyframes(uint64_t revision) = 0;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_STATE_STORE_H_
