// mvmd-bench-load: publishes numbered sensor messages as fast as the broker takes them, or at a rate, and keeps account
// of what the broker PUBACKed. Message i goes to topic i % topics with the number first_n + i / topics.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/bench/ledger.h"
#include "tests/bench/mqtt_client.h"
#include "tests/bench/traffic.h"

namespace mvmd {
namespace {

struct LoadOptions {
  uint16_t port = 1883;
  int qos = 1;
  uint32_t topics = 100;
  uint64_t count = 100'000;
  // Messages a second; 0: as fast as the broker takes them.
  double rate = 0;
  // Messages that may wait for their PUBACK.
  uint32_t window = 1000;
  std::string payload = "packed";
  uint64_t first_n = 0;
  double limit_seconds = 120;
  std::string ledger_path;
};

class Load {
 public:
  Load(const LoadOptions& options, PayloadKind kind)
      : options_(options),
        writer_(kind, options.topics),
        slots_(options.window + 1),
        acked_(options.count),
        start_(absl::Now()),
        end_(start_ + absl::Seconds(options.limit_seconds)) {
    for (uint32_t i = 0; i < options.topics; ++i) topics_.push_back(BenchTopic(i));
    for (uint32_t id = options.window; id >= 1; --id) free_ids_.push_back(static_cast<uint16_t>(id));
    if (options.rate > 0) tick_ = std::max(kTick, absl::Seconds(1 / options.rate));
  }

  // Returns when all is acknowledged or time is up. A lost connection is made again, and what was not acknowledged is
  // sent again.
  void Run() {
    while (absl::Now() < end_ && !Done()) {
      if (!connected_ && !Reconnect()) {
        absl::SleepFor(kReconnectDelay);
        continue;
      }
      PublishDue();
      absl::Status status = client_.Flush();
      if (status.ok())
        status = client_.Receive([](const MqttClient::Message&) {}, [this](uint16_t id) { OnPubAck(id); });
      if (!status.ok()) {
        connected_ = false;
        continue;
      }
      WaitForWork();
    }
  }

  bool Done() const {
    return sent_ == options_.count && client_.unsent_bytes() == 0 && (options_.qos == 0 || acked_count_ == sent_);
  }

  Ledger AckedLedger() const {
    Ledger ledger;
    for (uint64_t i = 0; i < acked_.size(); ++i) {
      if (acked_[i]) ledger[topics_[i % options_.topics]].push_back(options_.first_n + i / options_.topics);
    }
    return ledger;
  }

  std::string ToJson() const {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    const double cpu_seconds =
        absl::ToDoubleSeconds(absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime));
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start_);
    return absl::StrFormat(
        "{\"sent\":%d,\"acked\":%d,\"resent\":%d,\"reconnects\":%d,\"seconds\":%.3f,\"rate\":%.0f,\"cpu_s\":%.3f}",
        sent_, acked_count_, resent_, connects_ > 0 ? connects_ - 1 : 0, seconds, static_cast<double>(sent_) / seconds,
        cpu_seconds);
  }

 private:
  // A message that waits for its PUBACK; the index in `slots_` is its packet id.
  struct Slot {
    bool busy = false;
    uint64_t index = 0;
    std::string payload;
  };

  static constexpr absl::Duration kTick = absl::Milliseconds(1);
  static constexpr absl::Duration kReconnectDelay = absl::Milliseconds(100);
  static constexpr size_t kUnsentBytesMax = 32 * 1024;

  bool Reconnect() {
    if (!client_.Connect(options_.port, "bench-load", /*clean_session=*/true).ok()) return false;
    connected_ = true;
    ++connects_;
    for (uint16_t id : in_flight_) {
      const Slot& slot = slots_[id];
      if (!slot.busy) continue;
      client_.Publish(topics_[slot.index % options_.topics], slot.payload, 1, id, /*duplicate=*/true);
      ++resent_;
    }
    return true;
  }

  // How many messages ought to have been sent by now: a rate is kept in ticks of at least 1 ms.
  uint64_t DueCount() const {
    if (options_.rate <= 0) return options_.count;
    const int64_t ticks = (absl::Now() - start_) / tick_ + 1;
    return std::min(options_.count,
                    static_cast<uint64_t>(static_cast<double>(ticks) * absl::ToDoubleSeconds(tick_) * options_.rate));
  }

  bool MaySend() const { return client_.unsent_bytes() < kUnsentBytesMax && (options_.qos == 0 || !free_ids_.empty()); }

  void PublishDue() {
    due_ = DueCount();
    std::string payload;
    while (sent_ < due_ && MaySend()) {
      const uint32_t topic = static_cast<uint32_t>(sent_ % options_.topics);
      writer_.Write(topic, options_.first_n + sent_ / options_.topics, UnixNanos(), &payload);
      uint16_t id = 0;
      if (options_.qos > 0) {
        id = free_ids_.back();
        free_ids_.pop_back();
        slots_[id] = {true, sent_, payload};
        in_flight_.push_back(id);
      }
      client_.Publish(topics_[topic], payload, options_.qos, id, /*duplicate=*/false);
      ++sent_;
    }
  }

  void OnPubAck(uint16_t id) {
    if (id >= slots_.size() || !slots_[id].busy) return;
    slots_[id].busy = false;
    acked_[slots_[id].index] = true;
    ++acked_count_;
    // Only from the front, so that what is resent keeps its order; an id is free when it has left the queue.
    while (!in_flight_.empty() && !slots_[in_flight_.front()].busy) {
      free_ids_.push_back(in_flight_.front());
      in_flight_.pop_front();
    }
  }

  void WaitForWork() {
    if (sent_ < due_ && MaySend()) return;
    absl::Duration timeout = absl::Milliseconds(100);
    if (options_.rate > 0 && sent_ < options_.count && sent_ >= due_) {
      const absl::Duration elapsed = absl::Now() - start_;
      timeout = tick_ * (elapsed / tick_ + 1) - elapsed;
    }
    client_.Wait(timeout);
  }

  const LoadOptions options_;
  PayloadWriter writer_;
  std::vector<std::string> topics_;
  MqttClient client_;
  bool connected_ = false;
  std::vector<Slot> slots_;
  std::deque<uint16_t> in_flight_;  // ids in the order of sending
  std::vector<uint16_t> free_ids_;
  std::vector<bool> acked_;  // by message index
  const absl::Time start_;
  const absl::Time end_;
  absl::Duration tick_ = kTick;
  uint64_t due_ = 0;
  uint64_t sent_ = 0;
  uint64_t acked_count_ = 0;
  uint64_t resent_ = 0;
  uint64_t connects_ = 0;
};

int Main(int argc, char** argv) {
  LoadOptions options;
  CLI::App app{"Publishes numbered sensor messages to the broker on this machine"};
  app.add_option("--port", options.port)->required();
  app.add_option("--qos", options.qos)->check(CLI::Range(0, 1));
  app.add_option("--topics", options.topics)->check(CLI::Range(1, 32768));
  app.add_option("--count", options.count);
  app.add_option("--rate", options.rate, "messages a second; 0: as fast as possible");
  app.add_option("--window", options.window, "messages that may wait for their PUBACK")->check(CLI::Range(1, 65535));
  app.add_option("--payload", options.payload, "plain, full or packed");
  app.add_option("--first-n", options.first_n, "number of the first message of each topic");
  app.add_option("--limit", options.limit_seconds, "seconds after which it gives up");
  app.add_option("--ledger", options.ledger_path, "where to write what was PUBACKed");
  CLI11_PARSE(app, argc, argv);
  const std::optional<PayloadKind> kind = ParsePayloadKind(options.payload);
  if (!kind.has_value()) {
    absl::FPrintF(stderr, "--payload: expected plain, full or packed, got %s\n", options.payload);
    return 2;
  }
  Load load(options, *kind);
  load.Run();
  absl::PrintF("%s\n", load.ToJson());
  if (!options.ledger_path.empty()) {
    if (absl::Status status = WriteLedger(load.AckedLedger(), options.ledger_path); !status.ok()) {
      absl::FPrintF(stderr, "%s\n", status.message());
      return 1;
    }
  }
  return load.Done() ? 0 : 1;
}

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) { return mvmd::Main(argc, argv); }
