// Every fuzz target by its name. The list is CMake's; `libfuzzer_main.cc` and `replay_main.cc` run them.
#ifndef MVMD_TESTS_FUZZ_TARGETS_H_
#define MVMD_TESTS_FUZZ_TARGETS_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace mvmd {

struct FuzzTarget {
  absl::string_view name;
  int (*run)(const uint8_t* data, size_t size);
};

absl::Span<const FuzzTarget> FuzzTargets();
// Null when there is none of that name.
const FuzzTarget* FindFuzzTarget(absl::string_view name);

}  // namespace mvmd

#endif  // MVMD_TESTS_FUZZ_TARGETS_H_
