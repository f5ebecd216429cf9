#include "tests/sim/auditor.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using SensorName = std::pair<std::string, std::string>;

// What the log says of one sensor.
struct AppliedSensor {
  const PlantSensor* published = nullptr;
  std::vector<int> times_applied;  // by n - 1
  uint64_t highest = 0;
  uint64_t last_backfilled = 0;
};

class Auditor {
 public:
  Auditor(const std::deque<PlantSensor>& sensors, const TwinStateLimits& limits) : replica_(limits) {
    for (const PlantSensor& sensor : sensors) {
      AppliedSensor& applied = sensors_[{sensor.twin, sensor.sensor}];
      applied.published = &sensor;
      applied.times_applied.resize(sensor.samples.size());
    }
  }

  Audit Run(const SimGateway& gateway, const std::vector<const SimWatcher*>& watchers) {
    FoldLog(gateway.log(), watchers);
    CheckComplete();
    CheckCurrentValues();
    for (const SimWatcher* watcher : watchers) {
      if (watcher->told().size() != gateway.log().Last()) {
        Fail(absl::StrCat("a watcher was told ", watcher->told().size(), " of ", gateway.log().Last(), " revisions"));
      }
    }
    if (gateway.state()->Fingerprint() != replica_.Fingerprint()) {
      Fail("the state in memory is not the fold of the log");
    }
    return audit_;
  }

 private:
  void Fail(std::string what) {
    if (audit_.failure.empty()) audit_.failure = std::move(what);
  }

  void FoldLog(const ModelLog& log, const std::vector<const SimWatcher*>& watchers) {
    std::vector<LogRecord> records;
    (void)log.ReadFrom(1, SIZE_MAX, &records);
    std::vector<pb::LogEntry> entries(records.size());
    for (size_t i = 0; i < records.size(); ++i) {
      if (!entries[i].ParseFromString(records[i].bytes)) return Fail("an entry of the log is no LogEntry");
    }
    for (size_t i = 0; i < records.size(); ++i) {
      std::shared_ptr<const AppliedEntry> applied;
      const ApplyResult result = replica_.Apply(records[i].revision, entries[i], nullptr, &applied);
      audit_.duplicate_frames += result.frames_duplicate;
      if (entries[i].has_session_opened()) {
        const std::string& bridge = entries[i].session_opened().bridge();
        bridges_[records[i].revision] = bridge;
        newest_session_[bridge] = records[i].revision;
      }
      for (const AppliedEntry::Samples& samples : applied->samples) {
        TakeRun(samples, records[i].revision, entries[i].frames_received().session());
      }
      const std::string content = ContentOf(*applied);
      for (const SimWatcher* watcher : watchers) {
        if (i < watcher->told().size() && watcher->told()[i] != content) {
          Fail(absl::StrCat("revision ", records[i].revision, ": a watcher was told\n", watcher->told()[i],
                            "\nbut the log says\n", content));
        }
      }
    }
  }

  void TakeRun(const AppliedEntry::Samples& samples, uint64_t revision, uint64_t session) {
    const auto found = sensors_.find({samples.sensor->twin, samples.sensor->sensor});
    const std::string where =
        absl::StrCat("revision ", revision, ": ", samples.sensor->twin, "/", samples.sensor->sensor);
    if (found == sensors_.end()) return Fail(absl::StrCat(where, ": nobody published for this sensor"));
    AppliedSensor& sensor = found->second;
    const std::string& bridge = bridges_[session];
    if (newest_session_[bridge] != session) {
      Fail(absl::StrCat(where, ": session ", session, " is fenced by session ", newest_session_[bridge]));
    }
    // What is not marked as late is newer than everything before it, and what is late comes in order too.
    uint64_t& last = samples.backfill ? sensor.last_backfilled : sensor.highest;
    for (uint32_t i = samples.run.begin; i < samples.run.begin + samples.run.count; ++i) {
      const uint64_t n =
          NumberOfSample(*sensor.published, samples.block->ValueAt(samples.run, i), samples.block->times_unix_ns[i]);
      if (n == 0) return Fail(absl::StrCat(where, ": a sample that nobody published"));
      ++audit_.samples;
      audit_.backfilled_samples += samples.backfill ? 1 : 0;
      if (++sensor.times_applied[n - 1] > 1) Fail(absl::StrCat(where, ": sample ", n, " is applied again"));
      if (samples.block->QualityAt(i) != sensor.published->samples[n - 1].quality) {
        Fail(absl::StrCat(where, ": sample ", n, " has another quality"));
      }
      if (n < last) {
        Fail(absl::StrCat(where, ": ", samples.backfill ? "backfilled " : "", "sample ", n, " comes after sample ",
                          last));
      }
      last = std::max(last, n);
      sensor.highest = std::max(sensor.highest, n);
    }
  }

  void CheckComplete() {
    for (const auto& [name, sensor] : sensors_) {
      for (size_t i = 0; i < sensor.times_applied.size(); ++i) {
        if (sensor.times_applied[i] > 0) continue;
        Fail(absl::StrCat(name.first, "/", name.second, ": sample ", i + 1, " of ", sensor.times_applied.size(),
                          sensor.published->pubacked[i] ? ", which was PUBACKed," : "", " is lost"));
      }
    }
  }

  void CheckCurrentValues() {
    for (const auto& [name, sensor] : sensors_) {
      if (sensor.times_applied.empty()) continue;
      const absl::StatusOr<TwinSnapshot> twin = replica_.GetTwin(name.first);
      if (!twin.ok()) {
        Fail(twin.status().ToString());
        continue;
      }
      const auto& live = twin->live.sensors;
      const auto found = std::find_if(live.begin(), live.end(),
                                      [&](const LiveSensor& candidate) { return candidate.sensor == name.second; });
      const Sample& last = sensor.published->samples.back();
      if (found == live.end() || found->value != last.value || found->time_unix_ns != last.time_unix_ns) {
        Fail(absl::StrCat(name.first, "/", name.second, ": the current value is not sample ",
                          sensor.published->samples.size(), ", the last one"));
      }
    }
  }

  TwinState replica_;
  std::map<SensorName, AppliedSensor> sensors_;
  std::map<uint64_t, std::string> bridges_;  // by session
  std::map<std::string, uint64_t> newest_session_;
  Audit audit_;
};

}  // namespace

Audit AuditRun(const std::deque<PlantSensor>& sensors, const SimGateway& gateway, const TwinStateLimits& limits,
               const std::vector<const SimWatcher*>& watchers) {
  return Auditor(sensors, limits).Run(gateway, watchers);
}

}  // namespace mvmd
