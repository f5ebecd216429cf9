#include "gateway/bridge_session.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/status_proto.h"
#include "twin/block.h"
#include "twin/frame_group.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kBridge[] = "spiffe://plant.example/bridge/robots";
constexpr uint64_t kSession = 7;
constexpr uint64_t kCredit = 4000;
constexpr int64_t kLinger = 100'000'000;
constexpr int64_t kStart = 1'700'000'000'000'000'000;

pb::Frame BlockFrame(uint64_t seq, int samples = 1) {
  pb::Frame frame;
  frame.set_seq(seq);
  std::vector<Sample> column;
  for (int i = 0; i < samples; ++i) column.push_back({.binding = 1, .time_unix_ns = kStart + i, .value = 1.5 * i});
  EncodeBlock(column, frame.mutable_block());
  return frame;
}

pb::Frame BindingsFrame(uint64_t seq, const std::string& twin, uint32_t id = 1) {
  pb::Frame frame;
  frame.set_seq(seq);
  pb::Binding* binding = frame.mutable_bindings()->add_bindings();
  binding->set_id(id);
  binding->set_twin(twin);
  binding->set_sensor("temperature");
  return frame;
}

pb::Frame ChunkFrame(uint64_t seq, const std::string& twin) {
  pb::Frame frame;
  frame.set_seq(seq);
  pb::DocumentChunk* chunk = frame.mutable_document_chunk();
  chunk->set_twin(twin);
  chunk->set_sha256(std::string(32, 'x'));
  chunk->set_total_bytes(2);
  chunk->set_data("{}");
  return frame;
}

pb::Frame GapFrame(uint64_t seq, const std::string& twin) {
  pb::Frame frame;
  frame.set_seq(seq);
  frame.mutable_gap()->set_twin(twin);
  frame.mutable_gap()->set_reason(pb::Gap::REASON_SOURCE);
  return frame;
}

// Not compressed, so that the size of the data can be foreseen.
pb::SyncRequest Frames(const std::vector<pb::Frame>& frames) {
  std::string batch;
  for (const pb::Frame& frame : frames) AppendFrame(frame.SerializeAsString(), &batch);
  pb::SyncRequest request;
  pb::FrameGroup* group = request.mutable_frames();
  group->set_codec(pb::CODEC_IDENTITY);
  group->set_lane(pb::LANE_LIVE);
  group->set_raw_bytes(static_cast<uint32_t>(batch.size()));
  group->set_data(batch);
  return request;
}

pb::SyncRequest ValidHello() {
  pb::SyncRequest request;
  pb::Hello* hello = request.mutable_hello();
  hello->set_protocol_version(1);
  hello->set_epoch(42);
  hello->set_outbox_id(std::string(16, 'o'));
  hello->mutable_seqs()->set_first(1);
  hello->mutable_seqs()->set_last(10);
  hello->add_codecs(pb::CODEC_ZSTD);
  hello->set_software_version("0.1.0");
  return request;
}

ApplyResult Applied(uint64_t first, uint64_t last, uint64_t revision = 8) {
  ApplyResult result;
  result.revision = revision;
  result.applied.Add(first, last);
  return result;
}

class BridgeSessionTest : public ::testing::Test {
 protected:
  using Append = BridgeSession::Append;
  using Finish = BridgeSession::Finish;

  BridgeSessionTest()
      : session_(Options(), [this](absl::string_view twin) { return allowed_.contains(std::string(twin)); }) {}

  static BridgeSessionOptions Options() {
    BridgeSessionOptions options;
    options.credit_bytes = kCredit;
    options.commit_linger_ns = kLinger;
    options.bridge = kBridge;
    options.peer = "ipv4:127.0.0.1:5";
    return options;
  }

  // Runs one event and sorts what it asked for.
  void Do(const std::function<void(std::vector<BridgeSession::Action>*)>& event) {
    std::vector<BridgeSession::Action> actions;
    event(&actions);
    sent_.clear();
    appended_.clear();
    finished_.reset();
    for (BridgeSession::Action& action : actions) {
      ASSERT_FALSE(finished_.has_value()) << "nothing may follow Finish";
      if (auto* send = std::get_if<BridgeSession::Send>(&action)) sent_.push_back(send->response);
      if (auto* append = std::get_if<Append>(&action)) appended_.push_back(std::move(*append));
      if (auto* finish = std::get_if<Finish>(&action)) finished_ = finish->status;
      if (auto* timer = std::get_if<BridgeSession::SetTimer>(&action)) timer_ = timer->unix_ns;
    }
  }
  void Request(const pb::SyncRequest& request) {
    Do([&](auto* actions) { session_.OnRequest(request, now_, actions); });
  }
  void Apply(uint64_t tag, const ApplyResult& result) {
    Do([&](auto* actions) { session_.OnApplied(tag, result, now_, actions); });
  }
  void Timer() {
    Do([&](auto* actions) { session_.OnTimer(now_, actions); });
  }
  void Gone() {
    Do([&](auto* actions) { session_.OnPeerGone("cancelled", actions); });
  }

  void Open() {
    Request(ValidHello());
    ASSERT_THAT(appended_, SizeIs(1));
    ApplyResult result;
    result.revision = kSession;
    result.applied.Add(1, 3);
    Apply(appended_[0].tag, result);
    ASSERT_THAT(sent_, SizeIs(1));
    ASSERT_TRUE(sent_[0].has_welcome());
  }
  // Sends frames and returns the tag of their entry.
  uint64_t SendFrames(const std::vector<pb::Frame>& frames) {
    Request(Frames(frames));
    EXPECT_THAT(appended_, SizeIs(1));
    return appended_.empty() ? 0 : appended_[0].tag;
  }

  std::set<std::string> allowed_ = {"twin-1"};
  BridgeSession session_;
  int64_t now_ = kStart;
  std::vector<pb::SyncResponse> sent_;
  std::vector<Append> appended_;
  std::optional<absl::Status> finished_;
  int64_t timer_ = 0;
};

TEST_F(BridgeSessionTest, OpensTheSessionInTheLogBeforeItWelcomes) {
  Request(ValidHello());

  EXPECT_THAT(sent_, IsEmpty());
  ASSERT_THAT(appended_, SizeIs(1));
  const pb::SessionOpened& opened = appended_[0].entry.session_opened();
  EXPECT_EQ(opened.bridge(), kBridge);
  EXPECT_EQ(opened.epoch(), 42u);
  EXPECT_EQ(opened.outbox_id(), std::string(16, 'o'));
  EXPECT_EQ(opened.seqs().last(), 10u);
  EXPECT_EQ(opened.software_version(), "0.1.0");
  EXPECT_EQ(opened.peer(), "ipv4:127.0.0.1:5");
  EXPECT_EQ(session_.session(), 0u);
}

TEST_F(BridgeSessionTest, WelcomesWithWhatIsAppliedWhenTheSessionIsOpen) {
  Request(ValidHello());
  ApplyResult result;
  result.revision = kSession;
  result.applied.Add(1, 3);
  result.applied.Add(5, 5);
  now_ += 17;

  Apply(appended_[0].tag, result);

  ASSERT_THAT(sent_, SizeIs(1));
  const pb::Welcome& welcome = sent_[0].welcome();
  EXPECT_EQ(welcome.session(), kSession);
  ASSERT_EQ(welcome.applied_size(), 2);
  EXPECT_EQ(welcome.applied(1).first(), 5u);
  EXPECT_EQ(welcome.max_frame_bytes(), 1u << 20);
  EXPECT_EQ(welcome.credit_bytes(), kCredit);
  EXPECT_EQ(welcome.time_unix_ns(), kStart + 17);
  EXPECT_THAT(welcome.codecs(), ElementsAre(pb::CODEC_ZSTD, pb::CODEC_IDENTITY));
  EXPECT_EQ(session_.session(), kSession);
}

TEST_F(BridgeSessionTest, EndsAStreamThatDoesNotSayHello) {
  Do([&](auto* actions) { session_.OnStart(now_, actions); });
  EXPECT_EQ(timer_, kStart + kHelloTimeoutNs);
  now_ = timer_;
  Timer();
  ASSERT_TRUE(finished_.has_value());
  EXPECT_EQ(finished_->code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(BridgeSessionTest, SayingHelloInTimeIsEnough) {
  Do([&](auto* actions) { session_.OnStart(now_, actions); });
  Request(ValidHello());
  now_ = timer_;
  Timer();  // the log may take its time
  EXPECT_FALSE(finished_.has_value());
}

TEST_F(BridgeSessionTest, AcceptsAnEmptyOutbox) {
  pb::SyncRequest hello = ValidHello();
  hello.mutable_hello()->clear_seqs();
  Request(hello);
  EXPECT_THAT(appended_, SizeIs(1));
}

struct Violation {
  const char* name;
  bool open;  // in an open session, else as the first request
  std::function<void(pb::SyncRequest*)> change;
  const char* violation;
  const char* message;
};

class BridgeSessionViolationTest : public BridgeSessionTest, public ::testing::WithParamInterface<Violation> {};

TEST_P(BridgeSessionViolationTest, EndsTheStreamWithItsReason) {
  if (GetParam().open) Open();
  pb::SyncRequest request = GetParam().open ? Frames({BlockFrame(4)}) : ValidHello();
  GetParam().change(&request);

  Request(request);

  ASSERT_TRUE(finished_.has_value());
  EXPECT_EQ(finished_->code(), absl::StatusCode::kInvalidArgument);
  if (std::string(GetParam().violation) == "GROUP_INVALID") {
    EXPECT_EQ(ReasonOf(*finished_), "GROUP_INVALID");
  } else {
    EXPECT_EQ(ReasonOf(*finished_), "PROTOCOL_VIOLATION");
    EXPECT_EQ(MetadataOf(*finished_)["violation"], GetParam().violation);
  }
  EXPECT_THAT(std::string(finished_->message()), HasSubstr(GetParam().message));
  EXPECT_THAT(sent_, IsEmpty());
  EXPECT_THAT(appended_, IsEmpty());

  Request(ValidHello());
  EXPECT_THAT(appended_, IsEmpty()) << "a closed session takes nothing";
  EXPECT_FALSE(finished_.has_value()) << "and finishes once";
}

INSTANTIATE_TEST_SUITE_P(
    Protocol, BridgeSessionViolationTest,
    ::testing::Values(
        Violation{"FirstIsFrames", false, [](auto* r) { *r = Frames({BlockFrame(1)}); }, "HELLO_EXPECTED", "first request"},
        Violation{"FirstIsProbe", false, [](auto* r) { r->mutable_clock_probe(); }, "HELLO_EXPECTED", "first request"},
        Violation{"FirstIsReport", false, [](auto* r) { r->mutable_report(); }, "HELLO_EXPECTED", "first request"},
        Violation{"FirstIsEmpty", false, [](auto* r) { r->Clear(); }, "MESSAGE_UNKNOWN", "none of"},
        Violation{"VersionNought", false, [](auto* r) { r->mutable_hello()->set_protocol_version(0); },
                  "PROTOCOL_VERSION_UNSUPPORTED", "expected 1, got 0"},
        Violation{"VersionNext", false, [](auto* r) { r->mutable_hello()->set_protocol_version(2); },
                  "PROTOCOL_VERSION_UNSUPPORTED", "expected 1, got 2"},
        Violation{"NoEpoch", false, [](auto* r) { r->mutable_hello()->set_epoch(0); }, "HELLO_INVALID", "hello.epoch"},
        Violation{"NoOutboxId", false, [](auto* r) { r->mutable_hello()->clear_outbox_id(); }, "HELLO_INVALID",
                  "expected 16 bytes, got 0"},
        Violation{"LongOutboxId", false, [](auto* r) { r->mutable_hello()->set_outbox_id(std::string(17, 'x')); },
                  "HELLO_INVALID", "expected 16 bytes, got 17"},
        Violation{"SeqsReversed", false, [](auto* r) { r->mutable_hello()->mutable_seqs()->set_first(11); },
                  "HELLO_INVALID", "11 and 10"},
        Violation{"SeqsFromNought", false, [](auto* r) { r->mutable_hello()->mutable_seqs()->set_first(0); },
                  "HELLO_INVALID", "0 and 10"},
        Violation{"NoCodecs", false, [](auto* r) { r->mutable_hello()->clear_codecs(); }, "HELLO_INVALID", "hello.codecs"},
        Violation{"ForeignCodecs", false,
                  [](auto* r) {
                    r->mutable_hello()->clear_codecs();
                    r->mutable_hello()->add_codecs(pb::CODEC_UNSPECIFIED);
                    r->mutable_hello()->add_codecs(static_cast<pb::Codec>(9));
                  },
                  "HELLO_INVALID", "hello.codecs"},
        Violation{"LongVersion", false, [](auto* r) { r->mutable_hello()->set_software_version(std::string(257, 'v')); },
                  "HELLO_INVALID", "got 257"},
        Violation{"SecondHello", true, [](auto* r) { *r = ValidHello(); }, "HELLO_REPEATED", "another"},
        Violation{"Empty", true, [](auto* r) { r->Clear(); }, "MESSAGE_UNKNOWN", "none of"},
        Violation{"TooMuchForTheCredit", true, [](auto* r) { r->mutable_frames()->set_data(std::string(4001, 'x')); },
                  "CREDIT_EXCEEDED", "expected at most 4000 bytes"},
        Violation{"NoLane", true, [](auto* r) { r->mutable_frames()->clear_lane(); }, "GROUP_INVALID", "lane"},
        Violation{"ForeignLane", true, [](auto* r) { r->mutable_frames()->set_lane(static_cast<pb::Lane>(3)); },
                  "GROUP_INVALID", "got 3"},
        Violation{"NoCodec", true, [](auto* r) { r->mutable_frames()->clear_codec(); }, "GROUP_INVALID", "frames"},
        Violation{"ForeignCodec", true, [](auto* r) { r->mutable_frames()->set_codec(static_cast<pb::Codec>(9)); },
                  "GROUP_INVALID", "frames"},
        Violation{"DamagedZstd", true, [](auto* r) { r->mutable_frames()->set_codec(pb::CODEC_ZSTD); }, "GROUP_INVALID",
                  "frames"},
        Violation{"WrongRawBytes", true, [](auto* r) { r->mutable_frames()->set_raw_bytes(1); }, "GROUP_INVALID", "frames"},
        Violation{"RawBytesBomb", true,
                  [](auto* r) {
                    r->mutable_frames()->set_codec(pb::CODEC_ZSTD);
                    r->mutable_frames()->set_raw_bytes(4'000'000'000u);
                  },
                  "GROUP_INVALID", "frames"},
        Violation{"NoFrames", true,
                  [](auto* r) {
                    r->mutable_frames()->set_data("");
                    r->mutable_frames()->set_raw_bytes(0);
                  },
                  "GROUP_INVALID", "frames"},
        Violation{"NoFrameBatch", true,
                  [](auto* r) {
                    r->mutable_frames()->set_data("\xff\xff\xff");
                    r->mutable_frames()->set_raw_bytes(3);
                  },
                  "GROUP_INVALID", "frames"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(BridgeSessionTest, RefusesFramesBeforeWelcome) {
  Request(ValidHello());
  Request(Frames({BlockFrame(4)}));
  ASSERT_TRUE(finished_.has_value());
  EXPECT_EQ(MetadataOf(*finished_)["violation"], "WELCOME_NOT_AWAITED");
}

TEST_F(BridgeSessionTest, AppendsAGroupAsItCame) {
  Open();
  const pb::SyncRequest request = Frames({BlockFrame(4), BlockFrame(5)});

  Request(request);

  ASSERT_THAT(appended_, SizeIs(1));
  const pb::FramesReceived& received = appended_[0].entry.frames_received();
  EXPECT_EQ(received.session(), kSession);
  EXPECT_EQ(received.group().SerializeAsString(), request.frames().SerializeAsString());
  EXPECT_EQ(received.refused_size(), 0);
  ASSERT_NE(appended_[0].group, nullptr);
  EXPECT_THAT(appended_[0].group->frames, SizeIs(2));
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(BridgeSessionTest, ListsFramesOfTwinsThatAreNotAllowedAndKeepsTheOthers) {
  Open();
  const std::vector<pb::Frame> frames = {BindingsFrame(4, "twin-1"),
                                         BindingsFrame(5, "twin-2", 2),
                                         ChunkFrame(6, "twin-2"),
                                         GapFrame(7, "twin-2"),
                                         GapFrame(8, ""),
                                         ChunkFrame(9, "twin-1"),
                                         BlockFrame(10)};
  const uint64_t tag = SendFrames(frames);
  ASSERT_FALSE(finished_.has_value());
  const pb::FramesReceived received = appended_[0].entry.frames_received();
  ASSERT_EQ(received.refused_size(), 2);
  EXPECT_EQ(received.refused(0).seq(), 6u);
  EXPECT_EQ(received.refused(1).seq(), 7u);
  EXPECT_THAT(received.forbidden_bindings(), ElementsAre(2)) << "known, in case that the policy allows it later";
  const absl::Status refused = FromRpcStatus(received.refused(0).status());
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ReasonOf(refused), "NOT_AUTHORIZED");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("twin-2"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr(kBridge));

  Apply(tag, Applied(4, 10));

  ASSERT_THAT(sent_, SizeIs(3));
  EXPECT_EQ(sent_[0].rejected().seq(), 6u);
  EXPECT_EQ(sent_[1].rejected().seq(), 7u);
  EXPECT_TRUE(sent_[2].has_commit()) << "a refused frame counts as applied";
}

TEST_F(BridgeSessionTest, RefusesAMalformedFrameAloneAndOnlyOnceItIsInTheLog) {
  Open();
  pb::Frame broken = BlockFrame(5);
  broken.mutable_block()->set_count(9);
  pb::Frame empty;
  empty.set_seq(6);

  const uint64_t tag = SendFrames({BlockFrame(4), broken, empty});

  ASSERT_EQ(appended_[0].entry.frames_received().refused_size(), 2);
  EXPECT_EQ(appended_[0].entry.frames_received().refused(0).seq(), 5u);
  EXPECT_EQ(appended_[0].entry.frames_received().refused(1).seq(), 6u);
  EXPECT_THAT(sent_, IsEmpty());

  Apply(tag, Applied(4, 6));
  ASSERT_THAT(sent_, SizeIs(3));
  EXPECT_EQ(sent_[0].rejected().seq(), 5u);
  EXPECT_EQ(sent_[0].rejected().status().code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(sent_[1].rejected().seq(), 6u);
}

TEST_F(BridgeSessionTest, TellsWhatTheFoldRefusedOnce) {
  Open();
  const uint64_t tag = SendFrames({BlockFrame(4), ChunkFrame(5, "twin-2")});
  ApplyResult result = Applied(4, 5);
  result.rejected.emplace_back(4, absl::InvalidArgumentError("binding 1 is not declared"));
  result.rejected.emplace_back(5, absl::PermissionDeniedError("refused by the session"));

  Apply(tag, result);

  ASSERT_THAT(sent_, SizeIs(3));
  EXPECT_EQ(sent_[0].rejected().seq(), 5u);
  EXPECT_EQ(sent_[1].rejected().seq(), 4u);
  EXPECT_EQ(sent_[1].rejected().status().message(), "binding 1 is not declared");
  EXPECT_TRUE(sent_[2].has_commit());
}

TEST_F(BridgeSessionTest, CommitsNothingBeforeItIsApplied) {
  Open();
  SendFrames({BlockFrame(4)});
  now_ += 10 * kLinger;
  Timer();
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(BridgeSessionTest, CommitsTheFirstAtOnceAndMergesTheNextOnes) {
  Open();
  const uint64_t first = SendFrames({BlockFrame(4)});
  const uint64_t second = SendFrames({BlockFrame(5)});
  const uint64_t third = SendFrames({BlockFrame(6)});

  Apply(first, Applied(4, 4));
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].commit().seqs(0).last(), 4u);

  now_ += 10'000'000;
  Apply(second, Applied(5, 5));
  EXPECT_THAT(sent_, IsEmpty());
  EXPECT_EQ(timer_, kStart + kLinger);
  now_ += 10'000'000;
  Apply(third, Applied(6, 6));
  EXPECT_THAT(sent_, IsEmpty());

  now_ = timer_;
  Timer();
  ASSERT_THAT(sent_, SizeIs(1));
  ASSERT_EQ(sent_[0].commit().seqs_size(), 1);
  EXPECT_EQ(sent_[0].commit().seqs(0).first(), 5u);
  EXPECT_EQ(sent_[0].commit().seqs(0).last(), 6u);
}

TEST_F(BridgeSessionTest, CommitsAtMostOnceALingerAtASteadyPace) {
  Open();
  int commits = 0;
  int messages = 0;
  timer_ = 0;
  for (int i = 0; i < 200; ++i) {  // 20 groups a second for ten seconds
    if (timer_ != 0 && timer_ <= now_) {
      timer_ = 0;
      Timer();
      messages += static_cast<int>(sent_.size());
      for (const pb::SyncResponse& response : sent_) commits += response.has_commit();
    }
    const uint64_t tag = SendFrames({BlockFrame(4 + static_cast<uint64_t>(i))});
    Apply(tag, Applied(4 + static_cast<uint64_t>(i), 4 + static_cast<uint64_t>(i)));
    messages += static_cast<int>(sent_.size());
    for (const pb::SyncResponse& response : sent_) commits += response.has_commit();
    now_ += 50'000'000;
  }
  EXPECT_LE(commits, 101);
  EXPECT_GE(commits, 90);
  EXPECT_LE(messages - commits, 11) << "credit at most once a second";
}

TEST_F(BridgeSessionTest, ReturnsCreditWhenHalfOfItIsOwedTogetherWithTheCommit) {
  Open();
  std::vector<uint64_t> tags;
  uint64_t used = 0;
  uint64_t seq = 4;
  while (used < kCredit / 2) {
    const pb::SyncRequest request = Frames({BlockFrame(seq, 20)});
    used += request.frames().data().size();
    Request(request);
    ASSERT_THAT(appended_, SizeIs(1));
    tags.push_back(appended_[0].tag);
    ++seq;
  }
  EXPECT_EQ(session_.credit_left_bytes(), kCredit - used);
  for (size_t i = 0; i + 1 < tags.size(); ++i) {
    Apply(tags[i], Applied(4 + i, 4 + i));
    for (const pb::SyncResponse& response : sent_) EXPECT_FALSE(response.has_credit());
  }

  Apply(tags.back(), Applied(seq - 1, seq - 1));

  ASSERT_THAT(sent_, SizeIs(2));
  EXPECT_TRUE(sent_[0].has_commit()) << "half of the credit waits for it";
  EXPECT_EQ(sent_[1].credit().bytes(), used);
  EXPECT_EQ(session_.credit_left_bytes(), kCredit);
}

TEST_F(BridgeSessionTest, ReturnsLittleCreditAfterASecond) {
  Open();
  const pb::SyncRequest request = Frames({BlockFrame(4)});
  Request(request);
  Apply(appended_[0].tag, Applied(4, 4));
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(timer_, kStart + kCreditHoldNs);

  now_ = timer_;
  Timer();

  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].credit().bytes(), request.frames().data().size());
  EXPECT_EQ(session_.credit_left_bytes(), kCredit);
}

TEST_F(BridgeSessionTest, KeepsCreditOfWhatIsNotApplied) {
  Open();
  const pb::SyncRequest request = Frames({BlockFrame(4)});
  Request(request);
  now_ += 10 * kCreditHoldNs;
  Timer();
  EXPECT_THAT(sent_, IsEmpty());
  EXPECT_EQ(session_.credit_left_bytes(), kCredit - request.frames().data().size());
}

TEST_F(BridgeSessionTest, CommitsThoughTheClockWentBack) {
  Open();
  const uint64_t first = SendFrames({BlockFrame(4)});
  const uint64_t second = SendFrames({BlockFrame(5)});
  Apply(first, Applied(4, 4));
  now_ -= 3'600'000'000'000;
  Apply(second, Applied(5, 5));
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_TRUE(sent_[0].has_commit());
}

TEST_F(BridgeSessionTest, AnswersAClockProbeWithBothTimes) {
  Open();
  pb::SyncRequest probe;
  probe.mutable_clock_probe()->set_bridge_time_unix_ns(99);
  Request(probe);
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].clock_reply().bridge_time_unix_ns(), 99);
  EXPECT_EQ(sent_[0].clock_reply().gateway_time_unix_ns(), now_);
}

TEST_F(BridgeSessionTest, KeepsTheLastReportWithItsLastIssues) {
  Open();
  EXPECT_EQ(session_.report(), nullptr);
  pb::SyncRequest request;
  request.mutable_report()->set_outbox_rows(5);
  for (int i = 0; i < 100; ++i) request.mutable_report()->add_issues()->set_reason("R" + std::to_string(i));
  Request(request);
  ASSERT_NE(session_.report(), nullptr);
  EXPECT_EQ(session_.report()->outbox_rows(), 5u);
  ASSERT_EQ(session_.report()->issues_size(), 64);
  EXPECT_EQ(session_.report()->issues(63).reason(), "R99");
}

TEST_F(BridgeSessionTest, DropsTheIssuesOfAReportThatIsTooLong) {
  Open();
  pb::SyncRequest request;
  request.mutable_report()->set_outbox_rows(5);
  request.mutable_report()->add_issues()->set_message(std::string(100'000, 'x'));
  Request(request);
  ASSERT_NE(session_.report(), nullptr);
  EXPECT_EQ(session_.report()->outbox_rows(), 5u);
  EXPECT_EQ(session_.report()->issues_size(), 0);
}

TEST_F(BridgeSessionTest, AsksForADocumentOnce) {
  Open();
  ApplyResult result = Applied(4, 4);
  result.documents_wanted = {"twin-1"};
  Apply(SendFrames({BlockFrame(4)}), result);
  ASSERT_THAT(sent_, SizeIs(2));
  EXPECT_EQ(sent_[0].document_wanted().twin(), "twin-1");

  const uint64_t tag = SendFrames({BlockFrame(5)});
  now_ += kLinger;
  Apply(tag, result);
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_TRUE(sent_[0].has_commit());
}

TEST_F(BridgeSessionTest, EndsFencedAndLeavesTheNewSessionAlone) {
  Open();
  const uint64_t tag = SendFrames({BlockFrame(4)});
  ApplyResult result;
  result.status = MakeError(absl::StatusCode::kAborted, "FENCED", "session 7 is fenced by session 9");
  Apply(tag, result);
  ASSERT_TRUE(finished_.has_value());
  EXPECT_EQ(finished_->code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(*finished_), "FENCED");
  EXPECT_THAT(sent_, IsEmpty());
  Gone();
  EXPECT_THAT(appended_, IsEmpty());
}

TEST_F(BridgeSessionTest, SaysWhyTheFoldDidNotOpenTheSession) {
  Request(ValidHello());
  ApplyResult result;
  result.status = MakeError(absl::StatusCode::kAborted, "EPOCH_CONFLICT", "epoch 42 belongs to another outbox");
  Apply(appended_[0].tag, result);
  ASSERT_TRUE(finished_.has_value());
  EXPECT_EQ(finished_->code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(*finished_), "EPOCH_CONFLICT");
  Gone();
  EXPECT_THAT(appended_, IsEmpty());
}

TEST_F(BridgeSessionTest, LeavesOutSamplesOfTwinsThatAreNotAllowedAnyMore) {
  const SensorRef allowed{"twin-1", "temperature"};
  const SensorRef forbidden{"twin-2", "temperature"};
  Request(ValidHello());
  ApplyResult result;
  result.revision = kSession;
  result.bindings = {{1, &forbidden}, {2, &forbidden}, {3, &allowed}};
  Apply(appended_[0].tag, result);
  pb::Frame other;
  other.set_seq(5);
  EncodeBlock(std::vector<Sample>{{.binding = 3, .time_unix_ns = kStart, .value = 1.0}}, other.mutable_block());

  SendFrames({BlockFrame(4), other});

  const pb::FramesReceived& received = appended_[0].entry.frames_received();
  EXPECT_EQ(received.refused_size(), 0);
  EXPECT_THAT(received.forbidden_bindings(), ElementsAre(1));
  SendFrames({other});
  EXPECT_THAT(appended_[0].entry.frames_received().forbidden_bindings(), IsEmpty());
}

TEST_F(BridgeSessionTest, EndsUnavailableWhenTheLogCannotTakeMore) {
  for (const absl::Status& status : {absl::ResourceExhaustedError("disk full"), absl::UnavailableError("stopping"),
                                     absl::DataLossError("entry cannot be read")}) {
    SCOPED_TRACE(status.ToString());
    BridgeSession session(Options(), [](absl::string_view) { return true; });
    std::vector<BridgeSession::Action> actions;
    session.OnRequest(ValidHello(), now_, &actions);
    ApplyResult result;
    result.status = status;
    actions.clear();
    session.OnApplied(1, result, now_, &actions);
    ASSERT_THAT(actions, SizeIs(1));
    const auto& finish = std::get<Finish>(actions[0]);
    EXPECT_EQ(finish.status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(ReasonOf(finish.status), "GATEWAY_CANNOT_WRITE");
    EXPECT_THAT(std::string(finish.status.message()), HasSubstr(std::string(status.message())));
  }
}

TEST_F(BridgeSessionTest, ClosesTheSessionInTheLogOnceWhenThePeerIsGone) {
  Open();
  Gone();
  ASSERT_THAT(appended_, SizeIs(1));
  EXPECT_EQ(appended_[0].entry.session_closed().bridge(), kBridge);
  EXPECT_EQ(appended_[0].entry.session_closed().session(), kSession);
  EXPECT_EQ(appended_[0].entry.session_closed().reason(), "cancelled");
  Gone();
  EXPECT_THAT(appended_, IsEmpty());
}

TEST_F(BridgeSessionTest, ClosesASessionWhosePeerWentWhileItWasOpening) {
  Request(ValidHello());
  const uint64_t tag = appended_[0].tag;
  Gone();
  EXPECT_THAT(appended_, IsEmpty()) << "its number is not known yet";
  ApplyResult result;
  result.revision = kSession;
  Apply(tag, result);
  EXPECT_THAT(sent_, IsEmpty());
  ASSERT_THAT(appended_, SizeIs(1));
  EXPECT_EQ(appended_[0].entry.session_closed().session(), kSession);
}

TEST_F(BridgeSessionTest, ClosesASessionThatFailedWhileItWasOpening) {
  Request(ValidHello());
  const uint64_t tag = appended_[0].tag;
  Request(Frames({BlockFrame(1)}));
  ASSERT_TRUE(finished_.has_value());
  ApplyResult result;
  result.revision = kSession;
  Apply(tag, result);
  EXPECT_THAT(appended_, IsEmpty());
  Gone();
  ASSERT_THAT(appended_, SizeIs(1));
  EXPECT_EQ(appended_[0].entry.session_closed().session(), kSession);
}

TEST_F(BridgeSessionTest, HasNothingToCloseBeforeHello) {
  Gone();
  EXPECT_THAT(appended_, IsEmpty());
}

TEST_F(BridgeSessionTest, IgnoresResultsAfterTheEnd) {
  Open();
  const uint64_t tag = SendFrames({BlockFrame(4)});
  Gone();
  Apply(tag, Applied(4, 4));
  EXPECT_THAT(sent_, IsEmpty());
  EXPECT_FALSE(finished_.has_value());
  Apply(12345, Applied(4, 4));
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(BridgeSessionTest, DrainsThenCommitsWhatIsAppliedAndEndsUnavailable) {
  Open();
  const uint64_t first = SendFrames({BlockFrame(4)});
  const uint64_t second = SendFrames({BlockFrame(5)});
  Apply(first, Applied(4, 4));
  Do([&](auto* actions) { session_.OnDrain(5'000'000'000, actions); });
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].drain().grace_ns(), 5'000'000'000);
  EXPECT_FALSE(finished_.has_value());
  Apply(second, Applied(5, 5));
  EXPECT_THAT(sent_, IsEmpty());

  Do([&](auto* actions) { session_.OnDrainEnd(actions); });

  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].commit().seqs(0).first(), 5u);
  ASSERT_TRUE(finished_.has_value());
  EXPECT_EQ(finished_->code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(*finished_), "DRAINING");
}

TEST_F(BridgeSessionTest, EndsAtOnceWhenDrainedBeforeWelcome) {
  Request(ValidHello());
  Do([&](auto* actions) { session_.OnDrain(5'000'000'000, actions); });
  EXPECT_THAT(sent_, IsEmpty());
  ASSERT_TRUE(finished_.has_value());
  EXPECT_EQ(ReasonOf(*finished_), "DRAINING");
}

TEST_F(BridgeSessionTest, EndsWellWhenThePeerHasSentAllAndAllIsCommitted) {
  Open();
  const uint64_t first = SendFrames({BlockFrame(4)});
  const uint64_t second = SendFrames({BlockFrame(5)});
  Do([&](auto* actions) { session_.OnWritesDone(actions); });
  EXPECT_FALSE(finished_.has_value());
  Apply(first, Applied(4, 4));
  EXPECT_FALSE(finished_.has_value());
  Apply(second, Applied(5, 5));
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].commit().seqs(0).last(), 5u);
  ASSERT_TRUE(finished_.has_value());
  EXPECT_TRUE(finished_->ok());
}

}  // namespace
}  // namespace mvmd
