// Documents that are refused, and the policy that says which ones are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/twin_state.h"
#include "runtime/status_proto.h"
#include "tests/gateway/log_entries.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;

std::string Invalid(absl::string_view twin) {
  Json document = TestDocument(twin);
  document.Remove("name");
  return Canonicalize(document);
}

class TwinStateQuarantineTest : public ::testing::Test {
 protected:
  void SetUp() override { session_ = fold_.Apply(OpenedEntry(7)).revision; }

  ApplyResult Send(absl::string_view twin, absl::string_view text) {
    return fold_.Apply(FramesEntry(session_, std::vector<pb::Frame>{DocumentFrame(next_seq_++, twin, text)}));
  }
  ApplyResult Redrive(const std::string& twin = "robot", uint64_t revision = 0) {
    return fold_.Apply(RedrivenEntry(kTestBridge, twin, revision));
  }
  ApplyResult Discard(const std::string& twin = "robot", uint64_t revision = 0) {
    return fold_.Apply(DiscardedEntry(kTestBridge, twin, revision));
  }
  void SetPolicy(pb::ValidationMode mode, absl::string_view prefix = "") { fold_.Apply(PolicyEntry(mode, prefix)); }
  Quarantine::Document Kept(const std::string& twin = "robot") {
    return fold_.state().quarantine().Find(kTestBridge, twin);
  }
  bool Exists(absl::string_view twin = "robot") { return fold_.state().GetTwin(twin).ok(); }
  std::string Definition(absl::string_view twin = "robot") {
    return fold_.state().GetTwin(twin)->definition->form.definition();
  }

  TestFold fold_;
  uint64_t session_ = 0;
  uint64_t next_seq_ = 1;
};

TEST_F(TwinStateQuarantineTest, KeepsWhatBreaksRules) {
  const std::string text = Invalid("robot");
  const ApplyResult result = Send("robot", text);
  ASSERT_THAT(result.rejected, SizeIs(1)) << "the bridge is told as ever";
  EXPECT_EQ(ReasonOf(result.rejected[0].second), "DOCUMENT_INVALID");
  EXPECT_THAT(result.quarantined, ElementsAre("DOCUMENT_INVALID"));
  EXPECT_FALSE(Exists());
  ASSERT_NE(Kept(), nullptr);
  EXPECT_EQ(Kept()->document, text);
  EXPECT_EQ(Kept()->reason, "DOCUMENT_INVALID");
  EXPECT_THAT(Kept()->message, HasSubstr("BAS-01"));
  EXPECT_EQ(Kept()->revision, result.revision);
  EXPECT_EQ(Kept()->time_unix_ns, fold_.time_unix_ns());
  EXPECT_EQ(Kept()->error_count, 1u);
  ASSERT_THAT(Kept()->result.errors(), SizeIs(1));
  EXPECT_EQ(Kept()->result.errors(0).rule(), "BAS-01");
  EXPECT_FALSE(Kept()->result.valid());
}

TEST_F(TwinStateQuarantineTest, KeepsWhatIsNoDocumentOfTheTwin) {
  const std::string cases[] = {"not JSON \xff", "{\"a\":1,\"a\":2}", "[]", TestDocumentText("other"), "{}"};
  for (const std::string& text : cases) {
    EXPECT_THAT(Send("robot", text).quarantined, ElementsAre("DOCUMENT_INVALID")) << text;
    ASSERT_NE(Kept(), nullptr);
    EXPECT_EQ(Kept()->document, text);
    EXPECT_LT(Kept()->message.size(), 1000u);
  }
  EXPECT_EQ(fold_.state().quarantine().count(), 1u);
}

TEST_F(TwinStateQuarantineTest, DoesNotKeepBytesThatTheBridgeDidNotMean) {
  pb::Frame frame = DocumentFrame(next_seq_++, "robot", TestDocumentText("robot"));
  frame.mutable_document_chunk()->set_sha256(std::string(32, 'x'));
  const ApplyResult result = fold_.Apply(FramesEntry(session_, std::vector<pb::Frame>{frame}));
  ASSERT_THAT(result.rejected, SizeIs(1));
  EXPECT_EQ(ReasonOf(result.rejected[0].second), "DOCUMENT_DAMAGED");
  EXPECT_EQ(Kept(), nullptr);
}

TEST_F(TwinStateQuarantineTest, ForgetsItWhenTheBridgeSendsAGoodOne) {
  Send("robot", Invalid("robot"));
  EXPECT_THAT(Send("robot", TestDocumentText("robot")).rejected, IsEmpty());
  EXPECT_EQ(Kept(), nullptr);
  // Also one that changes nothing.
  Send("robot", Invalid("robot"));
  ASSERT_NE(Kept(), nullptr);
  Send("robot", TestDocumentText("robot"));
  EXPECT_EQ(Kept(), nullptr);
}

TEST_F(TwinStateQuarantineTest, RedrivesAfterAChangeOfThePolicy) {
  const std::string text = Invalid("robot");
  const uint64_t sent = Send("robot", text).revision;
  ApplyResult result = Redrive();
  EXPECT_EQ(ReasonOf(result.status), "DOCUMENT_INVALID");
  EXPECT_EQ(Kept()->redrive_count, 1u);
  EXPECT_EQ(Kept()->last_redrive_unix_ns, fold_.time_unix_ns());
  EXPECT_EQ(Kept()->revision, sent) << "it is still that one";
  EXPECT_THAT(fold_.last_applied().documents, IsEmpty());

  SetPolicy(pb::VALIDATION_MODE_WARN);
  EXPECT_FALSE(Exists()) << "a policy is for what is written after it";
  EXPECT_EQ(ReasonOf(Redrive("robot", sent + 1).status), "QUARANTINE_CHANGED");
  result = Redrive("robot", sent);
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(Kept(), nullptr);
  ASSERT_TRUE(Exists());
  EXPECT_EQ(Definition(), text);
  EXPECT_EQ(result.definition_etag, fold_.state().GetTwin("robot")->definition->form.definition_etag());
  EXPECT_THAT(fold_.last_applied().documents, SizeIs(1)) << "watchers are told";
  EXPECT_THAT(result.issues, ElementsAre(Pair("DOCUMENT_HAS_ERRORS", 1u)));
  EXPECT_EQ(fold_.state().GetTwin("robot")->live.connection_status, "active") << "it is the bridge's";
  EXPECT_EQ(ReasonOf(Redrive().status), "QUARANTINE_EMPTY");
}

TEST_F(TwinStateQuarantineTest, RedrivesAfterAChangeOfTheOverlay) {
  Send("robot", TestDocumentText("robot"));
  // A patch of one sensor goes with a base that has the rest of it.
  const std::string id = SensorIdsOf(TestDocument("robot")).front();
  const auto patch_sensor = [&](absl::string_view members) {
    return fold_.Apply(PatchEntry("robot", absl::StrCat(R"({"sensors":[{"id":")", id, R"(",)", members, "}]}"))).status;
  };
  ASSERT_TRUE(patch_sensor(R"("name":"x")").ok());
  Json without = TestDocument("robot");
  without.Find("sensors")->elements().erase(without.Find("sensors")->elements().begin());
  ASSERT_THAT(Send("robot", Canonicalize(without)).rejected, SizeIs(1));
  EXPECT_THAT(Kept()->message, HasSubstr("does not go with what clients have changed"));
  EXPECT_GT(Kept()->error_count, 0u);
  EXPECT_TRUE(fold_.state().GetQuarantined(kTestBridge, "robot")->overlay.has_value());
  EXPECT_EQ(ReasonOf(Redrive().status), "DOCUMENT_INVALID");

  ASSERT_TRUE(patch_sensor(R"("type":"temperature","unit":"celsius","updateFrequency":10)").ok());
  const absl::Status redriven = Redrive().status;
  EXPECT_TRUE(redriven.ok()) << redriven;
  EXPECT_EQ(SensorIdsOf(fold_.Served("robot")).back(), id) << "it is the overlay's now";
  EXPECT_EQ(Kept(), nullptr);
}

TEST_F(TwinStateQuarantineTest, RedrivesBehindAPutDocument) {
  Send("robot", Invalid("robot"));
  ASSERT_TRUE(fold_.Apply(PutEntry("robot", TestDocumentText("robot"))).status.ok());
  EXPECT_FALSE(fold_.state().GetQuarantined(kTestBridge, "robot")->overlay.has_value());
  SetPolicy(pb::VALIDATION_MODE_OFF);
  EXPECT_TRUE(Redrive().status.ok());
  EXPECT_EQ(Definition(), TestDocumentText("robot")) << "a put document hides the bridge's";
  EXPECT_EQ(Kept(), nullptr);
}

TEST_F(TwinStateQuarantineTest, LeavesATwinToTheBridgeThatFeedsIt) {
  Send("robot", Invalid("robot"));
  const std::string other = "spiffe://plant.example/bridge/other";
  const uint64_t session = fold_.Apply(OpenedEntry(1, other)).revision;
  fold_.Apply(FramesEntry(session, std::vector<pb::Frame>{DocumentFrame(1, "robot", TestDocumentText("robot"))}));
  fold_.Apply(ClosedEntry(session_));
  SetPolicy(pb::VALIDATION_MODE_OFF);
  EXPECT_TRUE(Redrive().status.ok());
  EXPECT_EQ(Definition(), Invalid("robot"));
  EXPECT_EQ(fold_.state().GetTwin("robot")->live.connection_status, "active") << "of the other one";
}

TEST_F(TwinStateQuarantineTest, Discards) {
  const uint64_t sent = Send("robot", Invalid("robot")).revision;
  EXPECT_EQ(ReasonOf(Discard("robot", sent + 1).status), "QUARANTINE_CHANGED");
  EXPECT_NE(Kept(), nullptr);
  EXPECT_TRUE(Discard("robot", sent).status.ok());
  EXPECT_EQ(Kept(), nullptr);
  EXPECT_EQ(ReasonOf(Discard().status), "QUARANTINE_EMPTY");
  EXPECT_EQ(ReasonOf(fold_.state().GetQuarantined(kTestBridge, "robot").status()), "QUARANTINE_EMPTY");
}

TEST_F(TwinStateQuarantineTest, TellsWhatHadToGo) {
  TestFold fold({.quarantine = {.documents_a_bridge_max = 1}});
  const uint64_t session = fold.Apply(OpenedEntry(7)).revision;
  fold.Apply(FramesEntry(session, std::vector<pb::Frame>{DocumentFrame(1, "a", "{}")}));
  const ApplyResult result = fold.Apply(FramesEntry(session, std::vector<pb::Frame>{DocumentFrame(2, "b", "{}")}));
  EXPECT_THAT(result.issues, Contains(Pair("QUARANTINE_FULL", 1u)));
  EXPECT_EQ(fold.state().quarantine().count(), 1u);
  EXPECT_NE(fold.state().quarantine().Find(kTestBridge, "b"), nullptr);
}

TEST_F(TwinStateQuarantineTest, BoundsWhatItSaysOfAHostileDocument) {
  Json document = TestDocument("robot");
  Json* at = &document;
  for (int i = 0; i < 60; ++i) at = &at->Set(std::string(10'000, static_cast<char>('a' + i % 26)), Json::Object());
  at->Set("@bad keyword", Json());
  document.Remove("name");
  document.Set("identifier", Json::String(std::string(200'000, 'i')));
  const ApplyResult result = Send("robot", Canonicalize(document));
  ASSERT_THAT(result.rejected, SizeIs(1));
  EXPECT_LT(ToRpcStatus(result.rejected[0].second).ByteSizeLong(), 16'000u);
  EXPECT_LT(Kept()->message.size(), 1000u);
  EXPECT_LT(Kept()->result.ByteSizeLong(), 9'000u);
  EXPECT_GT(Kept()->error_count, 0u);
}

// Policy

TEST_F(TwinStateQuarantineTest, TakesWithErrorsWhereThePolicyWarns) {
  SetPolicy(pb::VALIDATION_MODE_WARN, "legacy-");
  const ApplyResult result = Send("legacy-1", Invalid("legacy-1"));
  EXPECT_THAT(result.rejected, IsEmpty());
  EXPECT_THAT(result.quarantined, IsEmpty());
  EXPECT_TRUE(Exists("legacy-1"));
  const auto bridges = fold_.state().ListBridges("", 1, /*include_issues=*/true);
  ASSERT_THAT(bridges[0].issues, SizeIs(1));
  EXPECT_EQ(bridges[0].issues[0].reason(), "DOCUMENT_HAS_ERRORS");
  EXPECT_THAT(bridges[0].issues[0].message(), HasSubstr("BAS-01"));
  EXPECT_THAT(Send("robot", Invalid("robot")).rejected, SizeIs(1)) << "not of this prefix";
  EXPECT_TRUE(fold_.Apply(PutEntry("legacy-2", Invalid("legacy-2"))).status.ok());
  EXPECT_FALSE(fold_.Apply(PutEntry("robot", Invalid("robot"))).status.ok());
  EXPECT_TRUE(fold_.Apply(PatchEntry("legacy-2", R"({"sensors":7})")).status.ok());
}

TEST_F(TwinStateQuarantineTest, KeepsWhatIsServedWhenThePolicyEnforcesAgain) {
  SetPolicy(pb::VALIDATION_MODE_OFF);
  EXPECT_THAT(Send("robot", Invalid("robot")).issues, IsEmpty());
  SetPolicy(pb::VALIDATION_MODE_ENFORCE);
  EXPECT_EQ(Definition(), Invalid("robot"));
  EXPECT_FALSE(fold_.Apply(PatchEntry("robot", R"({"description":"still without a name"})")).status.ok());
  EXPECT_TRUE(fold_.Apply(PatchEntry("robot", R"({"name":"mended"})")).status.ok());
}

TEST_F(TwinStateQuarantineTest, AsksForIJsonWithTheRightIdWhateverThePolicy) {
  for (const auto mode : {pb::VALIDATION_MODE_WARN, pb::VALIDATION_MODE_OFF}) {
    SetPolicy(mode);
    const std::string kRefused[] = {
        "nothing",
        "[]",
        "\"text\"",
        "{}",
        R"({"identifier":{"value":"robot"},"identifier":{"value":"robot"}})",
        R"({"identifier":{"value":"robot"},"n":1e999})",
        R"({"identifier":{"value":"robot"},"s":"\ud800"})",
        R"({"identifier":{"value":" "}})",
        R"({"identifier":{"value":7}})",
        R"({"identifier":"robot"})",
        R"({"identifier":{"value":"other"}})",
        absl::StrCat(R"({"identifier":{"value":"robot"},"d":)", std::string(200, '['), std::string(200, ']'), "}")};
    for (const std::string& text : kRefused) {
      EXPECT_THAT(Send("robot", text).quarantined, ElementsAre("DOCUMENT_INVALID")) << text;
      EXPECT_EQ(ReasonOf(fold_.Apply(PutEntry("robot", text)).status), "DOCUMENT_INVALID") << text;
    }
    EXPECT_FALSE(Exists());
  }
}

// What is served may have any shape then.
TEST_F(TwinStateQuarantineTest, ServesDocumentsOfAnyShape) {
  SetPolicy(pb::VALIDATION_MODE_OFF);
  const std::string kMembers[] = {
      R"("sensors":7)",
      R"("sensors":null)",
      R"("sensors":{"id":"temp-1"})",
      R"("sensors":[])",
      R"("sensors":[null,1,"temp-1",[],{}])",
      R"("sensors":[{"id":7},{"id":null},{"id":{"id":"temp-1"}}])",
      R"("sensors":[{"id":"temp-1"},{"id":"temp-1","currentValue":1}])",
      R"("sensors":[{"id":"temp-1","currentValue":{"a":[]},"timestamp":[]}],"synchronization":[])",
      R"("sensors":[{"id":"temp-1","normalRange":"wide"}],"synchronization":"none","dateModified":{})",
      R"("synchronization":{"lastSynced":{},"latency":"low","connectionStatus":7},"@context":7,"@type":{})",
      R"("@context":"https://example.com/remote","name":[[[]]],"subjectOf":1,"maintenance":true)",
  };
  int number = 0;
  for (const std::string& members : kMembers) {
    const std::string twin = absl::StrCat("t-", ++number);
    const auto binding = static_cast<uint32_t>(number);
    const std::string text = absl::StrCat(R"({"identifier":{"value":")", twin, R"("},)", members, "}");
    ASSERT_THAT(Send(twin, text).rejected, IsEmpty()) << text;
    fold_.Apply(FramesEntry(session_,
                            std::vector<pb::Frame>{BindingsFrame(next_seq_, twin, {{binding, "temp-1"}}),
                                                   BlockFrame(next_seq_ + 1, {NumberAt(binding, kTestTimeNs, 21.5)})}));
    next_seq_ += 2;
    const absl::StatusOr<TwinSnapshot> snapshot = fold_.state().GetTwin(twin);
    ASSERT_TRUE(snapshot.ok()) << text;
    const std::string served = snapshot->definition->form.Render(snapshot->live);
    EXPECT_EQ(served, Canonicalize(ApplyLive(snapshot->definition->tree, snapshot->live))) << text;
    EXPECT_TRUE(ParseJson(served).ok()) << served;
    pb::Twin typed;
    ToTypedView(ApplyLive(snapshot->definition->tree, snapshot->live), &typed);
    EXPECT_TRUE(pb::Twin().ParseFromString(typed.SerializeAsString())) << text;
    // And patches merge into them.
    EXPECT_TRUE(fold_.Apply(PatchEntry(twin, R"({"sensors":[{"id":"temp-1","unit":"K"}]})")).status.ok()) << text;
    EXPECT_THAT(fold_.Served(twin).Find("sensors")->elements(), Not(IsEmpty())) << text;
  }
}

}  // namespace
}  // namespace mvmd
