// Conditioner: what must hold of a reading before it is a sample.
#ifndef MVMD_BRIDGE_CONDITIONER_H_
#define MVMD_BRIDGE_CONDITIONER_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "bridge/decoder.h"
#include "bridge/twin_catalog.h"
#include "twin/sample.h"

namespace mvmd {

inline constexpr size_t kSampleTextBytesMax = 4096;

// Why a reading is refused; kOk: it is not.
struct ConditionResult {
  enum class Code { kOk, kUnitMismatch, kTextTooLong, kNotFinite };
  Code code = Code::kOk;
  std::string message;  // what was expected and what came
};

// Takes the reading's value into `sample` (its binding is left alone): time of arrival where it has none, numbers
// finite, text bounded, unit equal to the document's when both are said. Times far off are kept: the gateway flags
// them. Stateless, thread-safe. `local` may be null.
ConditionResult Condition(Reading reading, int64_t arrival_unix_ns, const LocalSensor* local, Sample* sample);

// Same unit under another name: `C`, `°C`, `Cel`, `celsius`. In any case where that is not ambiguous.
bool SameUnit(absl::string_view a, absl::string_view b);

}  // namespace mvmd

#endif  // MVMD_BRIDGE_CONDITIONER_H_
