#include "runtime/ops_server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/config.h"

namespace mvmd {
namespace {

constexpr int kThreads = 2;
constexpr size_t kWaitingMax = 8;
constexpr auto kReadTimeout = std::chrono::seconds(2);
constexpr auto kWriteTimeout = std::chrono::seconds(5);
constexpr char kText[] = "text/plain; charset=utf-8";
constexpr char kMetricsText[] = "text/plain; version=0.0.4; charset=utf-8";

// httplib's own pool queues without a limit. Here the accepting thread waits when all places are taken, and further
// connections stay in the kernel's backlog. (A task cannot be dropped: it owns its socket.)
class BoundedTaskQueue final : public httplib::TaskQueue {
 public:
  BoundedTaskQueue() {
    for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Work(); });
  }

  void enqueue(std::function<void()> task) override {
    absl::MutexLock lock(&mutex_);
    const auto has_room = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return tasks_.size() < kWaitingMax; };
    mutex_.Await(absl::Condition(&has_room));
    tasks_.push_back(std::move(task));
  }

  void shutdown() override {
    {
      absl::MutexLock lock(&mutex_);
      closing_ = true;
    }
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Work() {
    for (;;) {
      std::function<void()> task;
      {
        absl::MutexLock lock(&mutex_);
        const auto wanted = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return closing_ || !tasks_.empty(); };
        mutex_.Await(absl::Condition(&wanted));
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  absl::Mutex mutex_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

void Answer(bool fine, const std::vector<std::string>& reasons, httplib::Response& response) {
  response.status = fine ? 200 : 503;
  response.set_content(fine ? std::string("ok\n") : absl::StrCat(absl::StrJoin(reasons, "\n"), "\n"), kText);
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
  httplib::Server server;
  int port = 0;
  std::thread thread;
};

absl::StatusOr<std::unique_ptr<OpsServer>> OpsServer::Start(absl::string_view address, const Health* health,
                                                            const Metrics* metrics) {
  if (address.empty() || address == "off") return std::unique_ptr<OpsServer>();
  std::string host;
  int port = 0;
  if (!ParseHostPort(address, &host, &port)) {
    return absl::InvalidArgumentError(
        absl::StrCat("ops address: expected host:port such as 127.0.0.1:9464, or off, got \"", address, "\""));
  }
  if (host.empty()) host = "0.0.0.0";

  auto impl = std::make_unique<Impl>();
  httplib::Server& server = impl->server;
  server.new_task_queue = [] { return new BoundedTaskQueue(); };
  server.set_keep_alive_max_count(1);
  server.set_read_timeout(kReadTimeout);
  server.set_write_timeout(kWriteTimeout);
  server.set_payload_max_length(0);
  server.set_tcp_nodelay(true);
  // httplib's default is SO_REUSEPORT, with which two processes share a port without noticing.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server.Get("/livez", [health](const httplib::Request&, httplib::Response& response) {
    Answer(health->live(), health->Reasons(), response);
  });
  server.Get("/readyz", [health](const httplib::Request&, httplib::Response& response) {
    Answer(health->ready(), health->Reasons(), response);
  });
  server.Get("/metrics", [metrics](const httplib::Request&, httplib::Response& response) {
    response.set_content(metrics->Text(), kMetricsText);
  });

  impl->port = port == 0 ? server.bind_to_any_port(host) : (server.bind_to_port(host, port) ? port : -1);
  if (impl->port <= 0) {
    return absl::UnavailableError(absl::StrCat("ops address ", address, ": cannot listen: ", std::strerror(errno),
                                               "; choose another port or stop what holds it"));
  }
  impl->thread = std::thread([&server] { server.listen_after_bind(); });
  // stop() has no effect before the loop runs, so a server that is destroyed at once would wait forever.
  while (!server.is_running()) std::this_thread::yield();
  return std::unique_ptr<OpsServer>(new OpsServer(std::move(impl)));
}

OpsServer::OpsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

OpsServer::~OpsServer() {
  impl_->server.stop();
  impl_->thread.join();
}

int OpsServer::port() const { return impl_->port; }

}  // namespace mvmd
