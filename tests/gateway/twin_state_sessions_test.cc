// Who is served: outboxes, their copies, and old ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/twin_state.h"
#include "runtime/status_proto.h"
#include "tests/gateway/log_entries.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::Contains;
using ::testing::HasSubstr;

class TwinStateSessionsTest : public ::testing::Test {
 protected:
  ApplyResult Open(const std::string& presented, const std::string& next, uint64_t epoch = 7,
                   const std::string& outbox_id = "0123456789abcdef") {
    pb::LogEntry entry = OpenedEntry(epoch, kTestBridge, outbox_id);
    entry.mutable_session_opened()->set_presented_nonce(presented);
    entry.mutable_session_opened()->set_next_nonce(next);
    entry.mutable_session_opened()->set_peer("10.0.0.7");
    return fold_.Apply(std::move(entry));
  }
  // A frame of the session, as it comes once the nonce is kept.
  ApplyResult Send(uint64_t session) { return fold_.Apply(FramesEntry(session, {GapFrame(++seq_, "robot", "")})); }
  // As the gateway does it.
  void Restart() {
    TwinState restored{TwinStateLimits()};
    for (const auto& [key, value] : fold_.state().TakeCheckpoint().changes) {
      if (value.has_value()) pairs_[key] = *value;
      if (!value.has_value()) pairs_.erase(key);
    }
    for (const auto& [key, value] : pairs_) ASSERT_TRUE(restored.Restore(key, value).ok());
    ASSERT_TRUE(restored.FinishRestore(fold_.state().applied_revision()).ok());
    EXPECT_EQ(restored.Fingerprint(), fold_.state().Fingerprint());
  }
  std::vector<std::string> Issues() {
    std::vector<std::string> reasons;
    for (const BridgeSnapshot& bridge : fold_.state().ListBridges("", 10, /*include_issues=*/true)) {
      for (const pb::Issue& issue : bridge.issues) reasons.push_back(issue.reason());
    }
    return reasons;
  }

  TestFold fold_;
  uint64_t seq_ = 0;
  std::map<std::string, std::string> pairs_;
};

TEST_F(TwinStateSessionsTest, ServesAnOutboxThatPresentsWhatItWasGiven) {
  const ApplyResult first = Open("", "n1");
  ASSERT_TRUE(first.status.ok()) << first.status;
  Send(first.revision);
  const ApplyResult second = Open("n1", "n2");
  EXPECT_TRUE(second.status.ok()) << second.status;
  EXPECT_FALSE(second.outbox_is_stale);
  EXPECT_EQ(ReasonOf(Send(first.revision).status), "FENCED");
  Restart();
}

TEST_F(TwinStateSessionsTest, ServesAnOutboxThatCrashedBeforeItKeptTheNonce) {
  Send(Open("", "n1").revision);
  fold_.Apply(ClosedEntry(1));
  const ApplyResult lost = Open("n1", "n2");
  fold_.Apply(ClosedEntry(lost.revision));
  const ApplyResult again = Open("n1", "n3");
  EXPECT_TRUE(again.status.ok()) << again.status;
  EXPECT_FALSE(again.outbox_is_stale);
}

TEST_F(TwinStateSessionsTest, TellsAnOldCopyWhenNobodyIsServed) {
  const uint64_t first = Open("", "n1").revision;
  Send(first);
  fold_.Apply(ClosedEntry(first));
  const uint64_t second = Open("n1", "n2").revision;
  Send(second);
  fold_.Apply(ClosedEntry(second));

  const ApplyResult stale = Open("n1", "n3");
  EXPECT_TRUE(stale.status.ok()) << stale.status;
  EXPECT_TRUE(stale.outbox_is_stale);
  EXPECT_TRUE(stale.applied.ContainsAll(1, 2)) << "to tell which of its rows came";
  EXPECT_THAT(Issues(), Contains("OUTBOX_STALE"));
  EXPECT_EQ(ReasonOf(Send(stale.revision).status), "FENCED") << "it has no session";
  // What it is a copy of is not harmed.
  EXPECT_FALSE(Open("n2", "n4").outbox_is_stale);
  Restart();
}

TEST_F(TwinStateSessionsTest, RefusesACloneOfAnOutboxThatIsServed) {
  const uint64_t first = Open("", "n1").revision;
  Send(first);
  fold_.Apply(ClosedEntry(first));
  const uint64_t second = Open("n1", "n2").revision;
  Send(second);

  const ApplyResult clone = Open("n1", "n3");
  EXPECT_EQ(ReasonOf(clone.status), "OUTBOX_CLONED");
  EXPECT_THAT(clone.status.message(), HasSubstr("10.0.0.7"));
  EXPECT_EQ(MetadataOf(clone.status).at("session"), std::to_string(second));
  EXPECT_TRUE(Send(second).status.ok()) << "the one that is served goes on";
  EXPECT_THAT(Issues(), Contains("OUTBOX_CLONED"));
  Restart();
}

TEST_F(TwinStateSessionsTest, RefusesAnotherOutboxOfTheIdentityWhileOneIsServed) {
  const uint64_t first = Open("", "n1").revision;
  Send(first);
  const ApplyResult other = Open("", "m1", 8, "fedcba9876543210");
  EXPECT_EQ(ReasonOf(other.status), "IDENTITY_IN_USE");
  EXPECT_TRUE(Send(first).status.ok());
  EXPECT_THAT(Issues(), Contains("IDENTITY_IN_USE"));
  Restart();

  fold_.Apply(ClosedEntry(first));
  const ApplyResult later = Open("", "m1", 8, "fedcba9876543210");
  EXPECT_TRUE(later.status.ok()) << later.status;
  EXPECT_FALSE(later.outbox_is_stale);
}

TEST_F(TwinStateSessionsTest, OneOfTwoClonesIsServedWhateverTheyDo) {
  const uint64_t first = Open("", "n1").revision;
  Send(first);
  // Both hold n1 now. The clone connects first, and takes over.
  const uint64_t clone = Open("n1", "n2").revision;
  EXPECT_EQ(ReasonOf(Send(first).status), "FENCED");
  Send(clone);
  EXPECT_EQ(ReasonOf(Open("n1", "n3").status), "OUTBOX_CLONED");
  EXPECT_TRUE(Send(clone).status.ok());
}

TEST_F(TwinStateSessionsTest, ABridgeWithoutNoncesIsServedAsBefore) {
  const uint64_t first = Open("", "n1").revision;
  Send(first);
  EXPECT_TRUE(Open("", "").status.ok()) << "an older version on the same file";
  const ApplyResult again = Open("n1", "n2");
  EXPECT_TRUE(again.status.ok()) << again.status;
  EXPECT_FALSE(again.outbox_is_stale);
}

}  // namespace
}  // namespace mvmd
