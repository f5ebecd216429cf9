// Readings and samples: what a sensor said, when.
#ifndef MVMD_TWIN_SAMPLE_H_
#define MVMD_TWIN_SAMPLE_H_

#include <cstdint>
#include <string>
#include <variant>

#include "mvmd/twin/v1alpha1/block.pb.h"

namespace mvmd {

// A finite number, a boolean or text. Which one it is, is part of the value.
using SampleValue = std::variant<double, bool, std::string>;

using mvmd::twin::v1alpha1::Quality;

// One value of one sensor; `binding` stands for (twin, sensor) within an epoch.
struct Sample {
  uint32_t binding = 0;
  int64_t time_unix_ns = 0;  // at the source
  SampleValue value;
  Quality quality = mvmd::twin::v1alpha1::QUALITY_GOOD;
};

}  // namespace mvmd

#endif  // MVMD_TWIN_SAMPLE_H_
