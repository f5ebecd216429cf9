// JSON payloads: readings by JSON Pointer, or whatever numbers and booleans there are.
#ifndef MVMD_BRIDGE_JSON_DECODER_H_
#define MVMD_BRIDGE_JSON_DECODER_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bridge/decoder.h"
#include "bridge/reading_time.h"

namespace simdjson::dom {
class element;
class parser;
}  // namespace simdjson::dom

namespace mvmd {

// RFC 6901, taken apart once.
class CompiledPointer {
 public:
  // INVALID_ARGUMENT: does not begin with `/`, or a bad escape. The empty text is the value itself.
  static absl::StatusOr<CompiledPointer> Parse(absl::string_view text);

  const std::string& text() const { return text_; }
  // Last reference token; empty when there is none.
  absl::string_view last_token() const { return tokens_.empty() ? "" : absl::string_view(tokens_.back()); }
  // False when nothing is there.
  bool Find(const simdjson::dom::element& from, simdjson::dom::element* found) const;

 private:
  std::string text_;
  std::vector<std::string> tokens_;
};

// With `readings`: each is taken from its pointer. A value that is null or NaN text is no reading; one that is missing
// neither, unless all are missing: then the message is not what was configured and is refused.
//
// Without: every number and boolean, see json_auto.h.
//
// Parses whole and strictly (simdjson's DOM: 80 ns for a payload of 50 bytes, 15 more than on-demand, which does not
// see what is wrong behind the last value that it is asked for).
class JsonDecoder final : public Decoder {
 public:
  static absl::StatusOr<std::unique_ptr<Decoder>> Make(const mvmd::twin::v1alpha1::JsonDecoder& config);
  ~JsonDecoder() override;

  absl::Status Decode(absl::string_view topic, absl::string_view payload, std::vector<Reading>* readings) override;

 private:
  struct ReadingSpec {
    std::optional<CompiledPointer> each;
    CompiledPointer value;
    std::optional<CompiledPointer> time;
    std::optional<CompiledPointer> unit;
    std::optional<CompiledPointer> quality;
    std::optional<CompiledPointer> name_pointer;
    std::string name_text;
  };

  JsonDecoder();
  absl::Status Parse(absl::string_view payload, simdjson::dom::element* root);
  absl::Status DecodeEach(const ReadingSpec& spec, const simdjson::dom::element& root,
                          std::optional<int64_t> message_time, absl::string_view topic, bool* found,
                          std::vector<Reading>* readings);
  absl::Status DecodeOne(const ReadingSpec& spec, const simdjson::dom::element& element, absl::string_view member_name,
                         std::optional<int64_t> message_time, absl::string_view topic, bool* found,
                         std::vector<Reading>* readings);
  absl::StatusOr<std::optional<int64_t>> ReadTime(const CompiledPointer& pointer,
                                                  const simdjson::dom::element& element) const;

  std::vector<ReadingSpec> specs_;
  std::optional<CompiledPointer> time_;
  TimeFormat time_format_ = TimeFormat::kAuto;
  std::unique_ptr<simdjson::dom::parser> parser_;
  std::string padded_;
  std::deque<std::string> names_;  // made up for this message; views of them stay valid
};

// What a JSON value is as a reading's value: number, boolean, text. `none`: null, NaN text and other words for nothing.
enum class JsonValueKind { kValue, kNone, kNotScalar };
JsonValueKind ToSampleValue(const simdjson::dom::element& element, SampleValue* value);
// Text or number as time; nothing when it is neither or malformed.
std::optional<int64_t> ToUnixNanos(const simdjson::dom::element& element, TimeFormat format);
// `good`, `Uncertain...`, `BadNoCommunication`, true, an OPC UA status code (its severity bits), or an object with
// `Code`.
std::optional<Quality> ToQuality(const simdjson::dom::element& element);

}  // namespace mvmd

#endif  // MVMD_BRIDGE_JSON_DECODER_H_
