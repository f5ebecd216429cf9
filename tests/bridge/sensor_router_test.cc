#include "bridge/sensor_router.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Problem = SensorTarget::Problem;

std::unique_ptr<SensorRouter> Router(const std::string& routes, const TwinCatalog* catalog, size_t topics_max = 65536) {
  pb::BridgeConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(routes, &config)) << routes;
  absl::StatusOr<std::unique_ptr<SensorRouter>> router = SensorRouter::Make(config.routes(), catalog, topics_max);
  EXPECT_TRUE(router.ok()) << router.status();
  return *std::move(router);
}

class SensorRouterTest : public ::testing::Test {
 protected:
  SensorRouterTest() {
    LocalTwin robot;
    robot.id = "robot";
    robot.has_document = true;
    robot.sensors["temp"] = {.unit = "celsius"};
    catalog_.Add(robot);
    LocalTwin press;
    press.id = "press";
    catalog_.Add(press);
  }
  TwinCatalog catalog_;
  TwinCatalog open_catalog_;
};

TEST_F(SensorRouterTest, FillsNamesFromTheTopic) {
  auto router = Router("routes { topic: 'plant/{m}/{s}' twin: '{m}' sensor: '{s}' }", &catalog_);
  TopicEntry* entry = router->Find("plant/robot/temp");
  ASSERT_EQ(entry->route, 0);
  SensorTarget* target = router->Resolve(entry, "whatever");
  EXPECT_EQ(target->twin, "robot");
  EXPECT_EQ(target->sensor, "temp");
  EXPECT_EQ(target->problem, Problem::kNone);
  ASSERT_NE(target->local, nullptr);
  EXPECT_EQ(target->local->unit, "celsius");
  // The name of the reading does not matter: one target.
  EXPECT_EQ(router->Resolve(entry, "other"), target);
  EXPECT_EQ(router->Find("plant/robot/temp"), entry);
}

TEST_F(SensorRouterTest, FillsNamesFromReadings) {
  auto router = Router("routes { topic: 'plant/{m}' twin: '{m}' sensor: 'x-{reading}' }", &open_catalog_);
  TopicEntry* entry = router->Find("plant/robot");
  // More than are looked through one by one.
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(router->Resolve(entry, absl::StrCat("r", i))->sensor, absl::StrCat("x-r", i));
    }
  }
  EXPECT_EQ(entry->targets.size(), 50u);
}

TEST_F(SensorRouterTest, TellsWhatIsUnknown) {
  auto router = Router("routes { topic: 'plant/{m}/{s}' twin: '{m}' sensor: '{s}' }", &catalog_);
  EXPECT_EQ(router->Find("other/robot/temp")->route, -1);
  EXPECT_EQ(router->Resolve(router->Find("plant/nobody/temp"), "")->problem, Problem::kUnknownTwin);
  EXPECT_EQ(router->Resolve(router->Find("plant/robot/nothing"), "")->problem, Problem::kUnknownSensor);
  // No local document: the gateway decides.
  EXPECT_EQ(router->Resolve(router->Find("plant/press/anything"), "")->problem, Problem::kNone);
  EXPECT_EQ(router->Resolve(router->Find(absl::StrCat("plant/robot/", std::string(600, 'x'))), "")->problem,
            Problem::kBadName);
  EXPECT_EQ(router->Resolve(router->Find("plant/robot/\xFF"), "")->problem, Problem::kBadName);
}

TEST_F(SensorRouterTest, TakesTheFirstRouteThatMatches) {
  auto router = Router(
      "routes { topic: 'a/special' twin: 'first' sensor: 's' } routes { topic: 'a/+' twin: 'second' sensor: 's' }",
      &open_catalog_);
  EXPECT_EQ(router->Resolve(router->Find("a/special"), "")->twin, "first");
  EXPECT_EQ(router->Resolve(router->Find("a/b"), "")->twin, "second");
}

TEST_F(SensorRouterTest, ForgetsTopicsRatherThanGrow) {
  auto router = Router("routes { topic: '{m}' twin: '{m}' sensor: 's' }", &open_catalog_, /*topics_max=*/10);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(router->Resolve(router->Find(absl::StrCat("m", i)), "")->twin, absl::StrCat("m", i));
  }
}

TEST_F(SensorRouterTest, SubscribesOnce) {
  auto router = Router(
      "routes { topic: 'a/{x}/c' twin: 't' sensor: 's' qos: 1 retained: 'accept' }"
      "routes { topic: 'a/#' twin: 't' sensor: 's' qos: 0 } routes { topic: 'b' twin: 't' sensor: 's' qos: 1 }"
      "routes { topic: 'b' twin: 't' sensor: 's' qos: 0 }",
      &open_catalog_);
  EXPECT_THAT(router->Subscriptions(),
              ElementsAre(SensorRouter::Subscription{"a/#", 1, true}, SensorRouter::Subscription{"b", 1, false}));
}

TEST_F(SensorRouterTest, NamesTheWrongRoute) {
  pb::BridgeConfig config;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "routes { topic: 'a' twin: 't' sensor: 's' } routes { topic: 'a' twin: '{x}' sensor: 's' }", &config));
  absl::StatusOr<std::unique_ptr<SensorRouter>> router = SensorRouter::Make(config.routes(), &catalog_);
  EXPECT_THAT(std::string(router.status().message()), HasSubstr("routes[1].twin: unknown name `{x}`"));
}

TEST(FilterCoversTest, IsSetInclusion) {
  EXPECT_TRUE(FilterCovers("#", "a/b"));
  EXPECT_TRUE(FilterCovers("a/#", "a"));
  EXPECT_TRUE(FilterCovers("a/#", "a/+/#"));
  EXPECT_TRUE(FilterCovers("a/+", "a/b"));
  EXPECT_TRUE(FilterCovers("a/+", "a/+"));
  EXPECT_FALSE(FilterCovers("a/+", "a/#"));
  EXPECT_FALSE(FilterCovers("a/b", "a/+"));
  EXPECT_FALSE(FilterCovers("a/+", "a"));
  EXPECT_FALSE(FilterCovers("a/+/c", "a/b"));
  EXPECT_FALSE(FilterCovers("#", "$SYS/a"));
  EXPECT_TRUE(FilterCovers("$SYS/#", "$SYS/a"));
}

}  // namespace
}  // namespace mvmd
