#include "gateway/committer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "runtime/status_proto.h"
#include "tests/gateway/log_entries.h"
#include "tests/support/memory_log.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kPatience = absl::Seconds(30);

class CommitterTest : public ::testing::Test {
 protected:
  void SetUp() override { Start(); }
  void Start() {
    state_ = std::make_unique<TwinState>(TwinStateLimits());
    const absl::Status recovered = Committer::Recover(disk_.log(), disk_.state(), state_.get());
    ASSERT_TRUE(recovered.ok()) << recovered;
    committer_ = std::make_unique<Committer>(disk_.log(), disk_.state(), state_.get(), &clock_, options_);
  }
  void StopAndCrash() {
    committer_.reset();
    disk_.Crash();
  }
  // Appends and waits.
  ApplyResult Commit(pb::LogEntry entry) {
    ApplyResult result;
    absl::Notification done;
    const absl::Status queued = committer_->Append(std::move(entry), nullptr, [&](const ApplyResult& told) {
      result = told;
      done.Notify();
    });
    if (!queued.ok()) {
      result.status = queued;
      return result;
    }
    EXPECT_TRUE(done.WaitForNotificationWithTimeout(kPatience));
    return result;
  }
  // Queues without waiting.
  void Queue(pb::LogEntry entry, std::vector<uint64_t>* revisions, absl::BlockingCounter* counter) {
    const absl::Status queued =
        committer_->Append(std::move(entry), nullptr, [revisions, counter](const ApplyResult& told) {
          revisions->push_back(told.revision);
          counter->DecrementCount();
        });
    ASSERT_TRUE(queued.ok()) << queued;
  }
  // Holds appends until Release.
  void Hold() {
    held_ = std::make_unique<absl::Notification>();
    release_ = std::make_unique<absl::Notification>();
    disk_.OnAppend([this] {
      if (!held_->HasBeenNotified()) held_->Notify();
      release_->WaitForNotification();
    });
  }
  void WaitUntilHeld() { ASSERT_TRUE(held_->WaitForNotificationWithTimeout(kPatience)); }
  void Release() { release_->Notify(); }
  // Advances the clock until a checkpoint of `revision` is in the store.
  void AwaitCheckpoint(uint64_t revision) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (disk_.checkpoint_revision() < revision) {
      ASSERT_LT(absl::Now(), deadline);
      clock_.Advance(options_.checkpoint_interval);
      Commit(ClosedEntry(0));  // any entry: makes the thread look
    }
  }

  MemoryDisk disk_;
  FakeClock clock_{kTestTimeNs};
  CommitterOptions options_;
  std::unique_ptr<TwinState> state_;
  std::unique_ptr<absl::Notification> held_;
  std::unique_ptr<absl::Notification> release_;
  std::unique_ptr<Committer> committer_;
};

TEST_F(CommitterTest, TellsTheResultWhenItIsDurableAndApplied) {
  const ApplyResult result = Commit(PutEntry("robot", TestDocumentText("robot")));
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_TRUE(result.created);
  EXPECT_EQ(result.revision, 1u);
  EXPECT_EQ(disk_.log()->Last(), 1u);
  EXPECT_EQ(committer_->applied_revision(), 1u);
  EXPECT_TRUE(committer_->Read([](const TwinState& state) { return state.GetTwin("robot").ok(); }));
  std::vector<LogRecord> records;
  ASSERT_TRUE(disk_.log()->ReadFrom(1, 0, &records).ok());
  pb::LogEntry entry;
  ASSERT_TRUE(entry.ParseFromString(records.at(0).bytes));
  EXPECT_EQ(entry.time_unix_ns(), kTestTimeNs) << "the time of the append";
}

TEST_F(CommitterTest, AppendsWhatWaitsTogetherAndInOrder) {
  Hold();
  std::vector<uint64_t> revisions;
  absl::BlockingCounter counter(6);
  Queue(OpenedEntry(1), &revisions, &counter);
  WaitUntilHeld();
  for (uint64_t epoch = 2; epoch <= 6; ++epoch) Queue(OpenedEntry(epoch), &revisions, &counter);
  Release();
  counter.Wait();
  EXPECT_THAT(revisions, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(disk_.append_count(), 2);
  committer_->Stop();
  const CommitterStats stats = committer_->stats();
  EXPECT_EQ(stats.batches, 2u);
  EXPECT_EQ(stats.entries, 6u);
  EXPECT_EQ(stats.pending_entries, 0u);
}

TEST_F(CommitterTest, GivesEntriesToWatchersInOrder) {
  absl::Notification ready;
  committer_->recent().NotifyAt(2, [&] { ready.Notify(); });
  Commit(OpenedEntry(1));
  Commit(OpenedEntry(2));
  ASSERT_TRUE(ready.WaitForNotificationWithTimeout(kPatience));
  const RecentEntries::Read read = committer_->recent().ReadFrom(1, 1 << 20);
  ASSERT_THAT(read.entries, SizeIs(2));
  EXPECT_EQ(read.entries[1]->revision, 2u);
  EXPECT_THAT(read.entries[1]->connections, SizeIs(1));
}

TEST_F(CommitterTest, RefusesWhenTooMuchWaits) {
  committer_.reset();
  options_.pending_bytes_max = 1000;
  Start();
  Hold();
  absl::BlockingCounter counter(2);
  std::vector<uint64_t> revisions;
  Queue(OpenedEntry(1), &revisions, &counter);
  WaitUntilHeld();
  // One that is too large by itself is taken when nothing else waits.
  Queue(PutEntry("robot", TestDocumentText("robot")), &revisions, &counter);
  const absl::Status refused = committer_->Append(OpenedEntry(2), nullptr, [](const ApplyResult&) { FAIL(); });
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(refused), "TOO_MUCH_PENDING");
  Release();
  counter.Wait();
  EXPECT_TRUE(Commit(OpenedEntry(2)).status.ok());
}

TEST_F(CommitterTest, RefusesAnEntryWithoutABody) {
  EXPECT_EQ(Commit(pb::LogEntry()).status.code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CommitterTest, GoesOnAfterTheDiskWasFull) {
  disk_.FailAppends(absl::ResourceExhaustedError("full"));
  EXPECT_EQ(Commit(OpenedEntry(1)).status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(committer_->health().ok());
  EXPECT_EQ(Commit(OpenedEntry(1)).revision, 1u);
  EXPECT_EQ(committer_->stats().entries_refused, 1u);
}

// What follows may build on what was refused, for example on its bindings.
TEST_F(CommitterTest, RefusesWhatFollowsARefusedGroupOfItsSession) {
  const uint64_t session = Commit(OpenedEntry(1)).revision;
  disk_.FailAppends(absl::ResourceExhaustedError("full"));
  EXPECT_EQ(Commit(FramesEntry(session, {BindingsFrame(1, "robot", {{1, "temp-1"}})})).status.code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Commit(FramesEntry(session, {BlockFrame(2, {NumberAt(1, kTestTimeNs, 1)})})).status.code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(committer_->applied_revision(), session);
  const uint64_t next = Commit(OpenedEntry(1)).revision;
  EXPECT_TRUE(Commit(FramesEntry(next, {BindingsFrame(1, "robot", {{1, "temp-1"}})})).status.ok());
}

TEST_F(CommitterTest, RefusesEverythingAfterTheLogFailed) {
  absl::Notification told;
  committer_->WhenApplied(5, absl::InfiniteFuture(), [&](bool applied) {
    EXPECT_FALSE(applied);
    told.Notify();
  });
  disk_.FailAppends(absl::InternalError("fsync: EIO"));
  EXPECT_EQ(Commit(OpenedEntry(1)).status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(committer_->health().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ReasonOf(Commit(OpenedEntry(1)).status), "LOG_FAILED");
  EXPECT_TRUE(told.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(disk_.append_count(), 1) << "never again";
  EXPECT_EQ(committer_->applied_revision(), 0u);
}

TEST_F(CommitterTest, CallsWhenARevisionIsApplied) {
  absl::Notification now;
  Commit(OpenedEntry(1));
  committer_->WhenApplied(1, absl::InfiniteFuture(), [&](bool applied) {
    EXPECT_TRUE(applied);
    now.Notify();
  });
  EXPECT_TRUE(now.HasBeenNotified()) << "at once";
  absl::Notification later;
  committer_->WhenApplied(2, absl::InfiniteFuture(), [&](bool applied) {
    EXPECT_TRUE(applied);
    later.Notify();
  });
  EXPECT_FALSE(later.HasBeenNotified());
  Commit(OpenedEntry(2));
  EXPECT_TRUE(later.WaitForNotificationWithTimeout(kPatience));
}

TEST_F(CommitterTest, CallsWhenTheDeadlineHasPassed) {
  absl::Notification told;
  committer_->WhenApplied(1, absl::Now() + absl::Milliseconds(1), [&](bool applied) {
    EXPECT_FALSE(applied);
    told.Notify();
  });
  EXPECT_TRUE(told.WaitForNotificationWithTimeout(kPatience));
}

TEST_F(CommitterTest, StopCommitsWhatWaitsAndRefusesTheRest) {
  Hold();
  std::vector<uint64_t> revisions;
  absl::BlockingCounter counter(2);
  Queue(OpenedEntry(1), &revisions, &counter);
  WaitUntilHeld();
  Queue(OpenedEntry(2), &revisions, &counter);
  absl::Notification waiter;
  committer_->WhenApplied(9, absl::InfiniteFuture(), [&](bool applied) {
    EXPECT_FALSE(applied);
    waiter.Notify();
  });
  Release();
  committer_->Stop();
  EXPECT_THAT(revisions, ElementsAre(1, 2));
  EXPECT_TRUE(waiter.HasBeenNotified());
  EXPECT_EQ(Commit(OpenedEntry(3)).status.code(), absl::StatusCode::kUnavailable);
  bool called = false;
  committer_->WhenApplied(9, absl::InfiniteFuture(), [&](bool applied) { called = !applied; });
  EXPECT_TRUE(called);
  EXPECT_EQ(disk_.checkpoint_revision(), 2u);
}

TEST_F(CommitterTest, RecoversFromTheLogAlone) {
  const uint64_t session = Commit(OpenedEntry(7)).revision;
  Commit(FramesEntry(session,
                     {DocumentFrame(1, "robot", TestDocumentText("robot")), BindingsFrame(2, "robot", {{1, "temp-1"}}),
                      BlockFrame(3, {NumberAt(1, kTestTimeNs, 21.5)})}));
  StopAndCrash();
  disk_.Crash();
  Start();
  EXPECT_TRUE(state_->GetTwin("robot").ok());
  EXPECT_EQ(committer_->applied_revision(), 3u) << "the session of the last run is closed";
  EXPECT_THAT(state_->OpenSessions(), IsEmpty());
  EXPECT_EQ(ReasonOf(Commit(FramesEntry(session, {GapFrame(4, "robot", "")})).status), "FENCED");
  EXPECT_TRUE(Commit(OpenedEntry(7)).applied.ContainsAll(1, 3));
}

TEST_F(CommitterTest, RecoversFromACheckpointAndTheTail) {
  Commit(PutEntry("a", TestDocumentText("a")));
  AwaitCheckpoint(1);
  Commit(PutEntry("b", TestDocumentText("b")));
  const std::string before = [&] {
    return committer_->Read([](const TwinState& state) { return state.Fingerprint(); });
  }();
  disk_.Sync();
  StopAndCrash();
  Start();
  EXPECT_EQ(state_->Fingerprint(), before);
}

TEST_F(CommitterTest, KeepsTheChangesOfACheckpointThatFailed) {
  disk_.FailSaves(absl::ResourceExhaustedError("full"));
  Commit(PutEntry("a", TestDocumentText("a")));
  clock_.Advance(options_.checkpoint_interval);
  Commit(PutEntry("b", TestDocumentText("b")));
  const absl::Time deadline = absl::Now() + kPatience;
  while (committer_->stats().checkpoints_failed == 0) {
    ASSERT_LT(absl::Now(), deadline);
    clock_.Advance(options_.checkpoint_interval);
    Commit(ClosedEntry(0));
  }
  disk_.FailSaves(absl::OkStatus());
  Commit(PutEntry("c", TestDocumentText("c")));
  AwaitCheckpoint(committer_->applied_revision());
  committer_->Stop();
  const std::string before = state_->Fingerprint();
  committer_.reset();
  disk_.Sync();
  disk_.Crash();
  Start();
  EXPECT_EQ(state_->Fingerprint(), before);
}

TEST_F(CommitterTest, TrimsWhatIsOlderThanTheRetention) {
  for (int i = 0; i < 10; ++i) {
    Commit(ClosedEntry(0));
    clock_.Advance(absl::Hours(24));
  }
  const absl::Time deadline = absl::Now() + kPatience;
  while (disk_.log()->First() < 4) {
    ASSERT_LT(absl::Now(), deadline);
    clock_.Advance(options_.checkpoint_interval);
    Commit(ClosedEntry(0));
  }
  EXPECT_LE(disk_.log()->First(), 6u);
  const std::string before = [&] {
    committer_->Stop();
    return state_->Fingerprint();
  }();
  committer_.reset();
  disk_.Sync();
  disk_.Crash();
  Start();
  EXPECT_EQ(state_->Fingerprint(), before);
}

// A crash in the middle of an append: what the disk kept is applied after the start, and nothing twice.
TEST_F(CommitterTest, AnAppendThatWasCutIsAppliedOnce) {
  const uint64_t session = Commit(OpenedEntry(7)).revision;
  disk_.DieInNextAppend(/*keep=*/1);
  const pb::LogEntry frames =
      FramesEntry(session, {BindingsFrame(1, "robot", {{1, "temp-1"}}), BlockFrame(2, {NumberAt(1, kTestTimeNs, 1)})});
  EXPECT_FALSE(Commit(frames).status.ok());
  StopAndCrash();
  Start();
  const ApplyResult opened = Commit(OpenedEntry(7));
  EXPECT_TRUE(opened.applied.ContainsAll(1, 2)) << "it was durable, though nobody was told";
  pb::LogEntry again = frames;
  again.mutable_frames_received()->set_session(opened.revision);
  EXPECT_EQ(Commit(again).frames_duplicate, 2u);
}

TEST_F(CommitterTest, RefusesAStoreThatDoesNotFit) {
  committer_.reset();
  ASSERT_TRUE(disk_.state()->Save({99, {}}).ok());
  TwinState state({});
  EXPECT_EQ(Committer::Recover(disk_.log(), disk_.state(), &state).code(), absl::StatusCode::kDataLoss);
}

TEST_F(CommitterTest, RefusesALogThatItCannotRead) {
  committer_.reset();
  for (const std::string& bytes : {std::string("\xff\xff"), std::string()}) {
    MemoryDisk disk;
    ASSERT_TRUE(disk.log()->Append({bytes}).ok());
    TwinState state({});
    EXPECT_EQ(Committer::Recover(disk.log(), disk.state(), &state).code(), absl::StatusCode::kDataLoss);
  }
}

TEST_F(CommitterTest, StartsWithAFullDisk) {
  Commit(OpenedEntry(7));
  StopAndCrash();
  disk_.FailAppends(absl::ResourceExhaustedError("full"), 1);
  Start();
  EXPECT_THAT(state_->OpenSessions(), SizeIs(1));
}

}  // namespace
}  // namespace mvmd
