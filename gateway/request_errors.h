// What is wrong with a request.
#ifndef MVMD_GATEWAY_REQUEST_ERRORS_H_
#define MVMD_GATEWAY_REQUEST_ERRORS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"

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

// 1 to 1000 twins or bridges on a page; 0 is 50.
inline constexpr size_t kPageTwins = 50;
inline constexpr size_t kPageTwinsMax = 1000;

// Entries of a page: what was asked for, at most `max`; `when_not_set` for 0, and when it is refused.
size_t CheckPageSize(int32_t asked, size_t when_not_set, size_t max, RequestErrors* errors);
void CheckView(mvmd::twin::v1alpha1::TwinView view, RequestErrors* errors);

}  // namespace mvmd

#endif  // MVMD_GATEWAY_REQUEST_ERRORS_H_
