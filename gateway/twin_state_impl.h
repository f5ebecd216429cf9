// Inside of TwinState, shared by its .cc files only:
//
//   twin_state.cc             dispatch, sessions, readers
//   twin_state_documents.cc   definitions: chunks of the bridge, writes of clients
//   twin_state_quarantine.cc  documents that were refused, and the policy of validation
//   twin_state_samples.cc     bindings, blocks, Resolve
//   twin_state_gaps.cc        what is missing
//   twin_state_history.cc     which part of the log has samples of what
//   twin_state_past.cc        keyframes, and what else a reader of the past has to know
//   twin_state_checkpoint.cc  state -> key-value pairs
//   twin_state_restore.cc     key-value pairs -> state
#ifndef MVMD_GATEWAY_TWIN_STATE_IMPL_H_
#define MVMD_GATEWAY_TWIN_STATE_IMPL_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gateway/document_check.h"
#include "gateway/live_twin.h"
#include "gateway/nonce_chain.h"
#include "gateway/quarantine.h"
#include "gateway/twin_state.h"
#include "gateway/validation_policy.h"
#include "mvmd/twin/v1alpha1/state.pb.h"

namespace mvmd {

// Revisions in a segment of the history index when it is made.
inline constexpr uint64_t kSegmentRevisions = 256;
// Longest twin, sensor or command name.
inline constexpr size_t kNameBytesMax = 1024;
// Binding ids may be this far ahead of the number of bindings, because lanes and losses reorder declarations.
inline constexpr uint32_t kBindingsAheadMax = 65536;
inline constexpr uint32_t kBindingsMax = 1 << 22;
// Segments are also merged when there are more than this.
inline constexpr size_t kSegmentsMax = 65536;
// Rows of one binding record in a checkpoint.
inline constexpr uint32_t kBindingTableRows = 256;

// Keys of a checkpoint, twin_state_checkpoint.cc.
std::string SensorKey(uint32_t number);
std::string SegmentKey(uint64_t first_revision);
std::string QuarantineKey(absl::string_view bridge, absl::string_view twin);
inline constexpr uint32_t kStateFormatVersion = 1;
// Our own canonical form, so that it can be read.
Json ParseOwn(absl::string_view canonical);

struct TwinState::Impl {
  struct Twin;
  struct Bridge;

  // A sensor with a name, whether a definition knows it or not. Never destroyed before the state.
  struct Sensor {
    SensorRef ref;  // readers compare its address
    uint32_t number = 0;
    Twin* twin = nullptr;
    bool in_definition = false;
    LiveValue value;
    // Its row in the open segment, if `segment` is that segment's first revision.
    uint64_t segment = 0;
    uint32_t segment_row = 0;
  };

  struct DeletedSpan {
    uint64_t first_revision = 0;
    uint64_t end_revision = 0;  // 0: still deleted
    uint32_t end_frame = 0;

    // Was the twin deleted when this frame of this entry was applied?
    bool Contains(uint64_t revision, uint32_t frame) const {
      if (revision < first_revision) return false;
      return end_revision == 0 || revision < end_revision || (revision == end_revision && frame < end_frame);
    }
  };

  struct RecordedGap {
    uint64_t revision = 0;
    mvmd::twin::v1alpha1::Gap gap;
    int64_t time_unix_ns = 0;
    std::string bridge;  // whose seqs they are; empty: of several
    uint64_t epoch = 0;

    // What comes right behind the other, for the same reason, is one with it.
    bool Continues(const RecordedGap& other) const;
    void Merge(const RecordedGap& later);
  };

  // A bridge became the twin's owner by a document, which the log does not say.
  struct DocumentOwner {
    uint64_t revision = 0;
    Bridge* owner = nullptr;
  };

  // Made when something names it, and never destroyed before the state; known to readers when it has a definition.
  struct Twin {
    std::string id;
    uint64_t revision = 0;
    // Documents, in C1 form; empty: none.
    std::string base;
    std::string put;
    std::optional<Json> overlay;
    std::string base_digest;  // kept after a removal, to know the same document again
    std::shared_ptr<const Definition> definition;
    absl::flat_hash_set<std::string> definition_sensors;
    std::optional<int64_t> date_modified_unix_ns;
    std::vector<DeletedSpan> deleted_spans;
    std::deque<uint64_t> past_definitions;  // revisions, with an entry in Impl::past_definitions
    size_t past_definition_bytes = 0;
    // Definitions up to this revision are forgotten, to save memory, although the log still has their entries.
    uint64_t definitions_forgotten_revision = 0;
    std::vector<DocumentOwner> document_owners;
    // Live part.
    Bridge* owner = nullptr;
    LiveTwin live;
    std::vector<Sensor*> sensors;
    absl::flat_hash_map<std::string, Sensor*> sensors_by_name;
    std::vector<RecordedGap> gaps;
    // When it had gaps, also those that were merged or went with a removal: these were changes.
    std::deque<uint64_t> gap_revisions;
    // Keyframes, twin_state_past.cc.
    uint64_t born_revision = 0;  // nothing was known of it before; 0: it is older than the past that is known
    uint64_t keyframe_revision = 0;
    int64_t keyframe_time_unix_ns = 0;
    uint64_t keyframe_log_bytes = 0;
    std::shared_ptr<const mvmd::twin::v1alpha1::TwinKeyframe> keyframe;  // the newest; null after a restart
    // Of the entry that is being applied.
    uint64_t changing_revision = 0;
    uint64_t touched_revision = 0;
    int64_t newest_sample_unix_ns = 0;
    // Since the last checkpoint.
    bool live_dirty = false;
    bool documents_dirty = false;

    bool deleted() const { return !deleted_spans.empty() && deleted_spans.back().end_revision == 0; }
    bool WasDeleted(uint64_t at_revision, uint32_t frame) const;
  };

  struct Binding {
    Sensor* sensor = nullptr;  // null: not declared
    uint64_t revision = 0;
    uint32_t frame = 0;
    bool forbidden = false;  // so far: its twin is none of the epoch's

    bool IsDeclaredBefore(uint64_t at_revision, uint32_t at_frame) const {
      return sensor != nullptr && (revision < at_revision || (revision == at_revision && frame < at_frame));
    }
  };

  struct Unfinished {
    std::string sha256;
    uint64_t total_bytes = 0;
    uint64_t last_seq = 0;
    uint64_t revision = 0;
    IntervalSet received;                   // offsets + 1
    std::map<uint64_t, std::string> parts;  // by offset, disjoint
    size_t bytes = 0;
  };

  // One life of an outbox.
  struct Epoch {
    Bridge* bridge = nullptr;
    uint64_t number = 0;
    std::string outbox_id;
    NonceChain nonces;
    IntervalSet applied;
    uint64_t last_revision = 0;
    std::vector<Binding> bindings;  // binding 1 first
    uint32_t declared_count = 0;
    std::map<std::string, Unfinished, std::less<>> unfinished;  // by twin
    std::map<std::string, uint64_t, std::less<>> finished;      // twin -> last seq of its newest whole document
    absl::flat_hash_set<const Twin*> twins;                     // bound, or with a document
    // Since the last checkpoint.
    bool dirty = false;
    std::set<uint32_t> dirty_tables;
    std::set<std::string> dirty_documents;  // twins of `unfinished` and `finished`

    std::set<std::string> DocumentTwins() const;
  };

  // Sorted. Shared: the same twins are concerned again and again.
  using TwinNames = std::shared_ptr<const std::vector<std::string>>;

  struct Bridge {
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
    std::list<mvmd::twin::v1alpha1::Issue> issues;
    std::map<uint64_t, std::unique_ptr<Epoch>> epochs;
    std::map<std::string, Twin*> owned;
    std::vector<uint64_t> sessions;  // ascending, with an entry in Impl::sessions
    TwinNames gap_twins;             // of its newest gap; may be null
    // Since the last checkpoint.
    bool dirty = false;
  };

  struct Session {
    Bridge* bridge = nullptr;
    Epoch* epoch = nullptr;
    uint64_t last_revision = 0;
    uint64_t closed_revision = 0;  // 0: open, or until the next one of its bridge
    // Since the last checkpoint.
    bool dirty = false;
    // Asked for in this session; not part of the state.
    absl::flat_hash_set<const Twin*> documents_wanted;
  };

  // What the log does not say of an entry.
  struct Note {
    bool nothing_applied = false;
    IntervalSet frames_not_applied;  // index + 1
    TwinNames bridge_gap_twins;      // may be null
    std::vector<mvmd::twin::v1alpha1::Gap> refused_gaps;
  };

  // A definition as it became at a revision.
  struct PastDefinition {
    std::string text;  // C1 form, empty: removed
    std::optional<int64_t> date_modified_unix_ns;
  };

  struct SegmentRow {
    const Sensor* sensor = nullptr;
    int64_t first_time_unix_ns = 0;
    int64_t last_time_unix_ns = 0;
    bool has_backfill = false;

    void Add(const SegmentRow& other);
  };
  struct Segment {
    uint64_t first_revision = 0;
    uint64_t last_revision = 0;
    std::vector<SegmentRow> rows;  // by sensor number, except in the open segment
  };

  // What one entry does, while it is done.
  struct Context {
    uint64_t revision = 0;
    int64_t time_unix_ns = 0;
    AppliedEntry* applied = nullptr;  // null: nobody wants to know
    ApplyResult* result = nullptr;
    // FramesReceived, and DocumentRedriven.
    Bridge* bridge = nullptr;
    bool is_redrive = false;
    // FramesReceived only.
    Session* session = nullptr;
    Epoch* epoch = nullptr;
    bool backfill = false;
    uint32_t frame = 0;  // index
    uint64_t seq = 0;
    IntervalSet not_applied;  // frames, index + 1, that Resolve could not tell by themselves
    absl::flat_hash_set<uint32_t> forbidden_bindings;
    std::vector<Twin*> touched;
    std::vector<mvmd::twin::v1alpha1::Gap> bridge_gaps;             // of the whole bridge, merged
    std::map<std::string, mvmd::twin::v1alpha1::Gap> refused_gaps;  // samples that were refused, by twin
  };

  explicit Impl(const TwinStateLimits& limits_in)
      : limits(limits_in), validation_policy(NormalizedPolicy({})), quarantine(limits_in.quarantine) {}

  // twin_state.cc
  void Open(const mvmd::twin::v1alpha1::SessionOpened& opened, Context* context);
  // OK, or why another outbox may not be served now; counts it.
  absl::Status CheckOutbox(const mvmd::twin::v1alpha1::SessionOpened& opened, const Epoch* epoch, Context* context);
  void Close(const mvmd::twin::v1alpha1::SessionClosed& closed, Context* context);
  // What the twin was before the change that comes now has been told to TwinWillChange.
  void SetOwner(Twin* twin, Bridge* bridge);
  void OnConnectionChanged(Bridge* bridge, const Context& context);
  Twin* InternTwin(absl::string_view id);
  Sensor* InternSensor(Twin* twin, absl::string_view name);
  Sensor* AddSensor(Twin* twin, absl::string_view name, uint32_t number);
  const Twin* FindTwin(absl::string_view id) const;
  const Session* FindSession(uint64_t session) const;
  TwinSnapshot Snapshot(const Twin& twin) const;
  // Counts the same issue of the context's bridge again, or adds it; `message` is called for a new one only.
  void AddIssue(Context* context, absl::string_view reason, absl::string_view twin, absl::string_view sensor,
                uint64_t count, absl::FunctionRef<std::string()> message);
  // Refuses the frame of the context.
  void Reject(absl::Status status, absl::string_view twin, Context* context);
  void MarkLive(Twin* twin);
  void MarkDocuments(Twin* twin);

  // twin_state_documents.cc
  using PastDefinitions = std::map<std::pair<uint64_t, std::string>, PastDefinition>;
  void ApplyChunk(const mvmd::twin::v1alpha1::DocumentChunk& chunk, Context* context);
  absl::Status AddChunk(const mvmd::twin::v1alpha1::DocumentChunk& chunk, Twin* twin, Context* context);
  // `findings`: what the rules say of the document, or of what the overlay makes of it; not set where they are not
  // asked.
  absl::Status TakeBase(absl::string_view text, Twin* twin, Context* context, std::optional<RuleResult>* findings);
  void MakeRoomForUnfinished(const Unfinished& keep, Context* context);
  void ApplyPut(const mvmd::twin::v1alpha1::DocumentPut& put, Context* context);
  void ApplyPatch(const mvmd::twin::v1alpha1::OverlayPatched& patched, Context* context);
  void ApplyDelete(const mvmd::twin::v1alpha1::TwinDeleted& deleted, Context* context);
  // What is served is `tree` from now on.
  void Define(Twin* twin, const Json& tree, Context* context);
  void TellDefinition(Twin* twin, Context* context);
  void SetDefinition(Twin* twin, std::shared_ptr<const Definition> definition);
  // The definition that is served is about to go: it is one of the past from now on.
  void RetireDefinition(Twin* twin, uint64_t revision);
  void ErasePastDefinition(Twin* twin, uint64_t revision);
  // What the record costs; that of the definition that is served costs nothing, for there is one in any case.
  size_t PastDefinitionBytes(const Twin& twin, uint64_t revision, const PastDefinition& past) const;
  void CountPastDefinition(Twin* twin, size_t bytes_added, size_t bytes_removed);
  // Forgets those of the twin that has most of them, oldest first, until all fit.
  void BoundPastDefinitions();
  // The bridge of the context has sent a document of the twin.
  void OwnByDocument(Twin* twin, Context* context);
  void ResolveDocuments(AppliedEntry* applied) const;

  // twin_state_quarantine.cc
  // Takes a document as TakeBase does, or keeps it.
  absl::Status TakeSent(const std::string& text, Twin* twin, Context* context);
  // `status` says why.
  void PutIntoQuarantine(QuarantinedDocument document, const absl::Status& status,
                         const std::optional<RuleResult>& findings, Context* context);
  // Null, and the status says why, when there is none or another one.
  Quarantine::Document FindQuarantined(const std::string& bridge, const std::string& twin, uint64_t expected_revision,
                                       absl::Status* status) const;
  void ApplyRedrive(const mvmd::twin::v1alpha1::DocumentRedriven& redriven, Context* context);
  void ApplyDiscard(const mvmd::twin::v1alpha1::DocumentDiscarded& discarded, Context* context);
  // Of a document that is taken with them.
  void TellOfErrors(const RuleResult& findings, const Twin& twin, Context* context);
  mvmd::twin::v1alpha1::ValidationMode ModeOf(absl::string_view twin) const;
  void SaveQuarantined(const std::string& bridge, const std::string& twin);

  // twin_state_samples.cc
  void ApplyFrames(const mvmd::twin::v1alpha1::FramesReceived& received, std::shared_ptr<const ParsedGroup> group,
                   Context* context);
  void ApplyFrame(const ParsedGroup::Frame& frame, Context* context);
  void ApplyBindings(const mvmd::twin::v1alpha1::Bindings& bindings, Context* context);
  // The twin, as one of the epoch; or null, and the frame is rejected, when it has too many.
  Twin* JoinEpoch(const std::string& id, Context* context);
  absl::Status CheckBindings(const mvmd::twin::v1alpha1::Bindings& bindings, const Epoch& epoch) const;
  void ApplyBlock(const DecodedBlock& block, Context* context);
  void ApplyRun(const DecodedBlock& block, const DecodedBlock::Run& run, Sensor* sensor, Context* context);
  void FinishFrames(Context* context);
  // twin_state_gaps.cc
  void ApplyGap(const mvmd::twin::v1alpha1::Gap& gap, Context* context);
  // Rows that the bridge does not have any more, and that a gap tells of, count as applied.
  static absl::Status CheckCovered(const mvmd::twin::v1alpha1::Gap& gap, uint64_t seq);
  absl::Status ApplyCovered(const mvmd::twin::v1alpha1::Gap& gap, Context* context);
  // A frame of samples that could not be read, or was too large: it may concern every twin of the bridge.
  void RefuseSamples(const ParsedGroup::Frame& frame, Context* context);
  // `sensor` null: it is not known which one.
  void RefuseRun(const DecodedBlock& block, const DecodedBlock::Run& run, const Sensor* sensor, Context* context);
  static void AddRefusedGap(mvmd::twin::v1alpha1::Gap gap, Context* context);
  void ApplyRefusedGaps(Context* context);
  void ApplyBridgeGaps(Context* context);
  static void AddBridgeGap(mvmd::twin::v1alpha1::Gap gap, std::vector<mvmd::twin::v1alpha1::Gap>* gaps);
  static mvmd::twin::v1alpha1::Gap ToldGap(const mvmd::twin::v1alpha1::Gap& gap);
  void RecordGap(Twin* twin, const mvmd::twin::v1alpha1::Gap& gap, Context* context);

  // twin_state_samples.cc, again from the log
  absl::Status ResolveFrames(const mvmd::twin::v1alpha1::FramesReceived& received,
                             std::shared_ptr<const ParsedGroup> group, AppliedEntry* applied) const;
  // Adds the twin to what the entry does not tell, if the definition it may have got there is forgotten.
  void CheckDefinitionKept(const std::string& twin, AppliedEntry* applied) const;

  // twin_state_history.cc
  void AddToSegment(Sensor* sensor, int64_t first_unix_ns, int64_t last_unix_ns, const Context& context);
  void CloseSegment();
  void MergeSegments();

  // twin_state_past.cc
  // Call before the first change of the twin by an entry: this may be the time for a keyframe.
  void TwinWillChange(Twin* twin, uint64_t revision, int64_t time_unix_ns);
  void TakeKeyframe(Twin* twin, uint64_t revision);
  bool WasConnected(const Bridge& bridge, uint64_t revision) const;
  // The newest change of the bridge's connection in (after, until]; 0: none.
  uint64_t LastConnectionChange(const Bridge& bridge, uint64_t after, uint64_t until) const;
  // Takes a state of a version that kept no past: it begins at `revision`.
  void BeginPast(uint64_t revision);

  // twin_state_checkpoint.cc
  using StateRecord = mvmd::twin::v1alpha1::StateRecord;
  using PutPair = std::function<void(std::string key, std::optional<std::string> value)>;
  void PutRecord(std::string key, const StateRecord& record);
  void DeleteRecord(std::string key);
  // Of records that are written when they change.
  void SaveNote(uint64_t revision);
  void SavePastDefinition(uint64_t revision, const std::string& twin);
  void SaveSegment(const Segment& segment);
  StateRecord NoteRecord(uint64_t revision, const Note& note) const;
  StateRecord PastDefinitionRecord(uint64_t revision, const std::string& twin, const PastDefinition& past) const;
  StateRecord SegmentRecord(const Segment& segment) const;
  void FillLive(const Twin& twin, mvmd::twin::v1alpha1::TwinLive* out) const;
  StateRecord LiveRecord(const Twin& twin) const;
  StateRecord DocumentsRecord(const Twin& twin) const;
  StateRecord BridgeRecord(const Bridge& bridge) const;
  StateRecord EpochRecord(const Epoch& epoch) const;
  // Of records that are marked, or all of them.
  void CollectCommon(bool everything, const PutPair& put) const;
  void CollectEpoch(const Epoch& epoch, bool everything, const PutPair& put) const;
  void CollectTwin(const Twin& twin, bool live, bool documents, const PutPair& put) const;
  void CollectQuarantine(bool everything, const PutPair& put) const;
  void ClearMarks();
  void ForgetDefinitionsBefore(Twin* twin, uint64_t revision);
  // Returns the epochs of those that are left.
  absl::flat_hash_set<const Epoch*> ForgetSessionsBefore(Bridge* bridge, uint64_t revision);
  void DeleteEpoch(const Epoch& epoch);

  // twin_state_restore.cc
  absl::Status Rebuild(const StateRecord& record);
  absl::Status RebuildLive(const mvmd::twin::v1alpha1::TwinLive& live);
  absl::Status RebuildDocuments(const mvmd::twin::v1alpha1::TwinDocuments& documents);
  void RebuildBridge(const mvmd::twin::v1alpha1::BridgeState& state);
  absl::Status RebuildEpoch(const mvmd::twin::v1alpha1::EpochState& state);
  absl::Status RebuildBindings(const mvmd::twin::v1alpha1::BindingTable& table);
  absl::Status RebuildUnfinished(const mvmd::twin::v1alpha1::UnfinishedDocument& document);
  absl::Status RebuildSegment(const mvmd::twin::v1alpha1::HistorySegment& segment);
  // False when it is of an unknown bridge.
  bool RebuildQuarantined(const mvmd::twin::v1alpha1::QuarantinedDocumentState& state);
  void FinishSegments();
  Sensor* SensorAt(uint32_t number) const;
  Bridge* BridgeAt(absl::string_view name) const;
  Epoch* EpochAt(absl::string_view bridge, uint64_t number) const;

  const TwinStateLimits limits;
  FrameGroupCodec codec;
  int64_t last_time_unix_ns = 0;
  // By a version that counted them for all twins together; no longer grows.
  uint64_t definitions_forgotten_revision = 0;
  uint64_t past_first_revision = 1;  // what is needed to read the past is known from here on
  uint64_t log_bytes = 0;            // of all groups ever, about
  mvmd::twin::v1alpha1::ValidationPolicy validation_policy;
  Quarantine quarantine;
  size_t twins_defined = 0;
  std::map<std::string, std::unique_ptr<Twin>, std::less<>> twins;
  std::vector<std::unique_ptr<Sensor>> sensors;  // by number
  std::map<std::string, std::unique_ptr<Bridge>, std::less<>> bridges;
  std::map<uint64_t, Session> sessions;
  std::map<uint64_t, Note> notes;
  PastDefinitions past_definitions;
  size_t past_definition_bytes = 0;
  std::set<std::pair<size_t, std::string>> twins_by_definition_bytes;  // those that have any
  std::deque<Segment> segments;                                        // the last one is open
  size_t segment_rows = 0;
  bool open_segment_dirty = false;
  // Changes since the last checkpoint: of records that are written once, and of those that are marked.
  std::map<std::string, std::optional<std::string>> changed_records;
  std::vector<Twin*> dirty_live;
  std::vector<Twin*> dirty_documents;
  std::set<Quarantine::Key> quarantine_dirty;
  // Between Restore and FinishRestore.
  std::vector<mvmd::twin::v1alpha1::StateRecord> restoring;
  TwinNames restored_gap_twins;  // of the newest note
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_TWIN_STATE_IMPL_H_
