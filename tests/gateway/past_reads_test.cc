// GetTwin of a past revision, as clients call it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/gateway/twin_service_fixture.h"

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
