// A log and a store without a disk, for tests of what stands on them.
#ifndef MVMD_TESTS_GATEWAY_MEMORY_LOG_H_
#define MVMD_TESTS_GATEWAY_MEMORY_LOG_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gateway/commit_log.h"
#include "gateway/state_store.h"

namespace mvmd {

class MemoryLog final : public CommitLog {
 public:
  absl::StatusOr<uint64_t> Append(absl::Span<const std::string> entries) override {
    absl::MutexLock lock(&mutex_);
    if (!error_.ok()) return error_;
    const uint64_t first = first_ + entries_.size();
    entries_.insert(entries_.end(), entries.begin(), entries.end());
    return first;
  }
  absl::Status ReadFrom(uint64_t revision, size_t bytes_max, std::vector<LogRecord>* out) const override {
    absl::MutexLock lock(&mutex_);
    if (revision < first_) return absl::OutOfRangeError(absl::StrCat("expected revision ", first_, " or later"));
    size_t bytes = 0;
    for (uint64_t i = revision - first_; i < entries_.size() && bytes < bytes_max; ++i) {
      out->push_back({first_ + i, entries_[i]});
      bytes += entries_[i].size();
    }
    return absl::OkStatus();
  }
  absl::Status TrimBefore(uint64_t revision) override {
    absl::MutexLock lock(&mutex_);
    const uint64_t last = first_ + entries_.size();
    const uint64_t count = std::min(revision, last) - std::min(first_, revision);
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(count));
    first_ += count;
    return absl::OkStatus();
  }
  uint64_t First() const override {
    absl::MutexLock lock(&mutex_);
    return first_;
  }
  uint64_t Last() const override {
    absl::MutexLock lock(&mutex_);
    return first_ + entries_.size() - 1;
  }

  // What Append says from now on; OK: it works again.
  void FailWith(absl::Status error) {
    absl::MutexLock lock(&mutex_);
    error_ = std::move(error);
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<std::string> entries_ ABSL_GUARDED_BY(mutex_);
  uint64_t first_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

class MemoryStore final : public StateStore {
 public:
  absl::Status Save(const Checkpoint&) override { return absl::OkStatus(); }
  absl::StatusOr<uint64_t> Load(
      const std::function<absl::Status(absl::string_view key, absl::string_view value)>&) override {
    return 0;
  }
  absl::StatusOr<Keyframes> FindKeyframes(absl::string_view, uint64_t) const override { return Keyframes{}; }
  absl::Status TrimKeyframes(uint64_t) override { return absl::OkStatus(); }
};

}  // namespace mvmd

#endif  // MVMD_TESTS_GATEWAY_MEMORY_LOG_H_
