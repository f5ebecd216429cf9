#include "gateway/listener_check.h"

#include <netdb.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "runtime/config.h"
#include "runtime/log.h"

namespace mvmd {
namespace {

struct SslDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* connection) const { SSL_free(connection); }
};

// What a client of gRPC says first.
absl::StatusOr<std::string> MakeClientHello() {
  const std::unique_ptr<SSL_CTX, SslDeleter> context(SSL_CTX_new(TLS_client_method()));
  const std::unique_ptr<SSL, SslDeleter> connection(context == nullptr ? nullptr : SSL_new(context.get()));
  if (connection == nullptr) return absl::InternalError("listener check: OpenSSL gives no connection");
  constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_set_alpn_protos(connection.get(), kHttp2, sizeof kHttp2);
  BIO* const out = BIO_new(BIO_s_mem());
  SSL_set_bio(connection.get(), BIO_new(BIO_s_mem()), out);
  SSL_set_connect_state(connection.get());
  SSL_do_handshake(connection.get());  // ends where the answer is wanted
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  if (size <= 0) return absl::InternalError("listener check: OpenSSL gives no ClientHello");
  return std::string(data, static_cast<size_t>(size));
}

absl::Status Errno(absl::string_view what) { return absl::UnavailableError(absl::StrCat(what, ": ", strerror(errno))); }

}  // namespace

absl::StatusOr<std::unique_ptr<ListenerCheck>> ListenerCheck::Start(
    absl::string_view listen, int port, const ListenerCheckOptions& options,
    std::function<void(const absl::Status& why)> on_dead) {
  std::unique_ptr<ListenerCheck> check(new ListenerCheck(options, std::move(on_dead)));
  absl::StatusOr<std::string> hello = MakeClientHello();
  if (!hello.ok()) return hello.status();
  check->hello_ = *std::move(hello);

  std::string host;
  int configured_port = 0;
  if (!ParseHostPort(listen, &host, &configured_port)) {
    return absl::InvalidArgumentError(absl::StrCat("listener check: expected host:port, got \"", listen, "\""));
  }
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found);
  if (error != 0 || found->ai_addrlen > sizeof check->address_) {
    return absl::UnavailableError(absl::StrCat("listener check: cannot resolve ", host, ": ", gai_strerror(error)));
  }
  std::memcpy(&check->address_, found->ai_addr, found->ai_addrlen);
  check->address_size_ = found->ai_addrlen;
  freeaddrinfo(found);
  check->stop_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (check->stop_fd_ < 0) return Errno("listener check: eventfd");
  check->thread_ = std::thread([raw = check.get()] { raw->Run(); });
  return check;
}

ListenerCheck::ListenerCheck(const ListenerCheckOptions& options, std::function<void(const absl::Status& why)> on_dead)
    : options_(options), on_dead_(std::move(on_dead)) {}

ListenerCheck::~ListenerCheck() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(stop_fd_, &one, sizeof one);
    thread_.join();
  }
  if (socket_ >= 0) close(socket_);
  if (stop_fd_ >= 0) close(stop_fd_);
}

void ListenerCheck::Run() {
  Prepare();
  int failed = 0;
  while (Sleep(options_.interval)) {
    Prepare();
    const absl::Status status = Try();
    if (absl::IsCancelled(status)) return;
    if (socket_ >= 0) close(std::exchange(socket_, -1));
    Prepare();
    ++tries_;
    if (status.ok()) {
      failed = 0;
      continue;
    }
    if (options_.on_failure) options_.on_failure();
    ++failed;
    Log(LogLevel::kWarning, "the listener did not answer",
        {{"failed", failed}, {"attempts", options_.attempts}, {"status", status}});
    if (failed < options_.attempts) continue;
    on_dead_(
        absl::UnavailableError(absl::StrCat("the listener did not answer ", failed, " times: ", status.message())));
    return;
  }
}

void ListenerCheck::Prepare() {
  if (socket_ < 0) socket_ = socket(address_.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

bool ListenerCheck::Sleep(absl::Duration time) const {
  pollfd stop = {stop_fd_, POLLIN, 0};
  const timespec wait = absl::ToTimespec(time);
  ppoll(&stop, 1, &wait, nullptr);
  return stop.revents == 0;
}

absl::Status ListenerCheck::Await(short events, absl::Time deadline) const {
  pollfd fds[2] = {{socket_, events, 0}, {stop_fd_, POLLIN, 0}};
  const timespec wait = absl::ToTimespec(std::clamp(deadline - absl::Now(), absl::ZeroDuration(), options_.timeout));
  ppoll(fds, 2, &wait, nullptr);
  if (fds[1].revents != 0) return absl::CancelledError("stopped");
  if (fds[0].revents == 0) {
    return absl::DeadlineExceededError(absl::StrCat("nothing came within ", absl::FormatDuration(options_.timeout)));
  }
  return absl::OkStatus();
}

absl::Status ListenerCheck::Try() {
  if (socket_ < 0) return Errno("no socket");
  const absl::Time deadline = absl::Now() + options_.timeout;
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address_), address_size_) != 0 && errno != EINPROGRESS) {
    return Errno("connect");
  }
  if (absl::Status status = Await(POLLOUT, deadline); !status.ok()) return status;
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return absl::UnavailableError(absl::StrCat("connect: ", strerror(error)));
  // A few hundred bytes always fit into an empty buffer.
  if (send(socket_, hello_.data(), hello_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(hello_.size())) {
    return Errno("send");
  }
  if (absl::Status status = Await(POLLIN, deadline); !status.ok()) return status;
  char byte = 0;
  const ssize_t got = recv(socket_, &byte, 1, 0);
  if (got < 0) return Errno("recv");
  return got == 1 ? absl::OkStatus() : absl::UnavailableError("the connection was closed before an answer");
}

}  // namespace mvmd
