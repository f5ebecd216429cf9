// What a document must be to be taken, and what is told of one that is not.
#ifndef MVMD_GATEWAY_DOCUMENT_CHECK_H_
#define MVMD_GATEWAY_DOCUMENT_CHECK_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/log.pb.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "twin/json.h"
#include "twin/rules.h"

namespace mvmd {

struct DocumentCheck {
  // OK: it is taken. INVALID_ARGUMENT (reason DOCUMENT_INVALID) with the first violations otherwise; bounded, whatever
  // is in the document.
  absl::Status status;
  bool is_validated = false;  // else `result` says nothing
  RuleResult result;
};

// A tree that was read as I-JSON, for `twin`. In every mode it must be an object with this twin's id; the rules are
// asked unless the mode is OFF, and decide where it is ENFORCE.
DocumentCheck CheckTwinDocument(const Json& document, absl::string_view twin,
                                mvmd::twin::v1alpha1::ValidationMode mode);

// INVALID_ARGUMENT, reason DOCUMENT_INVALID. `message` is cut when it is long.
absl::Status DocumentInvalid(absl::string_view twin, absl::string_view message);
// INVALID_ARGUMENT, reason DOCUMENT_TOO_LARGE.
absl::Status CheckDocumentSize(absl::string_view canonical, size_t bytes_max, absl::string_view twin);

// Findings until they take `bytes_max`, errors first; `truncated` when there are more.
void SetValidationResult(const RuleResult& result, size_t bytes_max, mvmd::twin::v1alpha1::ValidationResult* out);
// All findings.
void SetValidationResult(const RuleResult& result, mvmd::twin::v1alpha1::ValidationResult* out);

// At most `bytes_max` bytes of UTF-8, with `...` where it was cut.
std::string ShortText(absl::string_view text, size_t bytes_max);

}  // namespace mvmd

#endif  // MVMD_GATEWAY_DOCUMENT_CHECK_H_
