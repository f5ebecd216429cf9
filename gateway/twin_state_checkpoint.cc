// State -> key-value pairs. The value is a StateRecord, which says all of itself; the key only has to be its own:
//
//   H                                      header
//   n sensor:4                             name of a sensor
//   l twin                                 live part of a twin
//   t twin                                 documents of a twin
//   b bridge                               bridge
//   e epoch:8 bridge                       epoch
//   i epoch:8 table:4 bridge               some of an epoch's bindings
//   s session:8                            session
//   v revision:8                           what the log does not say of an entry
//   p revision:8 twin                      definition of that time
//   u epoch:8 length of bridge:4 bridge twin   unfinished document
//   f epoch:8 length of bridge:4 bridge twin   newest whole document
//   h revision:8                           segment of the history index
//   k length of twin:4 twin revision:8     keyframe of a twin; not restored
//   q length of bridge:4 bridge twin       document in quarantine
//
// Numbers are big-endian.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/twin_state_impl.h"
#include "twin/canonical.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

template <typename Number>
void AppendBigEndian(Number number, std::string* key) {
  for (int shift = 8 * (static_cast<int>(sizeof(Number)) - 1); shift >= 0; shift -= 8) {
    key->push_back(static_cast<char>((number >> shift) & 0xff));
  }
}

std::string NumberKey(char kind, uint64_t number) {
  std::string key(1, kind);
  AppendBigEndian(number, &key);
  return key;
}

std::string NameKey(char kind, absl::string_view name) { return absl::StrCat(absl::string_view(&kind, 1), name); }

std::string EpochKey(uint64_t epoch, absl::string_view bridge) {
  return NumberKey('e', epoch).append(bridge.data(), bridge.size());
}

std::string TableKey(uint64_t epoch, uint32_t table, absl::string_view bridge) {
  std::string key = NumberKey('i', epoch);
  AppendBigEndian(table, &key);
  return key.append(bridge.data(), bridge.size());
}

std::string PastKey(uint64_t revision, absl::string_view twin) {
  return NumberKey('p', revision).append(twin.data(), twin.size());
}

std::string DocumentKey(char kind, uint64_t epoch, absl::string_view bridge, absl::string_view twin) {
  std::string key = NumberKey(kind, epoch);
  AppendBigEndian(static_cast<uint32_t>(bridge.size()), &key);
  key.append(bridge.data(), bridge.size());
  return key.append(twin.data(), twin.size());
}

}  // namespace

std::string SensorKey(uint32_t number) {
  std::string key = "n";
  AppendBigEndian(number, &key);
  return key;
}

std::string SegmentKey(uint64_t first_revision) { return NumberKey('h', first_revision); }

std::string KeyframeKey(absl::string_view twin, uint64_t revision) {
  std::string key(1, kKeyframeKind);
  AppendBigEndian(static_cast<uint32_t>(twin.size()), &key);
  key.append(twin.data(), twin.size());
  AppendBigEndian(revision, &key);
  return key;
}

uint64_t KeyframeRevisionOf(absl::string_view key) {
  constexpr size_t kKeyBytesMin = 1 + sizeof(uint32_t) + sizeof(uint64_t);
  if (key.size() < kKeyBytesMin || key[0] != kKeyframeKind) return 0;
  uint64_t revision = 0;
  for (const char byte : key.substr(key.size() - sizeof(uint64_t))) {
    revision = revision << 8 | static_cast<unsigned char>(byte);
  }
  return revision;
}

std::string QuarantineKey(absl::string_view bridge, absl::string_view twin) {
  std::string key = "q";
  AppendBigEndian(static_cast<uint32_t>(bridge.size()), &key);
  key.append(bridge.data(), bridge.size());
  return key.append(twin.data(), twin.size());
}

// Out

void TwinState::Impl::PutRecord(std::string key, const pb::StateRecord& record) {
  changed_records[std::move(key)] = record.SerializeAsString();
}

void TwinState::Impl::DeleteRecord(std::string key) { changed_records[std::move(key)] = std::nullopt; }

pb::StateRecord TwinState::Impl::NoteRecord(uint64_t revision, const Note& note) const {
  pb::StateRecord record;
  pb::EntryNote* out = record.mutable_entry_note();
  out->set_revision(revision);
  out->set_nothing_applied(note.nothing_applied);
  note.frames_not_applied.ToProto(out->mutable_frames_not_applied());
  if (note.bridge_gap_twins != nullptr) {
    out->mutable_bridge_gap_twins()->Assign(note.bridge_gap_twins->begin(), note.bridge_gap_twins->end());
  }
  out->mutable_refused_gaps()->Assign(note.refused_gaps.begin(), note.refused_gaps.end());
  return record;
}

void TwinState::Impl::SaveNote(uint64_t revision) {
  const auto note = notes.find(revision);
  if (note == notes.end()) return DeleteRecord(NumberKey('v', revision));
  PutRecord(NumberKey('v', revision), NoteRecord(revision, note->second));
}

pb::StateRecord TwinState::Impl::PastDefinitionRecord(uint64_t revision, const std::string& twin,
                                                      const PastDefinition& past) const {
  pb::StateRecord record;
  pb::PastDefinition* out = record.mutable_past_definition();
  out->set_revision(revision);
  out->set_twin(twin);
  out->set_definition(past.text);
  if (past.date_modified_unix_ns.has_value()) out->set_date_modified_unix_ns(*past.date_modified_unix_ns);
  return record;
}

void TwinState::Impl::SavePastDefinition(uint64_t revision, const std::string& twin) {
  const auto past = past_definitions.find({revision, twin});
  if (past == past_definitions.end()) return DeleteRecord(PastKey(revision, twin));
  PutRecord(PastKey(revision, twin), PastDefinitionRecord(revision, twin, past->second));
}

pb::StateRecord TwinState::Impl::SegmentRecord(const Segment& segment) const {
  pb::StateRecord record;
  pb::HistorySegment* out = record.mutable_history_segment();
  out->set_first_revision(segment.first_revision);
  out->set_last_revision(segment.last_revision);
  std::vector<SegmentRow> rows = segment.rows;
  std::sort(rows.begin(), rows.end(),
            [](const SegmentRow& a, const SegmentRow& b) { return a.sensor->number < b.sensor->number; });
  for (const SegmentRow& row : rows) {
    pb::HistorySegment::Row* added = out->add_rows();
    added->set_sensor_number(row.sensor->number);
    added->set_first_time_unix_ns(row.first_time_unix_ns);
    added->set_last_time_unix_ns(row.last_time_unix_ns);
    added->set_has_backfill(row.has_backfill);
  }
  return record;
}

void TwinState::Impl::SaveSegment(const Segment& segment) {
  PutRecord(SegmentKey(segment.first_revision), SegmentRecord(segment));
}

void TwinState::Impl::FillLive(const Twin& twin, pb::TwinLive* out) const {
  out->set_twin(twin.id);
  out->set_revision(twin.revision);
  if (twin.owner != nullptr) out->set_owner(twin.owner->name);
  twin.live.ToProto(out);
  for (const Sensor* sensor : twin.sensors) {
    if (!sensor->value.has_value()) continue;
    pb::TwinLive::Value* value = out->add_values();
    value->set_sensor_number(sensor->number);
    sensor->value.ToProto(value);
  }
}

pb::StateRecord TwinState::Impl::LiveRecord(const Twin& twin) const {
  pb::StateRecord record;
  pb::TwinLive* out = record.mutable_twin_live();
  FillLive(twin, out);
  out->set_born_revision(twin.born_revision);
  out->set_keyframe_revision(twin.keyframe_revision);
  out->set_keyframe_time_unix_ns(twin.keyframe_time_unix_ns);
  out->set_keyframe_log_bytes(twin.keyframe_log_bytes);
  out->mutable_gap_revisions()->Add(twin.gap_revisions.begin(), twin.gap_revisions.end());
  for (const RecordedGap& gap : twin.gaps) {
    pb::TwinLive::RecordedGap* added = out->add_gaps();
    added->set_revision(gap.revision);
    *added->mutable_gap() = gap.gap;
    added->set_time_unix_ns(gap.time_unix_ns);
    added->set_bridge(gap.bridge);
    added->set_epoch(gap.epoch);
  }
  return record;
}

pb::StateRecord TwinState::Impl::DocumentsRecord(const Twin& twin) const {
  pb::StateRecord record;
  pb::TwinDocuments* out = record.mutable_twin_documents();
  out->set_twin(twin.id);
  out->set_base(twin.base);
  out->set_put(twin.put);
  if (twin.overlay.has_value()) out->set_overlay(Canonicalize(*twin.overlay));
  out->set_base_digest(twin.base_digest);
  if (twin.definition != nullptr) out->set_revision(twin.definition->revision);
  if (twin.date_modified_unix_ns.has_value()) out->set_date_modified_unix_ns(*twin.date_modified_unix_ns);
  for (const DeletedSpan& span : twin.deleted_spans) {
    pb::TwinDocuments::DeletedSpan* added = out->add_deleted_spans();
    added->set_first_revision(span.first_revision);
    added->set_end_revision(span.end_revision);
    added->set_end_frame(span.end_frame);
  }
  out->set_definitions_forgotten_revision(twin.definitions_forgotten_revision);
  for (const DocumentOwner& owner : twin.document_owners) {
    pb::TwinDocuments::DocumentOwner* added = out->add_document_owners();
    added->set_revision(owner.revision);
    added->set_bridge(owner.owner->name);
  }
  return record;
}

pb::StateRecord TwinState::Impl::BridgeRecord(const Bridge& bridge) const {
  pb::StateRecord record;
  pb::BridgeState* out = record.mutable_bridge();
  out->set_name(bridge.name);
  out->set_connected(bridge.connected);
  out->set_epoch(bridge.epoch);
  out->set_session(bridge.session);
  out->set_connected_since_unix_ns(bridge.connected_since_unix_ns);
  out->set_last_commit_unix_ns(bridge.last_commit_unix_ns);
  out->set_lag_ns(bridge.lag_ns);
  out->set_samples_committed(bridge.samples_committed);
  out->set_frames_committed(bridge.frames_committed);
  out->set_frames_duplicate(bridge.frames_duplicate);
  out->set_frames_rejected(bridge.frames_rejected);
  out->set_software_version(bridge.software_version);
  out->set_peer(bridge.peer);
  for (const pb::Issue& issue : bridge.issues) *out->add_issues() = issue;
  return record;
}

pb::StateRecord TwinState::Impl::EpochRecord(const Epoch& epoch) const {
  pb::StateRecord record;
  pb::EpochState* out = record.mutable_epoch();
  out->set_bridge(epoch.bridge->name);
  out->set_epoch(epoch.number);
  out->set_outbox_id(epoch.outbox_id);
  epoch.applied.ToProto(out->mutable_applied());
  out->set_last_revision(epoch.last_revision);
  out->set_nonce(epoch.nonces.newest());
  for (std::string& previous : epoch.nonces.previous()) out->add_previous_nonces(std::move(previous));
  return record;
}

std::set<std::string> TwinState::Impl::Epoch::DocumentTwins() const {
  std::set<std::string> names;
  for (const auto& [twin, document] : unfinished) names.insert(twin);
  for (const auto& [twin, seq] : finished) names.insert(twin);
  return names;
}

void TwinState::Impl::CollectEpoch(const Epoch& epoch, bool everything, const PutPair& put) const {
  const std::string& bridge = epoch.bridge->name;
  if (everything || epoch.dirty) {
    put(EpochKey(epoch.number, bridge), EpochRecord(epoch).SerializeAsString());
  }
  const auto table_count = static_cast<uint32_t>((epoch.bindings.size() + kBindingTableRows - 1) / kBindingTableRows);
  for (uint32_t table = 0; table < table_count; ++table) {
    if (!everything && !epoch.dirty_tables.contains(table)) continue;
    pb::StateRecord record;
    pb::BindingTable* out = record.mutable_binding_table();
    out->set_bridge(bridge);
    out->set_epoch(epoch.number);
    const size_t end = std::min<size_t>(epoch.bindings.size(), (table + size_t{1}) * kBindingTableRows);
    for (size_t i = size_t{table} * kBindingTableRows; i < end; ++i) {
      if (epoch.bindings[i].sensor == nullptr) continue;
      pb::BindingTable::Row* row = out->add_rows();
      row->set_binding(static_cast<uint32_t>(i + 1));
      row->set_sensor_number(epoch.bindings[i].sensor->number);
      row->set_revision(epoch.bindings[i].revision);
      row->set_frame(epoch.bindings[i].frame);
      row->set_forbidden(epoch.bindings[i].forbidden);
    }
    if (out->rows_size() > 0) put(TableKey(epoch.number, table, bridge), record.SerializeAsString());
  }
  const auto put_documents = [&](const std::string& twin) {
    const auto unfinished = epoch.unfinished.find(twin);
    std::string key = DocumentKey('u', epoch.number, bridge, twin);
    if (unfinished == epoch.unfinished.end()) {
      if (!everything) put(std::move(key), std::nullopt);
    } else {
      pb::StateRecord record;
      pb::UnfinishedDocument* out = record.mutable_unfinished_document();
      out->set_bridge(bridge);
      out->set_epoch(epoch.number);
      out->set_twin(twin);
      out->set_sha256(unfinished->second.sha256);
      out->set_total_bytes(unfinished->second.total_bytes);
      out->set_last_seq(unfinished->second.last_seq);
      out->set_revision(unfinished->second.revision);
      for (const auto& [offset, data] : unfinished->second.parts) {
        pb::UnfinishedDocument::Part* part = out->add_parts();
        part->set_offset_bytes(offset);
        part->set_data(data);
      }
      put(std::move(key), record.SerializeAsString());
    }
    if (const auto finished = epoch.finished.find(twin); finished != epoch.finished.end()) {
      pb::StateRecord record;
      pb::FinishedDocument* out = record.mutable_finished_document();
      out->set_bridge(bridge);
      out->set_epoch(epoch.number);
      out->set_twin(twin);
      out->set_last_seq(finished->second);
      put(DocumentKey('f', epoch.number, bridge, twin), record.SerializeAsString());
    }
  };
  for (const std::string& twin : everything ? epoch.DocumentTwins() : epoch.dirty_documents) put_documents(twin);
}

void TwinState::Impl::CollectTwin(const Twin& twin, bool live, bool documents, const PutPair& put) const {
  if (live && twin.revision != 0) put(NameKey('l', twin.id), LiveRecord(twin).SerializeAsString());
  if (!documents) return;
  const bool none = twin.base.empty() && twin.put.empty() && twin.base_digest.empty() && twin.deleted_spans.empty() &&
                    twin.definitions_forgotten_revision == 0 && twin.document_owners.empty();
  std::string key = NameKey('t', twin.id);
  if (none) return put(std::move(key), std::nullopt);
  put(std::move(key), DocumentsRecord(twin).SerializeAsString());
}

void TwinState::Impl::CollectCommon(bool everything, const PutPair& put) const {
  pb::StateRecord record;
  record.mutable_header()->set_format_version(kStateFormatVersion);
  record.mutable_header()->set_last_time_unix_ns(last_time_unix_ns);
  record.mutable_header()->set_definitions_forgotten_revision(definitions_forgotten_revision);
  record.mutable_header()->set_past_first_revision(past_first_revision);
  record.mutable_header()->set_log_bytes(log_bytes);
  *record.mutable_header()->mutable_validation_policy() = validation_policy;
  put("H", record.SerializeAsString());
  CollectQuarantine(everything, put);
  for (const auto& [name, bridge] : bridges) {
    if (everything || bridge->dirty) put(NameKey('b', name), BridgeRecord(*bridge).SerializeAsString());
    for (const auto& [number, epoch] : bridge->epochs) CollectEpoch(*epoch, everything, put);
  }
  for (const auto& [revision, session] : sessions) {
    if (!everything && !session.dirty) continue;
    record.Clear();
    pb::SessionState* out = record.mutable_session();
    out->set_session(revision);
    out->set_bridge(session.bridge->name);
    out->set_epoch(session.epoch->number);
    out->set_last_revision(session.last_revision);
    out->set_closed_revision(session.closed_revision);
    put(NumberKey('s', revision), record.SerializeAsString());
  }
}

Checkpoint TwinState::TakeCheckpoint() {
  Impl& impl = *impl_;
  std::map<std::string, std::optional<std::string>> changes = std::move(impl.changed_records);
  impl.changed_records.clear();
  const Impl::PutPair put = [&changes](std::string key, std::optional<std::string> value) {
    changes[std::move(key)] = std::move(value);
  };
  impl.CollectCommon(/*everything=*/false, put);
  for (Impl::Twin* twin : impl.dirty_live) impl.CollectTwin(*twin, /*live=*/true, /*documents=*/false, put);
  for (Impl::Twin* twin : impl.dirty_documents) impl.CollectTwin(*twin, /*live=*/false, /*documents=*/true, put);
  if (impl.open_segment_dirty) {
    put(SegmentKey(impl.segments.back().first_revision), impl.SegmentRecord(impl.segments.back()).SerializeAsString());
  }
  impl.ClearMarks();

  Checkpoint checkpoint;
  checkpoint.revision = applied_revision_;
  checkpoint.changes.reserve(changes.size());
  while (!changes.empty()) {
    auto node = changes.extract(changes.begin());
    checkpoint.changes.emplace_back(std::move(node.key()), std::move(node.mapped()));
  }
  return checkpoint;
}

void TwinState::Impl::ClearMarks() {
  for (Twin* twin : dirty_live) twin->live_dirty = false;
  for (Twin* twin : dirty_documents) twin->documents_dirty = false;
  dirty_live.clear();
  dirty_documents.clear();
  open_segment_dirty = false;
  quarantine_dirty.clear();
  for (const auto& [name, bridge] : bridges) {
    bridge->dirty = false;
    for (const auto& [number, epoch] : bridge->epochs) {
      epoch->dirty = false;
      epoch->dirty_tables.clear();
      epoch->dirty_documents.clear();
    }
  }
  for (auto& [revision, session] : sessions) session.dirty = false;
}

std::string TwinState::Fingerprint() const {
  const Impl& impl = *impl_;
  std::map<std::string, std::string> all;
  const Impl::PutPair put = [&all](std::string key, std::optional<std::string> value) {
    if (value.has_value()) all[std::move(key)] = *std::move(value);
  };
  impl.CollectCommon(/*everything=*/true, put);
  for (const auto& [id, twin] : impl.twins) impl.CollectTwin(*twin, /*live=*/true, /*documents=*/true, put);
  for (const std::unique_ptr<Impl::Sensor>& sensor : impl.sensors) {
    put(SensorKey(sensor->number), absl::StrCat(sensor->ref.twin.size(), " ", sensor->ref.twin, sensor->ref.sensor));
  }
  for (const auto& [revision, note] : impl.notes) {
    put(NumberKey('v', revision), impl.NoteRecord(revision, note).SerializeAsString());
  }
  for (const auto& [place, past] : impl.past_definitions) {
    put(PastKey(place.first, place.second),
        impl.PastDefinitionRecord(place.first, place.second, past).SerializeAsString());
  }
  for (const Impl::Segment& segment : impl.segments) {
    put(SegmentKey(segment.first_revision), impl.SegmentRecord(segment).SerializeAsString());
  }
  std::string bytes = absl::StrCat(applied_revision_, "\n");
  for (const auto& [key, value] : all) {
    absl::StrAppend(&bytes, key.size(), " ", key, value.size(), " ", value);
  }
  return Sha256Hex(bytes);
}

void TwinState::ForgetBefore(uint64_t revision) {
  Impl& impl = *impl_;
  // The log is trimmed a little later; its entries alone are not enough.
  impl.past_first_revision = std::max(impl.past_first_revision, revision);
  while (!impl.notes.empty() && impl.notes.begin()->first < revision) {
    const uint64_t old = impl.notes.begin()->first;
    impl.notes.erase(impl.notes.begin());
    impl.SaveNote(old);
  }
  for (const auto& [id, twin] : impl.twins) {
    impl.ForgetDefinitionsBefore(twin.get(), revision);
    if (std::erase_if(twin->gaps, [&](const Impl::RecordedGap& gap) { return gap.revision < revision; }) > 0) {
      impl.MarkLive(twin.get());
    }
    std::deque<uint64_t>& gap_revisions = twin->gap_revisions;
    // The newest one up to `revision` was the last change then.
    while (gap_revisions.size() >= 2 && gap_revisions[1] <= revision) {
      gap_revisions.pop_front();
      impl.MarkLive(twin.get());
    }
    if (std::erase_if(twin->deleted_spans, [&](const Impl::DeletedSpan& span) {
          return span.end_revision != 0 && span.end_revision < revision;
        }) > 0) {
      impl.MarkDocuments(twin.get());
    }
    if (std::erase_if(twin->document_owners,
                      [&](const Impl::DocumentOwner& owner) { return owner.revision < revision; }) > 0) {
      impl.MarkDocuments(twin.get());
    }
  }
  // The open segment stays, whatever it covers.
  while (impl.segments.size() > 1 && impl.segments.front().last_revision < revision) {
    impl.segment_rows -= impl.segments.front().rows.size();
    impl.DeleteRecord(SegmentKey(impl.segments.front().first_revision));
    impl.segments.pop_front();
  }
  for (const auto& [name, bridge] : impl.bridges) {
    const absl::flat_hash_set<const Impl::Epoch*> epochs_kept = impl.ForgetSessionsBefore(bridge.get(), revision);
    for (auto it = bridge->epochs.begin(); it != bridge->epochs.end();) {
      const bool old =
          it->second->last_revision < revision && bridge->epoch != it->first && !epochs_kept.contains(it->second.get());
      if (old) impl.DeleteEpoch(*it->second);
      it = old ? bridge->epochs.erase(it) : std::next(it);
    }
  }
}

void TwinState::Impl::ForgetDefinitionsBefore(Twin* twin, uint64_t revision) {
  std::deque<uint64_t>& revisions = twin->past_definitions;
  // The newest one up to `revision` was served then, unless that is the one that still is.
  while (revisions.size() >= 2 && revisions[1] <= revision) ErasePastDefinition(twin, revisions.front());
  if (twin->definitions_forgotten_revision != 0 && twin->definitions_forgotten_revision < revision &&
      (revisions.empty() || revisions.front() <= revision)) {
    twin->definitions_forgotten_revision = 0;
    MarkDocuments(twin);
  }
  const bool is_served =
      revisions.size() == 1 && twin->definition != nullptr && twin->definition->revision == revisions.front();
  const bool is_removed = revisions.size() == 1 && twin->definition == nullptr;
  if ((is_served || is_removed) && revisions.front() < revision) ErasePastDefinition(twin, revisions.front());
}

absl::flat_hash_set<const TwinState::Impl::Epoch*> TwinState::Impl::ForgetSessionsBefore(Bridge* bridge,
                                                                                         uint64_t revision) {
  absl::flat_hash_set<const Epoch*> epochs;
  std::vector<uint64_t> kept;
  for (size_t i = 0; i < bridge->sessions.size(); ++i) {
    const auto session = sessions.find(bridge->sessions[i]);
    // The newest one up to `revision` tells whether the bridge was connected then.
    const bool is_followed = i + 1 < bridge->sessions.size() && bridge->sessions[i + 1] <= revision;
    if (is_followed && session->second.last_revision < revision) {
      DeleteRecord(NumberKey('s', session->first));
      sessions.erase(session);
      continue;
    }
    kept.push_back(session->first);
    epochs.insert(session->second.epoch);
  }
  bridge->sessions = std::move(kept);
  return epochs;
}

void TwinState::Impl::DeleteEpoch(const Epoch& epoch) {
  const std::string& bridge = epoch.bridge->name;
  DeleteRecord(EpochKey(epoch.number, bridge));
  for (size_t i = 0; i * kBindingTableRows < epoch.bindings.size(); ++i) {
    DeleteRecord(TableKey(epoch.number, static_cast<uint32_t>(i), bridge));
  }
  // What is marked may be gone from here and still be in the last checkpoint.
  std::set<std::string> documents = epoch.DocumentTwins();
  documents.insert(epoch.dirty_documents.begin(), epoch.dirty_documents.end());
  for (const std::string& twin : documents) {
    DeleteRecord(DocumentKey('u', epoch.number, bridge, twin));
    DeleteRecord(DocumentKey('f', epoch.number, bridge, twin));
  }
}

}  // namespace mvmd
