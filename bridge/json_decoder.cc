#include "bridge/json_decoder.h"

#include <simdjson.h>

#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bridge/json_auto.h"
#include "bridge/scalar_decoder.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
namespace dom = simdjson::dom;

constexpr size_t kReadingSpecsMax = 1024;
constexpr size_t kPointerTokenBytesMax = 100;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

absl::string_view TypeName(const dom::element& element) {
  switch (element.type()) {
    case dom::element_type::ARRAY:
      return "an array";
    case dom::element_type::OBJECT:
      return "an object";
    case dom::element_type::STRING:
      return "text";
    case dom::element_type::BOOL:
      return "a boolean";
    case dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

std::string Shortened(absl::string_view text) { return absl::CHexEscape(text.substr(0, 40)); }

}  // namespace

std::string DescribeJson(const dom::element& element) {
  if (!element.is_string()) return std::string(TypeName(element));
  return absl::StrCat("`", Shortened(View(element.get_string().value_unsafe())), "`");
}

void AppendPointerToken(absl::string_view key, std::string* pointer) {
  pointer->push_back('/');
  for (char c : key.substr(0, kPointerTokenBytesMax)) {
    if (c == '~') {
      pointer->append("~0");
    } else if (c == '/') {
      pointer->append("~1");
    } else {
      pointer->push_back(c);
    }
  }
  if (key.size() > kPointerTokenBytesMax) pointer->append("...");
}

absl::StatusOr<CompiledPointer> CompiledPointer::Parse(absl::string_view text) {
  CompiledPointer pointer;
  pointer.text_ = std::string(text);
  if (text.empty()) return pointer;
  if (text.front() != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a JSON Pointer such as `/value` (it begins with `/`), got `", text, "`"));
  }
  for (absl::string_view token : absl::StrSplit(text.substr(1), '/')) {
    std::string plain;
    for (size_t i = 0; i < token.size(); ++i) {
      if (token[i] != '~') {
        plain.push_back(token[i]);
        continue;
      }
      ++i;
      if (i >= token.size() || (token[i] != '0' && token[i] != '1')) {
        return absl::InvalidArgumentError(absl::StrCat("`~` in JSON Pointer `", text, "` must be `~0` or `~1`"));
      }
      plain.push_back(token[i] == '0' ? '~' : '/');
    }
    pointer.tokens_.push_back(std::move(plain));
  }
  return pointer;
}

bool CompiledPointer::Find(const dom::element& from, dom::element* found) const {
  dom::element at = from;
  for (const std::string& token : tokens_) {
    if (at.is_object()) {
      if (at.get_object().value_unsafe().at_key(std::string_view(token)).get(at) != simdjson::SUCCESS) return false;
    } else if (at.is_array()) {
      size_t index;
      const bool leading_zero = token.size() > 1 && token[0] == '0';
      if (leading_zero || token.empty() || !absl::ascii_isdigit(token[0]) || !absl::SimpleAtoi(token, &index) ||
          at.get_array().value_unsafe().at(index).get(at) != simdjson::SUCCESS) {
        return false;
      }
    } else {
      return false;
    }
  }
  *found = at;
  return true;
}

JsonValueKind ToSampleValue(const dom::element& element, SampleValue* value) {
  switch (element.type()) {
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
    case dom::element_type::DOUBLE: {
      double number;
      if (element.get_double().get(number) != simdjson::SUCCESS || !std::isfinite(number)) return JsonValueKind::kNone;
      *value = number;
      return JsonValueKind::kValue;
    }
    case dom::element_type::BOOL:
      *value = element.get_bool().value_unsafe();
      return JsonValueKind::kValue;
    case dom::element_type::STRING: {
      const absl::string_view text = View(element.get_string().value_unsafe());
      if (IsNoValueText(text)) return JsonValueKind::kNone;
      *value = std::string(text);
      return JsonValueKind::kValue;
    }
    case dom::element_type::NULL_VALUE:
      return JsonValueKind::kNone;
    default:
      return JsonValueKind::kNotScalar;
  }
}

std::optional<int64_t> ToUnixNanos(const dom::element& element, TimeFormat format) {
  switch (element.type()) {
    case dom::element_type::STRING:
      return TextToUnixNanos(View(element.get_string().value_unsafe()), format);
    case dom::element_type::INT64:
      return EpochToUnixNanos(element.get_int64().value_unsafe(), format);
    case dom::element_type::DOUBLE:
      return EpochToUnixNanos(element.get_double().value_unsafe(), format);
    default:
      return std::nullopt;
  }
}

std::optional<Quality> ToQuality(const dom::element& element) {
  switch (element.type()) {
    case dom::element_type::STRING: {
      const absl::string_view text = View(element.get_string().value_unsafe());
      if (absl::StartsWithIgnoreCase(text, "good")) return pb::QUALITY_GOOD;
      if (absl::StartsWithIgnoreCase(text, "uncertain")) return pb::QUALITY_UNCERTAIN;
      if (absl::StartsWithIgnoreCase(text, "bad")) return pb::QUALITY_BAD;
      return std::nullopt;
    }
    case dom::element_type::BOOL:
      return element.get_bool().value_unsafe() ? pb::QUALITY_GOOD : pb::QUALITY_BAD;
    case dom::element_type::INT64: {
      // OPC UA Part 4, section 7.39: the two highest of 32 bits are the severity.
      const int64_t code = element.get_int64().value_unsafe();
      if (code < 0 || code > 0xFFFFFFFFLL) return std::nullopt;
      switch (code >> 30) {
        case 0:
          return pb::QUALITY_GOOD;
        case 1:
          return pb::QUALITY_UNCERTAIN;
        default:
          return pb::QUALITY_BAD;
      }
    }
    case dom::element_type::OBJECT: {
      dom::element code;
      if (element.get_object().value_unsafe().at_key("Code").get(code) != simdjson::SUCCESS || code.is_object()) {
        return std::nullopt;
      }
      return ToQuality(code);
    }
    default:
      return std::nullopt;
  }
}

JsonDecoder::JsonDecoder() : parser_(std::make_unique<dom::parser>()) {}
JsonDecoder::~JsonDecoder() = default;

absl::StatusOr<std::unique_ptr<Decoder>> JsonDecoder::Make(const pb::JsonDecoder& config) {
  std::unique_ptr<JsonDecoder> decoder(new JsonDecoder());
  const std::optional<TimeFormat> format = ParseTimeFormat(config.time_format());
  if (!format.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "json.time_format: expected `auto`, `rfc3339`, `s`, `ms`, `us` or `ns`, got `", config.time_format(), "`"));
  }
  decoder->time_format_ = *format;
  absl::Status status;
  auto compile = [&status](absl::string_view key, absl::string_view text) -> CompiledPointer {
    absl::StatusOr<CompiledPointer> pointer = CompiledPointer::Parse(text);
    if (pointer.ok()) return *std::move(pointer);
    if (status.ok()) status = absl::InvalidArgumentError(absl::StrCat(key, ": ", pointer.status().message()));
    return {};
  };
  if (!config.time().empty()) decoder->time_ = compile("json.time", config.time());
  if (config.readings_size() > static_cast<int>(kReadingSpecsMax)) {
    return absl::InvalidArgumentError(
        absl::StrCat("json.readings: expected at most ", kReadingSpecsMax, ", got ", config.readings_size()));
  }
  for (int i = 0; i < config.readings_size(); ++i) {
    const pb::JsonReading& reading = config.readings(i);
    const std::string key = absl::StrCat("json.readings[", i, "]");
    ReadingSpec spec;
    if (!reading.each().empty()) spec.each = compile(absl::StrCat(key, ".each"), reading.each());
    if (reading.value().empty() && reading.each().empty() && config.readings_size() > 1) {
      return absl::InvalidArgumentError(absl::StrCat(key, ".value: expected a JSON Pointer, got nothing"));
    }
    spec.value = compile(absl::StrCat(key, ".value"), reading.value());
    if (!reading.time().empty()) spec.time = compile(absl::StrCat(key, ".time"), reading.time());
    if (!reading.unit().empty()) spec.unit = compile(absl::StrCat(key, ".unit"), reading.unit());
    if (!reading.quality().empty()) spec.quality = compile(absl::StrCat(key, ".quality"), reading.quality());
    if (absl::StartsWith(reading.name(), "/")) {
      spec.name_pointer = compile(absl::StrCat(key, ".name"), reading.name());
    } else {
      spec.name_text = reading.name();
    }
    decoder->specs_.push_back(std::move(spec));
  }
  if (!status.ok()) return status;
  return std::unique_ptr<Decoder>(std::move(decoder));
}

absl::Status JsonDecoder::Parse(absl::string_view payload, dom::element* root) {
  if (padded_.size() < payload.size() + simdjson::SIMDJSON_PADDING) {
    padded_.resize(payload.size() + payload.size() / 2 + simdjson::SIMDJSON_PADDING);
  }
  std::memcpy(padded_.data(), payload.data(), payload.size());
  const simdjson::error_code error =
      parser_->parse(padded_.data(), payload.size(), /*realloc_if_needed=*/false).get(*root);
  if (error == simdjson::SUCCESS) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("expected JSON, got `", Shortened(payload), "`: ", simdjson::error_message(error)));
}

struct JsonDecoder::Element {
  const dom::element& value;
  absl::string_view key;
  std::optional<size_t> index;

  // JSON Pointer of what is at `pointer` below it.
  std::string PointerTo(const ReadingSpec& spec, const CompiledPointer& pointer) const {
    std::string text;
    if (spec.each.has_value()) {
      text = spec.each->text();
      AppendPointerToken(index.has_value() ? absl::string_view(absl::StrCat(*index)) : key, &text);
    }
    return text + pointer.text();
  }
};

absl::Status JsonDecoder::Decode(absl::string_view topic, absl::string_view payload, std::vector<Reading>* readings,
                                 BadReadings* bad) {
  readings->clear();
  bad->Clear();
  names_.clear();
  // What also stands for nothing: an empty payload (a cleared retained message), `Online` of a last will.
  if (IsNoValueText(payload)) return absl::OkStatus();
  if (specs_.empty()) {
    if (const std::optional<bool> boolean = ParseBooleanText(payload); boolean.has_value()) {
      readings->push_back(
          {.name = ReadingNameOfTopic(topic), .value = *boolean, .time_unix_ns = std::nullopt, .unit = ""});
      return absl::OkStatus();
    }
  }
  dom::element root;
  if (absl::Status status = Parse(payload, &root); !status.ok()) return status;

  Message message{.topic = topic, .time_unix_ns = std::nullopt, .time_status = {}, .readings = readings, .bad = bad};
  if (dom::element time; time_.has_value() && !ReadTime(*time_, root, &message.time_unix_ns, &time)) {
    message.time_status =
        absl::InvalidArgumentError(absl::StrCat("expected a time at ", time_->text(), ", got ", DescribeJson(time)));
  }
  absl::Status status;
  if (specs_.empty()) {
    status = DecodeUnconfigured(root, &message);
  } else {
    for (const ReadingSpec& spec : specs_) {
      status = spec.each.has_value() ? DecodeEach(spec, root, &message)
                                     : DecodeOne(spec, {.value = root, .key = "", .index = std::nullopt}, &message);
      if (!status.ok()) break;
    }
    if (status.ok() && !message.found) {
      status = absl::InvalidArgumentError(
          absl::StrCat("expected a value at ", specs_.front().each.has_value() ? specs_.front().each->text() : "",
                       specs_.front().value.text(), specs_.size() > 1 ? " or another configured place" : "", ", got `",
                       Shortened(payload), "`"));
    }
  }
  const bool nothing_but_untimed = message.untimed > 0 && readings->empty() && bad->count() == message.untimed;
  if (status.ok() && nothing_but_untimed) status = message.time_status;
  if (!status.ok()) {
    readings->clear();
    bad->Clear();
  }
  return status;
}

absl::Status JsonDecoder::DecodeUnconfigured(const dom::element& root, Message* message) {
  absl::Status status = DecodeJsonAuto(root, message->topic, &names_, message->readings, message->bad);
  if (!status.ok() || !time_.has_value()) return status;
  // The configured time is that of every reading.
  if (!message->time_status.ok()) return message->time_status;
  for (Reading& reading : *message->readings) {
    if (message->time_unix_ns.has_value()) reading.time_unix_ns = message->time_unix_ns;
  }
  return absl::OkStatus();
}

bool JsonDecoder::ReadTime(const CompiledPointer& pointer, const dom::element& from, std::optional<int64_t>* unix_ns,
                           dom::element* found) const {
  if (!pointer.Find(from, found) || found->is_null()) return true;
  const std::optional<int64_t> time = ToUnixNanos(*found, time_format_);
  if (!time.has_value()) return false;
  *unix_ns = time;
  return true;
}

absl::Status JsonDecoder::DecodeEach(const ReadingSpec& spec, const dom::element& root, Message* message) {
  dom::element base;
  if (!spec.each->Find(root, &base)) return absl::OkStatus();
  message->found = true;
  if (base.is_array()) {
    size_t index = 0;
    // Named: a range-for does not keep the result alive, which value_unsafe() refers into.
    const dom::array elements = base.get_array().value_unsafe();
    for (dom::element element : elements) {
      absl::string_view key;
      if (spec.name_text.empty() && !spec.name_pointer.has_value()) key = names_.emplace_back(absl::StrCat(index));
      absl::Status status = DecodeOne(spec, {.value = element, .key = key, .index = index}, message);
      if (!status.ok()) return status;
      ++index;
    }
    return absl::OkStatus();
  }
  if (base.is_object()) {
    const dom::object members = base.get_object().value_unsafe();
    for (dom::key_value_pair member : members) {
      absl::Status status =
          DecodeOne(spec, {.value = member.value, .key = View(member.key), .index = std::nullopt}, message);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
  message->bad->Add([&] {
    return BadReading{.name = "",
                      .pointer = spec.each->text(),
                      .message = absl::StrCat("expected an array or object, got ", DescribeJson(base))};
  });
  return absl::OkStatus();
}

bool JsonDecoder::NameOf(const ReadingSpec& spec, const Element& element, absl::string_view topic,
                         absl::string_view* name) {
  if (spec.name_pointer.has_value()) {
    dom::element at;
    if (!spec.name_pointer->Find(element.value, &at) || !at.is_string()) return false;
    *name = View(at.get_string().value_unsafe());
  } else if (!spec.name_text.empty()) {
    *name = spec.name_text;
  } else if (!element.key.empty()) {
    *name = element.key;
  } else if (!spec.value.last_token().empty()) {
    *name = spec.value.last_token();
  } else {
    *name = ReadingNameOfTopic(topic);
  }
  return true;
}

absl::Status JsonDecoder::DecodeOne(const ReadingSpec& spec, const Element& element, Message* message) {
  dom::element at;
  if (!spec.value.Find(element.value, &at)) return absl::OkStatus();
  message->found = true;
  Reading reading;
  const JsonValueKind kind = ToSampleValue(at, &reading.value);
  if (kind == JsonValueKind::kNone) return absl::OkStatus();
  const auto refuse = [&](const CompiledPointer& pointer, absl::FunctionRef<std::string()> why) {
    message->bad->Add([&] {
      return BadReading{
          .name = std::string(reading.name), .pointer = element.PointerTo(spec, pointer), .message = why()};
    });
    return absl::OkStatus();
  };
  if (!NameOf(spec, element, message->topic, &reading.name)) {
    return refuse(*spec.name_pointer, [] { return std::string("expected a name (text)"); });
  }
  if (kind == JsonValueKind::kNotScalar) {
    return refuse(spec.value,
                  [&] { return absl::StrCat("expected a number, boolean or text, got ", DescribeJson(at)); });
  }
  if (spec.time.has_value() && !ReadTime(*spec.time, element.value, &reading.time_unix_ns, &at)) {
    return refuse(*spec.time, [&] { return absl::StrCat("expected a time, got ", DescribeJson(at)); });
  }
  if (!reading.time_unix_ns.has_value()) {
    if (!message->time_status.ok()) {
      ++message->untimed;
      return refuse(spec.value, [&] { return std::string(message->time_status.message()); });
    }
    reading.time_unix_ns = message->time_unix_ns;
  }
  if (spec.unit.has_value() && spec.unit->Find(element.value, &at) && at.is_string()) {
    reading.unit = View(at.get_string().value_unsafe());
  }
  if (spec.quality.has_value() && spec.quality->Find(element.value, &at) && !at.is_null()) {
    const std::optional<Quality> quality = ToQuality(at);
    if (!quality.has_value()) {
      return refuse(*spec.quality, [&] {
        return absl::StrCat("expected good, uncertain, bad, a boolean or a status code, got ", DescribeJson(at));
      });
    }
    reading.quality = *quality;
  }
  if (message->readings->size() >= kReadingsMax) {
    return absl::InvalidArgumentError(absl::StrCat("expected at most ", kReadingsMax, " readings in a message"));
  }
  message->readings->push_back(std::move(reading));
  return absl::OkStatus();
}

}  // namespace mvmd
