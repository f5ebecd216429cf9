#include "gateway/call.h"

#include <chrono>

#include "runtime/grpc_status.h"

namespace mvmd {

absl::Time Call::deadline() const {
  const std::chrono::system_clock::time_point deadline = context_->deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return absl::FromChrono(deadline);
}

void Call::Finish(const absl::Status& status) {
  metrics_->CountRpc(method_, status);
  reactor_->Finish(ToGrpcStatus(status));
}

}  // namespace mvmd
