#include "bridge/topic_pattern.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TopicPattern Pattern(absl::string_view text) {
  absl::StatusOr<TopicPattern> pattern = TopicPattern::Parse(text);
  EXPECT_TRUE(pattern.ok()) << pattern.status();
  return *pattern;
}

bool Matches(absl::string_view pattern, absl::string_view topic) {
  std::vector<absl::string_view> captures;
  return Pattern(pattern).Match(topic, &captures);
}

TEST(TopicPatternTest, CapturesNamedLevels) {
  const TopicPattern pattern = Pattern("plant/{machine}/sensors/{sensor}");
  EXPECT_EQ(pattern.filter(), "plant/+/sensors/+");
  EXPECT_THAT(pattern.names(), ElementsAre("machine", "sensor"));
  std::vector<absl::string_view> captures;
  ASSERT_TRUE(pattern.Match("plant/robot-42/sensors/temp-1", &captures));
  EXPECT_THAT(captures, ElementsAre("robot-42", "temp-1"));
}

TEST(TopicPatternTest, CapturesTheRest) {
  const TopicPattern pattern = Pattern("umh/v1/{site}/{path...}");
  EXPECT_EQ(pattern.filter(), "umh/v1/+/#");
  std::vector<absl::string_view> captures;
  ASSERT_TRUE(pattern.Match("umh/v1/cologne/line-4/press", &captures));
  EXPECT_THAT(captures, ElementsAre("cologne", "line-4/press"));
  EXPECT_FALSE(pattern.Match("umh/v1/cologne", &captures));
  EXPECT_FALSE(pattern.Match("umh/v1/cologne/", &captures));
}

// The examples of MQTT 3.1.1, section 4.7.
TEST(TopicPatternTest, MatchesAsMqttDoes) {
  EXPECT_TRUE(Matches("sport/tennis/player1/#", "sport/tennis/player1"));
  EXPECT_TRUE(Matches("sport/tennis/player1/#", "sport/tennis/player1/ranking"));
  EXPECT_TRUE(Matches("sport/#", "sport"));
  EXPECT_TRUE(Matches("#", "sport/tennis"));
  EXPECT_TRUE(Matches("sport/tennis/+", "sport/tennis/player1"));
  EXPECT_FALSE(Matches("sport/tennis/+", "sport/tennis/player1/ranking"));
  EXPECT_FALSE(Matches("sport/+", "sport"));
  EXPECT_TRUE(Matches("sport/+", "sport/"));
  EXPECT_TRUE(Matches("+/+", "/finance"));
  EXPECT_TRUE(Matches("/+", "/finance"));
  EXPECT_FALSE(Matches("+", "/finance"));
  EXPECT_FALSE(Matches("#", "$SYS/broker"));
  EXPECT_FALSE(Matches("+/monitor/Clients", "$SYS/monitor/Clients"));
  EXPECT_TRUE(Matches("$SYS/#", "$SYS/monitor"));
  EXPECT_TRUE(Matches("/neuron/{n}/x", "/neuron/a/x"));
}

TEST(TopicPatternTest, RefusesWhatIsNoFilter) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "got nothing"},           {"a/#/b", "last level"},      {"a+/b", "whole level"},
      {"a/b#", "whole level"},       {"x-{name}", "whole level"},  {"{}/b", "whole level"},
      {"{1a}/b", "expected a name"}, {"{a b}", "expected a name"}, {"{a...}/b", "last level"},
      {"{a}/{a}", "used twice"},     {"{reading}", "taken"},       {"a/{b", "whole level"},
  };
  for (const auto& [text, message] : cases) {
    absl::StatusOr<TopicPattern> pattern = TopicPattern::Parse(text);
    ASSERT_FALSE(pattern.ok()) << text;
    EXPECT_THAT(std::string(pattern.status().message()), HasSubstr(message)) << text;
  }
  EXPECT_FALSE(TopicPattern::Parse(absl::string_view("a\0b", 3)).ok());
  EXPECT_FALSE(TopicPattern::Parse(std::string(70000, 'a')).ok());
}

TEST(NameTemplateTest, FillsNames) {
  const std::vector<std::string> names = {"machine", "line"};
  absl::StatusOr<NameTemplate> name = NameTemplate::Parse("twin-{line}-{machine}/{reading}!", names);
  ASSERT_TRUE(name.ok()) << name.status();
  std::string out = "old";
  name->Fill({"m1", "l2"}, "temp", &out);
  EXPECT_EQ(out, "twin-l2-m1/temp!");
  EXPECT_TRUE(name->uses_reading());
  EXPECT_FALSE(NameTemplate::Parse("fixed", names)->uses_reading());
}

TEST(NameTemplateTest, RefusesUnknownNames) {
  EXPECT_THAT(std::string(NameTemplate::Parse("{nobody}", {"machine"}).status().message()), HasSubstr("machine"));
  for (const char* text : {"", "{machine", "machine}", "{}", "a{b}c}"}) {
    EXPECT_FALSE(NameTemplate::Parse(text, {"machine"}).ok()) << text;
  }
}

}  // namespace
}  // namespace mvmd
