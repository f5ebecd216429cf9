// What an operator does with documents that bridges sent and the gateway refused.
#ifndef MVMD_GATEWAY_QUARANTINE_SERVICE_H_
#define MVMD_GATEWAY_QUARANTINE_SERVICE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "gateway/call.h"
#include "gateway/caller.h"
#include "gateway/committer.h"
#include "gateway/gateway_metrics.h"
#include "mvmd/twin/v1alpha1/quarantine.grpc.pb.h"
#include "runtime/executor.h"

namespace mvmd {

struct QuarantineParts {
  Committer* committer;
  Executor* readers;  // validates and renders
  GatewayMetrics* metrics;
};

// Thread-safe. Every call needs the role operator, which is for all twins; a re-drive also that the policy still gives
// the twin to the bridge.
class QuarantineService final : public mvmd::twin::v1alpha1::QuarantineService::CallbackService {
 public:
  // All parts, and `callers`, outlive the service.
  QuarantineService(const QuarantineParts& parts, const Callers* callers) : parts_(parts), callers_(callers) {}

  grpc::ServerUnaryReactor* ListQuarantinedDocuments(
      grpc::CallbackServerContext* context, const mvmd::twin::v1alpha1::ListQuarantinedDocumentsRequest* request,
      mvmd::twin::v1alpha1::ListQuarantinedDocumentsResponse* response) override;
  grpc::ServerUnaryReactor* GetQuarantinedDocument(
      grpc::CallbackServerContext* context, const mvmd::twin::v1alpha1::GetQuarantinedDocumentRequest* request,
      mvmd::twin::v1alpha1::GetQuarantinedDocumentResponse* response) override;
  grpc::ServerUnaryReactor* RedriveDocument(grpc::CallbackServerContext* context,
                                            const mvmd::twin::v1alpha1::RedriveDocumentRequest* request,
                                            mvmd::twin::v1alpha1::RedriveDocumentResponse* response) override;
  grpc::ServerUnaryReactor* DiscardDocument(grpc::CallbackServerContext* context,
                                            const mvmd::twin::v1alpha1::DiscardDocumentRequest* request,
                                            mvmd::twin::v1alpha1::DiscardDocumentResponse* response) override;

 private:
  // Null when the call has been ended: an unknown caller, one without the role, or names that are none.
  CallPtr Begin(absl::string_view method, grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor,
                const absl::Status& request_status);
  // Why the document was refused again, with what the rules say of it now.
  absl::Status ExplainRefusal(const std::string& bridge, const std::string& twin, const absl::Status& refusal) const;

  const QuarantineParts parts_;
  const Callers* const callers_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_QUARANTINE_SERVICE_H_
