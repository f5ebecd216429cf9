#include "runtime/backoff.h"

#include <algorithm>
#include <memory>
#include <random>
#include <utility>

namespace mvmd {

Backoff::Backoff(absl::Duration min, absl::Duration max, std::function<double()> unit)
    : min_(min), max_(std::max(min, max)), last_(min), unit_(std::move(unit)) {}

absl::Duration Backoff::Next() {
  // "Decorrelated jitter": spreads as widely as full jitter, yet never waits less than the minimum, and the growth
  // follows from the last draw instead of a count of tries.
  const absl::Duration high = std::min(max_, last_ * 3);
  last_ = std::clamp(min_ + (high - min_) * unit_(), min_, max_);
  return last_;
}

std::function<double()> SeededUnit(uint64_t seed) {
  auto generator = std::make_shared<std::mt19937_64>(seed);
  // 53 bits, so that the result is below 1 whatever the rounding mode.
  return [generator] { return static_cast<double>((*generator)() >> 11) * 0x1.0p-53; };
}

std::function<double()> RandomUnit() {
  std::random_device device;
  return SeededUnit((uint64_t{device()} << 32) | device());
}

}  // namespace mvmd
