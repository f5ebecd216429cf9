// Decoders: one MQTT message -> readings. No I/O.
#ifndef MVMD_BRIDGE_DECODER_H_
#define MVMD_BRIDGE_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "twin/sample.h"

namespace mvmd {

// What a message says; nothing is known of twins here. Views are of the decoder or the message.
struct Reading {
  absl::string_view name;
  SampleValue value;
  std::optional<int64_t> time_unix_ns;  // not set: the message has none, the time of arrival applies
  absl::string_view unit;               // as carried; empty: not said
  Quality quality = mvmd::twin::v1alpha1::QUALITY_GOOD;
};

// A larger message is refused, not cut.
inline constexpr size_t kReadingsMax = 4096;

// A reading that could not be taken.
struct BadReading {
  std::string name;     // empty: not known
  std::string pointer;  // JSON Pointer of what is wrong; empty: the payload itself
  std::string message;  // what was expected, what came
};

// Those of one message. A payload can have one every few bytes, so only the first are described.
class BadReadings {
 public:
  static constexpr size_t kDescribedMax = 16;

  // `describe` is called for the first ones only.
  void Add(absl::FunctionRef<BadReading()> describe) {
    if (count_++ < kDescribedMax) described_.push_back(describe());
  }
  void Clear() {
    described_.clear();
    count_ = 0;
  }
  bool empty() const { return count_ == 0; }
  uint64_t count() const { return count_; }
  const std::vector<BadReading>& described() const { return described_; }
  // Those that are not described.
  uint64_t more() const { return count_ - described_.size(); }

 private:
  std::vector<BadReading> described_;
  uint64_t count_ = 0;
};

// Not thread-safe: it has buffers of its own that are used again.
class Decoder {
 public:
  virtual ~Decoder() = default;

  // `readings` is overwritten, in the payload's order; its views hold until the next call and as long as `topic` and
  // `payload`. `bad` is overwritten: those that could not be taken, which is no harm to the others. Neither and OK: a
  // message that says nothing (null, NaN, `Online`, empty). INVALID_ARGUMENT: the message as a whole is not what was
  // expected; what was and what came. Both are then empty.
  virtual absl::Status Decode(absl::string_view topic, absl::string_view payload, std::vector<Reading>* readings,
                              BadReadings* bad) = 0;
};

// INVALID_ARGUMENT names the key within the decoder: `json.readings[0].value: ...`. A route without a decoder has
// `json`.
absl::StatusOr<std::unique_ptr<Decoder>> MakeDecoder(const mvmd::twin::v1alpha1::Route& route);

// `json`, `scalar`, `scalar:number`, `scalar:boolean`, `scalar:text`; for command lines.
absl::StatusOr<std::unique_ptr<Decoder>> MakeDecoderByName(absl::string_view name);

// The last topic level that says something: a trailing `state` or `value` is passed over.
absl::string_view ReadingNameOfTopic(absl::string_view topic);

}  // namespace mvmd

#endif  // MVMD_BRIDGE_DECODER_H_
