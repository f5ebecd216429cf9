#include "gateway/quarantine_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/gateway/twin_service_fixture.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string Nameless(absl::string_view twin) {
  Json document = TestDocument(twin);
  document.Remove("name");
  return Canonicalize(document);
}

class QuarantineServiceTest : public TwinServiceTest {
 protected:
  // As if the bridge had sent it.
  uint64_t Send(const std::string& twin, const std::string& text) {
    if (session_ == 0) session_ = Append(OpenedEntry(1)).revision;
    return Append(FramesEntry(session_, std::vector<pb::Frame>{DocumentFrame(next_seq_++, twin, text)})).revision;
  }
  absl::StatusOr<pb::ListQuarantinedDocumentsResponse> List(const std::string& subject,
                                                            const pb::ListQuarantinedDocumentsRequest& request = {}) {
    pb::ListQuarantinedDocumentsResponse response;
    if (auto status = Call(subject, &QuarantineStub::ListQuarantinedDocuments, request, &response); !status.ok()) {
      return status;
    }
    return response;
  }
  absl::StatusOr<pb::GetQuarantinedDocumentResponse> GetOne(const std::string& subject, const std::string& twin,
                                                            const std::string& bridge = kTestBridge) {
    pb::GetQuarantinedDocumentRequest request;
    request.set_bridge(bridge);
    request.set_twin_id(twin);
    pb::GetQuarantinedDocumentResponse response;
    if (auto status = Call(subject, &QuarantineStub::GetQuarantinedDocument, request, &response); !status.ok()) {
      return status;
    }
    return response;
  }
  absl::StatusOr<pb::RedriveDocumentResponse> Redrive(const std::string& subject, const std::string& twin,
                                                      uint64_t revision = 0, const std::string& bridge = kTestBridge) {
    pb::RedriveDocumentRequest request;
    request.set_bridge(bridge);
    request.set_twin_id(twin);
    request.set_revision(revision);
    pb::RedriveDocumentResponse response;
    if (auto status = Call(subject, &QuarantineStub::RedriveDocument, request, &response); !status.ok()) return status;
    return response;
  }
  absl::StatusOr<pb::DiscardDocumentResponse> Discard(const std::string& subject, const std::string& twin,
                                                      uint64_t revision = 0) {
    pb::DiscardDocumentRequest request;
    request.set_bridge(kTestBridge);
    request.set_twin_id(twin);
    request.set_revision(revision);
    pb::DiscardDocumentResponse response;
    if (auto status = Call(subject, &QuarantineStub::DiscardDocument, request, &response); !status.ok()) return status;
    return response;
  }

  uint64_t session_ = 0;
  uint64_t next_seq_ = 1;
};

TEST_F(QuarantineServiceTest, ShowsWhatABridgeSent) {
  Start();
  const std::string text = Nameless("twin-1");
  const uint64_t revision = Send("twin-1", text);
  const auto listed = List(kOlga);
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_THAT(listed->documents(), SizeIs(1));
  const pb::QuarantinedDocument& document = listed->documents(0);
  EXPECT_EQ(document.bridge(), kTestBridge);
  EXPECT_EQ(document.twin_id(), "twin-1");
  EXPECT_EQ(document.revision(), revision);
  EXPECT_EQ(document.reason(), "DOCUMENT_INVALID");
  EXPECT_THAT(document.message(), HasSubstr("BAS-01"));
  EXPECT_EQ(document.error_count(), 1u);
  EXPECT_EQ(document.size_bytes(), text.size());
  EXPECT_EQ(document.sha256(), Sha256Hex(text));
  EXPECT_GT(document.time().seconds(), 1'700'000'000);
  EXPECT_EQ(document.redrive_count(), 0u);
  EXPECT_FALSE(document.has_last_redrive());

  const auto one = GetOne(kOlga, "twin-1");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->content(), text);
  EXPECT_EQ(one->document().SerializeAsString(), document.SerializeAsString());
  ASSERT_THAT(one->refused_result().errors(), SizeIs(1));
  EXPECT_EQ(one->refused_result().errors(0).rule(), "BAS-01");
  ASSERT_THAT(one->current_result().errors(), SizeIs(1));
  EXPECT_THAT(one->current_result().warnings(), Not(IsEmpty()));
}

TEST_F(QuarantineServiceTest, GivesBytesThatAreNoText) {
  Start();
  const std::string text("\xff\x00{", 3);
  Send("twin-1", text);
  const auto one = GetOne(kOlga, "twin-1");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->content(), text);
  EXPECT_EQ(one->current_result().errors(0).rule(), "DOC-01");
}

TEST_F(QuarantineServiceTest, ListsInPagesThatFitTheirRequest) {
  Start();
  for (const char* twin : {"twin-a1", "twin-a2", "twin-a3", "twin-b"}) Send(twin, "{}");
  pb::ListQuarantinedDocumentsRequest request;
  request.set_prefix("twin-a");
  request.set_page_size(2);
  std::vector<std::string> twins;
  int pages = 0;
  do {
    const auto page = List(kOlga, request);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const auto& document : page->documents()) twins.push_back(document.twin_id());
    request.set_page_token(page->next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(pages, 2);
  EXPECT_THAT(twins, ElementsAre("twin-a1", "twin-a2", "twin-a3"));
  request.set_bridge(kOtherBridge);
  EXPECT_THAT(List(kOlga, request)->documents(), IsEmpty());
  request.set_page_token("nonsense");
  EXPECT_EQ(ReasonOf(List(kOlga, request).status()), "REQUEST_INVALID");
  request.Clear();
  request.set_page_size(-1);
  EXPECT_EQ(ReasonOf(List(kOlga, request).status()), "REQUEST_INVALID");
}

TEST_F(QuarantineServiceTest, RedrivesOrSaysWhyNot) {
  Start();
  const uint64_t revision = Send("twin-1", Nameless("twin-1"));
  absl::Status refused = Redrive(kOlga, "twin-1", revision).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(refused), "DOCUMENT_INVALID");
  pb::DocumentRefused details;
  ASSERT_TRUE(GetDetail(refused, &details)) << refused;
  EXPECT_EQ(details.result().errors(0).rule(), "BAS-01");
  EXPECT_EQ(GetOne(kOlga, "twin-1")->document().redrive_count(), 1u);
  EXPECT_TRUE(GetOne(kOlga, "twin-1")->document().has_last_redrive());

  Append(PolicyEntry(pb::VALIDATION_MODE_WARN, "twin-"));
  EXPECT_EQ(ReasonOf(Redrive(kOlga, "twin-1", revision + 1).status()), "QUARANTINE_CHANGED");
  const auto taken = Redrive(kOlga, "twin-1", revision);
  ASSERT_TRUE(taken.ok()) << taken.status();
  const auto twin = Get(kAlice, "twin-1");
  ASSERT_TRUE(twin.ok()) << twin.status();
  EXPECT_EQ(twin->twin().definition_etag(), taken->definition_etag());
  EXPECT_EQ(twin->twin().revision(), taken->revision());
  EXPECT_EQ(ReasonOf(GetOne(kOlga, "twin-1").status()), "QUARANTINE_EMPTY");
  EXPECT_EQ(Redrive(kOlga, "twin-1").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(QuarantineServiceTest, DoesNotRedriveWhatTheBridgeMayNotSend) {
  Start();
  Send("secret", "{}");  // before the policy changed, say
  const absl::Status status = Redrive(kOlga, "secret").status();
  EXPECT_EQ(ReasonOf(status), "NOT_AUTHORIZED");
  EXPECT_EQ(MetadataOf(status)["subject"], kTestBridge);
  EXPECT_TRUE(GetOne(kOlga, "secret").ok());
}

TEST_F(QuarantineServiceTest, Discards) {
  Start();
  const uint64_t revision = Send("twin-1", "{}");
  EXPECT_EQ(ReasonOf(Discard(kOlga, "twin-1", revision + 1).status()), "QUARANTINE_CHANGED");
  const auto gone = Discard(kOlga, "twin-1", revision);
  ASSERT_TRUE(gone.ok()) << gone.status();
  EXPECT_GT(gone->revision(), revision);
  EXPECT_THAT(List(kOlga)->documents(), IsEmpty());
}

TEST_F(QuarantineServiceTest, IsForOperators) {
  Start();
  Send("twin-1", "{}");
  for (const char* subject : {kRita, kWalter, kEve, kTestBridge}) {
    EXPECT_EQ(List(subject).status().code(), absl::StatusCode::kPermissionDenied) << subject;
    EXPECT_EQ(GetOne(subject, "twin-1").status().code(), absl::StatusCode::kPermissionDenied) << subject;
    EXPECT_EQ(Redrive(subject, "twin-1").status().code(), absl::StatusCode::kPermissionDenied) << subject;
    EXPECT_EQ(Discard(subject, "twin-1").status().code(), absl::StatusCode::kPermissionDenied) << subject;
  }
  const absl::Status unnamed = Redrive(kOlga, "", 0, "").status();
  EXPECT_THAT(FieldViolationsOf(unnamed), SizeIs(2));
  EXPECT_EQ(ReasonOf(GetOne(kOlga, std::string(1025, 't')).status()), "REQUEST_INVALID");
}

TEST_F(QuarantineServiceTest, CountsWhatASessionPutsThere) {
  Start();
  FakeBridge bridge(sync_.get(), As(kTestBridge));
  ASSERT_NE(bridge.Open(7), 0u);
  ASSERT_TRUE(bridge.Send({DocumentFrame(1, "twin-1", "{}")}));
  const auto rejected = bridge.ReadUntil(pb::SyncResponse::kRejected);
  ASSERT_TRUE(rejected.has_value()) << "the bridge is told as ever";
  EXPECT_EQ(rejected->rejected().seq(), 1u);
  EXPECT_TRUE(bridge.ReadUntilCommitted(1));
  EXPECT_THAT(registry_.Text(), HasSubstr("mvmd_gateway_quarantined_total{reason=\"DOCUMENT_INVALID\"} 1"));
}

}  // namespace
}  // namespace mvmd
