// The state is a function of the log: whatever way it was made from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "gateway/twin_state.h"
#include "mvmd/twin/v1alpha1/state.pb.h"
#include "runtime/status_proto.h"
#include "tests/gateway/log_entries.h"
#include "tests/gateway/random_log.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

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

// Only definitions are given up before the log is, and it is told whose.
void ExpectToldAgain(const AppliedEntry& resolved, AppliedEntry applied) {
  for (const AppliedEntry::Forgotten& forgotten : resolved.forgotten) {
    EXPECT_LT(applied.revision, forgotten.oldest_revision);
    std::erase_if(applied.documents,
                  [&](const AppliedEntry::DocumentChange& change) { return change.twin == forgotten.twin; });
  }
  ASSERT_EQ(Describe(resolved), Describe(applied));
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

// That the logs above have what they are for.
TEST(RandomLogTest, HasDocumentsInQuarantineAndTakesSomeOut) {
  uint64_t kept = 0;
  uint64_t redriven = 0;
  uint64_t refused_again = 0;
  uint64_t full = 0;
  for (uint32_t seed = 1; seed < 9; ++seed) {
    RandomLog log(seed);
    for (int i = 0; i < 1000; ++i) {
      const ApplyResult result = log.AppendOne();
      kept += result.quarantined.size();
      for (const auto& [reason, count] : result.issues) full += reason == "QUARANTINE_FULL" ? count : 0;
      if (!log.fold().log().back().has_document_redriven()) continue;
      redriven += result.status.ok() ? 1 : 0;
      refused_again += ReasonOf(result.status) == "DOCUMENT_INVALID" ? 1 : 0;
    }
  }
  EXPECT_GT(kept, 100u);
  EXPECT_GT(redriven, 5u);
  EXPECT_GT(refused_again, 5u);
  EXPECT_GT(full, 0u);
}

TEST_P(TwinStateReplayTest, ResolveTellsWhatApplyTold) {
  RandomLog log(GetParam());
  log.Append(600);
  const TestFold& fold = log.fold();
  for (uint64_t revision = 1; revision <= fold.log().size(); ++revision) {
    const auto resolved = log.fold().state().Resolve(revision, fold.log()[revision - 1]);
    ASSERT_TRUE(resolved.ok()) << resolved.status();
    ExpectToldAgain(**resolved, fold.applied(revision));
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
    ASSERT_TRUE(resolved.ok()) << resolved.status();
    ExpectToldAgain(**resolved, log.fold().applied(revision));
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
  record.mutable_quarantined_document()->set_bridge("nobody");
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kDataLoss);
  record.mutable_history_segment()->add_rows();
  EXPECT_EQ(restore({record}).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace mvmd
