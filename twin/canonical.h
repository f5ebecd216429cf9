// C1, the canonical bytes of a document: RFC 8785 (JCS) over I-JSON.
#ifndef MVMD_TWIN_CANONICAL_H_
#define MVMD_TWIN_CANONICAL_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "twin/json.h"

namespace mvmd {

// Appends the canonical form of `value`. Never fails: a tree is I-JSON by construction.
void AppendCanonical(const Json& value, std::string* out);
std::string Canonicalize(const Json& value);

// The same for a text, without a tree in between: several times faster. Errors as of ParseJson.
absl::StatusOr<std::string> CanonicalizeText(absl::string_view text);

// Parts, for writers that render without a tree. RFC 8785, sections 3.2.2.2 and 3.2.2.3 (ECMAScript Number::toString).
void AppendCanonicalString(absl::string_view text, std::string* out);
void AppendCanonicalNumber(double value, std::string* out);
// Order of member names: UTF-16 code units, RFC 8785, section 3.2.3. Negative, zero, positive.
int CompareCanonicalNames(absl::string_view a, absl::string_view b);
// The first eight bytes as a number that orders as the name does; of equal ones nothing is known.
uint64_t CanonicalSortKey(absl::string_view name);

// Lower-case hex SHA-256.
std::string Sha256Hex(absl::string_view bytes);
// 32 raw bytes.
std::string Sha256(absl::string_view bytes);

}  // namespace mvmd

#endif  // MVMD_TWIN_CANONICAL_H_
