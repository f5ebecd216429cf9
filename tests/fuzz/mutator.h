// Changes inputs at random, the same way for the same seed: for runs without libFuzzer.
#ifndef MVMD_TESTS_FUZZ_MUTATOR_H_
#define MVMD_TESTS_FUZZ_MUTATOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mvmd {

// Words of a libFuzzer dictionary: lines `"text"` or `name="text"` with \\, \" and \xNN, and # comments. Nothing when a
// line is neither.
std::optional<std::vector<std::string>> ParseDictionary(absl::string_view text);

// Deterministic on every platform. Not thread-safe.
class Mutator {
 public:
  // `corpus` and `words` are not owned; `corpus` is not empty.
  Mutator(uint64_t seed, const std::vector<std::string>* corpus, const std::vector<std::string>* words,
          size_t bytes_max);

  // One of the corpus with 1 to 5 changes: bits, bytes, numbers at the edges, pieces removed, doubled, moved between
  // inputs, words, truncation. At most `bytes_max` bytes.
  std::string Next();

 private:
  uint64_t Random();
  // In [0, bound); bound > 0.
  size_t Below(size_t bound) { return static_cast<size_t>(Random() % bound); }
  void Change(std::string* input);
  void FlipBit(std::string* input);
  void SetByte(std::string* input);
  void SetNumber(std::string* input);
  void RemovePiece(std::string* input);
  void DoublePiece(std::string* input);
  void SpliceOther(std::string* input);
  void InsertWord(std::string* input);

  const std::vector<std::string>& corpus_;
  const std::vector<std::string>& words_;
  const size_t bytes_max_;
  uint64_t state_;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_FUZZ_MUTATOR_H_
