// What the bridges with an open session said of themselves.
#ifndef MVMD_GATEWAY_LIVE_BRIDGES_H_
#define MVMD_GATEWAY_LIVE_BRIDGES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "mvmd/twin/v1alpha1/sync.pb.h"

namespace mvmd {

// The last BridgeReport of each live session. Reports are not logged: they are gone with the session. Thread-safe.
class LiveBridges {
 public:
  using Report = std::shared_ptr<const mvmd::twin::v1alpha1::BridgeReport>;

  // Ignored when a newer session of the bridge has reported.
  void SetReport(const std::string& bridge, uint64_t session, Report report);
  // Ignored when the report is of another session.
  void Forget(const std::string& bridge, uint64_t session);
  // Null when that session has not reported.
  Report ReportOf(absl::string_view bridge, uint64_t session) const;

 private:
  struct Entry {
    uint64_t session;
    Report report;
  };
  mutable absl::Mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_LIVE_BRIDGES_H_
