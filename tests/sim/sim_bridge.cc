#include "tests/sim/sim_bridge.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "twin/block.h"
#include "twin/canonical.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

SimBridge::SimBridge(Scheduler* scheduler, SimNetwork* network, SimBroker* broker, SimBridgeOptions options)
    : Process(scheduler, options.name),
      network_(network),
      broker_(broker),
      options_(std::move(options)),
      outbox_(1 + scheduler->Pick(1000), std::string(16, static_cast<char>('a' + scheduler->Pick(26)))) {
  broker_->on_publish = [this] {
    if (!up() || poll_scheduled_) return;
    poll_scheduled_ = true;
    After(absl::Microseconds(scheduler_->Pick(300)), [this] {
      poll_scheduled_ = false;
      PollBroker();
    });
  };
}

std::string SimBridge::Describe() const {
  return absl::StrCat(name(), up() ? " up" : " down",
                      uplink_ != nullptr ? absl::StrCat(", ", std::string(UplinkStateName(uplink_->state())), ", ",
                                                        uplink_->rows_in_flight(), " rows in flight")
                                         : "",
                      ", outbox ", outbox_.Extent().first, "..", outbox_.Extent().last, ", broker keeps ",
                      broker_->waiting(), committing_ ? ", committing" : "");
}

void SimBridge::OnStart() {
  broker_->Reconnect();
  UplinkOptions options = options_.uplink;
  options.epoch = outbox_.epoch();
  options.outbox_id = outbox_.outbox_id();
  options.last_seq_at_start = rows_told_ = outbox_.last_seq();
  outbox_.Open();
  options.nonce = outbox_.nonce();
  options.nonce_seq = outbox_.nonce_seq();
  options.seed = scheduler_->Pick(uint64_t{1} << 32);
  uplink_ = std::make_unique<Uplink>(std::move(options), &outbox_, [this] {
    return scheduler_->unix_ns() + absl::ToInt64Nanoseconds(options_.clock_offset);
  });
  for (const pb::Binding& binding : outbox_.bindings()) bindings_[{binding.twin(), binding.sensor()}] = binding.id();
  for (const auto& [twin, document] : options_.documents) {
    if (!outbox_.has_document(twin)) documents_wanted_.insert(twin);
  }
  CarryOut(uplink_->Start(scheduler_->now()));
  PollBroker();
}

void SimBridge::OnCrash() {
  if (uplink_ != nullptr) {
    protocol_errors_ += uplink_->stats().protocol_errors;
    new_epochs_ += uplink_->stats().new_epochs;
  }
  uplink_.reset();
  stream_ = 0;
  committing_ = false;
  poll_scheduled_ = false;
  documents_wanted_.clear();
  bindings_.clear();
  outbox_.Crash();
  network_->OnCrash(this);
}

void SimBridge::PollBroker() {
  if (!up() || committing_) return;
  std::vector<PlantMessage> messages = broker_->Take(1 + scheduler_->Pick(options_.group_messages_max));
  if (messages.empty() && documents_wanted_.empty()) return;
  committing_ = true;
  ModelOutboxBatch batch = BuildBatch(messages);
  After(scheduler_->Between(absl::Microseconds(100), options_.fsync_max),
        [this, batch = std::move(batch), messages = std::move(messages)] { FinishCommit(batch, messages); });
}

void SimBridge::AddDocument(const std::string& twin, ModelOutboxBatch* batch, uint64_t* seq) const {
  const auto found = options_.documents.find(twin);
  if (found == options_.documents.end()) return;
  const std::string& text = found->second;
  for (size_t offset = 0; offset < text.size(); offset += options_.document_chunk_bytes) {
    pb::Frame frame;
    frame.set_seq(++*seq);
    pb::DocumentChunk* chunk = frame.mutable_document_chunk();
    chunk->set_twin(twin);
    chunk->set_sha256(Sha256(text));
    chunk->set_total_bytes(text.size());
    chunk->set_offset_bytes(offset);
    chunk->set_data(text.substr(offset, options_.document_chunk_bytes));
    batch->rows.push_back({.is_declaration = true, .frame = frame.SerializeAsString()});
  }
  batch->documents.insert(twin);
}

ModelOutboxBatch SimBridge::BuildBatch(const std::vector<PlantMessage>& messages) {
  ModelOutboxBatch batch;
  uint64_t seq = outbox_.last_seq();
  for (const std::string& twin : documents_wanted_) AddDocument(twin, &batch, &seq);
  documents_wanted_.clear();

  std::vector<Sample> samples;
  std::map<std::string, pb::Frame> declarations;  // by twin
  for (const PlantMessage& message : messages) {
    const std::pair<std::string, std::string> key(message.sensor->twin, message.sensor->sensor);
    // A message that the outbox has, and whose PUBACK was lost.
    const auto receipt = outbox_.last_numbers().find(key);
    if (receipt != outbox_.last_numbers().end() && receipt->second >= message.n) continue;
    auto [binding, is_new] = bindings_.try_emplace(key, static_cast<uint32_t>(bindings_.size() + 1));
    if (is_new) {
      pb::Binding* declared = declarations[key.first].mutable_bindings()->add_bindings();
      declared->set_id(binding->second);
      declared->set_twin(key.first);
      declared->set_sensor(key.second);
      batch.bindings.push_back(*declared);
    }
    samples.push_back(message.sensor->samples[message.n - 1]);
    samples.back().binding = binding->second;
    batch.last_numbers[key] = message.n;
  }
  for (auto& [twin, frame] : declarations) {
    frame.set_seq(++seq);
    batch.rows.push_back({.is_declaration = true, .frame = frame.SerializeAsString()});
  }
  if (!samples.empty()) {
    pb::Frame frame;
    frame.set_seq(++seq);
    EncodeBlock(samples, frame.mutable_block());
    batch.rows.push_back({.is_declaration = false, .frame = frame.SerializeAsString()});
  }
  return batch;
}

void SimBridge::FinishCommit(const ModelOutboxBatch& batch, const std::vector<PlantMessage>& messages) {
  if (CrashPoint("before the outbox is durable")) return;
  outbox_.Commit(batch);
  if (CrashPoint("outbox is durable, nobody knows")) return;
  committing_ = false;
  size_t bytes = 0;
  for (const ModelOutboxBatch::Row& row : batch.rows) bytes += row.frame.size();
  if (!batch.rows.empty()) {
    scheduler_->Trace(name(), " outbox has rows up to ", outbox_.last_seq());
    After(absl::Microseconds(scheduler_->Pick(200)), [this, last = outbox_.last_seq(), epoch = outbox_.epoch(), bytes] {
      // Rows of a former epoch have other numbers now, and OnNewEpoch has told them.
      if (epoch != outbox_.epoch()) return;
      rows_told_ = std::max(rows_told_, last);
      CarryOut(uplink_->OnRowsAvailable(scheduler_->now(), last, bytes));
    });
  }
  for (const PlantMessage& message : messages) {
    if (CrashPoint("before a PUBACK")) return;
    broker_->Puback(message.id);
  }
  PollBroker();
}

void SimBridge::FinishNewEpoch(const UplinkStartNewEpoch& wanted) {
  if (committing_) {  // one writer
    return After(absl::Microseconds(100), [this, wanted] { FinishNewEpoch(wanted); });
  }
  if (CrashPoint("before a new epoch")) return;
  outbox_.StartNewEpoch(wanted.applied, wanted.lost);
  scheduler_->Trace(name(), " starts epoch ", outbox_.epoch());
  if (CrashPoint("new epoch is durable, nobody knows")) return;
  for (const auto& [twin, document] : options_.documents) documents_wanted_.insert(twin);
  rows_told_ = outbox_.last_seq();
  CarryOut(uplink_->OnNewEpoch(scheduler_->now(), outbox_.epoch(), outbox_.outbox_id(), outbox_.last_seq()));
  PollBroker();
}

void SimBridge::FinishKeepNonce(const UplinkKeepNonce& wanted) {
  if (committing_) {  // one writer
    return After(absl::Microseconds(100), [this, wanted] { FinishKeepNonce(wanted); });
  }
  if (CrashPoint("before the nonce is durable")) return;
  if (wanted.epoch != outbox_.epoch()) return;
  outbox_.KeepNonce(wanted.nonce);
  if (CrashPoint("nonce is durable, nobody knows")) return;
  CarryOut(uplink_->OnNonceKept(scheduler_->now(), wanted.epoch, wanted.nonce));
}

void SimBridge::CarryOut(UplinkActions actions) {
  for (UplinkAction& action : actions) {
    if (std::holds_alternative<UplinkLog>(action)) {
      scheduler_->Trace(name(), " ", std::get<UplinkLog>(action).text);
      continue;
    }
    if (CrashPoint("before an action of the uplink")) return;
    if (std::holds_alternative<UplinkConnect>(action)) {
      stream_ = network_->Connect(this, this, options_.name);
    } else if (auto* write = std::get_if<UplinkWrite>(&action)) {
      network_->Write(stream_, std::move(write->request));
    } else if (std::holds_alternative<UplinkClose>(action)) {
      network_->Cancel(stream_);
    } else if (auto* forget = std::get_if<UplinkForgetRows>(&action)) {
      outbox_.Forget(forget->seqs);
    } else if (auto* document = std::get_if<UplinkSendDocument>(&action)) {
      documents_wanted_.insert(document->twin);
      After(absl::ZeroDuration(), [this] { PollBroker(); });
    } else if (auto* wanted = std::get_if<UplinkStartNewEpoch>(&action)) {
      After(absl::Microseconds(scheduler_->Pick(1000)), [this, wanted = *wanted] { FinishNewEpoch(wanted); });
    } else if (auto* keep = std::get_if<UplinkKeepNonce>(&action)) {
      After(scheduler_->Between(absl::Microseconds(100), options_.fsync_max),
            [this, wanted = *keep] { FinishKeepNonce(wanted); });
    } else if (auto* rejected = std::get_if<UplinkRowRejected>(&action)) {
      ++rows_rejected_;
      scheduler_->Trace(name(), " row ", rejected->seq, " rejected: ", rejected->message);
    } else if (auto* timer = std::get_if<UplinkSetTimer>(&action)) {
      const uint64_t number = ++timer_;
      if (timer->when == absl::InfiniteFuture()) continue;
      After(std::max(timer->when - scheduler_->now(), absl::ZeroDuration()), [this, number] {
        if (number == timer_) CarryOut(uplink_->OnTimer(scheduler_->now()));
      });
    }
  }
}

void SimBridge::SendReport() {
  if (up()) CarryOut(uplink_->OnReport(scheduler_->now(), pb::BridgeReport()));
}

void SimBridge::ReconnectBroker() {
  if (!up()) return;
  scheduler_->Trace(name(), " connects to its broker again");
  broker_->Reconnect();
  PollBroker();
}

void SimBridge::OnConnected(uint64_t stream) {
  if (stream == stream_) CarryOut(uplink_->OnConnected(scheduler_->now()));
}

void SimBridge::OnWriteDone(uint64_t stream) {
  if (stream == stream_) CarryOut(uplink_->OnWriteDone(scheduler_->now()));
}

void SimBridge::OnResponse(uint64_t stream, const pb::SyncResponse& response) {
  if (stream == stream_) CarryOut(uplink_->OnResponse(scheduler_->now(), response));
}

void SimBridge::OnStreamEnded(uint64_t stream, const absl::Status& status) {
  if (stream == stream_) CarryOut(uplink_->OnStreamEnded(scheduler_->now(), status));
}

}  // namespace mvmd
