#include "gateway/twin_state.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gateway/twin_state_impl.h"
#include "runtime/status_proto.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

TwinState::TwinState(const TwinStateLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
TwinState::~TwinState() = default;

ApplyResult TwinState::Apply(uint64_t revision, const pb::LogEntry& entry, std::shared_ptr<const ParsedGroup> group,
                             std::shared_ptr<const AppliedEntry>* applied) {
  ApplyResult result;
  result.revision = revision;
  if (revision != applied_revision_ + 1) {
    result.status = MakeError(absl::StatusCode::kDataLoss, "LOG_HOLE",
                              absl::StrCat("log: expected revision ", applied_revision_ + 1, ", got ", revision));
    return result;
  }
  if (entry.body_case() == pb::LogEntry::BODY_NOT_SET) {
    // Going on would make another state than the gateway has that wrote it.
    result.status = MakeError(absl::StatusCode::kDataLoss, "ENTRY_UNKNOWN",
                              absl::StrCat("log: the entry at revision ", revision,
                                           " has no body that this gateway knows; start the version that wrote it"));
    return result;
  }
  auto told = std::make_shared<AppliedEntry>();
  told->revision = revision;
  told->time_unix_ns = entry.time_unix_ns();

  Impl::Context context;
  context.revision = revision;
  context.time_unix_ns = entry.time_unix_ns();
  context.applied = applied != nullptr ? told.get() : nullptr;
  context.result = &result;
  switch (entry.body_case()) {
    case pb::LogEntry::kSessionOpened:
      impl_->Open(entry.session_opened(), &context);
      break;
    case pb::LogEntry::kSessionClosed:
      impl_->Close(entry.session_closed(), &context);
      break;
    case pb::LogEntry::kFramesReceived:
      impl_->ApplyFrames(entry.frames_received(), std::move(group), &context);
      break;
    case pb::LogEntry::kDocumentPut:
      impl_->ApplyPut(entry.document_put(), &context);
      break;
    case pb::LogEntry::kOverlayPatched:
      impl_->ApplyPatch(entry.overlay_patched(), &context);
      break;
    case pb::LogEntry::kTwinDeleted:
      impl_->ApplyDelete(entry.twin_deleted(), &context);
      break;
    case pb::LogEntry::kValidationPolicyChanged:
      impl_->validation_policy = NormalizedPolicy(entry.validation_policy_changed().policy());
      break;
    case pb::LogEntry::kDocumentRedriven:
      impl_->ApplyRedrive(entry.document_redriven(), &context);
      break;
    case pb::LogEntry::kDocumentDiscarded:
      impl_->ApplyDiscard(entry.document_discarded(), &context);
      break;
    case pb::LogEntry::BODY_NOT_SET:
      break;
  }
  applied_revision_ = revision;
  impl_->last_time_unix_ns = entry.time_unix_ns();
  impl_->log_bytes += entry.frames_received().group().data().size() + entry.document_put().document().size() +
                      entry.overlay_patched().merge_patch().size();
  if (applied != nullptr) {
    told->bytes = told->MemoryBytes();
    *applied = std::move(told);
  }
  return result;
}

size_t AppliedEntry::MemoryBytes() const {
  size_t total = sizeof(*this) + samples.capacity() * sizeof(Samples) + connections.capacity() * sizeof(Connection);
  if (group != nullptr) total += group->bytes;
  for (const DocumentChange& change : documents) {
    // Tree and template beside the text.
    total += sizeof(change) + (change.definition != nullptr ? 6 * change.definition->form.definition().size() : 0);
  }
  for (const pb::Gap& gap : gaps) total += gap.SpaceUsedLong();
  return total;
}

// Sessions

void TwinState::Impl::Open(const pb::SessionOpened& opened, Context* context) {
  std::unique_ptr<Bridge>& slot = bridges[opened.bridge()];
  if (slot == nullptr) {
    slot = std::make_unique<Bridge>();
    slot->name = opened.bridge();
  }
  Bridge* bridge = slot.get();
  std::unique_ptr<Epoch>& epoch_slot = bridge->epochs[opened.epoch()];
  if (epoch_slot != nullptr && epoch_slot->outbox_id != opened.outbox_id()) {
    // Two outboxes number their rows alike: what one has sent would hide rows of the other.
    notes[context->revision].nothing_applied = true;
    SaveNote(context->revision);
    context->result->status =
        MakeError(absl::StatusCode::kAborted, "EPOCH_CONFLICT",
                  absl::StrCat("epoch ", opened.epoch(), " of ", opened.bridge(),
                               " belongs to another outbox; give every bridge an identity and an outbox of its own"));
    return;
  }
  if (absl::Status status = CheckOutbox(opened, epoch_slot.get(), context); !status.ok()) {
    notes[context->revision].nothing_applied = true;
    SaveNote(context->revision);
    if (epoch_slot == nullptr) bridge->epochs.erase(opened.epoch());
    context->result->status = std::move(status);
    return;
  }
  if (epoch_slot != nullptr && !opened.next_nonce().empty() && !epoch_slot->nonces.Accepts(opened.presented_nonce())) {
    // Nobody is served, so that an old copy may go on; but not under the numbers of the outbox that it is a copy of.
    notes[context->revision].nothing_applied = true;
    SaveNote(context->revision);
    AddIssue(context, "OUTBOX_STALE", "", "", 1, [&] {
      return absl::StrCat("epoch ", opened.epoch(),
                          ": expected the outbox that was served last, got an old copy of it, from ", opened.peer(),
                          "; it starts a new epoch");
    });
    context->result->outbox_is_stale = true;
    context->result->applied = epoch_slot->applied;
    return;
  }
  if (epoch_slot == nullptr) {
    epoch_slot = std::make_unique<Epoch>();
    epoch_slot->bridge = bridge;
    epoch_slot->number = opened.epoch();
    epoch_slot->outbox_id = opened.outbox_id();
  }
  const bool was_connected = bridge->connected;
  bridge->connected = true;
  bridge->connected_since_unix_ns = context->time_unix_ns;
  bridge->epoch = opened.epoch();
  bridge->session = context->revision;
  bridge->sessions.push_back(context->revision);
  bridge->software_version = opened.software_version();
  bridge->peer = opened.peer();
  bridge->dirty = true;
  epoch_slot->nonces.Give(opened.presented_nonce(), opened.next_nonce());
  epoch_slot->last_revision = context->revision;
  epoch_slot->dirty = true;
  Session& session = sessions[context->revision];
  session.bridge = bridge;
  session.epoch = epoch_slot.get();
  session.last_revision = context->revision;
  session.dirty = true;
  if (!was_connected) OnConnectionChanged(bridge, *context);
  context->result->applied = epoch_slot->applied;
  for (size_t i = 0; i < epoch_slot->bindings.size(); ++i) {
    const Sensor* sensor = epoch_slot->bindings[i].sensor;
    if (sensor != nullptr) context->result->bindings.emplace_back(static_cast<uint32_t>(i + 1), &sensor->ref);
  }
  if (context->applied != nullptr) context->applied->connections.push_back({bridge->name, true});
}

absl::Status TwinState::Impl::CheckOutbox(const pb::SessionOpened& opened, const Epoch* epoch, Context* context) {
  Bridge* bridge = bridges.find(opened.bridge())->second.get();
  context->bridge = bridge;
  // The same outbox may take over at any time: its bridge has lost the old stream before the gateway has.
  if (!bridge->connected || opened.next_nonce().empty()) return absl::OkStatus();
  if (epoch != nullptr && bridge->epoch == opened.epoch()) {
    if (epoch->nonces.Accepts(opened.presented_nonce())) return absl::OkStatus();
    AddIssue(context, "OUTBOX_CLONED", "", "", 1, [&] {
      return absl::StrCat("epoch ", opened.epoch(), ": a copy of the outbox that is served to ", bridge->peer,
                          " was refused, from ", opened.peer());
    });
    return MakeError(absl::StatusCode::kAborted, "OUTBOX_CLONED",
                     absl::StrCat("this outbox is an old copy of one that is being served to ", bridge->peer,
                                  " (session ", bridge->session, " of epoch ", bridge->epoch,
                                  "); stop one of the two bridges, and give each an identity and an outbox of its own"),
                     {{"session", absl::StrCat(bridge->session)}, {"peer", bridge->peer}});
  }
  const auto serving = bridge->epochs.find(bridge->epoch);
  if (serving == bridge->epochs.end() || !serving->second->nonces.active()) return absl::OkStatus();
  if (bridge->epoch == opened.epoch()) return absl::OkStatus();
  AddIssue(context, "IDENTITY_IN_USE", "", "", 1, [&] {
    return absl::StrCat("epoch ", opened.epoch(), " from ", opened.peer(), " was refused while epoch ", bridge->epoch,
                        " is served to ", bridge->peer);
  });
  return MakeError(absl::StatusCode::kAborted, "IDENTITY_IN_USE",
                   absl::StrCat("another outbox of ", bridge->name, " is being served to ", bridge->peer, " (session ",
                                bridge->session, " of epoch ", bridge->epoch,
                                "); give each bridge an identity of its own, or wait until that one is gone"),
                   {{"session", absl::StrCat(bridge->session)}, {"peer", bridge->peer}});
}

void TwinState::Impl::Close(const pb::SessionClosed& closed, Context* context) {
  const auto found = bridges.find(closed.bridge());
  if (found == bridges.end() || !found->second->connected || found->second->session != closed.session()) {
    // A newer session has taken over; its bridge is not gone.
    notes[context->revision].nothing_applied = true;
    SaveNote(context->revision);
    return;
  }
  Bridge* bridge = found->second.get();
  bridge->connected = false;
  bridge->dirty = true;
  Session& session = sessions[closed.session()];
  session.closed_revision = context->revision;
  session.dirty = true;
  OnConnectionChanged(bridge, *context);
  if (context->applied != nullptr) context->applied->connections.push_back({bridge->name, false});
}

void TwinState::Impl::OnConnectionChanged(Bridge* bridge, const Context& context) {
  for (const auto& [id, twin] : bridge->owned) {
    TwinWillChange(twin, context.revision, context.time_unix_ns);
    twin->revision = context.revision;
    MarkLive(twin);
  }
}

void TwinState::Impl::SetOwner(Twin* twin, Bridge* bridge) {
  if (twin->owner == bridge) return;
  if (twin->owner != nullptr) twin->owner->owned.erase(twin->id);
  twin->owner = bridge;
  if (bridge != nullptr) bridge->owned.emplace(twin->id, twin);
  MarkLive(twin);
}

// Names

TwinState::Impl::Twin* TwinState::Impl::InternTwin(absl::string_view id) {
  auto found = twins.find(id);
  if (found == twins.end()) {
    found = twins.emplace(std::string(id), std::make_unique<Twin>()).first;
    found->second->id = found->first;
  }
  return found->second.get();
}

TwinState::Impl::Sensor* TwinState::Impl::InternSensor(Twin* twin, absl::string_view name) {
  if (const auto found = twin->sensors_by_name.find(name); found != twin->sensors_by_name.end()) return found->second;
  Sensor* sensor = AddSensor(twin, name, static_cast<uint32_t>(sensors.size()));
  pb::StateRecord record;
  record.mutable_sensor_name()->set_sensor_number(sensor->number);
  record.mutable_sensor_name()->set_twin(sensor->ref.twin);
  record.mutable_sensor_name()->set_sensor(sensor->ref.sensor);
  PutRecord(SensorKey(sensor->number), record);
  return sensor;
}

TwinState::Impl::Sensor* TwinState::Impl::AddSensor(Twin* twin, absl::string_view name, uint32_t number) {
  auto made = std::make_unique<Sensor>();
  Sensor* sensor = made.get();
  sensor->ref.twin = twin->id;
  sensor->ref.sensor = std::string(name);
  sensor->number = number;
  sensor->twin = twin;
  sensor->in_definition = twin->definition_sensors.contains(name);
  if (sensors.size() <= number) sensors.resize(number + size_t{1});
  sensors[number] = std::move(made);
  twin->sensors.push_back(sensor);
  twin->sensors_by_name.emplace(sensor->ref.sensor, sensor);
  return sensor;
}

const TwinState::Impl::Twin* TwinState::Impl::FindTwin(absl::string_view id) const {
  const auto found = twins.find(id);
  return found == twins.end() ? nullptr : found->second.get();
}

const TwinState::Impl::Session* TwinState::Impl::FindSession(uint64_t session) const {
  const auto found = sessions.find(session);
  return found == sessions.end() ? nullptr : &found->second;
}

bool TwinState::Impl::Twin::WasDeleted(uint64_t at_revision, uint32_t frame) const {
  return std::any_of(deleted_spans.begin(), deleted_spans.end(),
                     [&](const DeletedSpan& span) { return span.Contains(at_revision, frame); });
}

// Issues and marks

void TwinState::Impl::AddIssue(Context* context, absl::string_view reason, absl::string_view twin,
                               absl::string_view sensor, uint64_t count, absl::FunctionRef<std::string()> message) {
  context->result->issues.emplace_back(reason, count);
  context->bridge->dirty = true;
  const int64_t time_unix_ns = context->time_unix_ns;
  std::list<pb::Issue>& issues = context->bridge->issues;
  // What came last comes again soonest.
  const auto found = std::find_if(issues.rbegin(), issues.rend(), [&](const pb::Issue& issue) {
    return issue.reason() == reason && issue.twin() == twin && issue.sensor() == sensor;
  });
  if (found != issues.rend()) {
    found->set_count(found->count() + count);
    found->set_time_unix_ns(time_unix_ns);
    issues.splice(issues.end(), issues, std::next(found).base());
    return;
  }
  if (issues.size() >= limits.issues_kept) issues.pop_front();
  pb::Issue& issue = issues.emplace_back();
  issue.set_reason(std::string(reason));
  issue.set_message(message());
  issue.set_twin(std::string(twin));
  issue.set_sensor(std::string(sensor));
  issue.set_count(count);
  issue.set_time_unix_ns(time_unix_ns);
}

void TwinState::Impl::Reject(absl::Status status, absl::string_view twin, Context* context) {
  ++context->bridge->frames_rejected;
  std::string reason = ReasonOf(status);
  if (reason.empty()) reason = "FRAME_REFUSED";
  AddIssue(context, reason, twin, "", 1, [&] { return std::string(status.message()); });
  context->result->rejected.emplace_back(context->seq, std::move(status));
}

void TwinState::Impl::MarkLive(Twin* twin) {
  if (twin->live_dirty) return;
  twin->live_dirty = true;
  dirty_live.push_back(twin);
}

void TwinState::Impl::MarkDocuments(Twin* twin) {
  if (twin->documents_dirty) return;
  twin->documents_dirty = true;
  dirty_documents.push_back(twin);
}

absl::Status TwinNotAllowed(absl::string_view twin, absl::string_view bridge) {
  return MakeError(absl::StatusCode::kPermissionDenied, "NOT_AUTHORIZED",
                   absl::StrCat("twin \"", twin, "\" is not allowed to ", bridge,
                                ": expected a policy rule with role bridge for it"),
                   {{"subject", std::string(bridge)}, {"role", "bridge"}, {"twin", std::string(twin)}});
}

// Readers

int64_t TwinState::last_time_unix_ns() const { return impl_->last_time_unix_ns; }

TwinSnapshot TwinState::Impl::Snapshot(const Twin& twin) const {
  TwinSnapshot snapshot;
  snapshot.twin = twin.id;
  snapshot.definition = twin.definition;
  snapshot.revision = twin.revision;
  for (const Sensor* sensor : twin.sensors) {
    if (!sensor->value.has_value() || !sensor->in_definition) continue;
    snapshot.live.sensors.push_back({sensor->ref.sensor, sensor->value.Value(), sensor->value.time_unix_ns()});
  }
  const std::optional<bool> is_connected =
      twin.owner != nullptr ? std::optional<bool>(twin.owner->connected) : std::nullopt;
  twin.live.AddTo(is_connected, twin.date_modified_unix_ns, &snapshot.live);
  return snapshot;
}

absl::StatusOr<TwinSnapshot> TwinState::GetTwin(absl::string_view twin) const {
  const Impl::Twin* found = impl_->FindTwin(twin);
  if (found == nullptr || found->definition == nullptr) return TwinNotFound(twin);
  return impl_->Snapshot(*found);
}

const Json* TwinState::OverlayOf(absl::string_view twin) const {
  const Impl::Twin* found = impl_->FindTwin(twin);
  return found != nullptr && found->overlay.has_value() ? &*found->overlay : nullptr;
}

std::vector<TwinSnapshot> TwinState::ListTwins(absl::string_view prefix, absl::string_view after, size_t limit) const {
  std::vector<TwinSnapshot> listed;
  auto it = after < prefix ? impl_->twins.lower_bound(prefix) : impl_->twins.upper_bound(after);
  for (; it != impl_->twins.end() && listed.size() < limit; ++it) {
    if (!absl::StartsWith(it->first, prefix)) break;
    if (it->second->definition != nullptr) listed.push_back(impl_->Snapshot(*it->second));
  }
  return listed;
}

size_t TwinState::twin_count() const { return impl_->twins_defined; }

std::vector<BridgeSnapshot> TwinState::ListBridges(absl::string_view after, size_t limit, bool include_issues) const {
  std::vector<BridgeSnapshot> listed;
  for (auto it = impl_->bridges.upper_bound(after); it != impl_->bridges.end() && listed.size() < limit; ++it) {
    const Impl::Bridge& bridge = *it->second;
    BridgeSnapshot& snapshot = listed.emplace_back();
    snapshot.name = bridge.name;
    snapshot.connected = bridge.connected;
    snapshot.epoch = bridge.epoch;
    snapshot.session = bridge.session;
    snapshot.connected_since_unix_ns = bridge.connected_since_unix_ns;
    snapshot.last_commit_unix_ns = bridge.last_commit_unix_ns;
    snapshot.lag_ns = bridge.lag_ns;
    snapshot.samples_committed = bridge.samples_committed;
    snapshot.frames_committed = bridge.frames_committed;
    snapshot.frames_duplicate = bridge.frames_duplicate;
    snapshot.frames_rejected = bridge.frames_rejected;
    snapshot.software_version = bridge.software_version;
    snapshot.peer = bridge.peer;
    if (include_issues) snapshot.issues.assign(bridge.issues.begin(), bridge.issues.end());
  }
  return listed;
}

std::vector<pb::Gap> TwinState::GapsOf(absl::string_view twin, absl::string_view sensor) const {
  std::vector<pb::Gap> gaps;
  const Impl::Twin* found = impl_->FindTwin(twin);
  if (found == nullptr) return gaps;
  for (const Impl::RecordedGap& recorded : found->gaps) {
    if (recorded.gap.sensor().empty() || recorded.gap.sensor() == sensor) gaps.push_back(recorded.gap);
  }
  return gaps;
}

const SensorRef* TwinState::FindSensor(absl::string_view twin, absl::string_view sensor) const {
  const Impl::Twin* found = impl_->FindTwin(twin);
  if (found == nullptr) return nullptr;
  const auto by_name = found->sensors_by_name.find(sensor);
  return by_name == found->sensors_by_name.end() ? nullptr : &by_name->second->ref;
}

std::vector<std::pair<std::string, uint64_t>> TwinState::OpenSessions() const {
  std::vector<std::pair<std::string, uint64_t>> open;
  for (const auto& [name, bridge] : impl_->bridges) {
    if (bridge->connected) open.emplace_back(name, bridge->session);
  }
  return open;
}

}  // namespace mvmd
