#include "tests/support/plant_ledger.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "twin/canonical.h"
#include "twin/json.h"
#include "twin/time.h"

namespace mvmd {
namespace {

constexpr size_t kExamplesMax = 10;

absl::Status Malformed(absl::string_view what) { return absl::InvalidArgumentError(absl::StrCat("ledger: ", what)); }

std::string TextOf(const Json& object, absl::string_view name) {
  const Json* value = object.Find(name);
  return value != nullptr && value->is_string() ? value->string() : "";
}

// Compares the samples of one sensor with its entries.
class SensorCheck {
 public:
  SensorCheck(const PlantLedger::Sensor& sensor, LedgerVerdict* verdict)
      : sensor_(sensor), seen_(sensor.entries.size(), 0), verdict_(verdict) {}

  void Take(int64_t time_unix_ns, const Json* value) {
    const auto& entries = sensor_.entries;
    const auto at =
        std::lower_bound(entries.begin(), entries.end(), time_unix_ns,
                         [](const PlantLedger::Entry& entry, int64_t time) { return entry.time_unix_ns < time; });
    if (at == entries.end() || at->time_unix_ns != time_unix_ns) {
      return Note("never published", time_unix_ns, &verdict_->wrong);
    }
    if (value == nullptr || !value->is_number() || value->number() != at->value) {
      return Note("another value than published", time_unix_ns, &verdict_->wrong);
    }
    const auto index = static_cast<size_t>(at - entries.begin());
    if (seen_[index]++ > 0) return Note("duplicated", time_unix_ns, &verdict_->duplicated);
    ++verdict_->committed;
    if (time_unix_ns < last_time_) return Note("out of order", time_unix_ns, &verdict_->disordered);
    last_time_ = time_unix_ns;
  }

  void Finish() {
    for (size_t i = 0; i < sensor_.entries.size(); ++i) {
      if (sensor_.entries[i].acked && seen_[i] == 0) Note("lost", sensor_.entries[i].time_unix_ns, &verdict_->lost);
    }
  }

 private:
  void Note(absl::string_view what, int64_t time_unix_ns, uint64_t* counter) {
    ++*counter;
    if (verdict_->examples.size() >= kExamplesMax) return;
    verdict_->examples.push_back(
        absl::StrCat(what, ": ", sensor_.twin, " ", sensor_.sensor, " ", FormatTimestamp(time_unix_ns)));
  }

  const PlantLedger::Sensor& sensor_;
  std::vector<uint8_t> seen_;
  int64_t last_time_ = INT64_MIN;
  LedgerVerdict* verdict_;
};

}  // namespace

size_t PlantLedger::AddSensor(const std::string& twin, const std::string& sensor) {
  sensors_.push_back({twin, sensor, {}});
  return sensors_.size() - 1;
}

size_t PlantLedger::AddPublished(size_t sensor, int64_t time_unix_ns, double value) {
  ++published_;
  auto& entries = sensors_[sensor].entries;
  entries.push_back({time_unix_ns, value, false});
  return entries.size() - 1;
}

void PlantLedger::MarkAcked(size_t sensor, size_t entry) {
  bool& acked = sensors_[sensor].entries[entry].acked;
  if (!acked) ++acked_;
  acked = true;
}

std::string PlantLedger::ToJson() const {
  std::string json = absl::StrCat("{\"published\":", published_, ",\"acked\":", acked_, ",\"sensors\":[");
  for (size_t i = 0; i < sensors_.size(); ++i) {
    const Sensor& sensor = sensors_[i];
    const auto acked =
        std::count_if(sensor.entries.begin(), sensor.entries.end(), [](const Entry& e) { return e.acked; });
    json += i == 0 ? "\n{\"twin\":" : ",\n{\"twin\":";
    AppendCanonicalString(sensor.twin, &json);
    json += ",\"sensor\":";
    AppendCanonicalString(sensor.sensor, &json);
    absl::StrAppend(&json, ",\"published\":", sensor.entries.size(), ",\"acked\":", acked);
    if (!sensor.entries.empty()) {
      absl::StrAppend(&json, ",\"lastTimestamp\":\"", FormatTimestamp(sensor.entries.back().time_unix_ns),
                      "\",\"lastValue\":");
      AppendCanonicalNumber(sensor.entries.back().value, &json);
    }
    json += ",\"samples\":[";
    for (const Entry& entry : sensor.entries) {
      if (json.back() == ']') json += ',';
      absl::StrAppend(&json, "[\"", FormatTimestamp(entry.time_unix_ns), "\",");
      AppendCanonicalNumber(entry.value, &json);
      json += entry.acked ? ",true]" : ",false]";
    }
    json += "]}";
  }
  json += "\n]}\n";
  return json;
}

absl::StatusOr<PlantLedger> PlantLedger::FromJson(absl::string_view text) {
  auto parsed = ParseJson(text);
  if (!parsed.ok()) return parsed.status();
  const Json* sensors = parsed->Find("sensors");
  if (sensors == nullptr || !sensors->is_array()) return Malformed("expected an array `sensors`");
  PlantLedger ledger;
  for (const Json& sensor : sensors->elements()) {
    const size_t index = ledger.AddSensor(TextOf(sensor, "twin"), TextOf(sensor, "sensor"));
    const Json* samples = sensor.Find("samples");
    if (samples == nullptr || !samples->is_array()) return Malformed("expected an array `samples` in each sensor");
    for (const Json& sample : samples->elements()) {
      const auto& cells = sample.elements();
      if (cells.size() != 3 || !cells[0].is_string() || !cells[1].is_number() || !cells[2].is_bool()) {
        return Malformed("expected [time, value, acked] as a sample");
      }
      const std::optional<int64_t> time = ParseTimestamp(cells[0].string());
      if (!time.has_value()) return Malformed(absl::StrCat("`", cells[0].string(), "` is no time"));
      const size_t entry = ledger.AddPublished(index, *time, cells[1].number());
      if (cells[2].boolean()) ledger.MarkAcked(index, entry);
    }
  }
  return ledger;
}

absl::StatusOr<LedgerVerdict> CheckLedger(const PlantLedger& ledger, std::istream& samples) {
  LedgerVerdict verdict;
  verdict.published = ledger.published();
  verdict.acked = ledger.acked();
  std::map<std::pair<std::string, std::string>, SensorCheck> checks;
  for (const PlantLedger::Sensor& sensor : ledger.sensors()) {
    checks.emplace(std::make_pair(sensor.twin, sensor.sensor), SensorCheck(sensor, &verdict));
  }
  std::string line;
  for (int number = 1; std::getline(samples, line); ++number) {
    const auto sample = ParseJson(line);
    if (!sample.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("samples, line ", number, ": ", sample.status().message()));
    }
    if (sample->Find("gap") != nullptr) {
      ++verdict.gaps;
      if (verdict.examples.size() < kExamplesMax) verdict.examples.push_back("gap: " + line);
      continue;
    }
    const std::optional<int64_t> time = ParseTimestamp(TextOf(*sample, "timestamp"));
    if (!time.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("samples, line ", number, ": expected a `timestamp`"));
    }
    const auto check = checks.find({TextOf(*sample, "twin"), TextOf(*sample, "sensor")});
    if (check == checks.end()) {
      ++verdict.wrong;
      continue;
    }
    check->second.Take(*time, sample->Find("value"));
  }
  for (auto& [key, check] : checks) check.Finish();
  return verdict;
}

std::string VerdictText(const LedgerVerdict& verdict) {
  std::string text;
  const auto line = [&text](absl::string_view name, uint64_t count, absl::string_view meaning) {
    absl::StrAppendFormat(&text, "  %-11s %9d   %s\n", name, count, meaning);
  };
  line("published", verdict.published, "samples that the plant sent to the broker");
  line("PUBACKed", verdict.acked, "of these, acknowledged by the broker");
  line("committed", verdict.committed, "different samples read back from the gateway");
  line("lost", verdict.lost, "PUBACKed, but not there");
  line("duplicated", verdict.duplicated, "there more than once");
  if (verdict.wrong != 0) line("wrong", verdict.wrong, "there, but never published so");
  if (verdict.disordered != 0) line("disordered", verdict.disordered, "there, but not in the order of publishing");
  if (verdict.gaps != 0) line("gaps", verdict.gaps, "records of samples that will never come");
  for (const std::string& example : verdict.examples) absl::StrAppend(&text, "  e.g. ", example, "\n");
  return text;
}

}  // namespace mvmd
