#include "runtime/signals.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

// Each in a process of its own: signals are of the process, and GoogleTest's threads must inherit the mask.
class ShutdownSignalsTest : public ::testing::Test {
 protected:
  void SetUp() override { ::testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST_F(ShutdownSignalsTest, WaitReturnsTheSignal) {
  EXPECT_EXIT(
      {
        ShutdownSignals signals;
        kill(getpid(), SIGTERM);
        const int first = signals.Wait();
        std::exit(first == SIGTERM && signals.Wait() == SIGTERM ? 3 : 4);
      },
      ::testing::ExitedWithCode(3), "");
}

TEST_F(ShutdownSignalsTest, SecondSignalEndsTheProcess) {
  EXPECT_EXIT(
      {
        ShutdownSignals signals;
        kill(getpid(), SIGINT);
        signals.Wait();
        kill(getpid(), SIGINT);
        pause();
      },
      ::testing::ExitedWithCode(128 + SIGINT), "");
}

TEST_F(ShutdownSignalsTest, HangupRunsTheHookAndGoesOn) {
  EXPECT_EXIT(
      {
        absl::Notification hung_up;
        ShutdownSignals signals([&hung_up] { hung_up.Notify(); });
        kill(getpid(), SIGHUP);
        hung_up.WaitForNotification();
        kill(getpid(), SIGTERM);
        std::exit(signals.Wait() == SIGTERM ? 3 : 4);
      },
      ::testing::ExitedWithCode(3), "");
}

TEST_F(ShutdownSignalsTest, StopFromInsideReturnsZero) {
  EXPECT_EXIT(
      {
        ShutdownSignals signals;
        signals.RequestStop();
        signals.RequestStop();
        std::exit(signals.Wait() == 0 ? 3 : 4);
      },
      ::testing::ExitedWithCode(3), "");
}

TEST_F(ShutdownSignalsTest, EndsWithoutASignal) {
  EXPECT_EXIT(
      {
        { ShutdownSignals signals; }
        std::exit(3);
      },
      ::testing::ExitedWithCode(3), "");
}

}  // namespace
}  // namespace mvmd
