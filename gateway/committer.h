// The one writer: appends to the log, applies to the state, tells who waits.
#ifndef MVMD_GATEWAY_COMMITTER_H_
#define MVMD_GATEWAY_COMMITTER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gateway/commit_log.h"
#include "gateway/recent_entries.h"
#include "gateway/state_store.h"
#include "gateway/twin_state.h"
#include "runtime/clock.h"

namespace mvmd {

struct CommitterOptions {
  size_t pending_bytes_max = 64 << 20;
  absl::Duration checkpoint_interval = absl::Seconds(10);
  absl::Duration log_retention = absl::Hours(24 * 7);
  size_t recent_bytes_max = 64 << 20;
};

// Since the start. For metrics.
struct CommitterStats {
  uint64_t batches = 0;  // appends that succeeded: fsyncs
  uint64_t entries = 0;
  uint64_t bytes = 0;  // of entries
  uint64_t samples = 0;
  int64_t append_ns = 0;         // time in successful and failed appends
  uint64_t entries_refused = 0;  // because the disk was full or had failed
  uint64_t checkpoints = 0;
  uint64_t checkpoints_failed = 0;
  uint64_t checkpoint_revision = 0;  // of the last one
  // Now.
  uint64_t pending_entries = 0;
  uint64_t pending_bytes = 0;  // memory, about
};

// Owns a thread:
//   while (batch = take everything that waits) { log.Append(batch); for (e : batch) state.Apply(e); tell; }
// A batch is one fsync. Every checkpoint_interval what has changed in the state is copied between two batches; a second
// thread writes it and trims the log. Thread-safe. Callbacks run on the committer's thread and must not block.
class Committer {
 public:
  using Done = absl::AnyInvocable<void(const ApplyResult& result) &&>;

  // All outlive the committer. `state` has been restored and replayed (see Recover).
  Committer(CommitLog* log, StateStore* store, TwinState* state, const Clock* clock, const CommitterOptions& options);
  ~Committer();

  // Restores the state from the store, replays the tail of the log, and closes sessions that a crash left open.
  static absl::Status Recover(CommitLog* log, StateStore* store, TwinState* state);

  // Queues an entry; its time is set at the append. `done` gets the result when the entry is durable and applied, or a
  // result whose status says why it is not: RESOURCE_EXHAUSTED disk full; UNAVAILABLE stopping. RESOURCE_EXHAUSTED
  // (returned; `done` is not called) when too much waits.
  absl::Status Append(mvmd::twin::v1alpha1::LogEntry entry, std::shared_ptr<const ParsedGroup> group, Done done);

  // Runs `read` under the reader lock; keep it short.
  template <typename Function>
  auto Read(Function read) const {
    absl::ReaderMutexLock lock(&state_mutex_);
    return read(static_cast<const TwinState&>(*state_));
  }

  uint64_t applied_revision() const;
  // Calls back (soon, on the committer's thread, or at once on this one) when `revision` is applied or the deadline has
  // passed; the argument says which.
  void WhenApplied(uint64_t revision, absl::Time deadline, absl::AnyInvocable<void(bool applied) &&> done);

  // Recently applied entries, for watchers.
  RecentEntries& recent() { return recent_; }

  // The log failed for good: the process should exit and start again. OK while all is well.
  absl::Status health() const;

  CommitterStats stats() const;

  // Appends what waits, writes a checkpoint, and stops the threads. Idempotent; not for two threads at once, and not
  // from a callback. What is appended later is refused; who waits for a revision is called.
  void Stop();

 private:
  struct Pending {
    mvmd::twin::v1alpha1::LogEntry entry;
    std::shared_ptr<const ParsedGroup> group;
    Done done;
    size_t bytes;
  };
  struct Waiter {
    absl::Time deadline;
    absl::AnyInvocable<void(bool) &&> done;
  };
  // A checkpoint on its way to the store.
  struct Save {
    Checkpoint checkpoint;
    uint64_t trim_revision = 0;  // 0: nothing to trim
  };
  void Run();
  std::vector<Pending> TakeBatch();
  void CommitBatch(std::vector<Pending> batch);
  void RefuseSessionsOf(const std::vector<Pending>& batch);
  // Takes out what belongs to a session of which something was refused.
  std::vector<Pending> TakeRefused(std::vector<Pending>* batch);
  void ApplyBatch(uint64_t first_revision, std::vector<Pending> batch);
  void Refuse(std::vector<Pending> batch, const absl::Status& status);
  // With `all` those too whose revision has not come.
  void TellWaiters(bool all);
  uint64_t FindTrimRevision() const;
  void StartCheckpoint(bool last);
  void SaveCheckpoints();

  CommitLog* const log_;
  StateStore* const store_;
  TwinState* const state_ ABSL_PT_GUARDED_BY(state_mutex_);
  const Clock* const clock_;
  const CommitterOptions options_;
  RecentEntries recent_;
  mutable absl::Mutex state_mutex_;
  std::atomic<uint64_t> applied_revision_;

  mutable absl::Mutex mutex_;
  std::deque<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  size_t pending_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::multimap<uint64_t, Waiter> waiters_ ABSL_GUARDED_BY(mutex_);  // by revision
  absl::Time next_deadline_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  bool deadline_moved_ ABSL_GUARDED_BY(mutex_) = false;  // to before what the thread waits for
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  CommitterStats stats_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool no_more_waiters_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Save> save_ ABSL_GUARDED_BY(mutex_);  // set: the second thread is at it
  bool save_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t save_retry_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  // The committer's thread only.
  int64_t last_checkpoint_ns_;
  int64_t last_trim_ns_;
  std::thread checkpoint_thread_;
  // Committer's thread only.
  absl::flat_hash_set<uint64_t> refused_sessions_;
  std::thread thread_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_COMMITTER_H_
