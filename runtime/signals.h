// Signals as events of an ordinary thread, never as interruptions.
#ifndef MVMD_RUNTIME_SIGNALS_H_
#define MVMD_RUNTIME_SIGNALS_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace mvmd {

// Waits for SIGTERM and SIGINT. Make one as the first thing in main, before any other thread: it blocks these signals
// (and SIGHUP; SIGPIPE is ignored) for the calling thread and for all that it starts later. A second SIGTERM or SIGINT
// ends the process at once with code 128 + signal, so that a stuck drain can be cut short.
//
//   ShutdownSignals signals;
//   ... start everything ...
//   int signal = signals.Wait();
//   ... drain ...
class ShutdownSignals {
 public:
  // `on_hangup` runs on a thread of this object for every SIGHUP; empty: SIGHUP has no effect.
  explicit ShutdownSignals(std::function<void()> on_hangup = nullptr);
  ~ShutdownSignals();
  ShutdownSignals(const ShutdownSignals&) = delete;
  ShutdownSignals& operator=(const ShutdownSignals&) = delete;

  // Blocks until the first SIGTERM or SIGINT, and returns its number; or 0 after RequestStop. Later calls return at
  // once with the same.
  int Wait();

  // Ends Wait from inside of the process, for instance when a disk has failed. Thread-safe, idempotent.
  void RequestStop();

 private:
  void Watch();

  const std::function<void()> on_hangup_;
  int signal_fd_ = -1;
  int wake_fd_ = -1;
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  int signal_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace mvmd

#endif  // MVMD_RUNTIME_SIGNALS_H_
