#include "gateway/strand.h"

#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace mvmd {

struct Strand::State {
  explicit State(Executor* executor_in) : executor(executor_in) {}

  Executor* const executor;
  absl::Mutex mutex;
  std::deque<Task> tasks ABSL_GUARDED_BY(mutex);
  // A thread is inside of Drain, or about to be.
  bool busy ABSL_GUARDED_BY(mutex) = false;
};

Strand::Strand(Executor* executor) : state_(std::make_shared<State>(executor)) {}

void Strand::Drain(const std::shared_ptr<State>& state) {
  while (true) {
    Task task;
    {
      absl::MutexLock lock(&state->mutex);
      if (state->tasks.empty()) {
        state->busy = false;
        return;
      }
      task = std::move(state->tasks.front());
      state->tasks.pop_front();
    }
    std::move(task)();
  }
}

void Strand::Run(Task task) {
  const std::shared_ptr<State> state = state_;  // the task may destroy this strand
  {
    absl::MutexLock lock(&state->mutex);
    state->tasks.push_back(std::move(task));
    if (state->busy) return;
    state->busy = true;
  }
  Drain(state);
}

void Strand::Post(Task task) {
  const std::shared_ptr<State> state = state_;
  {
    absl::MutexLock lock(&state->mutex);
    state->tasks.push_back(std::move(task));
    if (state->busy) return;
    state->busy = true;
  }
  if (state->executor->TryRun([state] { Drain(state); })) return;
  std::deque<Task> dropped;  // destroyed outside of the lock: it may hold the last reference to the owner
  absl::MutexLock lock(&state->mutex);
  state->busy = false;
  dropped.swap(state->tasks);
}

}  // namespace mvmd
