// DiffTwin.
#include "gateway/twin_differ.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gateway/twin_service_fixture.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TwinDifferTest : public TwinServiceTest {
 protected:
  absl::StatusOr<pb::DiffTwinResponse> Diff(const std::string& twin, uint64_t from, uint64_t to = 0,
                                            bool definition_only = false, const std::string& subject = kAlice) {
    pb::DiffTwinRequest request;
    request.set_twin_id(twin);
    request.set_from_revision(from);
    request.set_to_revision(to);
    request.set_definition_only(definition_only);
    pb::DiffTwinResponse response;
    if (absl::Status status = Call(subject, &TwinStub::DiffTwin, request, &response); !status.ok()) return status;
    return response;
  }
  static std::vector<std::string> PointersOf(const pb::DiffTwinResponse& response) {
    std::vector<std::string> pointers;
    for (const pb::DocumentChange& change : response.changes()) pointers.push_back(change.pointer());
    return pointers;
  }
};

TEST_F(TwinDifferTest, TellsWhatAWriteChanged) {
  Start();
  const uint64_t first = PutTwin("twin-1");
  const uint64_t second = Append(PatchEntry("twin-1", R"({"name":"Renamed"})")).revision;
  const auto diff = Diff("twin-1", first, second, /*definition_only=*/true);
  ASSERT_TRUE(diff.ok()) << diff.status();
  EXPECT_EQ(diff->patch(), R"([{"op":"replace","path":"/name","value":"Renamed"}])");
  EXPECT_THAT(PointersOf(*diff), ElementsAre("/name"));
  EXPECT_EQ(diff->changes(0).after(), "\"Renamed\"");
  EXPECT_EQ(diff->from().etag(), Sha256Hex(TestDocumentText("twin-1")));
  EXPECT_EQ(diff->from().revision(), first);
  EXPECT_EQ(diff->to().revision(), second);
  EXPECT_EQ(diff->to().etag(), Get(kAlice, "twin-1")->twin().definition_etag());
  EXPECT_EQ(diff->to().canonical(), "");
  const auto back = Diff("twin-1", second, first, true);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->from().etag(), diff->to().etag());
  EXPECT_EQ(back->to().etag(), diff->from().etag());
}

TEST_F(TwinDifferTest, TellsWhatSamplesChanged) {
  Start();
  const uint64_t first = PutTwin("twin-1");
  AppendSamples("twin-1", 3);
  const auto diff = Diff("twin-1", first);
  ASSERT_TRUE(diff.ok()) << diff.status();
  EXPECT_THAT(PointersOf(*diff), ::testing::Contains("/sensors/0/currentValue"));
  EXPECT_EQ(diff->to().etag(), Get(kAlice, "twin-1")->twin().etag());
  const auto definition = Diff("twin-1", first, 0, /*definition_only=*/true);
  ASSERT_TRUE(definition.ok()) << definition.status();
  EXPECT_EQ(definition->patch(), "[]");
  EXPECT_EQ(definition->changes_size(), 0);
}

TEST_F(TwinDifferTest, RefusesWhatThereIsNot) {
  Start();
  const uint64_t first = PutTwin("twin-1");
  EXPECT_EQ(ReasonOf(Diff("twin-1", 0).status()), "REQUEST_INVALID");
  EXPECT_EQ(ReasonOf(Diff("", first).status()), "REQUEST_INVALID");
  EXPECT_EQ(ReasonOf(Diff("twin-9", first).status()), "TWIN_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Diff("twin-1", first + 1).status()), "REVISION_AHEAD");
  EXPECT_EQ(ReasonOf(Diff("twin-1", first, first + 1).status()), "REVISION_AHEAD");
  EXPECT_EQ(Diff("twin-1", first, 0, false, kWalter).status().code(), absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace mvmd
