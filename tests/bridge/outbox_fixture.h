// An outbox on a real file in tests, and ways to harm it.
#ifndef MVMD_TESTS_BRIDGE_OUTBOX_FIXTURE_H_
#define MVMD_TESTS_BRIDGE_OUTBOX_FIXTURE_H_

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
#include "bridge/outbox.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/bridge/test_dir.h"
#include "twin/frame_group.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

class OutboxTest : public ::testing::Test {
 protected:
  OutboxOptions Options() {
    OutboxOptions options;
    options.path = dir_.File(name_);
    options.clock = &clock_;
    return options;
  }
  void Open() { Open(Options()); }
  void Open(const OutboxOptions& options) {
    outbox_.reset();
    clock_.Advance(absl::Seconds(1));
    absl::StatusOr<std::unique_ptr<Outbox>> outbox = Outbox::Open(options);
    ASSERT_TRUE(outbox.ok()) << outbox.status();
    outbox_ = *std::move(outbox);
  }
  // A row that is a whole frame, marked by its gap's count.
  static OutboxBatch::Row GapRow(uint64_t seq, uint64_t mark) {
    pb::Frame frame;
    frame.set_seq(seq);
    frame.mutable_gap()->set_count(mark);
    return {RowKind::kGap, frame.SerializeAsString()};
  }
  void Append(int rows) {
    for (int i = 0; i < rows; ++i) {
      OutboxBatch batch;
      batch.rows.push_back(GapRow(outbox_->next_seq(), outbox_->next_seq()));
      ASSERT_TRUE(outbox_->Commit(batch).ok());
    }
  }
  std::vector<uint64_t> ReadSeqs(uint64_t first, uint64_t last, size_t bytes_max = 1 << 20) {
    std::vector<OutboxRow> rows;
    absl::StatusOr<uint64_t> seen = outbox_->Read(first, last, bytes_max, &rows);
    EXPECT_TRUE(seen.ok()) << seen.status();
    seen_ = seen.value_or(0);
    std::vector<uint64_t> seqs;
    for (const OutboxRow& row : rows) {
      seqs.push_back(row.seq);
      if (row.damaged) damaged_.push_back(row.seq);
    }
    return seqs;
  }
  void Forget(uint64_t first, uint64_t last) {
    IntervalSet seqs;
    seqs.Add(first, last);
    outbox_->Forget(seqs);
  }
  void Sql(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(Options().path.c_str(), &db), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(db);
  }

  // As kill -9 would leave the files: from now on everything is about this copy of them.
  void Kill() {
    const std::string from = Options().path;
    name_ = absl::StrCat("killed-", ++kills_, ".db");
    for (const char* suffix : {"", "-wal", ".durable"}) {
      std::filesystem::copy_file(from + suffix, Options().path + suffix);
    }
    outbox_.reset();
  }
  void Flip(const std::string& path, int64_t at) {
    const int fd = open(path.c_str(), O_RDWR);
    ASSERT_GE(fd, 0) << path;
    char byte;
    ASSERT_EQ(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    ASSERT_EQ(pwrite(fd, &byte, 1, at), 1);
    close(fd);
  }
  std::string WalPath() { return Options().path + "-wal"; }
  std::string MarkPath() { return Options().path + ".durable"; }
  int64_t WalBytes() { return static_cast<int64_t>(std::filesystem::file_size(WalPath())); }
  std::optional<DurableMark::Record> Mark() {
    DurableMark mark(MarkPath());
    EXPECT_TRUE(mark.Read().ok());
    return mark.record();
  }
  void SetMark(const DurableMark::Record& record) {
    DurableMark mark(MarkPath());
    ASSERT_TRUE(mark.Write(record).ok());
  }
  pb::Frame FrameOf(uint64_t seq) {
    std::vector<OutboxRow> rows;
    EXPECT_TRUE(outbox_->Read(seq, seq, 1 << 20, &rows).ok());
    pb::Frame frame;
    if (rows.size() != 1) {
      ADD_FAILURE() << "no row " << seq;
    } else {
      EXPECT_FALSE(rows[0].damaged) << seq;
      EXPECT_TRUE(frame.ParseFromString(rows[0].frame));
    }
    return frame;
  }
  // Seqs of rows 1 to `last` that are a Gap for themselves; all others are as Append wrote them.
  std::vector<uint64_t> LostSeqs(uint64_t last) {
    std::vector<uint64_t> lost;
    for (uint64_t seq = 1; seq <= last; ++seq) {
      const pb::Frame frame = FrameOf(seq);
      EXPECT_EQ(frame.seq(), seq);
      if (frame.gap().reason() == pb::Gap::REASON_OUTBOX_LOST) {
        EXPECT_EQ(frame.gap().first_seq(), seq);
        EXPECT_EQ(frame.gap().last_seq(), seq);
        lost.push_back(seq);
      } else {
        EXPECT_EQ(frame.gap().count(), seq);
      }
    }
    return lost;
  }
  // The file lost some of its `rows` rows, the newest for sure, and has said so.
  void ExpectNewestLost(uint64_t rows) {
    EXPECT_EQ(outbox_->last_seq(), rows);
    const std::vector<uint64_t> lost = LostSeqs(rows);
    ASSERT_FALSE(lost.empty());
    EXPECT_EQ(lost.back(), rows);
    EXPECT_EQ(lost.back() - lost.front() + 1, lost.size());
    EXPECT_THAT(outbox_->loss(), ::testing::HasSubstr(absl::StrCat("rows ", lost.front(), " to ", rows, " (",
                                                                   lost.size(), ") were durable")));
  }

  TestDir dir_;
  std::string name_ = "outbox.db";
  int kills_ = 0;
  FakeClock clock_{1700000000000000000};
  std::unique_ptr<Outbox> outbox_;
  std::vector<uint64_t> damaged_;
  uint64_t seen_ = 0;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_BRIDGE_OUTBOX_FIXTURE_H_
