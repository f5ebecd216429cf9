#include "twin/document.h"

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "twin/time.h"
#include "twin/value_kinds.h"

namespace mvmd {
namespace {

Json ValueToJson(const SampleValue& value) {
  if (const double* number = std::get_if<double>(&value)) return Json::Number(*number);
  if (const bool* boolean = std::get_if<bool>(&value)) return Json::Bool(*boolean);
  return Json::String(std::get<std::string>(value));
}

Json TimeToJson(int64_t unix_ns) { return Json::String(FormatTimestamp(unix_ns)); }

void ApplySensors(const LiveView& live, Json* sensors) {
  absl::flat_hash_map<absl::string_view, const LiveSensor*> by_id;
  for (const LiveSensor& sensor : live.sensors) by_id[sensor.sensor] = &sensor;
  for (Json& element : sensors->elements()) {
    const Json* id = element.Find("id");
    if (id == nullptr || !id->is_string()) continue;
    const auto found = by_id.find(id->string());
    if (found == by_id.end()) continue;
    const LiveSensor& sensor = *found->second;
    by_id.erase(found);  // the first element with an id takes its value
    element.Set("currentValue", ValueToJson(sensor.value));
    element.Set("timestamp", TimeToJson(sensor.time_unix_ns));
  }
}

}  // namespace

absl::StatusOr<std::string> TwinIdOf(const Json& document) {
  const Json* identifier = document.Find("identifier");
  const Json* value = identifier == nullptr ? nullptr : identifier->Find("value");
  if (value == nullptr) {
    return absl::InvalidArgumentError("document: identifier.value is missing; expected the twin's id");
  }
  if (!value->is_string() || !HasText(value->string())) {
    return absl::InvalidArgumentError("document: identifier.value must be a non-empty string");
  }
  return value->string();
}

std::vector<std::string> SensorIdsOf(const Json& document) {
  std::vector<std::string> ids;
  const Json* sensors = document.Find("sensors");
  if (sensors == nullptr || !sensors->is_array()) return ids;
  for (const Json& sensor : sensors->elements()) {
    const Json* id = sensor.Find("id");
    if (id != nullptr && id->is_string()) ids.push_back(id->string());
  }
  return ids;
}

Json ApplyLive(const Json& definition, const LiveView& live) {
  Json document = definition;
  if (!document.is_object()) return document;
  if (Json* sensors = document.Find("sensors"); sensors != nullptr && sensors->is_array()) {
    ApplySensors(live, sensors);
  }
  if (Json* sync = document.Find("synchronization"); sync != nullptr && sync->is_object()) {
    if (live.last_synced_unix_ns) sync->Set("lastSynced", TimeToJson(*live.last_synced_unix_ns));
    if (live.connection_status) sync->Set("connectionStatus", Json::String(*live.connection_status));
    if (live.latency_ms) sync->Set("latency", Json::Number(*live.latency_ms));
  }
  if (live.date_modified_unix_ns) document.Set("dateModified", TimeToJson(*live.date_modified_unix_ns));
  return document;
}

}  // namespace mvmd
