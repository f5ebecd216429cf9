// What is wrong with a request.
#ifndef MVMD_GATEWAY_REQUEST_ERRORS_H_
#define MVMD_GATEWAY_REQUEST_ERRORS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mvmd {

// All that is wrong with a request, as one status.
class RequestErrors {
 public:
  void Add(absl::string_view field, absl::string_view what);
  // OK, or INVALID_ARGUMENT (reason REQUEST_INVALID) with a violation a field.
  const absl::Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }

 private:
  absl::Status status_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_REQUEST_ERRORS_H_
