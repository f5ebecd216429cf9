// What is wrong with a request.
#ifndef MVMD_GATEWAY_REQUEST_ERRORS_H_
#define MVMD_GATEWAY_REQUEST_ERRORS_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mvmd {

// Names of twins and sensors in requests; the fold takes no longer ones. Whatever puts a name into an error or asks the
// policy for it checks it before: errors travel in trailers, and of one that is too large the reason is lost.
inline constexpr size_t kRequestNameBytesMax = 1024;

// All that is wrong with a request, as one status. Fits into the trailers of a call whatever is in the request: long
// texts are cut, and only the first violations are told.
class RequestErrors {
 public:
  void Add(absl::string_view field, absl::string_view what);
  // Adds an error when `name` is longer than a name can be.
  void CheckNameSize(absl::string_view field, absl::string_view name);
  // OK, or INVALID_ARGUMENT (reason REQUEST_INVALID) with a violation a field.
  const absl::Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }

 private:
  absl::Status status_;
  size_t violation_bytes_ = 0;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_REQUEST_ERRORS_H_
