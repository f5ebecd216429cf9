// The one writer: appends to the log, applies to the state, tells who waits.
#ifndef MVMD_GATEWAY_COMMITTER_H_
#define MVMD_GATEWAY_COMMITTER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
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

// Owns a thread:
//   while (batch = take everything that waits) { log.Append(batch); for (e : batch) state.Apply(e); tell; }
// A batch is one fsync. Thread-safe. Callbacks run on the committer's thread and must not block.
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

  // Appends what waits, writes a checkpoint, and stops the thread. Idempotent.
  void Stop();

 private:
  struct Pending {
    mvmd::twin::v1alpha1::LogEntry entry;
    std::shared_ptr<const ParsedGroup> group;
    Done done;
    size_t bytes;
  };
  struct Waiter {
    uint64_t revision;
    absl::Time deadline;
    absl::AnyInvocable<void(bool) &&> done;
  };
  void Run();
  void CommitBatch(std::vector<Pending> batch);
  void WriteCheckpoint();

  CommitLog* const log_;
  StateStore* const store_;
  TwinState* const state_ ABSL_PT_GUARDED_BY(state_mutex_);
  const Clock* const clock_;
  const CommitterOptions options_;
  RecentEntries recent_;
  mutable absl::Mutex state_mutex_;
  mutable absl::Mutex mutex_;
  std::deque<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  size_t pending_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Waiter> waiters_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_COMMITTER_H_
