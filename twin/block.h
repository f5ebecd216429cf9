// Samples <-> Block: the columnar form of outbox, wire and log. Format: docs/protocol.md, "Block".
#ifndef MVMD_TWIN_BLOCK_H_
#define MVMD_TWIN_BLOCK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "mvmd/twin/v1alpha1/block.pb.h"
#include "twin/sample.h"

namespace mvmd {

inline constexpr uint32_t kBlockSamplesMax = 65536;
// Of all blocks of a frame group. Columns of equal values take next to no bytes, so that bytes bound nothing.
inline constexpr uint64_t kGroupSamplesMax = uint64_t{1} << 20;

// Encodes samples, given in the order of arrival: groups them by binding (stable), 1 to kBlockSamplesMax of them.
// Numbers must be finite, texts UTF-8; a quality that is not uncertain or bad counts as good.
// Lossless: DecodeBlock gives back the same values bit for bit (-0 included), times and qualities. Deterministic.
// `block` is cleared; a reused one spares allocations. Thread-safe.
void EncodeBlock(absl::Span<const Sample> samples, mvmd::twin::v1alpha1::Block* block);

// A decoded block in columns. `runs` are sorted by binding; samples of run r are [runs[r].begin, runs[r].begin +
// count). Several runs in a row have the same binding when the type of a sensor's values changed: their samples follow
// each other in the order of arrival. Reused between blocks to spare allocations.
struct DecodedBlock {
  enum class Kind : uint8_t { kNumber, kBoolean, kText };
  struct Run {
    uint32_t binding;
    uint32_t begin;
    uint32_t count;
    Kind kind;
  };
  std::vector<Run> runs;
  std::vector<int64_t> times_unix_ns;  // per sample
  std::vector<double> numbers;         // per sample; booleans as 0 and 1; 0 for text
  std::vector<std::string> texts;      // per sample of a text run, in order
  std::vector<uint8_t> qualities;      // per sample a Quality, or empty when all are good
  std::vector<uint32_t> text_index;    // per sample when there is text, else empty

  // `i`: sample index, in [run.begin, run.begin + run.count).
  SampleValue ValueAt(const Run& run, uint32_t i) const;
  Quality QualityAt(uint32_t i) const {
    return qualities.empty() ? mvmd::twin::v1alpha1::QUALITY_GOOD : static_cast<Quality>(qualities[i]);
  }
};

// INVALID_ARGUMENT naming the column that is wrong; memory is bounded by the message's own size, whatever is in it.
// `out` is overwritten, and unspecified after an error. Texts are not checked for UTF-8: parsing the message has done
// that. Whether a binding is known, is the caller's to check. Thread-safe.
absl::Status DecodeBlock(const mvmd::twin::v1alpha1::Block& block, DecodedBlock* out);

}  // namespace mvmd

#endif  // MVMD_TWIN_BLOCK_H_
