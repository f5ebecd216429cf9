#include "bridge/reading_time.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "bridge/scalar_decoder.h"

namespace mvmd {
namespace {

constexpr int64_t kNanosPerSecond = 1000000000;
// 9223372036 s is the last whole second that 64 bits of nanoseconds hold.
constexpr int64_t kSecondsMax = 9223372036 - 1;

// Howard Hinnant, "chrono-compatible low-level date algorithms", days_from_civil.
int64_t DaysFromCivil(int year, int month, int day) {
  const int y = month <= 2 ? year - 1 : year;
  const int era = (y >= 0 ? y : y - 399) / 400;
  const int year_of_era = y - era * 400;
  const int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return int64_t{era} * 146097 + day_of_era - 719468;
}

int DaysInMonth(int year, int month) {
  if (month == 2) return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

// Reads exactly `digits` digits from the front.
bool TakeDigits(absl::string_view* text, int digits, int* value) {
  if (text->size() < static_cast<size_t>(digits)) return false;
  int result = 0;
  for (int i = 0; i < digits; ++i) {
    const char c = (*text)[static_cast<size_t>(i)];
    if (c < '0' || c > '9') return false;
    result = result * 10 + (c - '0');
  }
  *value = result;
  text->remove_prefix(static_cast<size_t>(digits));
  return true;
}

bool TakeChar(absl::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

// `Z`, `+01:00`, `+0100`, `+01`, or nothing.
bool TakeOffset(absl::string_view* text, int* seconds) {
  *seconds = 0;
  if (text->empty() || TakeChar(text, 'Z') || TakeChar(text, 'z')) return true;
  const char sign = text->front();
  if (sign != '+' && sign != '-') return false;
  text->remove_prefix(1);
  int hours = 0;
  int minutes = 0;
  if (!TakeDigits(text, 2, &hours)) return false;
  if (!text->empty()) {
    TakeChar(text, ':');
    if (!TakeDigits(text, 2, &minutes)) return false;
  }
  if (hours > 23 || minutes > 59) return false;
  *seconds = (hours * 60 + minutes) * 60 * (sign == '-' ? -1 : 1);
  return true;
}

}  // namespace

std::optional<TimeFormat> ParseTimeFormat(absl::string_view name) {
  if (name.empty() || name == "auto") return TimeFormat::kAuto;
  if (name == "rfc3339") return TimeFormat::kRfc3339;
  if (name == "s") return TimeFormat::kSeconds;
  if (name == "ms") return TimeFormat::kMillis;
  if (name == "us") return TimeFormat::kMicros;
  if (name == "ns") return TimeFormat::kNanos;
  return std::nullopt;
}

std::optional<int64_t> ParseLenientTimestamp(absl::string_view text) {
  int year, month, day, hour, minute;
  int second = 0;
  if (!TakeDigits(&text, 4, &year) || !TakeChar(&text, '-') || !TakeDigits(&text, 2, &month) || !TakeChar(&text, '-') ||
      !TakeDigits(&text, 2, &day)) {
    return std::nullopt;
  }
  if (!TakeChar(&text, 'T') && !TakeChar(&text, ' ') && !TakeChar(&text, 't')) return std::nullopt;
  if (!TakeDigits(&text, 2, &hour) || !TakeChar(&text, ':') || !TakeDigits(&text, 2, &minute)) return std::nullopt;
  int64_t nanos = 0;
  if (TakeChar(&text, ':')) {
    if (!TakeDigits(&text, 2, &second)) return std::nullopt;
    if (TakeChar(&text, '.') || TakeChar(&text, ',')) {
      int64_t unit = kNanosPerSecond;
      size_t digits = 0;
      for (; digits < text.size() && absl::ascii_isdigit(text[digits]); ++digits) {
        unit /= 10;
        nanos += (text[digits] - '0') * unit;
      }
      if (digits == 0) return std::nullopt;
      text.remove_prefix(digits);
    }
  }
  int offset;
  if (!TakeOffset(&text, &offset) || !text.empty()) return std::nullopt;
  if (month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month) || hour > 23 || minute > 59 || second > 59) {
    return std::nullopt;
  }
  const int64_t seconds = DaysFromCivil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
  if (seconds > kSecondsMax || seconds < -kSecondsMax) return std::nullopt;
  return seconds * kNanosPerSecond + nanos;
}

std::optional<int64_t> EpochToUnixNanos(int64_t value, TimeFormat format) {
  if (format == TimeFormat::kAuto) {
    const double magnitude = std::fabs(static_cast<double>(value));
    format = magnitude < 1e11   ? TimeFormat::kSeconds
             : magnitude < 1e14 ? TimeFormat::kMillis
             : magnitude < 1e17 ? TimeFormat::kMicros
                                : TimeFormat::kNanos;
  }
  int64_t unit = 1;
  switch (format) {
    case TimeFormat::kSeconds:
      unit = kNanosPerSecond;
      break;
    case TimeFormat::kMillis:
      unit = 1000000;
      break;
    case TimeFormat::kMicros:
      unit = 1000;
      break;
    case TimeFormat::kNanos:
      break;
    case TimeFormat::kRfc3339:
    case TimeFormat::kAuto:
      return std::nullopt;
  }
  int64_t nanos;
  if (__builtin_mul_overflow(value, unit, &nanos)) return std::nullopt;
  return nanos;
}

std::optional<int64_t> EpochToUnixNanos(double value, TimeFormat format) {
  if (!std::isfinite(value)) return std::nullopt;
  if (value == std::floor(value) && std::fabs(value) < 9e18) {
    return EpochToUnixNanos(static_cast<int64_t>(value), format);
  }
  if (format == TimeFormat::kAuto) {
    const double magnitude = std::fabs(value);
    format = magnitude < 1e11 ? TimeFormat::kSeconds : magnitude < 1e14 ? TimeFormat::kMillis : TimeFormat::kMicros;
  }
  double micros;
  switch (format) {
    case TimeFormat::kSeconds:
      micros = std::round((value - std::floor(value)) * 1e6) + std::floor(value) * 1e6;
      break;
    case TimeFormat::kMillis:
      micros = std::round(value * 1e3);
      break;
    case TimeFormat::kMicros:
      micros = std::round(value);
      break;
    case TimeFormat::kNanos:
      micros = std::round(value / 1e3);
      break;
    case TimeFormat::kRfc3339:
    case TimeFormat::kAuto:
      return std::nullopt;
  }
  if (std::fabs(micros) > static_cast<double>(kSecondsMax) * 1e6) return std::nullopt;
  return static_cast<int64_t>(micros) * 1000;
}

std::optional<int64_t> TextToUnixNanos(absl::string_view text, TimeFormat format) {
  if (format == TimeFormat::kAuto || format == TimeFormat::kRfc3339) {
    if (std::optional<int64_t> time = ParseLenientTimestamp(text); time.has_value()) return time;
    if (format == TimeFormat::kRfc3339) return std::nullopt;
  }
  // Whole numbers exactly: nanoseconds do not fit into a double.
  int64_t whole;
  if (absl::SimpleAtoi(text, &whole)) return EpochToUnixNanos(whole, format);
  const std::optional<double> number = ParseNumberText(text);
  return number.has_value() ? EpochToUnixNanos(*number, format) : std::nullopt;
}

}  // namespace mvmd
