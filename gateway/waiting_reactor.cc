#include "gateway/waiting_reactor.h"

#include <utility>

namespace mvmd {

WaitingReactor* WaitingReactor::Start(Committer* committer, TimerQueue* timers) {
  auto reactor = std::make_shared<WaitingReactor>(committer, timers);
  reactor->self_ = reactor;
  return reactor.get();
}

void WaitingReactor::WaitFor(uint64_t revision, absl::Duration time_max, Done done) {
  {
    absl::MutexLock lock(&mutex_);
    done_ = std::move(done);
  }
  const auto end_with = [weak = weak_from_this()](End end) {
    return [weak, end] {
      if (const std::shared_ptr<WaitingReactor> self = weak.lock()) self->EndWait(end);
    };
  };
  const uint64_t timer = timers_->Schedule(time_max, end_with(End::kLate));
  const uint64_t notification = committer_->recent().NotifyAt(revision, end_with(End::kApplied));
  bool has_ended = false;
  {
    absl::MutexLock lock(&mutex_);
    timer_ = timer;
    notification_ = notification;
    has_ended = done_ == nullptr;
  }
  // It did not know what to take back.
  if (has_ended) TakeBack(timer, notification);
}

void WaitingReactor::OnDone() { const std::shared_ptr<WaitingReactor> last = std::move(self_); }

void WaitingReactor::EndWait(End end) {
  Done done;
  uint64_t timer = 0;
  uint64_t notification = 0;
  {
    absl::MutexLock lock(&mutex_);
    done = std::exchange(done_, nullptr);
    timer = timer_;
    // Not from within itself.
    if (end != End::kApplied) notification = notification_;
  }
  if (done == nullptr) return;  // does not wait, or no longer
  TakeBack(timer, notification);
  std::move(done)(end);
}

void WaitingReactor::TakeBack(uint64_t timer, uint64_t notification) {
  timers_->Cancel(timer);
  if (notification != 0) committer_->recent().Cancel(notification);
}

}  // namespace mvmd
