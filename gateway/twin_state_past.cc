// What a reader of the past needs beside the log.
//
// The live part of a twin at a revision is that of a keyframe before it, with the samples of the log from there on (see
// PastTwins). Everything else that the live part depends on is looked up here: definitions, who owned the twin by a
// document, and when bridges were connected.
//
//   revision  ... s ............. X-1  X ......        s: last change before X
//   live part     |<-- the same -->|  |
//                          keyframe of X-1, taken when X comes; good for s to X-1
//
// A keyframe is taken before a change and not after it: so there is one behind each long time without a change, of
// which the log may have no entries left. When it is taken follows from the log alone, so that every gateway and every
// replay takes the same.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/twin_state_impl.h"
#include "runtime/status_proto.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

// After so many intervals a keyframe is due, however little the log has grown: so that the past of a twin that seldom
// changes is not forgotten with the log.
constexpr int64_t kIntervalsMax = 12;

}  // namespace

absl::Status PastForgotten(absl::string_view twin, uint64_t revision, uint64_t oldest_revision) {
  return MakeError(absl::StatusCode::kOutOfRange, "REVISION_COMPACTED",
                   absl::StrCat("twin \"", twin, "\" as of revision ", revision,
                                " is no longer known; the oldest that is, is revision ", oldest_revision),
                   {{"twin", std::string(twin)}, {"oldest_revision", absl::StrCat(oldest_revision)}});
}

// Keyframes

void TwinState::Impl::TwinWillChange(Twin* twin, uint64_t revision, int64_t time_unix_ns) {
  if (twin->changing_revision == revision) return;
  twin->changing_revision = revision;
  const bool is_born = twin->revision == 0;
  const uint64_t grown = log_bytes - twin->keyframe_log_bytes;
  const int64_t age_ns = AgeNs(time_unix_ns, twin->keyframe_time_unix_ns);
  const bool is_due = twin->keyframe_revision == 0 || grown >= limits.keyframe_bytes_max ||
                      (grown >= limits.keyframe_bytes_min && age_ns >= limits.keyframe_interval_ns) ||
                      age_ns / kIntervalsMax >= limits.keyframe_interval_ns;
  if (!is_born && !is_due) return;
  if (is_born) {
    twin->born_revision = revision;
  } else {
    TakeKeyframe(twin, revision - 1);
  }
  twin->keyframe_revision = revision;
  twin->keyframe_time_unix_ns = time_unix_ns;
  twin->keyframe_log_bytes = log_bytes;
  MarkLive(twin);
}

void TwinState::Impl::TakeKeyframe(Twin* twin, uint64_t revision) {
  StateRecord record;
  pb::TwinKeyframe* const keyframe = record.mutable_twin_keyframe();
  keyframe->set_revision(revision);
  FillLive(*twin, keyframe->mutable_live());
  PutRecord(KeyframeKey(twin->id, revision), record);
  twin->keyframe = std::make_shared<const pb::TwinKeyframe>(std::move(*keyframe));
}

void TwinState::Impl::BeginPast(uint64_t revision) {
  past_first_revision = std::max<uint64_t>(revision, 1);
  for (const auto& [name, bridge] : bridges) {
    if (bridge->connected) continue;
    // Before the past begins; when exactly does not matter.
    const auto session = sessions.find(bridge->session);
    if (session == sessions.end()) continue;
    session->second.closed_revision = past_first_revision;
    session->second.dirty = true;
  }
  for (const auto& [id, twin] : twins) {
    if (twin->definition == nullptr) continue;
    const auto past = past_definitions.find({twin->definition->revision, id});
    if (past == past_definitions.end()) continue;
    past->second.date_modified_unix_ns = twin->date_modified_unix_ns;
    SavePastDefinition(twin->definition->revision, id);
  }
}

// Connections

bool TwinState::Impl::WasConnected(const Bridge& bridge, uint64_t revision) const {
  const auto after = std::upper_bound(bridge.sessions.begin(), bridge.sessions.end(), revision);
  if (after == bridge.sessions.begin()) return false;
  const uint64_t closed = FindSession(*std::prev(after))->closed_revision;
  return closed == 0 || closed > revision;
}

uint64_t TwinState::Impl::LastConnectionChange(const Bridge& bridge, uint64_t after, uint64_t until) const {
  auto next = std::upper_bound(bridge.sessions.begin(), bridge.sessions.end(), until);
  while (next != bridge.sessions.begin()) {
    const uint64_t opened = *--next;
    const uint64_t closed = FindSession(opened)->closed_revision;
    if (closed != 0 && closed <= until) return closed > after ? closed : 0;
    if (opened <= after) return 0;
    // A session that takes over from one that is open changes nothing.
    if (next == bridge.sessions.begin() || FindSession(*std::prev(next))->closed_revision != 0) return opened;
  }
  return 0;
}

PastConnection TwinState::ConnectionOf(absl::string_view bridge, uint64_t after, uint64_t revision) const {
  const Impl::Bridge* const found = impl_->BridgeAt(bridge);
  if (found == nullptr) return {};
  return {impl_->WasConnected(*found, revision), impl_->LastConnectionChange(*found, after, revision)};
}

// Twins

absl::StatusOr<PastTwin> TwinState::PastOf(absl::string_view id, uint64_t revision, uint64_t log_first) const {
  if (revision > applied_revision_) {
    return MakeError(absl::StatusCode::kOutOfRange, "REVISION_AHEAD",
                     absl::StrCat("expected a revision of at most ", applied_revision_, ", got ", revision),
                     {{"applied_revision", absl::StrCat(applied_revision_)}});
  }
  const Impl::Twin* const twin = impl_->FindTwin(id);
  if (twin == nullptr) return TwinNotFound(id);
  PastTwin past;
  past.first_revision = std::max(log_first, impl_->past_first_revision);
  if (revision < past.first_revision) return PastForgotten(id, revision, past.first_revision);

  if (twin->definition != nullptr && twin->definition->revision <= revision) {
    past.definition = twin->definition;
    past.definition_revision = twin->definition->revision;
    past.definition_modified_unix_ns = twin->date_modified_unix_ns;
  } else {
    const std::deque<uint64_t>& revisions = twin->past_definitions;
    const auto after = std::upper_bound(revisions.begin(), revisions.end(), revision);
    if (after == revisions.begin()) {
      const uint64_t next = after != revisions.end()      ? *after
                            : twin->definition != nullptr ? twin->definition->revision
                                                          : twin->definitions_forgotten_revision;
      const bool is_known = twin->definitions_forgotten_revision == 0 || next <= revision;
      return is_known ? TwinNotFound(id) : PastForgotten(id, revision, next);
    }
    past.definition_revision = *std::prev(after);
    const Impl::PastDefinition& definition = impl_->past_definitions.at({past.definition_revision, twin->id});
    if (definition.text.empty()) return TwinNotFound(id);
    past.definition_text = definition.text;
    past.definition_modified_unix_ns = definition.date_modified_unix_ns;
  }
  if (twin->revision <= revision) {
    past.unchanged = impl_->Snapshot(*twin);
    return past;
  }
  past.next_revision = twin->revision;
  past.newest_keyframe = twin->keyframe;
  if (twin->born_revision != 0) past.empty_revision = twin->born_revision - 1;
  for (const Impl::DeletedSpan& span : twin->deleted_spans) {
    if (span.first_revision <= revision) past.empty_revision = span.first_revision;
  }
  past.change_revision = past.definition_revision;
  for (const Impl::DocumentOwner& owner : twin->document_owners) {
    if (owner.revision > revision) break;
    past.document_owner_revision = owner.revision;
    past.document_owner = owner.owner->name;
  }
  past.change_revision = std::max(past.change_revision, past.document_owner_revision);
  const auto gap = std::upper_bound(twin->gap_revisions.begin(), twin->gap_revisions.end(), revision);
  if (gap != twin->gap_revisions.begin()) past.change_revision = std::max(past.change_revision, *std::prev(gap));
  return past;
}

std::vector<RevisionRange> TwinState::SegmentsOf(absl::string_view id, RevisionRange within) const {
  std::vector<RevisionRange> ranges;
  const Impl::Twin* const twin = impl_->FindTwin(id);
  if (twin == nullptr || twin->sensors.empty()) return ranges;
  // A twin's sensors have numbers near each other: they are bound together.
  const auto [first, last] =
      std::minmax_element(twin->sensors.begin(), twin->sensors.end(),
                          [](const Impl::Sensor* a, const Impl::Sensor* b) { return a->number < b->number; });
  const auto begin =
      std::partition_point(impl_->segments.begin(), impl_->segments.end(),
                           [&](const Impl::Segment& segment) { return segment.last_revision < within.first; });
  for (auto segment = begin; segment != impl_->segments.end() && segment->first_revision <= within.last; ++segment) {
    bool has_samples = false;
    if (std::next(segment) == impl_->segments.end()) {
      has_samples = std::any_of(twin->sensors.begin(), twin->sensors.end(),
                                [&](const Impl::Sensor* sensor) { return sensor->segment == segment->first_revision; });
    } else {
      auto row = std::lower_bound(segment->rows.begin(), segment->rows.end(), (*first)->number,
                                  [](const Impl::SegmentRow& a, uint32_t wanted) { return a.sensor->number < wanted; });
      for (; row != segment->rows.end() && row->sensor->number <= (*last)->number && !has_samples; ++row) {
        has_samples = row->sensor->twin == twin;
      }
    }
    if (!has_samples) continue;
    const RevisionRange range{std::max(segment->first_revision, within.first),
                              std::min(segment->last_revision, within.last)};
    if (!ranges.empty() && ranges.back().last + 1 == range.first) {
      ranges.back().last = range.last;
    } else {
      ranges.push_back(range);
    }
  }
  return ranges;
}

TwinBindings TwinState::BindingsOf(uint64_t session, absl::string_view id) const {
  TwinBindings result;
  const Impl::Session* const found = impl_->FindSession(session);
  const Impl::Twin* const twin = impl_->FindTwin(id);
  if (found == nullptr || twin == nullptr) return result;
  result.bridge = found->bridge->name;
  const std::vector<Impl::Binding>& bindings = found->epoch->bindings;
  for (uint32_t i = 0; i < bindings.size(); ++i) {
    const Impl::Binding& binding = bindings[i];
    if (binding.sensor == nullptr || binding.sensor->twin != twin) continue;
    result.places.push_back({{i + 1, binding.revision, binding.frame}, &binding.sensor->ref});
  }
  return result;
}

const SensorRef* TwinState::SensorAt(uint32_t number) const {
  const Impl::Sensor* const sensor = impl_->SensorAt(number);
  return sensor == nullptr ? nullptr : &sensor->ref;
}

}  // namespace mvmd
