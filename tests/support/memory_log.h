// CommitLog and StateStore in memory, with the faults of a disk.
#ifndef MVMD_TESTS_SUPPORT_MEMORY_LOG_H_
#define MVMD_TESTS_SUPPORT_MEMORY_LOG_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "gateway/commit_log.h"
#include "gateway/state_store.h"
#include "runtime/status_proto.h"
#include "tests/support/keyframe_map.h"

namespace mvmd {

// One disk with one write-ahead log for both, as RocksDbStore has it: an append is durable when it returns; a
// checkpoint is with the next append, or Sync. It outlives the "process" that uses it. Thread-safe.
//
//   MemoryDisk disk;
//   Committer::Recover(disk.log(), disk.state(), &state);
//   ...
//   disk.Crash();          // and start again from what was durable
class MemoryDisk {
 public:
  CommitLog* log() { return &log_; }
  StateStore* state() { return &state_; }

  // The process ends here: what is not durable is gone, faults too.
  void Crash() {
    absl::MutexLock lock(&mutex_);
    for (auto undo = undo_.rbegin(); undo != undo_.rend(); ++undo) {
      checkpoint_revision_ = undo->revision;
      for (auto& [key, value] : undo->values) {
        if (value.has_value()) {
          values_[key] = *value;
        } else {
          values_.erase(key);
        }
      }
    }
    undo_.clear();
    append_error_ = absl::OkStatus();
    append_errors_left_ = 0;
    crash_keeps_.reset();
    save_error_ = absl::OkStatus();
  }
  // The next `count` appends fail and write nothing.
  void FailAppends(absl::Status error, int count = 1) {
    absl::MutexLock lock(&mutex_);
    append_error_ = std::move(error);
    append_errors_left_ = count;
  }
  // The disk dies within the next append: its first `keep` entries are durable, and the caller is not told.
  void DieInNextAppend(size_t keep) {
    absl::MutexLock lock(&mutex_);
    crash_keeps_ = keep;
  }
  // Saves fail until this is called with OK.
  void FailSaves(absl::Status error) {
    absl::MutexLock lock(&mutex_);
    save_error_ = std::move(error);
  }
  // Everything becomes durable.
  void Sync() {
    absl::MutexLock lock(&mutex_);
    undo_.clear();
  }
  int append_count() const {
    absl::MutexLock lock(&mutex_);
    return append_count_;
  }
  uint64_t checkpoint_revision() const {
    absl::MutexLock lock(&mutex_);
    return checkpoint_revision_;
  }
  // Calls back within each append, before anything is written: holds the committer where a test wants it.
  void OnAppend(std::function<void()> hook) {
    absl::MutexLock lock(&mutex_);
    on_append_ = std::move(hook);
  }

 private:
  class Log final : public CommitLog {
   public:
    explicit Log(MemoryDisk* disk) : disk_(*disk) {}

    absl::StatusOr<uint64_t> Append(absl::Span<const std::string> entries) override {
      std::function<void()> hook;
      {
        absl::MutexLock lock(&disk_.mutex_);
        hook = disk_.on_append_;
      }
      if (hook) hook();
      absl::MutexLock lock(&disk_.mutex_);
      ++disk_.append_count_;
      if (disk_.append_errors_left_ > 0) {
        --disk_.append_errors_left_;
        return disk_.append_error_;
      }
      const uint64_t first = disk_.first_ + disk_.entries_.size();
      const size_t kept =
          disk_.crash_keeps_.has_value() ? std::min(*disk_.crash_keeps_, entries.size()) : entries.size();
      for (size_t i = 0; i < kept; ++i) disk_.entries_.push_back(entries[i]);
      if (kept > 0) disk_.undo_.clear();
      if (disk_.crash_keeps_.has_value()) return absl::InternalError("the disk died");
      return first;
    }
    absl::Status ReadFrom(uint64_t revision, size_t bytes_max, std::vector<LogRecord>* out) const override {
      absl::MutexLock lock(&disk_.mutex_);
      if (revision < disk_.first_) {
        return MakeError(
            absl::StatusCode::kOutOfRange, "REVISION_COMPACTED",
            absl::StrCat("revision ", revision, " is no longer in the log, which begins at ", disk_.first_),
            {{"oldest_revision", absl::StrCat(disk_.first_)}});
      }
      size_t bytes = 0;
      for (size_t i = revision - disk_.first_; i < disk_.entries_.size(); ++i) {
        bytes += disk_.entries_[i].size();
        if (i > revision - disk_.first_ && bytes > bytes_max) break;
        out->push_back({disk_.first_ + i, disk_.entries_[i]});
      }
      return absl::OkStatus();
    }
    absl::Status TrimBefore(uint64_t revision) override {
      absl::MutexLock lock(&disk_.mutex_);
      while (disk_.first_ < revision && disk_.entries_.size() > 1) {
        disk_.entries_.pop_front();
        ++disk_.first_;
      }
      return absl::OkStatus();
    }
    uint64_t First() const override {
      absl::MutexLock lock(&disk_.mutex_);
      return disk_.first_;
    }
    uint64_t Last() const override {
      absl::MutexLock lock(&disk_.mutex_);
      return disk_.first_ + disk_.entries_.size() - 1;
    }

   private:
    MemoryDisk& disk_;
  };

  class State final : public StateStore {
   public:
    explicit State(MemoryDisk* disk) : disk_(*disk) {}

    absl::Status Save(const Checkpoint& checkpoint) override {
      absl::MutexLock lock(&disk_.mutex_);
      if (!disk_.save_error_.ok()) return disk_.save_error_;
      Undo& undo = disk_.undo_.emplace_back();
      undo.revision = disk_.checkpoint_revision_;
      for (const auto& [key, value] : checkpoint.changes) {
        const auto old = disk_.values_.find(key);
        undo.values.emplace(key, old == disk_.values_.end() ? std::nullopt : std::optional<std::string>(old->second));
        if (value.has_value()) {
          disk_.values_[key] = *value;
        } else {
          disk_.values_.erase(key);
        }
      }
      disk_.checkpoint_revision_ = checkpoint.revision;
      return absl::OkStatus();
    }
    absl::StatusOr<uint64_t> Load(
        const std::function<absl::Status(absl::string_view key, absl::string_view value)>& each) override {
      std::map<std::string, std::string> values;
      uint64_t revision;
      {
        absl::MutexLock lock(&disk_.mutex_);
        values = disk_.values_;
        revision = disk_.checkpoint_revision_;
      }
      for (const auto& [key, value] : values) {
        if (absl::Status status = each(key, value); !status.ok()) return status;
      }
      return revision;
    }
    absl::StatusOr<Keyframes> FindKeyframes(absl::string_view twin, uint64_t revision) const override {
      absl::MutexLock lock(&disk_.mutex_);
      return FindKeyframesIn(disk_.values_, twin, revision);
    }
    absl::Status TrimKeyframes(uint64_t revision) override {
      absl::MutexLock lock(&disk_.mutex_);
      TrimKeyframesIn(revision, &disk_.values_);
      return absl::OkStatus();
    }

   private:
    MemoryDisk& disk_;
  };

  // What a checkpoint that is not durable replaced.
  struct Undo {
    uint64_t revision = 0;
    std::map<std::string, std::optional<std::string>> values;
  };

  Log log_{this};
  State state_{this};
  mutable absl::Mutex mutex_;
  uint64_t first_ ABSL_GUARDED_BY(mutex_) = 1;
  std::deque<std::string> entries_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> values_ ABSL_GUARDED_BY(mutex_);
  uint64_t checkpoint_revision_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Undo> undo_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> on_append_ ABSL_GUARDED_BY(mutex_);
  absl::Status append_error_ ABSL_GUARDED_BY(mutex_);
  int append_errors_left_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<size_t> crash_keeps_ ABSL_GUARDED_BY(mutex_);
  absl::Status save_error_ ABSL_GUARDED_BY(mutex_);
  int append_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_SUPPORT_MEMORY_LOG_H_
