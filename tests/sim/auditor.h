// The ledger of a run: what was published against what the gateway's log, folded afresh, says.
#ifndef MVMD_TESTS_SIM_AUDITOR_H_
#define MVMD_TESTS_SIM_AUDITOR_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "tests/sim/plant.h"
#include "tests/sim/sim_gateway.h"
#include "tests/sim/sim_watcher.h"

namespace mvmd {

struct Audit {
  // Empty: the ledger holds.
  std::string failure;
  uint64_t samples = 0;
  uint64_t duplicate_frames = 0;
  uint64_t backfilled_samples = 0;
};

// Checks, after everything is drained:
//  1. every published sample is applied exactly once, with its value, time and quality;
//  2. samples of a sensor are applied in the order in which they were published: within a session and lane always, and
//     everywhere as long as its bridge had no backlog that was large enough to be split into lanes;
//  3. what a session appends after a newer one of the same bridge has opened changes nothing;
//  4. each sensor's current value is its last sample;
//  5. the state in the gateway's memory is the fold of its log;
//  6. every watcher was told exactly what the log says, revision by revision.
Audit AuditRun(const std::deque<PlantSensor>& sensors, const SimGateway& gateway, const TwinStateLimits& limits,
               const std::vector<const SimWatcher*>& watchers);

}  // namespace mvmd

#endif  // MVMD_TESTS_SIM_AUDITOR_H_
