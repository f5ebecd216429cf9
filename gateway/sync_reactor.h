// The Sync stream of one bridge: moves messages between gRPC, the session and the committer.
#ifndef MVMD_GATEWAY_SYNC_REACTOR_H_
#define MVMD_GATEWAY_SYNC_REACTOR_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/bridge_session.h"
#include "gateway/committer.h"
#include "gateway/gateway_metrics.h"
#include "gateway/live_bridges.h"
#include "gateway/strand.h"
#include "gateway/stream_registry.h"
#include "gateway/timer_queue.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "mvmd/twin/v1alpha1/sync.pb.h"
#include "runtime/clock.h"
#include "runtime/executor.h"

namespace mvmd {

// What a stream needs from the gateway; all outlive it.
struct SyncParts {
  Committer* committer;
  StreamRegistry* streams;
  LiveBridges* live;
  TimerQueue* timers;
  // Runs what comes from the committer and the timers.
  Executor* executor;
  const Clock* clock;
  GatewayMetrics* metrics;
};

// Holds no policy: events go to a BridgeSession, its actions are carried out.
//
//   Start ---> OnReadDone --> session --> Append --> committer --(its thread)--> strand --> session --> StartWrite
//                ^   |                                                                                     |
//                +---+ next read unless too much waits to be written                        OnWriteDone <--+
//   Finish (once; nothing is being written) ---> OnDone: SessionClosed is appended, the reactor lets go of itself
//
// At most one read and one write are outstanding. All events run on one strand, so there is no lock; results come from
// the committer's thread through the executor, because a write to the socket must not hold up the next fsync. What
// waits to be written is bounded: beyond kWriteQueueBytesMax nothing more is read, and what is in flight then is
// bounded by the credit.
class SyncReactor final
    : public grpc::ServerBidiReactor<mvmd::twin::v1alpha1::SyncRequest, mvmd::twin::v1alpha1::SyncResponse>,
      public DrainableStream,
      public std::enable_shared_from_this<SyncReactor> {
 public:
  static constexpr size_t kWriteQueueBytesMax = 1 << 20;

  // Starts reading. The reactor owns itself until OnDone. When the registry takes no more, the stream ends at once.
  // `caller` is the bridge of `options`, and may sync.
  static SyncReactor* Start(const SyncParts& parts, const BridgeSessionOptions& options, const Caller& caller,
                            const grpc::CallbackServerContext* context);

  SyncReactor(const SyncParts& parts, const BridgeSessionOptions& options, BridgeSession::Authorize authorize,
              const grpc::CallbackServerContext* context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void BeginDrain(absl::Duration grace) override;
  void EndDrain() override;
  void EndWith(absl::Status status) override;

 private:
  using Actions = std::vector<BridgeSession::Action>;

  // On the strand, all of them.
  void HandleRead(bool ok, bool is_cancelled);
  void HandleWritten(bool ok);
  void HandleGone(absl::string_view reason);
  void HandleApplied(uint64_t tag, const ApplyResult& result);
  void HandleDone();
  void CarryOut(Actions actions);
  void Append(BridgeSession::Append append);
  void SetTimer(int64_t unix_ns);
  void CountApplied(uint64_t tag, const ApplyResult& result);
  // The session that keeps another outbox out may be one that ended without a word in the log: ends it there too.
  void HandleRefusedOutbox(const ApplyResult& result);
  void CountCredit();
  // Starts what may be started.
  void Pump();

  const SyncParts parts_;
  const std::string bridge_;
  const std::string peer_;
  const grpc::CallbackServerContext* const context_;  // valid until OnDone, not on the strand
  std::shared_ptr<SyncReactor> self_;                 // until OnDone
  Strand strand_;
  uint64_t registration_ = 0;

  BridgeSession session_;
  mvmd::twin::v1alpha1::SyncRequest request_;   // being read
  mvmd::twin::v1alpha1::SyncResponse writing_;  // being written
  std::deque<mvmd::twin::v1alpha1::SyncResponse> queue_;
  size_t queue_bytes_ = 0;
  bool is_reading_ = false;
  bool is_writing_ = false;
  bool reads_ended_ = false;
  bool writes_failed_ = false;
  bool finished_ = false;
  std::optional<absl::Status> finish_;
  uint64_t timer_ = 0;
  uint64_t credit_counted_bytes_ = 0;
  // Groups on their way through the committer, for the metrics.
  struct InFlight {
    int64_t since_ns;
    size_t bytes;
  };
  std::map<uint64_t, InFlight> in_flight_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_SYNC_REACTOR_H_
