#include "runtime/signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace mvmd {
namespace {

// Without signals a daemon could only be killed: not worth running.
int CheckedFd(int fd, const char* what) {
  if (fd >= 0) return fd;
  std::perror(what);
  std::abort();
}

}  // namespace

ShutdownSignals::ShutdownSignals(std::function<void()> on_hangup) : on_hangup_(std::move(on_hangup)) {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal_fd_ = CheckedFd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");
  wake_fd_ = CheckedFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
  thread_ = std::thread([this] { Watch(); });
}

ShutdownSignals::~ShutdownSignals() {
  const uint64_t one = 1;
  // A counter that is full wakes the reader just as well.
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
  thread_.join();
  close(signal_fd_);
  close(wake_fd_);
}

int ShutdownSignals::Wait() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&stopped_));
  return signal_;
}

void ShutdownSignals::RequestStop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

void ShutdownSignals::Watch() {
  bool asked = false;  // one SIGTERM or SIGINT has come
  for (;;) {
    std::array<pollfd, 2> fds = {pollfd{signal_fd_, POLLIN, 0}, pollfd{wake_fd_, POLLIN, 0}};
    if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signal_fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) continue;
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGHUP) {
      if (on_hangup_) on_hangup_();
      continue;
    }
    if (asked) _exit(128 + signal);
    asked = true;
    absl::MutexLock lock(&mutex_);
    if (!stopped_) signal_ = signal;
    stopped_ = true;
  }
}

}  // namespace mvmd
