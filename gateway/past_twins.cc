#include "gateway/past_twins.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gateway/live_twin.h"
#include "gateway/logged_blocks.h"
#include "gateway/parsed_group.h"
#include "runtime/log.h"
#include "runtime/status_proto.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

// Read from the log at a time.
constexpr size_t kReadBytes = 1 << 20;
constexpr absl::Duration kLogInterval = absl::Seconds(10);

absl::Status Unreadable(absl::string_view what) {
  return MakeError(absl::StatusCode::kDataLoss, "ENTRY_UNREADABLE", absl::StrCat("log: ", what));
}

// Paths and the way out are for the operator, not for whoever reads.
absl::Status ReadFailed(const absl::Status& status) {
  LogEvery(kLogInterval, "past read", LogLevel::kError, "the past of a twin cannot be read", {{"status", status}});
  return MakeError(status.code(), "LOG_UNREADABLE",
                   "the gateway cannot read its log; its operator finds the reason there");
}

bool Covers(const pb::TwinKeyframe& keyframe, uint64_t revision) {
  return keyframe.live().revision() <= revision && revision <= keyframe.revision();
}

// Keyframes around a revision. Null: none.
struct Neighbours {
  std::shared_ptr<const pb::TwinKeyframe> before;   // up to the revision
  std::shared_ptr<const pb::TwinKeyframe> from_on;  // from the revision on
};

absl::StatusOr<std::shared_ptr<const pb::TwinKeyframe>> ParseKeyframe(const std::optional<std::string>& bytes) {
  if (!bytes.has_value()) return std::shared_ptr<const pb::TwinKeyframe>();
  pb::StateRecord record;
  if (!record.ParseFromString(*bytes) || !record.has_twin_keyframe()) {
    return MakeError(absl::StatusCode::kDataLoss, "STATE_DAMAGED", "state: a keyframe cannot be read");
  }
  return std::make_shared<const pb::TwinKeyframe>(std::move(*record.mutable_twin_keyframe()));
}

absl::StatusOr<Neighbours> FindNeighbours(const StateStore& store, absl::string_view twin, uint64_t revision,
                                          const std::shared_ptr<const pb::TwinKeyframe>& newest) {
  const absl::StatusOr<StateStore::Keyframes> found = store.FindKeyframes(twin, revision);
  if (!found.ok()) return found.status();
  auto before = ParseKeyframe(found->before);
  if (!before.ok()) return before.status();
  auto from_on = ParseKeyframe(found->from_on);
  if (!from_on.ok()) return from_on.status();
  Neighbours neighbours{*std::move(before), *std::move(from_on)};
  // The store has it with the next checkpoint.
  if (newest == nullptr) return neighbours;
  std::shared_ptr<const pb::TwinKeyframe>& side =
      newest->revision() <= revision ? neighbours.before : neighbours.from_on;
  if (side == nullptr) side = newest;
  if (newest->revision() <= revision && side->revision() < newest->revision()) side = newest;
  return neighbours;
}

// Folds a part of the log again, for one twin.
class TwinFold {
 public:
  // Begins with nothing, as of `begin_revision`.
  TwinFold(const CommitLog& log, const Committer& committer, absl::string_view twin, uint64_t revision,
           uint64_t begin_revision)
      : log_(log), committer_(committer), twin_(twin), revision_(revision), begin_revision_(begin_revision) {}

  // Begins with that instead.
  absl::Status BeginWith(const pb::TwinLive& live) {
    owner_revision_ = begin_revision_;
    owner_ = live.owner();
    change_revision_ = live.revision();
    live_.FromProto(live);
    return committer_.Read([&](const TwinState& state) -> absl::Status {
      for (const pb::TwinLive::Value& value : live.values()) {
        const SensorRef* const sensor = state.SensorAt(value.sensor_number());
        if (sensor == nullptr || sensor->twin != twin_ || !values_[sensor].FromProto(value)) {
          return MakeError(absl::StatusCode::kDataLoss, "STATE_DAMAGED",
                           absl::StrCat("state: a keyframe of twin \"", twin_, "\" has a value of no sensor of it"));
        }
      }
      return absl::OkStatus();
    });
  }

  // Applies what the log has from there on up to the revision. OUT_OF_RANGE: it was trimmed meanwhile.
  absl::Status Run() {
    const std::vector<RevisionRange> ranges = committer_.Read([&](const TwinState& state) {
      return state.SegmentsOf(twin_, {begin_revision_ + 1, revision_});
    });
    std::vector<LogRecord> records;
    for (RevisionRange range : ranges) {
      while (range.first <= range.last) {
        records.clear();
        if (absl::Status status = log_.ReadFrom(range.first, kReadBytes, &records); !status.ok()) return status;
        if (records.empty()) return Unreadable(absl::StrCat("expected revision ", range.first, ", got the end"));
        for (const LogRecord& record : records) {
          if (record.revision > range.last) break;
          if (absl::Status status = Apply(record); !status.ok()) return status;
        }
        range.first = records.back().revision + 1;
      }
    }
    return absl::OkStatus();
  }

  // `past`: what the state knows of the twin at the revision.
  TwinSnapshot Finish(const PastTwin& past) {
    if (past.document_owner_revision > std::max(owner_revision_, begin_revision_)) {
      owner_revision_ = past.document_owner_revision;
      owner_ = past.document_owner;
    }
    TwinSnapshot snapshot;
    snapshot.twin = std::string(twin_);
    snapshot.revision = std::max(change_revision_, past.change_revision);
    std::optional<bool> is_connected;
    if (!owner_.empty()) {
      const PastConnection connection = committer_.Read([&](const TwinState& state) {
        return state.ConnectionOf(owner_, std::max(owner_revision_, begin_revision_), revision_);
      });
      is_connected = connection.is_connected;
      snapshot.revision = std::max(snapshot.revision, connection.changed_revision);
    }
    live_.AddTo(is_connected, past.definition_modified_unix_ns, &snapshot.live);
    snapshot.definition = DefinitionOf(past);
    absl::flat_hash_set<std::string> in_definition;
    for (std::string& sensor : SensorIdsOf(snapshot.definition->tree)) in_definition.insert(std::move(sensor));
    for (const auto& [sensor, value] : values_) {
      if (!value.has_value() || !in_definition.contains(sensor->sensor)) continue;
      snapshot.live.sensors.push_back({sensor->sensor, value.Value(), value.time_unix_ns()});
    }
    return snapshot;
  }

 private:
  struct Bound {
    const SensorRef* sensor;
    uint64_t revision;
    uint32_t frame;
  };
  struct Session {
    std::string bridge;
    absl::flat_hash_map<uint32_t, Bound> bindings;
  };

  static std::shared_ptr<const Definition> DefinitionOf(const PastTwin& past) {
    if (past.definition != nullptr) return past.definition;
    auto definition = std::make_shared<Definition>(ParseIJson(past.definition_text).value);
    definition->revision = past.definition_revision;
    return definition;
  }

  const Session& SessionOf(uint64_t number) {
    const auto [found, added] = sessions_.try_emplace(number);
    if (added) {
      TwinBindings bindings = committer_.Read([&](const TwinState& state) { return state.BindingsOf(number, twin_); });
      found->second.bridge = std::move(bindings.bridge);
      for (const auto& [place, sensor] : bindings.places) {
        found->second.bindings[place.binding] = {sensor, place.revision, place.frame};
      }
    }
    return found->second;
  }

  absl::Status Apply(const LogRecord& record) {
    if (!entry_.ParseFromString(record.bytes)) {
      return Unreadable(absl::StrCat("the entry at revision ", record.revision, " is not a log entry"));
    }
    if (!entry_.has_frames_received()) return absl::OkStatus();
    const pb::FramesReceived& received = entry_.frames_received();
    const Session& session = SessionOf(received.session());
    if (session.bindings.empty()) return absl::OkStatus();
    const bool is_backfill = received.group().lane() == pb::LANE_BACKFILL;
    std::optional<int64_t> newest_unix_ns;
    blocks_.ForEach(
        received, [&session](uint32_t binding) { return session.bindings.contains(binding); },
        [&](const LoggedBlocks::Place& place, const DecodedBlock& block) {
          for (const DecodedBlock::Run& run : block.runs) {
            const auto bound = session.bindings.find(run.binding);
            if (bound == session.bindings.end()) continue;
            const auto& [sensor, bound_revision, bound_frame] = bound->second;
            const bool is_declared =
                bound_revision < record.revision || (bound_revision == record.revision && bound_frame < place.frame);
            if (!is_declared || IsForbiddenBinding(received, run.binding)) continue;
            if (!IsApplied(record.revision, place.frame, sensor)) return;
            const LiveValue::Times times = values_[sensor].Take(block, run, is_backfill);
            newest_unix_ns = std::max(newest_unix_ns, std::optional<int64_t>(times.newest_unix_ns));
          }
        });
    if (!newest_unix_ns.has_value()) return absl::OkStatus();
    live_.OnSamples(entry_.time_unix_ns(), *newest_unix_ns, is_backfill);
    owner_ = session.bridge;
    owner_revision_ = record.revision;
    change_revision_ = record.revision;
    return absl::OkStatus();
  }

  // The same for all runs of a frame, for all are of one twin.
  bool IsApplied(uint64_t revision, uint32_t frame, const SensorRef* sensor) const {
    return committer_.Read([&](const TwinState& state) { return state.IsApplied(revision, frame, sensor); });
  }

  const CommitLog& log_;
  const Committer& committer_;
  const absl::string_view twin_;
  const uint64_t revision_;
  const uint64_t begin_revision_;
  LiveTwin live_;
  absl::flat_hash_map<const SensorRef*, LiveValue> values_;
  std::string owner_;  // empty: none
  uint64_t owner_revision_ = 0;
  uint64_t change_revision_ = 0;
  std::map<uint64_t, Session> sessions_;
  pb::LogEntry entry_;
  LoggedBlocks blocks_;
};

}  // namespace

PastTwins::PastTwins(const CommitLog* log, const StateStore* store, const Committer* committer)
    : log_(log), store_(store), committer_(committer) {}

// Where a fold begins. Neither: the past is known from `oldest_revision` on.
struct PastTwins::Beginning {
  std::shared_ptr<const pb::TwinKeyframe> keyframe;
  uint64_t revision = 0;  // that of the keyframe, or of a time at which there was nothing
  bool is_known = false;
  uint64_t oldest_revision = 0;
};

absl::StatusOr<PastTwins::Beginning> PastTwins::FindBeginning(absl::string_view twin, uint64_t revision,
                                                              const PastTwin& past) const {
  const absl::StatusOr<Neighbours> keyframes = FindNeighbours(*store_, twin, revision, past.newest_keyframe);
  if (!keyframes.ok()) return keyframes.status();
  const auto& [before, from_on] = *keyframes;
  if (from_on != nullptr && Covers(*from_on, revision)) return Beginning{from_on, revision, true};
  // The log has what comes after it.
  const auto is_usable = [&past](uint64_t begin) { return begin + 1 >= past.first_revision; };
  const bool has_empty = past.empty_revision.has_value() && is_usable(*past.empty_revision);
  if (before != nullptr && is_usable(before->revision()) &&
      (!has_empty || before->revision() >= *past.empty_revision)) {
    return Beginning{before, before->revision(), true};
  }
  if (has_empty) return Beginning{nullptr, *past.empty_revision, true};
  const uint64_t next = from_on != nullptr ? from_on->live().revision() : past.next_revision;
  return Beginning{nullptr, 0, false, std::max(next, revision + 1)};
}

absl::Status PastTwins::Forgotten(absl::string_view twin, uint64_t revision, uint64_t oldest_revision) const {
  // What is said to be the oldest must be one that can be read.
  while (true) {
    const absl::StatusOr<PastTwin> past =
        committer_->Read([&](const TwinState& state) { return state.PastOf(twin, oldest_revision, log_->First()); });
    uint64_t next = oldest_revision;
    if (past.ok() && !past->unchanged.has_value()) {
      const absl::StatusOr<Beginning> beginning = FindBeginning(twin, oldest_revision, *past);
      if (!beginning.ok()) return ReadFailed(beginning.status());
      if (!beginning->is_known) next = beginning->oldest_revision;
    } else if (ReasonOf(past.status()) == "REVISION_COMPACTED") {
      (void)absl::SimpleAtoi(MetadataOf(past.status())["oldest_revision"], &next);
    }
    if (next <= oldest_revision) return PastForgotten(twin, revision, oldest_revision);
    oldest_revision = next;
  }
}

absl::StatusOr<TwinSnapshot> PastTwins::At(absl::string_view twin, uint64_t revision) const {
  absl::StatusOr<PastTwin> past =
      committer_->Read([&](const TwinState& state) { return state.PastOf(twin, revision, log_->First()); });
  if (ReasonOf(past.status()) == "REVISION_COMPACTED") return Forgotten(twin, revision, revision + 1);
  if (!past.ok()) return past.status();
  if (past->unchanged.has_value()) return *std::move(past->unchanged);

  const absl::StatusOr<Beginning> beginning = FindBeginning(twin, revision, *past);
  if (!beginning.ok()) return ReadFailed(beginning.status());
  if (!beginning->is_known) return Forgotten(twin, revision, beginning->oldest_revision);
  TwinFold fold(*log_, *committer_, twin, revision, beginning->revision);
  if (beginning->keyframe != nullptr) {
    if (absl::Status status = fold.BeginWith(beginning->keyframe->live()); !status.ok()) return ReadFailed(status);
  }
  if (absl::Status status = fold.Run(); !status.ok()) {
    // Trimmed while it was read: there may be another beginning.
    if (absl::IsOutOfRange(status) && log_->First() > beginning->revision + 1) return At(twin, revision);
    return ReadFailed(status);
  }
  TwinSnapshot snapshot = fold.Finish(*past);
  // What the state knows of the part that was read, must not have been forgotten meanwhile.
  const absl::StatusOr<PastTwin> again =
      committer_->Read([&](const TwinState& state) { return state.PastOf(twin, revision, log_->First()); });
  if (!again.ok() || beginning->revision + 1 < again->first_revision) return At(twin, revision);
  return snapshot;
}

}  // namespace mvmd
