// Bridge: everything that mvmd-bridge runs, put together.
#ifndef MVMD_BRIDGE_BRIDGE_H_
#define MVMD_BRIDGE_BRIDGE_H_

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "bridge/bridge_config.h"
#include "bridge/intake.h"
#include "bridge/issue_log.h"
#include "bridge/mqtt_source.h"
#include "bridge/outbox.h"
#include "bridge/uplink_stream.h"
#include "certs/rotating_source.h"
#include "runtime/metrics.h"
#include "runtime/ops_server.h"

namespace mvmd {

// The one object that owns every part and names the concrete ones. Two threads of its own:
//
//   intake:  MqttSource -> Intake -> Outbox (writing)
//   uplink:  UplinkStream -> Uplink, Outbox (reading)
//
//   absl::StatusOr<std::unique_ptr<Bridge>> bridge = Bridge::Start(std::move(setup), [&] { signals.RequestStop(); });
//   signals.Wait();
//   absl::Status ended = (*bridge)->Stop();
class Bridge final : private UplinkHost {
 public:
  // Opens the outbox, begins to receive and to send. `on_fatal` is called once, on a thread of the bridge, when it
  // cannot go on. Errors: the outbox, the TLS files, the ops port; each says what to do.
  static absl::StatusOr<std::unique_ptr<Bridge>> Start(std::unique_ptr<BridgeSetup> setup,
                                                       std::function<void()> on_fatal);
  ~Bridge() override;
  Bridge(const Bridge&) = delete;
  Bridge& operator=(const Bridge&) = delete;

  // Stops receiving (commit, PUBACK, DISCONNECT), then sends what is there for up to `flush`. Blocking. The fatal
  // error, if there was one.
  absl::Status Stop(absl::Duration flush = absl::Seconds(3));

  // Of /metrics; 0 when it is off.
  int ops_port() const { return ops_ != nullptr ? ops_->port() : 0; }

 private:
  Bridge(std::unique_ptr<BridgeSetup> setup, std::function<void()> on_fatal);
  absl::Status Init();
  void AddMetrics();
  void RunIntake();
  void OnMqttSession(MqttSession session);

  // UplinkHost, on the uplink's thread.
  void ForgetRows(const IntervalSet& seqs) override;
  void SendDocument(const std::string& twin) override;
  void StartNewEpoch(IntervalSet applied, IntervalSet lost) override;
  void KeepNonce(uint64_t epoch, std::string nonce) override;
  void OnCommand(const mvmd::twin::v1alpha1::Command& command) override;
  void OnRowRejected(uint64_t seq, const std::string& message) override;
  void OnRowDamaged(uint64_t seq) override;
  mvmd::twin::v1alpha1::BridgeReport MakeReport() override;

  const std::unique_ptr<BridgeSetup> setup_;
  const std::function<void()> on_fatal_;
  Metrics metrics_;
  Health health_;
  IssueLog issues_;
  std::shared_ptr<RotatingCertificateSource> certificates_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<UplinkStream> uplink_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<MqttSource> source_;
  std::vector<Metrics::Callback> callbacks_;
  std::unique_ptr<OpsServer> ops_;

  absl::Mutex mutex_;
  absl::Status fatal_ ABSL_GUARDED_BY(mutex_);
  std::thread intake_thread_;
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_BRIDGE_H_
