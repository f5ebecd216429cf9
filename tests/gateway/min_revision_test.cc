// Calls that wait for a revision.
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

// A call that waits for a revision which does not come by itself.
template <typename Request, typename Response>
class WaitingCall {
 public:
  using Method = void (pb::TwinService::StubInterface::async_interface::*)(grpc::ClientContext*, const Request*,
                                                                           Response*,
                                                                           std::function<void(grpc::Status)>);
  WaitingCall(pb::TwinService::Stub* stub, Method method, std::unique_ptr<grpc::ClientContext> context, Request request)
      : context_(std::move(context)), request_(std::move(request)) {
    (stub->async()->*method)(context_.get(), &request_, &response_, [this](const grpc::Status& status) {
      status_ = FromGrpcStatus(status);
      done_.Notify();
    });
  }
  ~WaitingCall() {
    Cancel();
    End().IgnoreError();
  }
  void Cancel() { context_->TryCancel(); }
  bool has_ended() const { return done_.HasBeenNotified(); }
  absl::Status End() {
    done_.WaitForNotification();
    return status_;
  }
  const Response& response() const { return response_; }

 private:
  std::unique_ptr<grpc::ClientContext> context_;
  Request request_;
  Response response_;
  absl::Notification done_;
  absl::Status status_;
};

class MinRevisionTest : public TwinServiceTest {
 protected:
  using Async = pb::TwinService::StubInterface::async_interface;
  using WaitingGet = WaitingCall<pb::GetTwinRequest, pb::GetTwinResponse>;
  using WaitingList = WaitingCall<pb::ListTwinsRequest, pb::ListTwinsResponse>;

  std::unique_ptr<WaitingGet> Get(const std::string& subject, uint64_t min_revision,
                                  absl::Duration timeout = absl::Minutes(5)) {
    pb::GetTwinRequest request;
    request.set_twin_id("twin-1");
    request.set_min_revision(min_revision);
    const WaitingGet::Method method = &Async::GetTwin;
    return std::make_unique<WaitingGet>(twins_.get(), method, As(subject, timeout), request);
  }
  std::unique_ptr<WaitingList> List(const std::string& subject, uint64_t min_revision) {
    pb::ListTwinsRequest request;
    request.set_min_revision(min_revision);
    const WaitingList::Method method = &Async::ListTwins;
    return std::make_unique<WaitingList>(twins_.get(), method, As(subject, absl::Minutes(5)), request);
  }
  // Has a call of this subject no place? It has one for a moment if it gets it.
  bool IsFullFor(const std::string& subject) {
    return ReasonOf(Get(subject, 1000, absl::Milliseconds(20))->End()) == "OVERLOADED";
  }
  bool IsFullSoon(const std::string& subject, bool full) {
    const absl::Time deadline = absl::Now() + absl::Seconds(5);
    while (IsFullFor(subject) != full) {
      if (absl::Now() > deadline) return false;
    }
    return true;
  }
  // Returns when what `make` calls waits, in the only place there is.
  template <typename Make>
  auto Hold(Make make) {
    while (true) {
      auto call = make();
      while (!call->has_ended()) {
        // A call that found the other's place taken has not waited.
        if (IsFullFor(kAlice) && !call->has_ended()) return call;
      }
    }
  }
  void SetPolicy(const char* yaml) { callers_.SetPolicy(std::make_shared<const Policy>(*Policy::Parse(yaml, "p"))); }
};

TEST_F(MinRevisionTest, ACancelledCallGivesItsPlaceBack) {
  limits_.waiting_max = 1;
  Start();
  PutTwin("twin-1");
  const auto first = Hold([this] { return Get(kRita, 1000); });
  first->Cancel();
  EXPECT_EQ(first->End().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(IsFullSoon(kAlice, false));
  EXPECT_THAT(registry_.Text(), HasSubstr(R"(mvmd_gateway_rpcs_total{code="CANCELLED",method="GetTwin"})"));
}

TEST_F(MinRevisionTest, OneClientDoesNotTakeAllPlaces) {
  limits_.waiting_max = 8;
  Start();
  PutTwin("twin-1");
  const auto first = Get(kAlice, 1000);
  const auto second = Get(kAlice, 1000);
  EXPECT_TRUE(IsFullSoon(kAlice, true)) << "a quarter is two";
  EXPECT_FALSE(IsFullFor(kRita));
  EXPECT_TRUE(IsFullSoon(kAlice, true)) << "still";
}

TEST_F(MinRevisionTest, EndsWithTheGateway) {
  limits_.waiting_max = 1;
  Start();
  PutTwin("twin-1");
  const auto call = Hold([this] { return Get(kRita, 1000); });
  Stop();
  EXPECT_FALSE(call->End().ok());
}

TEST_F(MinRevisionTest, EveryWaitEndsOnceWhateverEndsIt) {
  limits_.waiting_max = 4000;
  Start();
  PutTwin("twin-1");
  std::vector<std::unique_ptr<WaitingGet>> calls;
  for (int i = 0; i < 300; ++i) {
    const absl::Duration timeout = i % 3 == 0 ? absl::Milliseconds(5 + i % 20) : absl::Minutes(5);
    calls.push_back(Get(kAlice, 2 + static_cast<uint64_t>(i) % 7, timeout));
    if (i % 3 == 1) calls.back()->Cancel();
    if (i % 50 == 49) PutTwin(absl::StrCat("twin-", i));
  }
  while (committer_->applied_revision() < 8) PutTwin(absl::StrCat("other-", committer_->applied_revision()));
  for (size_t i = 2; i < calls.size(); i += 3) EXPECT_TRUE(calls[i]->End().ok()) << calls[i]->End();
  calls.clear();
  Stop();
}

TEST_F(MinRevisionTest, ChecksThePolicyOfTheMomentWhenTheWaitIsOver) {
  limits_.waiting_max = 1;
  Start();
  PutTwin("twin-1");
  const auto call = Hold([this] { return Get(kRita, 2); });
  SetPolicy("rules: [{subject: 'spiffe://plant.example/client/rita', roles: [reader], twins: ['twin-2']}]");
  PutTwin("twin-2");
  const absl::Status status = call->End();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_EQ(ReasonOf(status), "NOT_AUTHORIZED");
}

TEST_F(MinRevisionTest, ListsUnderThePolicyOfTheMoment) {
  limits_.waiting_max = 1;
  Start();
  PutTwin("twin-1");
  const auto call = Hold([this] { return List(kRita, 2); });
  SetPolicy("rules: [{subject: 'spiffe://plant.example/client/rita', roles: [reader], twins: ['twin-2']}]");
  PutTwin("twin-2");
  ASSERT_TRUE(call->End().ok()) << call->End();
  EXPECT_THAT(Ids(call->response()), ElementsAre("twin-2"));
}

TEST_F(MinRevisionTest, ListsNothingForOneWhoMayReadNothingAnyMore) {
  limits_.waiting_max = 1;
  Start();
  PutTwin("twin-1");
  const auto call = Hold([this] { return List(kRita, 2); });
  SetPolicy("rules: []");
  PutTwin("twin-2");
  EXPECT_EQ(ReasonOf(call->End()), "NOT_AUTHORIZED");
}

}  // namespace
}  // namespace mvmd
