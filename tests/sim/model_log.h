// The gateway's disk as it is promised: entries and checkpoints that are written stay, in order and whole.
#ifndef MVMD_TESTS_SIM_MODEL_LOG_H_
#define MVMD_TESTS_SIM_MODEL_LOG_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gateway/commit_log.h"
#include "gateway/state_store.h"
#include "tests/support/keyframe_map.h"

namespace mvmd {

class ModelLog final : public CommitLog {
 public:
  absl::StatusOr<uint64_t> Append(absl::Span<const std::string> entries) override {
    const uint64_t first = Last() + 1;
    entries_.insert(entries_.end(), entries.begin(), entries.end());
    return first;
  }
  absl::Status ReadFrom(uint64_t revision, size_t bytes_max, std::vector<LogRecord>* out) const override {
    if (revision < First()) return absl::OutOfRangeError(absl::StrCat("expected revision ", First(), " or later"));
    size_t bytes = 0;
    for (; revision <= Last() && bytes <= bytes_max; ++revision) {
      out->push_back({revision, entries_[revision - 1]});
      bytes += out->back().bytes.size();
    }
    return absl::OkStatus();
  }
  absl::Status TrimBefore(uint64_t) override { return absl::UnimplementedError("the auditor reads the whole log"); }
  uint64_t First() const override { return 1; }
  uint64_t Last() const override { return entries_.size(); }

 private:
  std::vector<std::string> entries_;
};

class ModelStore final : public StateStore {
 public:
  absl::Status Save(const Checkpoint& checkpoint) override {
    for (const auto& [key, value] : checkpoint.changes) {
      if (value.has_value()) {
        records_[key] = *value;
      } else {
        records_.erase(key);
      }
    }
    revision_ = checkpoint.revision;
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> Load(
      const std::function<absl::Status(absl::string_view key, absl::string_view value)>& each) override {
    for (const auto& [key, value] : records_) {
      if (absl::Status status = each(key, value); !status.ok()) return status;
    }
    return revision_;
  }
  absl::StatusOr<Keyframes> FindKeyframes(absl::string_view twin, uint64_t revision) const override {
    return FindKeyframesIn(records_, twin, revision);
  }
  absl::Status TrimKeyframes(uint64_t) override { return absl::OkStatus(); }
  uint64_t revision() const { return revision_; }

 private:
  std::map<std::string, std::string> records_;
  uint64_t revision_ = 0;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_SIM_MODEL_LOG_H_
