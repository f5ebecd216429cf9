// ListTwins with filters, orders and totals.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gateway/page_token.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gateway/twin_service_fixture.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ListTwinsTest : public TwinServiceTest {
 protected:
  absl::StatusOr<pb::ListTwinsResponse> ListPage(const std::string& subject, const pb::ListTwinsRequest& request) {
    pb::ListTwinsResponse response;
    if (absl::Status status = Call(subject, &TwinStub::ListTwins, request, &response); !status.ok()) return status;
    return response;
  }
  // All pages; checks that none is larger than asked for, and that each but the last one has a token.
  std::vector<std::string> List(const std::string& subject, pb::ListTwinsRequest request) {
    std::vector<std::string> ids;
    do {
      const absl::StatusOr<pb::ListTwinsResponse> page = ListPage(subject, request);
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      for (const std::string& id : Ids(*page)) ids.push_back(id);
      EXPECT_LE(page->twins_size(), request.page_size() > 0 ? request.page_size() : 50);
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return ids;
  }
  std::vector<std::string> List(const std::string& filter, const std::string& order_by = "") {
    return List(kAlice, Request(filter, order_by));
  }
  static pb::ListTwinsRequest Request(const std::string& filter, const std::string& order_by = "", int page_size = 0) {
    pb::ListTwinsRequest request;
    request.set_filter(filter);
    request.set_order_by(order_by);
    request.set_page_size(page_size);
    return request;
  }
  void PutNamed(const std::string& twin, const std::string& name) {
    Json document = TestDocument(twin);
    document.Set("name", Json::String(name));
    Append(PutEntry(twin, Canonicalize(document)));
  }
  void SetPolicy(const std::string& twins) {
    callers_.SetPolicy(std::make_shared<const Policy>(
        *Policy::Parse(absl::StrCat("rules: [{subject: '", kRita, "', roles: [reader], twins: [", twins, "]}]"), "p")));
  }
};

TEST_F(ListTwinsTest, FiltersByLiveValues) {
  Start();
  PutTwin("twin-1");
  PutTwin("twin-2");
  AppendSamples("twin-1", 70);  // the last one is 69
  EXPECT_THAT(List(R"(connectionStatus = "active" AND subjectOf.manufacturer = "Industrial Robotics Inc." AND
                      sensors.temp-1.currentValue > 60)"),
              ElementsAre("twin-1"));
  EXPECT_THAT(List("sensors.temp-1.currentValue = 69"), ElementsAre("twin-1"));
  EXPECT_THAT(List("sensors.temp-1.currentValue = 42.3"), ElementsAre("twin-2")) << "of its definition";
  EXPECT_THAT(List("lastSynced > 2023-01-01"), ElementsAre("twin-1", "twin-2"));
  EXPECT_THAT(List("id = twin-2"), ElementsAre("twin-2"));
  EXPECT_THAT(List("id = nobody"), IsEmpty());
}

TEST_F(ListTwinsTest, FiltersByWhatItThenShows) {
  Start();
  PutTwin("twin-1");
  AppendSamples("twin-1", 70);
  pb::ListTwinsRequest request = Request("sensors.temp-1.currentValue > 60");
  request.set_view(pb::TWIN_VIEW_CANONICAL);
  const auto page = ListPage(kAlice, request);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->twins_size(), 1);
  EXPECT_THAT(page->twins(0).canonical(), HasSubstr("\"currentValue\":69"));
}

TEST_F(ListTwinsTest, PagesFitTogetherWhateverTheFilterAndTheOrder) {
  Start();
  constexpr int kTwins = 23;
  for (int i = 0; i < kTwins; ++i) PutNamed(absl::StrCat("twin-", 10 + i), absl::StrCat("robot ", i * 7 % 5));
  PutTwin("other-1");
  for (const std::string order_by : {"", "name", "name desc", "name, id desc", "missing", "missing desc, id desc"}) {
    for (const std::string filter : {"", "name = \"robot *\"", "name = (\"robot 1\" OR \"robot 3\")", "name = none"}) {
      pb::ListTwinsRequest request = Request(filter, order_by, 1000);
      request.set_prefix("twin-");
      const std::vector<std::string> all = List(kAlice, request);
      const size_t expected = filter.empty() || filter == "name = \"robot *\"" ? kTwins
                              : filter == "name = none"                        ? 0
                                                                               : 8;
      EXPECT_THAT(all, SizeIs(expected)) << filter;
      std::vector<std::string> sorted = all;
      std::sort(sorted.begin(), sorted.end());
      EXPECT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end()) << "a twin is there twice";
      for (const int page_size : {1, 2, 3, 7, 22, 23}) {
        request.set_page_size(page_size);
        EXPECT_EQ(List(kAlice, request), all) << order_by << ", " << filter << " in pages of " << page_size;
      }
    }
  }
}

TEST_F(ListTwinsTest, OrdersWithTiesById) {
  Start();
  PutNamed("twin-1", "b");
  PutNamed("twin-2", "a");
  PutNamed("twin-3", "b");
  PutNamed("twin-4", "c");
  EXPECT_THAT(List("", "name"), ElementsAre("twin-2", "twin-1", "twin-3", "twin-4"));
  EXPECT_THAT(List("", "name desc"), ElementsAre("twin-4", "twin-1", "twin-3", "twin-2"));
  EXPECT_THAT(List("", "name desc, id desc"), ElementsAre("twin-4", "twin-3", "twin-1", "twin-2"));
  EXPECT_THAT(List("NOT name = c", "name"), ElementsAre("twin-2", "twin-1", "twin-3"));
}

TEST_F(ListTwinsTest, OrdersByLiveValuesWithMissingOnesLast) {
  Start();
  for (const char* twin : {"twin-1", "twin-2", "twin-3"}) PutTwin(twin);
  Json without = TestDocument("twin-4");
  without.Find("sensors")->elements()[0].Set("id", Json::String("temp-9"));
  Append(PutEntry("twin-4", Canonicalize(without)));
  AppendSamples("twin-2", 5);  // the last one is 4, the others have 42.3
  EXPECT_THAT(List("", "sensors.temp-1.currentValue"), ElementsAre("twin-2", "twin-1", "twin-3", "twin-4"));
  EXPECT_THAT(List("", "sensors.temp-1.currentValue desc"), ElementsAre("twin-1", "twin-3", "twin-2", "twin-4"));
}

TEST_F(ListTwinsTest, EndsAnOrderedPageEarlyWhenItIsLarge) {
  limits_.page_bytes_max = 1;
  Start();
  PutNamed("twin-1", "b");
  PutNamed("twin-2", "a");
  const auto page = ListPage(kAlice, Request("", "name"));
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(Ids(*page), ElementsAre("twin-2"));
  EXPECT_NE(page->next_page_token(), "");
  EXPECT_THAT(List("", "name"), ElementsAre("twin-2", "twin-1"));
}

TEST_F(ListTwinsTest, CountsAllPagesOnRequest) {
  Start();
  for (int i = 0; i < 5; ++i) PutNamed(absl::StrCat("twin-", i), i % 2 == 0 ? "even" : "odd");
  for (const char* order_by : {"", "name"}) {
    for (const auto& [filter, total] :
         std::vector<std::pair<std::string, int>>{{"", 5}, {"name = even", 3}, {"absent everywhere", 0}}) {
      pb::ListTwinsRequest request = Request(filter, order_by, 2);
      do {
        request.set_include_total_size(true);
        const auto page = ListPage(kAlice, request);
        ASSERT_TRUE(page.ok()) << page.status();
        EXPECT_EQ(page->total_size(), total) << filter << ", " << order_by;
        request.set_include_total_size(false);
        const auto without = ListPage(kAlice, request);
        ASSERT_TRUE(without.ok()) << "whether it is counted may change: " << without.status();
        EXPECT_EQ(without->total_size(), 0);
        EXPECT_EQ(Ids(*without), Ids(*page));
        EXPECT_EQ(without->next_page_token(), page->next_page_token());
        request.set_page_token(page->next_page_token());
      } while (!request.page_token().empty());
    }
  }
}

TEST_F(ListTwinsTest, TellsNothingOfWhatTheCallerMayNotRead) {
  Start();
  for (int i = 0; i < 10; ++i) PutNamed(absl::StrCat("twin-", i), absl::StrCat("name ", 9 - i));
  SetPolicy("twin-1, twin-5, 'twin-7*'");
  pb::ListTwinsRequest request = Request("name = \"name*\"", "name", 2);
  request.set_include_total_size(true);
  auto page = ListPage(kRita, request);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->total_size(), 3);
  EXPECT_THAT(Ids(*page), ElementsAre("twin-7", "twin-5"));
  request.set_page_token(page->next_page_token());
  page = ListPage(kRita, request);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(Ids(*page), ElementsAre("twin-1"));
  EXPECT_EQ(page->next_page_token(), "") << "which would say that there are more";
  EXPECT_THAT(List(kRita, Request("id = twin-2")), IsEmpty());
  EXPECT_THAT(List(kRita, Request("NOT id = twin-5", "id desc")), ElementsAre("twin-7", "twin-1"));
  EXPECT_EQ(ListPage(kEve, Request("(")).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(ListTwinsTest, SaysWhatIsWrongAndWhere) {
  Start();
  const absl::Status filter = ListPage(kAlice, Request("name = \"a\" AND")).status();
  EXPECT_EQ(filter.code(), absl::StatusCode::kInvalidArgument) << filter;
  EXPECT_EQ(ReasonOf(filter), "REQUEST_INVALID");
  ASSERT_THAT(FieldViolationsOf(filter), SizeIs(1));
  EXPECT_EQ(FieldViolationsOf(filter)[0].field(), "filter");
  EXPECT_EQ(FieldViolationsOf(filter)[0].description(),
            "position 15: expected a path, a value, NOT, - or (, got the end");
  const absl::Status both = ListPage(kAlice, Request("f(x)", "a b")).status();
  ASSERT_THAT(FieldViolationsOf(both), SizeIs(2));
  EXPECT_EQ(FieldViolationsOf(both)[0].field(), "filter");
  EXPECT_EQ(FieldViolationsOf(both)[1].field(), "order_by");
  EXPECT_THAT(registry_.Text(), HasSubstr(R"(mvmd_gateway_rpcs_total{code="INVALID_ARGUMENT",method="ListTwins"} 2)"));
}

TEST_F(ListTwinsTest, RefusesATokenOfAnotherFilterOrOrder) {
  Start();
  PutNamed("twin-1", "a");
  PutNamed("twin-2", "b");
  pb::ListTwinsRequest request = Request("name = (a OR b)", "name", 1);
  const auto page = ListPage(kAlice, request);
  ASSERT_TRUE(page.ok()) << page.status();
  for (const auto& [filter, order_by] : std::vector<std::pair<std::string, std::string>>{
           {"name = (a OR b)", "name desc"}, {"name = (b OR a)", "name"}, {"", "name"}, {"name = (a OR b)", ""}}) {
    request.set_filter(filter);
    request.set_order_by(order_by);
    request.set_page_token(page->next_page_token());
    const absl::Status status = ListPage(kAlice, request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << filter << ", " << order_by;
    EXPECT_EQ(FieldViolationsOf(status)[0].field(), "page_token");
  }
  // A position is harmless whatever it says.
  for (const std::vector<std::string>& position : std::vector<std::vector<std::string>>{
           {"x"}, {"", ""}, {std::string(5000, '\xff'), "twin-1"}, {"\x50zz", std::string(3000, 'x')}}) {
    request.set_page_token(
        EncodeToken(TokenBinding(request, {"page_token", "page_size", "include_total_size"}), position));
    EXPECT_TRUE(ListPage(kAlice, request).ok());
  }
  for (const std::vector<std::string>& position : std::vector<std::vector<std::string>>{{}, {"a", "b", "c"}}) {
    request.set_page_token(
        EncodeToken(TokenBinding(request, {"page_token", "page_size", "include_total_size"}), position));
    EXPECT_EQ(ListPage(kAlice, request).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(ListTwinsTest, ReadsItsOwnWrites) {
  Start();
  PutNamed("twin-1", "before");
  for (int i = 0; i < 20; ++i) {
    const std::string name = absl::StrCat("after ", i);
    const auto updated = Update(kAlice, "twin-1", absl::StrCat("{\"name\": \"", name, "\"}"));
    ASSERT_TRUE(updated.ok()) << updated.status();
    pb::ListTwinsRequest request = Request(absl::StrCat("name = \"", name, "\""), "name");
    request.set_min_revision(updated->twin().revision());
    const auto page = ListPage(kAlice, request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_THAT(Ids(*page), ElementsAre("twin-1"));
    EXPECT_GE(page->applied_revision(), updated->twin().revision());
  }
}

// More turns than one, and more parts than one.
TEST_F(ListTwinsTest, GoesThroughManyTwins) {
  Start();
  constexpr int kTwins = 400;
  for (int i = 0; i < kTwins; ++i) {
    const std::string twin = absl::StrCat("twin-", 1000 + i);
    const absl::Status queued = committer_->Append(PutEntry(twin, TestDocumentText(twin)), nullptr, [](const auto&) {});
    ASSERT_TRUE(queued.ok()) << queued;
  }
  PutTwin("twin-2000");
  pb::ListTwinsRequest request = Request("id = *99 OR id = twin-2000", "id desc", 2);
  request.set_include_total_size(true);
  const auto page = ListPage(kAlice, request);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->total_size(), kTwins / 100 + 1);
  EXPECT_THAT(Ids(*page), ElementsAre("twin-2000", "twin-1399"));
  EXPECT_THAT(List("id = *99", "id desc"), ElementsAre("twin-1399", "twin-1299", "twin-1199", "twin-1099"));
  EXPECT_THAT(List("id = *99"), ElementsAre("twin-1099", "twin-1199", "twin-1299", "twin-1399"));
  EXPECT_THAT(List("robot absent everywhere"), IsEmpty());
}

TEST_F(ListTwinsTest, EndsWhenItsClientIsGone) {
  Start();
  PutTwin("twin-1");
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  // Awaited by calls that need no thread of the readers.
  const auto await = [this, deadline](const auto& condition) {
    while (!condition() && absl::Now() < deadline) EXPECT_TRUE(Get(kAlice, "twin-1").ok());
    return condition();
  };
  const auto is_counted = [this] {
    return absl::StrContains(registry_.Text(), R"(mvmd_gateway_rpcs_total{code="CANCELLED",method="ListTwins"})");
  };
  // The gateway learns of the cancellation in its own time, so it may be too late once.
  while (!is_counted() && absl::Now() < deadline) {
    const auto go_on = std::make_shared<absl::Notification>();  // both threads are busy until then
    absl::Notification done;
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(readers_->TryRun([go_on] { go_on->WaitForNotification(); }));
    const auto context = As(kAlice);
    const pb::ListTwinsRequest request = Request("name:*", "name");
    pb::ListTwinsResponse response;
    absl::Status status;
    twins_->async()->ListTwins(context.get(), &request, &response, [&](const grpc::Status& ended) {
      status = FromGrpcStatus(ended);
      done.Notify();
    });
    EXPECT_TRUE(await([this] { return readers_->queued() == 1; }));
    context->TryCancel();
    done.WaitForNotification();
    EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
    EXPECT_TRUE(Get(kAlice, "twin-1").ok());
    go_on->Notify();
    EXPECT_TRUE(await([this] { return readers_->queued() == 0; }));
  }
  EXPECT_TRUE(is_counted()) << registry_.Text();
}

}  // namespace
}  // namespace mvmd
