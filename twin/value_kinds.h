// The kinds of value that docs/validation.md defines, as predicates on text; dates and durations are in twin/time.h.
#ifndef MVMD_TWIN_VALUE_KINDS_H_
#define MVMD_TWIN_VALUE_KINDS_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace mvmd {

// At least one character other than tab, line feed, carriage return and space.
bool HasText(absl::string_view value);
size_t CountCodePoints(absl::string_view value);

// `realtime`, `on-change`, `on-demand`, a duration, or a rate such as `10 Hz`.
bool IsUpdateFrequency(absl::string_view value);
// `0%` to `100%`.
bool IsPercentage(absl::string_view value);
// RFC 6838 names, optional parameters.
bool IsMediaType(absl::string_view value);
// A term `[A-Za-z0-9_-]+`, or a scheme, `:` and anything without white space.
bool IsTypeName(absl::string_view value);

// An absolute IRI; `http` or `https` and a host.
bool IsAbsoluteIri(absl::string_view value);
bool IsWebAddress(absl::string_view value);

struct EndpointUri {
  std::string scheme;  // lower case
  bool has_user_info = false;
};
// RFC 3986 with an authority; nothing when it is none, or has no host.
std::optional<EndpointUri> ParseEndpointUri(absl::string_view value);

}  // namespace mvmd

#endif  // MVMD_TWIN_VALUE_KINDS_H_
