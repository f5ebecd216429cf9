#include "runtime/ops_server.h"

#include <httplib.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OpsServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<OpsServer>> started = OpsServer::Start("127.0.0.1:0", &health_, &metrics_);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }

  // `status body`.
  std::string Get(const std::string& path) {
    httplib::Client client("127.0.0.1", server_->port());
    const httplib::Result result = client.Get(path);
    return result ? absl::StrCat(result->status, " ", result->body) : "no answer";
  }

  Health health_;
  Metrics metrics_{"t_"};
  std::unique_ptr<OpsServer> server_;
};

TEST_F(OpsServerTest, ReadyUntilAConditionSaysOtherwise) {
  EXPECT_EQ(Get("/readyz"), "200 ok\n");
  health_.SetNotReady("replay", "replaying the log");
  health_.SetNotReady("disk", "full");
  EXPECT_EQ(Get("/readyz"), "503 disk: full\nreplay: replaying the log\n");
  EXPECT_EQ(Get("/livez"), "200 ok\n");
  health_.SetReady("replay");
  health_.SetReady("disk");
  health_.SetReady("never set");
  EXPECT_EQ(Get("/readyz"), "200 ok\n");
}

TEST_F(OpsServerTest, DeadIsForGood) {
  health_.SetDead("listener gone");
  health_.SetDead("later reason");
  EXPECT_EQ(Get("/livez"), "503 dead: listener gone\n");
  EXPECT_EQ(Get("/readyz"), "503 dead: listener gone\n");
}

TEST_F(OpsServerTest, ServesMetrics) {
  metrics_.AddCounter("things_total", "Things.").Increment();
  httplib::Client client("127.0.0.1", server_->port());
  const httplib::Result result = client.Get("/metrics");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->get_header_value("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(result->get_header_value("Connection"), "close");
  EXPECT_THAT(result->body, HasSubstr("t_things_total 1\n"));
}

TEST_F(OpsServerTest, KnowsNothingElse) {
  EXPECT_THAT(Get("/"), HasSubstr("404"));
  httplib::Client client("127.0.0.1", server_->port());
  const httplib::Result post = client.Post("/readyz", "x", "text/plain");
  EXPECT_TRUE(!post || post->status >= 400);
  EXPECT_EQ(Get("/readyz"), "200 ok\n");
}

TEST_F(OpsServerTest, RefusesAPortThatIsTaken) {
  const auto second = OpsServer::Start(absl::StrCat("127.0.0.1:", server_->port()), &health_, &metrics_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("cannot listen: Address already in use"));
}

TEST_F(OpsServerTest, OffMeansNone) {
  EXPECT_EQ(*OpsServer::Start("off", &health_, &metrics_), nullptr);
  EXPECT_EQ(*OpsServer::Start("", &health_, &metrics_), nullptr);
}

TEST_F(OpsServerTest, RefusesWhatIsNoAddress) {
  for (const char* address : {"localhost", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "a:b:1"}) {
    EXPECT_EQ(OpsServer::Start(address, &health_, &metrics_).status().code(), absl::StatusCode::kInvalidArgument)
        << address;
  }
}

TEST(HealthTest, TellsItsReasonsSorted) {
  Health health;
  EXPECT_TRUE(health.ready());
  health.SetNotReady("b", "x");
  health.SetNotReady("a", "y");
  health.SetNotReady("b", "z");
  EXPECT_FALSE(health.ready());
  EXPECT_TRUE(health.live());
  EXPECT_THAT(health.Reasons(), ElementsAre("a: y", "b: z"));
}

}  // namespace
}  // namespace mvmd
