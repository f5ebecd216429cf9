#include "gateway/request_errors.h"

#include "absl/strings/str_cat.h"
#include "runtime/status_proto.h"

namespace mvmd {

void RequestErrors::Add(absl::string_view field, absl::string_view what) {
  if (status_.ok()) {
    status_ = MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID", absl::StrCat(field, ": ", what));
  }
  AddFieldViolation(field, what, &status_);
}

}  // namespace mvmd
