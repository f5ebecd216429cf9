// A few threads for work that must not block a reactor or an event loop.
#ifndef MVMD_RUNTIME_EXECUTOR_H_
#define MVMD_RUNTIME_EXECUTOR_H_

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace mvmd {

// Bounded thread pool. Thread-safe. Tasks start in the order in which they were given; with one thread they also end in
// it. A task must not throw.
//
//   Executor executor(/*threads=*/2, /*queue_max=*/64);
//   if (!executor.TryRun([this] { Render(); })) return Overloaded();
class Executor {
 public:
  using Task = absl::AnyInvocable<void()>;

  // At least one thread and one place in the queue.
  Executor(int threads, size_t queue_max);
  // Runs what is queued, then joins. No TryRun may be under way from outside; one from a task is refused.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Never blocks. False when the queue is full or the executor is being destroyed: `task` was not taken and is gone.
  [[nodiscard]] bool TryRun(Task task);

  // Tasks that wait for a thread.
  size_t queued() const;

 private:
  void Work();

  const size_t queue_max_;
  mutable absl::Mutex mutex_;
  std::deque<Task> queue_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace mvmd

#endif  // MVMD_RUNTIME_EXECUTOR_H_
