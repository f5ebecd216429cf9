// GetTwin of a past revision, as clients call it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/gateway/twin_service_fixture.h"
#include "twin/canonical.h"
#include "twin/data_integrity.h"
#include "twin/linked_data.h"

namespace mvmd {
namespace {

class PastReadsTest : public TwinServiceTest {
 protected:
  absl::StatusOr<pb::GetTwinResponse> GetAt(const std::string& subject, uint64_t revision, uint64_t min_revision = 0) {
    pb::GetTwinRequest request;
    request.set_twin_id("twin-1");
    request.set_revision(revision);
    request.set_min_revision(min_revision);
    pb::GetTwinResponse response;
    if (absl::Status status = Call(subject, &TwinStub::GetTwin, request, &response); !status.ok()) return status;
    return response;
  }
};

TEST_F(PastReadsTest, GivesTheBytesThatWereServed) {
  Start();
  ASSERT_TRUE(Put(kAlice, TestDocumentText("twin-1")).ok());
  std::vector<pb::GetTwinResponse> served;
  const uint64_t session = Append(OpenedEntry(1)).revision;
  Append(FramesEntry(session, std::vector<pb::Frame>{BindingsFrame(1, "twin-1", {{1, "temp-1"}})}));
  for (uint64_t i = 0; i < 5; ++i) {
    Append(FramesEntry(session, std::vector<pb::Frame>{
                                    BlockFrame(i + 2, {NumberAt(1, kTestTimeNs + static_cast<int64_t>(i), 1.0 * i)})}));
    const auto now = Get(kRita, "twin-1");
    ASSERT_TRUE(now.ok()) << now.status();
    served.push_back(*now);
  }
  ASSERT_TRUE(Update(kAlice, "twin-1", R"({"name":"patched"})").ok());
  for (const pb::GetTwinResponse& then : served) {
    const auto past = GetAt(kRita, then.applied_revision());
    ASSERT_TRUE(past.ok()) << past.status();
    EXPECT_EQ(past->twin().canonical(), then.twin().canonical());
    EXPECT_EQ(past->twin().etag(), then.twin().etag());
    EXPECT_EQ(past->twin().revision(), then.twin().revision());
    EXPECT_EQ(past->twin().definition_etag(), then.twin().definition_etag());
    EXPECT_GT(past->applied_revision(), then.applied_revision());
  }
}

// Each form of the past is the form of the document that was served then.
TEST_F(PastReadsTest, GivesEveryFormOfThePast) {
  Start();
  const std::shared_ptr<const SigningKey> key = NewSigningKey();
  signer_.SetKey(key);
  ASSERT_TRUE(Put(kAlice, TestDocumentText("twin-1")).ok());
  AppendSamples("twin-1", 3);
  const auto then = Get(kRita, "twin-1");
  ASSERT_TRUE(then.ok()) << then.status();
  ASSERT_TRUE(Update(kAlice, "twin-1", R"({"name":"patched"})").ok());
  for (const bool definition_only : {false, true}) {
    for (const bool lossless : {false, true}) {
      SCOPED_TRACE(absl::StrCat("definition_only ", definition_only, ", lossless ", lossless));
      const Json plain = definition_only ? TestDocument("twin-1") : *ParseJson(then->twin().canonical());
      const Json document = lossless ? LosslessDocument(plain) : plain;
      const absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(document);
      ASSERT_TRUE(graph.ok()) << graph.status();
      pb::GetTwinRequest request;
      request.set_twin_id("twin-1");
      request.set_revision(then->applied_revision());
      request.set_definition_only(definition_only);
      request.set_lossless(lossless);
      request.set_view(pb::TWIN_VIEW_BOTH);
      request.set_include_linked_data(true);
      pb::GetTwinResponse past;
      ASSERT_TRUE(Call(kRita, &TwinStub::GetTwin, request, &past).ok());
      EXPECT_EQ(past.twin().canonical(), Canonicalize(document));
      EXPECT_EQ(past.twin().etag(), Sha256Hex(past.twin().canonical()));
      EXPECT_EQ(past.twin().definition_etag(), then->twin().definition_etag());
      EXPECT_EQ(past.twin().revision(), then->twin().revision());
      EXPECT_EQ(past.twin().linked_data().nquads(), graph->nquads);
      EXPECT_EQ(past.twin().twin().name(), plain.Find("name")->string());

      const std::string etag = past.twin().etag();
      request.set_if_none_match(etag);
      past.Clear();
      ASSERT_TRUE(Call(kRita, &TwinStub::GetTwin, request, &past).ok());
      EXPECT_TRUE(past.not_modified());
      EXPECT_EQ(past.twin().etag(), etag);
      EXPECT_FALSE(past.twin().has_linked_data());
      request.set_revision(0);  // now it is another one
      past.Clear();
      ASSERT_TRUE(Call(kRita, &TwinStub::GetTwin, request, &past).ok());
      EXPECT_FALSE(past.not_modified());
      EXPECT_NE(past.twin().etag(), etag);

      request.set_revision(then->applied_revision());
      request.clear_if_none_match();
      request.set_include_proof(true);
      past.Clear();
      ASSERT_TRUE(Call(kRita, &TwinStub::GetTwin, request, &past).ok());
      Json signed_document = *ParseJson(past.twin().canonical());
      EXPECT_TRUE(VerifyProofs(signed_document, &key->public_key(), SystemClock::Get().UnixNanos()).status.ok());
      EXPECT_EQ(past.twin().etag(), Sha256Hex(past.twin().canonical()));
      EXPECT_EQ(past.twin().linked_data().nquads(), graph->nquads) << "of the document without proof";
      signed_document.Remove("proof");
      signed_document.Set("@context", *document.Find("@context"));
      EXPECT_EQ(Canonicalize(signed_document), Canonicalize(document));
    }
  }
}

TEST_F(PastReadsTest, GivesTheFieldsOfAMask) {
  Start();
  ASSERT_TRUE(Put(kAlice, TestDocumentText("twin-1")).ok());
  const auto then = Get(kRita, "twin-1");
  ASSERT_TRUE(then.ok()) << then.status();
  ASSERT_TRUE(Update(kAlice, "twin-1", R"({"name":"patched"})").ok());
  pb::GetTwinRequest request;
  request.set_twin_id("twin-1");
  request.set_revision(then->applied_revision());
  for (const char* path : {"etag", "twin.name", "linked_data.digest"}) request.mutable_read_mask()->add_paths(path);
  pb::GetTwinResponse past;
  ASSERT_TRUE(Call(kRita, &TwinStub::GetTwin, request, &past).ok());
  EXPECT_EQ(past.twin().etag(), then->twin().etag());
  EXPECT_NE(past.twin().twin().name(), "patched");
  EXPECT_EQ(past.twin().linked_data().digest(), CanonicalizeGraph(TestDocument("twin-1"))->sha256);
  EXPECT_EQ(past.twin().revision(), 0u);
  EXPECT_EQ(past.twin().canonical(), "");
}

TEST_F(PastReadsTest, WaitForPlacesOfTheirOwn) {
  limits_.past_waiting_max = 4;  // of one client: 1
  Start();
  ASSERT_TRUE(Put(kAlice, TestDocumentText("twin-1")).ok());
  const uint64_t revision = Get(kRita, "twin-1")->applied_revision();
  // Who has been served has left.
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(GetAt(kRita, revision).ok());
}

TEST_F(PastReadsTest, AreRefusedWhenTooManyWait) {
  limits_.past_waiting_max = 0;
  Start();
  ASSERT_TRUE(Put(kAlice, TestDocumentText("twin-1")).ok());
  const auto now = Get(kRita, "twin-1");
  ASSERT_TRUE(now.ok()) << now.status();
  EXPECT_EQ(ReasonOf(GetAt(kRita, now->applied_revision()).status()), "OVERLOADED");
  pb::DiffTwinRequest diff;
  diff.set_twin_id("twin-1");
  diff.set_from_revision(now->applied_revision());
  pb::DiffTwinResponse response;
  EXPECT_EQ(ReasonOf(Call(kRita, &TwinStub::DiffTwin, diff, &response)), "OVERLOADED");
}

TEST_F(PastReadsTest, RefusesWhatCannotBeRead) {
  Start();
  const uint64_t other = Append(OpenedEntry(1)).revision;
  ASSERT_TRUE(Put(kAlice, TestDocumentText("twin-1")).ok());
  EXPECT_EQ(ReasonOf(GetAt(kRita, other).status()), "TWIN_NOT_FOUND");
  EXPECT_EQ(ReasonOf(GetAt(kRita, other + 100).status()), "REVISION_AHEAD");
  EXPECT_EQ(ReasonOf(GetAt(kEve, other + 1).status()), "NOT_AUTHORIZED");
  const absl::Status both = GetAt(kRita, 2, 2).status();
  EXPECT_EQ(ReasonOf(both), "REQUEST_INVALID");
  ASSERT_EQ(FieldViolationsOf(both).size(), 1u);
  EXPECT_EQ(FieldViolationsOf(both)[0].field(), "revision");
}

}  // namespace
}  // namespace mvmd
