// What fuzz targets share. A target is one file, `<name>_fuzz.cc`, that defines LLVMFuzzerTestOneInput as libFuzzer has
// it; CMake gives each its own name, so that one program holds all (see targets.h). It aborts when a promise is broken.
#ifndef MVMD_TESTS_FUZZ_FUZZ_H_
#define MVMD_TESTS_FUZZ_FUZZ_H_

#include <algorithm>
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

// Takes an input apart, for targets that read a sequence of steps. Once it is used up, everything is 0 and empty.
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : rest_(FuzzText(data, size)) {}

  bool done() const { return rest_.empty(); }

  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return byte;
  }

  // Little-endian, `bytes` of them.
  uint64_t Number(int bytes) {
    uint64_t number = 0;
    for (int i = 0; i < bytes; ++i) number |= uint64_t{Byte()} << (8 * i);
    return number;
  }

  // Its length in two bytes, then the bytes: as many as there are.
  absl::string_view Bytes() {
    const size_t length = Number(2);
    const absl::string_view bytes = rest_.substr(0, length);
    rest_.remove_prefix(bytes.size());
    return bytes;
  }

  // Up to the next line feed, which is taken too.
  absl::string_view Line() {
    const absl::string_view line = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(std::min(line.size() + 1, rest_.size()));
    return line;
  }

  absl::string_view Rest() {
    const absl::string_view rest = rest_;
    rest_ = {};
    return rest;
  }

 private:
  absl::string_view rest_;
};

}  // namespace mvmd

// 0: the input may go into the corpus.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#endif  // MVMD_TESTS_FUZZ_FUZZ_H_
