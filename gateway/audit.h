// Who was refused, and who wrote: a log line each, for those who have to know afterwards.
//
//   audit: refused  method=PutTwin subject=spiffe://plant.example/client/eve twin=twin-1 reason=NOT_AUTHORIZED
//   peer=ipv4:... audit: written  method=PutTwin subject=spiffe://plant.example/client/alice twin=twin-1 revision=42
//   peer=ipv4:...
#ifndef MVMD_GATEWAY_AUDIT_H_
#define MVMD_GATEWAY_AUDIT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gateway/caller.h"
#include "gateway/gateway_metrics.h"

namespace mvmd {

// When `status` says that somebody may not do what they asked for (PERMISSION_DENIED, UNAUTHENTICATED): counts it, and
// logs it, but of the same subject, method and reason at most one line every ten seconds, with the number of those that
// were left out: a client that is refused again and again cannot fill the log. Else nothing. `subject` may be empty:
// not known. Thread-safe.
void AuditRefusal(absl::string_view method, absl::string_view subject, absl::string_view peer,
                  const absl::Status& status, GatewayMetrics* metrics);

// A write that is durable: counts and logs it, each one. Thread-safe.
void AuditWrite(absl::string_view method, const Caller& caller, absl::string_view twin, uint64_t revision,
                GatewayMetrics* metrics);

}  // namespace mvmd

#endif  // MVMD_GATEWAY_AUDIT_H_
