#include "gateway/timer_queue.h"

#include <algorithm>

namespace mvmd {

TimerQueue::TimerQueue() : thread_([this] { Work(); }) {}

TimerQueue::~TimerQueue() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

uint64_t TimerQueue::Schedule(absl::Duration after, Callback callback) {
  // Longer ones would overflow the clock; nobody waits that long.
  const absl::Duration bounded = std::clamp(after, absl::ZeroDuration(), absl::Hours(24 * 365));
  const auto due = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(bounded);
  uint64_t id = 0;
  bool first = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    id = ++last_id_;
    const auto place = timers_.emplace(Key(due, id), std::move(callback)).first;
    due_.emplace(id, due);
    first = place == timers_.begin();
  }
  if (first) changed_.notify_one();
  return id;
}

bool TimerQueue::Cancel(uint64_t id) {
  Callback dropped;  // destroyed outside of the lock: it may own what cancels other timers
  std::lock_guard<std::mutex> lock(mutex_);
  const auto due = due_.find(id);
  if (due == due_.end()) return false;
  const auto timer = timers_.find(Key(due->second, id));
  dropped = std::move(timer->second);
  timers_.erase(timer);
  due_.erase(due);
  return true;
}

void TimerQueue::Work() {
  std::map<Key, Callback> left;  // destroyed last, without the lock
  std::unique_lock<std::mutex> lock(mutex_);
  while (!closing_) {
    if (timers_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto next = timers_.begin();
    const auto due = next->first.first;
    if (std::chrono::steady_clock::now() < due) {
      changed_.wait_until(lock, due);
      continue;
    }
    Callback callback = std::move(next->second);
    due_.erase(next->first.second);
    timers_.erase(next);
    lock.unlock();
    std::move(callback)();
    callback = nullptr;
    lock.lock();
  }
  left.swap(timers_);
  due_.clear();
  lock.unlock();
}

}  // namespace mvmd
