#include "runtime/ops_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A connection that says what it is told.
class Connection {
 public:
  explicit Connection(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~Connection() { close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // False when the server has cut the connection.
  bool Send(absl::string_view text) {
    while (!text.empty()) {
      const ssize_t n = send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  // Until the server closes.
  std::string ReadAll() {
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = recv(fd_, buffer, sizeof buffer, 0)) > 0;) text.append(buffer, static_cast<size_t>(n));
    return text;
  }

 private:
  const int fd_;
};

class OpsServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<OpsServer>> started = OpsServer::Start("127.0.0.1:0", &health_, &metrics_);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }

  // The whole answer.
  std::string Ask(const std::string& request) {
    Connection connection(server_->port());
    connection.Send(request);
    return connection.ReadAll();
  }
  // `status body`.
  std::string Get(const std::string& path) {
    const std::string answer = Ask(absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n"));
    const size_t body = answer.find("\r\n\r\n");
    if (!absl::StartsWith(answer, "HTTP/1.1 ") || body == std::string::npos) return "no answer";
    return absl::StrCat(answer.substr(9, 3), " ", answer.substr(body + 4));
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
  const std::string answer = Ask("GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n");
  EXPECT_THAT(
      answer,
      StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: "));
  EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(answer, HasSubstr("t_things_total 1\n"));
}

TEST_F(OpsServerTest, RefusesWhatItDoesNotKnow) {
  const std::pair<std::string, std::string> cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
      {"GET /livez/ HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
      {"POST /readyz HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 405 "},
      {"HEAD /readyz HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "},
      {"GET /readyz\r\n\r\n", "HTTP/1.1 400 "},
      {"GET /readyz HTTP/2\r\n\r\n", "HTTP/1.1 400 "},
      {"GET  /readyz HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"\r\n\r\n", "HTTP/1.1 400 "},
      {std::string("\x16\x03\x01\0\r\n\r\n", 8), "HTTP/1.1 400 "},
      {"GET /readyz HTTP/1.1\r\nX: " + std::string(9000, 'x'), "HTTP/1.1 431 "},
  };
  for (const auto& [request, answer] : cases) EXPECT_THAT(Ask(request), StartsWith(answer)) << request.substr(0, 80);
  EXPECT_EQ(Get("/readyz"), "200 ok\n");
}

TEST_F(OpsServerTest, CutsOffAFloodOfHeaders) {
  Connection connection(server_->port());
  ASSERT_TRUE(connection.Send("GET /livez HTTP/1.1\r\n"));
  const std::string header = "X-Flood: " + std::string(4000, 'x') + "\r\n";
  bool cut = false;
  for (int i = 0; i < 100'000 && !cut; ++i) cut = !connection.Send(header);
  EXPECT_TRUE(cut);
}

TEST_F(OpsServerTest, SilentConnectionsAreClosedAndOthersServed) {
  Connection silent(server_->port());
  Connection half(server_->port());
  ASSERT_TRUE(half.Send("GET /livez HT"));
  EXPECT_EQ(Get("/livez"), "200 ok\n");
  EXPECT_EQ(silent.ReadAll(), "");
  EXPECT_EQ(half.ReadAll(), "");
}

TEST_F(OpsServerTest, MoreConnectionsThanPlacesAreClosed) {
  std::vector<std::unique_ptr<Connection>> silent;
  for (int i = 0; i < 40; ++i) silent.push_back(std::make_unique<Connection>(server_->port()));
  // The last one found no place, and is closed without waiting for the others.
  EXPECT_EQ(silent.back()->ReadAll(), "");
  silent.clear();
  // The places are free again as soon as the server has noticed.
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  std::string answer = Get("/livez");
  while (answer != "200 ok\n" && absl::Now() < deadline) answer = Get("/livez");
  EXPECT_EQ(answer, "200 ok\n");
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
