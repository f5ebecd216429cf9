// The state is a function of the log: whatever way it was made from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "gateway/twin_state.h"
#include "mvmd/twin/v1alpha1/state.pb.h"
#include "runtime/status_proto.h"
#include "tests/gateway/log_entries.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// Small limits, so that every one of them is reached.
TwinStateLimits SmallLimits() {
  return {.unfinished_documents_max = 2,
          .twins_a_bridge_max = 4,
          .issues_kept = 3,
          .definitions_kept = 3,
          .definition_bytes_kept = 40'000,
          .gaps_kept = 3,
          .history_rows_max = 8};
}

// Writes entries as two bridges and some clients would, with every kind of trouble in them.
class RandomLog {
 public:
  explicit RandomLog(uint32_t seed) : random_(seed), fold_(SmallLimits()) {}

  void Append(int count) {
    for (int i = 0; i < count; ++i) fold_.ApplyAt(time_ns_ += Pick(3) * 1'000'000, Entry());
  }
  TestFold& fold() { return fold_; }

 private:
  struct Bridge {
    std::string name;
    uint64_t epoch = 1;
    uint64_t session = 0;
    uint64_t old_session = 0;
    uint64_t next_seq = 1;
    std::vector<pb::Frame> sent;     // of the epoch
    std::vector<pb::Frame> waiting;  // chunks
  };

  int64_t Pick(int64_t below) { return std::uniform_int_distribution<int64_t>(0, below - 1)(random_); }
  std::string PickTwin() { return std::string(1, static_cast<char>('a' + Pick(5))); }

  std::string Document(const std::string& twin) {
    Json document = TestDocument(twin);
    if (Pick(2) == 0) document.Set("name", Json::String(absl::StrCat("name ", Pick(3))));
    if (Pick(8) == 0) document.Remove("name");
    return Canonicalize(document);
  }

  pb::Frame NewFrame(Bridge* bridge) {
    if (!bridge->waiting.empty() && Pick(2) == 0) {
      const auto at = bridge->waiting.begin() + Pick(static_cast<int64_t>(bridge->waiting.size()));
      pb::Frame frame = *at;
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
        std::vector<pb::Frame> chunks = ChunkFrames(seq, twin, Document(twin), 3000);
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
        pb::Frame bad = BlockFrame(seq, {NumberAt(1, 1, 1)});
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

  pb::LogEntry Frames(Bridge* bridge) {
    std::vector<pb::Frame> frames;
    for (int64_t i = Pick(4); i >= 0; --i) {
      if (!bridge->sent.empty() && Pick(5) == 0) {
        frames.push_back(bridge->sent[static_cast<size_t>(Pick(static_cast<int64_t>(bridge->sent.size())))]);
      } else {
        frames.push_back(NewFrame(bridge));
        bridge->sent.push_back(frames.back());
      }
    }
    const uint64_t session = Pick(12) == 0 ? bridge->old_session : bridge->session;
    pb::LogEntry entry = FramesEntry(session, frames, Pick(4) == 0 ? pb::LANE_BACKFILL : pb::LANE_LIVE);
    if (Pick(8) == 0) {
      pb::RefusedFrame* refused = entry.mutable_frames_received()->add_refused();
      refused->set_seq(frames[0].seq());
      *refused->mutable_status() = ToRpcStatus(MakeError(absl::StatusCode::kPermissionDenied, "NOT_YOURS", "no"));
    }
    return entry;
  }

  pb::LogEntry Entry() {
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

using Store = std::map<std::string, std::string>;

void Save(const Checkpoint& checkpoint, Store* store) {
  for (const auto& [key, value] : checkpoint.changes) {
    if (value.has_value()) {
      (*store)[key] = *value;
    } else {
      store->erase(key);
    }
  }
}

std::unique_ptr<TwinState> Load(const Store& store, uint64_t revision) {
  auto state = std::make_unique<TwinState>(SmallLimits());
  // Any order will do.
  for (auto it = store.rbegin(); it != store.rend(); ++it) EXPECT_TRUE(state->Restore(it->first, it->second).ok());
  const absl::Status finished = state->FinishRestore(revision);
  EXPECT_TRUE(finished.ok()) << finished;
  return state;
}

class TwinStateReplayTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(TwinStateReplayTest, CheckpointAndReplayGiveTheSameState) {
  RandomLog log(GetParam());
  std::mt19937 random(GetParam() + 1);
  Store store;
  for (int round = 0; round < 20; ++round) {
    log.Append(static_cast<int>(random() % 60));
    TwinState& state = log.fold().state();
    Save(state.TakeCheckpoint(), &store);
    const uint64_t checkpoint_revision = state.applied_revision();
    ASSERT_EQ(Load(store, checkpoint_revision)->Fingerprint(), state.Fingerprint()) << "at " << checkpoint_revision;
    const Store saved = store;

    log.Append(static_cast<int>(random() % 60));
    std::unique_ptr<TwinState> restored = Load(saved, checkpoint_revision);
    for (uint64_t revision = checkpoint_revision + 1; revision <= log.fold().log().size(); ++revision) {
      std::shared_ptr<const AppliedEntry> applied;
      restored->Apply(revision, log.fold().log()[revision - 1], nullptr, &applied);
      ASSERT_EQ(Describe(*applied), Describe(log.fold().applied(revision)));
    }
    ASSERT_EQ(restored->Fingerprint(), state.Fingerprint());
    if (round % 5 == 4) {
      // Trimmed in both, and the checkpoints know of it.
      const uint64_t trim = checkpoint_revision - checkpoint_revision / 3;
      state.ForgetBefore(trim);
      restored->ForgetBefore(trim);
      ASSERT_EQ(restored->Fingerprint(), state.Fingerprint());
    }
  }
}

TEST_P(TwinStateReplayTest, ResolveTellsWhatApplyTold) {
  RandomLog log(GetParam());
  log.Append(600);
  const TestFold& fold = log.fold();
  for (uint64_t revision = 1; revision <= fold.log().size(); ++revision) {
    const auto resolved = log.fold().state().Resolve(revision, fold.log()[revision - 1]);
    if (!resolved.ok()) {
      // Only definitions are given up before the log is.
      ASSERT_EQ(ReasonOf(resolved.status()), "REVISION_COMPACTED") << resolved.status();
      ASSERT_LT(revision, std::stoull(MetadataOf(resolved.status())["oldest_revision"]));
      continue;
    }
    ASSERT_EQ(Describe(**resolved), Describe(fold.applied(revision)));
  }
}

TEST_P(TwinStateReplayTest, ResolveStillTellsTheRestAfterTrimming) {
  RandomLog log(GetParam());
  log.Append(600);
  log.fold().state().ForgetBefore(300);
  log.Append(200);
  Store store;
  Save(log.fold().state().TakeCheckpoint(), &store);
  const uint64_t end = log.fold().log().size();
  std::unique_ptr<TwinState> restored = Load(store, end);
  for (uint64_t revision = 300; revision <= end; ++revision) {
    const auto resolved = restored->Resolve(revision, log.fold().log()[revision - 1]);
    if (!resolved.ok()) {
      ASSERT_EQ(ReasonOf(resolved.status()), "REVISION_COMPACTED") << resolved.status();
      continue;
    }
    ASSERT_EQ(Describe(**resolved), Describe(log.fold().applied(revision)));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TwinStateReplayTest, ::testing::Range(1u, 13u));

TEST(TwinStateRestoreTest, RefusesRecordsThatItCannotRead) {
  const auto restore = [](const std::vector<pb::StateRecord>& records) {
    TwinState state({});
    for (const pb::StateRecord& record : records) {
      if (absl::Status status = state.Restore("key", record.SerializeAsString()); !status.ok()) return status;
    }
    return state.FinishRestore(1);
  };
  EXPECT_TRUE(restore({}).ok());
  TwinState state({});
  EXPECT_EQ(state.Restore("k", "\xff\xff").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(restore({pb::StateRecord()}).code(), absl::StatusCode::kDataLoss);

  pb::StateRecord record;
  record.mutable_header()->set_format_version(99);
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kFailedPrecondition);
  record.mutable_sensor_name()->set_sensor_number(5);
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kDataLoss);
  record.mutable_twin_live()->set_owner("nobody");
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kDataLoss);
  record.mutable_twin_live()->clear_owner();
  record.mutable_twin_live()->add_values();
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kDataLoss);
  record.mutable_twin_documents()->set_base("{");
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kDataLoss);
  record.mutable_twin_documents()->set_overlay("{");
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kDataLoss);
  record.mutable_epoch()->set_bridge("nobody");
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kDataLoss);
  record.mutable_binding_table();
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kDataLoss);
  record.mutable_session();
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kDataLoss);
  record.mutable_unfinished_document();
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kDataLoss);
  record.mutable_finished_document();
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kDataLoss);
  record.mutable_history_segment()->add_rows();
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace mvmd
