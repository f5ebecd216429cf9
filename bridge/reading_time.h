// Times as payloads carry them.
#ifndef MVMD_BRIDGE_READING_TIME_H_
#define MVMD_BRIDGE_READING_TIME_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace mvmd {

enum class TimeFormat { kAuto, kRfc3339, kSeconds, kMillis, kMicros, kNanos };

// `auto` (also empty), `rfc3339`, `s`, `ms`, `us`, `ns`.
std::optional<TimeFormat> ParseTimeFormat(absl::string_view name);

// RFC 3339 and what is seen in its place: a space or `t` for `T`, `z`, no offset (UTC), offsets `+01:00`, `+0100`,
// `+01`; no seconds. Digits of the fraction beyond the ninth are cut. Nanoseconds since the Unix epoch; nothing when it
// is malformed or outside of 1678 to 2261.
std::optional<int64_t> ParseLenientTimestamp(absl::string_view text);

// Epoch time. kAuto tells by magnitude: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else
// nanoseconds. Nothing when it is out of range, not finite, or the format is kRfc3339. Fractions are kept to the
// microsecond, which is what a double of today's times holds.
std::optional<int64_t> EpochToUnixNanos(double value, TimeFormat format);
std::optional<int64_t> EpochToUnixNanos(int64_t value, TimeFormat format);

// Text in any format: a number in text is an epoch time when the format is not kRfc3339.
std::optional<int64_t> TextToUnixNanos(absl::string_view text, TimeFormat format);

}  // namespace mvmd

#endif  // MVMD_BRIDGE_READING_TIME_H_
