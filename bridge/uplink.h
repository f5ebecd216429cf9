// Uplink: decides what goes up the Sync stream and when. Pure: events in, actions out; no gRPC, no threads, no clock.
#ifndef MVMD_BRIDGE_UPLINK_H_
#define MVMD_BRIDGE_UPLINK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "mvmd/twin/v1alpha1/block.pb.h"
#include "mvmd/twin/v1alpha1/sync.pb.h"
#include "twin/frame_group.h"
#include "twin/interval_set.h"

namespace mvmd {

// One row of the outbox: a serialized Frame. `damaged`: its checksum was wrong and `frame` is empty.
struct OutboxRow {
  uint64_t seq = 0;
  bool damaged = false;
  std::string frame;
};

// The outbox as the uplink sees it. Implemented by Outbox, and by a vector in tests.
class OutboxReader {
 public:
  virtual ~OutboxReader() = default;

  // First and last seq that are kept; {0, 0} when there are none.
  virtual IntervalSet::Closed Extent() const = 0;

  // Reads rows of [first, last] in order until their frames exceed `bytes_max` (at least one row is read). `rows` is
  // overwritten. Returns the last seq that was looked at: up to it, what is not in `rows` does not exist (any more).
  virtual absl::StatusOr<uint64_t> Read(uint64_t first, uint64_t last, size_t bytes_max,
                                        std::vector<OutboxRow>* rows) const = 0;

  // Of all rows that are kept.
  virtual uint64_t kept_bytes() const = 0;

  // Rows that are gone for good, each in the `covered` of a Gap that is still kept.
  virtual IntervalSet Covered() const = 0;

  // Seqs in [first, last] of the rows that blocks depend on (Bindings) and of document chunks, ascending.
  virtual absl::StatusOr<std::vector<uint64_t>> DeclarationSeqs(uint64_t first, uint64_t last) const = 0;
};

struct UplinkOptions {
  // Of the outbox.
  uint64_t epoch = 0;
  std::string outbox_id;
  std::string software_version;
  // Rows up to this one were in the file when this process started; later ones nobody else can have sent.
  uint64_t last_seq_at_start = 0;
  // What the last Welcome gave that the outbox has kept; may be empty.
  std::string nonce;
  // Rows up to this one were there when the file was first opened after that: a copy has the same ones.
  uint64_t nonce_seq = 0;

  absl::Duration linger = absl::Milliseconds(50);
  size_t max_message_bytes = 256 * 1024;
  absl::Duration stall_timeout = absl::Seconds(10);
  absl::Duration backoff_min = absl::Milliseconds(100);
  absl::Duration backoff_max = absl::Seconds(5);
  // From Connect to Welcome.
  absl::Duration connect_timeout = absl::Seconds(10);
  int compression_level = 3;
  // Of the backfill lane, before compression; 0: no limit of ours.
  uint64_t backfill_bytes_per_second = 0;
  // Of the jitter.
  uint64_t seed = 1;
};

// Actions, to be carried out in order by whoever drives the core.
struct UplinkConnect {};  // open a stream; OnConnected or OnStreamEnded follows
// One at a time; OnWriteDone or OnStreamEnded follows. A `clock_probe` has its time already.
struct UplinkWrite {
  std::unique_ptr<mvmd::twin::v1alpha1::SyncRequest> request;
};
struct UplinkClose {  // cancel the stream; OnStreamEnded follows
  std::string why;
};
// The gateway has these: delete them when convenient. Idempotent.
struct UplinkForgetRows {
  IntervalSet seqs;
};
// For the operator: a row's checksum was wrong; a Gap has been sent in its place.
struct UplinkRowDamaged {
  uint64_t seq;
};
struct UplinkSendDocument {  // enqueue the twin's document again
  std::string twin;
};
// Outbox and gateway do not fit together any more, for one of three reasons: the gateway says by the nonce that the
// file is an old copy; it has rows of this epoch that this process numbered but never sent (likewise; of a gateway or
// bridge without nonces); or it lacks rows (`lost`) that are no longer in the outbox (it was restored from a backup).
// The outbox starts a new epoch: it drops `applied`, declares all bindings again, records `lost` as a Gap, and numbers
// all other rows anew, in order; then OnNewEpoch.
struct UplinkStartNewEpoch {
  IntervalSet applied;
  IntervalSet lost;
};
// Make it durable in the outbox, then call OnNonceKept. Until then no frames go, and no stream is opened.
struct UplinkKeepNonce {
  uint64_t epoch;
  std::string nonce;
};
// A command for the machine; answered by appending a CommandResult row.
struct UplinkCommand {
  mvmd::twin::v1alpha1::Command command;
};
// For the operator: the gateway refused a row for good.
struct UplinkRowRejected {
  uint64_t seq;
  std::string message;
};
// Call OnTimer at `when` (of the `now` scale) or later; replaces the timer set before. InfiniteFuture: none.
struct UplinkSetTimer {
  absl::Time when;
};
struct UplinkLog {
  bool warning = false;
  std::string text;
};
using UplinkAction =
    std::variant<UplinkConnect, UplinkWrite, UplinkClose, UplinkForgetRows, UplinkRowDamaged, UplinkSendDocument,
                 UplinkStartNewEpoch, UplinkKeepNonce, UplinkCommand, UplinkRowRejected, UplinkSetTimer, UplinkLog>;
using UplinkActions = std::vector<UplinkAction>;

struct UplinkStats {
  uint64_t messages_sent = 0;
  uint64_t bytes_sent = 0;  // FrameGroup.data
  uint64_t rows_sent = 0;
  uint64_t rows_committed = 0;
  uint64_t rows_rejected = 0;
  uint64_t connects = 0;
  uint64_t stalls = 0;
  uint64_t protocol_errors = 0;
  uint64_t new_epochs = 0;
  int64_t round_trip_ns = 0;
  int64_t clock_offset_ns = 0;
};

//            Connect            Hello             Welcome
//   kBackoff -------> kConnecting ---> kGreeting --------> kStreaming --- Drain ---> kDraining
//      ^  ^               |               |                    |                        |
//      |  +---------------+---------------+--------------------+------ OnStreamEnded ---+
//      +------- kClosing <-- Close (stall, protocol error, time out, Drain done) -------+
//
// Rules:
//  1. At most one write outstanding; the next after OnWriteDone.
//  2. Nothing but Hello before Welcome. A row goes once a stream, and only if it is not in Welcome's applied set; and
//     only once Welcome's nonce is durable in the outbox, because frames tell the gateway that it is.
//  3. Bytes of FrameGroup.data never exceed the credit granted.
//  4. Rows go in order, in the live lane, as long as no more than some messages of them wait. Of a larger backlog the
//     declarations (Bindings, documents) go first, then its newest rows and what is made meanwhile (live lane); the
//     older ones take turns with them (backfill lane). A row that is older than one that has gone before goes in the
//     backfill lane: seqs only ever rise within a lane, over all streams of an epoch.
//     With `backfill_bytes_per_second` a backfill message waits until what went before it has had its time.
//  5. A live message goes at once when it is full, else when its oldest row has waited for `linger`.
//  6. Rows are forgotten on Commit, Rejected or Welcome only. A commit of what was never sent ends the stream. What the
//     gateway must have but has not, or has but cannot have, starts a new epoch.
//  7. No commit for `stall_timeout` while rows are in flight ends the stream; and so does no credit while rows wait.
//  8. Reconnects wait `backoff_min`, doubling up to `backoff_max`, each between half and the whole; a commit resets it.
//     FENCED, PERMISSION_DENIED and the like wait 5 s (or `backoff_max`, if longer) at once.
//
// Not thread-safe: one strand. `now` must not go back; it need not be the wall clock.
class Uplink {
 public:
  enum class State { kBackoff, kConnecting, kGreeting, kStreaming, kDraining, kClosing };

  // `reader` is not owned and must give every row up to the last OnRowsAvailable. `wall_clock` gives nanoseconds since
  // the Unix epoch, for clock probes only.
  Uplink(UplinkOptions options, const OutboxReader* reader, std::function<int64_t()> wall_clock);

  // Once, first.
  UplinkActions Start(absl::Time now);
  // Sends what is there without linger, then does nothing more than take commits; idle() tells when it is done.
  UplinkActions Stop(absl::Time now);

  // Stream.
  UplinkActions OnConnected(absl::Time now);
  UplinkActions OnWriteDone(absl::Time now);
  // Any SyncResponse; dispatches on its kind.
  UplinkActions OnResponse(absl::Time now, const mvmd::twin::v1alpha1::SyncResponse& response);
  // Also after a failed Connect. No other event of that stream follows.
  UplinkActions OnStreamEnded(absl::Time now, const absl::Status& status);

  // Outbox: rows up to `last_seq` are durable; `bytes` is the size of those since the last call.
  UplinkActions OnRowsAvailable(absl::Time now, uint64_t last_seq, size_t bytes);
  UplinkActions OnNewEpoch(absl::Time now, uint64_t epoch, std::string outbox_id, uint64_t last_seq);
  UplinkActions OnNonceKept(absl::Time now, uint64_t epoch, std::string nonce);

  // A report to be sent with the next free write, with a clock probe before it; replaces one that still waits.
  UplinkActions OnReport(absl::Time now, mvmd::twin::v1alpha1::BridgeReport report);

  UplinkActions OnTimer(absl::Time now);

  State state() const { return state_; }
  const UplinkStats& stats() const { return stats_; }
  // Everything that was made available is committed.
  bool idle() const;
  uint64_t rows_in_flight() const { return in_flight_.Count(); }

 private:
  using SyncRequest = mvmd::twin::v1alpha1::SyncRequest;
  using SyncResponse = mvmd::twin::v1alpha1::SyncResponse;
  using Lane = mvmd::twin::v1alpha1::Lane;

  void Enter(State state, absl::string_view why, UplinkActions* out);
  void Close(std::string why, UplinkActions* out);
  void ProtocolError(absl::string_view what, UplinkActions* out);
  void NewEpoch(IntervalSet lost, absl::string_view why, UplinkActions* out);
  // Now when no row is in flight, or else with the next Welcome.
  void NewEpochWhenSettled(IntervalSet lost, absl::string_view why, UplinkActions* out);
  void OnWelcome(absl::Time now, const mvmd::twin::v1alpha1::Welcome& welcome, UplinkActions* out);
  void StartEpoch(IntervalSet applied, IntervalSet lost, absl::string_view why, UplinkActions* out);
  void OnStale(IntervalSet applied, UplinkActions* out);
  void OnCommit(absl::Time now, const mvmd::twin::v1alpha1::Commit& commit, UplinkActions* out);
  void OnRejected(absl::Time now, const mvmd::twin::v1alpha1::Rejected& rejected, UplinkActions* out);
  void OnClockReply(const mvmd::twin::v1alpha1::ClockReply& reply);
  void Settle(absl::Time now, const IntervalSet& seqs, UplinkActions* out);
  // Time outs, then the next write if rules allow, then the timer. Every event ends here.
  void Advance(absl::Time now, UplinkActions* out);
  void CheckDeadlines(absl::Time now, UplinkActions* out);
  void WriteNext(absl::Time now, UplinkActions* out);
  // Fills `prepared_` from the lane whose turn it is; false when nothing is to be sent now.
  bool PrepareGroup(absl::Time now, UplinkActions* out);
  bool LiveIsDue(absl::Time now) const;
  // Reads rows of `from` (removing them there) and encodes them; false on an error, which ended the stream or epoch.
  bool TakeRows(IntervalSet* from, Lane lane, UplinkActions* out);
  // Everything that is not settled, into lanes; at Welcome. `extent` as of the reader.
  bool Enqueue(IntervalSet::Closed extent, UplinkActions* out);
  bool BacklogIsLarge() const;
  bool WaitsForCredit() const;
  // Moves what is below `seq` from the live to the backfill lane, declarations apart; false on an error.
  bool DemoteLiveBelow(uint64_t seq, UplinkActions* out);
  // All but the newest rows.
  bool DemoteOldLive(UplinkActions* out);
  void Write(std::unique_ptr<SyncRequest> request, UplinkActions* out);
  void SetTimer(UplinkActions* out);

  const UplinkOptions options_;
  const OutboxReader* const reader_;
  const std::function<int64_t()> wall_clock_;
  uint64_t epoch_;
  std::string outbox_id_;
  uint64_t last_seq_at_start_;
  std::string nonce_;  // durable in the outbox
  uint64_t nonce_seq_;
  bool keeping_nonce_ = false;  // until OnNonceKept
  bool welcomed_ = false;       // by this process, in this epoch

  State state_ = State::kBackoff;
  bool stopping_ = false;
  uint64_t last_seq_ = 0;  // newest row that is durable
  IntervalSet settled_;    // applied, rejected or lost: never sent again
  IntervalSet ever_sent_;  // by this process, in this epoch
  IntervalSet ahead_;      // declarations that this process sent ahead of older rows, in this epoch

  // Of this stream.
  IntervalSet declarations_;  // still to be sent, before all else
  IntervalSet backfill_;      // still to be sent
  IntervalSet live_;          // still to be sent
  IntervalSet in_flight_;
  bool writing_ = false;
  uint64_t credit_bytes_ = 0;
  uint64_t window_bytes_ = 0;  // credit at Welcome
  bool zstd_ = true;
  size_t max_frame_bytes_ = 0;
  bool last_was_live_ = false;
  // Token bucket: from then on a message of the backfill lane may go.
  absl::Time backfill_due_ = absl::InfinitePast();
  absl::Time advanced_at_ = absl::InfinitePast();
  absl::Time stream_since_ = absl::InfinitePast();
  absl::Time progress_at_ = absl::InfinitePast();
  bool progress_expected_ = false;
  absl::Time drain_until_ = absl::InfiniteFuture();
  bool new_epoch_wanted_ = false;  // until OnNewEpoch nothing is sent
  std::string new_epoch_why_;      // not empty: with the next Welcome
  IntervalSet new_epoch_lost_;
  // Encoded and waiting for credit or for the wire.
  struct Prepared {
    std::unique_ptr<SyncRequest> request;
    IntervalSet seqs;
  };
  std::optional<Prepared> prepared_;
  size_t live_waiting_bytes_ = 0;  // of `live_`, roughly
  absl::Time live_waiting_since_ = absl::InfiniteFuture();

  std::optional<mvmd::twin::v1alpha1::BridgeReport> report_;
  bool probe_due_ = false;

  absl::Duration backoff_;
  absl::Time next_connect_ = absl::InfinitePast();
  absl::Time timer_ = absl::InfiniteFuture();
  std::mt19937_64 random_;
  FrameGroupCodec codec_;
  std::vector<OutboxRow> rows_;
  std::string batch_;
  UplinkStats stats_;
};

absl::string_view UplinkStateName(Uplink::State state);

}  // namespace mvmd

#endif  // MVMD_BRIDGE_UPLINK_H_
