// One simulated run: a plant, bridges, a network, the gateway and watchers; then everything is healed, drained and
// audited. See README.md in this folder.
#ifndef MVMD_TESTS_SIM_SIMULATION_H_
#define MVMD_TESTS_SIM_SIMULATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace mvmd {

struct SimOptions {
  uint64_t seed = 1;
  // Faults by chance. Without them only `crash` happens.
  bool faults = true;
  // Exactly one crash, at this crash point of the bridge or of the gateway.
  struct Crash {
    bool gateway = false;
    uint64_t point = 0;
  };
  std::optional<Crash> crash = std::nullopt;
  // Keep the trace.
  bool trace = false;
};

struct SimResult {
  // Empty: every promise was kept.
  std::string failure;
  std::vector<std::string> trace;
  // How much has happened.
  uint64_t events = 0;
  uint64_t samples = 0;
  uint64_t revisions = 0;
  uint64_t duplicate_frames = 0;
  uint64_t backfilled_samples = 0;
  uint64_t bridge_crashes = 0;
  uint64_t gateway_crashes = 0;
  // Crash points that were passed.
  uint64_t bridge_points = 0;
  uint64_t gateway_points = 0;
  absl::Duration time_to_drain;
};

// Deterministic: the same options give the same result and trace.
SimResult RunSimulation(const SimOptions& options);

}  // namespace mvmd

#endif  // MVMD_TESTS_SIM_SIMULATION_H_
