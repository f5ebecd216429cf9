#include "runtime/executor.h"

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

TEST(ExecutorTest, RunsTasksInOrderOnOneThread) {
  std::vector<int> order;
  {
    Executor executor(1, 16);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(executor.TryRun([&order, i] { order.push_back(i); }));
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(ExecutorTest, RefusesWhenTheQueueIsFull) {
  absl::Notification started;
  absl::Notification go;
  std::atomic<int> ran{0};
  {
    Executor executor(1, 2);
    ASSERT_TRUE(executor.TryRun([&] {
      started.Notify();
      go.WaitForNotification();
      ++ran;
    }));
    started.WaitForNotification();
    EXPECT_TRUE(executor.TryRun([&] { ++ran; }));
    EXPECT_TRUE(executor.TryRun([&] { ++ran; }));
    EXPECT_EQ(executor.queued(), 2U);
    EXPECT_FALSE(executor.TryRun([&] { ran += 100; }));
    go.Notify();
  }
  EXPECT_EQ(ran, 3);
}

TEST(ExecutorTest, DestructionRunsWhatIsQueued) {
  std::atomic<int> ran{0};
  {
    Executor executor(3, 1000);
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(executor.TryRun([&ran] { ++ran; }));
  }
  EXPECT_EQ(ran, 500);
}

TEST(ExecutorTest, TakesTasksThatCanOnlyBeMoved) {
  int seen = 0;
  {
    Executor executor(1, 1);
    ASSERT_TRUE(executor.TryRun([&seen, value = std::make_unique<int>(7)] { seen = *value; }));
  }
  EXPECT_EQ(seen, 7);
}

TEST(ExecutorTest, HasAtLeastOneThreadAndOnePlace) {
  absl::Notification done;
  Executor executor(0, 0);
  ASSERT_TRUE(executor.TryRun([&done] { done.Notify(); }));
  done.WaitForNotification();
}

}  // namespace
}  // namespace mvmd
