#include "tests/sim/scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"

namespace mvmd {

void Scheduler::At(absl::Time when, std::function<void()> event) {
  events_.push({std::max(when, now_), ++last_number_, std::move(event)});
}

bool Scheduler::RunOne() {
  if (events_.empty()) return false;
  // The queue gives const access only; the event is removed before it runs and may add others.
  Event event = events_.top();
  events_.pop();
  now_ = event.when;
  ++events_run_;
  event.run();
  return true;
}

absl::Duration Scheduler::Between(absl::Duration low, absl::Duration high) {
  const int64_t range_ns = absl::ToInt64Nanoseconds(high - low);
  return low + absl::Nanoseconds(static_cast<int64_t>(Pick(static_cast<uint64_t>(range_ns) + 1)));
}

void Scheduler::Fail(std::string what) {
  if (!failure_.empty()) return;
  Trace("FAILED ", what);
  failure_ = std::move(what);
}

std::string Scheduler::Stamp() const {
  return absl::StrFormat("%9.3f  ", absl::ToDoubleSeconds(now_ - absl::FromUnixSeconds(1'700'000'000)));
}

void Process::Start() {
  if (up_) return;
  up_ = true;
  ++life_;
  scheduler_->Trace(name_, " starts");
  OnStart();
}

void Process::Crash(absl::string_view where) {
  if (!up_) return;
  scheduler_->Trace(name_, " CRASHES: ", where);
  up_ = false;
  ++life_;
  ++crashes_;
  frozen_until_ = absl::InfinitePast();
  held_.clear();
  OnCrash();
  scheduler_->After(scheduler_->Between(absl::Milliseconds(1), crash_plan_.down_max), [this] { Start(); });
}

void Process::Freeze(absl::Duration duration) {
  if (!up_) return;
  scheduler_->Trace(name_, " freezes for ", absl::FormatDuration(duration));
  frozen_until_ = std::max(frozen_until_, scheduler_->now() + duration);
  scheduler_->At(frozen_until_, [this] { Thaw(); });
}

void Process::Thaw() {
  while (!held_.empty() && scheduler_->now() >= frozen_until_) {
    const std::function<void()> event = std::move(held_.front());
    held_.pop_front();
    event();
  }
}

void Process::Run(uint64_t life, std::function<void()> event) {
  if (life != life_ || !up_) return;
  if (held_.empty() && scheduler_->now() >= frozen_until_) return event();
  held_.push_back(std::move(event));
}

void Process::After(absl::Duration delay, std::function<void()> event) {
  scheduler_->After(delay, [this, life = life_, event = std::move(event)]() mutable { Run(life, std::move(event)); });
}

bool Process::CrashPoint(absl::string_view where) {
  const uint64_t point = crash_points_passed_++;
  if (point != crash_plan_.at_point && !(crash_plan_.chance > 0 && scheduler_->Chance(crash_plan_.chance)))
    return false;
  Crash(absl::StrCat(where, " (point ", point, ")"));
  return true;
}

}  // namespace mvmd
