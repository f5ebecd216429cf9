// A watcher of everything: what it was told must be what the log says.
#ifndef MVMD_TESTS_SIM_SIM_WATCHER_H_
#define MVMD_TESTS_SIM_SIM_WATCHER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/twin_state.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/sim_gateway.h"

namespace mvmd {

// All that a watcher may be told of an entry, as text.
std::string ContentOf(const AppliedEntry& entry);

// Hears the entries as they are applied; after it was away it reads what it missed from the log, as a slow watcher
// does.
class SimWatcher {
 public:
  SimWatcher(Scheduler* scheduler, const SimGateway* gateway) : scheduler_(scheduler), gateway_(gateway) {}

  // Reads up to the end of the log, and listens from there.
  void Connect();
  void Disconnect() { life_ = 0; }
  void OnApplied(const AppliedEntry& entry);
  // Contents by revision, from 1.
  const std::vector<std::string>& told() const { return told_; }

 private:
  Scheduler* const scheduler_;
  const SimGateway* const gateway_;
  uint64_t life_ = 0;  // of the gateway that it is connected to; 0: none
  std::vector<std::string> told_;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_SIM_SIM_WATCHER_H_
