#include "gateway/listener_check.h"

#include <netinet/in.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/log.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;

// Takes connections as the kernel does; whether somebody serves them is up to the test.
class ListenerCheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SetLogSink([](absl::string_view) {});
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(listener_, 16), 0);
    socklen_t size = sizeof address;
    ASSERT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  void TearDown() override {
    check_.reset();
    shutdown(listener_, SHUT_RDWR);
    if (server_.joinable()) server_.join();
    close(listener_);
    SetLogSink(nullptr);
  }

  // Accepts, reads, and answers with `answer`; hangs up when there is none.
  void Serve(const std::string& answer) {
    server_ = std::thread([this, answer] {
      int connection = -1;
      while ((connection = accept(listener_, nullptr, nullptr)) >= 0) {
        char buffer[4096];
        const ssize_t got = recv(connection, buffer, sizeof buffer, 0);
        if (got > 0) first_byte_ = buffer[0];
        if (!answer.empty()) send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
        ++served_;
        close(connection);
      }
    });
  }
  void Start(absl::Duration timeout = absl::Seconds(20)) {
    ListenerCheckOptions options;
    options.interval = absl::Milliseconds(1);
    options.timeout = timeout;
    options.attempts = 3;
    options.on_failure = [this] { ++failures_; };
    auto check = ListenerCheck::Start(absl::StrCat("0.0.0.0:", port_), port_, options, [this](const absl::Status& why) {
      why_ = why;
      dead_.Notify();
    });
    ASSERT_TRUE(check.ok()) << check.status();
    check_ = *std::move(check);
  }

  int listener_ = -1;
  int port_ = 0;
  std::thread server_;
  std::atomic<int> served_{0};
  std::atomic<unsigned> failures_{0};
  std::atomic<int> first_byte_{0};
  std::unique_ptr<ListenerCheck> check_;
  absl::Status why_;
  absl::Notification dead_;
};

TEST_F(ListenerCheckTest, IsContentWithAnAnswer) {
  Serve("\x16");
  Start();
  while (check_->tries() < 5 && !dead_.HasBeenNotified()) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_FALSE(dead_.HasBeenNotified());
  EXPECT_EQ(failures_.load(), 0u);
  EXPECT_EQ(first_byte_, 0x16) << "a TLS handshake";
}

TEST_F(ListenerCheckTest, NoticesThatNobodyAccepts) {
  Start(absl::Milliseconds(20));
  ASSERT_TRUE(dead_.WaitForNotificationWithTimeout(absl::Seconds(20)));
  EXPECT_THAT(std::string(why_.message()), HasSubstr("did not answer 3 times: nothing came within 20ms"));
  EXPECT_EQ(failures_.load(), 3u);
}

TEST_F(ListenerCheckTest, NoticesThatItIsHungUpOn) {
  Serve("");
  Start();
  ASSERT_TRUE(dead_.WaitForNotificationWithTimeout(absl::Seconds(20)));
  EXPECT_EQ(why_.code(), absl::StatusCode::kUnavailable);
}

TEST_F(ListenerCheckTest, NoticesThatNobodyListens) {
  const int port = port_;
  close(listener_);
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  port_ = port;
  Start();
  ASSERT_TRUE(dead_.WaitForNotificationWithTimeout(absl::Seconds(20)));
  EXPECT_THAT(std::string(why_.message()), HasSubstr("connect: Connection refused"));
}

TEST_F(ListenerCheckTest, StopsInTheMiddleOfATry) {
  Start(absl::Hours(1));
  check_.reset();
  EXPECT_FALSE(dead_.HasBeenNotified());
}

}  // namespace
}  // namespace mvmd
