// JSON-LD expansion: the document with its context applied, every name an IRI or a keyword.
#ifndef MVMD_TWIN_JSONLD_EXPAND_H_
#define MVMD_TWIN_JSONLD_EXPAND_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "twin/json.h"
#include "twin/jsonld.h"

namespace mvmd {

struct JsonLdExpansion {
  Json document;  // expanded document form: an array
  // Names that stand for nothing, and values that stand nowhere: JSON-LD leaves them out without a word. Nulls do not
  // count.
  size_t dropped = 0;
};

// Errors are those of JsonLdError. `document` is an object, or an array of them. Thread-safe.
absl::StatusOr<JsonLdExpansion> ExpandJsonLd(const Json& document, const JsonLdOptions& options = {});

}  // namespace mvmd

#endif  // MVMD_TWIN_JSONLD_EXPAND_H_
