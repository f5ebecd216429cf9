// Checking without writing, and writing where the policy of validation is another one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/gateway/twin_service_fixture.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string Nameless(absl::string_view twin) {
  Json document = TestDocument(twin);
  document.Remove("name");
  return Canonicalize(document);
}

class ValidationCallsTest : public TwinServiceTest {
 protected:
  absl::StatusOr<pb::BatchValidateTwinsResponse> Validate(const std::string& subject,
                                                          const pb::BatchValidateTwinsRequest& request) {
    pb::BatchValidateTwinsResponse response;
    if (auto status = Call(subject, &TwinStub::BatchValidateTwins, request, &response); !status.ok()) return status;
    return response;
  }
  static void Add(const std::string& document, bool strict, pb::BatchValidateTwinsRequest* request) {
    request->add_requests()->set_document(document);
    request->mutable_requests()->rbegin()->set_strict(strict);
  }
};

TEST_F(ValidationCallsTest, AnswersABatchInItsOrder) {
  Start();
  pb::BatchValidateTwinsRequest request;
  Add(TestDocumentText("a"), false, &request);
  Add("no JSON", true, &request);
  Add(Nameless("b"), true, &request);
  Add("", false, &request);
  for (const char* subject : {kRita, kWalter}) {
    const auto response = Validate(subject, request);
    ASSERT_TRUE(response.ok()) << response.status();
    ASSERT_THAT(response->responses(), SizeIs(4));
    const auto result = [&](int i) { return response->responses(i).result(); };
    EXPECT_TRUE(result(0).valid());
    EXPECT_THAT(result(0).warnings(), SizeIs(4));
    EXPECT_EQ(result(1).errors(0).rule(), "DOC-01");
    EXPECT_TRUE(result(1).strict());
    EXPECT_EQ(result(2).errors(0).rule(), "BAS-01");
    EXPECT_FALSE(result(3).valid());
    EXPECT_FALSE(result(3).truncated());
  }
}

TEST_F(ValidationCallsTest, BoundsABatch) {
  limits_.document_bytes_max = 10'000;
  Start();
  EXPECT_EQ(ReasonOf(Validate(kRita, {}).status()), "REQUEST_INVALID");
  pb::BatchValidateTwinsRequest request;
  for (int i = 0; i < 1001; ++i) Add("{}", false, &request);
  EXPECT_EQ(ReasonOf(Validate(kRita, request).status()), "REQUEST_INVALID");
  request.mutable_requests()->RemoveLast();
  EXPECT_TRUE(Validate(kRita, request).ok());
  request.Clear();
  Add(std::string(5000, ' '), false, &request);
  Add(std::string(5001, ' '), false, &request);
  const absl::Status status = Validate(kRita, request).status();
  ASSERT_THAT(FieldViolationsOf(status), SizeIs(1));
  EXPECT_EQ(FieldViolationsOf(status)[0].field(), "requests");
  request.Clear();
  Add("{}", false, &request);
  EXPECT_EQ(ReasonOf(Validate(kEve, request).status()), "NOT_AUTHORIZED");
}

TEST_F(ValidationCallsTest, TellsTheWarningsOfWhatItTakes) {
  Start();
  const auto put = Put(kAlice, TestDocumentText("twin-1"));
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_TRUE(put->result().valid());
  EXPECT_THAT(put->result().warnings(), SizeIs(4));
  const auto updated = Update(kAlice, "twin-1", R"({"description":"another"})");
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_THAT(updated->result().warnings(), SizeIs(4));
  const auto blind = Update(kWalter, "twin-1", R"({"description":"a third"})");
  ASSERT_TRUE(blind.ok()) << blind.status();
  EXPECT_FALSE(blind->has_result()) << "to write is not to read";
}

TEST_F(ValidationCallsTest, TakesErrorsWhereThePolicyWarns) {
  Start();
  Append(PolicyEntry(pb::VALIDATION_MODE_WARN, "legacy-"));
  const auto put = Put(kAlice, Nameless("legacy-1"));
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_FALSE(put->result().valid());
  ASSERT_THAT(put->result().errors(), SizeIs(1));
  EXPECT_EQ(put->result().errors(0).rule(), "BAS-01");
  EXPECT_EQ(Get(kAlice, "legacy-1")->twin().canonical(), Nameless("legacy-1"));
  const auto updated = Update(kAlice, "legacy-1", R"({"description":null})");
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_THAT(updated->result().errors(), SizeIs(2));

  const absl::Status refused = Put(kAlice, Nameless("twin-1")).status();
  EXPECT_EQ(ReasonOf(refused), "DOCUMENT_INVALID");
  pb::DocumentRefused details;
  ASSERT_TRUE(GetDetail(refused, &details));
  EXPECT_FALSE(details.result().valid());
  EXPECT_THAT(details.result().errors(), SizeIs(1));
  EXPECT_THAT(details.result().warnings(), Not(IsEmpty())) << "the whole result, as far as it fits";
  EXPECT_THAT(FieldViolationsOf(refused), SizeIs(1));
}

TEST_F(ValidationCallsTest, AsksNothingButTheIdWhereThePolicyIsOff) {
  Start();
  Append(PolicyEntry(pb::VALIDATION_MODE_OFF));
  const auto put = Put(kAlice, R"({"identifier":{"value":"twin-1"},"sensors":7})");
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_FALSE(put->has_result());
  EXPECT_TRUE(Get(kAlice, "twin-1", pb::TWIN_VIEW_BOTH).ok());
  EXPECT_EQ(ReasonOf(Put(kAlice, "{}").status()), "DOCUMENT_INVALID");
  EXPECT_EQ(ReasonOf(Put(kAlice, R"({"identifier":{"value":"a"},"x":1,"x":2})").status()), "DOCUMENT_INVALID");
  EXPECT_EQ(ReasonOf(Update(kAlice, "twin-1", R"({"identifier":{"value":"b"}})").status()), "REQUEST_INVALID");
  EXPECT_EQ(ReasonOf(Put(kAlice, R"({"identifier":{"value":"b"}})", "", "twin-1").status()), "REQUEST_INVALID");
}

}  // namespace
}  // namespace mvmd
