#include "gateway/committer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/log.h"
#include "runtime/status_proto.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

constexpr size_t kReplayBytes = 4 << 20;
// How often old entries are looked for.
constexpr absl::Duration kTrimInterval = absl::Seconds(60);
// A checkpoint that could not be written is tried again after this time.
constexpr absl::Duration kCheckpointRetry = absl::Seconds(1);

absl::Status Stopping() {
  return MakeError(absl::StatusCode::kUnavailable, "STOPPING", "the gateway stops; try again elsewhere or later");
}

absl::Status LogFailed(const absl::Status& cause) {
  return MakeError(absl::StatusCode::kUnavailable, "LOG_FAILED",
                   absl::StrCat("the gateway cannot write its log and must be started again: ", cause.message()));
}

absl::Status ReplayFailed(uint64_t revision, absl::string_view what) {
  return MakeError(absl::StatusCode::kDataLoss, "REPLAY_FAILED",
                   absl::StrCat("replay of revision ", revision, ": ", what));
}

// Applies what the log has and the state has not.
absl::Status Replay(CommitLog* log, TwinState* state) {
  std::vector<LogRecord> records;
  pb::LogEntry entry;
  while (state->applied_revision() < log->Last()) {
    records.clear();
    const uint64_t next = state->applied_revision() + 1;
    if (absl::Status status = log->ReadFrom(next, kReplayBytes, &records); !status.ok()) {
      return ReplayFailed(next, status.message());
    }
    if (records.empty()) return ReplayFailed(next, "expected an entry, got the end of the log");
    for (const LogRecord& record : records) {
      if (!entry.ParseFromString(record.bytes)) return ReplayFailed(record.revision, "not a log entry");
      state->Apply(record.revision, entry, nullptr, nullptr);
      // A condition that failed then fails again; that is no error.
      if (state->applied_revision() != record.revision) {
        return ReplayFailed(record.revision, "not an entry that this version knows");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

Committer::Committer(CommitLog* log, StateStore* store, TwinState* state, const Clock* clock,
                     const CommitterOptions& options)
    : log_(log),
      store_(store),
      state_(state),
      clock_(clock),
      options_(options),
      recent_(options.recent_bytes_max, state->applied_revision() + 1),
      applied_revision_(state->applied_revision()),
      last_checkpoint_ns_(clock->MonotonicNanos()),
      last_trim_ns_(clock->MonotonicNanos()),
      checkpoint_thread_([this] { SaveCheckpoints(); }),
      thread_([this] { Run(); }) {}

Committer::~Committer() { Stop(); }

absl::Status Committer::Recover(CommitLog* log, StateStore* store, TwinState* state) {
  absl::StatusOr<uint64_t> checkpoint =
      store->Load([state](absl::string_view key, absl::string_view value) { return state->Restore(key, value); });
  if (!checkpoint.ok()) return checkpoint.status();
  if (absl::Status status = state->FinishRestore(*checkpoint); !status.ok()) return status;
  if (*checkpoint > log->Last() || *checkpoint + 1 < log->First()) {
    return MakeError(
        absl::StatusCode::kDataLoss, "REPLAY_FAILED",
        absl::StrCat("expected a log that goes on after the checkpoint at revision ", *checkpoint, ", got revisions ",
                     log->First(), " to ", log->Last(), "; restore both from one backup"));
  }
  if (absl::Status status = Replay(log, state); !status.ok()) return status;

  std::vector<std::string> closed;
  for (const auto& [bridge, session] : state->OpenSessions()) {
    pb::LogEntry entry;
    // The last time that is known to have been before the end.
    entry.set_time_unix_ns(state->last_time_unix_ns());
    entry.mutable_session_closed()->set_bridge(bridge);
    entry.mutable_session_closed()->set_session(session);
    entry.mutable_session_closed()->set_reason("the gateway was started again");
    closed.push_back(entry.SerializeAsString());
  }
  if (closed.empty()) return absl::OkStatus();
  absl::StatusOr<uint64_t> appended = log->Append(closed);
  if (absl::IsResourceExhausted(appended.status())) {
    // Reads must go on with a full disk; the bridges fence these sessions when they come back.
    Log(LogLevel::kWarning, "recovery: no space to close the sessions of the last run", {{"sessions", closed.size()}});
    return absl::OkStatus();
  }
  if (!appended.ok()) return appended.status();
  return Replay(log, state);
}

absl::Status Committer::Append(pb::LogEntry entry, std::shared_ptr<const ParsedGroup> group, Done done) {
  if (entry.body_case() == pb::LogEntry::BODY_NOT_SET) {
    return MakeError(absl::StatusCode::kInvalidArgument, "ENTRY_EMPTY", "log entry: expected a body, got none");
  }
  // The parsed group waits too.
  const size_t bytes = entry.ByteSizeLong() + (group != nullptr ? group->bytes : 0);
  absl::MutexLock lock(&mutex_);
  if (!health_.ok()) return LogFailed(health_);
  if (stopping_) return Stopping();
  // One that is larger than all that may wait is taken when nothing waits.
  if (!pending_.empty() && pending_bytes_ + bytes > options_.pending_bytes_max) {
    return MakeError(absl::StatusCode::kResourceExhausted, "TOO_MUCH_PENDING",
                     absl::StrCat("expected at most ", options_.pending_bytes_max, " bytes to wait for the disk, got ",
                                  pending_bytes_ + bytes, "; try again later"));
  }
  pending_bytes_ += bytes;
  pending_.push_back({std::move(entry), std::move(group), std::move(done), bytes});
  return absl::OkStatus();
}

uint64_t Committer::applied_revision() const { return applied_revision_.load(std::memory_order_acquire); }

void Committer::WhenApplied(uint64_t revision, absl::Time deadline, absl::AnyInvocable<void(bool applied) &&> done) {
  bool applied = false;
  {
    absl::MutexLock lock(&mutex_);
    applied = applied_revision() >= revision;
    // After the last batch nobody would call.
    if (!applied && health_.ok() && !no_more_waiters_) {
      if (deadline < next_deadline_) {
        next_deadline_ = deadline;
        deadline_moved_ = true;
      }
      waiters_.emplace(revision, Waiter{deadline, std::move(done)});
      return;
    }
  }
  std::move(done)(applied);
}

absl::Status Committer::health() const {
  absl::MutexLock lock(&mutex_);
  return health_;
}

CommitterStats Committer::stats() const {
  absl::MutexLock lock(&mutex_);
  CommitterStats stats = stats_;
  stats.pending_entries = pending_.size();
  stats.pending_bytes = pending_bytes_;
  return stats;
}

void Committer::Stop() {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
  {
    absl::MutexLock lock(&mutex_);
    save_stopping_ = true;
  }
  checkpoint_thread_.join();
}

// The committer's thread

void Committer::Run() {
  while (true) {
    std::vector<Pending> batch = TakeBatch();
    bool stop = false;
    if (batch.empty()) {
      absl::MutexLock lock(&mutex_);
      stop = stopping_ && pending_.empty();
      no_more_waiters_ = stop;
    } else {
      CommitBatch(std::move(batch));
    }
    TellWaiters(/*all=*/stop);
    StartCheckpoint(/*last=*/stop);
    if (stop) return;
  }
}

std::vector<Committer::Pending> Committer::TakeBatch() {
  std::vector<Pending> batch;
  absl::MutexLock lock(&mutex_);
  const auto wake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !pending_.empty() || stopping_ || deadline_moved_;
  };
  mutex_.AwaitWithDeadline(absl::Condition(&wake),
                           std::min(next_deadline_, absl::Now() + options_.checkpoint_interval));
  deadline_moved_ = false;
  batch.reserve(pending_.size());
  std::move(pending_.begin(), pending_.end(), std::back_inserter(batch));
  pending_.clear();
  pending_bytes_ = 0;
  return batch;
}

void Committer::Refuse(std::vector<Pending> batch, const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    stats_.entries_refused += batch.size();
  }
  for (Pending& pending : batch) {
    ApplyResult result;
    result.status = status;
    std::move(pending.done)(result);
  }
}

// A session whose group was refused must not have a later one applied: it may build on the first, and their order is a
// promise. The session ends when it hears of the refusal; its id never comes again.
void Committer::RefuseSessionsOf(const std::vector<Pending>& batch) {
  for (const Pending& pending : batch) {
    if (pending.entry.has_frames_received()) refused_sessions_.insert(pending.entry.frames_received().session());
  }
}

std::vector<Committer::Pending> Committer::TakeRefused(std::vector<Pending>* batch) {
  std::vector<Pending> refused;
  if (refused_sessions_.empty()) return refused;
  std::vector<Pending> kept;
  kept.reserve(batch->size());
  for (Pending& pending : *batch) {
    if (pending.entry.has_session_closed()) refused_sessions_.erase(pending.entry.session_closed().session());
    const bool is_refused =
        pending.entry.has_frames_received() && refused_sessions_.contains(pending.entry.frames_received().session());
    (is_refused ? refused : kept).push_back(std::move(pending));
  }
  *batch = std::move(kept);
  return refused;
}

void Committer::CommitBatch(std::vector<Pending> batch) {
  if (const absl::Status failed = health(); !failed.ok()) return Refuse(std::move(batch), LogFailed(failed));
  if (std::vector<Pending> refused = TakeRefused(&batch); !refused.empty()) {
    Refuse(std::move(refused), MakeError(absl::StatusCode::kResourceExhausted, "DISK_FULL",
                                         "an earlier group of this session was refused; open a new session"));
  }
  if (batch.empty()) return;
  const int64_t time_unix_ns = clock_->UnixNanos();
  std::vector<std::string> entries;
  entries.reserve(batch.size());
  size_t bytes = 0;
  for (Pending& pending : batch) {
    pending.entry.set_time_unix_ns(time_unix_ns);
    entries.push_back(pending.entry.SerializeAsString());
    bytes += entries.back().size();
  }
  const int64_t append_started_ns = clock_->MonotonicNanos();
  absl::StatusOr<uint64_t> first = log_->Append(entries);
  const int64_t append_ns = clock_->MonotonicNanos() - append_started_ns;
  if (first.ok() && *first != applied_revision() + 1) {
    first = MakeError(absl::StatusCode::kDataLoss, "LOG_HOLE",
                      absl::StrCat("log: expected revision ", applied_revision() + 1, ", got ", *first));
  }
  {
    absl::MutexLock lock(&mutex_);
    stats_.append_ns += append_ns;
    if (first.ok()) {
      ++stats_.batches;
      stats_.entries += batch.size();
      stats_.bytes += bytes;
    } else if (!absl::IsResourceExhausted(first.status())) {
      health_ = first.status();
    }
  }
  if (absl::IsResourceExhausted(first.status())) {
    LogEvery(absl::Seconds(10), "committer:full", LogLevel::kError, "log: disk full", {{"status", first.status()}});
    RefuseSessionsOf(batch);
    return Refuse(std::move(batch), first.status());
  }
  if (!first.ok()) {
    Log(LogLevel::kError, "log: append failed, the process must start again", {{"status", first.status()}});
    return Refuse(std::move(batch), LogFailed(first.status()));
  }
  ApplyBatch(*first, std::move(batch));
}

void Committer::ApplyBatch(uint64_t first_revision, std::vector<Pending> batch) {
  std::vector<ApplyResult> results(batch.size());
  std::vector<std::shared_ptr<const AppliedEntry>> applied(batch.size());
  uint64_t samples = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    {
      // Readers may come between two entries, so that none waits for a whole batch.
      absl::MutexLock lock(&state_mutex_);
      results[i] = state_->Apply(first_revision + i, batch[i].entry, std::move(batch[i].group), &applied[i]);
    }
    samples += results[i].samples_applied;
    applied_revision_.store(first_revision + i, std::memory_order_release);
  }
  {
    absl::MutexLock lock(&mutex_);
    stats_.samples += samples;
  }
  for (size_t i = 0; i < batch.size(); ++i) std::move(batch[i].done)(results[i]);
  recent_.Push(std::move(applied));
}

void Committer::TellWaiters(bool all) {
  std::vector<std::pair<absl::AnyInvocable<void(bool) &&>, bool>> ready;
  {
    absl::MutexLock lock(&mutex_);
    const uint64_t applied = applied_revision();
    while (!waiters_.empty() && waiters_.begin()->first <= applied) {
      ready.emplace_back(std::move(waiters_.begin()->second.done), true);
      waiters_.erase(waiters_.begin());
    }
    const absl::Time now = absl::Now();
    if (all || !health_.ok() || now >= next_deadline_) {
      next_deadline_ = absl::InfiniteFuture();
      for (auto it = waiters_.begin(); it != waiters_.end();) {
        if (all || !health_.ok() || now >= it->second.deadline) {
          ready.emplace_back(std::move(it->second.done), false);
          it = waiters_.erase(it);
        } else {
          next_deadline_ = std::min(next_deadline_, it->second.deadline);
          ++it;
        }
      }
    }
  }
  for (auto& [done, was_applied] : ready) std::move(done)(was_applied);
}

// Checkpoints: what changed is copied here, between two batches, and written on a thread of its own.

uint64_t Committer::FindTrimRevision() const {
  // The newest revision that is too old, by bisection over the entries' times. Times need not grow strictly: a clock
  // that went back only makes the log somewhat longer or shorter.
  const int64_t oldest_unix_ns = clock_->UnixNanos() - absl::ToInt64Nanoseconds(options_.log_retention);
  const auto time_of = [this](uint64_t revision) -> std::optional<int64_t> {
    std::vector<LogRecord> records;
    pb::LogEntry entry;
    if (!log_->ReadFrom(revision, 0, &records).ok() || records.empty()) return std::nullopt;
    if (!entry.ParseFromString(records[0].bytes)) return std::nullopt;
    return entry.time_unix_ns();
  };
  uint64_t low = log_->First();
  uint64_t high = applied_revision();  // exclusive: the newest entry always stays
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    const std::optional<int64_t> time = time_of(middle);
    if (!time.has_value()) return 0;
    if (*time < oldest_unix_ns) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void Committer::StartCheckpoint(bool last) {
  const int64_t now_ns = clock_->MonotonicNanos();
  if (!last && now_ns - last_checkpoint_ns_ < absl::ToInt64Nanoseconds(options_.checkpoint_interval)) return;
  {
    absl::MutexLock lock(&mutex_);
    // The one before is not written yet, or has to be tried again in a moment.
    if (!last && (save_.has_value() || now_ns < save_retry_ns_)) return;
    const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !save_.has_value(); };
    mutex_.Await(absl::Condition(&idle));
    if (!health_.ok()) return;  // what was applied may not be durable
  }
  uint64_t trim_revision = 0;
  if (now_ns - last_trim_ns_ >= absl::ToInt64Nanoseconds(kTrimInterval)) {
    last_trim_ns_ = now_ns;
    trim_revision = FindTrimRevision();
    if (trim_revision <= log_->First()) trim_revision = 0;
  }
  Save save;
  save.trim_revision = trim_revision;
  {
    absl::MutexLock lock(&state_mutex_);
    if (trim_revision > 0) state_->ForgetBefore(trim_revision);
    save.checkpoint = state_->TakeCheckpoint();
  }
  last_checkpoint_ns_ = now_ns;
  absl::MutexLock lock(&mutex_);
  save_ = std::move(save);
}

void Committer::SaveCheckpoints() {
  // A checkpoint that was not saved: its changes go before those of the next one.
  Save unsaved;
  while (true) {
    Save save;
    {
      absl::MutexLock lock(&mutex_);
      const auto wake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return save_.has_value() || save_stopping_; };
      mutex_.Await(absl::Condition(&wake));
      if (!save_.has_value()) return;
      save = *std::move(save_);
    }
    if (!unsaved.checkpoint.changes.empty()) {
      std::vector<std::pair<std::string, std::optional<std::string>>>& changes = unsaved.checkpoint.changes;
      std::move(save.checkpoint.changes.begin(), save.checkpoint.changes.end(), std::back_inserter(changes));
      save.checkpoint.changes = std::move(changes);
      save.trim_revision = std::max(save.trim_revision, unsaved.trim_revision);
      unsaved = Save();
    }
    absl::Status status = store_->Save(save.checkpoint);
    // The tail of the log must lead on from a checkpoint that is durable; this one is with the next append at the
    // latest, so the trim (which is written after it) never is before it.
    if (status.ok() && save.trim_revision > 0) status = log_->TrimBefore(save.trim_revision);
    // One of the revision before is what the log goes on from.
    if (status.ok() && save.trim_revision > 0) status = store_->TrimKeyframes(save.trim_revision - 1);
    absl::MutexLock lock(&mutex_);
    if (status.ok()) {
      ++stats_.checkpoints;
      stats_.checkpoint_revision = save.checkpoint.revision;
    } else {
      LogEvery(absl::Seconds(10), "committer:checkpoint", LogLevel::kError, "checkpoint failed, will be tried again",
               {{"status", status}});
      ++stats_.checkpoints_failed;
      unsaved = std::move(save);
      save_retry_ns_ = clock_->MonotonicNanos() + absl::ToInt64Nanoseconds(kCheckpointRetry);
    }
    save_.reset();
  }
}

}  // namespace mvmd
