#include "gateway/gateway_metrics.h"

#include <string>

#include "runtime/status_proto.h"
#include "twin/gap.h"

namespace mvmd {

GatewayMetrics::GatewayMetrics(Metrics* registry)
    : samples(registry->AddCounter("samples_total", "Samples applied.")),
      frames(registry->AddCounter("frames_total", "Frames applied.")),
      frames_duplicate(registry->AddCounter("frames_duplicate_total", "Frames that came again and changed nothing.")),
      groups(registry->AddCounter("groups_total", "Frame groups applied: one log entry each.")),
      group_bytes(registry->AddCounter("group_bytes_total", "Compressed bytes of the frame groups applied.")),
      writes(registry->AddCounter("writes_total", "Documents put, patched or deleted by clients.")),
      documents_signed(registry->AddCounter("documents_signed_total", "Documents served with a proof.")),
      sessions_opened(registry->AddCounter("sessions_opened_total", "Sessions of bridges that were opened.")),
      sessions_fenced(registry->AddCounter("sessions_fenced_total", "Sessions that a newer one of the bridge ended.")),
      handshakes_refused(registry->AddCounter("handshakes_refused_total", "TLS peers that our own checks refused.")),
      linked_data_kept(registry->AddCounter("linked_data_kept_total",
                                            "Answers with linked data that had been made before, errors too.")),
      listener_check_failures(
          registry->AddCounter("listener_check_failures_total", "Tries to reach the own listener that failed.")),
      policy_reloads(registry->AddCounter("policy_reloads_total", "Policies that took the place of another.")),
      policy_failures(registry->AddCounter("policy_reload_failures_total", "Policies that were refused.")),
      policy_refused(registry->AddGauge("policy_refused", "1 while the file holds a policy that was refused.")),
      policy_last_reload_seconds(
          registry->AddGauge("policy_last_reload_seconds", "When the policy that is used was read.")),
      sessions(registry->AddGauge("sessions", "Sync streams that are open.")),
      watches(registry->AddGauge("watches", "Watches that are open.")),
      credit_outstanding_bytes(
          registry->AddGauge("credit_outstanding_bytes", "Bytes that bridges may send without another grant.")),
      commit_seconds(registry->AddHistogram("commit_seconds",
                                            "From a group's arrival to its being durable and applied.",
                                            ExponentialBuckets(0.00025, 2, 16))),
      linked_data_seconds(registry->AddHistogram("linked_data_seconds", "Making linked data (C2) of a document.",
                                                 ExponentialBuckets(0.00025, 2, 16))),
      registry_(registry) {}

void GatewayMetrics::CountRefusedFrame(const absl::Status& status) {
  std::string reason = ReasonOf(status);
  if (reason.empty()) reason = absl::StatusCodeToString(status.code());
  registry_->AddCounter("frames_refused_total", "Frames that were refused for good.", {{"reason", reason}}).Increment();
}

void GatewayMetrics::CountQuarantined(const std::string& reason) {
  registry_->AddCounter("quarantined_total", "Documents that were put into quarantine.", {{"reason", reason}})
      .Increment();
}

void GatewayMetrics::CountRefusedOutbox(const std::string& reason) {
  registry_
      ->AddCounter("outboxes_refused_total", "Sessions that were not opened because of the outbox: copies, clones.",
                   {{"reason", reason}})
      .Increment();
}

void GatewayMetrics::CountGap(mvmd::twin::v1alpha1::Gap::Reason reason) {
  registry_
      ->AddCounter("gaps_total", "Gaps that were recorded, one a twin.", {{"reason", std::string(GapReason(reason))}})
      .Increment();
}

void GatewayMetrics::CountIssue(const std::string& reason, uint64_t count) {
  registry_
      ->AddCounter("issues_total", "Samples and frames that were recorded as issues of a bridge.", {{"reason", reason}})
      .Increment(static_cast<double>(count));
}

void GatewayMetrics::CountRpc(absl::string_view method, const absl::Status& status) {
  registry_
      ->AddCounter("rpcs_total", "Calls that have ended.",
                   {{"method", std::string(method)}, {"code", absl::StatusCodeToString(status.code())}})
      .Increment();
}

void GatewayMetrics::CountStreamEnded(const absl::Status& status) {
  registry_
      ->AddCounter("streams_ended_total", "Streams that the gateway ended when it looked at their peers again.",
                   {{"reason", ReasonOf(status)}})
      .Increment();
}

void GatewayMetrics::CountRefusal(absl::string_view method, const absl::Status& status) {
  std::string reason = ReasonOf(status);
  if (reason.empty()) reason = absl::StatusCodeToString(status.code());
  registry_
      ->AddCounter("refusals_total", "Calls and frames of peers who may not do what they asked for.",
                   {{"method", std::string(method)}, {"reason", reason}})
      .Increment();
}

}  // namespace mvmd
