// Key-value pairs -> state. Records may come in any order; they are put together kind by kind.
#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gateway/twin_state_impl.h"
#include "runtime/status_proto.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

// What a record refers to comes before it.
constexpr pb::StateRecord::RecordCase kRebuildOrder[] = {
    pb::StateRecord::kHeader,
    pb::StateRecord::kSensorName,
    pb::StateRecord::kBridge,
    pb::StateRecord::kTwinDocuments,
    pb::StateRecord::kTwinLive,
    pb::StateRecord::kEpoch,
    pb::StateRecord::kBindingTable,
    pb::StateRecord::kSession,
    pb::StateRecord::kEntryNote,
    pb::StateRecord::kPastDefinition,
    pb::StateRecord::kUnfinishedDocument,
    pb::StateRecord::kFinishedDocument,
    pb::StateRecord::kHistorySegment,
    pb::StateRecord::kTwinKeyframe,
    pb::StateRecord::kQuarantinedDocument,
};

absl::Status Damaged(absl::string_view what) {
  return MakeError(
      absl::StatusCode::kDataLoss, "STATE_DAMAGED",
      absl::StrCat("state: ", what, "; keep a copy of the store's directory, then restore it from a backup"));
}

}  // namespace

absl::Status TwinState::Restore(absl::string_view key, absl::string_view value) {
  // For readers of the past, from the store.
  if (KeyframeRevisionOf(key) != 0) return absl::OkStatus();
  pb::StateRecord& record = impl_->restoring.emplace_back();
  if (!record.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return Damaged(absl::StrCat("the record at key ", absl::BytesToHexString(key), " cannot be read"));
  }
  if (record.record_case() == pb::StateRecord::RECORD_NOT_SET) {
    return Damaged(absl::StrCat("the record at key ", absl::BytesToHexString(key),
                                " is of a kind that this gateway does not know"));
  }
  return absl::OkStatus();
}

absl::Status TwinState::FinishRestore(uint64_t revision) {
  Impl& impl = *impl_;
  const auto rank = [](const pb::StateRecord& record) {
    return std::find(std::begin(kRebuildOrder), std::end(kRebuildOrder), record.record_case()) -
           std::begin(kRebuildOrder);
  };
  std::vector<const pb::StateRecord*> records;
  for (const pb::StateRecord& record : impl.restoring) records.push_back(&record);
  std::stable_sort(records.begin(), records.end(), [&](const pb::StateRecord* a, const pb::StateRecord* b) {
    const auto rank_a = rank(*a);
    const auto rank_b = rank(*b);
    if (rank_a != rank_b || !a->has_sensor_name()) return rank_a < rank_b;
    return a->sensor_name().sensor_number() < b->sensor_name().sensor_number();
  });
  for (const pb::StateRecord* record : records) {
    if (absl::Status status = impl.Rebuild(*record); !status.ok()) return status;
  }
  for (const auto& [place, past] : impl.past_definitions) {
    Impl::Twin* const twin = impl.InternTwin(place.second);
    twin->past_definitions.push_back(place.first);
    impl.CountPastDefinition(twin, impl.PastDefinitionBytes(*twin, place.first, past), 0);
  }
  for (const auto& [number, session] : impl.sessions) session.bridge->sessions.push_back(number);
  impl.FinishSegments();
  impl.restoring.clear();
  impl.restoring.shrink_to_fit();
  impl.restored_gap_twins.reset();
  impl.changed_records.clear();
  impl.ClearMarks();
  // Of a version that kept none.
  if (impl.past_first_revision == 0) impl.BeginPast(revision);
  applied_revision_ = revision;
  return absl::OkStatus();
}

TwinState::Impl::Sensor* TwinState::Impl::SensorAt(uint32_t number) const {
  return number < sensors.size() ? sensors[number].get() : nullptr;
}

TwinState::Impl::Bridge* TwinState::Impl::BridgeAt(absl::string_view name) const {
  const auto found = bridges.find(name);
  return found == bridges.end() ? nullptr : found->second.get();
}

TwinState::Impl::Epoch* TwinState::Impl::EpochAt(absl::string_view bridge, uint64_t number) const {
  Bridge* found = BridgeAt(bridge);
  if (found == nullptr) return nullptr;
  const auto epoch = found->epochs.find(number);
  return epoch == found->epochs.end() ? nullptr : epoch->second.get();
}

absl::Status TwinState::Impl::Rebuild(const pb::StateRecord& record) {
  switch (record.record_case()) {
    case pb::StateRecord::kHeader:
      if (record.header().format_version() != kStateFormatVersion) {
        return MakeError(absl::StatusCode::kFailedPrecondition, "STATE_VERSION",
                         absl::StrCat("state: expected format version ", kStateFormatVersion, ", got ",
                                      record.header().format_version(), "; start the gateway that wrote it"));
      }
      last_time_unix_ns = record.header().last_time_unix_ns();
      definitions_forgotten_revision = record.header().definitions_forgotten_revision();
      past_first_revision = record.header().past_first_revision();
      log_bytes = record.header().log_bytes();
      validation_policy = NormalizedPolicy(record.header().validation_policy());
      return absl::OkStatus();
    case pb::StateRecord::kSensorName:
      // In the order of their numbers.
      if (record.sensor_name().sensor_number() != sensors.size()) {
        return Damaged(
            absl::StrCat("expected sensor ", sensors.size(), ", got ", record.sensor_name().sensor_number()));
      }
      AddSensor(InternTwin(record.sensor_name().twin()), record.sensor_name().sensor(),
                record.sensor_name().sensor_number());
      return absl::OkStatus();
    case pb::StateRecord::kTwinLive:
      return RebuildLive(record.twin_live());
    case pb::StateRecord::kTwinDocuments:
      return RebuildDocuments(record.twin_documents());
    case pb::StateRecord::kBridge:
      RebuildBridge(record.bridge());
      return absl::OkStatus();
    case pb::StateRecord::kEpoch:
      return RebuildEpoch(record.epoch());
    case pb::StateRecord::kBindingTable:
      return RebuildBindings(record.binding_table());
    case pb::StateRecord::kSession: {
      Session& session = sessions[record.session().session()];
      session.bridge = BridgeAt(record.session().bridge());
      session.epoch = EpochAt(record.session().bridge(), record.session().epoch());
      session.last_revision = record.session().last_revision();
      session.closed_revision = record.session().closed_revision();
      if (session.epoch != nullptr) return absl::OkStatus();
      return Damaged(absl::StrCat("session ", record.session().session(), " has no epoch"));
    }
    case pb::StateRecord::kEntryNote: {
      Note& note = notes[record.entry_note().revision()];
      note.nothing_applied = record.entry_note().nothing_applied();
      absl::StatusOr<IntervalSet> frames = IntervalSet::FromProto(record.entry_note().frames_not_applied());
      if (!frames.ok()) return Damaged(frames.status().message());
      note.frames_not_applied = *std::move(frames);
      note.refused_gaps.assign(record.entry_note().refused_gaps().begin(), record.entry_note().refused_gaps().end());
      const auto& names = record.entry_note().bridge_gap_twins();
      if (names.empty()) return absl::OkStatus();
      std::vector<std::string> twins_of_gap(names.begin(), names.end());
      if (restored_gap_twins == nullptr || *restored_gap_twins != twins_of_gap) {
        restored_gap_twins = std::make_shared<const std::vector<std::string>>(std::move(twins_of_gap));
      }
      note.bridge_gap_twins = restored_gap_twins;
      return absl::OkStatus();
    }
    case pb::StateRecord::kPastDefinition: {
      const pb::PastDefinition& in = record.past_definition();
      PastDefinition& past = past_definitions[{in.revision(), in.twin()}];
      past.text = in.definition();
      if (in.has_date_modified_unix_ns()) past.date_modified_unix_ns = in.date_modified_unix_ns();
      return absl::OkStatus();
    }
    case pb::StateRecord::kUnfinishedDocument:
      return RebuildUnfinished(record.unfinished_document());
    case pb::StateRecord::kFinishedDocument: {
      Epoch* epoch = EpochAt(record.finished_document().bridge(), record.finished_document().epoch());
      if (epoch == nullptr) return Damaged("a document has no epoch");
      epoch->finished[record.finished_document().twin()] = record.finished_document().last_seq();
      epoch->twins.insert(InternTwin(record.finished_document().twin()));
      return absl::OkStatus();
    }
    case pb::StateRecord::kHistorySegment:
      return RebuildSegment(record.history_segment());
    case pb::StateRecord::kTwinKeyframe:
    case pb::StateRecord::kQuarantinedDocument:
      if (RebuildQuarantined(record.quarantined_document())) return absl::OkStatus();
      return Damaged("a document in quarantine is of an unknown bridge");
    case pb::StateRecord::RECORD_NOT_SET:
      break;
  }
  return Damaged("a record is of a kind that this gateway does not know");
}

absl::Status TwinState::Impl::RebuildLive(const pb::TwinLive& live) {
  Twin* twin = InternTwin(live.twin());
  twin->revision = live.revision();
  if (!live.owner().empty()) {
    Bridge* owner = BridgeAt(live.owner());
    if (owner == nullptr) return Damaged(absl::StrCat("twin ", live.twin(), " is of an unknown bridge"));
    SetOwner(twin, owner);
  }
  twin->live.FromProto(live);
  twin->born_revision = live.born_revision();
  twin->keyframe_revision = live.keyframe_revision();
  twin->keyframe_time_unix_ns = live.keyframe_time_unix_ns();
  twin->keyframe_log_bytes = live.keyframe_log_bytes();
  for (const pb::TwinLive::Value& value : live.values()) {
    Sensor* sensor = SensorAt(value.sensor_number());
    if (sensor == nullptr) return Damaged(absl::StrCat("twin ", live.twin(), " has a value of an unknown sensor"));
    if (!sensor->value.FromProto(value)) {
      return Damaged(absl::StrCat("sensor ", sensor->ref.sensor, " of twin ", live.twin(), " has no value"));
    }
  }
  twin->gap_revisions.assign(live.gap_revisions().begin(), live.gap_revisions().end());
  for (const pb::TwinLive::RecordedGap& gap : live.gaps()) {
    twin->gaps.push_back({gap.revision(), gap.gap(), gap.time_unix_ns(), gap.bridge(), gap.epoch()});
  }
  return absl::OkStatus();
}

absl::Status TwinState::Impl::RebuildDocuments(const pb::TwinDocuments& documents) {
  Twin* twin = InternTwin(documents.twin());
  twin->base = documents.base();
  twin->put = documents.put();
  twin->base_digest = documents.base_digest();
  if (documents.has_date_modified_unix_ns()) twin->date_modified_unix_ns = documents.date_modified_unix_ns();
  for (const pb::TwinDocuments::DeletedSpan& span : documents.deleted_spans()) {
    twin->deleted_spans.push_back({span.first_revision(), span.end_revision(), span.end_frame()});
  }
  twin->definitions_forgotten_revision = documents.definitions_forgotten_revision();
  for (const pb::TwinDocuments::DocumentOwner& in : documents.document_owners()) {
    Bridge* const owner = BridgeAt(in.bridge());
    if (owner == nullptr) return Damaged(absl::StrCat("twin ", twin->id, " was of an unknown bridge"));
    twin->document_owners.push_back({in.revision(), owner});
  }
  if (!documents.overlay().empty()) {
    absl::StatusOr<Json> overlay = ParseJson(documents.overlay(), kOverlayDepthMax);
    if (!overlay.ok()) return Damaged(absl::StrCat("overlay of ", twin->id, ": ", overlay.status().message()));
    twin->overlay = *std::move(overlay);
  }
  const std::string& text = twin->put.empty() ? twin->base : twin->put;
  if (text.empty()) return absl::OkStatus();
  absl::StatusOr<Json> tree = ParseJson(text);
  if (!tree.ok()) return Damaged(absl::StrCat("document of ", twin->id, ": ", tree.status().message()));
  auto definition =
      std::make_shared<Definition>(twin->overlay.has_value() ? MergePatch(*tree, *twin->overlay) : *std::move(tree));
  definition->revision = documents.revision();
  SetDefinition(twin, std::move(definition));
  return absl::OkStatus();
}

void TwinState::Impl::RebuildBridge(const pb::BridgeState& state) {
  std::unique_ptr<Bridge>& slot = bridges[state.name()];
  slot = std::make_unique<Bridge>();
  slot->name = state.name();
  slot->connected = state.connected();
  slot->epoch = state.epoch();
  slot->session = state.session();
  slot->connected_since_unix_ns = state.connected_since_unix_ns();
  slot->last_commit_unix_ns = state.last_commit_unix_ns();
  slot->lag_ns = state.lag_ns();
  slot->samples_committed = state.samples_committed();
  slot->frames_committed = state.frames_committed();
  slot->frames_duplicate = state.frames_duplicate();
  slot->frames_rejected = state.frames_rejected();
  slot->software_version = state.software_version();
  slot->peer = state.peer();
  slot->issues.assign(state.issues().begin(), state.issues().end());
}

absl::Status TwinState::Impl::RebuildEpoch(const pb::EpochState& state) {
  Bridge* bridge = BridgeAt(state.bridge());
  if (bridge == nullptr) return Damaged(absl::StrCat("epoch ", state.epoch(), " is of an unknown bridge"));
  auto epoch = std::make_unique<Epoch>();
  epoch->bridge = bridge;
  epoch->number = state.epoch();
  epoch->outbox_id = state.outbox_id();
  epoch->last_revision = state.last_revision();
  epoch->nonces = NonceChain(state.nonce(),
                             std::vector<std::string>(state.previous_nonces().begin(), state.previous_nonces().end()));
  absl::StatusOr<IntervalSet> applied = IntervalSet::FromProto(state.applied());
  if (!applied.ok()) return Damaged(applied.status().message());
  epoch->applied = *std::move(applied);
  bridge->epochs[state.epoch()] = std::move(epoch);
  return absl::OkStatus();
}

absl::Status TwinState::Impl::RebuildBindings(const pb::BindingTable& table) {
  Epoch* epoch = EpochAt(table.bridge(), table.epoch());
  if (epoch == nullptr) return Damaged("bindings have no epoch");
  for (const pb::BindingTable::Row& row : table.rows()) {
    Sensor* sensor = SensorAt(row.sensor_number());
    if (sensor == nullptr || row.binding() == 0 || row.binding() > kBindingsMax) {
      return Damaged(absl::StrCat("binding ", row.binding(), " is of an unknown sensor"));
    }
    if (epoch->bindings.size() < row.binding()) epoch->bindings.resize(row.binding());
    epoch->bindings[row.binding() - 1] = {sensor, row.revision(), row.frame(), row.forbidden()};
    ++epoch->declared_count;
    if (!row.forbidden()) epoch->twins.insert(sensor->twin);
  }
  return absl::OkStatus();
}

absl::Status TwinState::Impl::RebuildUnfinished(const pb::UnfinishedDocument& document) {
  Epoch* epoch = EpochAt(document.bridge(), document.epoch());
  if (epoch == nullptr) return Damaged("an unfinished document has no epoch");
  Unfinished& unfinished = epoch->unfinished[document.twin()];
  unfinished.sha256 = document.sha256();
  unfinished.total_bytes = document.total_bytes();
  unfinished.last_seq = document.last_seq();
  unfinished.revision = document.revision();
  for (const pb::UnfinishedDocument::Part& part : document.parts()) {
    if (part.data().empty()) continue;
    unfinished.received.Add(part.offset_bytes() + 1, part.offset_bytes() + part.data().size());
    unfinished.bytes += part.data().size();
    unfinished.parts[part.offset_bytes()] = part.data();
  }
  return absl::OkStatus();
}

absl::Status TwinState::Impl::RebuildSegment(const pb::HistorySegment& segment) {
  Segment& rebuilt = segments.emplace_back();
  rebuilt.first_revision = segment.first_revision();
  rebuilt.last_revision = segment.last_revision();
  for (const pb::HistorySegment::Row& row : segment.rows()) {
    const Sensor* sensor = SensorAt(row.sensor_number());
    if (sensor == nullptr) return Damaged("the history has an unknown sensor");
    rebuilt.rows.push_back({sensor, row.first_time_unix_ns(), row.last_time_unix_ns(), row.has_backfill()});
  }
  segment_rows += rebuilt.rows.size();
  return absl::OkStatus();
}

void TwinState::Impl::FinishSegments() {
  std::sort(segments.begin(), segments.end(),
            [](const Segment& a, const Segment& b) { return a.first_revision < b.first_revision; });
  if (segments.empty()) return;
  const Segment& open = segments.back();
  for (uint32_t i = 0; i < open.rows.size(); ++i) {
    Sensor* sensor = SensorAt(open.rows[i].sensor->number);
    sensor->segment = open.first_revision;
    sensor->segment_row = i;
  }
}

}  // namespace mvmd
