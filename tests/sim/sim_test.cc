#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "tests/sim/simulation.h"

namespace mvmd {
namespace {

// What to show of a failed run: the end of its trace.
std::string Story(SimOptions options) {
  options.trace = true;
  SimResult result = RunSimulation(options);
  constexpr size_t kLines = 80;
  if (result.trace.size() > kLines) result.trace.erase(result.trace.begin(), result.trace.end() - kLines);
  return absl::StrCat("seed ", options.seed, ": ", result.failure, "\n", absl::StrJoin(result.trace, "\n"),
                      "\nrun it again: ./run sim --seeds ", options.seed, "..", options.seed, " --trace");
}

TEST(SimulationTest, LedgerHoldsUnderFaults) {
  uint64_t samples = 0, duplicates = 0, backfilled = 0, bridge_crashes = 0, gateway_crashes = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    const SimResult result = RunSimulation({.seed = seed});
    ASSERT_EQ(result.failure, "") << Story({.seed = seed});
    samples += result.samples;
    duplicates += result.duplicate_frames;
    backfilled += result.backfilled_samples;
    bridge_crashes += result.bridge_crashes;
    gateway_crashes += result.gateway_crashes;
  }
  // The faults do happen.
  EXPECT_GT(samples, 50000u);
  EXPECT_GT(duplicates, 100u);
  EXPECT_GT(backfilled, 1000u);
  EXPECT_GT(bridge_crashes, 300u);
  EXPECT_GT(gateway_crashes, 300u);
}

// Runs that failed once. A line has a seed and what it found, for people: the events of a seed change with the code of
// the simulation, so that the class that was at fault has a test of its own beside it.
TEST(SimulationTest, LedgerHoldsForSeedsThatFailedOnce) {
  std::ifstream file(MVMD_SIM_REGRESSION_SEEDS);
  ASSERT_TRUE(file.is_open()) << MVMD_SIM_REGRESSION_SEEDS;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty() || text.front() == '#') continue;
    uint64_t seed = 0;
    ASSERT_TRUE(absl::SimpleAtoi(text.substr(0, text.find(' ')), &seed))
        << MVMD_SIM_REGRESSION_SEEDS << ":" << number << ": expected a seed, got \"" << text << "\"";
    EXPECT_EQ(RunSimulation({.seed = seed}).failure, "") << Story({.seed = seed});
  }
}

TEST(SimulationTest, SameSeedSameRun) {
  const SimResult first = RunSimulation({.seed = 7, .trace = true});
  const SimResult second = RunSimulation({.seed = 7, .trace = true});
  EXPECT_EQ(first.trace, second.trace);
  EXPECT_EQ(first.events, second.events);
}

// One run for every place between two steps of a process, with nothing else going wrong.
void CrashAtEveryStep(bool gateway) {
  constexpr uint64_t kSeed = 12;
  const SimResult calm = RunSimulation({.seed = kSeed, .faults = false});
  ASSERT_EQ(calm.failure, "") << Story({.seed = kSeed, .faults = false});
  const uint64_t points = gateway ? calm.gateway_points : calm.bridge_points;
  ASSERT_GT(points, 100u);
  for (uint64_t point = 0; point < points; ++point) {
    const SimOptions options{.seed = kSeed, .faults = false, .crash = SimOptions::Crash{gateway, point}};
    const SimResult result = RunSimulation(options);
    ASSERT_EQ(result.failure, "") << "crash point " << point << "\n" << Story(options);
    ASSERT_EQ(gateway ? result.gateway_crashes : result.bridge_crashes, 1u);
  }
}

TEST(SimulationTest, LedgerHoldsForABridgeCrashAtEveryStep) { CrashAtEveryStep(/*gateway=*/false); }
TEST(SimulationTest, LedgerHoldsForAGatewayCrashAtEveryStep) { CrashAtEveryStep(/*gateway=*/true); }

}  // namespace
}  // namespace mvmd
