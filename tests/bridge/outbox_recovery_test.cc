// What an outbox makes of files that were harmed, copied or lost.
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

TEST_F(OutboxTest, KeepsEverythingOfAKilledWriter) {
  Open();
  Append(20);
  Kill();
  Open();
  EXPECT_THAT(outbox_->loss(), IsEmpty());
  EXPECT_EQ(outbox_->last_seq(), 20u);
  EXPECT_THAT(LostSeqs(20), IsEmpty());
}

TEST_F(OutboxTest, RecordsWhatADamagedWalHides) {
  Open();
  Append(20);
  for (const double part : {0.05, 0.3, 0.5, 0.7, 0.97}) {
    SCOPED_TRACE(part);
    name_ = "outbox.db";
    Open();
    const uint64_t before = outbox_->last_seq();
    Append(20);
    Kill();
    Flip(WalPath(), static_cast<int64_t>(static_cast<double>(WalBytes()) * part));
    Open();
    ExpectNewestLost(before + 20);
    EXPECT_GT(LostSeqs(before + 20).front(), before);
    // Once; the next life knows nothing of it, and numbers go on.
    Open();
    EXPECT_THAT(outbox_->loss(), IsEmpty());
    EXPECT_EQ(outbox_->next_seq(), before + 21);
    Append(1);
    EXPECT_EQ(outbox_->last_seq(), before + 21);
  }
}

TEST_F(OutboxTest, RecordsWhatATruncatedWalHides) {
  Open();
  Append(20);
  Kill();
  std::filesystem::resize_file(WalPath(), static_cast<uint64_t>(WalBytes()) * 2 / 3);
  Open();
  ExpectNewestLost(20);
  Append(3);
  Kill();
  std::filesystem::remove(WalPath());
  Open();
  // What was recorded before is recorded again, in the same places, and the three new ones too.
  ExpectNewestLost(23);
  EXPECT_EQ(LostSeqs(23).size(), 23u);
}

TEST_F(OutboxTest, RecordsWhatATornTailHides) {
  Open();
  Append(20);
  Kill();
  std::filesystem::resize_file(WalPath(), static_cast<uint64_t>(WalBytes()) - 1);
  Open();
  EXPECT_THAT(LostSeqs(20), ElementsAre(20));
  EXPECT_EQ(outbox_->next_seq(), 21u);
}

TEST_F(OutboxTest, DoesNotMissATransactionThatWasNotAcknowledged) {
  Open();
  Append(5);
  const DurableMark::Record before = *Mark();
  Append(1);
  Kill();
  // The crash came between COMMIT and the mark: the row is there or not, both are right.
  SetMark(before);
  std::filesystem::resize_file(WalPath(), static_cast<uint64_t>(WalBytes()) - 1);
  Open();
  EXPECT_THAT(outbox_->loss(), IsEmpty());
  EXPECT_EQ(outbox_->last_seq(), 5u);
}

TEST_F(OutboxTest, SendsGapsForLostRowsThatTheGatewayDoesNotHave) {
  Open();
  Append(20);
  Kill();
  Flip(WalPath(), WalBytes() / 2);
  Open();
  const std::vector<uint64_t> lost = LostSeqs(20);
  Append(2);
  UplinkOptions options;
  options.epoch = outbox_->epoch();
  options.last_seq_at_start = 20;
  Uplink uplink(options, outbox_.get(), [] { return 0; });
  const absl::Time now = absl::UnixEpoch();
  uplink.Start(now);
  uplink.OnConnected(now);
  uplink.OnWriteDone(now);
  uplink.OnRowsAvailable(now, 22, 100);
  // The gateway had rows up to the second of the lost ones.
  pb::SyncResponse response;
  response.mutable_welcome()->set_credit_bytes(1 << 20);
  response.mutable_welcome()->set_max_frame_bytes(1 << 20);
  pb::Interval* applied = response.mutable_welcome()->add_applied();
  applied->set_first(1);
  applied->set_last(lost[1]);
  UplinkActions actions = uplink.OnResponse(now, response);
  std::vector<uint64_t> sent;
  std::vector<uint64_t> sent_gaps;
  for (bool more = true; more;) {
    more = false;
    for (UplinkAction& action : actions) {
      EXPECT_FALSE(std::holds_alternative<UplinkStartNewEpoch>(action));
      auto* write = std::get_if<UplinkWrite>(&action);
      if (write == nullptr) continue;
      more = true;
      if (!write->request->has_frames()) continue;
      FrameGroupCodec codec;
      std::string text;
      ASSERT_TRUE(codec.Decode(write->request->frames(), 8 << 20, &text).ok());
      pb::FrameBatch batch;
      ASSERT_TRUE(batch.ParseFromString(text));
      for (const pb::Frame& frame : batch.frames()) {
        sent.push_back(frame.seq());
        if (frame.gap().reason() == pb::Gap::REASON_OUTBOX_LOST) sent_gaps.push_back(frame.seq());
      }
    }
    if (more) actions = uplink.OnWriteDone(now);
  }
  EXPECT_EQ(sent_gaps, std::vector<uint64_t>(lost.begin() + 2, lost.end()));
  EXPECT_EQ(sent.front(), lost[2]);
  EXPECT_EQ(sent.back(), 22u);
  EXPECT_EQ(sent.size(), 22 - lost[1]);
}

TEST_F(OutboxTest, DoesNotReuseWhatLostRowsDeclared) {
  Open();
  for (uint32_t i = 1; i <= 8; ++i) {
    OutboxBatch batch;
    batch.rows.push_back(GapRow(i, i));
    pb::Binding& binding = batch.bindings.emplace_back();
    binding.set_id(i);
    binding.set_twin("t");
    binding.set_sensor(absl::StrCat("s", i));
    if (i == 1) batch.documents.emplace_back("t", "sha");
    ASSERT_TRUE(outbox_->Commit(batch).ok());
  }
  EXPECT_EQ(Mark()->last_binding, 8u);
  Kill();
  Flip(WalPath(), WalBytes() * 2 / 3);
  Open();
  ExpectNewestLost(8);
  // The gateway may have a later document, or a part of one.
  EXPECT_EQ(outbox_->DocumentSha256("t"), "");
  for (int life = 0; life < 2; ++life) {
    BindingTable bindings;
    bindings.Load(outbox_->TakeBindings());
    EXPECT_EQ(bindings.Bind("t", "s1"), 1u);
    EXPECT_EQ(bindings.Bind("t", "s8"), 9u);
    Open();
  }
  // A new epoch declares everything anew.
  ASSERT_TRUE(outbox_->StartNewEpoch({}, {}).ok());
  const uint64_t declared = static_cast<uint64_t>(FrameOf(1).bindings().bindings_size());
  Open();
  const std::vector<pb::Binding> bindings = outbox_->TakeBindings();
  EXPECT_EQ(bindings.size(), declared);
  for (const pb::Binding& binding : bindings) EXPECT_EQ(binding.twin(), "t");
}

TEST_F(OutboxTest, FillsUpAnOldCopyOfTheFile) {
  Open();
  Append(5);
  Open();  // all in the file
  std::filesystem::copy_file(Options().path, dir_.File("yesterday"));
  Append(10);
  outbox_.reset();
  std::filesystem::rename(dir_.File("yesterday"), Options().path);
  Open();
  EXPECT_THAT(LostSeqs(15), ElementsAre(6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  EXPECT_EQ(outbox_->next_seq(), 16u);
}

TEST_F(OutboxTest, LeavesAHoleInAVeryOldCopy) {
  Open();
  Append(5);
  outbox_.reset();
  DurableMark::Record mark = *Mark();
  mark.last_seq = 1000000;
  SetMark(mark);
  Open();
  EXPECT_EQ(outbox_->next_seq(), 1000001u);
  EXPECT_EQ(outbox_->Extent(), (IntervalSet::Closed{1, 1000000}));
  EXPECT_EQ(outbox_->kept_rows(), 5u + (1 << 18));
  EXPECT_THAT(outbox_->loss(), HasSubstr("rows 6 to 1000000 (999995)"));
  EXPECT_THAT(ReadSeqs(1, 999999, 1), ElementsAre(1));
  EXPECT_THAT(ReadSeqs(5, 1000000 - (1 << 18) + 1), ElementsAre(5, 1000000 - (1 << 18) + 1));
}

TEST_F(OutboxTest, TakesTheFileAsItIsWithoutAMark) {
  Open();
  Append(20);
  Kill();
  std::filesystem::remove(MarkPath());
  Flip(WalPath(), WalBytes() / 2);
  Open();
  EXPECT_THAT(outbox_->loss(), IsEmpty());
  EXPECT_LT(outbox_->last_seq(), 20u);
  EXPECT_EQ(Mark()->last_seq, outbox_->last_seq());
}

TEST_F(OutboxTest, TakesTheFileAsItIsWithADamagedMark) {
  Open();
  Append(1);
  outbox_.reset();
  DurableMark::Record record = *Mark();
  record.last_seq = 9;
  SetMark(record);
  Flip(MarkPath(), 16);
  Open();
  EXPECT_EQ(outbox_->last_seq(), 1u);
  EXPECT_THAT(outbox_->loss(), IsEmpty());
  EXPECT_EQ(Mark()->last_seq, 1u);
}

TEST_F(OutboxTest, TakesTheFileAsItIsWithTheMarkOfAnother) {
  for (const int64_t newer : {-1000000, 0, 1000000}) {
    Open();
    Append(1);
    outbox_.reset();
    DurableMark::Record record = *Mark();
    const uint64_t last_seq = record.last_seq;
    record.epoch += static_cast<uint64_t>(newer);
    record.outbox_id = "another outbox's";
    record.last_seq = 1000;
    SetMark(record);
    Open();
    EXPECT_THAT(outbox_->loss(), IsEmpty());
    EXPECT_EQ(outbox_->last_seq(), last_seq);
    EXPECT_EQ(Mark()->outbox_id, outbox_->outbox_id());
    EXPECT_EQ(Mark()->last_seq, last_seq);
  }
}

TEST_F(OutboxTest, RecordsThatTheFileIsGone) {
  for (const bool empty : {false, true}) {
    Open();
    Append(3);
    const uint64_t epoch = outbox_->epoch();
    outbox_.reset();
    if (empty) {
      std::filesystem::resize_file(Options().path, 0);
    } else {
      std::filesystem::remove(Options().path);
    }
    clock_.Advance(absl::Hours(-1));
    Open();
    EXPECT_THAT(outbox_->loss(), HasSubstr("gone or empty"));
    EXPECT_GT(outbox_->epoch(), epoch);
    EXPECT_EQ(outbox_->last_seq(), 1u);
    EXPECT_EQ(FrameOf(1).gap().reason(), pb::Gap::REASON_OUTBOX_LOST);
    EXPECT_EQ(FrameOf(1).gap().last_seq(), 0u);
    Open();
    EXPECT_THAT(outbox_->loss(), IsEmpty());
  }
}

TEST_F(OutboxTest, RecordsThatASchemaInTheWalIsGone) {
  // A file that was made, and whose making never got out of the WAL.
  Open();
  Append(3);
  Kill();
  std::filesystem::remove(WalPath());
  Sql("PRAGMA user_version = 0; DROP TABLE meta; DROP TABLE rows; DROP TABLE bindings; DROP TABLE documents;"
      "DROP TABLE receipts; VACUUM");
  Open();
  EXPECT_THAT(outbox_->loss(), HasSubstr("gone or empty"));
  EXPECT_EQ(FrameOf(1).gap().reason(), pb::Gap::REASON_OUTBOX_LOST);
}

TEST_F(OutboxTest, MarksANewEpoch) {
  Open();
  Append(20);
  const DurableMark::Record old_mark = *Mark();
  IntervalSet applied;
  applied.Add(1, 17);
  ASSERT_TRUE(outbox_->StartNewEpoch(applied, {}).ok());  // the gap and three rows
  EXPECT_EQ(Mark()->outbox_id, outbox_->outbox_id());
  EXPECT_EQ(Mark()->previous_id, old_mark.outbox_id);
  EXPECT_EQ(Mark()->last_seq, 4u);
  const uint64_t epoch = outbox_->epoch();
  Kill();
  // A crash before the mark of the new epoch was written.
  SetMark(old_mark);
  Open();
  EXPECT_EQ(outbox_->epoch(), epoch);
  EXPECT_EQ(outbox_->last_seq(), 4u);
  EXPECT_THAT(outbox_->loss(), IsEmpty());
  // Nothing that befalls the WAL takes the epoch back.
  name_ = "outbox.db";
  Open();
  Append(3);
  Kill();
  std::filesystem::remove(WalPath());
  Open();
  EXPECT_EQ(outbox_->epoch(), epoch);
  EXPECT_EQ(outbox_->last_seq(), 7u);
  EXPECT_THAT(outbox_->loss(), HasSubstr("rows 5 to 7 (3)"));
}

TEST_F(OutboxTest, DoesNotGoOnWithAFileFromBeforeTheEpoch) {
  Open();
  OutboxBatch batch;
  pb::Binding& binding = batch.bindings.emplace_back();
  binding.set_id(1);
  binding.set_twin("t");
  binding.set_sensor("s");
  batch.rows.push_back(GapRow(1, 1));
  batch.settings.emplace_back("subscriptions", "a");
  ASSERT_TRUE(outbox_->Commit(batch).ok());
  Append(4);
  Open();
  std::filesystem::copy_file(Options().path, dir_.File("yesterday"));
  ASSERT_TRUE(outbox_->StartNewEpoch({}, {}).ok());
  const uint64_t epoch = outbox_->epoch();
  outbox_.reset();
  std::filesystem::rename(dir_.File("yesterday"), Options().path);
  Open();
  EXPECT_TRUE(std::filesystem::exists(outbox_->damaged_path()));
  EXPECT_THAT(outbox_->loss(), HasSubstr("damaged, or an old copy"));
  EXPECT_GT(outbox_->epoch(), epoch);
  EXPECT_EQ(outbox_->last_seq(), 1u);
  EXPECT_EQ(FrameOf(1).gap().reason(), pb::Gap::REASON_OUTBOX_LOST);
  // Nothing of the old file is left.
  EXPECT_THAT(outbox_->TakeBindings(), IsEmpty());
  EXPECT_EQ(outbox_->setting("subscriptions"), "");
}

TEST_F(OutboxTest, CommitsWithoutAMark) {
  std::filesystem::create_symlink("/dev/full", MarkPath());
  Open();
  Append(5);
  Open();
  EXPECT_EQ(outbox_->last_seq(), 5u);
  outbox_.reset();
  std::filesystem::remove(MarkPath());
  std::filesystem::create_directory(MarkPath());
  Open();
  Append(5);
  // It is written as soon as it can be.
  std::filesystem::remove(MarkPath());
  Append(1);
  EXPECT_EQ(Mark()->last_seq, 11u);
}

TEST_F(OutboxTest, MarksOnlyWhatIsDurable) {
  Open();
  EXPECT_EQ(Mark()->last_seq, 0u);
  Append(2);
  EXPECT_EQ(Mark()->last_seq, 2u);
  sqlite3* holder = nullptr;
  ASSERT_EQ(sqlite3_open(Options().path.c_str(), &holder), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(holder, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  OutboxBatch batch;
  batch.rows.push_back(GapRow(3, 3));
  EXPECT_FALSE(outbox_->Commit(batch).ok());
  EXPECT_FALSE(outbox_->StartNewEpoch({}, {}).ok());
  EXPECT_EQ(Mark()->last_seq, 2u);
  sqlite3_close(holder);
  struct stat info {};
  ASSERT_EQ(stat(MarkPath().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(info.st_size, 64);
}

TEST_F(OutboxTest, DoesNotForgetALossWhenItCannotBeRecorded) {
  Open();
  Append(20);
  Kill();
  Flip(WalPath(), WalBytes() / 2);
  sqlite3* holder = nullptr;
  ASSERT_EQ(sqlite3_open(Options().path.c_str(), &holder), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(holder, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(Outbox::Open(Options()).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Mark()->last_seq, 20u);
  sqlite3_close(holder);
  Open();
  ExpectNewestLost(20);
}

}  // namespace
}  // namespace mvmd
