// Time as an object, so that tests can advance it.
#ifndef MVMD_RUNTIME_CLOCK_H_
#define MVMD_RUNTIME_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace mvmd {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since the Unix epoch; may jump with the system's clock.
  virtual int64_t UnixNanos() const = 0;
  // Nanoseconds since some moment; never goes back, and says nothing across processes.
  virtual int64_t MonotonicNanos() const = 0;
};

// The machine's clocks (CLOCK_REALTIME, CLOCK_MONOTONIC).
class SystemClock final : public Clock {
 public:
  // Lives as long as the process.
  static const SystemClock& Get();

  int64_t UnixNanos() const override;
  int64_t MonotonicNanos() const override;
};

// Stands still until it is told.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(int64_t unix_ns = 0) : unix_ns_(unix_ns) {}

  int64_t UnixNanos() const override { return unix_ns_.load(std::memory_order_acquire); }
  int64_t MonotonicNanos() const override { return monotonic_ns_.load(std::memory_order_acquire); }

  // Moves both clocks on.
  void Advance(absl::Duration by) {
    unix_ns_.fetch_add(absl::ToInt64Nanoseconds(by), std::memory_order_acq_rel);
    monotonic_ns_.fetch_add(absl::ToInt64Nanoseconds(by), std::memory_order_acq_rel);
  }
  // A jump of the system's clock: the monotonic one does not notice.
  void JumpTo(int64_t unix_ns) { unix_ns_.store(unix_ns, std::memory_order_release); }

 private:
  std::atomic<int64_t> unix_ns_;
  std::atomic<int64_t> monotonic_ns_{0};
};

}  // namespace mvmd

#endif  // MVMD_RUNTIME_CLOCK_H_
