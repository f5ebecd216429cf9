// A log with every kind of trouble in it, for tests of what is a function of the log.
#ifndef MVMD_TESTS_GATEWAY_RANDOM_LOG_H_
#define MVMD_TESTS_GATEWAY_RANDOM_LOG_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gateway/twin_state.h"
#include "runtime/status_proto.h"
#include "tests/gateway/log_entries.h"

namespace mvmd {

// Small limits, so that every one of them is reached.
inline TwinStateLimits SmallLimits() {
  return {.unfinished_documents_max = 2,
          .twins_a_bridge_max = 4,
          .issues_kept = 3,
          .definition_bytes_kept = 40'000,
          .gaps_kept = 3,
          .history_rows_max = 8,
          .quarantine = {.documents_a_bridge_max = 2, .documents_max = 3, .bytes_max = 20'000},
          .keyframe_interval_ns = 20'000'000,
          .keyframe_bytes_min = 2'000,
          .keyframe_bytes_max = 20'000};
}

// Writes entries as two bridges and some clients would, with every kind of trouble in them.
class RandomLog {
 public:
  explicit RandomLog(uint32_t seed, const TwinStateLimits& limits = SmallLimits()) : random_(seed), fold_(limits) {}

  void Append(int count) {
    for (int i = 0; i < count; ++i) AppendOne();
  }
  ApplyResult AppendOne() { return fold_.ApplyAt(time_ns_ += Pick(3) * 1'000'000, Entry()); }
  TestFold& fold() { return fold_; }

 private:
  struct Bridge {
    std::string name;
    uint64_t epoch = 1;
    uint64_t session = 0;
    uint64_t old_session = 0;
    uint64_t next_seq = 1;
    std::vector<mvmd::twin::v1alpha1::Frame> sent;     // of the epoch
    std::vector<mvmd::twin::v1alpha1::Frame> waiting;  // chunks
  };

  int64_t Pick(int64_t below) { return std::uniform_int_distribution<int64_t>(0, below - 1)(random_); }
  std::string PickTwin() { return std::string(1, static_cast<char>('a' + Pick(5))); }

  // A re-drive or a discard, mostly of a document that is there.
  mvmd::twin::v1alpha1::LogEntry QuarantineEntry(const std::string& bridge, const std::string& twin) {
    const auto make = Pick(4) == 0 ? DiscardedEntry : RedrivenEntry;
    const auto& kept = fold_.state().quarantine().documents();
    if (kept.empty() || Pick(4) == 0) return make(bridge, twin, 0);
    const QuarantinedDocument& document = *std::next(kept.begin(), Pick(static_cast<int64_t>(kept.size())))->second;
    return make(document.bridge, document.twin, Pick(2) == 0 ? 0 : document.revision);
  }

  std::string Document(const std::string& twin) {
    Json document = TestDocument(twin);
    if (Pick(2) == 0) document.Set("name", Json::String(absl::StrCat("name ", Pick(3))));
    if (Pick(8) == 0) document.Remove("name");
    if (Pick(16) == 0) return "no JSON";
    return Canonicalize(document);
  }

  mvmd::twin::v1alpha1::Frame NewFrame(Bridge* bridge) {
    if (!bridge->waiting.empty() && Pick(2) == 0) {
      const auto at = bridge->waiting.begin() + Pick(static_cast<int64_t>(bridge->waiting.size()));
      mvmd::twin::v1alpha1::Frame frame = *at;
      bridge->waiting.erase(at);
      return frame;
    }
    const uint64_t seq = bridge->next_seq;
    switch (Pick(12)) {
      case 0: {
        const std::string twin = PickTwin();
        const auto first = static_cast<uint32_t>(1 + Pick(8));
        bridge->next_seq += 1;
        // Often in conflict with what was declared before.
        return BindingsFrame(seq, twin, {{first, "temp-1"}, {first + 1, Pick(3) == 0 ? "extra" : "motion-1"}});
      }
      case 1: {
        const std::string twin = PickTwin();
        std::vector<mvmd::twin::v1alpha1::Frame> chunks = ChunkFrames(seq, twin, Document(twin), 3000);
        bridge->next_seq += chunks.size();
        bridge->waiting.insert(bridge->waiting.end(), chunks.begin() + 1, chunks.end());
        return chunks[0];
      }
      case 2:
        bridge->next_seq += 1;
        return DocumentFrame(seq, "a", Document("a"));
      case 3:
        bridge->next_seq += 1;
        return GapFrame(seq, Pick(2) == 0 ? "" : PickTwin(), Pick(2) == 0 ? "" : "temp-1");
      case 4: {
        bridge->next_seq += 1;
        mvmd::twin::v1alpha1::Frame bad = BlockFrame(seq, {NumberAt(1, 1, 1)});
        bad.mutable_block()->set_count(3);
        return bad;
      }
      default: {
        bridge->next_seq += 1;
        std::vector<Sample> samples;
        for (int64_t i = Pick(6); i >= 0; --i) {
          Sample sample = NumberAt(static_cast<uint32_t>(Pick(11)), time_ns_ - Pick(20) * 500'000,
                                   static_cast<double>(Pick(100)) / 4);
          if (Pick(6) == 0) sample.value = absl::StrCat("text ", Pick(5));
          if (Pick(6) == 0) sample.value = Pick(2) == 0;
          samples.push_back(std::move(sample));
        }
        return BlockFrame(seq, samples);
      }
    }
  }

  mvmd::twin::v1alpha1::LogEntry Frames(Bridge* bridge) {
    std::vector<mvmd::twin::v1alpha1::Frame> frames;
    for (int64_t i = Pick(4); i >= 0; --i) {
      if (!bridge->sent.empty() && Pick(5) == 0) {
        frames.push_back(bridge->sent[static_cast<size_t>(Pick(static_cast<int64_t>(bridge->sent.size())))]);
      } else {
        frames.push_back(NewFrame(bridge));
        bridge->sent.push_back(frames.back());
      }
    }
    const uint64_t session = Pick(12) == 0 ? bridge->old_session : bridge->session;
    mvmd::twin::v1alpha1::LogEntry entry = FramesEntry(
        session, frames, Pick(4) == 0 ? mvmd::twin::v1alpha1::LANE_BACKFILL : mvmd::twin::v1alpha1::LANE_LIVE);
    if (Pick(8) == 0) {
      mvmd::twin::v1alpha1::RefusedFrame* refused = entry.mutable_frames_received()->add_refused();
      refused->set_seq(frames[0].seq());
      *refused->mutable_status() = ToRpcStatus(MakeError(absl::StatusCode::kPermissionDenied, "NOT_YOURS", "no"));
    }
    return entry;
  }

  mvmd::twin::v1alpha1::LogEntry Entry() {
    Bridge& bridge = bridges_[static_cast<size_t>(Pick(2))];
    if (bridge.session == 0 || Pick(25) == 0) {
      if (Pick(3) == 0) {
        ++bridge.epoch;
        bridge.next_seq = 1;
        bridge.sent.clear();
        bridge.waiting.clear();
      }
      bridge.old_session = bridge.session;
      bridge.session = fold_.log().size() + 1;
      return OpenedEntry(bridge.epoch, bridge.name, Pick(20) == 0 ? "another-outbox-i" : "0123456789abcdef");
    }
    if (Pick(30) == 0) return ClosedEntry(Pick(2) == 0 ? bridge.session : bridge.old_session, bridge.name);
    const std::string twin = PickTwin();
    switch (Pick(30)) {
      case 0:
        return PutEntry(twin, Document(twin), Pick(3) == 0 ? "-" : "");
      case 1:
      case 2:
        return PatchEntry(twin, absl::StrCat(R"({"name":"patched )", Pick(4), R"("})"), Pick(4) == 0 ? "wrong" : "");
      case 3:
        return DeleteEntry(twin);
      case 4: {
        using mvmd::twin::v1alpha1::ValidationMode;
        constexpr ValidationMode kModes[] = {ValidationMode::VALIDATION_MODE_ENFORCE,
                                             ValidationMode::VALIDATION_MODE_ENFORCE,
                                             ValidationMode::VALIDATION_MODE_WARN, ValidationMode::VALIDATION_MODE_OFF};
        return PolicyEntry(kModes[Pick(4)], Pick(2) == 0 ? "" : twin);
      }
      case 5:
      case 6:
        return QuarantineEntry(bridge.name, twin);
      default:
        return Frames(&bridge);
    }
  }

  std::mt19937 random_;
  TestFold fold_;
  int64_t time_ns_ = kTestTimeNs;
  Bridge bridges_[2] = {{.name = kTestBridge, .sent = {}, .waiting = {}},
                        {.name = "spiffe://plant.example/bridge/other", .sent = {}, .waiting = {}}};
};

}  // namespace mvmd

#endif  // MVMD_TESTS_GATEWAY_RANDOM_LOG_H_
