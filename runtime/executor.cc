#include "runtime/executor.h"

#include <algorithm>
#include <utility>

namespace mvmd {

Executor::Executor(int threads, size_t queue_max) : queue_max_(std::max<size_t>(queue_max, 1)) {
  threads_.reserve(static_cast<size_t>(std::max(threads, 1)));
  for (int i = 0; i < std::max(threads, 1); ++i) threads_.emplace_back([this] { Work(); });
}

Executor::~Executor() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

bool Executor::TryRun(Task task) {
  absl::MutexLock lock(&mutex_);
  if (closing_ || queue_.size() >= queue_max_) return false;
  queue_.push_back(std::move(task));
  return true;
}

size_t Executor::queued() const {
  absl::MutexLock lock(&mutex_);
  return queue_.size();
}

void Executor::Work() {
  for (;;) {
    Task task;
    {
      absl::MutexLock lock(&mutex_);
      const auto wanted = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return closing_ || !queue_.empty(); };
      mutex_.Await(absl::Condition(&wanted));
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    std::move(task)();
  }
}

}  // namespace mvmd
