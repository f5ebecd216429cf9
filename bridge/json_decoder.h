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
// neither, unless all are missing: then the message is not what was configured and is refused. One whose value, time,
// quality or name is wrong is a bad reading, and the others are taken. A wrong time of the message is one of every
// reading that has none of its own; when there are no others, the message is refused.
//
// Without: every number and boolean, see json_auto.h.
//
// Parses whole and strictly (simdjson's DOM: 80 ns for a payload of 50 bytes, 15 more than on-demand, which does not
// see what is wrong behind the last value that it is asked for).
class JsonDecoder final : public Decoder {
 public:
  static absl::StatusOr<std::unique_ptr<Decoder>> Make(const mvmd::twin::v1alpha1::JsonDecoder& config);
  ~JsonDecoder() override;

  absl::Status Decode(absl::string_view topic, absl::string_view payload, std::vector<Reading>* readings,
                      BadReadings* bad) override;

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
  // What is known of the message that is being decoded, and what came out of it.
  struct Message {
    absl::string_view topic;
    std::optional<int64_t> time_unix_ns;
    absl::Status time_status;  // not OK: its time is wrong
    uint64_t untimed = 0;      // bad readings for that reason
    bool found = false;        // something is where a reading was configured
    std::vector<Reading>* readings;
    BadReadings* bad;
  };
  // The payload, or an element of `each`, with its key or index there.
  struct Element;
  absl::Status DecodeUnconfigured(const simdjson::dom::element& root, Message* message);
  // Errors of these are of the message as a whole.
  absl::Status DecodeEach(const ReadingSpec& spec, const simdjson::dom::element& root, Message* message);
  absl::Status DecodeOne(const ReadingSpec& spec, const Element& element, Message* message);
  // False when it is not there and must be.
  static bool NameOf(const ReadingSpec& spec, const Element& element, absl::string_view topic, absl::string_view* name);
  // False: something is at `pointer` (`found`) that is no time. No time and true: nothing is, or null.
  bool ReadTime(const CompiledPointer& pointer, const simdjson::dom::element& from, std::optional<int64_t>* unix_ns,
                simdjson::dom::element* found) const;

  std::vector<ReadingSpec> specs_;
  std::optional<CompiledPointer> time_;
  TimeFormat time_format_ = TimeFormat::kAuto;
  std::unique_ptr<simdjson::dom::parser> parser_;
  std::string padded_;
  std::deque<std::string> names_;  // made up for this message; views of them stay valid
};

// `an object`, `text`, ...; a text as it stands, shortened. For messages.
std::string DescribeJson(const simdjson::dom::element& element);
// Appends `/` and the reference token of a key; a very long one is cut. For messages.
void AppendPointerToken(absl::string_view key, std::string* pointer);

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
