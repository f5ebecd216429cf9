// When a sink is done, and the signals that steer it: the same for every system.
#ifndef MVMD_TESTS_BENCH_SINK_RUN_H_
#define MVMD_TESTS_BENCH_SINK_RUN_H_

#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "tests/bench/arrivals.h"

namespace CLI {
class App;
}

namespace mvmd {

// SIGUSR1 says that the link is back (Arrivals::MarkLinkBack), SIGTERM that it is enough. One instance a process; not
// thread-safe.
class SinkRun {
 public:
  // Adds --expect, --first-n, --idle and --limit.
  void AddOptions(CLI::App* app);
  // Once the options are parsed: installs the signal handlers, starts the clock.
  void Begin();
  // Tells on stderr that it has subscribed; the bench waits for it before it publishes.
  void ReportReady();

  Arrivals& arrivals() { return *arrivals_; }
  // To be asked often: also carries out SIGUSR1. True when everything came, nothing came for --idle, or time is up.
  bool Done();
  // Prints the arrivals and this process's CPU seconds as one line of JSON. Exit code.
  int Report();

 private:
  uint64_t expect_ = 0;
  uint64_t first_n_ = 0;
  double idle_seconds_ = 5;
  double limit_seconds_ = 120;
  absl::Time start_;
  bool ready_ = false;
  std::unique_ptr<Arrivals> arrivals_;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_BENCH_SINK_RUN_H_
