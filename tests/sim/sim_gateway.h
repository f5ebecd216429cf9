// The gateway: real sessions and the real fold between the simulated network and a model disk. The committer here does
// what gateway/committer.h promises, in virtual time.
#ifndef MVMD_TESTS_SIM_SIM_GATEWAY_H_
#define MVMD_TESTS_SIM_SIM_GATEWAY_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gateway/bridge_session.h"
#include "gateway/twin_state.h"
#include "tests/sim/model_log.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/sim_network.h"

namespace mvmd {

struct SimGatewayOptions {
  BridgeSessionOptions session;  // bridge and peer are filled in
  TwinStateLimits limits;
  absl::Duration fsync_max = absl::Milliseconds(8);
  // Documents of twins that begin so may be refused.
  std::string faulty_prefix = "zz-faulty-";
};

class SimGateway final : public Process, public StreamServer {
 public:
  // Hears of every entry when it is durable and applied, in order, once a life.
  using OnAppliedEntry = std::function<void(const std::shared_ptr<const AppliedEntry>& entry)>;

  SimGateway(Scheduler* scheduler, SimNetwork* network, SimGatewayOptions options);

  OnAppliedEntry on_applied;
  std::function<void()> on_start;

  // Null while the gateway is down.
  const TwinState* state() const { return state_.get(); }
  const ModelLog& log() const { return log_; }
  bool idle() const { return up() && !committing_ && pending_.empty(); }

  // A client's write.
  void Patch(const std::string& twin, const std::string& merge_patch);
  // What an operator does.
  void SetValidation(mvmd::twin::v1alpha1::ValidationMode mode);
  void Redrive(const std::string& bridge, const std::string& twin);
  void WriteCheckpoint();
  // Stops as on SIGTERM: streams are told, then ended; then the process starts again.
  void Drain(absl::Duration grace);
  // Until then nothing can be written.
  void FillDisk(absl::Duration duration);
  // One of the next writes finds the disk full, the ones after it do not.
  void FailOneWrite() { failing_write_ = 1 + scheduler_->Pick(10); }
  void Heal();
  // What a session may not end with.
  uint64_t sessions_ended_by_protocol() const { return sessions_ended_by_protocol_; }

  void OnStream(uint64_t stream, const std::string& bridge) override;
  void OnRequest(uint64_t stream, const mvmd::twin::v1alpha1::SyncRequest& request) override;
  void OnGone(uint64_t stream, const std::string& reason) override;

 protected:
  void OnStart() override;
  void OnCrash() override;

 private:
  using LogEntry = mvmd::twin::v1alpha1::LogEntry;
  struct Pending {
    LogEntry entry;
    std::shared_ptr<const ParsedGroup> group;
    std::function<void(const ApplyResult& result)> done;
  };
  struct Session {
    std::unique_ptr<BridgeSession> core;
    uint64_t timer = 0;  // number of the one that counts
  };

  void Recover();
  void Append(LogEntry entry, std::shared_ptr<const ParsedGroup> group,
              std::function<void(const ApplyResult& result)> done);
  void BeginBatch();
  void CommitBatch(std::vector<Pending> batch);
  void TellDone(Pending pending, const ApplyResult& result);
  ApplyResult Apply(uint64_t revision, const LogEntry& entry, std::shared_ptr<const ParsedGroup> group);
  // Calls `event` of the session's core and carries out what it wants.
  void Tell(uint64_t stream, const std::function<void(BridgeSession*, std::vector<BridgeSession::Action>*)>& event);

  SimNetwork* const network_;
  const SimGatewayOptions options_;

  // Disk.
  ModelLog log_;
  ModelStore store_;

  // Memory.
  std::unique_ptr<TwinState> state_;
  std::map<uint64_t, Session> sessions_;  // by stream
  std::deque<Pending> pending_;
  bool committing_ = false;
  // A group of these was not written. Nothing that the session appended before it heard of that may be written either:
  // it would be applied before the group that is missing.
  std::set<uint64_t> failed_sessions_;

  absl::Time disk_full_until_ = absl::InfinitePast();
  uint64_t failing_write_ = 0;  // counts down to 1; 0: none
  uint64_t sessions_ended_by_protocol_ = 0;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_SIM_SIM_GATEWAY_H_
