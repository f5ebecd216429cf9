#include "tests/sim/sim_gateway.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/status_proto.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

// Without the details, whose order is not the same from run to run.
std::string TextOf(const absl::Status& status) {
  return status.ok() ? "OK" : absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message());
}

constexpr absl::Duration kStrandDelay = absl::Microseconds(50);

}  // namespace

SimGateway::SimGateway(Scheduler* scheduler, SimNetwork* network, SimGatewayOptions options)
    : Process(scheduler, "gateway"), network_(network), options_(std::move(options)) {
  network_->SetServer(this, this);
}

void SimGateway::OnStart() {
  Recover();
  if (on_start) on_start();
}

void SimGateway::OnCrash() {
  state_.reset();
  sessions_.clear();
  pending_.clear();
  failed_sessions_.clear();
  committing_ = false;
  network_->OnCrash(this);
}

void SimGateway::Recover() {
  state_ = std::make_unique<TwinState>(options_.limits);
  const absl::StatusOr<uint64_t> revision =
      store_.Load([this](absl::string_view key, absl::string_view value) { return state_->Restore(key, value); });
  if (!revision.ok()) return scheduler_->Fail(absl::StrCat("restore: ", TextOf(revision.status())));
  if (absl::Status status = state_->FinishRestore(*revision); !status.ok()) {
    return scheduler_->Fail(absl::StrCat("restore at revision ", *revision, ": ", TextOf(status)));
  }
  std::vector<LogRecord> tail;
  (void)log_.ReadFrom(*revision + 1, SIZE_MAX, &tail);
  TwinState replica(options_.limits);
  std::vector<LogRecord> whole;
  (void)log_.ReadFrom(1, SIZE_MAX, &whole);
  for (const LogRecord& record : whole) {
    LogEntry entry;
    if (!entry.ParseFromString(record.bytes)) return scheduler_->Fail("an entry of the log is no LogEntry");
    replica.Apply(record.revision, entry, nullptr, nullptr);
    if (record.revision > *revision) state_->Apply(record.revision, entry, nullptr, nullptr);
  }
  if (state_->Fingerprint() != replica.Fingerprint()) {
    scheduler_->Fail(absl::StrCat("checkpoint at revision ", *revision, " and replay of ", tail.size(),
                                  " entries give another state than the whole log"));
  }
  scheduler_->Trace(name(), " recovers revision ", *revision, " and ", tail.size(), " entries");
  // Their bridges are gone.
  for (const auto& [bridge, session] : state_->OpenSessions()) {
    LogEntry entry;
    entry.set_time_unix_ns(std::max(scheduler_->unix_ns(), state_->last_time_unix_ns()));
    entry.mutable_session_closed()->set_bridge(bridge);
    entry.mutable_session_closed()->set_session(session);
    entry.mutable_session_closed()->set_reason("the gateway was restarted");
    const absl::StatusOr<uint64_t> closed = log_.Append({entry.SerializeAsString()});
    state_->Apply(*closed, entry, nullptr, nullptr);
  }
}

void SimGateway::Append(LogEntry entry, std::shared_ptr<const ParsedGroup> group,
                        std::function<void(const ApplyResult& result)> done) {
  pending_.push_back({std::move(entry), std::move(group), std::move(done)});
  if (committing_) return;
  committing_ = true;
  After(absl::Microseconds(scheduler_->Pick(50)), [this] { BeginBatch(); });
}

void SimGateway::BeginBatch() {
  std::vector<Pending> batch(std::make_move_iterator(pending_.begin()), std::make_move_iterator(pending_.end()));
  pending_.clear();
  if (batch.empty()) {
    committing_ = false;
    return;
  }
  After(scheduler_->Between(absl::Microseconds(50), options_.fsync_max),
        [this, shared = std::make_shared<std::vector<Pending>>(std::move(batch))] { CommitBatch(std::move(*shared)); });
}

void SimGateway::CommitBatch(std::vector<Pending> batch) {
  if (CrashPoint("before the log is durable")) return;
  const bool fails = failing_write_ > 0 && --failing_write_ == 0;
  const bool is_full = fails || scheduler_->now() < disk_full_until_;
  std::vector<Pending> writable;
  for (Pending& pending : batch) {
    const uint64_t session = pending.entry.frames_received().session();  // 0: no frames
    if (is_full && session != 0) failed_sessions_.insert(session);
    if (!is_full && failed_sessions_.count(session) == 0) {
      writable.push_back(std::move(pending));
      continue;
    }
    scheduler_->Trace(name(), " cannot write an entry of session ", session);
    ApplyResult result;
    result.status = absl::ResourceExhaustedError("disk is full");
    TellDone(std::move(pending), result);
  }
  batch = std::move(writable);
  std::vector<std::string> entries;
  for (Pending& pending : batch) {
    pending.entry.set_time_unix_ns(std::max(scheduler_->unix_ns(), state_->last_time_unix_ns()));
    entries.push_back(pending.entry.SerializeAsString());
  }
  if (entries.empty()) return BeginBatch();
  uint64_t revision = *log_.Append(entries);
  if (CrashPoint("log is durable, nothing applied")) return;
  for (Pending& pending : batch) {
    const ApplyResult result = Apply(revision++, pending.entry, std::move(pending.group));
    if (CrashPoint("applied, nobody told")) return;
    TellDone(std::move(pending), result);
  }
  if (scheduler_->Chance(0.02)) WriteCheckpoint();
  if (!up()) return;
  BeginBatch();
}

void SimGateway::TellDone(Pending pending, const ApplyResult& result) {
  if (!pending.done) return;
  // On the session's strand: later, and in order.
  After(kStrandDelay, [done = std::move(pending.done), result] { done(result); });
}

ApplyResult SimGateway::Apply(uint64_t revision, const LogEntry& entry, std::shared_ptr<const ParsedGroup> group) {
  std::shared_ptr<const AppliedEntry> applied;
  ApplyResult result = state_->Apply(revision, entry, std::move(group), &applied);
  scheduler_->Trace(name(), " revision ", revision, " kind ", static_cast<int>(entry.body_case()), ": ",
                    result.samples_applied, " samples, ", result.frames_duplicate, " duplicate frames, ",
                    TextOf(result.status));
  if (absl::IsDataLoss(result.status)) scheduler_->Fail(TextOf(result.status));
  for (const auto& [seq, status] : result.rejected) {
    if (ReasonOf(status) == "DOCUMENT_INVALID" &&
        absl::StartsWith(MetadataOf(status)["twin"], options_.faulty_prefix)) {
      continue;
    }
    scheduler_->Fail(absl::StrCat("the fold rejects frame ", seq, ": ", TextOf(status)));
  }
  if (on_applied) on_applied(applied);
  return result;
}

void SimGateway::Patch(const std::string& twin, const std::string& merge_patch) {
  if (!up()) return;
  LogEntry entry;
  entry.mutable_overlay_patched()->set_twin(twin);
  entry.mutable_overlay_patched()->set_merge_patch(merge_patch);
  entry.mutable_overlay_patched()->set_principal("spiffe://plant.example/client/operator");
  Append(std::move(entry), nullptr, nullptr);
}

void SimGateway::SetValidation(pb::ValidationMode mode) {
  if (!up()) return;
  LogEntry entry;
  entry.mutable_validation_policy_changed()->mutable_policy()->set_mode(mode);
  Append(std::move(entry), nullptr, nullptr);
}

void SimGateway::Redrive(const std::string& bridge, const std::string& twin) {
  if (!up()) return;
  LogEntry entry;
  entry.mutable_document_redriven()->set_bridge(bridge);
  entry.mutable_document_redriven()->set_twin(twin);
  Append(std::move(entry), nullptr, nullptr);
}

void SimGateway::WriteCheckpoint() {
  if (!up()) return;
  const Checkpoint checkpoint = state_->TakeCheckpoint();
  if (CrashPoint("before the checkpoint is durable")) return;
  scheduler_->Trace(name(), " checkpoint at revision ", checkpoint.revision);
  (void)store_.Save(checkpoint);
  (void)CrashPoint("checkpoint is durable");
}

void SimGateway::Drain(absl::Duration grace) {
  if (!up()) return;
  scheduler_->Trace(name(), " drains for ", absl::FormatDuration(grace));
  std::vector<uint64_t> streams;
  for (const auto& [stream, session] : sessions_) streams.push_back(stream);
  const int64_t grace_ns = absl::ToInt64Nanoseconds(grace);
  for (const uint64_t stream : streams) {
    Tell(stream, [grace_ns](BridgeSession* core, auto* actions) { core->OnDrain(grace_ns, actions); });
    if (!up()) return;
  }
  After(grace, [this] {
    std::vector<uint64_t> left;
    for (const auto& [stream, session] : sessions_) left.push_back(stream);
    for (const uint64_t stream : left) {
      Tell(stream, [](BridgeSession* core, auto* actions) { core->OnDrainEnd(actions); });
      if (!up()) return;
    }
    After(absl::Milliseconds(100), [this] {
      WriteCheckpoint();
      Crash("drained");
    });
  });
}

void SimGateway::FillDisk(absl::Duration duration) {
  scheduler_->Trace(name(), " has no room on its disk for ", absl::FormatDuration(duration));
  disk_full_until_ = scheduler_->now() + duration;
}

void SimGateway::Heal() {
  disk_full_until_ = absl::InfinitePast();
  failing_write_ = 0;
}

void SimGateway::OnStream(uint64_t stream, const std::string& bridge) {
  BridgeSessionOptions options = options_.session;
  options.bridge = bridge;
  options.peer = absl::StrCat("stream ", stream);
  for (int i = 0; i < 16; ++i) options.nonce.push_back(static_cast<char>(scheduler_->Pick(256)));
  sessions_[stream].core = std::make_unique<BridgeSession>(options, [](absl::string_view) { return true; });
}

void SimGateway::OnRequest(uint64_t stream, const pb::SyncRequest& request) {
  Tell(stream, [&request, this](BridgeSession* core, auto* actions) {
    core->OnRequest(request, scheduler_->unix_ns(), actions);
  });
}

void SimGateway::OnGone(uint64_t stream, const std::string& reason) {
  Tell(stream, [&reason](BridgeSession* core, auto* actions) { core->OnPeerGone(reason, actions); });
}

void SimGateway::Tell(uint64_t stream,
                      const std::function<void(BridgeSession*, std::vector<BridgeSession::Action>*)>& event) {
  const auto found = sessions_.find(stream);
  if (found == sessions_.end()) return;
  std::vector<BridgeSession::Action> actions;
  event(found->second.core.get(), &actions);
  for (BridgeSession::Action& action : actions) {
    if (CrashPoint("before an action of the session")) return;
    if (auto* send = std::get_if<BridgeSession::Send>(&action)) {
      network_->Send(stream, std::make_shared<const pb::SyncResponse>(std::move(send->response)));
    } else if (auto* append = std::get_if<BridgeSession::Append>(&action)) {
      Append(std::move(append->entry), std::move(append->group),
             [this, stream, tag = append->tag](const ApplyResult& result) {
               Tell(stream, [this, tag, &result](BridgeSession* core, auto* more) {
                 core->OnApplied(tag, result, scheduler_->unix_ns(), more);
               });
             });
    } else if (auto* finish = std::get_if<BridgeSession::Finish>(&action)) {
      scheduler_->Trace(name(), " ends stream ", stream, ": ", TextOf(finish->status));
      if (absl::IsInvalidArgument(finish->status)) {
        scheduler_->Fail(absl::StrCat("stream ", stream, " ends with ", TextOf(finish->status)));
      }
      network_->Finish(stream, finish->status);
    } else if (auto* timer = std::get_if<BridgeSession::SetTimer>(&action)) {
      const uint64_t number = ++found->second.timer;
      After(absl::Nanoseconds(std::max<int64_t>(timer->unix_ns - scheduler_->unix_ns(), 0)), [this, stream, number] {
        const auto session = sessions_.find(stream);
        if (session == sessions_.end() || session->second.timer != number) return;
        Tell(stream, [this](BridgeSession* core, auto* more) { core->OnTimer(scheduler_->unix_ns(), more); });
      });
    }
  }
}

}  // namespace mvmd
