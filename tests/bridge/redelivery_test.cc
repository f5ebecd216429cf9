#include "bridge/redelivery.h"

#include <string>

#include "gtest/gtest.h"

namespace mvmd {
namespace {

constexpr bool kDup = true;

class RedeliveryFilterTest : public ::testing::Test {
 protected:
  // As Intake does: true when the message is taken in.
  bool Receive(uint16_t packet_id, std::optional<bool> duplicate, absl::string_view payload) {
    const uint32_t digest = RedeliveryFilter::Digest("topic", payload);
    if (filter_.IsRedelivery(packet_id, duplicate, digest)) return false;
    filter_.Take(packet_id, digest, &receipts_);
    return true;
  }

  RedeliveryFilter filter_;
  std::string receipts_;
};

TEST_F(RedeliveryFilterTest, DropsWhatComesAgainAfterAReconnect) {
  filter_.OnConnected(false, &receipts_);
  EXPECT_TRUE(Receive(1, !kDup, "a"));
  EXPECT_TRUE(Receive(2, !kDup, "b"));
  filter_.OnConnected(true, &receipts_);
  EXPECT_TRUE(filter_.window_open());
  EXPECT_FALSE(Receive(1, kDup, "a"));
  EXPECT_FALSE(Receive(2, kDup, "b"));
  EXPECT_TRUE(Receive(3, !kDup, "b"));
}

TEST_F(RedeliveryFilterTest, DropsWhatComesAgainAfterARestart) {
  filter_.OnConnected(false, &receipts_);
  EXPECT_TRUE(Receive(7, !kDup, "a"));
  RedeliveryFilter restarted;
  restarted.Load({receipts_});
  std::string more;
  restarted.OnConnected(true, &more);
  EXPECT_TRUE(restarted.IsRedelivery(7, kDup, RedeliveryFilter::Digest("topic", "a")));
  EXPECT_TRUE(more.empty());
}

TEST_F(RedeliveryFilterTest, TakesEqualValuesPublishedAgain) {
  filter_.OnConnected(false, &receipts_);
  EXPECT_TRUE(Receive(1, !kDup, "21.5"));
  EXPECT_TRUE(Receive(1, !kDup, "21.5"));  // the packet id was used again
  filter_.OnConnected(true, &receipts_);
  EXPECT_TRUE(Receive(1, !kDup, "21.5"));  // and after a reconnect too: DUP is clear
}

TEST_F(RedeliveryFilterTest, TakesARedeliveryThatItNeverHad) {
  filter_.OnConnected(false, &receipts_);
  EXPECT_TRUE(Receive(1, !kDup, "a"));
  filter_.OnConnected(true, &receipts_);
  EXPECT_TRUE(Receive(1, kDup, "b"));  // sent and lost with the connection
  EXPECT_TRUE(Receive(9, kDup, "a"));  // another packet id: another message
}

TEST_F(RedeliveryFilterTest, DropsAPacketIdOnlyOnceAConnection) {
  filter_.OnConnected(false, &receipts_);
  EXPECT_TRUE(Receive(1, !kDup, "a"));
  filter_.OnConnected(true, &receipts_);
  EXPECT_FALSE(Receive(1, kDup, "a"));
  EXPECT_TRUE(Receive(1, kDup, "a"));
  // Lost once more: the PUBACK of the redelivery did not arrive.
  filter_.OnConnected(true, &receipts_);
  EXPECT_FALSE(Receive(1, kDup, "a"));
}

TEST_F(RedeliveryFilterTest, TakesAnUnknownFlagForSet) {
  filter_.OnConnected(false, &receipts_);
  EXPECT_TRUE(Receive(1, std::nullopt, "a"));
  filter_.OnConnected(true, &receipts_);
  EXPECT_FALSE(Receive(1, std::nullopt, "a"));
  EXPECT_TRUE(Receive(1, std::nullopt, "a"));
}

TEST_F(RedeliveryFilterTest, ForgetsWhenTheBrokerDid) {
  filter_.OnConnected(false, &receipts_);
  EXPECT_TRUE(Receive(1, !kDup, "a"));
  filter_.OnConnected(false, &receipts_);
  EXPECT_FALSE(filter_.window_open());
  EXPECT_TRUE(Receive(1, kDup, "a"));
  // The record of it is durable with the next group: a restart does not remember what was before.
  filter_.OnConnected(false, &receipts_);
  RedeliveryFilter restarted;
  restarted.Load({receipts_});
  restarted.OnConnected(true, &receipts_);
  EXPECT_FALSE(restarted.window_open());
}

TEST_F(RedeliveryFilterTest, ClosesItsWindowWhenTheBrokerIsThrough) {
  filter_.OnConnected(false, &receipts_);
  EXPECT_TRUE(Receive(1, !kDup, "a"));
  filter_.OnConnected(true, &receipts_);
  for (int i = 0; i < 999; ++i) Receive(static_cast<uint16_t>(2 + i), !kDup, "x");
  EXPECT_TRUE(filter_.window_open());
  Receive(2000, !kDup, "x");
  EXPECT_FALSE(filter_.window_open());
}

TEST_F(RedeliveryFilterTest, NeedsNoWindowWhenThereIsNothingToRemember) {
  filter_.OnConnected(true, &receipts_);
  EXPECT_FALSE(filter_.window_open());
  EXPECT_TRUE(receipts_.empty());
}

TEST_F(RedeliveryFilterTest, PassesOverReceiptsThatAreNotWhole) {
  filter_.Load({"abc", std::string("\x05\x00\x01", 3), ""});
  filter_.OnConnected(true, &receipts_);
  EXPECT_FALSE(filter_.window_open());
}

TEST_F(RedeliveryFilterTest, TellsTopicFromPayload) {
  EXPECT_NE(RedeliveryFilter::Digest("ab", "c"), RedeliveryFilter::Digest("a", "bc"));
}

}  // namespace
}  // namespace mvmd
