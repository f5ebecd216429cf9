// Log entries as a bridge and clients cause them, for tests of the fold and of what stands on it.
#ifndef MVMD_TESTS_GATEWAY_LOG_ENTRIES_H_
#define MVMD_TESTS_GATEWAY_LOG_ENTRIES_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "gateway/twin_state.h"
#include "mvmd/twin/v1alpha1/log.pb.h"
#include "twin/block.h"
#include "twin/canonical.h"
#include "twin/frame_group.h"
#include "twin/json.h"

namespace mvmd {

inline constexpr char kTestBridge[] = "spiffe://plant.example/bridge/robots";
inline constexpr int64_t kSecondNs = 1'000'000'000;
inline constexpr int64_t kTestTimeNs = 1'700'000'000 * kSecondNs;

// The profile's complete example under another id.
inline Json TestDocument(absl::string_view twin) {
  static const std::string* const text = [] {
    std::ifstream file(MVMD_TEST_DATA "/profile/twin-complete.jsonld", std::ios::binary);
    std::ostringstream all;
    all << file.rdbuf();
    return new std::string(all.str());
  }();
  absl::StatusOr<Json> document = ParseJson(*text);
  EXPECT_TRUE(document.ok()) << document.status();
  document->Find("identifier")->Set("value", Json::String(twin));
  return *std::move(document);
}

inline std::string TestDocumentText(absl::string_view twin) { return Canonicalize(TestDocument(twin)); }

inline mvmd::twin::v1alpha1::LogEntry OpenedEntry(uint64_t epoch, absl::string_view bridge = kTestBridge,
                                                  absl::string_view outbox_id = "0123456789abcdef") {
  mvmd::twin::v1alpha1::LogEntry entry;
  entry.mutable_session_opened()->set_bridge(std::string(bridge));
  entry.mutable_session_opened()->set_epoch(epoch);
  entry.mutable_session_opened()->set_outbox_id(std::string(outbox_id));
  return entry;
}

inline mvmd::twin::v1alpha1::LogEntry ClosedEntry(uint64_t session, absl::string_view bridge = kTestBridge) {
  mvmd::twin::v1alpha1::LogEntry entry;
  entry.mutable_session_closed()->set_bridge(std::string(bridge));
  entry.mutable_session_closed()->set_session(session);
  return entry;
}

inline mvmd::twin::v1alpha1::LogEntry PutEntry(absl::string_view twin, absl::string_view document,
                                               absl::string_view expected_etag = "") {
  mvmd::twin::v1alpha1::LogEntry entry;
  entry.mutable_document_put()->set_twin(std::string(twin));
  entry.mutable_document_put()->set_document(std::string(document));
  entry.mutable_document_put()->set_expected_etag(std::string(expected_etag));
  return entry;
}

inline mvmd::twin::v1alpha1::LogEntry PatchEntry(absl::string_view twin, absl::string_view patch,
                                                 absl::string_view expected_etag = "") {
  mvmd::twin::v1alpha1::LogEntry entry;
  entry.mutable_overlay_patched()->set_twin(std::string(twin));
  entry.mutable_overlay_patched()->set_merge_patch(std::string(patch));
  entry.mutable_overlay_patched()->set_expected_etag(std::string(expected_etag));
  return entry;
}

inline mvmd::twin::v1alpha1::LogEntry DeleteEntry(absl::string_view twin, absl::string_view expected_etag = "") {
  mvmd::twin::v1alpha1::LogEntry entry;
  entry.mutable_twin_deleted()->set_twin(std::string(twin));
  entry.mutable_twin_deleted()->set_expected_etag(std::string(expected_etag));
  return entry;
}

inline mvmd::twin::v1alpha1::LogEntry RedrivenEntry(absl::string_view bridge, absl::string_view twin,
                                                    uint64_t expected_revision = 0) {
  mvmd::twin::v1alpha1::LogEntry entry;
  entry.mutable_document_redriven()->set_bridge(std::string(bridge));
  entry.mutable_document_redriven()->set_twin(std::string(twin));
  entry.mutable_document_redriven()->set_expected_revision(expected_revision);
  return entry;
}

inline mvmd::twin::v1alpha1::LogEntry DiscardedEntry(absl::string_view bridge, absl::string_view twin,
                                                     uint64_t expected_revision = 0) {
  mvmd::twin::v1alpha1::LogEntry entry;
  entry.mutable_document_discarded()->set_bridge(std::string(bridge));
  entry.mutable_document_discarded()->set_twin(std::string(twin));
  entry.mutable_document_discarded()->set_expected_revision(expected_revision);
  return entry;
}

// For twins that begin with `prefix`, and ENFORCE for the others; an empty one is for all.
inline mvmd::twin::v1alpha1::LogEntry PolicyEntry(mvmd::twin::v1alpha1::ValidationMode mode,
                                                  absl::string_view prefix = "") {
  mvmd::twin::v1alpha1::LogEntry entry;
  mvmd::twin::v1alpha1::ValidationPolicy* policy = entry.mutable_validation_policy_changed()->mutable_policy();
  if (prefix.empty()) {
    policy->set_mode(mode);
  } else {
    policy->add_overrides()->set_prefix(std::string(prefix));
    policy->mutable_overrides(0)->set_mode(mode);
  }
  return entry;
}

inline mvmd::twin::v1alpha1::Frame BindingsFrame(uint64_t seq, absl::string_view twin,
                                                 const std::vector<std::pair<uint32_t, std::string>>& sensors) {
  mvmd::twin::v1alpha1::Frame frame;
  frame.set_seq(seq);
  frame.mutable_bindings();
  for (const auto& [id, sensor] : sensors) {
    mvmd::twin::v1alpha1::Binding* binding = frame.mutable_bindings()->add_bindings();
    binding->set_id(id);
    binding->set_twin(std::string(twin));
    binding->set_sensor(sensor);
  }
  return frame;
}

inline mvmd::twin::v1alpha1::Frame BlockFrame(uint64_t seq, const std::vector<Sample>& samples) {
  mvmd::twin::v1alpha1::Frame frame;
  frame.set_seq(seq);
  EncodeBlock(samples, frame.mutable_block());
  return frame;
}

inline Sample NumberAt(uint32_t binding, int64_t time_unix_ns, double value) {
  return Sample{.binding = binding, .time_unix_ns = time_unix_ns, .value = value};
}

inline mvmd::twin::v1alpha1::Frame GapFrame(uint64_t seq, absl::string_view twin, absl::string_view sensor,
                                            uint64_t count = 1) {
  mvmd::twin::v1alpha1::Frame frame;
  frame.set_seq(seq);
  frame.mutable_gap()->set_twin(std::string(twin));
  frame.mutable_gap()->set_sensor(std::string(sensor));
  frame.mutable_gap()->set_count(count);
  frame.mutable_gap()->set_reason(mvmd::twin::v1alpha1::Gap::REASON_OUTBOX_FULL);
  return frame;
}

// The chunks of one document, with seqs from `seq` on.
inline std::vector<mvmd::twin::v1alpha1::Frame> ChunkFrames(uint64_t seq, absl::string_view twin,
                                                            absl::string_view text, size_t chunk_bytes) {
  std::vector<mvmd::twin::v1alpha1::Frame> frames;
  for (size_t offset = 0; offset < text.size(); offset += chunk_bytes) {
    mvmd::twin::v1alpha1::Frame& frame = frames.emplace_back();
    frame.set_seq(seq++);
    mvmd::twin::v1alpha1::DocumentChunk* chunk = frame.mutable_document_chunk();
    chunk->set_twin(std::string(twin));
    chunk->set_sha256(Sha256(text));
    chunk->set_total_bytes(text.size());
    chunk->set_offset_bytes(offset);
    chunk->set_data(std::string(text.substr(offset, chunk_bytes)));
  }
  return frames;
}

inline mvmd::twin::v1alpha1::Frame DocumentFrame(uint64_t seq, absl::string_view twin, absl::string_view text) {
  return ChunkFrames(seq, twin, text, text.size()).front();
}

inline mvmd::twin::v1alpha1::FrameGroup GroupOf(absl::Span<const mvmd::twin::v1alpha1::Frame> frames,
                                                mvmd::twin::v1alpha1::Lane lane = mvmd::twin::v1alpha1::LANE_LIVE) {
  std::string batch;
  for (const mvmd::twin::v1alpha1::Frame& frame : frames) AppendFrame(frame.SerializeAsString(), &batch);
  mvmd::twin::v1alpha1::FrameGroup group;
  FrameGroupCodec codec;
  codec.Encode(batch, lane, /*level=*/1, &group);
  return group;
}

inline mvmd::twin::v1alpha1::LogEntry FramesEntry(uint64_t session,
                                                  absl::Span<const mvmd::twin::v1alpha1::Frame> frames,
                                                  mvmd::twin::v1alpha1::Lane lane = mvmd::twin::v1alpha1::LANE_LIVE) {
  mvmd::twin::v1alpha1::LogEntry entry;
  entry.mutable_frames_received()->set_session(session);
  *entry.mutable_frames_received()->mutable_group() = GroupOf(frames, lane);
  return entry;
}

// What an applied entry told, as text: to compare what Apply told with what Resolve tells.
inline std::string Describe(const AppliedEntry& applied) {
  std::string text = absl::StrCat("revision ", applied.revision, " time ", applied.time_unix_ns, "\n");
  for (const AppliedEntry::Samples& samples : applied.samples) {
    absl::StrAppend(&text, samples.backfill ? "backfill " : "live ", samples.sensor->twin, "/", samples.sensor->sensor);
    for (uint32_t i = 0; i < samples.run.count; ++i) {
      const uint32_t at = samples.run.begin + i;
      const SampleValue value = samples.block->ValueAt(samples.run, at);
      absl::StrAppend(&text, " ", samples.block->times_unix_ns[at], "=");
      if (const double* number = std::get_if<double>(&value)) absl::StrAppend(&text, *number);
      if (const bool* boolean = std::get_if<bool>(&value)) absl::StrAppend(&text, *boolean ? "true" : "false");
      if (const std::string* words = std::get_if<std::string>(&value)) absl::StrAppend(&text, "'", *words, "'");
    }
    text += "\n";
  }
  std::vector<std::string> documents;
  for (const AppliedEntry::DocumentChange& change : applied.documents) {
    documents.push_back(
        absl::StrCat("document ", change.twin, " ",
                     change.definition == nullptr ? "removed" : change.definition->form.definition_etag(), " at ",
                     change.definition == nullptr ? 0 : change.definition->revision, "\n"));
  }
  std::sort(documents.begin(), documents.end());
  for (const std::string& document : documents) text += document;
  for (const mvmd::twin::v1alpha1::Gap& gap : applied.gaps) {
    absl::StrAppend(&text, "gap ", gap.twin(), "/", gap.sensor(), " ", gap.count(), "\n");
  }
  for (const AppliedEntry::Connection& connection : applied.connections) {
    absl::StrAppend(&text, connection.bridge, connection.connected ? " connected\n" : " gone\n");
  }
  return text;
}

// A fold with its log in memory.
class TestFold {
 public:
  explicit TestFold(const TwinStateLimits& limits = {}) : limits_(limits) { Restart(); }

  ApplyResult Apply(mvmd::twin::v1alpha1::LogEntry entry) {
    time_unix_ns_ += 1'000'000;
    return ApplyAt(time_unix_ns_, std::move(entry));
  }
  ApplyResult ApplyAt(int64_t time_unix_ns, mvmd::twin::v1alpha1::LogEntry entry) {
    entry.set_time_unix_ns(time_unix_ns);
    log_.push_back(std::move(entry));
    std::shared_ptr<const AppliedEntry> applied;
    ApplyResult result = state_->Apply(log_.size(), log_.back(), nullptr, &applied);
    EXPECT_NE(applied, nullptr);
    applied_.push_back(std::move(applied));
    return result;
  }

  // A state without anything.
  void Restart() { state_ = std::make_unique<TwinState>(limits_); }

  TwinState& state() { return *state_; }
  const std::vector<mvmd::twin::v1alpha1::LogEntry>& log() const { return log_; }
  const AppliedEntry& applied(uint64_t revision) const { return *applied_[revision - 1]; }
  const AppliedEntry& last_applied() const { return *applied_.back(); }
  int64_t time_unix_ns() const { return time_unix_ns_; }

  // The served document.
  Json Served(absl::string_view twin) const {
    absl::StatusOr<TwinSnapshot> snapshot = state_->GetTwin(twin);
    EXPECT_TRUE(snapshot.ok()) << snapshot.status();
    if (!snapshot.ok()) return Json();
    absl::StatusOr<Json> served = ParseJson(snapshot->definition->form.Render(snapshot->live));
    EXPECT_TRUE(served.ok()) << served.status();
    return *std::move(served);
  }

 private:
  const TwinStateLimits limits_;
  std::unique_ptr<TwinState> state_;
  std::vector<mvmd::twin::v1alpha1::LogEntry> log_;
  std::vector<std::shared_ptr<const AppliedEntry>> applied_;
  int64_t time_unix_ns_ = kTestTimeNs;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_GATEWAY_LOG_ENTRIES_H_
