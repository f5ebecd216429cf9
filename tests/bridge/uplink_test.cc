#include "bridge/uplink.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "twin/frame_group.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using State = Uplink::State;

class FakeOutbox final : public OutboxReader {
 public:
  void Add(uint64_t seq, size_t bytes = 20, bool declaration = false) {
    pb::Frame frame;
    frame.set_seq(seq);
    frame.mutable_command_result()->set_message(std::string(bytes, 'x'));
    rows_[seq] = {seq, false, frame.SerializeAsString()};
    if (declaration) declarations_.push_back(seq);
    last_ = std::max(last_, seq);
  }
  void AddUpTo(uint64_t last) {
    while (last_ < last) Add(last_ + 1);
  }
  void Erase(uint64_t seq) { rows_.erase(seq); }
  void Damage(uint64_t seq) { rows_[seq] = {seq, true, ""}; }
  void Clear() {
    rows_.clear();
    declarations_.clear();
    last_ = 0;
  }

  IntervalSet::Closed Extent() const override {
    return rows_.empty() ? IntervalSet::Closed{0, 0} : IntervalSet::Closed{rows_.begin()->first, rows_.rbegin()->first};
  }
  absl::StatusOr<uint64_t> Read(uint64_t first, uint64_t last, size_t bytes_max,
                                std::vector<OutboxRow>* rows) const override {
    if (!error.ok()) return error;
    rows->clear();
    size_t bytes = 0;
    for (auto it = rows_.lower_bound(first); it != rows_.end() && it->first <= last; ++it) {
      if (!rows->empty() && bytes >= bytes_max) return rows->back().seq;
      rows->push_back(it->second);
      bytes += it->second.frame.size();
    }
    return last;
  }
  absl::StatusOr<std::vector<uint64_t>> DeclarationSeqs(uint64_t first, uint64_t last) const override {
    std::vector<uint64_t> seqs;
    for (uint64_t seq : declarations_) {
      if (seq >= first && seq <= last) seqs.push_back(seq);
    }
    return seqs;
  }

  absl::Status error;

 private:
  std::map<uint64_t, OutboxRow> rows_;
  std::vector<uint64_t> declarations_;
  uint64_t last_ = 0;
};

// Drives the core as the stream would, and keeps what it did.
class UplinkTest : public ::testing::Test {
 protected:
  UplinkOptions Options() {
    UplinkOptions options;
    options.epoch = 17;
    options.outbox_id = "0123456789abcdef";
    options.linger = absl::ZeroDuration();
    options.last_seq_at_start = outbox_.Extent().last;
    return options;
  }
  void Make() { Make(Options()); }
  void Make(UplinkOptions options) {
    uplink_ = std::make_unique<Uplink>(std::move(options), &outbox_, [this] { return wall_ns_; });
    Do(uplink_->Start(now_));
  }
  void Do(UplinkActions actions) {
    for (UplinkAction& action : actions) {
      if (std::holds_alternative<UplinkConnect>(action)) ++connects_;
      if (auto* write = std::get_if<UplinkWrite>(&action)) {
        ASSERT_FALSE(written_.has_value()) << "two writes outstanding";
        written_ = *write->request;
      }
      if (auto* close = std::get_if<UplinkClose>(&action)) closed_ = close->why;
      if (auto* forget = std::get_if<UplinkForgetRows>(&action)) forgotten_.AddAll(forget->seqs);
      if (auto* epoch = std::get_if<UplinkStartNewEpoch>(&action)) new_epoch_ = *epoch;
      if (auto* timer = std::get_if<UplinkSetTimer>(&action)) timer_ = timer->when;
      if (auto* row = std::get_if<UplinkRowDamaged>(&action)) damaged_.push_back(row->seq);
      if (auto* row = std::get_if<UplinkRowRejected>(&action)) rejected_.push_back(row->seq);
      if (auto* document = std::get_if<UplinkSendDocument>(&action)) documents_.push_back(document->twin);
      if (auto* command = std::get_if<UplinkCommand>(&action)) commands_.push_back(command->command.command_id());
    }
  }
  // The write that is outstanding ends; its message.
  pb::SyncRequest TakeWrite() {
    EXPECT_TRUE(written_.has_value()) << "nothing was written";
    pb::SyncRequest request = written_.value_or(pb::SyncRequest());
    written_.reset();
    Do(uplink_->OnWriteDone(now_));
    return request;
  }
  // Seqs of the frames that are being written; takes probes and reports on the way.
  std::vector<uint64_t> TakeSeqs(pb::Lane* lane = nullptr) {
    while (written_.has_value() && (written_->has_clock_probe() || written_->has_report())) TakeWrite();
    if (!written_.has_value()) return {};
    const pb::SyncRequest request = TakeWrite();
    if (lane != nullptr) *lane = request.frames().lane();
    last_group_bytes_ = request.frames().data().size();
    std::vector<uint64_t> seqs;
    for (const pb::Frame& frame : Frames(request)) seqs.push_back(frame.seq());
    return seqs;
  }
  std::vector<pb::Frame> Frames(const pb::SyncRequest& request) {
    FrameGroupCodec codec;
    std::string text;
    EXPECT_TRUE(codec.Decode(request.frames(), 8 << 20, &text).ok());
    pb::FrameBatch batch;
    EXPECT_TRUE(batch.ParseFromString(text));
    return {batch.frames().begin(), batch.frames().end()};
  }
  std::vector<uint64_t> TakeAll() {
    std::vector<uint64_t> all;
    for (std::vector<uint64_t> seqs = TakeSeqs(); !seqs.empty(); seqs = TakeSeqs()) {
      all.insert(all.end(), seqs.begin(), seqs.end());
    }
    return all;
  }
  void Welcome(std::vector<IntervalSet::Closed> applied = {}, uint64_t credit = 4 << 20) {
    pb::SyncResponse response;
    pb::Welcome* welcome = response.mutable_welcome();
    welcome->set_session(5);
    for (const auto& interval : applied) {
      welcome->add_applied()->set_first(interval.first);
      welcome->mutable_applied(welcome->applied_size() - 1)->set_last(interval.last);
    }
    welcome->set_max_frame_bytes(1 << 20);
    welcome->set_credit_bytes(credit);
    welcome->add_codecs(pb::CODEC_ZSTD);
    Do(uplink_->OnResponse(now_, response));
  }
  void Connect(std::vector<IntervalSet::Closed> applied = {}, uint64_t credit = 4 << 20) {
    Do(uplink_->OnConnected(now_));
    EXPECT_TRUE(TakeWrite().has_hello());
    Welcome(std::move(applied), credit);
  }
  void Commit(uint64_t first, uint64_t last) {
    pb::SyncResponse response;
    pb::Interval* interval = response.mutable_commit()->add_seqs();
    interval->set_first(first);
    interval->set_last(last);
    Do(uplink_->OnResponse(now_, response));
  }
  void Rows(uint64_t last) {
    outbox_.AddUpTo(last);
    Do(uplink_->OnRowsAvailable(now_, last, 20));
  }
  void Advance(absl::Duration by) {
    now_ += by;
    if (now_ >= timer_) Do(uplink_->OnTimer(now_));
  }
  void End(absl::Status status = absl::UnavailableError("gone")) {
    written_.reset();
    Do(uplink_->OnStreamEnded(now_, status));
  }
  std::string Respond(const pb::SyncResponse& response) {
    closed_.reset();
    Do(uplink_->OnResponse(now_, response));
    return closed_.value_or("");
  }

  FakeOutbox outbox_;
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
  int64_t wall_ns_ = 1000;
  std::unique_ptr<Uplink> uplink_;
  int connects_ = 0;
  std::optional<pb::SyncRequest> written_;
  size_t last_group_bytes_ = 0;
  std::optional<std::string> closed_;
  IntervalSet forgotten_;
  std::optional<UplinkStartNewEpoch> new_epoch_;
  absl::Time timer_ = absl::InfiniteFuture();
  std::vector<uint64_t> damaged_, rejected_;
  std::vector<std::string> documents_, commands_;
};

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
  EXPECT_THAT(TakeAll(), ElementsAre(4, 7, 8, 10));
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

TEST_F(UplinkTest, SendsNothingWithoutCreditAndDoesNotStall) {
  outbox_.AddUpTo(2);
  Make();
  Connect({}, /*credit=*/0);
  EXPECT_THAT(TakeSeqs(), IsEmpty());
  Advance(absl::Hours(1));
  EXPECT_EQ(uplink_->state(), State::kStreaming);
  EXPECT_EQ(timer_, absl::InfiniteFuture());
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

TEST_F(UplinkTest, SetsRejectedRowsAside) {
  Make();
  Connect();
  Rows(2);
  TakeSeqs();
  pb::SyncResponse response;
  response.mutable_rejected()->set_seq(1);
  response.mutable_rejected()->mutable_status()->set_message("no such binding");
  Do(uplink_->OnResponse(now_, response));
  EXPECT_THAT(rejected_, ElementsAre(1));
  EXPECT_TRUE(forgotten_.Contains(1));
  Do(uplink_->OnResponse(now_, response));  // twice is harmless
  Commit(2, 2);
  EXPECT_TRUE(uplink_->idle());
}

TEST_F(UplinkTest, PutsAGapInPlaceOfADamagedRow) {
  outbox_.AddUpTo(3);
  outbox_.Damage(2);
  Make();
  Connect();
  while (written_->has_clock_probe()) TakeWrite();
  const std::vector<pb::Frame> frames = Frames(TakeWrite());
  ASSERT_THAT(frames, SizeIs(3));
  EXPECT_EQ(frames[1].seq(), 2u);
  EXPECT_EQ(frames[1].gap().reason(), pb::Gap::REASON_DAMAGED_ROW);
  EXPECT_THAT(damaged_, ElementsAre(2));
}

TEST_F(UplinkTest, PutsAGapInPlaceOfARowThatIsTooLarge) {
  outbox_.Add(1, 2 << 20);
  Make();
  Connect();
  while (written_->has_clock_probe()) TakeWrite();
  EXPECT_EQ(Frames(TakeWrite()).at(0).gap().reason(), pb::Gap::REASON_REJECTED);
  EXPECT_THAT(rejected_, ElementsAre(1));
}

TEST_F(UplinkTest, DrainsAndComesBackSoon) {
  Make();
  Connect();
  Rows(1);
  TakeSeqs();
  pb::SyncResponse drain;
  drain.mutable_drain()->set_grace_ns(absl::ToInt64Nanoseconds(absl::Seconds(5)));
  Do(uplink_->OnResponse(now_, drain));
  EXPECT_EQ(uplink_->state(), State::kDraining);
  Rows(2);
  EXPECT_FALSE(written_.has_value());
  Commit(1, 1);
  EXPECT_EQ(uplink_->state(), State::kClosing);
  End(absl::CancelledError(""));
  EXPECT_LE(timer_ - now_, absl::Milliseconds(100));
  Advance(absl::Milliseconds(100));
  Connect({{1, 1}});
  EXPECT_THAT(TakeAll(), ElementsAre(2));
}

TEST_F(UplinkTest, LeavesWhenTheGraceOfADrainIsOver) {
  Make();
  Connect();
  Rows(1);
  TakeSeqs();
  pb::SyncResponse drain;
  drain.mutable_drain()->set_grace_ns(absl::ToInt64Nanoseconds(absl::Seconds(2)));
  Do(uplink_->OnResponse(now_, drain));
  EXPECT_EQ(timer_, now_ + absl::Seconds(2));
  Advance(absl::Seconds(2));
  EXPECT_EQ(uplink_->state(), State::kClosing);
}

TEST_F(UplinkTest, StartsANewEpochWhenTheGatewayLacksWhatItHad) {
  outbox_.AddUpTo(5);
  Make();
  Connect();
  TakeAll();
  Commit(1, 4);
  outbox_.Erase(1);
  outbox_.Erase(2);
  End();
  Advance(absl::Seconds(1));
  Connect({{1, 1}});  // restored from a backup
  ASSERT_TRUE(new_epoch_.has_value());
  EXPECT_THAT(new_epoch_->lost.ToVector(), ElementsAre(IntervalSet::Closed{2, 4}));
  EXPECT_THAT(new_epoch_->applied.ToVector(), ElementsAre(IntervalSet::Closed{1, 1}));
  End(absl::CancelledError(""));
  Advance(absl::Hours(1));
  EXPECT_EQ(connects_, 2);  // not before the new epoch
  outbox_.Clear();
  outbox_.AddUpTo(3);
  Do(uplink_->OnNewEpoch(now_, 18, "another", 3));
  EXPECT_EQ(connects_, 3);
  Do(uplink_->OnConnected(now_));
  EXPECT_EQ(TakeWrite().hello().epoch(), 18u);
  Welcome();
  EXPECT_THAT(TakeAll(), ElementsAre(1, 2, 3));
}

TEST_F(UplinkTest, StartsANewEpochWhenTheGatewayHasWhatWasNeverSent) {
  outbox_.AddUpTo(5);
  Make();
  Rows(7);
  Connect({{1, 9}});  // an older copy of the file: 6 and 7 of today are not those of then
  ASSERT_TRUE(new_epoch_.has_value());
  EXPECT_THAT(new_epoch_->applied.ToVector(), ElementsAre(IntervalSet::Closed{1, 5}));
  EXPECT_TRUE(new_epoch_->lost.empty());
  EXPECT_TRUE(forgotten_.empty());
}

TEST_F(UplinkTest, StartsANewEpochWhenRowsAreGone) {
  outbox_.AddUpTo(5);
  outbox_.Erase(3);
  Make();
  Connect();
  TakeAll();
  ASSERT_TRUE(new_epoch_.has_value());
  EXPECT_THAT(new_epoch_->lost.ToVector(), ElementsAre(IntervalSet::Closed{3, 3}));
}

TEST_F(UplinkTest, AcceptsARestartedGateway) {
  Make();
  Connect();
  Rows(3);
  TakeSeqs();
  End();
  Advance(absl::Seconds(1));
  Connect({{1, 2}});
  EXPECT_FALSE(new_epoch_.has_value());
  EXPECT_THAT(TakeAll(), ElementsAre(3));
}

TEST_F(UplinkTest, EndsTheStreamOfAPeerThatBreaksTheProtocol) {
  auto fresh = [this] {
    written_.reset();
    outbox_.Clear();
    Make();
    Connect();
    Rows(2);
    TakeSeqs();
  };
  pb::SyncResponse response;

  fresh();
  pb::Interval* interval = response.mutable_commit()->add_seqs();
  interval->set_first(1);
  interval->set_last(3);
  EXPECT_THAT(Respond(response), HasSubstr("row 3 which was not sent"));
  EXPECT_FALSE(forgotten_.Contains(1));
  EXPECT_EQ(uplink_->stats().protocol_errors, 1u);

  fresh();
  interval->set_first(2);
  interval->set_last(1);
  EXPECT_THAT(Respond(response), HasSubstr("broke the protocol"));

  fresh();
  response.mutable_rejected()->set_seq(9);
  EXPECT_THAT(Respond(response), HasSubstr("row 9"));

  fresh();
  response.mutable_welcome()->set_max_frame_bytes(1);
  EXPECT_THAT(Respond(response), HasSubstr("a second"));

  fresh();
  response.mutable_credit()->set_bytes(~uint64_t{0});
  EXPECT_THAT(Respond(response), HasSubstr("credit"));
}

TEST_F(UplinkTest, RefusesAnswersBeforeWelcomeAndWelcomesThatMakeNoSense) {
  auto greet = [this] {
    written_.reset();
    Make();
    Do(uplink_->OnConnected(now_));
    TakeWrite();
  };
  pb::SyncResponse response;
  greet();
  response.mutable_commit();
  EXPECT_THAT(Respond(response), HasSubstr("expected Welcome first"));
  greet();
  response.mutable_welcome();
  EXPECT_THAT(Respond(response), HasSubstr("max_frame_bytes"));
  greet();
  response.mutable_welcome()->set_max_frame_bytes(1000);
  response.mutable_welcome()->set_credit_bytes(~uint64_t{0});
  EXPECT_THAT(Respond(response), HasSubstr("credit"));
  greet();
  response.mutable_welcome()->set_credit_bytes(1000);
  response.mutable_welcome()->add_applied();
  EXPECT_THAT(Respond(response), HasSubstr("seq 0"));
  greet();
  response.mutable_welcome()->mutable_applied(0)->set_first(5);
  EXPECT_THAT(Respond(response), HasSubstr("applied set"));
}

TEST_F(UplinkTest, TakesCommitsOfAStreamThatItGaveUp) {
  Make();
  Connect();
  Rows(2);
  TakeSeqs();
  Advance(absl::Seconds(10));
  ASSERT_EQ(uplink_->state(), State::kClosing);
  Commit(1, 2);
  EXPECT_TRUE(uplink_->idle());
}

TEST_F(UplinkTest, MeasuresTheClock) {
  Make();
  Connect();
  EXPECT_EQ(TakeWrite().clock_probe().bridge_time_unix_ns(), 1000);
  wall_ns_ = 1400;
  pb::SyncResponse response;
  response.mutable_clock_reply()->set_bridge_time_unix_ns(1000);
  response.mutable_clock_reply()->set_gateway_time_unix_ns(5200);
  Do(uplink_->OnResponse(now_, response));
  EXPECT_EQ(uplink_->stats().round_trip_ns, 400);
  EXPECT_EQ(uplink_->stats().clock_offset_ns, 4000);
  // Set back in between: not believed.
  wall_ns_ = 900;
  Do(uplink_->OnResponse(now_, response));
  EXPECT_EQ(uplink_->stats().round_trip_ns, 400);
}

TEST_F(UplinkTest, ReportsWithItsMeasurements) {
  Make();
  Connect();
  TakeAll();
  pb::BridgeReport report;
  report.set_outbox_rows(7);
  Do(uplink_->OnReport(now_, report));
  EXPECT_TRUE(TakeWrite().has_clock_probe());
  EXPECT_EQ(TakeWrite().report().outbox_rows(), 7u);
  EXPECT_FALSE(written_.has_value());
}

TEST_F(UplinkTest, PassesOnWhatTheGatewayWants) {
  Make();
  Connect();
  TakeAll();
  pb::SyncResponse response;
  response.mutable_document_wanted()->set_twin("robot");
  Respond(response);
  response.mutable_command()->set_command_id("c1");
  Respond(response);
  response.mutable_sampling_plan();
  Respond(response);
  EXPECT_THAT(documents_, ElementsAre("robot"));
  EXPECT_THAT(commands_, ElementsAre("c1"));
  EXPECT_EQ(uplink_->state(), State::kStreaming);
}

TEST_F(UplinkTest, UsesNoZstdWithAGatewayThatCannotReadIt) {
  outbox_.Add(1, 5000);
  Make();
  Do(uplink_->OnConnected(now_));
  TakeWrite();
  pb::SyncResponse response;
  response.mutable_welcome()->set_max_frame_bytes(1 << 20);
  response.mutable_welcome()->set_credit_bytes(1 << 20);
  response.mutable_welcome()->add_codecs(pb::CODEC_IDENTITY);
  Do(uplink_->OnResponse(now_, response));
  TakeWrite();
  EXPECT_EQ(written_->frames().codec(), pb::CODEC_IDENTITY);
  EXPECT_THAT(TakeSeqs(), ElementsAre(1));
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

TEST_F(UplinkTest, ClosesWhenTheOutboxCannotBeRead) {
  outbox_.AddUpTo(2);
  Make();
  outbox_.error = absl::DataLossError("disk");
  Connect();
  TakeAll();
  EXPECT_EQ(uplink_->state(), State::kClosing);
}

}  // namespace
}  // namespace mvmd
