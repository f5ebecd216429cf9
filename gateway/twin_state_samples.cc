// Frames of a bridge: bindings and blocks; and what they told, read again from the log.
//
// Resolve must find what Apply found, in a state that has gone on since. So what a frame did follows from the entry and
// from things that are never changed afterwards: a binding with the place of its declaration, the spans in which a twin
// was deleted, and the notes.
#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/twin_state_impl.h"
#include "runtime/status_proto.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

// A source's clock may be ahead by this much before somebody should look at it.
constexpr int64_t kClockAheadNs = 300'000'000'000;

// By seq. A peer decides how many there are, so that a search through the list would not do.
using RefusedFrames = absl::flat_hash_map<uint64_t, const pb::RefusedFrame*>;
RefusedFrames IndexRefused(const pb::FramesReceived& received) {
  RefusedFrames refused;
  for (const pb::RefusedFrame& frame : received.refused()) refused.emplace(frame.seq(), &frame);
  return refused;
}

absl::Status BadBinding(absl::string_view reason, uint32_t id, absl::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, absl::StrCat("binding ", id, ": ", message));
}

}  // namespace

void TwinState::Impl::ApplyFrames(const pb::FramesReceived& received, std::shared_ptr<const ParsedGroup> group,
                                  Context* context) {
  const auto nothing = [&](absl::Status status) {
    notes[context->revision].nothing_applied = true;
    SaveNote(context->revision);
    context->result->status = std::move(status);
  };
  const auto found = sessions.find(received.session());
  if (found == sessions.end() || found->second.bridge->session != received.session() ||
      !found->second.bridge->connected) {
    const bool fenced = found != sessions.end() && found->second.bridge->session != received.session();
    return nothing(
        MakeError(absl::StatusCode::kAborted, "FENCED",
                  fenced ? absl::StrCat("session ", received.session(), " of ", found->second.bridge->name,
                                        " is over: session ", found->second.bridge->session, " was opened after it")
                         : absl::StrCat("session ", received.session(), " is not open; open a new one")));
  }
  if (group == nullptr) {
    absl::StatusOr<std::shared_ptr<const ParsedGroup>> parsed = ParseLoggedGroup(received.group(), &codec);
    if (!parsed.ok()) {
      return nothing(MakeError(absl::StatusCode::kDataLoss, "ENTRY_UNREADABLE",
                               absl::StrCat("log: the group at revision ", context->revision,
                                            " cannot be read: ", parsed.status().message())));
    }
    group = *std::move(parsed);
  }
  context->session = &found->second;
  context->bridge = found->second.bridge;
  context->epoch = found->second.epoch;
  context->backfill = group->lane == pb::LANE_BACKFILL;
  context->epoch->nonces.Confirm();
  context->forbidden_bindings.insert(received.forbidden_bindings().begin(), received.forbidden_bindings().end());
  if (context->applied != nullptr) context->applied->group = group;

  ApplyResult* result = context->result;
  const RefusedFrames refused_frames = IndexRefused(received);
  for (uint32_t i = 0; i < group->frames.size(); ++i) {
    const ParsedGroup::Frame& frame = group->frames[i];
    const uint64_t seq = frame.frame->seq();
    context->frame = i;
    context->seq = seq;
    result->applied.Add(seq);
    if (context->epoch->applied.Contains(seq)) {
      ++result->frames_duplicate;
      if (frame.frame->has_gap()) ApplyCovered(frame.frame->gap(), context).IgnoreError();
      context->not_applied.Add(i + uint64_t{1});
      continue;
    }
    context->epoch->applied.Add(seq);
    if (const auto refused = refused_frames.find(seq); refused != refused_frames.end()) {
      const absl::Status status = FromRpcStatus(refused->second->status());
      const std::string reason = ReasonOf(status);
      ++context->bridge->frames_rejected;
      AddIssue(context, reason.empty() ? "FRAME_REFUSED" : reason, "", "", 1,
               [&] { return std::string(status.message()); });
      // Not whether the twin is allowed, but what there is: or these rows would be waited for in vain.
      if (frame.frame->has_gap()) ApplyCovered(frame.frame->gap(), context).IgnoreError();
      if (!frame.status.ok()) RefuseSamples(frame, context);
      continue;
    }
    ApplyFrame(frame, context);
  }
  if (!context->not_applied.empty()) {
    notes[context->revision].frames_not_applied = std::move(context->not_applied);
    SaveNote(context->revision);
  }
  ApplyRefusedGaps(context);
  ApplyBridgeGaps(context);
  FinishFrames(context);
}

void TwinState::Impl::ApplyFrame(const ParsedGroup::Frame& frame, Context* context) {
  if (!frame.status.ok()) {
    RefuseSamples(frame, context);
    return Reject(frame.status, "", context);
  }
  const size_t rejected = context->result->rejected.size();
  switch (frame.frame->payload_case()) {
    case pb::Frame::kBlock:
      ApplyBlock(*frame.block, context);
      break;
    case pb::Frame::kBindings:
      ApplyBindings(frame.frame->bindings(), context);
      break;
    case pb::Frame::kDocumentChunk:
      ApplyChunk(frame.frame->document_chunk(), context);
      break;
    case pb::Frame::kGap:
      ApplyGap(frame.frame->gap(), context);
      break;
    case pb::Frame::kCommandResult:
      // Kept in the log; commands have no state yet that it would change.
      break;
    case pb::Frame::PAYLOAD_NOT_SET:
      break;
  }
  if (context->result->rejected.size() == rejected) ++context->result->frames_applied;
}

// Bindings

absl::Status TwinState::Impl::CheckBindings(const pb::Bindings& bindings, const Epoch& epoch) const {
  // What the frame would add: all of it is taken, or nothing.
  uint64_t declared_count = epoch.declared_count;
  absl::flat_hash_set<absl::string_view> new_twins;
  absl::flat_hash_map<absl::string_view, absl::flat_hash_set<absl::string_view>> new_sensors;
  absl::flat_hash_map<uint32_t, const pb::Binding*> in_frame;
  for (const pb::Binding& binding : bindings.bindings()) {
    const uint32_t id = binding.id();
    for (const std::string* name : {&binding.twin(), &binding.sensor()}) {
      if (name->empty() || name->size() > kNameBytesMax) {
        return BadBinding("BINDING_INVALID", id,
                          absl::StrCat("twin and sensor: expected 1 to ", kNameBytesMax, " bytes, got ", name->size()));
      }
    }
    const auto [same, added] = in_frame.emplace(id, &binding);
    const Binding* declared = id >= 1 && id <= epoch.bindings.size() && epoch.bindings[id - 1].sensor != nullptr
                                  ? &epoch.bindings[id - 1]
                                  : nullptr;
    const absl::string_view old_twin = declared != nullptr ? declared->sensor->ref.twin : same->second->twin();
    const absl::string_view old_sensor = declared != nullptr ? declared->sensor->ref.sensor : same->second->sensor();
    if (old_twin != binding.twin() || old_sensor != binding.sensor()) {
      return BadBinding(
          "BINDING_CONFLICT", id,
          absl::StrCat("expected (", old_twin, ", ", old_sensor, ") as declared before, got (", binding.twin(), ", ",
                       binding.sensor(), "); a binding keeps its meaning for a whole epoch"));
    }
    if (declared != nullptr || !added) continue;
    if (id == 0 || id > kBindingsMax || id > declared_count + kBindingsAheadMax) {
      return BadBinding(
          "BINDING_INVALID", id,
          absl::StrCat("expected ids from 1 on without large holes, got it after ", declared_count, " bindings"));
    }
    ++declared_count;
    const Twin* twin = FindTwin(binding.twin());
    if (twin == nullptr || !epoch.twins.contains(twin)) {
      new_twins.insert(binding.twin());
      if (epoch.twins.size() + new_twins.size() > limits.twins_a_bridge_max) {
        return MakeError(absl::StatusCode::kResourceExhausted, "TOO_MANY_TWINS",
                         absl::StrCat("binding ", id, ": expected at most ", limits.twins_a_bridge_max,
                                      " twins of one bridge, got one more: ", binding.twin()));
      }
    }
    if (twin == nullptr || !twin->sensors_by_name.contains(binding.sensor())) {
      auto& sensors_of_twin = new_sensors[binding.twin()];
      sensors_of_twin.insert(binding.sensor());
      if ((twin != nullptr ? twin->sensors.size() : 0) + sensors_of_twin.size() > limits.sensors_a_twin_max) {
        return MakeError(absl::StatusCode::kResourceExhausted, "TOO_MANY_SENSORS",
                         absl::StrCat("binding ", id, ": expected at most ", limits.sensors_a_twin_max,
                                      " sensors of twin ", binding.twin(), ", got one more: ", binding.sensor()));
      }
    }
  }
  return absl::OkStatus();
}

void TwinState::Impl::ApplyBindings(const pb::Bindings& bindings, Context* context) {
  Epoch* epoch = context->epoch;
  if (absl::Status status = CheckBindings(bindings, *epoch); !status.ok()) {
    return Reject(std::move(status), bindings.bindings_size() > 0 ? bindings.bindings(0).twin() : "", context);
  }
  const pb::Binding* forbidden = nullptr;
  for (const pb::Binding& declared : bindings.bindings()) {
    const bool is_forbidden = context->forbidden_bindings.contains(declared.id());
    if (is_forbidden && forbidden == nullptr) forbidden = &declared;
    if (epoch->bindings.size() < declared.id()) epoch->bindings.resize(declared.id());
    Binding& binding = epoch->bindings[declared.id() - 1];
    if (binding.sensor != nullptr) continue;
    Twin* twin = InternTwin(declared.twin());
    binding.sensor = InternSensor(twin, declared.sensor());
    binding.revision = context->revision;
    binding.frame = context->frame;
    binding.forbidden = is_forbidden;
    ++epoch->declared_count;
    if (!is_forbidden) epoch->twins.insert(twin);
    epoch->dirty_tables.insert((declared.id() - 1) / kBindingTableRows);
  }
  if (forbidden != nullptr)
    Reject(TwinNotAllowed(forbidden->twin(), context->bridge->name), forbidden->twin(), context);
}

TwinState::Impl::Twin* TwinState::Impl::JoinEpoch(const std::string& id, Context* context) {
  Epoch* epoch = context->epoch;
  const Twin* known = FindTwin(id);
  if ((known == nullptr || !epoch->twins.contains(known)) && epoch->twins.size() >= limits.twins_a_bridge_max) {
    Reject(MakeError(absl::StatusCode::kResourceExhausted, "TOO_MANY_TWINS",
                     absl::StrCat("twin \"", id, "\": expected at most ", limits.twins_a_bridge_max,
                                  " twins of one bridge, got one more")),
           id, context);
    return nullptr;
  }
  Twin* twin = InternTwin(id);
  if (epoch->twins.insert(twin).second) {
    // No document yet; but this record tells after a restart that the twin is one of the epoch.
    epoch->finished.emplace(id, 0);
    epoch->dirty_documents.insert(id);
  }
  return twin;
}

// Samples

void TwinState::Impl::ApplyBlock(const DecodedBlock& block, Context* context) {
  std::vector<Binding>& bindings = context->epoch->bindings;
  uint64_t unbound = 0;
  uint32_t first_unbound = 0;
  const Sensor* forbidden = nullptr;
  for (const DecodedBlock::Run& run : block.runs) {
    // Binding 0 wraps and is out of range like any other that was never declared.
    const size_t index = run.binding - size_t{1};
    Sensor* sensor = index < bindings.size() ? bindings[index].sensor : nullptr;
    if (sensor == nullptr) {
      if (unbound == 0) first_unbound = run.binding;
      unbound += run.count;
      RefuseRun(block, run, nullptr, context);
      continue;
    }
    if (!context->forbidden_bindings.empty() && context->forbidden_bindings.contains(run.binding)) {
      if (forbidden == nullptr) forbidden = sensor;
      // Of a twin that never was the bridge's, nothing that it sends leaves a trace.
      if (context->epoch->twins.contains(sensor->twin) && !sensor->twin->deleted()) {
        RefuseRun(block, run, sensor, context);
      }
      continue;
    }
    if (bindings[index].forbidden) {
      // The policy allows it now.
      bindings[index].forbidden = false;
      context->epoch->twins.insert(sensor->twin);
      context->epoch->dirty_tables.insert(static_cast<uint32_t>(index) / kBindingTableRows);
    }
    ApplyRun(block, run, sensor, context);
  }
  if (forbidden != nullptr)
    Reject(TwinNotAllowed(forbidden->twin->id, context->bridge->name), forbidden->twin->id, context);
  if (unbound > 0) {
    Reject(MakeError(absl::StatusCode::kInvalidArgument, "UNKNOWN_BINDING",
                     absl::StrCat("frame ", context->seq, ": expected bindings that were declared in this epoch, got ",
                                  unbound, " of ", block.times_unix_ns.size(),
                                  " samples without, the first for binding ", first_unbound)),
           "", context);
  }
}

// The hot path: no allocation and no look-up by name for a sample, or for a run of numbers.
void TwinState::Impl::ApplyRun(const DecodedBlock& block, const DecodedBlock::Run& run, Sensor* sensor,
                               Context* context) {
  Twin* twin = sensor->twin;
  if (twin->deleted()) {
    AddIssue(context, "TWIN_DELETED", twin->id, "", run.count, [&] {
      return absl::StrCat("twin \"", twin->id, "\" was deleted, got samples; put a document or stop sending");
    });
    return;
  }
  TwinWillChange(twin, context->revision, context->time_unix_ns);
  const LiveValue::Times times = sensor->value.Take(block, run, context->backfill);
  const int64_t newest = times.newest_unix_ns;
  AddToSegment(sensor, times.oldest_unix_ns, newest, *context);
  if (twin->touched_revision != context->revision) {
    twin->touched_revision = context->revision;
    twin->newest_sample_unix_ns = newest;
    context->touched.push_back(twin);
  } else {
    twin->newest_sample_unix_ns = std::max(twin->newest_sample_unix_ns, newest);
  }
  ApplyResult* result = context->result;
  result->newest_sample_unix_ns =
      result->samples_applied == 0 ? newest : std::max(result->newest_sample_unix_ns, newest);
  result->samples_applied += run.count;
  if (context->applied != nullptr) {
    context->applied->samples.push_back({&sensor->ref, &block, run, context->backfill});
  }
  if (!sensor->in_definition) {
    // The samples stay in the log; they show when a definition with the sensor comes.
    const bool unknown_twin = twin->definition == nullptr;
    AddIssue(context, unknown_twin ? "UNKNOWN_TWIN" : "UNKNOWN_SENSOR", twin->id,
             unknown_twin ? "" : sensor->ref.sensor, run.count, [&] {
               return unknown_twin
                          ? absl::StrCat("twin \"", twin->id, "\": expected a document before samples, got none")
                          : absl::StrCat("sensor \"", sensor->ref.sensor, "\": expected one of the sensors of twin \"",
                                         twin->id, "\", got another");
             });
  }
  if (AgeNs(newest, context->time_unix_ns) > kClockAheadNs) {
    AddIssue(context, "TIME_IN_FUTURE", twin->id, sensor->ref.sensor, 1, [&] {
      return absl::StrCat("sensor \"", sensor->ref.sensor, "\" of twin \"", twin->id,
                          "\": expected times up to now, got one that is ",
                          AgeNs(newest, context->time_unix_ns) / 1'000'000'000, " s ahead; check the source's clock");
    });
  }
}

void TwinState::Impl::FinishFrames(Context* context) {
  ApplyResult* result = context->result;
  for (Twin* twin : context->touched) {
    // A document later in the group may have changed nothing of this; a removal cannot be in it.
    twin->revision = context->revision;
    twin->live.OnSamples(context->time_unix_ns, twin->newest_sample_unix_ns, context->backfill);
    SetOwner(twin, context->bridge);
    MarkLive(twin);
    if (twin->definition == nullptr && context->session->documents_wanted.insert(twin).second) {
      result->documents_wanted.push_back(twin->id);
    }
  }
  Bridge* bridge = context->bridge;
  bridge->last_commit_unix_ns = context->time_unix_ns;
  if (result->samples_applied > 0) {
    bridge->lag_ns = AgeNs(context->time_unix_ns, result->newest_sample_unix_ns);
  }
  bridge->samples_committed += result->samples_applied;
  bridge->frames_committed += result->frames_applied;
  bridge->frames_duplicate += result->frames_duplicate;
  bridge->dirty = true;
  context->epoch->last_revision = context->revision;
  context->epoch->dirty = true;
  context->session->last_revision = context->revision;
  context->session->dirty = true;
}

// From the log again

absl::StatusOr<std::shared_ptr<const AppliedEntry>> TwinState::Resolve(uint64_t revision, const pb::LogEntry& entry,
                                                                       std::shared_ptr<const ParsedGroup> group) const {
  if (revision == 0 || revision > applied_revision_) {
    return MakeError(absl::StatusCode::kDataLoss, "REVISION_NOT_APPLIED",
                     absl::StrCat("expected a revision up to ", applied_revision_, ", got ", revision));
  }
  // The log is trimmed a little after the state has forgotten, or only after the next start.
  if (revision < impl_->past_first_revision) {
    return MakeError(absl::StatusCode::kOutOfRange, "REVISION_COMPACTED",
                     absl::StrCat("revision ", revision, " is compacted, the oldest is ", impl_->past_first_revision),
                     {{"oldest_revision", absl::StrCat(impl_->past_first_revision)}});
  }
  auto applied = std::make_shared<AppliedEntry>();
  applied->revision = revision;
  applied->time_unix_ns = entry.time_unix_ns();
  const auto note = impl_->notes.find(revision);
  if (note == impl_->notes.end() || !note->second.nothing_applied) {
    switch (entry.body_case()) {
      case pb::LogEntry::kSessionOpened:
        applied->connections.push_back({entry.session_opened().bridge(), true});
        break;
      case pb::LogEntry::kSessionClosed:
        applied->connections.push_back({entry.session_closed().bridge(), false});
        break;
      case pb::LogEntry::kFramesReceived:
        if (absl::Status status = impl_->ResolveFrames(entry.frames_received(), std::move(group), applied.get());
            !status.ok()) {
          return status;
        }
        break;
      case pb::LogEntry::kDocumentPut:
        impl_->CheckDefinitionKept(entry.document_put().twin(), applied.get());
        break;
      case pb::LogEntry::kOverlayPatched:
        impl_->CheckDefinitionKept(entry.overlay_patched().twin(), applied.get());
        break;
      case pb::LogEntry::kTwinDeleted:
        impl_->CheckDefinitionKept(entry.twin_deleted().twin(), applied.get());
        break;
      case pb::LogEntry::kDocumentRedriven:
        impl_->CheckDefinitionKept(entry.document_redriven().twin(), applied.get());
        break;
      case pb::LogEntry::kValidationPolicyChanged:
      case pb::LogEntry::kDocumentDiscarded:
        break;
      case pb::LogEntry::BODY_NOT_SET:
        return MakeError(absl::StatusCode::kDataLoss, "ENTRY_UNKNOWN",
                         absl::StrCat("log: the entry at revision ", revision, " has no body that this gateway knows"));
    }
    impl_->ResolveDocuments(applied.get());
  }
  applied->bytes = applied->MemoryBytes();
  return std::shared_ptr<const AppliedEntry>(std::move(applied));
}

void TwinState::Impl::CheckDefinitionKept(const std::string& id, AppliedEntry* applied) const {
  const Twin* twin = FindTwin(id);
  if (twin == nullptr) return;
  const uint64_t forgotten = std::max(twin->definitions_forgotten_revision, definitions_forgotten_revision);
  if (applied->revision > forgotten) return;
  // The one that is served is never forgotten.
  if (twin->definition != nullptr && twin->definition->revision == applied->revision) return;
  std::vector<AppliedEntry::Forgotten>& told = applied->forgotten;
  if (told.empty() || told.back().twin != id) told.push_back({id, forgotten + 1});
}

absl::Status TwinState::Impl::ResolveFrames(const pb::FramesReceived& received,
                                            std::shared_ptr<const ParsedGroup> group, AppliedEntry* applied) const {
  const Session* session = FindSession(received.session());
  if (session == nullptr) {
    return MakeError(absl::StatusCode::kDataLoss, "SESSION_UNKNOWN",
                     absl::StrCat("log: the entry at revision ", applied->revision, " is of session ",
                                  received.session(), ", which the state does not know"));
  }
  if (group == nullptr) {
    FrameGroupCodec own_codec;  // readers may be many
    absl::StatusOr<std::shared_ptr<const ParsedGroup>> parsed = ParseLoggedGroup(received.group(), &own_codec);
    if (!parsed.ok()) {
      return MakeError(absl::StatusCode::kDataLoss, "ENTRY_UNREADABLE",
                       absl::StrCat("log: the group at revision ", applied->revision,
                                    " cannot be read: ", parsed.status().message()));
    }
    group = *std::move(parsed);
  }
  const RefusedFrames refused_frames = IndexRefused(received);
  const uint64_t revision = applied->revision;
  const auto note = notes.find(revision);
  const std::vector<Binding>& bindings = session->epoch->bindings;
  std::vector<pb::Gap> bridge_gaps;
  for (uint32_t i = 0; i < group->frames.size(); ++i) {
    const ParsedGroup::Frame& frame = group->frames[i];
    if (note != notes.end() && note->second.frames_not_applied.Contains(i + uint64_t{1})) continue;
    if (!frame.status.ok() || refused_frames.contains(frame.frame->seq())) continue;
    if (frame.block != nullptr) {
      for (const DecodedBlock::Run& run : frame.block->runs) {
        const size_t index = run.binding - size_t{1};
        if (index >= bindings.size() || !bindings[index].IsDeclaredBefore(revision, i)) continue;
        if (IsForbiddenBinding(received, run.binding)) continue;
        const Sensor* sensor = bindings[index].sensor;
        if (sensor->twin->WasDeleted(revision, i)) continue;
        applied->samples.push_back({&sensor->ref, frame.block.get(), run, group->lane == pb::LANE_BACKFILL});
      }
    } else if (frame.frame->has_gap()) {
      const pb::Gap& gap = frame.frame->gap();
      if (gap.twin().size() > kNameBytesMax || gap.sensor().size() > kNameBytesMax) continue;
      if (!CheckCovered(gap, frame.frame->seq()).ok()) continue;
      if (gap.twin().empty()) {
        AddBridgeGap(gap, &bridge_gaps);
      } else if (const Twin* twin = FindTwin(gap.twin()); twin != nullptr && !twin->WasDeleted(revision, i)) {
        applied->gaps.push_back(ToldGap(gap));
      }
    } else if (frame.frame->has_document_chunk()) {
      CheckDefinitionKept(frame.frame->document_chunk().twin(), applied);
    }
  }
  if (note != notes.end()) {
    for (const pb::Gap& gap : note->second.refused_gaps) {
      if (gap.twin().empty()) {
        AddBridgeGap(gap, &bridge_gaps);
      } else {
        applied->gaps.push_back(gap);
      }
    }
  }
  if (note != notes.end() && note->second.bridge_gap_twins != nullptr) {
    for (pb::Gap& gap : bridge_gaps) {
      for (const std::string& id : *note->second.bridge_gap_twins) {
        gap.set_twin(id);
        applied->gaps.push_back(gap);
      }
    }
  }
  applied->group = std::move(group);
  return absl::OkStatus();
}

SessionBindings TwinState::BindingsOf(uint64_t session, const SensorRef* sensor) const {
  SessionBindings result;
  const Impl::Session* found = impl_->FindSession(session);
  if (found == nullptr) return result;
  result.bridge = found->bridge->name;
  result.epoch = found->epoch->number;
  const std::vector<Impl::Binding>& bindings = found->epoch->bindings;
  for (uint32_t i = 0; i < bindings.size(); ++i) {
    if (bindings[i].sensor != nullptr && &bindings[i].sensor->ref == sensor) {
      result.places.push_back({i + 1, bindings[i].revision, bindings[i].frame});
    }
  }
  return result;
}

bool TwinState::IsApplied(uint64_t revision, uint32_t frame, const SensorRef* sensor) const {
  if (revision < impl_->past_first_revision) return false;
  if (const auto note = impl_->notes.find(revision); note != impl_->notes.end()) {
    if (note->second.nothing_applied || note->second.frames_not_applied.Contains(frame + uint64_t{1})) return false;
  }
  const Impl::Twin* twin = impl_->FindTwin(sensor->twin);
  return twin != nullptr && !twin->WasDeleted(revision, frame);
}

}  // namespace mvmd
