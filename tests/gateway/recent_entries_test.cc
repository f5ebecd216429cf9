#include "gateway/recent_entries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/synchronization/notification.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::shared_ptr<const AppliedEntry>> Batch(uint64_t first, uint64_t last, size_t bytes = 10) {
  std::vector<std::shared_ptr<const AppliedEntry>> batch;
  for (uint64_t revision = first; revision <= last; ++revision) {
    auto entry = std::make_shared<AppliedEntry>();
    entry->revision = revision;
    entry->bytes = bytes;
    batch.push_back(std::move(entry));
  }
  return batch;
}

std::vector<uint64_t> Revisions(const RecentEntries::Read& read) {
  std::vector<uint64_t> revisions;
  for (const auto& entry : read.entries) revisions.push_back(entry->revision);
  return revisions;
}

TEST(RecentEntriesTest, ReadsFromACursor) {
  RecentEntries recent(1000, 5);
  EXPECT_THAT(Revisions(recent.ReadFrom(5, 100)), IsEmpty());
  EXPECT_FALSE(recent.ReadFrom(5, 100).behind);
  EXPECT_TRUE(recent.ReadFrom(4, 100).behind) << "before the window began";
  EXPECT_EQ(recent.ReadFrom(4, 100).oldest, 5u);
  recent.Push(Batch(5, 8));
  EXPECT_THAT(Revisions(recent.ReadFrom(5, 100)), ElementsAre(5, 6, 7, 8));
  EXPECT_THAT(Revisions(recent.ReadFrom(7, 100)), ElementsAre(7, 8));
  EXPECT_THAT(Revisions(recent.ReadFrom(9, 100)), IsEmpty());
  EXPECT_THAT(Revisions(recent.ReadFrom(20, 100)), IsEmpty());
}

TEST(RecentEntriesTest, ReadsAtMostSoManyBytesButOneEntry) {
  RecentEntries recent(1000, 1);
  recent.Push(Batch(1, 4, 10));
  EXPECT_THAT(Revisions(recent.ReadFrom(1, 25)), ElementsAre(1, 2));
  EXPECT_THAT(Revisions(recent.ReadFrom(2, 0)), ElementsAre(2));
}

TEST(RecentEntriesTest, DropsTheOldestBeyondItsBytes) {
  RecentEntries recent(30, 1);
  recent.Push(Batch(1, 3));
  EXPECT_FALSE(recent.ReadFrom(1, 100).behind);
  recent.Push(Batch(4, 4));
  EXPECT_TRUE(recent.ReadFrom(1, 100).behind);
  EXPECT_EQ(recent.ReadFrom(1, 100).oldest, 2u);
  recent.Push(Batch(5, 5, 1000));
  EXPECT_THAT(Revisions(recent.ReadFrom(5, 100)), ElementsAre(5)) << "the newest stays";
  EXPECT_EQ(recent.ReadFrom(4, 100).oldest, 5u);
}

TEST(RecentEntriesTest, NotifiesOnceAfterTheBatch) {
  RecentEntries recent(1000, 1);
  int now = 0;
  int next = 0;
  int later = 0;
  EXPECT_NE(recent.NotifyAt(1,
                            [&] {
                              ++next;
                              EXPECT_THAT(Revisions(recent.ReadFrom(1, 100)), ElementsAre(1, 2))
                                  << "the whole batch is there";
                            }),
            0u);
  EXPECT_NE(recent.NotifyAt(3, [&] { ++later; }), 0u);
  recent.Push(Batch(1, 2));
  EXPECT_EQ(next, 1);
  EXPECT_EQ(later, 0);
  EXPECT_EQ(recent.NotifyAt(2, [&] { ++now; }), 0u);
  EXPECT_EQ(now, 1) << "at once";
  recent.Push(Batch(3, 3));
  EXPECT_EQ(next, 1);
  EXPECT_EQ(later, 1);
}

TEST(RecentEntriesTest, CancelledIsNotCalled) {
  RecentEntries recent(1000, 1);
  const uint64_t id = recent.NotifyAt(1, [] { FAIL(); });
  recent.Cancel(id);
  recent.Push(Batch(1, 1));
  recent.Cancel(id);
  recent.Cancel(12345);
}

TEST(RecentEntriesTest, CancelWaitsForACallThatRuns) {
  RecentEntries recent(1000, 1);
  absl::Notification running;
  absl::Notification go_on;
  std::atomic<bool> done = false;
  const uint64_t id = recent.NotifyAt(1, [&] {
    running.Notify();
    go_on.WaitForNotification();
    done = true;
  });
  std::thread pusher([&] { recent.Push(Batch(1, 1)); });
  running.WaitForNotification();
  std::thread canceller([&] {
    recent.Cancel(id);
    EXPECT_TRUE(done);
  });
  go_on.Notify();
  canceller.join();
  pusher.join();
}

}  // namespace
}  // namespace mvmd
