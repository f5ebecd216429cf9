#include "bridge/issue_log.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

TEST(IssueLogTest, CountsTheSameOnce) {
  FakeClock clock(1000);
  IssueLog issues(&clock);
  issues.Add(kIssueDecodeFailed, "first", {.topic = "a"});
  clock.Advance(absl::Nanoseconds(5));
  issues.Add(kIssueUnknownTopic, "other", {.topic = "b"});
  clock.Advance(absl::Nanoseconds(5));
  issues.Add(kIssueDecodeFailed, "second", {.topic = "a"});
  pb::BridgeReport report;
  issues.Report(&report);
  EXPECT_EQ(report.issue_count(), 3u);
  ASSERT_EQ(report.issues_size(), 2);
  EXPECT_EQ(report.issues(0).topic(), "b");
  EXPECT_EQ(report.issues(1).message(), "second");
  EXPECT_EQ(report.issues(1).count(), 2u);
  EXPECT_EQ(report.issues(1).time_unix_ns(), 1010);
  EXPECT_EQ(issues.CountsByReason().at("DECODE_FAILED"), 2u);
}

TEST(IssueLogTest, KeepsTheNewest) {
  FakeClock clock(1);
  IssueLog issues(&clock);
  for (int i = 0; i < 100; ++i) {
    clock.Advance(absl::Nanoseconds(1));
    issues.Add(kIssueUnknownTopic, "m", {.topic = absl::StrCat("t", i)});
  }
  pb::BridgeReport report;
  issues.Report(&report);
  EXPECT_EQ(report.issue_count(), 100u);
  ASSERT_EQ(report.issues_size(), 64);
  EXPECT_EQ(report.issues(0).topic(), "t36");
  EXPECT_EQ(report.issues(63).topic(), "t99");
}

TEST(IssueLogTest, MakesTextFromOutsidePrintable) {
  FakeClock clock(1);
  IssueLog issues(&clock);
  issues.Add(kIssueDecodeFailed, "a\nb\xFF", {.topic = "t\x01", .twin = "Köln", .sensor = std::string(5000, 'x')});
  pb::BridgeReport report;
  issues.Report(&report);
  EXPECT_EQ(report.issues(0).message(), "a?b?");
  EXPECT_EQ(report.issues(0).topic(), "t?");
  EXPECT_EQ(report.issues(0).twin(), "Köln");
  EXPECT_LE(report.issues(0).sensor().size(), 500u);
  EXPECT_FALSE(report.SerializeAsString().empty());
}

}  // namespace
}  // namespace mvmd
