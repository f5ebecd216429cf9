// Streams that are open: counted, bounded, looked at again, and told when the gateway stops.
//
// There can be only so many of them, and only so many of one identity, so that nobody keeps the others out.
#ifndef MVMD_GATEWAY_STREAM_REGISTRY_H_
#define MVMD_GATEWAY_STREAM_REGISTRY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gateway/caller.h"
#include "runtime/clock.h"

namespace mvmd {

// A bridge needs one stream; the others are of connections that are lost and not yet known to be.
inline constexpr size_t kStreamsOfBridgeMax = 4;
// What one client may have of something that all clients share.
constexpr size_t ShareOfClient(size_t places) { return std::max<size_t>(places / 4, 1); }

// Counts who has how many of something. Not thread-safe.
class Places {
 public:
  // `reason` is that of the error when there are no more, `what` is for people: `bridge sessions`.
  Places(absl::string_view reason, absl::string_view what, size_t places_max);

  // RESOURCE_EXHAUSTED with the reason, when all places are taken, or `identity_places_max` of them by this identity;
  // metadata `limit` says which.
  absl::Status Take(absl::string_view identity, size_t identity_places_max);
  // Once for each Take that was OK.
  void Leave(absl::string_view identity);
  size_t taken_by(absl::string_view identity) const;

 private:
  const std::string reason_;
  const std::string what_;
  const size_t places_max_;
  size_t taken_ = 0;
  std::map<std::string, size_t, std::less<>> taken_by_;  // none of 0
};

// A stream that can be asked to end. Both calls return at once; the work is done on the stream's own strand.
class DrainableStream {
 public:
  virtual ~DrainableStream() = default;
  // The gateway is about to stop: tell the peer, who has `grace` left.
  virtual void BeginDrain(absl::Duration grace) = 0;
  // Ends with UNAVAILABLE / DRAINING: the grace is over.
  virtual void EndDrain() = 0;
  // Ends with this status.
  virtual void EndWith(absl::Status status) = 0;
};

// What is known of a stream that is open.
struct OpenStream {
  const Caller& caller;  // with the policy that let it in
  absl::Duration age;
  // -1 to 1, the same as long as it is open: to spread out what would come to all at once.
  double spread;
};

// Streams of one kind. Thread-safe.
class StreamRegistry {
 public:
  // As of Places. `clock` outlives it.
  StreamRegistry(absl::string_view reason, absl::string_view what, size_t streams_max,
                 const Clock* clock = &SystemClock::Get());

  // A stream of `caller`, who may have `identity_streams_max`. RESOURCE_EXHAUSTED with the reason; UNAVAILABLE /
  // DRAINING once BeginDrain was called. The id is for Remove, never 0.
  absl::StatusOr<uint64_t> Add(const Caller& caller, size_t identity_streams_max,
                               std::weak_ptr<DrainableStream> stream);
  void Remove(uint64_t id);
  size_t count() const;
  size_t count_of(absl::string_view identity) const;
  size_t streams_max() const { return streams_max_; }

  // Takes no more streams from now on.
  void BeginDrain(absl::Duration grace);
  // Ends all that are open.
  void EndDrain();
  // Asks `may_stay` for each one; what is not OK ends that stream. It is asked under a lock: quick, and nothing of
  // here. How many were ended.
  size_t EndUnless(const std::function<absl::Status(const OpenStream& stream)>& may_stay);
  // False when some are still open after `timeout`. Blocks.
  bool WaitUntilEmpty(absl::Duration timeout) const;

 private:
  struct Stream {
    Caller caller;
    std::weak_ptr<DrainableStream> stream;
    int64_t opened_ns;  // monotonic
    double spread;
    bool ended = false;  // it was told so
  };
  const size_t streams_max_;
  const Clock* const clock_;
  mutable absl::Mutex mutex_;
  Places places_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, Stream> streams_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_STREAM_REGISTRY_H_
