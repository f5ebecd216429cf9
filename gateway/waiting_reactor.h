// The reactor of a call that may wait for a revision; no thread waits with it.
#ifndef MVMD_GATEWAY_WAITING_REACTOR_H_
#define MVMD_GATEWAY_WAITING_REACTOR_H_

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gateway/committer.h"
#include "gateway/timer_queue.h"
#include "grpcpp/support/server_callback.h"

namespace mvmd {

//   WaitFor --+--> applied (the committer's thread, or at once) --+--> the first one ends the wait,
//             +--> late (a timer)                               --+    and takes back the others
//             +--> OnCancel (gRPC: the client is gone)          --+
//
// Owns itself until OnDone. Thread-safe.
class WaitingReactor final : public grpc::ServerUnaryReactor, public std::enable_shared_from_this<WaitingReactor> {
 public:
  enum class End { kApplied, kLate, kCancelled };
  // Must not block; runs on the thread of what came first.
  using Done = absl::AnyInvocable<void(End end) &&>;

  // Both outlive it.
  static WaitingReactor* Start(Committer* committer, TimerQueue* timers);
  WaitingReactor(Committer* committer, TimerQueue* timers) : committer_(committer), timers_(timers) {}

  // Once, and before gRPC has the reactor: a cancellation comes later.
  void WaitFor(uint64_t revision, absl::Duration time_max, Done done);

  void OnCancel() override { EndWait(End::kCancelled); }
  void OnDone() override;

 private:
  void EndWait(End end);
  void TakeBack(uint64_t timer, uint64_t notification);

  Committer* const committer_;
  TimerQueue* const timers_;
  std::shared_ptr<WaitingReactor> self_;  // until OnDone
  absl::Mutex mutex_;
  Done done_ ABSL_GUARDED_BY(mutex_);  // null: does not wait
  uint64_t timer_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t notification_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_WAITING_REACTOR_H_
