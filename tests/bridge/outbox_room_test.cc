// A full outbox, rows that are too old, and damaged ones.
#include "tests/bridge/outbox_fixture.h"
#include "twin/block.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Rows of samples of three sensors of "robot", 1 to 3.
class OutboxRoomTest : public OutboxTest {
 protected:
  static constexpr uint64_t kMaxBytes = 1 << 20;

  OutboxOptions Dropping() {
    OutboxOptions options = Options();
    options.drop_oldest = true;
    options.max_bytes = kMaxBytes;
    return options;
  }
  void Bind() {
    OutboxBatch batch;
    pb::Frame frame;
    frame.set_seq(outbox_->next_seq());
    for (uint32_t id = 1; id <= 3; ++id) {
      pb::Binding& binding = batch.bindings.emplace_back();
      binding.set_id(id);
      binding.set_twin("robot");
      binding.set_sensor(absl::StrCat("s", id));
      *frame.mutable_bindings()->add_bindings() = binding;
    }
    batch.rows.push_back({RowKind::kBindings, frame.SerializeAsString()});
    ASSERT_TRUE(outbox_->Commit(batch).ok());
  }
  // One row of samples of `binding`; the n-th sample ever has the value n.
  void Add(uint32_t binding, int samples) {
    std::vector<Sample> list;
    for (int i = 0; i < samples; ++i) {
      ++added_;
      list.push_back({.binding = binding,
                      .time_unix_ns = clock_.UnixNanos(),
                      // Nothing that would pack well.
                      .value = static_cast<double>(added_) + 0.123456789012345 / static_cast<double>(added_)});
    }
    pb::Frame frame;
    frame.set_seq(outbox_->next_seq());
    EncodeBlock(list, frame.mutable_block());
    OutboxBatch batch;
    batch.rows.push_back({RowKind::kBlock, frame.SerializeAsString()});
    ASSERT_TRUE(outbox_->Commit(batch).ok());
  }
  void Fill() {
    while (!outbox_->full()) Add(1 + static_cast<uint32_t>(outbox_->next_seq() % 2), 1000);
  }
  void MakeRoom() {
    absl::StatusOr<bool> more = true;
    for (int i = 0; i < 100 && more.ok() && *more; ++i) {
      more = outbox_->MakeRoom();
      clock_.Advance(absl::Seconds(1));
    }
    ASSERT_TRUE(more.ok()) << more.status();
    EXPECT_FALSE(*more);
  }
  struct Contents {
    uint64_t samples = 0;
    std::map<uint32_t, double> newest;  // by binding
    std::vector<pb::Gap> gaps;
    uint64_t lost = 0;  // told by gaps
    IntervalSet there;  // rows and what gaps cover
  };
  Contents Read() {
    Contents contents;
    std::vector<OutboxRow> rows;
    EXPECT_TRUE(outbox_->Read(1, outbox_->last_seq(), 1 << 30, &rows).ok());
    for (const OutboxRow& row : rows) {
      EXPECT_FALSE(row.damaged) << row.seq;
      pb::Frame frame;
      EXPECT_TRUE(frame.ParseFromString(row.frame));
      EXPECT_EQ(frame.seq(), row.seq);
      contents.there.Add(row.seq);
      for (const pb::Interval& covered : frame.gap().covered()) contents.there.Add(covered.first(), covered.last());
      if (frame.has_gap()) {
        contents.gaps.push_back(frame.gap());
        contents.lost += frame.gap().count();
      }
      DecodedBlock block;
      if (!frame.has_block()) continue;
      EXPECT_TRUE(DecodeBlock(frame.block(), &block).ok());
      for (const DecodedBlock::Run& run : block.runs) {
        contents.samples += run.count;
        for (uint32_t i = run.begin; i < run.begin + run.count; ++i) {
          EXPECT_GT(block.numbers[i], contents.newest[run.binding]) << "in the broker's order";
          contents.newest[run.binding] = block.numbers[i];
        }
      }
    }
    return contents;
  }

  uint64_t added_ = 0;
};

TEST_F(OutboxRoomTest, BlocksUnlessItIsToDrop) {
  OutboxOptions options = Dropping();
  options.drop_oldest = false;
  Open(options);
  Bind();
  Fill();
  const absl::StatusOr<bool> more = outbox_->MakeRoom();
  ASSERT_TRUE(more.ok()) << more.status();
  EXPECT_FALSE(*more);
  EXPECT_TRUE(outbox_->full());
  EXPECT_EQ(outbox_->samples_dropped(), 0u);
}

TEST_F(OutboxRoomTest, EverySampleIsThereOrToldByAGap) {
  Open(Dropping());
  Bind();
  Add(3, 1);  // silent from now on
  for (int i = 0; i < 8; ++i) {
    Fill();
    MakeRoom();
    EXPECT_FALSE(outbox_->full());
    EXPECT_LE(outbox_->kept_bytes(), kMaxBytes);
  }
  const uint64_t dropped = outbox_->samples_dropped();
  Open(Dropping());  // nothing is handed out in a new life
  const Contents contents = Read();
  EXPECT_EQ(contents.samples + contents.lost, added_);
  EXPECT_EQ(contents.lost, dropped);
  EXPECT_GT(contents.lost, 0u);
  EXPECT_EQ(contents.newest.count(3), 1u) << "the only sample of its sensor is not superseded";
  EXPECT_TRUE(contents.there.ContainsAll(1, outbox_->last_seq())) << "no row is missing without a record";
  ASSERT_THAT(contents.gaps, SizeIs(1)) << "one a twin, however often";
  EXPECT_EQ(contents.gaps[0].twin(), "robot");
  EXPECT_EQ(contents.gaps[0].reason(), pb::Gap::REASON_OUTBOX_FULL);
  EXPECT_EQ(FrameOf(1).bindings().bindings_size(), 3) << "never bindings";
}

TEST_F(OutboxRoomTest, TellsTheReaderWhichRowsAreCovered) {
  Open(Dropping());
  Bind();
  Fill();
  MakeRoom();
  const IntervalSet covered = outbox_->Covered();
  ASSERT_FALSE(covered.empty());
  const uint64_t first = *covered.FirstPresent(0);
  EXPECT_THAT(ReadSeqs(first, first), IsEmpty());
  Open(Dropping());
  EXPECT_EQ(outbox_->Covered(), covered) << "after a restart too";
  // The gateway has them all.
  const uint64_t rows = outbox_->kept_rows();
  Forget(1, covered.ToVector().back().last);
  EXPECT_TRUE(outbox_->Covered().empty());
  EXPECT_LT(outbox_->kept_rows(), rows);
  Append(1);
  Open(Dropping());
  EXPECT_TRUE(outbox_->Covered().empty());
}

TEST_F(OutboxRoomTest, LeavesRowsThatTheReaderHas) {
  Open(Dropping());
  Bind();
  Fill();
  ASSERT_THAT(ReadSeqs(1, 5), ElementsAre(1, 2, 3, 4, 5));
  MakeRoom();
  EXPECT_THAT(ReadSeqs(1, 5), ElementsAre(1, 2, 3, 4, 5)) << "they may be on their way";
  EXPECT_GT(outbox_->samples_dropped(), 0u);
}

TEST_F(OutboxRoomTest, IsFullWhenNothingCanBeDropped) {
  Open(Dropping());
  Bind();
  Fill();
  std::vector<OutboxRow> rows;
  ASSERT_TRUE(outbox_->Read(1, outbox_->last_seq(), 1 << 30, &rows).ok());
  MakeRoom();
  EXPECT_TRUE(outbox_->full());
  EXPECT_EQ(outbox_->samples_dropped(), 0u);
}

TEST_F(OutboxRoomTest, ANewEpochCoversNothing) {
  Open(Dropping());
  Bind();
  Fill();
  MakeRoom();
  ASSERT_TRUE(outbox_->StartNewEpoch({}, {}).ok());
  EXPECT_TRUE(outbox_->Covered().empty());
  const Contents contents = Read();
  EXPECT_EQ(contents.samples + contents.lost, added_);
  EXPECT_EQ(contents.there.Count(), outbox_->kept_rows());
  for (const pb::Gap& gap : contents.gaps) EXPECT_EQ(gap.covered_size(), 0);
}

TEST_F(OutboxRoomTest, DropsWhatIsTooOld) {
  OutboxOptions options = Dropping();
  options.max_age = absl::Hours(1);
  Open(options);
  Bind();
  for (int i = 0; i < 10; ++i) {
    Add(1, 2);
    clock_.Advance(absl::Minutes(10));
  }
  MakeRoom();
  const uint64_t dropped = outbox_->samples_dropped();
  EXPECT_GE(dropped, 6u);
  EXPECT_LE(dropped, 10u);
  Open(options);
  const Contents contents = Read();
  EXPECT_EQ(contents.samples + contents.lost, added_);
  ASSERT_THAT(contents.gaps, SizeIs(1));
  EXPECT_EQ(contents.gaps[0].reason(), pb::Gap::REASON_TOO_OLD);
  EXPECT_FALSE(outbox_->full());
}

TEST_F(OutboxRoomTest, BlocksWhenItsOldestRowIsTooOld) {
  OutboxOptions options = Dropping();
  options.drop_oldest = false;
  options.max_age = absl::Hours(1);
  Open(options);
  Bind();
  Add(1, 1);
  clock_.Advance(absl::Minutes(30));
  Add(1, 1);
  EXPECT_FALSE(outbox_->full());
  clock_.Advance(absl::Minutes(45));
  outbox_->CheckDisk();
  EXPECT_TRUE(outbox_->full());
  Forget(1, 2);
  outbox_->CheckDisk();
  EXPECT_FALSE(outbox_->full()) << "by itself, once the gateway has it";
}

TEST_F(OutboxRoomTest, SetsADamagedRowAside) {
  Open();
  Append(10);
  Open();
  outbox_.reset();
  Sql("UPDATE rows SET frame = x'00ff' WHERE seq = 4");
  Open();
  EXPECT_THAT(ReadSeqs(1, 10), SizeIs(10));
  ASSERT_THAT(damaged_, ElementsAre(4));
  ASSERT_TRUE(outbox_->Quarantine(4).ok());
  ASSERT_TRUE(outbox_->Quarantine(99).ok()) << "one that is gone is no error";
  damaged_.clear();
  EXPECT_THAT(ReadSeqs(1, 10), SizeIs(10));
  EXPECT_THAT(damaged_, IsEmpty());
  EXPECT_EQ(FrameOf(4).gap().reason(), pb::Gap::REASON_DAMAGED_ROW);
  EXPECT_EQ(outbox_->gap_counts().count(pb::Gap::REASON_DAMAGED_ROW), 1u);
}

TEST_F(OutboxRoomTest, QuarantineIsBounded) {
  Open();
  Append(100);
  for (uint64_t seq = 1; seq <= 100; ++seq) ASSERT_TRUE(outbox_->Quarantine(seq).ok());
  outbox_.reset();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(Options().path.c_str(), &db), SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(db, "SELECT count(*), max(seq) FROM quarantine", -1, &statement, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  EXPECT_EQ(sqlite3_column_int(statement, 0), 32);
  EXPECT_EQ(sqlite3_column_int(statement, 1), 100) << "the newest";
  sqlite3_finalize(statement);
  sqlite3_close(db);
}

TEST_F(OutboxRoomTest, KeepsTheNonceOfItsEpoch) {
  Open();
  Append(3);
  EXPECT_EQ(outbox_->nonce(), "");
  EXPECT_EQ(outbox_->nonce_seq(), 0u) << "as it was opened first";
  ASSERT_TRUE(outbox_->KeepNonce("0123456789abcdef").ok());
  Append(2);
  Open();
  EXPECT_EQ(outbox_->nonce(), "0123456789abcdef");
  EXPECT_EQ(outbox_->nonce_seq(), 5u);
  Append(2);
  Open();
  EXPECT_EQ(outbox_->nonce_seq(), 5u) << "later rows may be of one copy only";
  ASSERT_TRUE(outbox_->StartNewEpoch({}, {}).ok());
  EXPECT_EQ(outbox_->nonce(), "");
  Open();
  EXPECT_EQ(outbox_->nonce(), "");
}

}  // namespace
}  // namespace mvmd
