// mvmd-sim: more seeds than the test runs, and the story of one.
//
//   mvmd-sim --seeds 1..100000 --jobs 2
//   mvmd-sim --seeds 4711..4711 --trace
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "tests/sim/simulation.h"

namespace mvmd {
namespace {

constexpr uint64_t kProgressSeeds = 1000;

struct RunnerOptions {
  uint64_t first = 1;
  uint64_t last = 1;
  int jobs = 1;
  bool trace = false;
  bool keep_going = false;
};

// Runs share nothing, so that threads do as well as processes. Output is whole lines, and a failed run's trace is in
// one piece.
class Runner {
 public:
  explicit Runner(const RunnerOptions& options)
      : options_(options), next_(options.first), started_(std::chrono::steady_clock::now()) {}

  // Exit status.
  int Run() {
    std::vector<std::thread> threads;
    for (int i = 1; i < options_.jobs; ++i) threads.emplace_back([this] { RunSeeds(); });
    RunSeeds();
    for (std::thread& thread : threads) thread.join();
    absl::MutexLock lock(&mutex_);
    absl::PrintF("seeds %d..%d: %d runs, %d failed; %d samples, %d events; %s\n", options_.first, options_.last, runs_,
                 failed_, samples_, events_, Throughput());
    if (failed_ > 0) absl::PrintF("lowest failed seed: %d\n", lowest_failed_);
    return failed_ == 0 ? 0 : 1;
  }

 private:
  void RunSeeds() {
    while (!stop_.load()) {
      const uint64_t seed = next_.fetch_add(1);
      // The counter may wrap when the last seed is the last number there is.
      if (seed > options_.last || seed < options_.first) return;
      SimResult result = RunSimulation({.seed = seed, .trace = options_.trace});
      // The same seed is the same run: its story is written down only when somebody wants it.
      if (!result.failure.empty() && !options_.trace && !options_.keep_going) {
        result = RunSimulation({.seed = seed, .trace = true});
      }
      Take(seed, result);
    }
  }

  void Take(uint64_t seed, const SimResult& result) {
    absl::MutexLock lock(&mutex_);
    if (stop_.load() && !options_.keep_going) return;
    ++runs_;
    samples_ += result.samples;
    events_ += result.events;
    for (const std::string& line : result.trace) absl::PrintF("%s\n", line);
    if (!result.failure.empty()) {
      ++failed_;
      lowest_failed_ = std::min(lowest_failed_, seed);
      absl::PrintF("seed %d FAILED: %s\nits story again: ./run sim --seeds %d..%d --trace\n", seed, result.failure,
                   seed, seed);
      if (!options_.keep_going) stop_.store(true);
    }
    if (runs_ % kProgressSeeds == 0) absl::PrintF("%d runs, %d failed; %s\n", runs_, failed_, Throughput());
    std::fflush(stdout);
  }

  std::string Throughput() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const double seconds =
        std::max(std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count(), 1e-3);
    return absl::StrFormat("%.0f seeds an hour on %d core(s)", static_cast<double>(runs_) / seconds * 3600,
                           options_.jobs);
  }

  const RunnerOptions options_;
  std::atomic<uint64_t> next_;
  std::atomic<bool> stop_{false};
  const std::chrono::steady_clock::time_point started_;
  absl::Mutex mutex_;
  uint64_t runs_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t failed_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t lowest_failed_ ABSL_GUARDED_BY(mutex_) = std::numeric_limits<uint64_t>::max();
  uint64_t samples_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t events_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) {
  CLI::App app("Runs the simulation: bridges, a network and the gateway under faults, one run a seed.");
  mvmd::RunnerOptions options;
  std::string seeds = "1..10000";
  app.add_option("--seeds", seeds, "first and last seed, A..B")->capture_default_str();
  app.add_option("--jobs", options.jobs, "runs at a time")->capture_default_str()->check(CLI::Range(1, 1024));
  app.add_flag("--trace", options.trace, "print every event");
  app.add_flag("--keep-going", options.keep_going, "go on after a failure");
  CLI11_PARSE(app, argc, argv);
  const std::pair<std::string, std::string> parts = absl::StrSplit(seeds, absl::MaxSplits("..", 1));
  if (!absl::SimpleAtoi(parts.first, &options.first) || !absl::SimpleAtoi(parts.second, &options.last) ||
      options.first > options.last) {
    absl::FPrintF(stderr, "--seeds: expected A..B with A <= B, got \"%s\"\n", seeds);
    return 2;
  }
  return mvmd::Runner(options).Run();
}
