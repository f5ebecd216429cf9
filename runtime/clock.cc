#include "runtime/clock.h"

#include <ctime>

namespace mvmd {
namespace {

int64_t Now(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

const SystemClock& SystemClock::Get() {
  static const SystemClock clock;
  return clock;
}

int64_t SystemClock::UnixNanos() const { return Now(CLOCK_REALTIME); }

int64_t SystemClock::MonotonicNanos() const { return Now(CLOCK_MONOTONIC); }

}  // namespace mvmd
