#include "bridge/uplink.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/bridge/uplink_fixture.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using State = Uplink::State;

TEST_F(UplinkTest, GreetsWithWhatItHas) {
  outbox_.AddUpTo(3);
  Make();
  EXPECT_EQ(connects_, 1);
  EXPECT_EQ(uplink_->state(), State::kConnecting);
  Do(uplink_->OnConnected(now_));
  const pb::Hello hello = TakeWrite().hello();
  EXPECT_EQ(hello.protocol_version(), 1u);
  EXPECT_EQ(hello.epoch(), 17u);
  EXPECT_EQ(hello.outbox_id(), "0123456789abcdef");
  EXPECT_EQ(hello.seqs().first(), 1u);
  EXPECT_EQ(hello.seqs().last(), 3u);
  // Nothing else before Welcome.
  EXPECT_FALSE(written_.has_value());
  Welcome();
  EXPECT_EQ(uplink_->state(), State::kStreaming);
  EXPECT_TRUE(written_->has_clock_probe());
  EXPECT_THAT(TakeSeqs(), ElementsAre(1, 2, 3));
}

TEST_F(UplinkTest, SendsOnlyWhatTheGatewayLacks) {
  outbox_.AddUpTo(10);
  Make();
  Connect({{1, 3}, {5, 6}, {9, 9}});
  EXPECT_THAT(TakeAll(), ElementsAre(10, 4, 7, 8)) << "what is not older than applied rows first";
  EXPECT_TRUE(forgotten_.ContainsAll(1, 3));
  EXPECT_TRUE(forgotten_.Contains(9));
  EXPECT_FALSE(forgotten_.Contains(4));
}

TEST_F(UplinkTest, ForgetsOnCommit) {
  Make();
  Connect();
  Rows(3);
  EXPECT_THAT(TakeSeqs(), ElementsAre(1, 2, 3));
  EXPECT_EQ(uplink_->rows_in_flight(), 3u);
  Commit(1, 2);
  EXPECT_TRUE(forgotten_.ContainsAll(1, 2));
  EXPECT_FALSE(forgotten_.Contains(3));
  EXPECT_FALSE(uplink_->idle());
  Commit(2, 3);  // overlaps what was told
  EXPECT_TRUE(uplink_->idle());
  EXPECT_EQ(uplink_->stats().rows_committed, 3u);
}

TEST_F(UplinkTest, BatchesWhatArrivesDuringAWrite) {
  Make();
  Connect();
  TakeAll();
  Rows(1);
  ASSERT_TRUE(written_.has_value());
  Rows(2);
  Rows(5);
  EXPECT_THAT(TakeSeqs(), ElementsAre(1));
  EXPECT_THAT(TakeSeqs(), ElementsAre(2, 3, 4, 5));
}

TEST_F(UplinkTest, HoldsSmallMessagesForLinger) {
  UplinkOptions options = Options();
  options.linger = absl::Milliseconds(50);
  Make(options);
  Connect();
  TakeAll();
  Rows(1);
  EXPECT_FALSE(written_.has_value());
  EXPECT_EQ(timer_, now_ + absl::Milliseconds(50));
  Advance(absl::Milliseconds(30));
  Rows(2);
  EXPECT_FALSE(written_.has_value());
  EXPECT_EQ(timer_, now_ + absl::Milliseconds(20));  // from the oldest
  Advance(absl::Milliseconds(20));
  EXPECT_THAT(TakeSeqs(), ElementsAre(1, 2));
  EXPECT_FALSE(written_.has_value());
}

TEST_F(UplinkTest, SendsAFullMessageAtOnce) {
  UplinkOptions options = Options();
  options.linger = absl::Seconds(1);
  options.max_message_bytes = 1000;
  Make(options);
  Connect();
  TakeAll();
  outbox_.Add(1, 2000);
  Do(uplink_->OnRowsAvailable(now_, 1, 2000));
  EXPECT_THAT(TakeSeqs(), ElementsAre(1));
}

TEST_F(UplinkTest, BoundsAMessage) {
  for (uint64_t seq = 1; seq <= 10; ++seq) outbox_.Add(seq, 300);
  UplinkOptions options = Options();
  options.max_message_bytes = 1000;
  Make(options);
  Connect();
  EXPECT_THAT(TakeSeqs(), ElementsAre(1, 2, 3));
  EXPECT_THAT(TakeSeqs(), ElementsAre(4, 5, 6));
}

TEST_F(UplinkTest, KeepsToItsCredit) {
  outbox_.Add(1, 20);
  outbox_.Add(2, 20);
  UplinkOptions options = Options();
  options.max_message_bytes = 30;
  Make(options);
  Connect({}, /*credit=*/40);
  EXPECT_THAT(TakeSeqs(), ElementsAre(1));
  EXPECT_LE(last_group_bytes_, 40u);
  EXPECT_FALSE(written_.has_value());
  // A commit is no credit.
  Commit(1, 1);
  EXPECT_FALSE(written_.has_value());
  pb::SyncResponse credit;
  credit.mutable_credit()->set_bytes(40);
  Do(uplink_->OnResponse(now_, credit));
  EXPECT_THAT(TakeSeqs(), ElementsAre(2));
}

TEST_F(UplinkTest, GivesUpAStreamWithoutCredit) {
  Make();
  Connect({}, /*credit=*/0);
  Advance(absl::Hours(1));  // nothing waits for it
  EXPECT_EQ(uplink_->state(), State::kStreaming);
  Rows(1);
  EXPECT_THAT(TakeSeqs(), IsEmpty());
  Advance(absl::Seconds(9));
  EXPECT_EQ(uplink_->state(), State::kStreaming);
  pb::SyncResponse credit;
  credit.mutable_credit()->set_bytes(1);
  Do(uplink_->OnResponse(now_, credit));
  EXPECT_THAT(TakeSeqs(), IsEmpty()) << "too little, but not nothing";
  Advance(absl::Seconds(9));
  EXPECT_EQ(uplink_->state(), State::kStreaming);
  Advance(absl::Seconds(1));
  EXPECT_EQ(uplink_->state(), State::kClosing);
  EXPECT_THAT(closed_.value_or(""), HasSubstr("no credit"));
}

TEST_F(UplinkTest, GivesUpAStreamWithoutCommits) {
  Make();
  Connect();
  TakeAll();
  Advance(absl::Hours(1));  // idle is no stall
  EXPECT_EQ(uplink_->state(), State::kStreaming);
  Rows(1);
  EXPECT_THAT(TakeSeqs(), ElementsAre(1));
  Advance(absl::Seconds(9));
  EXPECT_EQ(uplink_->state(), State::kStreaming);
  Rows(2);
  TakeSeqs();
  Commit(1, 1);
  Advance(absl::Seconds(9));
  EXPECT_EQ(uplink_->state(), State::kStreaming);
  Advance(absl::Seconds(1));
  EXPECT_EQ(uplink_->state(), State::kClosing);
  EXPECT_THAT(closed_.value_or(""), HasSubstr("stalled"));
  EXPECT_EQ(uplink_->stats().stalls, 1u);
  End();
  Advance(absl::Seconds(1));
  EXPECT_EQ(connects_, 2);
  Connect({{1, 1}});
  EXPECT_THAT(TakeAll(), ElementsAre(2));
}

TEST_F(UplinkTest, GivesUpAWriteThatNeverEnds) {
  Make();
  Connect();
  TakeAll();
  Rows(1);
  ASSERT_TRUE(written_.has_value());
  Advance(absl::Seconds(10));
  EXPECT_EQ(uplink_->state(), State::kClosing);
}

TEST_F(UplinkTest, GivesUpAGatewayThatDoesNotWelcome) {
  Make();
  Do(uplink_->OnConnected(now_));
  TakeWrite();
  Advance(absl::Seconds(10));
  EXPECT_EQ(uplink_->state(), State::kClosing);
  EXPECT_THAT(*closed_, HasSubstr("no Welcome within 10s"));
}

TEST_F(UplinkTest, BacksOffWithJitter) {
  Make();
  absl::Duration expected = absl::Milliseconds(100);
  for (int i = 0; i < 10; ++i) {
    End();
    EXPECT_EQ(uplink_->state(), State::kBackoff);
    const absl::Duration wait = timer_ - now_;
    EXPECT_GE(wait, expected / 2);
    EXPECT_LE(wait, expected);
    Advance(wait - absl::Nanoseconds(1));
    EXPECT_EQ(connects_, 1 + i);
    Advance(absl::Nanoseconds(1));
    EXPECT_EQ(connects_, 2 + i);
    expected = std::min(expected * 2, absl::Seconds(5));
  }
  // A commit, not a mere connection, begins anew.
  Connect();
  End();
  EXPECT_GE(timer_ - now_, absl::Milliseconds(2500));
  Advance(absl::Seconds(5));
  Connect();
  Rows(1);
  TakeSeqs();
  Commit(1, 1);
  End();
  EXPECT_LE(timer_ - now_, absl::Milliseconds(100));
}

TEST_F(UplinkTest, WaitsLongWhenRefused) {
  for (const absl::Status& status : {absl::AbortedError("fenced"), absl::PermissionDeniedError("not allowed"),
                                     absl::UnauthenticatedError("who"), absl::InvalidArgumentError("broken")}) {
    Make();
    End(status);
    EXPECT_GE(timer_ - now_, absl::Milliseconds(2500)) << status;
  }
}

TEST_F(UplinkTest, SendsAgainWhatWasInFlight) {
  Make();
  Connect();
  Rows(4);
  EXPECT_THAT(TakeSeqs(), ElementsAre(1, 2, 3, 4));
  Commit(1, 1);
  End();
  Rows(5);
  Advance(absl::Seconds(1));
  // Applied before the cut, and the Commit was lost with it.
  Connect({{1, 2}});
  EXPECT_THAT(TakeAll(), ElementsAre(3, 4, 5));
}

TEST_F(UplinkTest, SendsTheNewestRowsOfALargeBacklogFirst) {
  for (uint64_t seq = 1; seq <= 1000; ++seq) outbox_.Add(seq, 20, /*declaration=*/seq == 1 || seq == 500 || seq == 999);
  UplinkOptions options = Options();
  options.max_message_bytes = 1500;
  Make(options);
  Connect();
  pb::Lane lane;
  EXPECT_THAT(TakeSeqs(&lane), ElementsAre(1, 500, 999));
  std::vector<uint64_t> live = TakeSeqs(&lane);
  EXPECT_EQ(lane, pb::LANE_LIVE);
  EXPECT_EQ(live.front(), 937u);
  std::vector<uint64_t> backfill = TakeSeqs(&lane);
  EXPECT_EQ(lane, pb::LANE_BACKFILL);
  EXPECT_EQ(backfill.front(), 2u);
  // They take turns; what is new goes by the live lane, and everything goes once.
  outbox_.Add(1001);
  Do(uplink_->OnRowsAvailable(now_, 1001, 20));
  IntervalSet sent;
  for (uint64_t seq : {1, 500, 999}) sent.Add(seq);
  for (uint64_t seq : live) sent.Add(seq);
  for (uint64_t seq : backfill) sent.Add(seq);
  uint64_t count = sent.Count();
  for (std::vector<uint64_t> seqs = TakeSeqs(&lane); !seqs.empty(); seqs = TakeSeqs(&lane)) {
    for (uint64_t seq : seqs) {
      EXPECT_FALSE(sent.Contains(seq)) << seq;
      sent.Add(seq);
      ++count;
    }
  }
  EXPECT_EQ(count, 1001u);
  EXPECT_TRUE(sent.ContainsAll(1, 1001));
}

TEST_F(UplinkTest, SendsABacklogOfSomeMessagesInOrder) {
  for (uint64_t seq = 1; seq <= 1000; ++seq) outbox_.Add(seq, 20);
  UplinkOptions options = Options();
  options.max_message_bytes = 10000;
  Make(options);
  Connect();
  std::vector<uint64_t> all;
  pb::Lane lane;
  for (std::vector<uint64_t> seqs = TakeSeqs(&lane); !seqs.empty(); seqs = TakeSeqs(&lane)) {
    EXPECT_EQ(lane, pb::LANE_LIVE);
    all.insert(all.end(), seqs.begin(), seqs.end());
  }
  EXPECT_EQ(all.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
}

TEST_F(UplinkTest, RowsThatNewerOnesHaveOvertakenAreBackfilledAfterACut) {
  for (uint64_t seq = 1; seq <= 1000; ++seq) outbox_.Add(seq, 20, /*declaration=*/seq == 999);
  UplinkOptions options = Options();
  options.max_message_bytes = 1500;
  Make(options);
  Connect();
  EXPECT_THAT(TakeSeqs(), ElementsAre(999));
  pb::Lane lane;
  EXPECT_EQ(TakeSeqs(&lane).front(), 937u);
  EXPECT_EQ(lane, pb::LANE_LIVE);
  End();
  // The newest rows arrived, the cut came before the rest; few are left of it.
  for (uint64_t seq = 1; seq <= 900; ++seq) outbox_.Erase(seq);
  Advance(absl::Seconds(1));
  Connect({{1, 900}, {937, 950}, {999, 999}});
  EXPECT_EQ(TakeSeqs(&lane).front(), 951u);
  EXPECT_EQ(lane, pb::LANE_LIVE) << "newer than everything that has gone before, but for the declaration";
  EXPECT_EQ(TakeSeqs(&lane).front(), 901u);
  EXPECT_EQ(lane, pb::LANE_BACKFILL);
  Rows(1001);
  EXPECT_THAT(TakeSeqs(&lane), ElementsAre(1001));
  EXPECT_EQ(lane, pb::LANE_LIVE);
}

TEST_F(UplinkTest, BoundsTheSamplesOfAMessage) {
  UplinkOptions options = Options();
  options.max_message_bytes = 8 << 20;
  Make(options);
  Connect();
  TakeAll();
  // Equal values at equal times: next to no bytes a sample.
  const std::vector<Sample> samples(kBlockSamplesMax, Sample{.binding = 1, .time_unix_ns = 5, .value = 1.0});
  for (uint64_t seq = 1; seq <= 40; ++seq) outbox_.AddBlock(seq, samples);
  Do(uplink_->OnRowsAvailable(now_, 40, 40));
  const size_t rows_max = kGroupSamplesMax / kBlockSamplesMax;
  EXPECT_EQ(TakeSeqs().size(), rows_max);
  EXPECT_EQ(TakeSeqs().size(), rows_max);
  EXPECT_EQ(TakeSeqs().size(), 40 - 2 * rows_max);
}

TEST_F(UplinkTest, KeepsHalfOfTheCreditForLiveRows) {
  for (uint64_t seq = 1; seq <= 1000; ++seq) outbox_.Add(seq, 100);
  UplinkOptions options = Options();
  options.max_message_bytes = 7000;
  options.compression_level = 1;
  Make(options);
  Connect({}, /*credit=*/40000);
  uint64_t used = 0;
  for (std::vector<uint64_t> seqs = TakeSeqs(); !seqs.empty(); seqs = TakeSeqs()) used += last_group_bytes_;
  EXPECT_LE(used, 40000u);
  if (uplink_->rows_in_flight() < 1000) {
    // The backlog waits, and a new row does not.
    Rows(1001);
    EXPECT_THAT(TakeSeqs(), ElementsAre(1001));
  }
}

TEST_F(UplinkTest, SendsWhatIsThereBeforeItStops) {
  UplinkOptions options = Options();
  options.linger = absl::Seconds(10);
  Make(options);
  Connect();
  TakeAll();
  Rows(1);
  EXPECT_FALSE(written_.has_value());
  Do(uplink_->Stop(now_));
  EXPECT_THAT(TakeSeqs(), ElementsAre(1));
  EXPECT_FALSE(uplink_->idle());
  Commit(1, 1);
  EXPECT_TRUE(uplink_->idle());
}

}  // namespace
}  // namespace mvmd
