#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/status_proto.h"
#include "tests/gateway/twin_service_fixture.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ListGapsTest : public TwinServiceTest {
 protected:
  absl::StatusOr<pb::ListGapsResponse> List(const pb::ListGapsRequest& request, const std::string& subject = kAlice) {
    pb::ListGapsResponse response;
    if (absl::Status status = Call(subject, &TwinStub::ListGaps, request, &response); !status.ok()) return status;
    return response;
  }
  // Gaps of 1, 2, ... samples, a minute apart; every second one of motion-1, all in one entry.
  void AppendGaps(int count) {
    const uint64_t session = Append(OpenedEntry(1)).revision;
    std::vector<pb::Frame> frames;
    for (int i = 1; i <= count; ++i) {
      frames.push_back(
          GapFrame(static_cast<uint64_t>(i), "twin-1", i % 2 == 0 ? "motion-1" : "temp-1", static_cast<uint64_t>(i)));
      frames.back().mutable_gap()->set_start_time_unix_ns(kTestTimeNs + i * 60 * kSecondNs);
      frames.back().mutable_gap()->set_end_time_unix_ns(kTestTimeNs + (i * 60 + 30) * kSecondNs);
    }
    Append(FramesEntry(session, frames));
  }
  static std::vector<uint64_t> Counts(const pb::ListGapsResponse& response) {
    std::vector<uint64_t> counts;
    for (const pb::RecordedGap& gap : response.gaps()) counts.push_back(gap.gap().count());
    return counts;
  }
};

TEST_F(ListGapsTest, GivesEveryGapOnceOverPages) {
  Start();
  PutTwin("twin-1");
  AppendGaps(7);
  pb::ListGapsRequest request;
  request.set_twin_id("twin-1");
  request.set_page_size(3);
  std::vector<uint64_t> counts;
  int pages = 0;
  do {
    const auto page = List(request);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const uint64_t count : Counts(*page)) counts.push_back(count);
    request.set_page_token(page->next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_THAT(counts, ElementsAre(1, 2, 3, 4, 5, 6, 7));
  EXPECT_EQ(pages, 3);
}

TEST_F(ListGapsTest, GivesThoseOfASensorAndARange) {
  Start();
  PutTwin("twin-1");
  AppendGaps(6);
  pb::ListGapsRequest request;
  request.set_twin_id("twin-1");
  request.set_sensor("motion-1");
  EXPECT_THAT(Counts(*List(request)), ElementsAre(2, 4, 6));
  request.mutable_start_time()->set_seconds(kTestTimeNs / kSecondNs + 4 * 60);
  request.mutable_end_time()->set_seconds(kTestTimeNs / kSecondNs + 6 * 60);
  EXPECT_THAT(Counts(*List(request)), ElementsAre(4));
}

TEST_F(ListGapsTest, ATwinWithoutGapsHasNone) {
  Start();
  PutTwin("twin-1");
  pb::ListGapsRequest request;
  request.set_twin_id("twin-1");
  const auto page = List(request);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->gaps(), IsEmpty());
  EXPECT_GT(page->applied_revision(), 0u);
}

TEST_F(ListGapsTest, RefusesWhatIsWrong) {
  Start();
  PutTwin("twin-1");
  AppendGaps(3);
  pb::ListGapsRequest request;
  EXPECT_EQ(ReasonOf(List(request).status()), "REQUEST_INVALID");
  request.set_twin_id("twin-9");
  EXPECT_EQ(ReasonOf(List(request).status()), "TWIN_NOT_FOUND");
  request.set_twin_id("twin-1");
  request.set_page_size(-1);
  EXPECT_EQ(ReasonOf(List(request).status()), "REQUEST_INVALID");
  request.set_page_size(1);
  request.set_page_token("no token");
  EXPECT_EQ(ReasonOf(List(request).status()), "REQUEST_INVALID");
  request.clear_page_token();
  request.set_page_token(List(request)->next_page_token());
  request.set_sensor("temp-1");
  EXPECT_EQ(ReasonOf(List(request).status()), "REQUEST_INVALID") << "a token of another request";
  request.clear_page_token();
  request.mutable_start_time()->set_seconds(2);
  request.mutable_end_time()->set_seconds(1);
  EXPECT_EQ(ReasonOf(List(request).status()), "REQUEST_INVALID");
}

TEST_F(ListGapsTest, IsForReadersOfTheTwin) {
  Start();
  PutTwin("twin-1");
  pb::ListGapsRequest request;
  request.set_twin_id("twin-1");
  EXPECT_TRUE(List(request, kRita).ok());
  for (const char* subject : {kWalter, kEve}) {
    EXPECT_EQ(ReasonOf(List(request, subject).status()), "NOT_AUTHORIZED") << subject;
  }
  request.set_twin_id("twin-2");
  EXPECT_EQ(ReasonOf(List(request, kRita).status()), "NOT_AUTHORIZED") << "nor does it tell whether there is one";
}

}  // namespace
}  // namespace mvmd
