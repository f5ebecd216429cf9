#include "bridge/outbox.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bridge/binding_table.h"
#include "bridge/durable_mark.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/bridge/outbox_fixture.h"
#include "twin/frame_group.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(OutboxTest, StartsEmpty) {
  Open();
  EXPECT_EQ(outbox_->next_seq(), 1u);
  EXPECT_EQ(outbox_->Extent(), (IntervalSet::Closed{0, 0}));
  EXPECT_EQ(outbox_->epoch(), 1700000001000000u);
  EXPECT_EQ(outbox_->outbox_id().size(), 16u);
  struct stat info {};
  ASSERT_EQ(stat(Options().path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(OutboxTest, KeepsRowsAfterAReopen) {
  Open();
  Append(5);
  const uint64_t epoch = outbox_->epoch();
  const std::string id = outbox_->outbox_id();
  Open();
  EXPECT_EQ(outbox_->epoch(), epoch);
  EXPECT_EQ(outbox_->outbox_id(), id);
  EXPECT_EQ(outbox_->next_seq(), 6u);
  EXPECT_EQ(outbox_->kept_rows(), 5u);
  EXPECT_THAT(ReadSeqs(2, 4), ElementsAre(2, 3, 4));
  EXPECT_EQ(outbox_->reads_from_disk(), 1u);
}

TEST_F(OutboxTest, KeepsAcknowledgedRowsAfterACrash) {
  // A child commits, says how far it came, and is killed where it stands.
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const pid_t child = fork();
  if (child == 0) {
    OutboxOptions options;
    options.path = dir_.File("outbox.db");
    std::unique_ptr<Outbox> outbox = *Outbox::Open(options);
    for (uint64_t i = 1;; ++i) {
      OutboxBatch batch;
      batch.rows.push_back(GapRow(i, i));
      if (!outbox->Commit(batch).ok()) _exit(1);
      if (write(fds[1], &i, sizeof(i)) != sizeof(i)) _exit(1);
    }
  }
  close(fds[1]);
  uint64_t acknowledged = 0;
  while (acknowledged < 20 && read(fds[0], &acknowledged, sizeof(acknowledged)) == sizeof(acknowledged)) {
  }
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  for (uint64_t more; read(fds[0], &more, sizeof(more)) == sizeof(more);) acknowledged = more;
  close(fds[0]);
  Open();
  EXPECT_GE(outbox_->last_seq(), acknowledged);
  EXPECT_EQ(ReadSeqs(1, acknowledged).size(), acknowledged);
  EXPECT_THAT(damaged_, IsEmpty());
}

TEST_F(OutboxTest, ServesTheTailFromMemory) {
  OutboxOptions options = Options();
  options.tail_bytes = 100;
  Open(options);
  OutboxBatch batch;
  for (uint64_t i = 1; i <= 10; ++i)
    batch.rows.push_back({RowKind::kBlock, std::string(30, static_cast<char>('a' + i))});
  ASSERT_TRUE(outbox_->Commit(batch).ok());
  EXPECT_THAT(ReadSeqs(9, 10), ElementsAre(9, 10));
  EXPECT_EQ(outbox_->reads_from_disk(), 0u);
  EXPECT_THAT(ReadSeqs(1, 2), ElementsAre(1, 2));
  EXPECT_EQ(outbox_->reads_from_disk(), 1u);
}

TEST_F(OutboxTest, BoundsARead) {
  Open();
  Append(10);
  const size_t bytes = GapRow(1, 1).frame.size();
  EXPECT_THAT(ReadSeqs(1, 10, 1), ElementsAre(1));
  EXPECT_EQ(seen_, 1u);
  EXPECT_THAT(ReadSeqs(3, 10, 2 * bytes), ElementsAre(3, 4));
  EXPECT_EQ(seen_, 4u);
  Open();
  EXPECT_THAT(ReadSeqs(3, 10, 2 * bytes), ElementsAre(3, 4));
  EXPECT_EQ(seen_, 4u);
  EXPECT_THAT(ReadSeqs(9, 10, 1 << 20), ElementsAre(9, 10));
  EXPECT_EQ(seen_, 10u);
}

TEST_F(OutboxTest, DeletesForgottenRowsButTheNewest) {
  Open();
  Append(10);
  Forget(1, 3);
  Forget(5, 5);
  EXPECT_EQ(outbox_->kept_rows(), 6u);
  ASSERT_TRUE(outbox_->DeleteForgotten().ok());
  EXPECT_EQ(outbox_->Extent(), (IntervalSet::Closed{4, 10}));
  Forget(1, 10);
  ASSERT_TRUE(outbox_->DeleteForgotten().ok());
  EXPECT_EQ(outbox_->Extent(), (IntervalSet::Closed{10, 10}));
  EXPECT_EQ(outbox_->kept_rows(), 0u);
  EXPECT_FALSE(outbox_->has_forgotten());
  // Numbering goes on, and the next commit takes the old newest along.
  Open();
  EXPECT_EQ(outbox_->next_seq(), 11u);
  Forget(10, 10);
  Append(1);
  EXPECT_TRUE(outbox_->has_forgotten());
  Append(1);
  EXPECT_EQ(outbox_->Extent(), (IntervalSet::Closed{11, 12}));
}

TEST_F(OutboxTest, KnowsWhenItIsFull) {
  OutboxOptions options = Options();
  options.max_bytes = 1000;
  Open(options);
  OutboxBatch batch;
  batch.rows.push_back({RowKind::kBlock, std::string(600, 'x')});
  ASSERT_TRUE(outbox_->Commit(batch).ok());
  EXPECT_FALSE(outbox_->full());
  ASSERT_TRUE(outbox_->Commit(batch).ok());
  EXPECT_TRUE(outbox_->full());
  Forget(1, 1);
  ASSERT_TRUE(outbox_->DeleteForgotten().ok());
  EXPECT_FALSE(outbox_->full());
  Open(options);
  EXPECT_EQ(outbox_->kept_bytes(), 600u);
}

TEST_F(OutboxTest, GivesDamagedRowsAsDamaged) {
  Open();
  Append(5);
  outbox_.reset();
  Sql("UPDATE rows SET frame = x'00' WHERE seq = 2; UPDATE rows SET kind = 1 WHERE seq = 4");
  Open();
  EXPECT_THAT(ReadSeqs(1, 5), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(damaged_, ElementsAre(2, 4));
}

TEST_F(OutboxTest, SetsADamagedFileAside) {
  Open();
  Append(3);
  const uint64_t epoch = outbox_->epoch();
  outbox_.reset();
  std::filesystem::remove(Options().path + "-wal");
  const int fd = open(Options().path.c_str(), O_WRONLY);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(pwrite(fd, "this is no database", 19, 0), 19);
  close(fd);
  Open();
  EXPECT_THAT(outbox_->damaged_path(), HasSubstr("outbox.db.damaged-"));
  EXPECT_TRUE(std::filesystem::exists(outbox_->damaged_path()));
  EXPECT_GT(outbox_->epoch(), epoch);
  std::vector<OutboxRow> rows;
  ASSERT_TRUE(outbox_->Read(1, 1, 1000, &rows).ok());
  pb::Frame frame;
  ASSERT_TRUE(frame.ParseFromString(rows.at(0).frame));
  EXPECT_EQ(frame.gap().reason(), pb::Gap::REASON_OUTBOX_LOST);
}

TEST_F(OutboxTest, RefusesAFileOfANewerVersion) {
  Open();
  outbox_.reset();
  Sql("PRAGMA user_version = 99");
  absl::StatusOr<std::unique_ptr<Outbox>> outbox = Outbox::Open(Options());
  EXPECT_EQ(outbox.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(outbox.status().message()), HasSubstr("schema version 99"));
}

TEST_F(OutboxTest, IsOneProcess) {
  Open();
  absl::StatusOr<std::unique_ptr<Outbox>> second = Outbox::Open(Options());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(OutboxTest, RefusesAFolderThatIsNotThere) {
  OutboxOptions options = Options();
  options.path = dir_.File("nowhere/outbox.db");
  EXPECT_EQ(Outbox::Open(options).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(OutboxTest, WritesAllOfABatchOrNothing) {
  Open();
  sqlite3* holder = nullptr;
  ASSERT_EQ(sqlite3_open(Options().path.c_str(), &holder), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(holder, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  OutboxBatch batch;
  batch.rows.push_back(GapRow(1, 1));
  batch.receipts = std::string(6, 'r');
  EXPECT_EQ(outbox_->Commit(batch).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(outbox_->next_seq(), 1u);
  ASSERT_EQ(sqlite3_exec(holder, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(holder);
  EXPECT_TRUE(outbox_->Commit(batch).ok());
  EXPECT_EQ(outbox_->next_seq(), 2u);
  Open();
  EXPECT_THAT(outbox_->TakeReceipts(), ElementsAre(std::string(6, 'r')));
}

TEST_F(OutboxTest, KeepsBindingsDocumentsAndSettings) {
  Open();
  OutboxBatch batch;
  pb::Binding& binding = batch.bindings.emplace_back();
  binding.set_id(1);
  binding.set_twin("t");
  binding.set_sensor("s");
  batch.documents.emplace_back("t", std::string("\x00\x01", 2));
  batch.settings.emplace_back("subscriptions", "a");
  ASSERT_TRUE(outbox_->Commit(batch).ok());
  Open();
  const std::vector<pb::Binding> bindings = outbox_->TakeBindings();
  ASSERT_EQ(bindings.size(), 1u);
  EXPECT_EQ(bindings[0].sensor(), "s");
  EXPECT_EQ(outbox_->DocumentSha256("t"), std::string("\x00\x01", 2));
  EXPECT_EQ(outbox_->DocumentSha256("u"), "");
  EXPECT_EQ(outbox_->setting("subscriptions"), "a");
}

TEST_F(OutboxTest, PrunesReceipts) {
  OutboxOptions options = Options();
  options.receipt_messages = 10;
  Open(options);
  for (int i = 0; i < 20; ++i) {
    OutboxBatch batch;
    batch.receipts = std::string(6 * 3, static_cast<char>('a' + i));
    ASSERT_TRUE(outbox_->Commit(batch).ok());
  }
  Open(options);
  // At least ten messages, not a group more than needed.
  EXPECT_THAT(outbox_->TakeReceipts(),
              ElementsAre(std::string(18, 'q'), std::string(18, 'r'), std::string(18, 's'), std::string(18, 't')));
}

TEST_F(OutboxTest, FindsDeclarations) {
  Open();
  OutboxBatch batch;
  for (RowKind kind :
       {RowKind::kBlock, RowKind::kBindings, RowKind::kGap, RowKind::kDocumentChunk, RowKind::kBindings}) {
    batch.rows.push_back({kind, "x"});
  }
  ASSERT_TRUE(outbox_->Commit(batch).ok());
  EXPECT_THAT(*outbox_->DeclarationSeqs(1, 4), ElementsAre(2, 4));
}

TEST_F(OutboxTest, StartsANewEpoch) {
  Open();
  OutboxBatch batch;
  for (uint32_t i = 1; i <= 3; ++i) {
    pb::Binding& binding = batch.bindings.emplace_back();
    binding.set_id(i);
    binding.set_twin(i == 2 ? "u" : "t");
    binding.set_sensor(absl::StrCat("s", i));
  }
  batch.rows.push_back({RowKind::kBindings, "ignored"});
  batch.documents.emplace_back("t", "sha");
  ASSERT_TRUE(outbox_->Commit(batch).ok());
  Append(6);  // 2 to 7
  const uint64_t epoch = outbox_->epoch();
  const std::string id = outbox_->outbox_id();
  IntervalSet applied;
  applied.Add(1, 3);
  applied.Add(6);
  IntervalSet lost;
  lost.Add(10, 12);
  ASSERT_TRUE(outbox_->StartNewEpoch(applied, lost).ok());
  EXPECT_GT(outbox_->epoch(), epoch);
  EXPECT_NE(outbox_->outbox_id(), id);
  EXPECT_EQ(outbox_->DocumentSha256("t"), "");
  // Bindings of t and u, the gap, then what is left of the rows.
  EXPECT_EQ(outbox_->Extent(), (IntervalSet::Closed{1, 6}));
  for (int round = 0; round < 2; ++round) {
    std::vector<OutboxRow> rows;
    ASSERT_TRUE(outbox_->Read(1, 6, 1 << 20, &rows).ok());
    ASSERT_EQ(rows.size(), 6u);
    std::vector<pb::Frame> frames(6);
    for (size_t i = 0; i < 6; ++i) {
      ASSERT_TRUE(frames[i].ParseFromString(rows[i].frame));
      EXPECT_EQ(frames[i].seq(), i + 1);
    }
    EXPECT_EQ(frames[0].bindings().bindings_size(), 2);
    EXPECT_EQ(frames[1].bindings().bindings(0).twin(), "u");
    EXPECT_EQ(frames[2].gap().first_seq(), 10u);
    EXPECT_EQ(frames[3].gap().count(), 4u);
    EXPECT_EQ(frames[4].gap().count(), 5u);
    EXPECT_EQ(frames[5].gap().count(), 7u);
    EXPECT_THAT(*outbox_->DeclarationSeqs(1, 6), ElementsAre(1, 2));
    Open();
  }
  Append(1);
  EXPECT_EQ(outbox_->last_seq(), 7u);
}

// The mark: what was durable and is not in the file any more.

}  // namespace
}  // namespace mvmd
