// Times and durations as the profile writes them. Times are nanoseconds since the Unix epoch, 1678 to 2261.
#ifndef MVMD_TWIN_TIME_H_
#define MVMD_TWIN_TIME_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/numeric/int128.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mvmd {

// A `timestamp` of docs/validation.md (RFC 3339, upper case, no leap second, offset up to 14:00). Nothing when it is
// malformed or outside of what 64 bits of nanoseconds hold.
std::optional<int64_t> ParseTimestamp(absl::string_view text);

// RFC 3339 in UTC with `Z`; the fraction as long as needed: none, or 1 to 9 digits without trailing zeros.
std::string FormatTimestamp(int64_t unix_ns);
void AppendTimestamp(int64_t unix_ns, std::string* out);

// A `date` or a `timestamp`, years 0000 to 9999, as the instants that it covers: a timestamp is one, a date its whole
// day in UTC, both ends included.
struct InstantRange {
  absl::int128 first_unix_ns = 0;
  absl::int128 last_unix_ns = 0;

  // Every instant of this one is before every instant of `other`.
  bool IsCertainlyBefore(const InstantRange& other) const { return last_unix_ns < other.first_unix_ns; }
};
// Nothing when it is malformed.
std::optional<InstantRange> ParseDate(absl::string_view text);
std::optional<InstantRange> ParseTimestampRange(absl::string_view text);
std::optional<InstantRange> ParseDateOrTimestamp(absl::string_view text);

// A `duration` of docs/validation.md: `90d`, `1m` (a minute), `1mo` (30 days), `1y` (365 days), or ISO 8601. Nothing
// when it is malformed or zero. The exact value is in picoseconds: a millisecond may have nine decimals.
std::optional<absl::int128> ParseDurationPicoseconds(absl::string_view text);
// The same, to what absl::Duration holds (a quarter of a nanosecond).
std::optional<absl::Duration> ParseProfileDuration(absl::string_view text);

}  // namespace mvmd

#endif  // MVMD_TWIN_TIME_H_
