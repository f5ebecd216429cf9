// How long to wait before the next try.
#ifndef MVMD_RUNTIME_BACKOFF_H_
#define MVMD_RUNTIME_BACKOFF_H_

#include <cstdint>
#include <functional>

#include "absl/time/time.h"

namespace mvmd {

// Exponential backoff with decorrelated jitter: each wait is drawn from [min, 3 * the wait before], capped at `max`, so
// that many clients that lost the same peer do not come back together. Pure: no clock, no thread; randomness is given.
// Thread-compatible.
//
//   Backoff backoff(absl::Milliseconds(100), absl::Seconds(5), RandomUnit());
//   timer.Arm(backoff.Next());      // after a failure
//   backoff.Reset();                // after a success
class Backoff {
 public:
  // 0 < min <= max. `unit` returns numbers from [0, 1).
  Backoff(absl::Duration min, absl::Duration max, std::function<double()> unit);

  // The wait before the next try, in [min, max].
  absl::Duration Next();
  // The next wait is drawn as the first one was: from [min, 3 * min].
  void Reset() { last_ = min_; }

 private:
  absl::Duration min_;
  absl::Duration max_;
  absl::Duration last_;
  std::function<double()> unit_;
};

// A generator of its own, seeded by the system. Not thread-safe.
std::function<double()> RandomUnit();
// Reproducible.
std::function<double()> SeededUnit(uint64_t seed);

}  // namespace mvmd

#endif  // MVMD_RUNTIME_BACKOFF_H_
