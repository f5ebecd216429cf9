// A bridge: the real uplink core and block encoding between a broker and the simulated network, on a model outbox.
#ifndef MVMD_TESTS_SIM_SIM_BRIDGE_H_
#define MVMD_TESTS_SIM_SIM_BRIDGE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bridge/uplink.h"
#include "tests/sim/model_outbox.h"
#include "tests/sim/plant.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/sim_network.h"

namespace mvmd {

struct SimBridgeOptions {
  std::string name;                              // SPIFFE URI
  std::map<std::string, std::string> documents;  // twin -> JSON text
  UplinkOptions uplink;                          // epoch, outbox id and last seq are filled in
  size_t group_messages_max = 20;                // of the broker in one transaction
  size_t document_chunk_bytes = 200;
  absl::Duration fsync_max = absl::Milliseconds(5);
  absl::Duration clock_offset = absl::ZeroDuration();
};

// Two loops, as in the real one:
//
//   loop { messages = broker; outbox.Commit(rows of messages)  -- fsync --;  PUBACK each }
//   loop { uplink's events and actions }
class SimBridge final : public Process, public StreamClient {
 public:
  SimBridge(Scheduler* scheduler, SimNetwork* network, SimBroker* broker, SimBridgeOptions options);

  // Everything that the broker gave is committed by the gateway.
  bool idle() const { return up() && !committing_ && rows_told_ == outbox_.last_seq() && uplink_->idle(); }
  const ModelOutbox& outbox() const { return outbox_; }
  // Over all lives.
  uint64_t protocol_errors() const {
    return protocol_errors_ + (uplink_ != nullptr ? uplink_->stats().protocol_errors : 0);
  }
  uint64_t new_epochs() const { return new_epochs_ + (uplink_ != nullptr ? uplink_->stats().new_epochs : 0); }
  uint64_t rows_rejected() const { return rows_rejected_; }
  // For people, when a run does not end.
  std::string Describe() const;
  void SendReport();
  // The broker's connection breaks: what is not PUBACKed comes again.
  void ReconnectBroker();

  void OnConnected(uint64_t stream) override;
  void OnWriteDone(uint64_t stream) override;
  void OnResponse(uint64_t stream, const mvmd::twin::v1alpha1::SyncResponse& response) override;
  void OnStreamEnded(uint64_t stream, const absl::Status& status) override;

 protected:
  void OnStart() override;
  void OnCrash() override;

 private:
  void PollBroker();
  // Rows for the messages that were not seen before, declarations first.
  ModelOutboxBatch BuildBatch(const std::vector<PlantMessage>& messages);
  void AddDocument(const std::string& twin, ModelOutboxBatch* batch, uint64_t* seq) const;
  void FinishCommit(const ModelOutboxBatch& batch, const std::vector<PlantMessage>& messages);
  void FinishNewEpoch(const UplinkStartNewEpoch& wanted);
  void FinishKeepNonce(const UplinkKeepNonce& wanted);
  void CarryOut(UplinkActions actions);

  SimNetwork* const network_;
  SimBroker* const broker_;
  const SimBridgeOptions options_;

  // Disk.
  ModelOutbox outbox_;

  // Memory.
  std::unique_ptr<Uplink> uplink_;
  uint64_t stream_ = 0;
  uint64_t timer_ = 0;  // number of the one that counts
  bool committing_ = false;
  bool poll_scheduled_ = false;
  uint64_t rows_told_ = 0;  // to the uplink
  std::set<std::string> documents_wanted_;
  std::map<std::pair<std::string, std::string>, uint32_t> bindings_;

  uint64_t protocol_errors_ = 0;
  uint64_t new_epochs_ = 0;
  uint64_t rows_rejected_ = 0;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_SIM_SIM_BRIDGE_H_
