// Opens Sync streams for peers that may have one.
#ifndef MVMD_GATEWAY_SYNC_SERVICE_H_
#define MVMD_GATEWAY_SYNC_SERVICE_H_

#include <cstddef>
#include <cstdint>

#include "gateway/caller.h"
#include "gateway/sync_reactor.h"
#include "mvmd/twin/v1alpha1/sync.grpc.pb.h"

namespace mvmd {

struct SyncOptions {
  GroupLimits group;
  uint64_t credit_bytes = 4 << 20;
  int64_t commit_linger_ns = 100'000'000;
  // Shared by the credit of all sessions: with many of them, new ones get less, but never less than kCreditBytesMin.
  uint64_t pending_bytes_max = 256 << 20;
};

// The largest message that a bridge makes by default, and one frame more, must always fit.
inline constexpr uint64_t kCreditBytesMin = (2 << 20) + (256 << 10);

// Thread-safe.
class SyncService final : public mvmd::twin::v1alpha1::SyncService::CallbackService {
 public:
  // `callers` outlives the service.
  SyncService(const SyncParts& parts, const SyncOptions& options, const Callers* callers);

  grpc::ServerBidiReactor<mvmd::twin::v1alpha1::SyncRequest, mvmd::twin::v1alpha1::SyncResponse>* Sync(
      grpc::CallbackServerContext* context) override;

 private:
  uint64_t CreditForOneMore() const;

  const SyncParts parts_;
  const SyncOptions options_;
  const Callers* const callers_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_SYNC_SERVICE_H_
