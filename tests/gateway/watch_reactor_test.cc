#include "gateway/watch_reactor.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gateway/page_token.h"
#include "gateway/sample_proto.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gateway/twin_service_fixture.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// A watch, read as the test wants it.
class Watch {
 public:
  Watch(pb::TwinService::Stub* stub, std::unique_ptr<grpc::ClientContext> context, const pb::WatchTwinsRequest& request)
      : context_(std::move(context)), reader_(stub->WatchTwins(context_.get(), request)) {}
  ~Watch() {
    if (ended_) return;
    context_->TryCancel();
    End().IgnoreError();
  }

  bool Read(pb::WatchTwinsResponse* response) { return reader_->Read(response); }
  // Values of samples until the last is `last`.
  std::vector<double> ReadValuesUntil(double last) {
    std::vector<double> values;
    pb::WatchTwinsResponse response;
    while ((values.empty() || values.back() != last) && reader_->Read(&response)) {
      if (!response.resume_token().empty()) token_ = response.resume_token();
      for (const pb::TwinChange& change : response.changes()) {
        merged_ += change.samples().merged_count();
        for (const pb::Sample& sample : change.samples().samples()) values.push_back(sample.number());
      }
    }
    return values;
  }
  absl::Status End() {
    pb::WatchTwinsResponse response;
    while (reader_->Read(&response)) {
      if (!response.resume_token().empty()) token_ = response.resume_token();
    }
    ended_ = true;
    return FromGrpcStatus(reader_->Finish());
  }
  const std::string& token() const { return token_; }
  uint64_t merged() const { return merged_; }

 private:
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReader<pb::WatchTwinsResponse>> reader_;
  std::string token_;
  uint64_t merged_ = 0;
  bool ended_ = false;
};

class WatchReactorTest : public TwinServiceTest {
 protected:
  Watch Open(const pb::WatchTwinsRequest& request, const std::string& subject = kAlice) {
    return Watch(twins_.get(), As(subject), request);
  }
  static std::vector<double> Numbers(int count) {
    std::vector<double> numbers;
    for (int i = 0; i < count; ++i) numbers.push_back(i);
    return numbers;
  }
};

TEST_F(WatchReactorTest, TellsASnapshotThenEveryChange) {
  Start();
  PutTwin("twin-1");
  Watch watch = Open({});
  pb::WatchTwinsResponse response;
  ASSERT_TRUE(watch.Read(&response));
  ASSERT_EQ(response.changes_size(), 1);
  EXPECT_EQ(response.changes(0).document().canonical(), TestDocumentText("twin-1"));
  EXPECT_FALSE(response.snapshot_part());
  AppendSamples("twin-1", 10, 20);
  EXPECT_EQ(watch.ReadValuesUntil(199), Numbers(200));
}

TEST_F(WatchReactorTest, ResumesAfterTheToken) {
  Start();
  PutTwin("twin-1");
  AppendSamples("twin-1", 10, 3);
  pb::WatchTwinsRequest request;
  request.set_start_revision(1);
  std::string token;
  {
    Watch watch = Open(request);
    EXPECT_EQ(watch.ReadValuesUntil(29), Numbers(30));
    token = watch.token();
  }
  pb::WatchTwinsRequest again;
  again.set_resume_token(token);
  Watch watch = Open(again);
  Append(DeleteEntry("twin-1"));
  pb::WatchTwinsResponse response;
  ASSERT_TRUE(watch.Read(&response));
  ASSERT_EQ(response.changes_size(), 1);
  EXPECT_TRUE(response.changes(0).has_removed()) << "and nothing twice";
}

TEST_F(WatchReactorTest, ReadsTheLogWhenTheWindowIsPast) {
  limits_.recent_bytes_max = 1;
  Start();
  PutTwin("twin-1");
  AppendSamples("twin-1", 10, 50);
  pb::WatchTwinsRequest request;
  request.set_start_revision(1);
  Watch watch = Open(request);
  EXPECT_EQ(watch.ReadValuesUntil(499), Numbers(500));
}

TEST_F(WatchReactorTest, SaysWhereTheLogBeginsWhenTheStartIsCompacted) {
  limits_.recent_bytes_max = 1;
  Start();
  PutTwin("twin-1");
  AppendSamples("twin-1", 1, 10);
  ASSERT_TRUE(log_.TrimBefore(5).ok());
  pb::WatchTwinsRequest request;
  request.set_start_revision(2);
  Watch watch = Open(request);
  const absl::Status end = watch.End();
  EXPECT_EQ(end.code(), absl::StatusCode::kOutOfRange) << end;
  EXPECT_EQ(ReasonOf(end), "REVISION_COMPACTED");
  EXPECT_EQ(MetadataOf(end)["oldest_revision"], "5");
}

TEST_F(WatchReactorTest, ASlowWatcherMissesNothingAndHoldsUpNobody) {
  limits_.recent_bytes_max = 10'000;
  limits_.watch.response_bytes_max = 2000;
  Start();
  PutTwin("twin-1");
  pb::WatchTwinsRequest request;
  request.set_start_revision(1);
  Watch slow = Open(request);
  Watch fast = Open(request);
  std::thread writer([this] { AppendSamples("twin-1", 200, 50); });
  EXPECT_EQ(fast.ReadValuesUntil(9999), Numbers(10000));
  writer.join();
  EXPECT_EQ(slow.ReadValuesUntil(9999), Numbers(10000)) << "it was read only now";
}

TEST_F(WatchReactorTest, LatestTellsASlowWatcherTheLastValueAndHowManyItMissed) {
  limits_.watch.response_bytes_max = 2000;
  Start();
  PutTwin("twin-1");
  pb::WatchTwinsRequest request;
  request.set_start_revision(1);
  request.set_mode(pb::WATCH_MODE_LATEST);
  AppendSamples("twin-1", 200, 50);
  Watch watch = Open(request);
  const std::vector<double> values = watch.ReadValuesUntil(9999);
  EXPECT_LT(values.size(), 100u);
  EXPECT_EQ(values.size() + watch.merged(), 10000u);
}

TEST_F(WatchReactorTest, SendsBookmarksWhenNothingHappens) {
  Start();
  PutTwin("twin-1");
  pb::WatchTwinsRequest request;
  request.set_start_revision(2);
  request.mutable_bookmark_interval()->set_nanos(100'000'000);
  Watch watch = Open(request);
  pb::WatchTwinsResponse response;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(watch.Read(&response));
    EXPECT_EQ(response.changes_size(), 0);
    EXPECT_EQ(response.revision(), 1u);
    EXPECT_FALSE(response.resume_token().empty());
  }
}

TEST_F(WatchReactorTest, SnapshotsManyTwins) {
  limits_.watch.snapshot_twins_max = 3;
  limits_.watch.response_bytes_max = 20'000;
  Start();
  std::set<std::string> expected;
  for (int i = 0; i < 20; ++i) {
    expected.insert(absl::StrCat("twin-", i));
    PutTwin(absl::StrCat("twin-", i));
  }
  Watch watch = Open({});
  std::set<std::string> told;
  pb::WatchTwinsResponse response;
  do {
    ASSERT_TRUE(watch.Read(&response));
    for (const pb::TwinChange& change : response.changes()) EXPECT_TRUE(told.insert(change.twin_id()).second);
  } while (response.snapshot_part());
  EXPECT_EQ(told, expected);
  EXPECT_FALSE(response.resume_token().empty());
}

TEST_F(WatchReactorTest, ShowsOnlyWhatThePolicyAllows) {
  Start();
  PutTwin("twin-1");
  PutTwin("twin-2");
  {
    Watch watch = Open({}, kRita);
    pb::WatchTwinsResponse response;
    ASSERT_TRUE(watch.Read(&response));
    ASSERT_EQ(response.changes_size(), 1);
    EXPECT_EQ(response.changes(0).twin_id(), "twin-1");
  }
  pb::WatchTwinsRequest request;
  request.add_twin_ids("twin-2");
  EXPECT_EQ(ReasonOf(Open(request, kRita).End()), "NOT_AUTHORIZED");
  EXPECT_EQ(ReasonOf(Open({}, kEve).End()), "NOT_AUTHORIZED");
}

TEST_F(WatchReactorTest, RefusesABadRequestAndTooMany) {
  limits_.watches_max = 1;
  Start();
  pb::WatchTwinsRequest bad;
  bad.set_resume_token("x");
  EXPECT_EQ(ReasonOf(Open(bad).End()), "REQUEST_INVALID");
  Watch first = Open({});
  pb::WatchTwinsResponse response;
  ASSERT_TRUE(first.Read(&response));
  const absl::Status end = Open({}).End();
  EXPECT_EQ(end.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(end), "TOO_MANY_WATCHES");
}

TEST_F(WatchReactorTest, BoundsTheWatchesOfOneClient) {
  limits_.watches_max = 8;
  Start();
  PutTwin("twin-1");
  Watch first = Open({});
  Watch second = Open({});
  pb::WatchTwinsResponse response;
  ASSERT_TRUE(first.Read(&response));
  ASSERT_TRUE(second.Read(&response));
  const absl::Status end = Open({}).End();
  EXPECT_EQ(end.code(), absl::StatusCode::kResourceExhausted) << end;
  EXPECT_EQ(ReasonOf(end), "TOO_MANY_WATCHES");
  EXPECT_EQ(MetadataOf(end)["limit"], "2") << "a quarter";
  Watch other = Open({}, kRita);
  EXPECT_TRUE(other.Read(&response));
}

TEST_F(WatchReactorTest, TellsTheReasonHoweverLongANameIs) {
  Start();
  const std::string name(8000, 'x');
  pb::WatchTwinsRequest request;
  request.add_twin_ids("twin-1");
  request.add_twin_ids(name);
  absl::Status end = Open(request, kRita).End();
  EXPECT_EQ(ReasonOf(end), "REQUEST_INVALID") << end;
  EXPECT_EQ(FieldViolationsOf(end)[0].field(), "twin_ids[1]");
  request.Clear();
  request.add_prefixes(name);
  end = Open(request, kRita).End();
  EXPECT_EQ(FieldViolationsOf(end)[0].field(), "prefixes[0]");
  request.Clear();
  request.add_sensors(name);
  end = Open(request, kRita).End();
  EXPECT_EQ(FieldViolationsOf(end)[0].field(), "sensors[0]");
  request.Clear();
  for (int i = 0; i < 1000; ++i) request.add_twin_ids("");
  end = Open(request).End();
  EXPECT_EQ(ReasonOf(end), "REQUEST_INVALID") << end;
  EXPECT_THAT(FieldViolationsOf(end), Not(IsEmpty())) << "the first ones";
}

TEST_F(WatchReactorTest, EndsUnavailableWithATokenWhenTheGatewayDrains) {
  Start();
  PutTwin("twin-1");
  pb::WatchTwinsRequest request;
  request.add_twin_ids("twin-2");  // nothing to tell
  request.set_start_revision(1);
  Watch watch = Open(request);
  // Only a watch that is open is told.
  while (watches_->count() == 0) std::this_thread::yield();
  watches_->BeginDrain(absl::Seconds(1));
  const absl::Status end = watch.End();
  EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(end), "DRAINING");
  EXPECT_FALSE(watch.token().empty());
}

TEST_F(WatchReactorTest, ForgetsAClientThatIsGone) {
  Start();
  {
    Watch watch = Open({});
    pb::WatchTwinsResponse response;
    ASSERT_TRUE(watch.Read(&response));
    EXPECT_EQ(watches_->count(), 1u);
  }
  EXPECT_TRUE(watches_->WaitUntilEmpty(absl::Seconds(10)));
  EXPECT_THAT(registry_.Text(), HasSubstr("mvmd_gateway_watches 0"));
}

}  // namespace
}  // namespace mvmd
