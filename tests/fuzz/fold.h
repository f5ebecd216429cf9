// A fold that fuzz targets drive, and what must hold of it whatever its log is.
#ifndef MVMD_TESTS_FUZZ_FOLD_H_
#define MVMD_TESTS_FUZZ_FOLD_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/twin_state.h"
#include "mvmd/twin/v1alpha1/log.pb.h"
#include "tests/fuzz/fuzz.h"

namespace mvmd {

inline TwinStateLimits SmallLimits() {
  TwinStateLimits limits;
  limits.document_bytes_max = 16 << 10;
  limits.unfinished_documents_max = 4;
  limits.unfinished_document_bytes_max = 32 << 10;
  limits.twins_a_bridge_max = 8;
  limits.sensors_a_twin_max = 16;
  limits.issues_kept = 4;
  limits.definition_bytes_kept = 8 << 10;
  limits.gaps_kept = 3;
  limits.history_rows_max = 16;
  return limits;
}

// A fold with its log in memory.
class FuzzFold {
 public:
  FuzzFold() : state_(std::make_unique<TwinState>(SmallLimits())) {}

  ApplyResult Apply(mvmd::twin::v1alpha1::LogEntry entry, std::shared_ptr<const ParsedGroup> group = nullptr) {
    log_.push_back(std::move(entry));
    std::shared_ptr<const AppliedEntry> applied;
    ApplyResult result = state_->Apply(log_.size(), log_.back(), std::move(group), &applied);
    if (state_->applied_revision() != log_.size()) {
      // One that cannot be read, at which a gateway stops; nothing has changed.
      Ensure(result.status.code() == absl::StatusCode::kDataLoss);
      log_.pop_back();
      return result;
    }
    Ensure(result.revision == log_.size() && applied != nullptr);
    Keep(state_->TakeCheckpoint());
    return result;
  }

  TwinState& state() { return *state_; }
  size_t size() const { return log_.size(); }

  // The state is a function of the log, every entry can be told again or says why not, and checkpoints give the same.
  void Check() {
    TwinState replayed(SmallLimits());
    for (size_t i = 0; i < log_.size(); ++i) replayed.Apply(i + 1, log_[i], nullptr, nullptr);
    Ensure(replayed.Fingerprint() == state_->Fingerprint());
    for (size_t i = 0; i < log_.size(); ++i) state_->Resolve(i + 1, log_[i]).status().IgnoreError();
    for (const TwinSnapshot& twin : state_->ListTwins("", "", 100)) twin.definition->form.Render(twin.live);
    TwinState restored(SmallLimits());
    for (const auto& [key, value] : kept_) Ensure(restored.Restore(key, value).ok());
    Ensure(restored.FinishRestore(log_.size()).ok());
    Ensure(restored.Fingerprint() == state_->Fingerprint());
  }

 private:
  void Keep(const Checkpoint& checkpoint) {
    for (const auto& [key, value] : checkpoint.changes) {
      if (value) {
        kept_[key] = *value;
      } else {
        kept_.erase(key);
      }
    }
  }

  std::unique_ptr<TwinState> state_;
  std::vector<mvmd::twin::v1alpha1::LogEntry> log_;
  std::map<std::string, std::string> kept_;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_FUZZ_FOLD_H_
