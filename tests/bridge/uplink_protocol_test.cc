// The uplink and a gateway that refuses, leaves, forgets or breaks the rules.
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
using ::testing::SizeIs;
using State = Uplink::State;

class UplinkProtocolTest : public UplinkTest {};

TEST_F(UplinkProtocolTest, SetsRejectedRowsAside) {
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

TEST_F(UplinkProtocolTest, PutsAGapInPlaceOfADamagedRow) {
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

// With a Gap in its place, every later block of its bindings would be refused.
TEST_F(UplinkProtocolTest, StartsANewEpochForADamagedDeclaration) {
  outbox_.AddUpTo(1);
  outbox_.Add(2, 20, /*declaration=*/true);
  outbox_.AddUpTo(3);
  outbox_.Damage(2);
  Make();
  Connect({{1, 1}});
  while (written_.has_value() && written_->has_clock_probe()) TakeWrite();
  EXPECT_THAT(damaged_, ElementsAre(2));
  ASSERT_TRUE(new_epoch_.has_value());
  EXPECT_TRUE(new_epoch_->applied.Contains(1));
  EXPECT_FALSE(new_epoch_->applied.Contains(3)) << "it is sent anew";
}

TEST_F(UplinkProtocolTest, StartsANewEpochOnlyWhenItKnowsWhatTheGatewayHas) {
  outbox_.AddUpTo(1);
  Make();
  Connect();
  TakeSeqs();
  outbox_.Add(2, 20, /*declaration=*/true);
  outbox_.Damage(2);
  Do(uplink_->OnRowsAvailable(now_, 2, 20));
  EXPECT_FALSE(new_epoch_.has_value()) << "row 1 is under way: numbered anew it might be applied twice";
  EXPECT_EQ(uplink_->state(), State::kClosing);
  End(absl::CancelledError(""));
  Advance(absl::Seconds(10));
  Connect({{1, 1}});
  ASSERT_TRUE(new_epoch_.has_value());
  EXPECT_TRUE(new_epoch_->applied.Contains(1));
}

TEST_F(UplinkProtocolTest, PutsAGapInPlaceOfARowThatIsTooLarge) {
  outbox_.Add(1, 2 << 20);
  Make();
  Connect();
  while (written_->has_clock_probe()) TakeWrite();
  EXPECT_EQ(Frames(TakeWrite()).at(0).gap().reason(), pb::Gap::REASON_REJECTED);
  EXPECT_THAT(rejected_, ElementsAre(1));
}

TEST_F(UplinkProtocolTest, DrainsAndComesBackSoon) {
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

TEST_F(UplinkProtocolTest, LeavesWhenTheGraceOfADrainIsOver) {
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

TEST_F(UplinkProtocolTest, StartsANewEpochWhenTheGatewayLacksWhatItHad) {
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

TEST_F(UplinkProtocolTest, StartsANewEpochWhenTheGatewayHasWhatWasNeverSent) {
  outbox_.AddUpTo(5);
  Make();
  Rows(7);
  Connect({{1, 9}});  // an older copy of the file: 6 and 7 of today are not those of then
  ASSERT_TRUE(new_epoch_.has_value());
  EXPECT_THAT(new_epoch_->applied.ToVector(), ElementsAre(IntervalSet::Closed{1, 5}));
  EXPECT_TRUE(new_epoch_->lost.empty());
  EXPECT_TRUE(forgotten_.empty());
}

TEST_F(UplinkProtocolTest, StartsANewEpochWhenRowsAreGone) {
  outbox_.AddUpTo(5);
  outbox_.Erase(3);
  Make();
  Connect();
  TakeAll();
  ASSERT_TRUE(new_epoch_.has_value());
  EXPECT_THAT(new_epoch_->lost.ToVector(), ElementsAre(IntervalSet::Closed{3, 3}));
}

TEST_F(UplinkProtocolTest, AcceptsARestartedGateway) {
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

TEST_F(UplinkProtocolTest, EndsTheStreamOfAPeerThatBreaksTheProtocol) {
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

TEST_F(UplinkProtocolTest, RefusesAnswersBeforeWelcomeAndWelcomesThatMakeNoSense) {
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

TEST_F(UplinkProtocolTest, TakesCommitsOfAStreamThatItGaveUp) {
  Make();
  Connect();
  Rows(2);
  TakeSeqs();
  Advance(absl::Seconds(10));
  ASSERT_EQ(uplink_->state(), State::kClosing);
  Commit(1, 2);
  EXPECT_TRUE(uplink_->idle());
}

TEST_F(UplinkProtocolTest, MeasuresTheClock) {
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

TEST_F(UplinkProtocolTest, ReportsWithItsMeasurements) {
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

TEST_F(UplinkProtocolTest, PassesOnWhatTheGatewayWants) {
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

TEST_F(UplinkProtocolTest, UsesNoZstdWithAGatewayThatCannotReadIt) {
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

TEST_F(UplinkProtocolTest, ClosesWhenTheOutboxCannotBeRead) {
  outbox_.AddUpTo(2);
  Make();
  outbox_.error = absl::DataLossError("disk");
  Connect();
  TakeAll();
  EXPECT_EQ(uplink_->state(), State::kClosing);
}

}  // namespace
}  // namespace mvmd
