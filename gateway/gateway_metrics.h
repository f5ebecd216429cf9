// What the gateway counts. Names and meanings: docs/operations.md.
#ifndef MVMD_GATEWAY_GATEWAY_METRICS_H_
#define MVMD_GATEWAY_GATEWAY_METRICS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/block.pb.h"
#include "runtime/metrics.h"

namespace mvmd {

// References into a registry with the prefix `mvmd_gateway_`; made once, then lock-free to use. Thread-safe.
struct GatewayMetrics {
  // The registry outlives it.
  explicit GatewayMetrics(Metrics* registry);

  prometheus::Counter& samples;
  prometheus::Counter& frames;
  prometheus::Counter& frames_duplicate;
  prometheus::Counter& groups;
  prometheus::Counter& group_bytes;
  prometheus::Counter& writes;
  prometheus::Counter& documents_signed;
  prometheus::Counter& sessions_opened;
  prometheus::Counter& sessions_fenced;
  prometheus::Counter& handshakes_refused;
  prometheus::Counter& linked_data_kept;
  prometheus::Counter& listener_check_failures;
  prometheus::Counter& policy_reloads;
  prometheus::Counter& policy_failures;
  prometheus::Gauge& policy_refused;
  prometheus::Gauge& policy_last_reload_seconds;
  prometheus::Gauge& sessions;
  prometheus::Gauge& watches;
  prometheus::Gauge& credit_outstanding_bytes;
  prometheus::Histogram& commit_seconds;
  prometheus::Histogram& linked_data_seconds;

  // A frame was refused; `reason` is the ErrorInfo's, or the code when it has none.
  void CountRefusedFrame(const absl::Status& status);
  // A refused document was put into quarantine.
  void CountQuarantined(const std::string& reason);
  // An outbox was not served as what it says it is.
  void CountRefusedOutbox(const std::string& reason);
  void CountGap(mvmd::twin::v1alpha1::Gap::Reason reason);
  void CountIssue(const std::string& reason, uint64_t count);
  // `method` is a name of the proto file.
  void CountRpc(absl::string_view method, const absl::Status& status);
  // The gateway ended a stream of somebody who was let in.
  void CountStreamEnded(const absl::Status& status);
  // A caller was told that they may not.
  void CountRefusal(absl::string_view method, const absl::Status& status);

 private:
  Metrics* const registry_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_GATEWAY_METRICS_H_
