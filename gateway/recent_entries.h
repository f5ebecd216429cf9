// Recently applied entries, shared by all watchers.
#ifndef MVMD_GATEWAY_RECENT_ENTRIES_H_
#define MVMD_GATEWAY_RECENT_ENTRIES_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "gateway/twin_state.h"

namespace mvmd {

// A window on the end of the log, bounded in bytes: a watch is a cursor on it. A watcher that is slower than the window
// is long reads the log until it has caught up; nobody else notices. Thread-safe.
class RecentEntries {
 public:
  // `next_revision`: the first one that Push will bring.
  RecentEntries(size_t bytes_max, uint64_t next_revision);

  // Committer only; revisions are consecutive. Wakes who waits, after the whole batch.
  void Push(std::vector<std::shared_ptr<const AppliedEntry>> batch);

  struct Read {
    // Empty with `behind` false: the cursor is at the end.
    std::vector<std::shared_ptr<const AppliedEntry>> entries;
    // The cursor is before the window: read the log up to `oldest` - 1 first.
    bool behind = false;
    uint64_t oldest = 0;
  };
  // Entries from `revision` on, at most about `bytes_max`, at least one if there is any.
  Read ReadFrom(uint64_t revision, size_t bytes_max) const;

  // Calls `ready` once, as soon as the entry `revision` is there (at once if it is), on the pusher's or this thread.
  // Returns an id for Cancel; 0 when it was called at once.
  uint64_t NotifyAt(uint64_t revision, absl::AnyInvocable<void() &&> ready);
  // After it returns, `ready` is not running and will not run. Not from within `ready`.
  void Cancel(uint64_t id);

 private:
  struct Waiting {
    uint64_t revision;
    absl::AnyInvocable<void() &&> ready;
  };
  const size_t bytes_max_;
  mutable absl::Mutex mutex_;
  std::deque<std::shared_ptr<const AppliedEntry>> entries_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_revision_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, Waiting> waiting_ ABSL_GUARDED_BY(mutex_);  // by id
  std::set<uint64_t> running_ ABSL_GUARDED_BY(mutex_);           // ids that the pusher is calling
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_RECENT_ENTRIES_H_
