#include "runtime/ops_server.h"

#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "runtime/clock.h"
#include "runtime/executor.h"

// Three fixed answers to GET, and nothing else of HTTP: one request a connection, at most 8 KiB of it, within a
// deadline for the whole of it. cpp-httplib 0.11.4 bounds a header line but not their number: 100 MB of headers took
// 190 MB of memory.

namespace mvmd {
namespace {

constexpr int kThreads = 2;
// Connections that wait for a thread; more are closed.
constexpr size_t kWaitingMax = 16;
// Large, because a connection that finds the backlog full tries again only after a second.
constexpr int kBacklog = 128;
constexpr size_t kRequestBytesMax = 8192;
constexpr absl::Duration kReadTimeout = absl::Seconds(2);
constexpr absl::Duration kWriteTimeout = absl::Seconds(5);
constexpr absl::Duration kLingerTimeout = absl::Milliseconds(200);
constexpr int kAcceptRetryMs = 100;
constexpr char kText[] = "text/plain; charset=utf-8";
constexpr char kMetricsText[] = "text/plain; version=0.0.4; charset=utf-8";

class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// Waits until `fd` is ready for `events` or the deadline has passed.
bool WaitFor(int fd, short events, int64_t deadline_ns) {
  for (;;) {
    const int64_t left_ns = deadline_ns - SystemClock::Get().MonotonicNanos();
    if (left_ns <= 0) return false;
    pollfd poll_fd{fd, events, 0};
    const int ready = poll(&poll_fd, 1, static_cast<int>(left_ns / 1'000'000 + 1));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

int64_t DeadlineIn(absl::Duration duration) {
  return SystemClock::Get().MonotonicNanos() + absl::ToInt64Nanoseconds(duration);
}

// Up to the empty line. False: the peer left, was too slow, or sent more than kRequestBytesMax (then `text` is full).
bool ReadRequest(int fd, std::string* text) {
  const int64_t deadline_ns = DeadlineIn(kReadTimeout);
  while (text->size() < kRequestBytesMax && WaitFor(fd, POLLIN, deadline_ns)) {
    char buffer[2048];
    const ssize_t n = recv(fd, buffer, std::min(sizeof buffer, kRequestBytesMax - text->size()), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n <= 0) return false;
    text->append(buffer, static_cast<size_t>(n));
    if (text->find("\r\n\r\n") != std::string::npos) return true;
  }
  return false;
}

void WriteAll(int fd, absl::string_view bytes) {
  const int64_t deadline_ns = DeadlineIn(kWriteTimeout);
  while (!bytes.empty() && WaitFor(fd, POLLOUT, deadline_ns)) {
    const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

// Closing with unread bytes resets the connection, and the peer may lose the answer: read on for a moment.
void CloseGently(OwnedFd fd) {
  shutdown(fd.get(), SHUT_WR);
  const int64_t deadline_ns = DeadlineIn(kLingerTimeout);
  char buffer[2048];
  while (WaitFor(fd.get(), POLLIN, deadline_ns) && recv(fd.get(), buffer, sizeof buffer, 0) > 0) {
  }
}

struct Response {
  const char* status = "200 OK";
  const char* type = kText;
  std::string body;
};

Response AnswerOf(bool fine, const std::vector<std::string>& reasons) {
  if (fine) return {.status = "200 OK", .type = kText, .body = "ok\n"};
  return {.status = "503 Service Unavailable", .type = kText, .body = absl::StrCat(absl::StrJoin(reasons, "\n"), "\n")};
}

Response Respond(absl::string_view request, const Health& health, const Metrics& metrics) {
  const std::vector<absl::string_view> line = absl::StrSplit(request.substr(0, request.find("\r\n")), ' ');
  if (line.size() != 3 || (line[2] != "HTTP/1.1" && line[2] != "HTTP/1.0")) {
    return {.status = "400 Bad Request", .type = kText, .body = "expected a request of HTTP/1.1\n"};
  }
  if (line[0] != "GET") return {.status = "405 Method Not Allowed", .type = kText, .body = "expected GET\n"};
  const absl::string_view path = line[1].substr(0, line[1].find('?'));
  if (path == "/livez") return AnswerOf(health.live(), health.Reasons());
  if (path == "/readyz") return AnswerOf(health.ready(), health.Reasons());
  if (path == "/metrics") return {.status = "200 OK", .type = kMetricsText, .body = metrics.Text()};
  return {.status = "404 Not Found", .type = kText, .body = "expected /livez, /readyz or /metrics\n"};
}

void Serve(OwnedFd fd, const Health& health, const Metrics& metrics) {
  std::string request;
  Response response;
  if (ReadRequest(fd.get(), &request)) {
    response = Respond(request, health, metrics);
  } else if (request.size() >= kRequestBytesMax) {
    response = {.status = "431 Request Header Fields Too Large", .type = kText, .body = "expected at most 8 KiB\n"};
  } else {
    return;
  }
  WriteAll(fd.get(),
           absl::StrCat("HTTP/1.1 ", response.status, "\r\nContent-Type: ", response.type,
                        "\r\nContent-Length: ", response.body.size(), "\r\nConnection: close\r\n\r\n", response.body));
  CloseGently(std::move(fd));
}

// UNAVAILABLE with the system's reason.
absl::StatusOr<OwnedFd> Listen(const std::string& host, int port, int* bound_port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found); error != 0) {
    return absl::UnavailableError(gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    OwnedFd fd(socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int yes = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (bind(fd.get(), address->ai_addr, address->ai_addrlen) == 0 && listen(fd.get(), kBacklog) == 0 &&
        getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0) {
      // The port stands at the same place in both families.
      *bound_port = ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
      return fd;
    }
    error = errno;
  }
  return absl::UnavailableError(std::strerror(error));
}

}  // namespace

void Health::SetNotReady(absl::string_view condition, absl::string_view reason) {
  absl::MutexLock lock(&mutex_);
  not_ready_[std::string(condition)] = std::string(reason);
}

void Health::SetReady(absl::string_view condition) {
  absl::MutexLock lock(&mutex_);
  not_ready_.erase(std::string(condition));
}

void Health::SetDead(absl::string_view reason) {
  absl::MutexLock lock(&mutex_);
  if (dead_.empty()) dead_ = reason.empty() ? "dead" : std::string(reason);
}

bool Health::ready() const {
  absl::MutexLock lock(&mutex_);
  return not_ready_.empty() && dead_.empty();
}

bool Health::live() const {
  absl::MutexLock lock(&mutex_);
  return dead_.empty();
}

std::vector<std::string> Health::Reasons() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> reasons;
  if (!dead_.empty()) reasons.push_back(absl::StrCat("dead: ", dead_));
  for (const auto& [condition, reason] : not_ready_) reasons.push_back(absl::StrCat(condition, ": ", reason));
  return reasons;
}

struct OpsServer::Impl {
  const Health* health;
  const Metrics* metrics;
  OwnedFd listener;
  OwnedFd wake{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  int port = 0;
  Executor executor{kThreads, kWaitingMax};
  std::thread thread;

  void Accept() {
    for (;;) {
      std::array<pollfd, 2> fds = {pollfd{wake.get(), POLLIN, 0}, pollfd{listener.get(), POLLIN, 0}};
      if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
      if (fds[0].revents != 0) return;
      OwnedFd fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (fd.get() >= 0) {
        // A task that is not taken closes its connection.
        static_cast<void>(
            executor.TryRun([this, fd = std::move(fd)]() mutable { Serve(std::move(fd), *health, *metrics); }));
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // The connection stays in the backlog and would wake us again at once.
        poll(fds.data(), 1, kAcceptRetryMs);
      }
    }
  }
};

void CheckOpsConfig(const mvmd::twin::v1alpha1::OpsConfig& config, ConfigErrors* errors) {
  std::string host;
  int port = 0;
  const bool good = config.address().empty() || config.address() == "off" ||
                    (ParseHostPort(config.address(), &host, &port) && !host.empty());
  if (!good && !errors->Has("ops.address")) {
    errors->Add("ops.address", absl::StrCat("expected host:port or off, got \"", config.address(), "\""));
  }
}

absl::StatusOr<std::unique_ptr<OpsServer>> OpsServer::Start(absl::string_view address, const Health* health,
                                                            const Metrics* metrics) {
  if (address.empty() || address == "off") return std::unique_ptr<OpsServer>();
  std::string host;
  int port = 0;
  if (!ParseHostPort(address, &host, &port)) {
    return absl::InvalidArgumentError(
        absl::StrCat("ops address: expected host:port such as 127.0.0.1:9464, or off, got \"", address, "\""));
  }
  auto impl = std::make_unique<Impl>();
  impl->health = health;
  impl->metrics = metrics;
  absl::StatusOr<OwnedFd> listener = Listen(host.empty() ? "0.0.0.0" : host, port, &impl->port);
  if (!listener.ok()) {
    return absl::UnavailableError(absl::StrCat("ops address ", address,
                                               ": cannot listen: ", listener.status().message(),
                                               "; choose another port or stop what holds it"));
  }
  impl->listener = *std::move(listener);
  impl->thread = std::thread([raw = impl.get()] { raw->Accept(); });
  return std::unique_ptr<OpsServer>(new OpsServer(std::move(impl)));
}

OpsServer::OpsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

OpsServer::~OpsServer() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(impl_->wake.get(), &one, sizeof one);
  impl_->thread.join();
}

int OpsServer::port() const { return impl_->port; }

}  // namespace mvmd
