// Decoders: one MQTT message -> readings. No I/O.
#ifndef MVMD_BRIDGE_DECODER_H_
#define MVMD_BRIDGE_DECODER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

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

// Not thread-safe: it has buffers of its own that are used again.
class Decoder {
 public:
  virtual ~Decoder() = default;

  // `readings` is overwritten, in the payload's order; its views hold until the next call and as long as `topic` and
  // `payload`. No readings and OK: a message that says nothing (null, NaN, `Online`, empty). INVALID_ARGUMENT: what was
  // expected and what came; `readings` is then empty.
  virtual absl::Status Decode(absl::string_view topic, absl::string_view payload, std::vector<Reading>* readings) = 0;
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
