// Streams that are open: counted, bounded, and told when the gateway stops.
#ifndef MVMD_GATEWAY_STREAM_REGISTRY_H_
#define MVMD_GATEWAY_STREAM_REGISTRY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace mvmd {

// A stream that can be asked to end. Both calls return at once; the work is done on the stream's own strand.
class DrainableStream {
 public:
  virtual ~DrainableStream() = default;
  // The gateway is about to stop: tell the peer, who has `grace` left.
  virtual void BeginDrain(absl::Duration grace) = 0;
  // Ends with UNAVAILABLE / DRAINING: the grace is over, or the peer is to connect again under a new policy.
  virtual void EndDrain() = 0;
};

// Streams of one kind. Thread-safe.
class StreamRegistry {
 public:
  // `reason` is that of the error when there are more than `streams_max`, `what` is for people: `bridge sessions`.
  StreamRegistry(absl::string_view reason, absl::string_view what, size_t streams_max);

  // RESOURCE_EXHAUSTED with the reason; UNAVAILABLE / DRAINING once BeginDrain was called. The id is for Remove, never
  // 0.
  absl::StatusOr<uint64_t> Add(std::weak_ptr<DrainableStream> stream);
  void Remove(uint64_t id);
  size_t count() const;

  // Takes no more streams from now on.
  void BeginDrain(absl::Duration grace);
  // Ends all that are open; without BeginDrain, new ones can come.
  void EndDrain();
  // False when some are still open after `timeout`. Blocks.
  bool WaitUntilEmpty(absl::Duration timeout) const;

 private:
  const std::string reason_;
  const std::string what_;
  const size_t streams_max_;
  mutable absl::Mutex mutex_;
  std::map<uint64_t, std::weak_ptr<DrainableStream>> streams_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_STREAM_REGISTRY_H_
