#include "gateway/past_twins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "runtime/status_proto.h"
#include "tests/gateway/log_entries.h"
#include "tests/gateway/random_log.h"
#include "tests/support/memory_log.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::AnyOf;
using ::testing::Gt;

// What was served, as text: "none", or revision and etag. Without gaps, which are merged when there are many, the
// revision is always that of the last change.
std::string Describe(const absl::StatusOr<TwinSnapshot>& snapshot, bool with_revision = true) {
  if (!snapshot.ok()) {
    return ReasonOf(snapshot.status()) == "TWIN_NOT_FOUND" ? "none" : snapshot.status().ToString();
  }
  return absl::StrCat(with_revision ? snapshot->revision : 0, " ",
                      Sha256Hex(snapshot->definition->form.Render(snapshot->live)), " ",
                      snapshot->definition->form.definition_etag(), " ", snapshot->definition->revision);
}

// Without the revision of the last change: gaps are forgotten with the log, and by versions that did not keep when they
// were.
std::string EtagOf(const std::string& described) { return described.substr(described.find(' ') + 1); }

constexpr char kOtherTestBridge[] = "spiffe://plant.example/bridge/other";

// Takes from the store what older versions did not write.
void MakeOlder(MemoryDisk* disk) {
  Checkpoint changes;
  const absl::StatusOr<uint64_t> revision =
      disk->state()->Load([&](absl::string_view key, absl::string_view value) -> absl::Status {
        pb::StateRecord record;
        if (!record.ParseFromArray(value.data(), static_cast<int>(value.size()))) return absl::DataLossError("record");
        if (KeyframeRevisionOf(key) != 0) {
          changes.changes.emplace_back(key, std::nullopt);
          return absl::OkStatus();
        }
        if (record.has_header()) {
          record.mutable_header()->clear_past_first_revision();
          record.mutable_header()->clear_log_bytes();
        } else if (record.has_twin_live()) {
          pb::TwinLive* live = record.mutable_twin_live();
          live->clear_born_revision();
          live->clear_keyframe_revision();
          live->clear_keyframe_time_unix_ns();
          live->clear_keyframe_log_bytes();
          live->clear_gap_revisions();
        } else if (record.has_twin_documents()) {
          record.mutable_twin_documents()->clear_definitions_forgotten_revision();
          record.mutable_twin_documents()->clear_document_owners();
        } else if (record.has_session()) {
          record.mutable_session()->clear_closed_revision();
        } else if (record.has_past_definition()) {
          record.mutable_past_definition()->clear_date_modified_unix_ns();
        }
        changes.changes.emplace_back(key, record.SerializeAsString());
        return absl::OkStatus();
      });
  ASSERT_TRUE(revision.ok()) << revision.status();
  changes.revision = *revision;
  ASSERT_TRUE(disk->state()->Save(changes).ok());
}

// Keyframes come often, and nothing is forgotten but by trimming.
TwinStateLimits PastLimits() {
  TwinStateLimits limits = SmallLimits();
  limits.definition_bytes_kept = size_t{64} << 20;
  limits.gaps_kept = 1000;
  return limits;
}

// A store with the log and the checkpoints of a state that is given entries; then a gateway that starts from it.
class Recording {
 public:
  explicit Recording(const TwinStateLimits& limits) : limits_(limits), state_(std::make_unique<TwinState>(limits)) {}

  // Applies the entry and keeps what is served of these twins.
  void Apply(const pb::LogEntry& entry, const std::vector<std::string>& twins) {
    const absl::StatusOr<uint64_t> revision = disk_.log()->Append({entry.SerializeAsString()});
    ASSERT_TRUE(revision.ok()) << revision.status();
    state_->Apply(*revision, entry, nullptr, nullptr);
    std::map<std::string, std::string>& now = served_[*revision];
    for (const std::string& twin : twins) now[twin] = Describe(state_->GetTwin(twin));
  }
  void Checkpoint() { ASSERT_TRUE(disk_.state()->Save(state_->TakeCheckpoint()).ok()); }
  void Trim(uint64_t revision) {
    state_->ForgetBefore(revision);
    Checkpoint();
    ASSERT_TRUE(disk_.log()->TrimBefore(revision).ok());
    ASSERT_TRUE(disk_.state()->TrimKeyframes(revision - 1).ok());
  }
  // From the last checkpoint.
  void Restart() {
    committer_.reset();
    state_ = std::make_unique<TwinState>(limits_);
    const absl::StatusOr<uint64_t> checkpoint = disk_.state()->Load(
        [this](absl::string_view key, absl::string_view value) { return state_->Restore(key, value); });
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    const absl::Status finished = state_->FinishRestore(*checkpoint);
    ASSERT_TRUE(finished.ok()) << finished;
    std::vector<LogRecord> tail;
    if (*checkpoint < disk_.log()->Last()) {
      ASSERT_TRUE(disk_.log()->ReadFrom(*checkpoint + 1, SIZE_MAX / 2, &tail).ok());
    }
    for (const LogRecord& record : tail) {
      pb::LogEntry entry;
      ASSERT_TRUE(entry.ParseFromString(record.bytes));
      state_->Apply(record.revision, entry, nullptr, nullptr);
    }
  }
  // No more Apply afterwards, until the next Restart.
  const PastTwins& past() {
    if (committer_ == nullptr) {
      committer_ = std::make_unique<Committer>(disk_.log(), disk_.state(), state_.get(), &SystemClock::Get(),
                                               CommitterOptions{.checkpoint_interval = absl::Hours(1)});
      past_ = std::make_unique<PastTwins>(disk_.log(), disk_.state(), committer_.get());
    }
    return *past_;
  }

  MemoryDisk& disk() { return disk_; }
  TwinState& state() { return *state_; }
  const std::string& Served(uint64_t revision, const std::string& twin) const { return served_.at(revision).at(twin); }
  uint64_t last() { return disk_.log()->Last(); }

 private:
  const TwinStateLimits limits_;
  MemoryDisk disk_;
  std::unique_ptr<TwinState> state_;
  std::map<uint64_t, std::map<std::string, std::string>> served_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<PastTwins> past_;
};

const std::vector<std::string>& RandomTwins() {
  static const auto* const twins = new std::vector<std::string>{"a", "b", "c", "d", "e"};
  return *twins;
}

class PastTwinsRandomTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(PastTwinsRandomTest, GivesWhatWasServed) {
  RandomLog log(GetParam(), PastLimits());
  std::mt19937 random(GetParam() + 1);
  log.Append(400);
  Recording recording(PastLimits());
  for (const pb::LogEntry& entry : log.fold().log()) {
    recording.Apply(entry, RandomTwins());
    if (random() % 40 == 0) recording.Checkpoint();
  }
  const auto check = [&](uint64_t first) {
    for (uint64_t revision = first; revision <= recording.last(); ++revision) {
      for (const std::string& twin : RandomTwins()) {
        ASSERT_EQ(Describe(recording.past().At(twin, revision)), recording.Served(revision, twin))
            << "twin " << twin << " at " << revision << " of " << recording.last();
      }
    }
  };
  check(1);
  recording.Restart();
  check(1);
}

TEST_P(PastTwinsRandomTest, GivesWhatWasServedOfTrimmedLogs) {
  RandomLog log(GetParam() + 100, PastLimits());
  std::mt19937 random(GetParam() + 1);
  log.Append(400);
  Recording recording(PastLimits());
  uint64_t first = 1;
  for (const pb::LogEntry& entry : log.fold().log()) {
    recording.Apply(entry, RandomTwins());
    if (random() % 40 == 0) recording.Checkpoint();
    if (random() % 100 == 0) recording.Trim(first = std::max<uint64_t>(first, recording.last() * 2 / 3));
  }
  if (random() % 2 == 0) recording.Restart();
  int given = 0;
  int compacted = 0;
  for (uint64_t revision = 1; revision <= recording.last(); ++revision) {
    for (const std::string& twin : RandomTwins()) {
      const absl::StatusOr<TwinSnapshot> snapshot = recording.past().At(twin, revision);
      if (ReasonOf(snapshot.status()) == "REVISION_COMPACTED") {
        const uint64_t oldest = std::stoull(MetadataOf(snapshot.status())["oldest_revision"]);
        ASSERT_THAT(oldest, Gt(revision));
        ASSERT_NE(ReasonOf(recording.past().At(twin, oldest).status()), "REVISION_COMPACTED");
        compacted += revision >= first ? 1 : 0;
        continue;
      }
      ASSERT_GE(revision, first);
      ASSERT_EQ(Describe(snapshot), recording.Served(revision, twin))
          << "twin " << twin << " at " << revision << " of " << recording.last();
      ++given;
    }
  }
  EXPECT_GT(given, 4 * compacted) << "only what is before the first keyframe in the log is not known";
}

INSTANTIATE_TEST_SUITE_P(Seeds, PastTwinsRandomTest, ::testing::Range(1u, 7u));

TEST_P(PastTwinsRandomTest, ABoundOnDefinitionsOnlyMakesThePastShorter) {
  RandomLog log(GetParam() + 200);
  log.Append(300);
  Recording recording(SmallLimits());
  for (const pb::LogEntry& entry : log.fold().log()) recording.Apply(entry, RandomTwins());
  recording.Checkpoint();
  recording.Restart();
  int compacted = 0;
  for (uint64_t revision = 1; revision <= recording.last(); ++revision) {
    for (const std::string& twin : RandomTwins()) {
      const absl::StatusOr<TwinSnapshot> snapshot = recording.past().At(twin, revision);
      if (ReasonOf(snapshot.status()) == "REVISION_COMPACTED") {
        ++compacted;
        const uint64_t oldest = std::stoull(MetadataOf(snapshot.status())["oldest_revision"]);
        ASSERT_THAT(oldest, Gt(revision));
        ASSERT_NE(ReasonOf(recording.past().At(twin, oldest).status()), "REVISION_COMPACTED");
      } else if (snapshot.ok()) {
        ASSERT_EQ(EtagOf(Describe(snapshot)), EtagOf(recording.Served(revision, twin)));
      } else {
        ASSERT_EQ(Describe(snapshot), recording.Served(revision, twin));
      }
    }
  }
  EXPECT_GT(compacted, 0);
}

// A twin with two sensors, of which one gets a value a second.
class PastTwinsTest : public ::testing::Test {
 protected:
  uint64_t Append(pb::LogEntry entry) {
    entry.set_time_unix_ns(time_unix_ns_ += kSecondNs);
    recording_.Apply(entry, {"robot", "other"});
    return recording_.last();
  }
  uint64_t Open(absl::string_view bridge = kTestBridge) { return Append(OpenedEntry(1, bridge)); }
  uint64_t SendDocument(uint64_t session, uint64_t seq) {
    return Append(FramesEntry(session, {DocumentFrame(seq, "robot", TestDocumentText("robot"))}));
  }
  uint64_t SendSample(uint64_t session, uint64_t seq, double value) {
    return Append(FramesEntry(session, {BlockFrame(seq, {NumberAt(1, time_unix_ns_, value)})}));
  }
  std::string At(uint64_t revision, const std::string& twin = "robot") {
    return Describe(recording_.past().At(twin, revision));
  }
  std::string Reason(uint64_t revision, const std::string& twin = "robot") {
    return ReasonOf(recording_.past().At(twin, revision).status());
  }
  uint64_t OldestAt(uint64_t revision, const std::string& twin = "robot") {
    return std::stoull(MetadataOf(recording_.past().At(twin, revision).status())["oldest_revision"]);
  }

  int64_t time_unix_ns_ = kTestTimeNs;
  Recording recording_{TwinStateLimits()};
};

TEST_F(PastTwinsTest, KnowsNeitherTheFutureNorWhatNeverWas) {
  const uint64_t session = Open();
  SendDocument(session, 1);
  EXPECT_EQ(Reason(1), "TWIN_NOT_FOUND") << "not yet";
  EXPECT_EQ(Reason(2), "");
  EXPECT_EQ(Reason(2, "nobody"), "TWIN_NOT_FOUND");
  const absl::Status ahead = recording_.past().At("robot", 3).status();
  EXPECT_EQ(ahead.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(ahead), "REVISION_AHEAD");
  EXPECT_EQ(MetadataOf(ahead)["applied_revision"], "2");
}

TEST_F(PastTwinsTest, ARemovedTwinIsNotFoundWhileItIsAway) {
  Append(PutEntry("robot", TestDocumentText("robot")));
  Append(DeleteEntry("robot"));
  Append(OpenedEntry(1));
  Append(PutEntry("robot", TestDocumentText("robot")));
  EXPECT_EQ(Reason(1), "");
  EXPECT_EQ(Reason(2), "TWIN_NOT_FOUND");
  EXPECT_EQ(Reason(3), "TWIN_NOT_FOUND");
  EXPECT_EQ(Reason(4), "");
}

// The same document by another bridge changes nothing of it, but whose connection counts.
TEST_F(PastTwinsTest, KnowsAnOwnerByADocumentThatWasThere) {
  const uint64_t first = Open();
  SendDocument(first, 1);
  Append(FramesEntry(first, {BindingsFrame(2, "robot", {{1, "temp-1"}})}));
  const uint64_t sample = SendSample(first, 3, 1);
  const uint64_t closed = Append(ClosedEntry(first));
  const uint64_t second = Open(kOtherTestBridge);
  const uint64_t owned = SendDocument(second, 1);
  Append(ClosedEntry(second, kOtherTestBridge));
  SendSample(Open(), 4, 2);
  for (uint64_t revision = 1; revision <= recording_.last(); ++revision) {
    EXPECT_EQ(At(revision), recording_.Served(revision, "robot")) << revision;
  }
  const auto status = [this](uint64_t revision) {
    return *recording_.past().At("robot", revision)->live.connection_status;
  };
  EXPECT_EQ(status(sample), "active");
  EXPECT_EQ(status(closed), "inactive");
  EXPECT_EQ(status(owned), "active");
  EXPECT_EQ(status(owned + 1), "inactive");
}

// Trimmed behind a long time without a change: the keyframe before the next change covers it.
TEST_F(PastTwinsTest, KnowsATwinThatDidNotChangeForLong) {
  Append(PutEntry("robot", TestDocumentText("robot")));
  for (int i = 0; i < 30; ++i) {
    time_unix_ns_ += 300 * kSecondNs;
    Append(PatchEntry("other", "{}"));
  }
  recording_.Trim(20);
  Append(PatchEntry("robot", R"({"name":"patched"})"));
  recording_.Checkpoint();
  recording_.Restart();
  EXPECT_EQ(OldestAt(19), 20u);
  for (uint64_t revision = 20; revision <= recording_.last(); ++revision) {
    EXPECT_EQ(At(revision), recording_.Served(revision, "robot")) << revision;
  }
}

// The state forgets first; that the log still has the entries is of no use.
TEST_F(PastTwinsTest, KnowsNothingOfWhatTheStateForgotAlthoughTheLogHasIt) {
  const uint64_t session = Open();
  SendDocument(session, 1);
  Append(FramesEntry(session, {BindingsFrame(2, "robot", {{1, "temp-1"}})}));
  for (uint64_t seq = 3; seq < 10; ++seq) SendSample(session, seq, static_cast<double>(seq));
  recording_.state().ForgetBefore(6);
  EXPECT_EQ(Reason(5), "REVISION_COMPACTED");
  EXPECT_EQ(OldestAt(5), recording_.last()) << "this log has no keyframe, so only the twin of now is known";
  EXPECT_EQ(At(recording_.last()), recording_.Served(recording_.last(), "robot"));
}

// One twin's many definitions cost that twin its past, and nobody else.
TEST(PastTwinsFairnessTest, ForgetsDefinitionsOfTheTwinThatHasMost) {
  Recording recording({.definition_bytes_kept = 60'000});
  int64_t time_unix_ns = kTestTimeNs;
  const auto append = [&](pb::LogEntry entry) {
    entry.set_time_unix_ns(time_unix_ns += kSecondNs);
    recording.Apply(entry, {"quiet", "loud"});
  };
  append(PutEntry("quiet", TestDocumentText("quiet")));
  append(PutEntry("loud", TestDocumentText("loud")));
  append(PatchEntry("quiet", R"({"name":"patched"})"));
  for (int i = 0; i < 100; ++i) append(PatchEntry("loud", absl::StrCat(R"({"name":"patched )", i, R"("})")));
  recording.Checkpoint();
  recording.Restart();
  for (uint64_t revision = 1; revision <= recording.last(); ++revision) {
    EXPECT_EQ(Describe(recording.past().At("quiet", revision)), recording.Served(revision, "quiet")) << revision;
    const absl::StatusOr<TwinSnapshot> loud = recording.past().At("loud", revision);
    if (!loud.ok()) continue;
    EXPECT_EQ(Describe(loud), recording.Served(revision, "loud")) << revision;
  }
  EXPECT_EQ(ReasonOf(recording.past().At("loud", 2).status()), "REVISION_COMPACTED");
  EXPECT_TRUE(recording.past().At("loud", recording.last() - 3).ok());
  // A watch is told which twin it misses, and goes on for all others.
  const auto resolve = [&recording](uint64_t revision) {
    std::vector<LogRecord> records;
    pb::LogEntry entry;
    EXPECT_TRUE(recording.disk().log()->ReadFrom(revision, 0, &records).ok());
    EXPECT_TRUE(entry.ParseFromString(records.at(0).bytes));
    return *recording.state().Resolve(revision, entry);
  };
  EXPECT_TRUE(resolve(1)->forgotten.empty());
  EXPECT_TRUE(resolve(3)->forgotten.empty());
  EXPECT_EQ(resolve(3)->documents.at(0).twin, "quiet");
  ASSERT_EQ(resolve(5)->forgotten.size(), 1u);
  EXPECT_EQ(resolve(5)->forgotten[0].twin, "loud");
}

// A store of a version that kept no past starts, and its past begins there.
TEST(PastTwinsMigrationTest, APastBeginsWhereAnOlderVersionStopped) {
  RandomLog log(7, PastLimits());
  log.Append(400);
  Recording recording(PastLimits());
  uint64_t start = 0;
  for (const pb::LogEntry& entry : log.fold().log()) {
    recording.Apply(entry, RandomTwins());
    if (recording.last() != 200) continue;
    recording.Checkpoint();
    MakeOlder(&recording.disk());
    recording.Restart();
    start = recording.last();
  }
  recording.Checkpoint();
  recording.Restart();
  for (uint64_t revision = 1; revision <= recording.last(); ++revision) {
    for (const std::string& twin : RandomTwins()) {
      const absl::StatusOr<TwinSnapshot> snapshot = recording.past().At(twin, revision);
      if (revision < start) {
        EXPECT_THAT(ReasonOf(snapshot.status()), AnyOf("REVISION_COMPACTED", "TWIN_NOT_FOUND"));
        EXPECT_FALSE(snapshot.ok());
      } else {
        ASSERT_EQ(EtagOf(Describe(snapshot)), EtagOf(recording.Served(revision, twin))) << twin << " at " << revision;
      }
    }
  }
}

}  // namespace
}  // namespace mvmd
