#include "bridge/intake.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bridge/conditioner.h"
#include "runtime/log.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// Setting of the outbox: what the broker's session is subscribed to, a line each: `qos retained filter`.
constexpr char kSubscriptionsSetting[] = "subscriptions";
constexpr size_t kTasksMax = 10000;
constexpr int64_t kQuietNs = 100000000;
// Transactions that drop rows, before the source is looked at again.
constexpr int kRoomsAtOnce = 4;
constexpr absl::Duration kIssueLogInterval = absl::Seconds(10);

std::string SubscriptionsText(const std::vector<SensorRouter::Subscription>& subscriptions) {
  std::string text;
  for (const SensorRouter::Subscription& subscription : subscriptions) {
    absl::StrAppend(&text, subscription.qos, " ", subscription.accept_retained ? 1 : 0, " ", subscription.filter, "\n");
  }
  return text;
}

std::vector<std::string> FiltersOf(absl::string_view text) {
  std::vector<std::string> filters;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(' ', 2));
    if (parts.size() == 3) filters.emplace_back(parts[2]);
  }
  return filters;
}

size_t RowBytes(const OutboxBatch& batch) {
  size_t bytes = 0;
  for (const OutboxBatch::Row& row : batch.rows) bytes += row.frame.size();
  return bytes;
}

}  // namespace

Intake::Intake(IntakeOptions options, std::unique_ptr<SensorRouter> router, const TwinCatalog* catalog, Outbox* outbox,
               IssueLog* issues, OnRows on_rows, OnNewEpoch on_new_epoch, OnNonceKept on_nonce_kept)
    : options_(options),
      router_(std::move(router)),
      catalog_(catalog),
      outbox_(outbox),
      issues_(issues),
      on_rows_(std::move(on_rows)),
      on_new_epoch_(std::move(on_new_epoch)),
      on_nonce_kept_(std::move(on_nonce_kept)),
      subscriptions_(SubscriptionsText(router_->Subscriptions())) {
  bindings_.Load(outbox_->TakeBindings());
  redelivery_.Load(outbox_->TakeReceipts());
}

absl::Status Intake::Start() {
  if (!outbox_->loss().empty()) issues_->Add(kIssueRowsLost, outbox_->loss(), {});
  return EnqueueChangedDocuments();
}

MqttSink::Subscriptions Intake::OnConnected(bool session_present) {
  redelivery_.OnConnected(session_present, &receipts_);
  Subscriptions result;
  const std::string known = session_present ? outbox_->setting(kSubscriptionsSetting) : "";
  subscriptions_granted_ = false;
  // A subscription that the session has already would only bring its retained messages again.
  if (known == subscriptions_) return result;
  result.subscribe = router_->Subscriptions();
  for (std::string& filter : FiltersOf(known)) {
    const bool wanted = std::any_of(result.subscribe.begin(), result.subscribe.end(),
                                    [&filter](const auto& subscription) { return subscription.filter == filter; });
    if (!wanted) result.unsubscribe.push_back(std::move(filter));
  }
  return result;
}

void Intake::OnSubscribed() { subscriptions_granted_ = true; }

void Intake::OnSubscriptionRefused(absl::string_view filter) {
  Log(LogLevel::kError, "the broker refuses a subscription; its access list must let this client read it",
      {{"filter", filter}});
  issues_->Add(kIssueSubscriptionRefused, "expected the broker to grant the subscription, it refused",
               {.topic = filter});
}

void Intake::OnDisconnected(absl::string_view) { redelivery_.CloseWindow(); }

void Intake::Refuse(const char* reason, absl::string_view message, const TopicEntry& entry,
                    const SensorTarget* target) {
  issues_->Add(reason, message,
               {.topic = entry.topic,
                .twin = target != nullptr ? absl::string_view(target->twin) : "",
                .sensor = target != nullptr ? absl::string_view(target->sensor) : ""});
  LogEvery(kIssueLogInterval, reason, LogLevel::kWarning, "a message or reading was refused",
           {{"reason", reason}, {"topic", entry.topic}, {"why", message}});
}

void Intake::OnMessage(const MqttMessage& message) {
  stats_.messages.fetch_add(1, std::memory_order_relaxed);
  if (message.qos == 0) {
    stats_.messages_qos0.fetch_add(1, std::memory_order_relaxed);
  } else {
    const uint32_t digest = RedeliveryFilter::Digest(message.topic, message.payload);
    if (redelivery_.IsRedelivery(message.packet_id, message.duplicate, digest)) {
      stats_.redeliveries.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    redelivery_.Take(message.packet_id, digest, &receipts_);
  }
  TopicEntry* entry = router_->Find(message.topic);
  if (entry->route < 0) {
    return Refuse(kIssueUnknownTopic, "expected a topic that a route matches", *entry, nullptr);
  }
  if (message.retained) {
    const uint32_t digest = RedeliveryFilter::Digest("", message.payload);
    const bool again = entry->has_retained_digest && entry->last_retained_digest == digest;
    entry->has_retained_digest = true;
    entry->last_retained_digest = digest;
    if (!entry->accept_retained || again) {
      stats_.retained_ignored.fetch_add(1, std::memory_order_relaxed);
      return;
    }
  }
  const int64_t arrival_unix_ns = options_.clock->UnixNanos();
  if (message.payload.size() > options_.max_payload_bytes) {
    Lose(router_->Resolve(entry, ""), arrival_unix_ns);
    return Refuse(kIssuePayloadTooLarge,
                  absl::StrCat("expected a payload of at most ", options_.max_payload_bytes, " bytes, got ",
                               message.payload.size()),
                  *entry, nullptr);
  }
  absl::Status status = entry->decoder->Decode(message.topic, message.payload, &readings_, &bad_readings_);
  if (!status.ok()) {
    Lose(router_->Resolve(entry, ""), arrival_unix_ns);
    return Refuse(kIssueDecodeFailed, status.message(), *entry, nullptr);
  }
  if (!bad_readings_.empty()) RefuseReadings(entry, arrival_unix_ns);
  for (Reading& reading : readings_) TakeReading(entry, std::move(reading), arrival_unix_ns);
}

void Intake::Lose(const SensorTarget* target, int64_t arrival_unix_ns, uint64_t count) {
  switch (target->problem) {
    case SensorTarget::Problem::kNone:
      // Topics that anybody may invent make no twins.
      if (target->binding != 0 || !catalog_->open()) gaps_.Add(target->twin, target->sensor, arrival_unix_ns, count);
      return;
    case SensorTarget::Problem::kBadName:
      // The sensor's name would have come from the message.
      if (catalog_->Find(target->twin) != nullptr) gaps_.Add(target->twin, "", arrival_unix_ns, count);
      return;
    case SensorTarget::Problem::kUnknownTwin:
    case SensorTarget::Problem::kUnknownSensor:
      // Nothing that the twin has.
      return;
  }
}

void Intake::RefuseReadings(TopicEntry* entry, int64_t arrival_unix_ns) {
  if (bad_readings_.more() > 0) {
    Lose(router_->Resolve(entry, ""), arrival_unix_ns, bad_readings_.more());
    Refuse(kIssueBadReading, absl::StrCat(bad_readings_.more(), " more bad readings in one message"), *entry, nullptr);
  }
  for (const BadReading& bad : bad_readings_.described()) {
    const SensorTarget* target = bad.name.empty() ? nullptr : router_->Resolve(entry, bad.name);
    Lose(target != nullptr ? target : router_->Resolve(entry, ""), arrival_unix_ns);
    Refuse(kIssueBadReading, absl::StrCat(bad.pointer, bad.pointer.empty() ? "" : ": ", bad.message), *entry, target);
  }
}

void Intake::TakeReading(TopicEntry* entry, Reading reading, int64_t arrival_unix_ns) {
  SensorTarget* target = router_->Resolve(entry, reading.name);
  switch (target->problem) {
    case SensorTarget::Problem::kNone:
      break;
    case SensorTarget::Problem::kUnknownTwin:
      return Refuse(kIssueUnknownTwin, "expected a twin of the configuration's `twins`", *entry, target);
    case SensorTarget::Problem::kUnknownSensor:
      return Refuse(kIssueUnknownSensor, "expected a sensor of the twin's document", *entry, target);
    case SensorTarget::Problem::kBadName:
      return Refuse(kIssueBadName, "expected names of twin and sensor of 1 to 512 bytes of UTF-8", *entry, target);
  }
  Sample sample;
  ConditionResult result = Condition(std::move(reading), arrival_unix_ns, target->local, &sample);
  switch (result.code) {
    case ConditionResult::Code::kOk:
      break;
    case ConditionResult::Code::kUnitMismatch:
      Lose(target, arrival_unix_ns);
      return Refuse(kIssueUnitMismatch, result.message, *entry, target);
    case ConditionResult::Code::kTextTooLong:
    case ConditionResult::Code::kNotFinite:
      Lose(target, arrival_unix_ns);
      return Refuse(kIssueBadValue, result.message, *entry, target);
  }
  if (target->binding == 0) {
    target->binding = bindings_.Bind(target->twin, target->sensor);
    if (target->binding == 0) {
      return Refuse(kIssueTooManySensors, absl::StrCat("expected at most ", kBindingsMax, " sensors in a bridge"),
                    *entry, target);
    }
  }
  sample.binding = target->binding;
  builder_.Add(std::move(sample));
}

absl::Status Intake::Commit() {
  if (!batch_built_) {
    batch_.Clear();
    stats_.samples.fetch_add(builder_.samples(), std::memory_order_relaxed);
    if (bindings_.has_new()) {
      batch_.bindings = bindings_.TakeNew();
      AppendBindingRows(batch_.bindings, outbox_->next_seq(), &batch_.rows);
    }
    builder_.Finish(outbox_->next_seq() + batch_.rows.size(), &batch_.rows);
    gaps_.Finish(outbox_->next_seq() + batch_.rows.size(), &batch_.rows);
    batch_.receipts = std::exchange(receipts_, {});
    batch_built_ = true;
  }
  const int64_t begin = options_.clock->MonotonicNanos();
  absl::Status status = CommitNow(batch_);
  if (!status.ok()) return status;
  stats_.commits.fetch_add(1, std::memory_order_relaxed);
  stats_.commit_ns_sum.fetch_add(static_cast<uint64_t>(options_.clock->MonotonicNanos() - begin),
                                 std::memory_order_relaxed);
  last_commit_ns_ = begin;
  batch_built_ = false;
  return absl::OkStatus();
}

absl::Status Intake::CommitNow(const OutboxBatch& batch) {
  if (absl::Status status = outbox_->Commit(batch); !status.ok()) return status;
  if (!batch.rows.empty()) on_rows_(outbox_->last_seq(), RowBytes(batch));
  return absl::OkStatus();
}

absl::Status Intake::OnIdle() {
  if (batch_built_) return absl::OkStatus();
  if (subscriptions_granted_) {
    OutboxBatch batch;
    batch.settings.emplace_back(kSubscriptionsSetting, subscriptions_);
    if (absl::Status status = CommitNow(batch); !status.ok()) return status;
    subscriptions_granted_ = false;
  }
  while (has_tasks_.load(std::memory_order_acquire)) {
    Task task;
    {
      absl::MutexLock lock(&mutex_);
      task = tasks_.front();
    }
    if (absl::Status status = task(); !status.ok()) return status;
    absl::MutexLock lock(&mutex_);
    tasks_.pop_front();
    has_tasks_ = !tasks_.empty();
  }
  // Commits take some along; this is for a source that is quiet or paused.
  const bool quiet = options_.clock->MonotonicNanos() - last_commit_ns_ > kQuietNs;
  if (outbox_->has_forgotten() && (quiet || outbox_->full())) {
    if (absl::Status status = outbox_->DeleteForgotten().status(); !status.ok()) return status;
  }
  absl::StatusOr<bool> more = outbox_->MakeRoom();
  for (int i = 0; more.ok() && *more && i < kRoomsAtOnce; ++i) more = outbox_->MakeRoom();
  if (outbox_->full()) outbox_->CheckDisk();
  return more.status();
}

void Intake::Post(Task task) {
  absl::MutexLock lock(&mutex_);
  // Only a gateway that asks in a loop gets so far; it will ask again.
  if (tasks_.size() >= kTasksMax) return;
  tasks_.push_back(std::move(task));
  has_tasks_.store(true, std::memory_order_release);
}

void Intake::SendDocument(std::string twin) {
  Post([this, twin = std::move(twin)] {
    const LocalTwin* local = catalog_->Find(twin);
    if (local == nullptr || !local->has_document) return absl::OkStatus();
    return EnqueueDocument(*local);
  });
}

void Intake::SendCommandResult(pb::CommandResult result) {
  Post([this, result = std::move(result)] {
    OutboxBatch batch;
    pb::Frame frame;
    frame.set_seq(outbox_->next_seq());
    *frame.mutable_command_result() = result;
    batch.rows.push_back({RowKind::kCommandResult, frame.SerializeAsString()});
    return CommitNow(batch);
  });
}

void Intake::StartNewEpoch(IntervalSet applied, IntervalSet lost) {
  Post([this, applied = std::move(applied), lost = std::move(lost)] { return RunNewEpoch(applied, lost); });
}

void Intake::KeepNonce(uint64_t epoch, std::string nonce) {
  Post([this, epoch, nonce = std::move(nonce)] {
    if (epoch != outbox_->epoch()) return absl::OkStatus();
    if (absl::Status status = outbox_->KeepNonce(nonce); !status.ok()) return status;
    on_nonce_kept_(epoch, nonce);
    return absl::OkStatus();
  });
}

void Intake::Quarantine(uint64_t seq) {
  Post([this, seq, epoch = outbox_->epoch()] {
    return epoch == outbox_->epoch() ? outbox_->Quarantine(seq) : absl::OkStatus();
  });
}

absl::Status Intake::RunNewEpoch(const IntervalSet& applied, const IntervalSet& lost) {
  if (absl::Status status = outbox_->StartNewEpoch(applied, lost); !status.ok()) return status;
  Log(LogLevel::kWarning, "outbox starts a new epoch", {{"epoch", outbox_->epoch()}, {"rows", outbox_->kept_rows()}});
  on_new_epoch_(outbox_->epoch(), outbox_->outbox_id(), outbox_->last_seq());
  Post([this] { return EnqueueChangedDocuments(); });
  return absl::OkStatus();
}

absl::Status Intake::EnqueueDocument(const LocalTwin& twin) {
  OutboxBatch batch;
  AppendDocumentRows(twin, outbox_->next_seq(), &batch.rows);
  batch.documents.emplace_back(twin.id, twin.sha256);
  return CommitNow(batch);
}

absl::Status Intake::EnqueueChangedDocuments() {
  for (const std::string& id : catalog_->ids()) {
    const LocalTwin* twin = catalog_->Find(id);
    if (!twin->has_document || outbox_->DocumentSha256(id) == twin->sha256) continue;
    if (absl::Status status = EnqueueDocument(*twin); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace mvmd
