// One unary call, from its first check to its one end.
#ifndef MVMD_GATEWAY_CALL_H_
#define MVMD_GATEWAY_CALL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gateway/audit.h"
#include "gateway/caller.h"
#include "gateway/gateway_metrics.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "runtime/executor.h"

namespace mvmd {

// Shared by whatever thread works on the call. Request and response live until Finish. Finish is called once.
class Call {
 public:
  // `method` must be a literal. `reactor` is the context's default one: asking for it again would make another, which
  // gRPC does not know. `metrics` outlives the call.
  Call(absl::string_view method, grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor, Caller caller,
       GatewayMetrics* metrics)
      : method_(method), context_(context), reactor_(reactor), caller_(std::move(caller)), metrics_(metrics) {}

  const Caller& caller() const { return caller_; }
  // InfiniteFuture when the client set none.
  absl::Time deadline() const;
  // The client is gone: work for it is wasted. Not after Finish.
  bool is_cancelled() const { return context_->IsCancelled(); }

  // Also tells the audit log when the caller may not.
  void Finish(const absl::Status& status);
  // What the call wrote is durable. Before Finish.
  void Written(absl::string_view twin, uint64_t revision) { AuditWrite(method_, caller_, twin, revision, metrics_); }

 private:
  const absl::string_view method_;
  grpc::CallbackServerContext* const context_;
  grpc::ServerUnaryReactor* const reactor_;
  const Caller caller_;
  GatewayMetrics* const metrics_;
};

using CallPtr = std::shared_ptr<Call>;

// Null when the caller is not known; the call has been ended then. Arguments as of Call.
CallPtr BeginCall(absl::string_view method, grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor,
                  const Callers& callers, GatewayMetrics* metrics);
// Runs `work`, which ends the call, on `executor`; ends it with RESOURCE_EXHAUSTED (OVERLOADED) when that is busy.
void RunOrRefuse(Executor* executor, const CallPtr& call, absl::AnyInvocable<void() &&> work);

}  // namespace mvmd

#endif  // MVMD_GATEWAY_CALL_H_
