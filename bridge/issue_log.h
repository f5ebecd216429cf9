// What was refused, for the operator.
#ifndef MVMD_BRIDGE_ISSUE_LOG_H_
#define MVMD_BRIDGE_ISSUE_LOG_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "mvmd/twin/v1alpha1/sync.pb.h"
#include "runtime/clock.h"

namespace mvmd {

// Reasons are stable: dashboards and tests name them.
inline constexpr char kIssueDecodeFailed[] = "DECODE_FAILED";
inline constexpr char kIssuePayloadTooLarge[] = "PAYLOAD_TOO_LARGE";
inline constexpr char kIssueUnknownTopic[] = "UNKNOWN_TOPIC";
inline constexpr char kIssueUnknownTwin[] = "UNKNOWN_TWIN";
inline constexpr char kIssueUnknownSensor[] = "UNKNOWN_SENSOR";
inline constexpr char kIssueBadName[] = "BAD_NAME";
inline constexpr char kIssueTooManySensors[] = "TOO_MANY_SENSORS";
inline constexpr char kIssueUnitMismatch[] = "UNIT_MISMATCH";
inline constexpr char kIssueBadValue[] = "BAD_VALUE";
inline constexpr char kIssueBadReading[] = "BAD_READING";
inline constexpr char kIssueRowsLost[] = "OUTBOX_ROWS_LOST";
inline constexpr char kIssueRowDamaged[] = "OUTBOX_ROW_DAMAGED";
inline constexpr char kIssueRowRejected[] = "ROW_REJECTED";
inline constexpr char kIssueSubscriptionRefused[] = "SUBSCRIPTION_REFUSED";

// The newest 64 distinct (reason, topic, twin, sensor), each with its last message, time and count; and counts by
// reason of everything. Bounded, thread-safe.
class IssueLog {
 public:
  static constexpr size_t kIssuesMax = 64;

  struct Place {
    absl::string_view topic = "";
    absl::string_view twin = "";
    absl::string_view sensor = "";
  };

  explicit IssueLog(const Clock* clock) : clock_(clock) {}

  // `reason` is one of the above.
  void Add(const char* reason, absl::string_view message, const Place& place);

  uint64_t total() const;
  std::map<std::string, uint64_t> CountsByReason() const;
  // Fills `issue_count` and `issues`, oldest first.
  void Report(mvmd::twin::v1alpha1::BridgeReport* report) const;

 private:
  const Clock* const clock_;
  mutable absl::Mutex mutex_;
  std::vector<mvmd::twin::v1alpha1::Issue> issues_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, uint64_t> counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_ISSUE_LOG_H_
