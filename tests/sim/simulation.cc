#include "tests/sim/simulation.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/sim/auditor.h"
#include "tests/sim/plant.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/sim_bridge.h"
#include "tests/sim/sim_gateway.h"
#include "tests/sim/sim_network.h"
#include "tests/sim/sim_watcher.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// After healing everything must be drained within this time.
constexpr absl::Duration kDrainMax = absl::Minutes(10);
// And within this many events: beyond it something goes round in circles.
constexpr uint64_t kEventsMax = 3'000'000;

std::string DocumentOf(const std::string& twin, const std::vector<std::string>& sensors) {
  std::string text = absl::StrCat(
      R"({"@context":{"@vocab":"https://schema.org/","mvmd":"https://mvmd.org/v1/"},"@type":"DigitalDocument",)",
      R"("name":"Twin )", twin, R"(","description":"Simulated machine",)",
      R"("identifier":{"@type":"PropertyValue","propertyID":"MVMD-ID","value":")", twin, R"("},)",
      R"("subjectOf":{"@type":"Thing","name":"Machine","manufacturer":"Nobody","serialNumber":"1"},)",
      R"("synchronization":{"mechanism":"MQTT","endpoint":"mqtt://broker","updateFrequency":"realtime","connectionStatus":"inactive"},)",
      R"("dataStorage":{"historicalData":{"retentionPeriod":"90d","storageLocation":"cloud","samplingRate":"1m"}},)",
      R"("maintenance":{"history":[]},"sensors":[)");
  for (size_t i = 0; i < sensors.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ",", R"({"id":")", sensors[i],
                    R"(","name":"Sensor","type":"temperature","unit":"celsius","updateFrequency":10})");
  }
  absl::StrAppend(&text, "]}");
  return text;
}

class Simulation {
 public:
  explicit Simulation(const SimOptions& options)
      : options_(options),
        scheduler_(options.seed, options.trace),
        network_(&scheduler_, scheduler_.Between(absl::Milliseconds(1), absl::Milliseconds(80))) {}

  SimResult Run() {
    Build();
    gateway_->Start();
    for (const auto& bridge : bridges_) bridge->Start();
    ScheduleSamples();
    if (options_.faults) ScheduleFault();
    RunUntil(ends_at_);
    Heal();
    const absl::Time healed_at = scheduler_.now();
    while (scheduler_.failure().empty() && !IsDrained()) {
      if (scheduler_.now() - healed_at > kDrainMax) {
        std::string what = "not drained after healing:";
        for (const auto& bridge : bridges_) absl::StrAppend(&what, "\n  ", bridge->Describe());
        scheduler_.Fail(std::move(what));
      }
      RunUntil(scheduler_.now() + absl::Milliseconds(50));
    }
    return Finish(healed_at);
  }

 private:
  void Build();
  void BuildBridge(int index);
  std::string FaultyTwinOf(size_t bridge_index) const {
    return absl::StrCat(gateway_options_.faulty_prefix, bridge_index);
  }
  void CheckFaultyDocuments();
  void ScheduleSamples();
  void ScheduleFault();
  void InjectFault();
  void Heal();
  void RunUntil(absl::Time when);
  bool IsDrained() const;
  void ReadTwins();
  SimResult Finish(absl::Time healed_at);

  const SimOptions options_;
  Scheduler scheduler_;
  SimNetwork network_;
  SimGatewayOptions gateway_options_;
  std::unique_ptr<SimGateway> gateway_;
  std::deque<SimBroker> brokers_;
  std::vector<std::unique_ptr<SimBridge>> bridges_;
  std::deque<PlantSensor> sensors_;
  std::vector<SimBroker*> broker_of_sensor_;
  std::vector<std::string> twins_;
  std::vector<std::unique_ptr<SimWatcher>> watchers_;
  std::map<std::pair<std::string, std::string>, int64_t> newest_read_;
  absl::Time ends_at_;
  absl::Duration fault_interval_;
  absl::Duration publish_interval_;
  bool long_outages_ = false;
  bool healed_ = false;
};

void Simulation::Build() {
  gateway_options_.session.credit_bytes = uint64_t{1} << (10 + scheduler_.Pick(13));
  gateway_options_.session.commit_linger_ns = static_cast<int64_t>(scheduler_.Pick(3)) * 50'000'000;
  gateway_ = std::make_unique<SimGateway>(&scheduler_, &network_, gateway_options_);
  for (int i = 0; i < 2; ++i) watchers_.push_back(std::make_unique<SimWatcher>(&scheduler_, gateway_.get()));
  gateway_->on_applied = [this](const std::shared_ptr<const AppliedEntry>& entry) {
    for (const auto& watcher : watchers_) watcher->OnApplied(*entry);
    ReadTwins();
  };
  gateway_->on_start = [this] {
    for (const auto& watcher : watchers_) {
      scheduler_.After(scheduler_.Between(absl::ZeroDuration(), absl::Seconds(1)),
                       [w = watcher.get()] { w->Connect(); });
    }
  };
  const int bridge_count = 1 + static_cast<int>(scheduler_.Pick(2));
  for (int i = 0; i < bridge_count; ++i) BuildBridge(i);

  // A sixth of the runs makes backlogs that are sent in two lanes.
  long_outages_ = options_.faults && scheduler_.Pick(6) == 0;
  publish_interval_ = long_outages_ ? absl::Milliseconds(8) : absl::Milliseconds(20 + scheduler_.Pick(100));
  ends_at_ = scheduler_.now() + absl::Seconds(options_.faults ? 10 + scheduler_.Pick(20) : 2);
  fault_interval_ = absl::Milliseconds(200 + scheduler_.Pick(4000));
  const double crash_chance =
      options_.faults && scheduler_.Chance(0.7) ? 0.0002 * static_cast<double>(1 + scheduler_.Pick(20)) : 0;
  gateway_->crash_plan().chance = crash_chance;
  for (const auto& bridge : bridges_) bridge->crash_plan().chance = crash_chance;
  if (options_.crash.has_value()) {
    CrashPlan& plan = options_.crash->gateway ? gateway_->crash_plan() : bridges_[0]->crash_plan();
    plan.at_point = options_.crash->point;
  }
}

void Simulation::BuildBridge(int index) {
  SimBridgeOptions options;
  options.name = absl::StrCat("spiffe://plant.example/bridge/", index);
  const int twin_count = 1 + static_cast<int>(scheduler_.Pick(2));
  SimBroker* const broker = &brokers_.emplace_back();
  for (int t = 0; t < twin_count; ++t) {
    const std::string twin = absl::StrCat("machine-", index, "-", t);
    std::vector<std::string> names;
    const int sensor_count = 1 + static_cast<int>(scheduler_.Pick(4));
    for (int s = 0; s < sensor_count; ++s) {
      names.push_back(absl::StrCat("sensor-", s));
      sensors_.push_back(
          {.twin = twin, .sensor = names.back(), .is_text = scheduler_.Pick(4) == 0, .samples = {}, .pubacked = {}});
      broker_of_sensor_.push_back(broker);
    }
    options.documents[twin] = DocumentOf(twin, names);
    twins_.push_back(twin);
  }
  // A document that breaks rules, of a twin without samples.
  const std::string faulty = FaultyTwinOf(static_cast<size_t>(index));
  options.documents[faulty] = absl::StrCat(R"({"identifier":{"value":")", faulty, R"("}})");
  options.uplink.linger = absl::Milliseconds(scheduler_.Pick(4) * 20);
  options.uplink.max_message_bytes = size_t{1} << (8 + scheduler_.Pick(11));
  options.uplink.compression_level = 1;
  options.group_messages_max = 1 + scheduler_.Pick(20);
  options.document_chunk_bytes = 100 + scheduler_.Pick(1000);
  options.clock_offset = absl::Seconds(static_cast<int64_t>(scheduler_.Pick(7200)) - 3600);
  bridges_.push_back(std::make_unique<SimBridge>(&scheduler_, &network_, broker, std::move(options)));
}

void Simulation::ScheduleSamples() {
  if (scheduler_.now() >= ends_at_) return;
  scheduler_.After(scheduler_.Between(absl::ZeroDuration(), 2 * publish_interval_), [this] {
    const size_t index = scheduler_.Pick(sensors_.size());
    PlantSensor& sensor = sensors_[index];
    for (uint64_t burst = 1 + (scheduler_.Pick(10) == 0 ? scheduler_.Pick(30) : 0); burst > 0; --burst) {
      Sample sample;
      sample.time_unix_ns = scheduler_.unix_ns() / 1'000'000 * 1'000'000;
      if (!sensor.samples.empty()) {
        sample.time_unix_ns = std::max(sample.time_unix_ns, sensor.samples.back().time_unix_ns + 1'000'000);
      }
      sample.value = ValueOfSample(sensor, sensor.samples.size() + 1);
      if (scheduler_.Pick(50) == 0) sample.quality = pb::QUALITY_BAD;
      broker_of_sensor_[index]->Publish(&sensor, std::move(sample));
    }
    ScheduleSamples();
  });
}

void Simulation::ScheduleFault() {
  scheduler_.After(scheduler_.Between(absl::ZeroDuration(), 2 * fault_interval_), [this] {
    if (healed_) return;
    InjectFault();
    ScheduleFault();
  });
}

void Simulation::InjectFault() {
  const absl::Duration outage =
      scheduler_.Between(absl::Milliseconds(10), absl::Seconds(long_outages_ || scheduler_.Chance(0.2) ? 25 : 2));
  SimBridge* const bridge = bridges_[scheduler_.Pick(bridges_.size())].get();
  switch (scheduler_.Pick(14)) {
    case 0:
    case 1:
      return network_.CutAll();
    case 2:
      return network_.Partition(true, true, outage);
    case 3: {
      const bool up = scheduler_.Chance(0.5);
      return network_.Partition(up, !up, outage);
    }
    case 4:
      return bridge->Crash("killed");
    case 5:
      return gateway_->Crash("killed");
    case 6:
      return bridge->Freeze(outage);
    case 7:
      return gateway_->Freeze(outage);
    case 8:
      return scheduler_.Chance(0.5) ? gateway_->FillDisk(outage) : gateway_->FailOneWrite();
    case 9:
      return scheduler_.Chance(0.5) ? gateway_->Drain(scheduler_.Between(absl::ZeroDuration(), absl::Seconds(3)))
                                    : gateway_->WriteCheckpoint();
    case 10: {
      SimWatcher* const watcher = watchers_[scheduler_.Pick(watchers_.size())].get();
      watcher->Disconnect();
      return scheduler_.After(outage, [watcher] { watcher->Connect(); });
    }
    case 11:
      return network_.Swallow(scheduler_.Chance(0.5));
    case 12:
      // With little credit the gateway would rightly call it a broken peer.
      if (gateway_options_.session.credit_bytes >= 1 << 20) network_.DuplicateNext();
      if (scheduler_.Chance(0.3)) network_.LoseNextResponse();
      return;
    default:
      bridge->SendReport();
      bridge->ReconnectBroker();
      if (scheduler_.Chance(0.3)) {
        constexpr pb::ValidationMode kModes[] = {pb::VALIDATION_MODE_ENFORCE, pb::VALIDATION_MODE_WARN,
                                                 pb::VALIDATION_MODE_OFF};
        return gateway_->SetValidation(kModes[scheduler_.Pick(3)]);
      }
      if (scheduler_.Chance(0.3)) {
        const size_t index = scheduler_.Pick(bridges_.size());
        return gateway_->Redrive(bridges_[index]->name(), FaultyTwinOf(index));
      }
      return gateway_->Patch(twins_[scheduler_.Pick(twins_.size())],
                             absl::StrCat(R"({"description":"Patched )", scheduler_.Pick(1000), R"("})"));
  }
}

void Simulation::Heal() {
  scheduler_.Trace("everything is healed");
  healed_ = true;
  network_.Heal();
  gateway_->Heal();
  gateway_->crash_plan().chance = 0;
  for (const auto& bridge : bridges_) bridge->crash_plan().chance = 0;
}

void Simulation::RunUntil(absl::Time when) {
  bool reached = false;
  scheduler_.At(when, [&reached] { reached = true; });
  while (!reached && scheduler_.failure().empty() && scheduler_.RunOne()) {
    if (scheduler_.events_run() > kEventsMax) scheduler_.Fail(absl::StrCat("more than ", kEventsMax, " events"));
  }
}

bool Simulation::IsDrained() const {
  if (!gateway_->idle()) return false;
  for (const SimBroker& broker : brokers_) {
    if (!broker.empty()) return false;
  }
  return std::all_of(bridges_.begin(), bridges_.end(), [](const auto& bridge) { return bridge->idle(); });
}

// A reader never sees a value go back, whatever crashes between two reads.
void Simulation::ReadTwins() {
  for (const TwinSnapshot& twin : gateway_->state()->ListTwins("", "", twins_.size())) {
    for (const LiveSensor& live : twin.live.sensors) {
      int64_t& newest = newest_read_.try_emplace({twin.twin, live.sensor}, INT64_MIN).first->second;
      if (live.time_unix_ns < newest) {
        scheduler_.Fail(absl::StrCat("current value of ", twin.twin, "/", live.sensor, " went back from ", newest,
                                     " to ", live.time_unix_ns));
      }
      newest = live.time_unix_ns;
    }
  }
}

// A document of a bridge is served, or it is in quarantine; it is never nowhere.
void Simulation::CheckFaultyDocuments() {
  const TwinState& state = *gateway_->state();
  for (size_t i = 0; i < bridges_.size(); ++i) {
    const bool is_served = state.GetTwin(FaultyTwinOf(i)).ok();
    const bool is_kept = state.quarantine().Find(bridges_[i]->name(), FaultyTwinOf(i)) != nullptr;
    if (is_served != is_kept) continue;
    scheduler_.Fail(absl::StrCat("document of ", FaultyTwinOf(i), ": expected it to be served or in quarantine, is ",
                                 is_served ? "both" : "neither"));
  }
}

SimResult Simulation::Finish(absl::Time healed_at) {
  SimResult result;
  result.time_to_drain = scheduler_.now() - healed_at;
  if (scheduler_.failure().empty()) {
    CheckFaultyDocuments();
    for (const auto& bridge : bridges_) {
      // The document that breaks rules may be refused once.
      const uint64_t rejected = std::max<uint64_t>(bridge->rows_rejected(), 1) - 1;
      if (bridge->protocol_errors() + rejected + bridge->new_epochs() == 0) continue;
      scheduler_.Fail(absl::StrCat(bridge->name(), ": ", bridge->protocol_errors(), " protocol errors, ",
                                   bridge->rows_rejected(), " rows rejected, ", bridge->new_epochs(), " new epochs"));
    }
    std::vector<const SimWatcher*> watchers;
    for (const auto& watcher : watchers_) {
      watcher->Connect();
      watchers.push_back(watcher.get());
    }
    const Audit audit = AuditRun(sensors_, *gateway_, gateway_options_.limits, watchers);
    if (!audit.failure.empty()) scheduler_.Fail(audit.failure);
    result.samples = audit.samples;
    result.duplicate_frames = audit.duplicate_frames;
    result.backfilled_samples = audit.backfilled_samples;
  }
  result.failure = scheduler_.failure();
  result.trace = scheduler_.lines();
  result.events = scheduler_.events_run();
  result.revisions = gateway_->log().Last();
  result.gateway_crashes = gateway_->crashes();
  result.gateway_points = gateway_->crash_points_passed();
  for (const auto& bridge : bridges_) result.bridge_crashes += bridge->crashes();
  result.bridge_points = bridges_[0]->crash_points_passed();
  return result;
}

}  // namespace

SimResult RunSimulation(const SimOptions& options) { return Simulation(options).Run(); }

}  // namespace mvmd
