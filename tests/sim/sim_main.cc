// mvmd-sim: more seeds than the test runs, and the story of one.
//
//   mvmd-sim --seeds 1..100000
//   mvmd-sim --seeds 4711..4711 --trace
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "tests/sim/simulation.h"

namespace mvmd {
namespace {

void PrintTrace(const SimResult& result) {
  for (const std::string& line : result.trace) std::printf("%s\n", line.c_str());
}

int RunSeeds(uint64_t first, uint64_t last, bool trace, bool keep_going) {
  uint64_t failed = 0;
  uint64_t samples = 0;
  for (uint64_t seed = first; seed <= last; ++seed) {
    SimResult result = RunSimulation({.seed = seed, .trace = trace});
    samples += result.samples;
    if (trace) PrintTrace(result);
    if (!result.failure.empty()) {
      ++failed;
      std::printf("seed %llu FAILED: %s\n", static_cast<unsigned long long>(seed), result.failure.c_str());
      if (!keep_going) {
        if (!trace) PrintTrace(RunSimulation({.seed = seed, .trace = true}));
        std::printf("seed %llu failed\n", static_cast<unsigned long long>(seed));
        break;
      }
    }
    if ((seed - first + 1) % 1000 == 0) {
      std::printf("%llu runs, %llu samples, %llu failed\n", static_cast<unsigned long long>(seed - first + 1),
                  static_cast<unsigned long long>(samples), static_cast<unsigned long long>(failed));
      std::fflush(stdout);
    }
  }
  if (failed == 0) {
    std::printf("seeds %llu to %llu: the ledger holds, %llu samples\n", static_cast<unsigned long long>(first),
                static_cast<unsigned long long>(last), static_cast<unsigned long long>(samples));
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) {
  CLI::App app("Runs the simulation: bridges, a network and the gateway under faults, one run a seed.");
  std::string seeds = "1..1000";
  bool trace = false;
  bool keep_going = false;
  app.add_option("--seeds", seeds, "first and last seed, A..B")->capture_default_str();
  app.add_flag("--trace", trace, "print every event");
  app.add_flag("--keep-going", keep_going, "go on after a failure");
  CLI11_PARSE(app, argc, argv);
  const std::pair<std::string, std::string> parts = absl::StrSplit(seeds, absl::MaxSplits("..", 1));
  uint64_t first = 0;
  uint64_t last = 0;
  if (!absl::SimpleAtoi(parts.first, &first) || !absl::SimpleAtoi(parts.second, &last) || first > last) {
    std::fprintf(stderr, "--seeds: expected A..B with A <= B, got \"%s\"\n", seeds.c_str());
    return 2;
  }
  return mvmd::RunSeeds(first, last, trace, keep_going);
}
