// What fuzz targets share.
#ifndef MVMD_TESTS_FUZZ_FUZZ_H_
#define MVMD_TESTS_FUZZ_FUZZ_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"

namespace mvmd {

inline absl::string_view FuzzText(const uint8_t* data, size_t size) {
  return absl::string_view(reinterpret_cast<const char*>(data), size);
}

// A promise that any input could break.
inline void Ensure(bool kept) {
  if (!kept) std::abort();
}

}  // namespace mvmd

// Called by libFuzzer; 0: the input may go into the corpus.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#endif  // MVMD_TESTS_FUZZ_FUZZ_H_
