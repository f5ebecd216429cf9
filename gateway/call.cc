#include "gateway/call.h"

#include <chrono>

#include "runtime/grpc_status.h"
#include "runtime/status_proto.h"

namespace mvmd {

absl::Time Call::deadline() const {
  const std::chrono::system_clock::time_point deadline = context_->deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return absl::FromChrono(deadline);
}

void Call::Finish(const absl::Status& status) {
  metrics_->CountRpc(method_, status);
  AuditRefusal(method_, caller_.subject(), caller_.address(), status, metrics_);
  reactor_->Finish(ToGrpcStatus(status));
}

CallPtr BeginCall(absl::string_view method, grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor,
                  const Callers& callers, GatewayMetrics* metrics) {
  absl::StatusOr<Caller> caller = callers.Of(*context);
  if (caller.ok()) return std::make_shared<Call>(method, context, reactor, *std::move(caller), metrics);
  metrics->CountRpc(method, caller.status());
  AuditRefusal(method, "", context->peer(), caller.status(), metrics);
  reactor->Finish(ToGrpcStatus(caller.status()));
  return nullptr;
}

void RunOrRefuse(Executor* executor, const CallPtr& call, absl::AnyInvocable<void() &&> work) {
  if (executor->TryRun([work = std::move(work)]() mutable { std::move(work)(); })) return;
  call->Finish(MakeError(absl::StatusCode::kResourceExhausted, "OVERLOADED",
                         "too many calls wait for a thread of the gateway; try again later"));
}

}  // namespace mvmd
