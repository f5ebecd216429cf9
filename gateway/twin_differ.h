// Answers DiffTwin.
#ifndef MVMD_GATEWAY_TWIN_DIFFER_H_
#define MVMD_GATEWAY_TWIN_DIFFER_H_

#include "absl/status/status.h"
#include "gateway/committer.h"
#include "gateway/past_twins.h"
#include "gateway/request_errors.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"

namespace mvmd {

// Thread-safe. Reads the disk, and compares documents of up to some megabytes: call Fill from an executor.
class TwinDiffer {
 public:
  // Both outlive it.
  TwinDiffer(const Committer* committer, const PastTwins* past) : committer_(committer), past_(past) {}

  // Checks all but the twin's id.
  static void CheckRequest(const mvmd::twin::v1alpha1::DiffTwinRequest& request, RequestErrors* errors);

  // Errors are those of TwinState::GetTwin and PastTwins::At.
  absl::Status Fill(const mvmd::twin::v1alpha1::DiffTwinRequest& request,
                    mvmd::twin::v1alpha1::DiffTwinResponse* response) const;

 private:
  const Committer* const committer_;
  const PastTwins* const past_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_TWIN_DIFFER_H_
