// Intake: the stages from message to row, tied together in their order.
#ifndef MVMD_BRIDGE_INTAKE_H_
#define MVMD_BRIDGE_INTAKE_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "bridge/binding_table.h"
#include "bridge/block_builder.h"
#include "bridge/gap_builder.h"
#include "bridge/issue_log.h"
#include "bridge/mqtt_source.h"
#include "bridge/outbox.h"
#include "bridge/redelivery.h"
#include "bridge/sensor_router.h"
#include "bridge/twin_catalog.h"
#include "runtime/clock.h"
#include "twin/interval_set.h"

namespace mvmd {

// Counters for metrics; any thread reads them.
struct IntakeStats {
  std::atomic<uint64_t> messages{0};
  std::atomic<uint64_t> messages_qos0{0};
  std::atomic<uint64_t> redeliveries{0};
  std::atomic<uint64_t> retained_ignored{0};
  std::atomic<uint64_t> samples{0};
  std::atomic<uint64_t> commits{0};
  std::atomic<uint64_t> commit_ns_sum{0};
};

struct IntakeOptions {
  uint64_t max_payload_bytes = uint64_t{256} << 10;
  const Clock* clock = &SystemClock::Get();
};

// The writing side of the bridge: one thread, the source's. For each message of a group
//
//   redelivery? -> router: topic -> decoder -> readings -> router: sensor -> conditioner -> binding -> block builder
//
// and at the end of the group one transaction of the outbox: new bindings, the block, the receipts. A message that
// cannot be taken in is an issue and nothing else: it is acknowledged, and its neighbours are unharmed. Likewise a
// reading, beside the others of its message.
class Intake final : public MqttSink {
 public:
  // Rows up to `last_seq` are durable; `bytes` of them are new. On the intake's thread.
  using OnRows = std::function<void(uint64_t last_seq, size_t bytes)>;
  using OnNewEpoch = std::function<void(uint64_t epoch, std::string outbox_id, uint64_t last_seq)>;
  using OnNonceKept = std::function<void(uint64_t epoch, std::string nonce)>;

  // Nothing is owned but the router.
  Intake(IntakeOptions options, std::unique_ptr<SensorRouter> router, const TwinCatalog* catalog, Outbox* outbox,
         IssueLog* issues, OnRows on_rows, OnNewEpoch on_new_epoch, OnNonceKept on_nonce_kept);

  // Before the source runs: enqueues documents that this epoch has not seen yet. Errors as of Outbox::Commit.
  absl::Status Start();

  // MqttSink.
  Subscriptions OnConnected(bool session_present) override;
  void OnSubscribed() override;
  void OnSubscriptionRefused(absl::string_view filter) override;
  void OnDisconnected(absl::string_view why) override;
  void OnMessage(const MqttMessage& message) override;
  absl::Status Commit() override;
  bool WantsMore() override { return !outbox_->full(); }
  bool WantsDuplicateFlags() override { return redelivery_.window_open(); }
  absl::Status OnIdle() override;

  // Any thread; carried out in OnIdle, in order. A twin that has no local document is passed over.
  void SendDocument(std::string twin);
  void SendCommandResult(mvmd::twin::v1alpha1::CommandResult result);
  void StartNewEpoch(IntervalSet applied, IntervalSet lost);
  // Of an epoch that is over: passed over.
  void KeepNonce(uint64_t epoch, std::string nonce);
  // A row that was read as damaged.
  void Quarantine(uint64_t seq);

  const IntakeStats& stats() const { return stats_; }

 private:
  using Task = std::function<absl::Status()>;

  void Post(Task task);
  absl::Status CommitNow(const OutboxBatch& batch);
  absl::Status EnqueueDocument(const LocalTwin& twin);
  absl::Status EnqueueChangedDocuments();
  absl::Status RunNewEpoch(const IntervalSet& applied, const IntervalSet& lost);
  void RefuseReadings(TopicEntry* entry, int64_t arrival_unix_ns);
  void TakeReading(TopicEntry* entry, Reading reading, int64_t arrival_unix_ns);
  // A message, or some of its readings, gave no sample: a gap, if the twin is one of this bridge.
  void Lose(const SensorTarget* target, int64_t arrival_unix_ns, uint64_t count = 1);
  void Refuse(const char* reason, absl::string_view message, const TopicEntry& entry, const SensorTarget* target);

  const IntakeOptions options_;
  const std::unique_ptr<SensorRouter> router_;
  const TwinCatalog* const catalog_;
  Outbox* const outbox_;
  IssueLog* const issues_;
  const OnRows on_rows_;
  const OnNewEpoch on_new_epoch_;
  const OnNonceKept on_nonce_kept_;

  RedeliveryFilter redelivery_;
  BindingTable bindings_;
  BlockBuilder builder_;
  GapBuilder gaps_;
  std::vector<Reading> readings_;
  BadReadings bad_readings_;
  std::string receipts_;
  std::string subscriptions_;  // as text, of the configuration
  bool subscriptions_granted_ = false;
  // The group's transaction once Commit has been called; kept until it succeeds.
  OutboxBatch batch_;
  bool batch_built_ = false;
  int64_t last_commit_ns_ = 0;  // monotonic

  absl::Mutex mutex_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> has_tasks_{false};
  IntakeStats stats_;
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_INTAKE_H_
