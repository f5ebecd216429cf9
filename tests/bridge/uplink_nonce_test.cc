// How an outbox shows that it is not an old copy, and rows that gave way to gaps.
#include "gmock/gmock.h"
#include "tests/bridge/uplink_fixture.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kNonce[] = "nonce-of-16-byte";

class UplinkNonceTest : public UplinkTest {
 protected:
  // Connects up to Welcome; its nonce, and what it says of the outbox.
  pb::Hello Greet(const std::string& nonce, bool stale = false, std::vector<IntervalSet::Closed> applied = {}) {
    Do(uplink_->OnConnected(now_));
    const pb::Hello hello = TakeWrite().hello();
    pb::SyncResponse response;
    pb::Welcome* welcome = response.mutable_welcome();
    welcome->set_session(5);
    welcome->set_max_frame_bytes(1 << 20);
    welcome->set_credit_bytes(4 << 20);
    welcome->add_codecs(pb::CODEC_ZSTD);
    welcome->set_nonce(nonce);
    welcome->set_outbox_is_stale(stale);
    for (const auto& [first, last] : applied) {
      welcome->add_applied()->set_first(first);
      welcome->mutable_applied()->rbegin()->set_last(last);
    }
    UplinkActions actions = uplink_->OnResponse(now_, response);
    for (const UplinkAction& action : actions) {
      if (const auto* keep = std::get_if<UplinkKeepNonce>(&action)) kept_.push_back(keep->nonce);
    }
    Do(std::move(actions));
    return hello;
  }

  std::vector<std::string> kept_;
};

TEST_F(UplinkNonceTest, SendsNoFramesBeforeTheNonceIsKept) {
  outbox_.AddUpTo(3);
  Make();
  const pb::Hello hello = Greet(kNonce);
  EXPECT_EQ(hello.nonce(), "");
  EXPECT_TRUE(hello.keeps_nonce());
  ASSERT_THAT(kept_, ElementsAre(kNonce));
  EXPECT_THAT(TakeAll(), IsEmpty());
  Do(uplink_->OnNonceKept(now_, 17, kNonce));
  EXPECT_THAT(TakeAll(), ElementsAre(1, 2, 3));
}

TEST_F(UplinkNonceTest, PresentsWhatItKept) {
  UplinkOptions options = Options();
  options.nonce = "an older nonce16";
  Make(options);
  EXPECT_EQ(Greet(kNonce).nonce(), "an older nonce16");
  Do(uplink_->OnNonceKept(now_, 17, kNonce));
  End();
  Advance(absl::Seconds(1));
  EXPECT_EQ(Greet("the next one 16b").nonce(), kNonce);
}

TEST_F(UplinkNonceTest, DoesNotConnectWhileANonceIsBeingKept) {
  Make();
  Greet(kNonce);
  End();
  const int connects = connects_;
  Advance(absl::Seconds(60));
  EXPECT_EQ(connects_, connects) << "what it would present may be old in a moment";
  Do(uplink_->OnNonceKept(now_, 17, kNonce));
  EXPECT_EQ(connects_, connects + 1);
  EXPECT_EQ(Greet("the next one 16b").nonce(), kNonce);
}

TEST_F(UplinkNonceTest, AGatewayWithoutNoncesIsServedAtOnce) {
  outbox_.AddUpTo(2);
  Make();
  Greet("");
  EXPECT_THAT(kept_, IsEmpty());
  EXPECT_THAT(TakeAll(), ElementsAre(1, 2));
}

TEST_F(UplinkNonceTest, AnOldCopyStartsANewEpochWithoutWhatWasThereBeforeTheCopy) {
  outbox_.AddUpTo(120);
  UplinkOptions options = Options();
  options.nonce = kNonce;
  options.nonce_seq = 100;
  Make(options);
  Greet("", /*stale=*/true, {{1, 90}, {95, 200}});
  ASSERT_TRUE(new_epoch_.has_value());
  EXPECT_TRUE(new_epoch_->applied.ContainsAll(1, 90));
  EXPECT_TRUE(new_epoch_->applied.ContainsAll(95, 100));
  EXPECT_FALSE(new_epoch_->applied.Contains(101)) << "the other outbox gave this number to something else";
  EXPECT_FALSE(new_epoch_->applied.Contains(92));
  EXPECT_TRUE(new_epoch_->lost.empty());
  EXPECT_TRUE(closed_.has_value());
  EXPECT_THAT(TakeAll(), IsEmpty());

  End();
  outbox_.Clear();
  outbox_.AddUpTo(5);
  Do(uplink_->OnNewEpoch(now_, 18, "fedcba9876543210", 5));
  Advance(absl::Seconds(60));
  const pb::Hello hello = Greet("the first of 16b");
  EXPECT_EQ(hello.epoch(), 18u);
  EXPECT_EQ(hello.nonce(), "") << "which is of the other epoch";
}

TEST_F(UplinkNonceTest, AGatewayThatWasRestoredLacksRowsThatItHad) {
  for (uint64_t seq = 80; seq <= 120; ++seq) outbox_.Add(seq);
  UplinkOptions options = Options();
  options.nonce = kNonce;
  options.nonce_seq = 120;
  Make(options);
  Greet("", /*stale=*/true, {{1, 60}});
  ASSERT_TRUE(new_epoch_.has_value());
  EXPECT_TRUE(new_epoch_->lost.ContainsAll(61, 79)) << "not in the outbox any more";
  EXPECT_EQ(new_epoch_->lost.Count(), 19u);
}

TEST_F(UplinkNonceTest, TheOneThatWasServedKnowsItsOwnRows) {
  Make();
  Greet(kNonce);
  Do(uplink_->OnNonceKept(now_, 17, kNonce));
  Rows(10);
  EXPECT_THAT(TakeAll().size(), 10u);
  Commit(1, 6);
  End();
  Advance(absl::Seconds(1));
  Greet("", /*stale=*/true, {{1, 50}});
  ASSERT_TRUE(new_epoch_.has_value());
  EXPECT_TRUE(new_epoch_->applied.ContainsAll(1, 6));
  EXPECT_FALSE(new_epoch_->applied.Contains(7)) << "nobody told that it came, and it may be the copy's";
}

TEST_F(UplinkNonceTest, RowsThatAGapCoversGoWithIt) {
  outbox_.AddUpTo(3);
  pb::Frame frame;
  frame.set_seq(9);
  frame.mutable_gap()->add_covered()->set_first(4);
  frame.mutable_gap()->mutable_covered(0)->set_last(8);
  outbox_.AddFrame(frame);
  outbox_.Add(10);
  outbox_.covered.Add(4, 8);
  Make();
  Connect();
  EXPECT_THAT(TakeAll(), ElementsAre(1, 2, 3, 9, 10));
  EXPECT_FALSE(new_epoch_.has_value());
  EXPECT_FALSE(uplink_->idle());
  Commit(1, 10);
  EXPECT_FALSE(closed_.has_value()) << "they are in flight with the gap";
  EXPECT_TRUE(forgotten_.ContainsAll(4, 8));
  EXPECT_TRUE(uplink_->idle());
}

TEST_F(UplinkNonceTest, RowsBeforeTheFirstThatAGapCoversAreNotLost) {
  pb::Frame frame;
  frame.set_seq(9);
  frame.mutable_gap()->add_covered()->set_first(1);
  frame.mutable_gap()->mutable_covered(0)->set_last(8);
  outbox_.AddFrame(frame);
  outbox_.covered.Add(1, 8);
  Make();
  Connect();
  EXPECT_FALSE(new_epoch_.has_value());
  EXPECT_THAT(TakeAll(), ElementsAre(9));
}

TEST_F(UplinkNonceTest, ABacklogIsPaced) {
  for (uint64_t seq = 1; seq <= 400; ++seq) outbox_.Add(seq, 5000);
  UplinkOptions options = Options();
  options.max_message_bytes = 64 << 10;
  options.backfill_bytes_per_second = 256 << 10;
  Make(options);
  Connect({}, 64 << 20);
  size_t first = TakeAll().size();
  const size_t live = 64;
  EXPECT_GE(first, live) << "the newest are not held back";
  EXPECT_LT(first, live + 60);
  size_t sent = 0;
  for (int i = 0; i < 20; ++i) {
    Advance(absl::Milliseconds(100));
    sent += TakeAll().size();
  }
  // Two seconds at the rate are about 100 rows of 5 kB.
  EXPECT_GT(sent, 80u);
  EXPECT_LT(sent, 130u);
}

}  // namespace
}  // namespace mvmd
