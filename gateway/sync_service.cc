#include "gateway/sync_service.h"

#include <algorithm>
#include <utility>

#include "gateway/audit.h"
#include "runtime/grpc_status.h"
#include "runtime/log.h"
#include "runtime/random.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr size_t kNonceBytes = 16;

// Ends a stream that was never let in.
class RefusedSync final : public grpc::ServerBidiReactor<pb::SyncRequest, pb::SyncResponse> {
 public:
  explicit RefusedSync(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

SyncService::SyncService(const SyncParts& parts, const SyncOptions& options, const Callers* callers)
    : parts_(parts), options_(options), callers_(callers) {}

grpc::ServerBidiReactor<pb::SyncRequest, pb::SyncResponse>* SyncService::Sync(grpc::CallbackServerContext* context) {
  const absl::StatusOr<Caller> caller = callers_->Of(*context);
  const absl::Status status = caller.ok() ? caller->CheckRole(Role::kBridge) : caller.status();
  if (!status.ok()) {
    parts_.metrics->CountRpc("Sync", status);
    AuditRefusal("Sync", caller.ok() ? caller->subject() : "", context->peer(), status, parts_.metrics);
    return new RefusedSync(status);
  }
  BridgeSessionOptions options;
  options.group = options_.group;
  options.credit_bytes = CreditForOneMore();
  options.commit_linger_ns = options_.commit_linger_ns;
  options.bridge = caller->subject();
  options.peer = caller->address();
  options.nonce = RandomBytes(kNonceBytes);
  return SyncReactor::Start(parts_, options, *caller, context);
}

uint64_t SyncService::CreditForOneMore() const {
  const uint64_t share = options_.pending_bytes_max / (parts_.streams->count() + 1);
  return std::min(options_.credit_bytes, std::max({share, kCreditBytesMin, uint64_t{options_.group.frame_bytes_max}}));
}

}  // namespace mvmd
