#include "gateway/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

// Counts what is read.
class CountingLog final : public CommitLog {
 public:
  explicit CountingLog(CommitLog* log) : log_(*log) {}
  absl::StatusOr<uint64_t> Append(absl::Span<const std::string> entries) override { return log_.Append(entries); }
  absl::Status ReadFrom(uint64_t revision, size_t bytes_max, std::vector<LogRecord>* out) const override {
    const absl::Status status = log_.ReadFrom(revision, bytes_max, out);
    for (const LogRecord& record : *out) last_read_ = std::max(last_read_, record.revision);
    read_count_ += out->size();
    return status;
  }
  absl::Status TrimBefore(uint64_t revision) override { return log_.TrimBefore(revision); }
  uint64_t First() const override { return log_.First(); }
  uint64_t Last() const override { return log_.Last(); }
  size_t read_count() const { return read_count_; }

 private:
  CommitLog& log_;
  mutable size_t read_count_ = 0;
  mutable uint64_t last_read_ = 0;
};

class HistoryTest : public ::testing::Test {
 protected:
  ApplyResult Commit(pb::LogEntry entry) {
    ApplyResult result;
    absl::Notification done;
    EXPECT_TRUE(committer_
                    .Append(std::move(entry), nullptr,
                            [&](const ApplyResult& told) {
                              result = told;
                              done.Notify();
                            })
                    .ok());
    done.WaitForNotification();
    return result;
  }
  void OpenRobot() {
    session_ = Commit(OpenedEntry(7)).revision;
    Commit(FramesEntry(session_, {DocumentFrame(++seq_, "robot", TestDocumentText("robot"))}));
    Commit(FramesEntry(session_, {BindingsFrame(++seq_, "robot", {{1, "temp-1"}, {2, "motion-1"}})}));
  }
  uint64_t Send(const std::vector<Sample>& samples) {
    return Commit(FramesEntry(session_, {BlockFrame(++seq_, samples)})).revision;
  }
  std::vector<double> List(absl::string_view sensor, int64_t start, int64_t end, size_t rows_max = 1000) {
    std::vector<double> values;
    History::SamplePosition from;
    for (int page_count = 0; page_count < 10'000; ++page_count) {
      const auto page = history_.ListSamples("robot", sensor, start, end, rows_max, from);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      EXPECT_LE(page->rows.size(), rows_max);
      for (const auto& row : page->rows) values.push_back(std::get<double>(row.value));
      if (page->last) return values;
      from = page->next;
    }
    ADD_FAILURE() << "no end";
    return values;
  }

  MemoryDisk disk_;
  CountingLog log_{disk_.log()};
  TwinState state_{TwinStateLimits()};
  Committer committer_{&log_, disk_.state(), &state_, &SystemClock::Get(), CommitterOptions()};
  History history_{&log_, &committer_};
  uint64_t session_ = 0;
  uint64_t seq_ = 0;
};

TEST_F(HistoryTest, ListsSamplesInTheOrderOfTheLog) {
  OpenRobot();
  const int64_t t = kTestTimeNs;
  Send({NumberAt(1, t + 5, 1), NumberAt(2, t, 100), NumberAt(1, t + 6, 2)});
  Send({NumberAt(2, t, 101)});
  Send({NumberAt(1, t + 1, 3)});
  EXPECT_THAT(List("temp-1", 0, kForever), ElementsAre(1, 2, 3));
  EXPECT_THAT(List("motion-1", 0, kForever), ElementsAre(100, 101));
  EXPECT_THAT(List("temp-1", t + 5, t + 6), ElementsAre(1)) << "closed begin, open end";
  EXPECT_THAT(List("temp-1", t + 7, kForever), IsEmpty());
  EXPECT_THAT(List("pressure-1", 0, kForever), IsEmpty());
  EXPECT_THAT(List("nothing", 0, kForever), IsEmpty());
}

TEST_F(HistoryTest, ListsSamplesOfBothLanesInTheBrokersOrder) {
  OpenRobot();
  const int64_t t = kTestTimeNs;
  const auto send = [&](uint64_t seq, double value, pb::Lane lane) {
    Commit(FramesEntry(session_, {BlockFrame(seq, {NumberAt(1, t + 5, value)})}, lane));
  };
  Send({NumberAt(1, t, 1)});  // seq 3
  // After an outage: the newest first, the backlog beside what is new.
  send(8, 6, pb::LANE_LIVE);
  send(4, 2, pb::LANE_BACKFILL);
  send(9, 7, pb::LANE_LIVE);
  for (int i = 0; i < 600; ++i) send(10 + static_cast<uint64_t>(i), 8 + i, pb::LANE_LIVE);  // some segments
  send(5, 3, pb::LANE_BACKFILL);
  send(7, 5, pb::LANE_BACKFILL);
  std::vector<double> expected = {1, 2, 3, 5};
  for (int i = 6; i < 608; ++i) expected.push_back(i);
  EXPECT_EQ(List("temp-1", 0, kForever), expected);
  for (size_t rows_max : {1, 2, 3, 7}) EXPECT_EQ(List("temp-1", 0, kForever, rows_max), expected) << rows_max;
  EXPECT_THAT(List("temp-1", 0, t + 1), ElementsAre(1));

  const auto page = history_.ListSamples("robot", "temp-1", 0, kForever, 5, {});
  ASSERT_TRUE(page.ok());
  std::vector<bool> backfill;
  for (const auto& row : page->rows) backfill.push_back(row.backfill);
  EXPECT_THAT(backfill, ElementsAre(false, true, true, true, false));
  // At equal times the value that the broker gave last stands.
  const absl::StatusOr<TwinSnapshot> twin =
      committer_.Read([](const TwinState& state) { return state.GetTwin("robot"); });
  EXPECT_EQ(twin->live.sensors.at(0).value, SampleValue(607.0));
}

TEST_F(HistoryTest, LeavesOutWhatThePolicyForbade) {
  OpenRobot();
  pb::LogEntry entry =
      FramesEntry(session_, {BlockFrame(++seq_, {NumberAt(1, kTestTimeNs, 1), NumberAt(2, kTestTimeNs, 2)})});
  entry.mutable_frames_received()->add_forbidden_bindings(1);
  Commit(std::move(entry));
  EXPECT_THAT(List("temp-1", 0, kForever), IsEmpty());
  EXPECT_THAT(List("motion-1", 0, kForever), ElementsAre(2));
}

TEST_F(HistoryTest, TheLargestTimeIsNoEnd) {
  OpenRobot();
  Send({NumberAt(1, kForever, 1)});
  EXPECT_THAT(List("temp-1", 0, kForever), ElementsAre(1));
  EXPECT_THAT(List("temp-1", kForever, kForever), ElementsAre(1));
}

TEST_F(HistoryTest, SharesEntriesAndBoundsWhatIsHeld) {
  OpenRobot();
  for (int i = 0; i < 20; ++i) Send({NumberAt(1, kTestTimeNs + i, i)});
  History history(&log_, &committer_, /*held_bytes_max=*/20'000);
  const auto first = history.ReadFrom(5, 1);
  ASSERT_TRUE(first.ok());
  EXPECT_THAT(*first, SizeIs(1)) << "bounded by memory, not by what the log has";
  EXPECT_EQ(history.ReadFrom(5, 1)->at(0), first->at(0));
  std::vector<std::shared_ptr<const AppliedEntry>> kept;
  absl::Status status;
  for (uint64_t revision = 5; revision <= 24; ++revision) {
    const auto read = history.ReadFrom(revision, 1);
    if (!read.ok()) {
      status = read.status();
      break;
    }
    kept.push_back(read->at(0));
  }
  EXPECT_EQ(ReasonOf(status), "OVERLOADED") << kept.size();
  kept.clear();
  EXPECT_TRUE(history.ReadFrom(24, 1).ok());
}

TEST_F(HistoryTest, AnotherEpochComesAfterTheFirst) {
  OpenRobot();
  const int64_t t = kTestTimeNs;
  Send({NumberAt(1, t, 1)});
  Commit(FramesEntry(session_, {BlockFrame(++seq_, {NumberAt(1, t, 2)})}, pb::LANE_BACKFILL));
  session_ = Commit(OpenedEntry(8)).revision;
  seq_ = 0;
  Commit(FramesEntry(session_, {BindingsFrame(++seq_, "robot", {{1, "temp-1"}})}));
  Send({NumberAt(1, t, 3)});
  EXPECT_THAT(List("temp-1", 0, kForever), ElementsAre(1, 2, 3));
  EXPECT_THAT(List("temp-1", 0, kForever, 1), ElementsAre(1, 2, 3));
}

TEST_F(HistoryTest, PagesAnywhere) {
  OpenRobot();
  std::vector<double> expected;
  for (int i = 0; i < 20; ++i) {
    std::vector<Sample> samples;
    for (int j = 0; j < i % 4; ++j) {
      samples.push_back(NumberAt(1, kTestTimeNs + i, i * 10 + j));
      expected.push_back(i * 10 + j);
    }
    samples.push_back(NumberAt(2, kTestTimeNs, 0));
    Send(samples);
  }
  for (size_t rows_max : {1u, 2u, 3u, 7u, 100u}) EXPECT_EQ(List("temp-1", 0, kForever, rows_max), expected);
}

TEST_F(HistoryTest, TellsWhatWasAppliedOnly) {
  OpenRobot();
  const int64_t t = kTestTimeNs;
  const pb::Frame frame = BlockFrame(++seq_, {NumberAt(1, t, 1)});
  Commit(FramesEntry(session_, {frame}));
  Commit(FramesEntry(session_, {frame, frame}));
  const uint64_t old_session = session_;
  session_ = Commit(OpenedEntry(7)).revision;
  Commit(FramesEntry(old_session, {BlockFrame(++seq_, {NumberAt(1, t, 2)})}));
  pb::LogEntry refused = FramesEntry(session_, {BlockFrame(++seq_, {NumberAt(1, t, 3)})});
  refused.mutable_frames_received()->add_refused()->set_seq(seq_);
  Commit(refused);
  Commit(FramesEntry(session_,
                     {BlockFrame(seq_ + 1, {NumberAt(5, t, 4)}), BindingsFrame(seq_ + 2, "robot", {{5, "temp-1"}}),
                      BlockFrame(seq_ + 3, {NumberAt(5, t, 5)})}));
  EXPECT_THAT(List("temp-1", 0, kForever), ElementsAre(1, 5));
}

TEST_F(HistoryTest, TellsGoodFramesBesideADamagedOne) {
  OpenRobot();
  std::string batch;
  AppendFrame(BlockFrame(++seq_, {NumberAt(1, kTestTimeNs, 1)}).SerializeAsString(), &batch);
  AppendFrame(std::string("\x08\x63\x12\x7f", 4), &batch);
  pb::LogEntry entry;
  entry.mutable_frames_received()->set_session(session_);
  FrameGroupCodec codec;
  codec.Encode(batch, pb::LANE_LIVE, 1, entry.mutable_frames_received()->mutable_group());
  Commit(entry);
  EXPECT_THAT(List("temp-1", 0, kForever), ElementsAre(1));
}

TEST_F(HistoryTest, BeginsAfterTheTwinWasRemoved) {
  OpenRobot();
  Send({NumberAt(1, kTestTimeNs, 1)});
  Commit(DeleteEntry("robot"));
  EXPECT_THAT(List("temp-1", 0, kForever), IsEmpty());
  Send({NumberAt(1, kTestTimeNs, 2)});
  Commit(PutEntry("robot", TestDocumentText("robot")));
  Send({NumberAt(1, kTestTimeNs, 3)});
  EXPECT_THAT(List("temp-1", 0, kForever), ElementsAre(3));
}

TEST_F(HistoryTest, ReadsOnlyTheSegmentsThatCanHaveSamples) {
  OpenRobot();
  for (int i = 0; i < 2000; ++i) Send({NumberAt(1, kTestTimeNs + i * kSecondNs, i)});
  const size_t before = log_.read_count();
  EXPECT_THAT(List("temp-1", kTestTimeNs + 1000 * kSecondNs, kTestTimeNs + 1003 * kSecondNs),
              ElementsAre(1000, 1001, 1002));
  EXPECT_LT(log_.read_count() - before, 2100u);
  const size_t none = log_.read_count();
  EXPECT_THAT(List("motion-1", 0, kForever), IsEmpty());
  EXPECT_EQ(log_.read_count(), none);
}

TEST_F(HistoryTest, ReadsEntriesAsTheyWereApplied) {
  OpenRobot();
  Send({NumberAt(1, kTestTimeNs, 1)});
  Commit(PatchEntry("robot", R"({"name":"patched"})"));
  const auto entries = history_.ReadFrom(1, 1 << 20);
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_THAT(*entries, SizeIs(5));
  const RecentEntries::Read recent = committer_.recent().ReadFrom(1, 1 << 20);
  for (size_t i = 0; i < recent.entries.size(); ++i) {
    EXPECT_EQ(Describe(*(*entries)[i]), Describe(*recent.entries[i]));
  }
  EXPECT_THAT(*history_.ReadFrom(2, 0), SizeIs(1));
  EXPECT_THAT(*history_.ReadFrom(6, 1 << 20), IsEmpty());
}

TEST_F(HistoryTest, SaysFromWhereARevisionCanBeRead) {
  OpenRobot();
  for (int i = 0; i < 10; ++i) Send({NumberAt(1, kTestTimeNs, i)});
  ASSERT_TRUE(log_.TrimBefore(5).ok());
  const auto compacted = history_.ReadFrom(3, 100);
  EXPECT_EQ(compacted.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReasonOf(compacted.status()), "REVISION_COMPACTED");
  EXPECT_EQ(MetadataOf(compacted.status()).at("oldest_revision"), "5");
  EXPECT_THAT(List("temp-1", 0, kForever), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9));
}

}  // namespace
}  // namespace mvmd
