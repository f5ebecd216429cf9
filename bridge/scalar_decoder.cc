#include "bridge/scalar_decoder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/charconv.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bridge/utf8.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr absl::string_view kNoValueWords[] = {"null",          "nil",     "none",      "nan",         "-nan",
                                               "inf",           "-inf",    "infinity",  "-infinity",   "n/a",
                                               "online",        "offline", "connected", "unavailable", "disconnected",
                                               "not available", "unknown", "lost",      "undef"};

}  // namespace

std::optional<double> ParseNumberText(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  // from_chars takes `nan`, `inf` and `0x10` too: only what looks like a decimal is given to it.
  const absl::string_view digits = absl::StartsWith(text, "-") ? text.substr(1) : text;
  if (digits.empty() || (!absl::ascii_isdigit(digits.front()) && digits.front() != '.')) return std::nullopt;
  if (digits.find_first_not_of("0123456789.eE+-") != absl::string_view::npos) return std::nullopt;
  double number;
  const absl::from_chars_result result = absl::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size() || !std::isfinite(number))
    return std::nullopt;
  return number;
}

std::optional<bool> ParseBooleanText(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (absl::EqualsIgnoreCase(text, "true") || absl::EqualsIgnoreCase(text, "on")) return true;
  if (absl::EqualsIgnoreCase(text, "false") || absl::EqualsIgnoreCase(text, "off")) return false;
  return std::nullopt;
}

bool IsNoValueText(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (text.empty()) return true;
  return std::any_of(std::begin(kNoValueWords), std::end(kNoValueWords),
                     [text](absl::string_view word) { return absl::EqualsIgnoreCase(text, word); });
}

absl::StatusOr<std::unique_ptr<Decoder>> ScalarDecoder::Make(const pb::ScalarDecoder& config) {
  Type type;
  if (config.type().empty()) {
    type = Type::kAuto;
  } else if (config.type() == "number") {
    type = Type::kNumber;
  } else if (config.type() == "boolean") {
    type = Type::kBoolean;
  } else if (config.type() == "text") {
    type = Type::kText;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("scalar.type: expected `number`, `boolean` or `text` (left out: number, or else boolean), got `",
                     config.type(), "`"));
  }
  return std::unique_ptr<Decoder>(new ScalarDecoder(type, config.unit()));
}

absl::Status ScalarDecoder::Decode(absl::string_view topic, absl::string_view payload, std::vector<Reading>* readings,
                                   BadReadings* bad) {
  readings->clear();
  bad->Clear();
  Reading reading;
  absl::string_view wanted;
  if (type_ == Type::kText) {
    if (payload.empty()) return absl::OkStatus();
    if (!IsUtf8(payload)) return absl::InvalidArgumentError("expected text in UTF-8, got other bytes");
    reading.value = std::string(payload);
  } else {
    std::optional<double> number;
    std::optional<bool> boolean;
    if (type_ != Type::kBoolean) number = ParseNumberText(payload);
    if (type_ != Type::kNumber && !number.has_value()) boolean = ParseBooleanText(payload);
    if (type_ == Type::kBoolean && (payload == "1" || payload == "0")) boolean = payload == "1";
    wanted = type_ == Type::kNumber    ? "a number"
             : type_ == Type::kBoolean ? "true, false, on or off"
                                       : "a number or a boolean";
    if (number.has_value()) {
      reading.value = *number;
    } else if (boolean.has_value()) {
      reading.value = *boolean;
    } else if (IsNoValueText(payload)) {
      return absl::OkStatus();
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("expected ", wanted, ", got `", absl::CHexEscape(payload.substr(0, 40)), "`"));
    }
  }
  reading.name = ReadingNameOfTopic(topic);
  reading.unit = unit_;
  readings->push_back(std::move(reading));
  return absl::OkStatus();
}

}  // namespace mvmd
