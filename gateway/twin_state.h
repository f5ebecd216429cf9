// The fold: everything the gateway knows, as a function of its log.
#ifndef MVMD_GATEWAY_TWIN_STATE_H_
#define MVMD_GATEWAY_TWIN_STATE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gateway/parsed_group.h"
#include "gateway/quarantine.h"
#include "mvmd/twin/v1alpha1/log.pb.h"
#include "mvmd/twin/v1alpha1/state.pb.h"
#include "mvmd/twin/v1alpha1/sync.pb.h"
#include "twin/document.h"
#include "twin/interval_set.h"
#include "twin/json.h"
#include "twin/sample.h"

namespace mvmd {

// (twin, sensor), interned for the life of the process: compare by address.
struct SensorRef {
  std::string twin;
  std::string sensor;
};

// A twin's definition: base or put document with the overlay merged. Immutable, shared with readers.
struct Definition {
  explicit Definition(const Json& document) : tree(document), form(document) {}
  Json tree;
  DocumentTemplate form;
  uint64_t revision = 0;  // of the entry that made it
};

// What one entry did: what watchers are told. Immutable, shared. Built by Apply, and again from the log by Resolve.
struct AppliedEntry {
  struct Samples {
    const SensorRef* sensor;
    const DecodedBlock* block;  // kept alive by `group`
    DecodedBlock::Run run;
    bool backfill;
  };
  struct DocumentChange {
    std::string twin;
    std::shared_ptr<const Definition> definition;  // null: the twin was removed
  };
  struct Connection {
    std::string bridge;
    bool connected;
  };
  // Resolve only: the entry may have changed the twin's definition, and what it became is no longer kept.
  struct Forgotten {
    std::string twin;
    uint64_t oldest_revision = 0;  // from here on all of this twin's definitions are
  };
  uint64_t revision = 0;
  int64_t time_unix_ns = 0;
  std::vector<Samples> samples;
  std::vector<DocumentChange> documents;
  std::vector<mvmd::twin::v1alpha1::Gap> gaps;
  std::vector<Connection> connections;
  std::vector<Forgotten> forgotten;
  std::shared_ptr<const ParsedGroup> group;
  size_t bytes = 0;  // memory, about

  size_t MemoryBytes() const;  // computes `bytes`
};

// What the one who appended the entry wants to know.
struct ApplyResult {
  uint64_t revision = 0;
  // ABORTED (reason FENCED): the session is not the bridge's newest; (EPOCH_CONFLICT, OUTBOX_CLONED, IDENTITY_IN_USE;
  // the latter two with metadata session): another outbox is served. ABORTED (reason ETAG_MISMATCH), NOT_FOUND,
  // ALREADY_EXISTS: the condition of a write failed. The entry changed nothing then, but for an issue.
  absl::Status status;
  // SessionOpened: what is already applied of the epoch. FramesReceived: seqs that are now applied (new, duplicate and
  // refused ones): what may be committed to the bridge.
  IntervalSet applied;
  uint64_t samples_applied = 0;
  uint64_t frames_applied = 0;
  uint64_t frames_duplicate = 0;
  int64_t newest_sample_unix_ns = 0;  // of this entry; 0 when it has none
  // Frames that the fold refused, with the reason (an invalid document, a binding that is not declared, ...).
  std::vector<std::pair<uint64_t, absl::Status>> rejected;
  // What was recorded as issues of the bridge, with how many samples or frames each concerns.
  std::vector<std::pair<std::string, uint64_t>> issues;
  // Reasons of those that were put into quarantine.
  std::vector<std::string> quarantined;
  // Twins with samples but no document: ask the bridge.
  std::vector<std::string> documents_wanted;
  // Reasons of the gaps that were recorded, one a twin.
  std::vector<mvmd::twin::v1alpha1::Gap::Reason> gaps;
  // SessionOpened: the outbox is an old copy, and no session was opened.
  bool outbox_is_stale = false;
  // SessionOpened: what was declared in the epoch before, by binding. The policy may have changed since.
  std::vector<std::pair<uint32_t, const SensorRef*>> bindings;
  // A write: the definition's etag afterwards.
  std::string definition_etag;
  bool created = false;
};

// A twin as a reader sees it; render outside of the lock.
//
// Live part: `last_synced` is the time of the entry that last brought samples; `latency` is how long the newest sample
// of an entry had been under way, smoothed over the entries of the live lane, in whole milliseconds;
// `connection_status` (`active`, `inactive`) is that of the owner, the bridge that last sent samples or a document of
// the twin; `date_modified` is the time of the last change, by samples or by a write to a definition that was there,
// unless the write brought a new `dateModified` itself. Without one of these the document keeps its own.
struct TwinSnapshot {
  std::string twin;
  std::shared_ptr<const Definition> definition;
  LiveView live;
  uint64_t revision = 0;  // of its last change
};

// A bridge as the log knows it.
struct BridgeSnapshot {
  std::string name;
  bool connected = false;
  uint64_t epoch = 0;
  uint64_t session = 0;
  int64_t connected_since_unix_ns = 0;
  int64_t last_commit_unix_ns = 0;
  int64_t lag_ns = 0;
  uint64_t samples_committed = 0;
  uint64_t frames_committed = 0;
  uint64_t frames_duplicate = 0;
  uint64_t frames_rejected = 0;
  std::string software_version;
  std::string peer;
  std::vector<mvmd::twin::v1alpha1::Issue> issues;
};

// Keyframes: what a twin's live part was, for readers of the past. The store keeps them by key and the state does not
// need them again: they are in checkpoints, and need not be restored. Keys of a twin are ordered by revision.
inline constexpr char kKeyframeKind = 'k';
std::string KeyframeKey(absl::string_view twin, uint64_t revision);
// 0: `key` is none of a keyframe.
uint64_t KeyframeRevisionOf(absl::string_view key);
// A document in quarantine, and what clients have merged into its twin where that counts.
struct QuarantinedTwin {
  Quarantine::Document document;
  std::optional<Json> overlay;
};

// A gap as a twin keeps it.
struct TwinGap {
  mvmd::twin::v1alpha1::Gap gap;
  uint64_t revision = 0;  // of the entry that recorded it
  int64_t time_unix_ns = 0;
  std::string bridge;  // whose rows are meant, and of which epoch; empty and 0 when it stands for several
  uint64_t epoch = 0;
};

// State that changed since the last checkpoint, as key-value pairs; a null value deletes the key.
struct Checkpoint {
  uint64_t revision = 0;
  std::vector<std::pair<std::string, std::optional<std::string>>> changes;
};

// Part of what Apply depends on: replicas need the same. A change of them concerns entries that are applied afterwards,
// which is why nothing in the state is computed from them again. Sizes of frames and groups are the session's to check.
struct TwinStateLimits {
  size_t document_bytes_max = 8 << 20;
  size_t unfinished_documents_max = 64;             // a bridge
  size_t unfinished_document_bytes_max = 32 << 20;  // a bridge, all of them together
  size_t twins_a_bridge_max = 10000;                // in one epoch
  size_t sensors_a_twin_max = 10000;
  size_t issues_kept = 64;                   // a bridge
  size_t definition_bytes_kept = 256 << 20;  // of old ones, all twins together; the twin with most is cut first
  size_t gaps_kept = 256;                    // a twin; the oldest are merged
  // (sensor, segment of the log) pairs that are known not to be worth reading; with more sensors segments get longer.
  size_t history_rows_max = 1 << 20;
  QuarantineLimits quarantine = {};
  // A twin that changes has a keyframe when the log has grown by keyframe_bytes_min and this time has passed since its
  // last one, or when the log has grown by keyframe_bytes_max: what a read of its past has to fold again.
  int64_t keyframe_interval_ns = 300'000'000'000;
  uint64_t keyframe_bytes_min = 4 << 20;
  uint64_t keyframe_bytes_max = 64 << 20;
};

// Closed interval of revisions.
struct RevisionRange {
  uint64_t first = 0;
  uint64_t last = 0;
  friend bool operator==(const RevisionRange&, const RevisionRange&) = default;
};

// Where a sensor was bound. Earlier frames do not have it.
struct BindingPlace {
  uint32_t binding = 0;
  uint64_t revision = 0;
  uint32_t frame = 0;  // index in the group
};
// Where the samples of one sensor are in the frames of one session.
struct SessionBindings {
  std::string bridge;
  uint64_t epoch = 0;
  std::vector<BindingPlace> places;
};

// Bindings of all sensors of one twin, in the epoch of a session.
struct TwinBindings {
  std::string bridge;
  std::vector<std::pair<BindingPlace, const SensorRef*>> places;  // by binding
};

// What the state knows of a twin as it was at a revision, without the log; see PastTwins.
struct PastTwin {
  // Set: the twin has not changed since, and this is all.
  std::optional<TwinSnapshot> unchanged;
  // The definition: itself, or its C1 form.
  std::shared_ptr<const Definition> definition;
  std::string definition_text;
  uint64_t definition_revision = 0;
  std::optional<int64_t> definition_modified_unix_ns;
  // Newest revision at which there was no live part at all: before the twin, or after its removal. Not set: it is older
  // than the past that is known.
  std::optional<uint64_t> empty_revision;
  // The newest one of the twin that was taken since the start of the process, whatever its revision; may be null.
  std::shared_ptr<const mvmd::twin::v1alpha1::TwinKeyframe> newest_keyframe;
  // The last bridge that became the owner by a document.
  uint64_t document_owner_revision = 0;
  std::string document_owner;
  uint64_t change_revision = 0;  // of the last change by a definition, a document, or a gap
  uint64_t first_revision = 0;   // what is needed from the log, is there from here on
  uint64_t next_revision = 0;    // the state from here on is known in any case
};

// Of a bridge.
struct PastConnection {
  bool is_connected = false;
  uint64_t changed_revision = 0;  // 0: not in the range asked for
};

// OUT_OF_RANGE (reason REVISION_COMPACTED, metadata twin, oldest_revision).
absl::Status PastForgotten(absl::string_view twin, uint64_t revision, uint64_t oldest_revision);
absl::Status TwinNotFound(absl::string_view twin);
// PERMISSION_DENIED, reason NOT_AUTHORIZED.
absl::Status TwinNotAllowed(absl::string_view twin, absl::string_view bridge);
// The condition of a write: `etag` as in DocumentPut.expected_etag; `definition` null: there is no such twin.
// NOT_FOUND, ALREADY_EXISTS (reason TWIN_EXISTS), ABORTED (reason ETAG_MISMATCH, metadata definition_etag).
absl::Status CheckCondition(absl::string_view etag, const Definition* definition, absl::string_view twin);

// Deterministic: no clock, no random, no I/O; time comes from the entry. Thread-compatible: one writer (the committer),
// readers behind the committer's lock.
//
//   TwinState state(limits);
//   state.Restore(key, value) ... ; for (record : log) state.Apply(record.revision, entry, nullptr, &applied);
class TwinState {
 public:
  explicit TwinState(const TwinStateLimits& limits);
  ~TwinState();
  TwinState(const TwinState&) = delete;
  TwinState& operator=(const TwinState&) = delete;

  // Applies the entry at `revision`, which is applied_revision() + 1. `group` spares parsing a FramesReceived again;
  // may be null. `applied` may be null. DATA_LOSS in the result when the entry cannot be read at all.
  ApplyResult Apply(uint64_t revision, const mvmd::twin::v1alpha1::LogEntry& entry,
                    std::shared_ptr<const ParsedGroup> group, std::shared_ptr<const AppliedEntry>* applied);

  // What Apply told of an entry that is already applied, rebuilt from the log. `group` spares parsing it under the
  // caller's lock; may be null. DATA_LOSS when the entry does not fit to the state. OUT_OF_RANGE (reason
  // REVISION_COMPACTED, metadata oldest_revision): ForgetBefore has forgotten it.
  absl::StatusOr<std::shared_ptr<const AppliedEntry>> Resolve(uint64_t revision,
                                                              const mvmd::twin::v1alpha1::LogEntry& entry,
                                                              std::shared_ptr<const ParsedGroup> group = nullptr) const;

  uint64_t applied_revision() const { return applied_revision_; }
  // Time of the newest entry.
  int64_t last_time_unix_ns() const;

  // NOT_FOUND (reason TWIN_NOT_FOUND).
  absl::StatusOr<TwinSnapshot> GetTwin(absl::string_view twin) const;
  // What clients merged into this twin so far, or null when there is nothing.
  const Json* OverlayOf(absl::string_view twin) const;
  // At most `limit` twins after `after` (exclusive) that start with `prefix`, in the order of their ids.
  std::vector<TwinSnapshot> ListTwins(absl::string_view prefix, absl::string_view after, size_t limit) const;
  size_t twin_count() const;
  std::vector<BridgeSnapshot> ListBridges(absl::string_view after, size_t limit, bool include_issues) const;
  // Gaps of a sensor or of its whole twin.
  std::vector<mvmd::twin::v1alpha1::Gap> GapsOf(absl::string_view twin, absl::string_view sensor) const;
  // Everything of the twin, in the order in which it was recorded; nothing of a twin that is deleted.
  std::vector<TwinGap> ListGaps(absl::string_view twin) const;
  // Null when the sensor was never bound.
  const SensorRef* FindSensor(absl::string_view twin, absl::string_view sensor) const;
  // Parts of the log, in order, that may hold samples of the sensor with start <= time < end, from `first_revision` on.
  // Nothing before the twin's last removal. `backfill`: that may hold some of that lane.
  std::vector<RevisionRange> SegmentsOf(const SensorRef* sensor, int64_t start_unix_ns, int64_t end_unix_ns,
                                        uint64_t first_revision, bool backfill) const;
  // Bindings of the sensor in the epoch of a session; looks at every binding of it, so keep the answer.
  SessionBindings BindingsOf(uint64_t session, const SensorRef* sensor) const;
  // May samples of this frame (index) be told: it was not applied before, and its twin was not deleted then.
  bool IsApplied(uint64_t revision, uint32_t frame, const SensorRef* sensor) const;

  // Of the past, twin_state_past.cc. `log_first`: oldest revision in the log. OUT_OF_RANGE: reason REVISION_AHEAD
  // (metadata applied_revision), or REVISION_COMPACTED. NOT_FOUND (reason TWIN_NOT_FOUND): not at that revision.
  absl::StatusOr<PastTwin> PastOf(absl::string_view twin, uint64_t revision, uint64_t log_first) const;
  // Parts of the log within `within`, in order, that may hold samples of any sensor of the twin.
  std::vector<RevisionRange> SegmentsOf(absl::string_view twin, RevisionRange within) const;
  // Looks at every binding of the epoch, so keep the answer.
  TwinBindings BindingsOf(uint64_t session, absl::string_view twin) const;
  // Null when there is none with this number.
  const SensorRef* SensorAt(uint32_t number) const;
  // At `revision`, and its last change after `after`.
  PastConnection ConnectionOf(absl::string_view bridge, uint64_t after, uint64_t revision) const;
  // Which documents have to be valid, normalized. It holds for what is written; what is served may be older.
  const mvmd::twin::v1alpha1::ValidationPolicy& validation_policy() const;
  mvmd::twin::v1alpha1::ValidationMode ValidationModeOf(absl::string_view twin) const;
  // Documents of bridges that were refused.
  const Quarantine& quarantine() const;
  // NOT_FOUND (reason QUARANTINE_EMPTY).
  absl::StatusOr<QuarantinedTwin> GetQuarantined(const std::string& bridge, const std::string& twin) const;

  // Sessions that are open in the log; after a restart their bridges are gone.
  std::vector<std::pair<std::string, uint64_t>> OpenSessions() const;

  // Takes what changed since the last call. Restoring every key of all checkpoints gives the same state.
  Checkpoint TakeCheckpoint();
  absl::Status Restore(absl::string_view key, absl::string_view value);
  // Call after the last Restore.
  absl::Status FinishRestore(uint64_t revision);

  // Forgets what only serves to read entries before `revision`, which are no longer in the log: old epochs and
  // sessions, old definitions, gaps, and what was not applied. Keyframes are the store's to forget.
  void ForgetBefore(uint64_t revision);

  // For tests: SHA-256 over everything, equal for equal logs.
  std::string Fingerprint() const;

 private:
  struct Impl;
  uint64_t applied_revision_ = 0;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_TWIN_STATE_H_
