#include "bridge/intake.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "tests/bridge/test_dir.h"
#include "twin/block.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class IntakeTest : public ::testing::Test {
 protected:
  IntakeTest() {
    LocalTwin robot;
    robot.id = "robot";
    robot.has_document = true;
    robot.document = R"({"name":"robot"})";
    robot.sha256 = Sha256(robot.document);
    robot.sensors["temp"] = {.unit = "celsius"};
    robot.sensors["angle"] = {};
    catalog_.Add(robot);
  }

  void Make(const std::string& routes = "routes { topic: 'plant/{m}/{s}' twin: '{m}' sensor: '{s}' qos: 1 }") {
    intake_.reset();
    if (outbox_ == nullptr) {
      absl::StatusOr<std::unique_ptr<Outbox>> outbox = Outbox::Open({.path = dir_.File("outbox.db"), .clock = &clock_});
      ASSERT_TRUE(outbox.ok()) << outbox.status();
      outbox_ = *std::move(outbox);
    }
    pb::BridgeConfig config;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(routes, &config));
    intake_ = std::make_unique<Intake>(
        IntakeOptions{.max_payload_bytes = 1000, .clock = &clock_}, *SensorRouter::Make(config.routes(), &catalog_),
        &catalog_, outbox_.get(), &issues_, [this](uint64_t last_seq, size_t) { told_ = last_seq; },
        [this](uint64_t epoch, std::string, uint64_t last_seq) { new_epochs_.emplace_back(epoch, last_seq); },
        [this](uint64_t, std::string nonce) { nonces_kept_.push_back(std::move(nonce)); });
    ASSERT_TRUE(intake_->Start().ok());
  }
  void Restart() {
    intake_.reset();
    outbox_.reset();
    Make();
  }
  void Publish(absl::string_view topic, absl::string_view payload, uint16_t packet_id = 0,
               std::optional<bool> duplicate = std::nullopt, bool retained = false) {
    intake_->OnMessage({.topic = topic,
                        .payload = payload,
                        .qos = packet_id == 0 ? 0 : 1,
                        .retained = retained,
                        .packet_id = packet_id,
                        .duplicate = duplicate});
  }
  void Commit() { ASSERT_TRUE(intake_->Commit().ok()); }
  std::vector<pb::Frame> Frames() {
    std::vector<OutboxRow> rows;
    EXPECT_TRUE(outbox_->Read(1, outbox_->last_seq(), 1 << 20, &rows).ok());
    std::vector<pb::Frame> frames(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_TRUE(frames[i].ParseFromString(rows[i].frame));
      EXPECT_EQ(frames[i].seq(), rows[i].seq);
    }
    return frames;
  }
  // `sensor=number` of all blocks, in order.
  std::vector<std::string> Samples() {
    std::map<uint32_t, std::string> names;
    std::vector<std::string> samples;
    for (const pb::Frame& frame : Frames()) {
      for (const pb::Binding& binding : frame.bindings().bindings()) {
        names[binding.id()] = absl::StrCat(binding.twin(), "/", binding.sensor());
      }
      if (!frame.has_block()) continue;
      DecodedBlock block;
      EXPECT_TRUE(DecodeBlock(frame.block(), &block).ok());
      for (const DecodedBlock::Run& run : block.runs) {
        for (uint32_t i = run.begin; i < run.begin + run.count; ++i) {
          samples.push_back(absl::StrCat(names[run.binding], "=", block.numbers[i]));
        }
      }
    }
    return samples;
  }
  std::string Reasons() {
    std::string reasons;
    for (const auto& [reason, count] : issues_.CountsByReason()) absl::StrAppend(&reasons, reason, ":", count, " ");
    return reasons;
  }

  TestDir dir_;
  FakeClock clock_{1700000000000000000};
  TwinCatalog catalog_;
  IssueLog issues_{&clock_};
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<Intake> intake_;
  uint64_t told_ = 0;
  std::vector<std::pair<uint64_t, uint64_t>> new_epochs_;
  std::vector<std::string> nonces_kept_;
};

TEST_F(IntakeTest, MakesOneBlockOfAGroup) {
  Make();
  ASSERT_THAT(Frames(), SizeIs(1));  // the document
  EXPECT_EQ(Frames()[0].document_chunk().data(), R"({"name":"robot"})");
  Publish("plant/robot/temp", "20.5", 1);
  Publish("plant/robot/angle", R"({"value":3})", 2);
  Publish("plant/robot/temp", "21", 3);
  EXPECT_EQ(told_, 1u);
  Commit();
  EXPECT_EQ(told_, 3u);
  EXPECT_THAT(Frames(), SizeIs(3));
  EXPECT_THAT(Samples(), ElementsAre("robot/temp=20.5", "robot/temp=21", "robot/angle=3"));
  // Bound once.
  Publish("plant/robot/temp", "22", 4);
  Commit();
  EXPECT_THAT(Frames(), SizeIs(4));
}

TEST_F(IntakeTest, KeepsBindingsAndDocumentsAfterARestart) {
  Make();
  Publish("plant/robot/temp", "1", 1);
  Commit();
  Restart();
  Publish("plant/robot/temp", "2", 2);
  Commit();
  // Document, bindings, two blocks: neither is sent again.
  EXPECT_THAT(Frames(), SizeIs(4));
  EXPECT_THAT(Samples(), ElementsAre("robot/temp=1", "robot/temp=2"));
}

TEST_F(IntakeTest, RefusesOneMessageAndHarmsNoOther) {
  Make();
  Publish("plant/robot/temp", "1", 1);
  Publish("plant/robot/temp", "{broken", 2);
  Publish("elsewhere", "1", 3);
  Publish("plant/nobody/temp", "1", 4);
  Publish("plant/robot/nothing", "1", 5);
  Publish("plant/robot/temp", R"({"value":1,"unit":"F"})", 6);
  Publish("plant/robot/temp", std::string(1001, ' '), 7);
  Publish("plant/robot/temp", "", 8);
  Publish("plant/robot/temp", absl::StrCat("{\"value\":\"", std::string(990, 'x'), "\"}"), 9);
  Publish("plant/robot/temp", "2", 10);
  Commit();
  EXPECT_THAT(Samples(), ElementsAre("robot/temp=1", "robot/temp=2"));
  EXPECT_EQ(Reasons(),
            "DECODE_FAILED:1 PAYLOAD_TOO_LARGE:2 UNIT_MISMATCH:1 UNKNOWN_SENSOR:1 UNKNOWN_TOPIC:1 UNKNOWN_TWIN:1 ");
  EXPECT_EQ(intake_->stats().messages, 10u);
}

TEST_F(IntakeTest, RecordsAGapForWhatItCannotRead) {
  Make();
  Publish("plant/robot/temp", "{broken", 1);
  Publish("plant/robot/temp", R"({"value":1,"unit":"F"})", 2);
  Publish("plant/robot/temp", std::string(1001, ' '), 3);
  Publish("elsewhere", "{broken", 4);
  Publish("plant/nobody/temp", "{broken", 5);
  Publish("plant/robot/nothing", "{broken", 6);
  Commit();
  const std::vector<pb::Frame> frames = Frames();
  ASSERT_THAT(frames, SizeIs(2)) << "the document and one gap: the others are nothing of a twin";
  EXPECT_EQ(frames[1].gap().twin(), "robot");
  EXPECT_EQ(frames[1].gap().sensor(), "temp");
  EXPECT_EQ(frames[1].gap().count(), 3u);
  EXPECT_EQ(frames[1].gap().reason(), pb::Gap::REASON_UNREADABLE);
  EXPECT_EQ(frames[1].gap().start_time_unix_ns(), clock_.UnixNanos());
  EXPECT_EQ(outbox_->gap_counts().count(pb::Gap::REASON_UNREADABLE), 1u);
}

TEST_F(IntakeTest, RecordsAGapOfTheTwinWhenTheMessageWouldHaveNamedTheSensor) {
  Make(
      "routes { topic: 'plant/{m}' twin: '{m}' sensor: '{reading}' qos: 1"
      "  json { readings { each: '/values' value: '/v' name: '/n' } } }");
  Publish("plant/robot", "{broken", 1);
  Publish("plant/robot", R"({"values":[{"n":"angle","v":{}}]})", 2);
  Commit();
  const std::vector<pb::Frame> frames = Frames();
  ASSERT_THAT(frames, SizeIs(3));
  EXPECT_EQ(frames[1].gap().sensor(), "");
  EXPECT_EQ(frames[2].gap().sensor(), "angle");
}

TEST_F(IntakeTest, KeepsTheNonceOfItsEpochOnly) {
  Make();
  intake_->KeepNonce(outbox_->epoch(), "0123456789abcdef");
  intake_->KeepNonce(outbox_->epoch() + 1, "fedcba9876543210");
  ASSERT_TRUE(intake_->OnIdle().ok());
  EXPECT_EQ(outbox_->nonce(), "0123456789abcdef");
  EXPECT_THAT(nonces_kept_, ElementsAre("0123456789abcdef"));
}

TEST_F(IntakeTest, RefusesOneReadingAndHarmsNoOther) {
  Make(
      "routes { topic: 'plant/{m}' twin: '{m}' sensor: '{reading}' qos: 1"
      "  json { readings { each: '/values' value: '/v' name: '/n' } } }");
  Publish("plant/robot", R"({"values":[{"n":"temp","v":1},{"n":"angle","v":{}},{"v":2},{"n":"angle","v":3}]})", 1);
  std::string many = R"({"values":[{"n":"temp","v":4})";
  for (int i = 0; i < 40; ++i) many += R"(,{"v":5})";
  Publish("plant/robot", many + "]}", 2);
  Commit();
  EXPECT_THAT(Samples(), ElementsAre("robot/temp=1", "robot/temp=4", "robot/angle=3"));
  EXPECT_EQ(Reasons(), "BAD_READING:19 ");
  pb::BridgeReport report;
  issues_.Report(&report);
  ASSERT_EQ(report.issues_size(), 2);
  for (const pb::Issue& issue : report.issues()) {
    EXPECT_EQ(issue.topic(), "plant/robot");
    if (issue.sensor().empty()) {
      EXPECT_EQ(issue.count(), 18u);
      EXPECT_EQ(issue.message(), "/values/16/n: expected a name (text)");
    } else {
      EXPECT_EQ(issue.twin(), "robot");
      EXPECT_EQ(issue.sensor(), "angle");
      EXPECT_EQ(issue.message(), "/values/1/v: expected a number, boolean or text, got an object");
    }
  }
}

TEST_F(IntakeTest, ReportsWhatTheOutboxLost) {
  Make();
  Restart();
  EXPECT_EQ(Reasons(), "");
  intake_.reset();
  outbox_.reset();
  std::filesystem::remove(dir_.File("outbox.db"));
  Make();
  EXPECT_EQ(Reasons(), "OUTBOX_ROWS_LOST:1 ");
}

TEST_F(IntakeTest, MakesAGroupOfRefusedMessagesDurableToo) {
  Make();
  const uint64_t before = outbox_->last_seq();
  Publish("elsewhere", "{broken", 2);
  Commit();
  EXPECT_EQ(outbox_->last_seq(), before);  // no row: it is nothing of a twin
  Restart();
  intake_->OnConnected(true);
  EXPECT_TRUE(intake_->WantsDuplicateFlags());  // but a receipt
}

TEST_F(IntakeTest, DropsRedeliveriesAfterARestart) {
  Make();
  intake_->OnConnected(false);
  Publish("plant/robot/temp", "1", 7);
  Commit();
  Restart();
  intake_->OnConnected(true);
  Publish("plant/robot/temp", "1", 7, true);
  Publish("plant/robot/temp", "1", 8, false);
  Commit();
  EXPECT_THAT(Samples(), ElementsAre("robot/temp=1", "robot/temp=1"));
  EXPECT_EQ(intake_->stats().redeliveries, 1u);
}

TEST_F(IntakeTest, TakesARetainedMessageOnceOrNot) {
  Make(
      "routes { topic: 'a/{s}' twin: 'robot' sensor: 'temp' retained: 'accept' }"
      "routes { topic: 'b/{s}' twin: 'robot' sensor: 'temp' retained: 'ignore' }");
  for (int i = 0; i < 3; ++i) {
    Publish("a/x", "1", 1, std::nullopt, /*retained=*/true);
    Publish("b/x", "2", 2, std::nullopt, /*retained=*/true);
  }
  Publish("a/x", "3", 3, std::nullopt, /*retained=*/true);
  Publish("b/x", "4", 4);
  Commit();
  EXPECT_THAT(Samples(), ElementsAre("robot/temp=1", "robot/temp=3", "robot/temp=4"));
  EXPECT_EQ(intake_->stats().retained_ignored, 5u);
}

TEST_F(IntakeTest, SubscribesOncePerSession) {
  Make();
  MqttSink::Subscriptions wanted = intake_->OnConnected(false);
  ASSERT_THAT(wanted.subscribe, SizeIs(1));
  EXPECT_EQ(wanted.subscribe[0].filter, "plant/+/+");
  intake_->OnSubscribed();
  ASSERT_TRUE(intake_->OnIdle().ok());
  EXPECT_THAT(intake_->OnConnected(true).subscribe, IsEmpty());
  // Known to the file: the next life does not subscribe either, but unsubscribes what is no longer wanted.
  Restart();
  EXPECT_THAT(intake_->OnConnected(true).subscribe, IsEmpty());
  Make("routes { topic: 'other/{m}/{s}' twin: '{m}' sensor: '{s}' qos: 1 }");
  wanted = intake_->OnConnected(true);
  EXPECT_THAT(wanted.subscribe, SizeIs(1));
  EXPECT_THAT(wanted.unsubscribe, ElementsAre("plant/+/+"));
  EXPECT_THAT(intake_->OnConnected(false).unsubscribe, IsEmpty());
}

TEST_F(IntakeTest, SendsADocumentAgainWhenAsked) {
  Make();
  intake_->SendDocument("robot");
  intake_->SendDocument("unknown");
  ASSERT_TRUE(intake_->OnIdle().ok());
  EXPECT_THAT(Frames(), SizeIs(2));
  EXPECT_TRUE(Frames()[1].has_document_chunk());
}

TEST_F(IntakeTest, AnswersCommands) {
  Make();
  pb::CommandResult result;
  result.set_command_id("c");
  intake_->SendCommandResult(result);
  ASSERT_TRUE(intake_->OnIdle().ok());
  EXPECT_EQ(Frames().back().command_result().command_id(), "c");
}

TEST_F(IntakeTest, StartsANewEpochWithDocumentsAndBindings) {
  Make();
  Publish("plant/robot/temp", "1", 1);
  Commit();
  const uint64_t epoch = outbox_->epoch();
  IntervalSet applied;
  applied.Add(1, 3);
  intake_->StartNewEpoch(applied, {});
  ASSERT_TRUE(intake_->OnIdle().ok());
  ASSERT_THAT(new_epochs_, SizeIs(1));
  EXPECT_GT(new_epochs_[0].first, epoch);
  Publish("plant/robot/temp", "2", 2);
  Commit();
  EXPECT_THAT(Samples(), ElementsAre("robot/temp=2"));
  EXPECT_TRUE(Frames()[0].has_bindings());
  EXPECT_TRUE(Frames()[1].has_gap());
  EXPECT_TRUE(Frames()[2].has_document_chunk());
}

}  // namespace
}  // namespace mvmd
