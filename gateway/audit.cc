#include "gateway/audit.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/log.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

constexpr absl::Duration kRepeatInterval = absl::Seconds(10);
// A name is told only so far; subjects have up to 2048 bytes.
constexpr size_t kNameBytesMax = 256;

}  // namespace

void AuditRefusal(absl::string_view method, absl::string_view subject, absl::string_view peer,
                  const absl::Status& status, GatewayMetrics* metrics) {
  if (!absl::IsPermissionDenied(status) && !absl::IsUnauthenticated(status)) return;
  metrics->CountRefusal(method, status);
  ErrorMetadata metadata = MetadataOf(status);
  const std::string twin = metadata["twin"].substr(0, kNameBytesMax);
  std::string reason = ReasonOf(status);
  if (reason.empty()) reason = absl::StatusCodeToString(status.code());
  subject = subject.substr(0, kNameBytesMax);
  LogEvery(kRepeatInterval, absl::StrCat("audit:", method, " ", reason, " ", subject), LogLevel::kWarning,
           "audit: refused",
           {{"method", method},
            {"subject", subject},
            {"twin", twin},
            {"role", metadata["role"]},
            {"reason", reason},
            {"peer", peer}});
}

void AuditWrite(absl::string_view method, const Caller& caller, absl::string_view twin, uint64_t revision,
                GatewayMetrics* metrics) {
  metrics->writes.Increment();
  Log(LogLevel::kInfo, "audit: written",
      {{"method", method},
       {"subject", absl::string_view(caller.subject()).substr(0, kNameBytesMax)},
       {"twin", twin.substr(0, kNameBytesMax)},
       {"revision", revision},
       {"peer", caller.address()}});
}

}  // namespace mvmd
