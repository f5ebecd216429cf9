// The WatchTwins stream of one client: moves responses from a cursor to gRPC.
#ifndef MVMD_GATEWAY_WATCH_REACTOR_H_
#define MVMD_GATEWAY_WATCH_REACTOR_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "gateway/caller.h"
#include "gateway/committer.h"
#include "gateway/gateway_metrics.h"
#include "gateway/history.h"
#include "gateway/past_twins.h"
#include "gateway/strand.h"
#include "gateway/stream_registry.h"
#include "gateway/timer_queue.h"
#include "gateway/watch_cursor.h"
#include "grpcpp/support/server_callback.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "runtime/clock.h"
#include "runtime/executor.h"

namespace mvmd {

// What a watch needs from the gateway; all outlive it.
struct WatchParts {
  Committer* committer;
  const History* history;
  StreamRegistry* watches;
  TimerQueue* timers;
  // Runs what the committer and the timers wake up.
  Executor* executor;
  // Reads the disk and renders snapshots. Each watch has at most one task in it.
  Executor* readers;
  const Clock* clock;
  GatewayMetrics* metrics;
  const PastTwins* past;
};

// Holds no policy: the cursor says what to read and what to send.
//
//   wake --> Advance: while (no write is outstanding) { Take from the cursor, or read more for it }
//                         |                                  |
//                     StartWrite                  recent window: at once
//                         |                       log, snapshot: on `readers`, then back on the strand
//                    OnWriteDone --> Advance      nothing there: NotifyAt(next revision), bookmark timer
//   Finish (once; nothing is being written) --> OnDone: lets go of itself
//
// All events run on one strand. There is no queue: a client that does not read leaves its cursor where it is, and finds
// the window gone and then the log.
class WatchReactor final : public grpc::ServerWriteReactor<mvmd::twin::v1alpha1::WatchTwinsResponse>,
                           public DrainableStream,
                           public std::enable_shared_from_this<WatchReactor> {
 public:
  static constexpr size_t kReadBytesMax = 1 << 20;

  // Checks the request and begins; a bad one ends the stream at once. Owns itself until OnDone.
  static WatchReactor* Start(const WatchParts& parts, const WatchLimits& limits, const absl::StatusOr<Caller>& caller,
                             const mvmd::twin::v1alpha1::WatchTwinsRequest& request);

  explicit WatchReactor(const WatchParts& parts);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void BeginDrain(absl::Duration grace) override;
  void EndDrain() override;
  void EndWith(absl::Status status) override;

 private:
  using Response = mvmd::twin::v1alpha1::WatchTwinsResponse;
  using Entries = std::vector<std::shared_ptr<const AppliedEntry>>;

  absl::Status Open(const WatchLimits& limits, const absl::StatusOr<Caller>& caller,
                    const mvmd::twin::v1alpha1::WatchTwinsRequest& request);
  // On the strand, all of them.
  void Advance();
  void ReadSnapshot();
  void ReadLog();
  void TakeLog(absl::StatusOr<Entries> entries);
  void WaitForMore();
  void ArmBookmark();
  void End(absl::Status status);
  void FinishWhenWritten();
  void HandleDone();
  void CancelNotification();

  const WatchParts parts_;
  std::shared_ptr<WatchReactor> self_;  // until OnDone
  Strand strand_;
  uint64_t registration_ = 0;
  std::optional<WatchCursor> cursor_;
  Response response_;
  bool is_writing_ = false;
  bool is_reading_ = false;  // a task is in `readers`
  bool is_waiting_ = false;  // a notification is outstanding
  bool finished_ = false;
  uint64_t notification_ = 0;
  uint64_t waiting_for_revision_ = 0;
  uint64_t timer_ = 0;
  std::optional<absl::Status> end_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_WATCH_REACTOR_H_
