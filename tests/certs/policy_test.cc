#include "certs/policy.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/grpc_status.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kRobots[] = "spiffe://plant.example/bridge/robots";
constexpr char kPress[] = "spiffe://plant.example/bridge/press";
constexpr char kViewer[] = "spiffe://plant.example/client/viewer";
constexpr char kChief[] = "spiffe://plant.example/client/chief";

Policy Make() {
  absl::StatusOr<Policy> policy = Policy::Parse(R"(rules:
  - subject: spiffe://plant.example/bridge/robots
    roles: [bridge]
    twins: ["twin-2024-*", twin-x]
  - subject: spiffe://plant.example/client/*
    roles: [reader]
    twins: ["*"]
  - subject: spiffe://plant.example/client/chief
    roles: [writer]
    twins: ["twin-2024-*"]
  - subject: spiffe://plant.example/client/chief
    roles: [operator]
)",
                                                "policy.yaml");
  EXPECT_TRUE(policy.ok()) << policy.status();
  return *std::move(policy);
}

TEST(PolicyTest, AllowsWhatARuleAllowsAndNothingElse) {
  struct Case {
    const char* subject;
    Role role;
    const char* twin;
    bool allowed;
  };
  const Case cases[] = {
      {kRobots, Role::kBridge, "twin-2024-001", true},
      {kRobots, Role::kBridge, "twin-2024-", true},
      {kRobots, Role::kBridge, "twin-2024", false},
      {kRobots, Role::kBridge, "twin-x", true},
      {kRobots, Role::kBridge, "twin-xy", false},
      {kRobots, Role::kBridge, "", false},
      {kRobots, Role::kReader, "twin-2024-001", false},
      {kRobots, Role::kOperator, "", false},
      {kPress, Role::kBridge, "twin-2024-001", false},
      {"spiffe://plant.example/bridge/robots2", Role::kBridge, "twin-x", false},
      {"spiffe://plant.example/bridge/robots/x", Role::kBridge, "twin-x", false},
      {"spiffe://other.example/bridge/robots", Role::kBridge, "twin-x", false},
      {kViewer, Role::kReader, "anything", true},
      {kViewer, Role::kWriter, "twin-2024-001", false},
      {kChief, Role::kReader, "anything", true},
      {kChief, Role::kWriter, "twin-2024-001", true},
      {kChief, Role::kWriter, "twin-2023-001", false},
      {kChief, Role::kOperator, "", true},
      {"spiffe://plant.example/client/", Role::kReader, "x", false},
      {"spiffe://plant.example/client", Role::kReader, "x", false},
      {"spiffe://plant.example/client/a/b", Role::kReader, "x", true},
      {"", Role::kReader, "x", false},
  };
  const Policy policy = Make();
  for (const Case& c : cases) {
    EXPECT_EQ(policy.May(c.subject, c.role, c.twin), c.allowed)
        << c.subject << " " << RoleName(c.role) << " " << c.twin;
    EXPECT_EQ(policy.Check(c.subject, c.role, c.twin).ok(), c.allowed) << c.subject;
  }
}

TEST(PolicyTest, RolesAtAllAndForAllTwins) {
  const Policy policy = Make();
  EXPECT_TRUE(policy.MaySyncAtAll(kRobots));
  EXPECT_FALSE(policy.MaySyncAtAll(kPress));
  EXPECT_FALSE(policy.AllowsAllTwins(kRobots, Role::kBridge));
  EXPECT_TRUE(policy.AllowsAllTwins(kViewer, Role::kReader));
  EXPECT_FALSE(policy.AllowsAllTwins(kChief, Role::kWriter));
  EXPECT_TRUE(policy.MayOperate(kChief));
  EXPECT_FALSE(policy.MayOperate(kViewer));
  EXPECT_TRUE(policy.CheckRole(kChief, Role::kOperator).ok());
}

TEST(PolicyTest, DefaultDeniesEverything) {
  const Policy policy;
  EXPECT_FALSE(policy.MaySync(kRobots, "twin-x"));
  EXPECT_FALSE(policy.MayRead(kViewer, "x"));
  EXPECT_FALSE(policy.MayOperate(kChief));
  EXPECT_TRUE(Policy::Parse("rules: []", "p").ok());
  EXPECT_EQ(Policy::Parse("", "p").status().code(), absl::StatusCode::kInvalidArgument) << "was it cut off?";
  EXPECT_EQ(Policy::Parse("# nothing\n", "p").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(PolicyTest, DenialNamesSubjectRoleAndTwin) {
  const absl::Status denied = Make().Check(kPress, Role::kBridge, "twin-x");
  EXPECT_EQ(denied.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(
      denied.message(),
      "spiffe://plant.example/bridge/press: the policy has no rule that gives it the role bridge for twin \"twin-x\"");
  EXPECT_EQ(ReasonOf(denied), "NOT_AUTHORIZED");
}

TEST(PolicyTest, DenialKeepsItsReasonOnTheWireWhateverTheNamesAre) {
  const std::string subject = absl::StrCat("spiffe://plant.example/", std::string(2000, 's'));
  for (const size_t size : {256u, 1024u, 100'000u}) {
    std::string twin;
    while (twin.size() < size) twin += "\u00e4";  // three times as long in a header
    const grpc::Status sent = ToGrpcStatus(Make().Check(subject, Role::kWriter, twin));
    const absl::Status received = FromGrpcStatus(sent);
    EXPECT_EQ(ReasonOf(received), "NOT_AUTHORIZED");
    EXPECT_EQ(MetadataOf(received)["subject"], subject);
    EXPECT_EQ(MetadataOf(received).count("twin"), size <= 1024 ? 1u : 0u);
    EXPECT_LT(sent.error_message().size() * 3 + sent.error_details().size() * 4 / 3, 8000u);
  }
}

TEST(PolicyTest, FindsTheNextTwinsOfASubject) {
  struct Case {
    const char* from;
    const char* id;  // null: none
    bool is_prefix;
  };
  const Case cases[] = {
      {"", "exact-1", false},         {"exact-1", "exact-1", false}, {"exact-10", "exact-3", false},
      {"exact-3", "exact-3", false},  {"exact-3a", "twin-", true},   {"twin-", "twin-", true},
      {"twin-2024-1", "twin-", true}, {"twin.", "twin.x", false},    {"twin.x", "twin.x", false},
      {"twin.y", nullptr, false},
  };
  const absl::StatusOr<Policy> policy = Policy::Parse(R"(rules:
  - {subject: spiffe://plant.example/client/viewer, roles: [reader], twins: [twin.x, exact-3, "twin-2024-*", exact-1]}
  - {subject: spiffe://plant.example/client/*, roles: [reader, operator], twins: ["twin-*", "twin-2*", twin-7]}
  - {subject: spiffe://plant.example/client/chief, roles: [reader], twins: ["*"]}
  - {subject: spiffe://plant.example/client/viewer, roles: [writer], twins: ["a*"]}
)",
                                                      "policy.yaml");
  ASSERT_TRUE(policy.ok()) << policy.status();
  for (const Case& c : cases) {
    const auto next = policy->NextTwins(kViewer, Role::kReader, c.from);
    ASSERT_EQ(next.has_value(), c.id != nullptr) << c.from;
    if (!next.has_value()) continue;
    EXPECT_EQ(next->id, c.id) << c.from;
    EXPECT_EQ(next->is_prefix, c.is_prefix) << c.from;
  }
  EXPECT_EQ(policy->NextTwins(kChief, Role::kReader, "x")->id, "");
  EXPECT_TRUE(policy->NextTwins(kChief, Role::kReader, "x")->is_prefix);
  EXPECT_TRUE(policy->NextTwins(kViewer, Role::kOperator, "x")->is_prefix);
  EXPECT_FALSE(policy->NextTwins(kRobots, Role::kReader, "").has_value());
  EXPECT_FALSE(Policy().NextTwins(kChief, Role::kReader, "").has_value());
}

// Every id of at most four letters a and b, against May.
TEST(PolicyTest, NextTwinsLeadThroughAllTwinsAndNoOther) {
  std::vector<std::string> ids = {""};
  for (size_t i = 0; ids[i].size() < 4; ++i) {
    ids.push_back(ids[i] + "a");
    ids.push_back(ids[i] + "b");
  }
  std::sort(ids.begin(), ids.end());
  for (const char* twins : {"a", "'a*'", "aa, 'ab*', b, bab", "'ba*', 'b*', baa, aab", "abba, 'abb*', 'a*', 'bb*', bb",
                            "'bbbb*'", "'aab*', 'aaa*', aa", "'a*b'", "'*b'", "'a*b', 'ab*', aa", "'*a*b*', b",
                            "'b*a*', 'ab*a', bb", "'aa*b', 'a*', 'ba*b'"}) {
    for (const char* others : {"bbb", "'aa*', b", "'*'", "'b*b'", "'*a', 'ab*'"}) {
      const absl::StatusOr<Policy> policy =
          Policy::Parse(absl::StrCat("rules:\n  - {subject: spiffe://a/b, roles: [reader], twins: [", twins,
                                     "]}\n  - {subject: spiffe://a/b, roles: [reader], twins: [", others, "]}\n"),
                        "p");
      ASSERT_TRUE(policy.ok()) << policy.status();
      for (const std::string& from : ids) {
        const auto next = policy->NextTwins("spiffe://a/b", Role::kReader, from);
        const std::string first = next.has_value() ? std::max(from, std::string(next->id)) : "z";
        for (const std::string& id : ids) {
          const bool may = policy->May("spiffe://a/b", Role::kReader, id);
          const std::string place = absl::StrCat(twins, " ", others, ": ", id, " from ", from);
          EXPECT_FALSE(may && id >= from && id < first) << place;
          if (!next.has_value()) continue;
          const bool is_in = next->is_prefix ? absl::StartsWith(id, next->id) : id == next->id;
          EXPECT_FALSE(!next->is_filtered && (is_in || id == first) && !may) << place;
          // Who goes on behind the part that was given must have been shown all of it.
          EXPECT_FALSE(next->is_filtered && !next->is_prefix) << place;
        }
      }
    }
  }
}

TEST(PolicyTest, AStarStandsForAnyCharacters) {
  struct Case {
    const char* pattern;
    const char* twin;
    bool matches;
  };
  const Case cases[] = {
      {"a*c", "ac", true},
      {"a*c", "abc", true},
      {"a*c", "abcc", true},
      {"a*c", "abcd", false},
      {"a*c", "xac", false},
      {"*c", "c", true},
      {"*c", "abc", true},
      {"*c", "cd", false},
      {"*b*", "abc", true},
      {"*b*", "b", true},
      {"*b*", "ac", false},
      {"plant-*/robot-*", "plant-1/robot-7", true},
      {"plant-*/robot-*", "plant-1/press-7", false},
      {"plant-*/robot-*", "plant-1/robot-", true},
      {"a*ab*b", "aabab", true},
      {"a*ab*b", "aababb", true},
      {"a?c", "abc", false},
      {"a?*c", "a?bc", true},
  };
  for (const Case& c : cases) {
    const absl::StatusOr<Policy> policy = Policy::Parse(
        absl::StrCat("rules: [{subject: 'spiffe://a/b', roles: [reader], twins: ['", c.pattern, "']}]"), "p");
    ASSERT_TRUE(policy.ok()) << policy.status();
    EXPECT_EQ(policy->May("spiffe://a/b", Role::kReader, c.twin), c.matches) << c.pattern << " " << c.twin;
  }
}

// A hostile name cannot make a pattern slow: the product of the lengths is the most.
TEST(PolicyTest, ManyStarsAreNoTrap) {
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "a*";
  const absl::StatusOr<Policy> policy = Policy::Parse(
      absl::StrCat("rules: [{subject: 'spiffe://a/b', roles: [reader], twins: ['", pattern, "b']}]"), "p");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_FALSE(policy->May("spiffe://a/b", Role::kReader, std::string(100'000, 'a')));
}

TEST(PolicyTest, KnowsForWhomTwoPoliciesAreTheSame) {
  const Policy old = Make();
  const absl::StatusOr<Policy> changed = Policy::Parse(R"(rules:
  - subject: spiffe://plant.example/client/*
    roles: [reader]
    twins: ["*"]
  - subject: spiffe://plant.example/client/chief
    roles: [writer]
    twins: ["twin-2025-*"]
)",
                                                       "policy.yaml");
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_TRUE(changed->GivesTheSame(old, kViewer));
  EXPECT_TRUE(changed->GivesTheSame(old, kPress)) << "nothing in both";
  EXPECT_FALSE(changed->GivesTheSame(old, kChief));
  EXPECT_FALSE(changed->GivesTheSame(old, kRobots));
  EXPECT_FALSE(*changed == old);
  EXPECT_TRUE(Make() == old);
}

TEST(PolicyTest, TellsEveryErrorWithItsPlace) {
  const absl::Status status = Policy::Parse(R"(rules:
  - subject: bridge/robots
    roles: [bridge, admin]
    twins: ["a**b"]
  - subject: spiffe://plant.example/*
    roles: [reader]
  - roles: []
    twin: x
)",
                                            "policy.yaml")
                                  .status();
  const std::vector<std::string> lines = absl::StrSplit(status.message(), '\n');
  EXPECT_THAT(
      lines,
      ElementsAre(
          StartsWith("policy.yaml:2: rules[0].subject: expected a SPIFFE name"),
          "policy.yaml:3: rules[0].roles[1]: expected bridge, reader, writer or operator, got \"admin\"",
          "policy.yaml:4: rules[0].twins[0]: expected a twin's id, or one with * for any characters, got \"a**b\"",
          StartsWith("policy.yaml:5: rules[1].twins: expected twins for the roles"),
          StartsWith("policy.yaml:7: rules[2].subject: expected a SPIFFE name"),
          "policy.yaml:7: rules[2].roles: expected one role at least, got none",
          "policy.yaml:8: rules[2]: unknown key \"twin\", did you mean twins?"));
}

TEST(PolicyTest, RefusesMalformedFiles) {
  for (const char* yaml : {
           "- subject: x",
           "rules: x",
           "rules: [x]",
           "rules: [{subject: 'spiffe://a/b', roles: bridge, twins: ['*']}]",
           "rules: [{subject: 'spiffe://a/b*', roles: [bridge], twins: ['*']}]",
           "rules: [{subject: '*', roles: [bridge], twins: ['*']}]",
           "rules: [{subject: 'spiffe://*', roles: [bridge], twins: ['*']}]",
           "rules: [{subject: 'spiffe://a/*/b', roles: [bridge], twins: ['*']}]",
           "rules: [{subject: 'spiffe://a/b', roles: [Bridge], twins: ['*']}]",
           "rules: [{subject: 'spiffe://a/b', roles: [bridge], twins: ['**']}]",
           "rules: [{subject: 'spiffe://a/b', roles: [bridge], twins: ['']}]",
           "rules: [{subject: 'spiffe://a/b', roles: [bridge], twins: []}]",
           "rules: [{subject: 'spiffe://a/b', roles: [bridge], twins: ['*']}",
           "rule: []",
       }) {
    EXPECT_EQ(Policy::Parse(yaml, "p").status().code(), absl::StatusCode::kInvalidArgument) << yaml;
  }
}

TEST(PolicyTest, NamesAFileThatIsNotThere) {
  EXPECT_THAT(std::string(Policy::Load("/nonexistent/policy.yaml").status().message()),
              HasSubstr("/nonexistent/policy.yaml: expected a readable file, got: No such file"));
}

}  // namespace
}  // namespace mvmd
