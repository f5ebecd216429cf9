// Uplink stream: carries out what the uplink core decides, over gRPC. No policy here.
#ifndef MVMD_BRIDGE_UPLINK_STREAM_H_
#define MVMD_BRIDGE_UPLINK_STREAM_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "bridge/uplink.h"
#include "grpcpp/security/credentials.h"
#include "mvmd/twin/v1alpha1/sync.grpc.pb.h"
#include "runtime/clock.h"

namespace mvmd {

// What the uplink wants of the rest of the bridge. Called on the uplink's thread; quick.
class UplinkHost {
 public:
  virtual ~UplinkHost() = default;
  virtual void ForgetRows(const IntervalSet& seqs) = 0;
  virtual void SendDocument(const std::string& twin) = 0;
  virtual void StartNewEpoch(IntervalSet applied, IntervalSet lost) = 0;
  // UplinkStream::OnNonceKept follows.
  virtual void KeepNonce(uint64_t epoch, std::string nonce) = 0;
  virtual void OnCommand(const mvmd::twin::v1alpha1::Command& command) = 0;
  virtual void OnRowRejected(uint64_t seq, const std::string& message) = 0;
  virtual void OnRowDamaged(uint64_t seq) = 0;
  virtual mvmd::twin::v1alpha1::BridgeReport MakeReport() = 0;
};

struct UplinkStreamOptions {
  std::string target;
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  absl::Duration report_interval = absl::Seconds(5);
  const Clock* clock = &SystemClock::Get();
};

// Owns the core and the one thread that it lives on: gRPC's reactions, outbox news and timers all hop there, so that
// the core needs no lock. A channel, and so a connection, of its own for each Connect.
//
//   stream.Start();
//   stream.OnRowsAvailable(seq, bytes);       // any thread
//   stream.Stop(absl::Seconds(3));            // sends what is there, up to so long; then cancels
class UplinkStream {
 public:
  // `reader` and `host` are not owned.
  UplinkStream(UplinkStreamOptions options, UplinkOptions core, const OutboxReader* reader, UplinkHost* host);
  // Stops at once.
  ~UplinkStream();
  UplinkStream(const UplinkStream&) = delete;
  UplinkStream& operator=(const UplinkStream&) = delete;

  void Start();
  // Blocking. True when everything was committed.
  bool Stop(absl::Duration grace);

  // Any thread, not blocking.
  void OnRowsAvailable(uint64_t last_seq, size_t bytes);
  void OnNewEpoch(uint64_t epoch, std::string outbox_id, uint64_t last_seq);
  void OnNonceKept(uint64_t epoch, std::string nonce);

  // Any thread.
  UplinkStats stats() const;
  Uplink::State state() const { return state_.load(); }
  uint64_t rows_in_flight() const { return rows_in_flight_.load(); }

 private:
  class Stream;
  using Event = absl::AnyInvocable<void()>;

  void Post(Event event);
  void Loop();
  absl::Time Now() const { return absl::FromUnixNanos(options_.clock->MonotonicNanos()); }
  void Perform(UplinkActions actions);
  void PerformOne(UplinkAction& action);
  void Connect();
  // Events of the stream, on the loop.
  void StreamRead(Stream* stream, bool ok);
  void StreamWritten(bool ok);
  void StreamEnded(Stream* stream, absl::Status status);
  void Publish();
  // Ends the stream, if there is one, and waits for that.
  void SayGoodbye();
  // Waits for events until `until`, and handles them.
  void HandleEvents(absl::Time until);

  const UplinkStreamOptions options_;
  UplinkHost* const host_;

  // The loop's.
  Uplink core_;
  std::unique_ptr<Stream> stream_;
  bool stream_closing_ = false;  // no operation may be started any more
  bool write_outstanding_ = false;
  bool leaving_ = false;  // the core is not asked any more
  absl::Time timer_ = absl::InfiniteFuture();
  absl::Time next_report_ = absl::InfinitePast();

  mutable absl::Mutex mutex_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  uint64_t new_last_seq_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t new_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time stop_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::CondVar wake_;
  UplinkStats stats_ ABSL_GUARDED_BY(mutex_);
  bool flushed_ ABSL_GUARDED_BY(mutex_) = false;

  std::atomic<Uplink::State> state_{Uplink::State::kBackoff};
  std::atomic<uint64_t> rows_in_flight_{0};
  std::thread thread_;
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_UPLINK_STREAM_H_
