// Timers of streams.
#ifndef MVMD_GATEWAY_TIMER_QUEUE_H_
#define MVMD_GATEWAY_TIMER_QUEUE_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace mvmd {

// One thread that calls back when a time has passed, by the monotonic clock. Callbacks must not block: they hand the
// event to a strand. Thread-safe.
class TimerQueue {
 public:
  using Callback = absl::AnyInvocable<void() &&>;

  TimerQueue();
  // Callbacks that are not due are dropped.
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  // `after` not positive: as soon as possible. Returns an id for Cancel, never 0.
  uint64_t Schedule(absl::Duration after, Callback callback);
  // False when it was called, or is being called now. 0 and unknown ids do nothing.
  bool Cancel(uint64_t id);

 private:
  using Key = std::pair<std::chrono::steady_clock::time_point, uint64_t>;
  void Work();

  // Of the standard library: absl's condition variables follow the wall clock, and this one must not.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Key, Callback> timers_;
  std::map<uint64_t, std::chrono::steady_clock::time_point> due_;
  uint64_t last_id_ = 0;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_TIMER_QUEUE_H_
