// Times and durations as the profile writes them. Times are nanoseconds since the Unix epoch, 1678 to 2261.
#ifndef MVMD_TWIN_TIME_H_
#define MVMD_TWIN_TIME_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace mvmd {

// A `timestamp` of docs/validation.md (RFC 3339, upper case, no leap second, offset up to 14:00). Nothing when it is
// malformed or outside of what 64 bits of nanoseconds hold.
std::optional<int64_t> ParseTimestamp(absl::string_view text);

// RFC 3339 in UTC with `Z`; the fraction as long as needed: none, or 1 to 9 digits without trailing zeros.
std::string FormatTimestamp(int64_t unix_ns);
void AppendTimestamp(int64_t unix_ns, std::string* out);

}  // namespace mvmd

#endif  // MVMD_TWIN_TIME_H_
