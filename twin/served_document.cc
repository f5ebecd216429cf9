#include "twin/served_document.h"

#include <array>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"

namespace mvmd {
namespace {

// Live members, by the object that they are set in.
constexpr std::array<absl::string_view, 1> kRootMembers = {"dateModified"};
constexpr std::array<absl::string_view, 3> kSynchronizationMembers = {"lastSynced", "connectionStatus", "latency"};
constexpr std::array<absl::string_view, 2> kSensorMembers = {"currentValue", "timestamp"};

const std::string* IdOf(const Json& sensor) {
  const Json* id = sensor.Find("id");
  return id != nullptr && id->is_string() ? &id->string() : nullptr;
}

}  // namespace

ServedValue::ServedValue(const Json& definition, const LiveView& live) : ServedValue(&definition) {
  if (!definition.is_object()) return;
  place_ = Place::kRoot;
  live_ = &live;
}

ServedValue::ServedValue(const Json* node) : node_(node) {
  if (node == nullptr) return;
  switch (node->type()) {
    case Json::Type::kNull:
      return;
    case Json::Type::kBool:
      kind_ = Kind::kBool;
      number_ = node->boolean() ? 1 : 0;
      return;
    case Json::Type::kNumber:
      kind_ = Kind::kNumber;
      number_ = node->number();
      return;
    case Json::Type::kString:
      kind_ = Kind::kText;
      text_ = node->string();
      return;
    case Json::Type::kArray:
      kind_ = Kind::kArray;
      return;
    case Json::Type::kObject:
      kind_ = Kind::kObject;
      return;
  }
}

ServedValue ServedValue::OfTime(int64_t unix_ns) {
  ServedValue value;
  value.kind_ = Kind::kTime;
  value.time_unix_ns_ = unix_ns;
  return value;
}

ServedValue ServedValue::OfText(absl::string_view text) {
  ServedValue value;
  value.kind_ = Kind::kText;
  value.text_ = text;
  return value;
}

ServedValue ServedValue::OfNumber(double number) {
  ServedValue value;
  value.kind_ = Kind::kNumber;
  value.number_ = number;
  return value;
}

ServedValue ServedValue::OfSample(const SampleValue& sample) {
  if (const double* number = std::get_if<double>(&sample)) return OfNumber(*number);
  if (const auto* text = std::get_if<std::string>(&sample)) return OfText(*text);
  ServedValue value;
  value.kind_ = Kind::kBool;
  value.number_ = std::get<bool>(sample) ? 1 : 0;
  return value;
}

ServedValue ServedValue::LiveMember(absl::string_view name) const {
  switch (place_) {
    case Place::kRoot:
      if (live_->date_modified_unix_ns && name == kRootMembers[0]) return OfTime(*live_->date_modified_unix_ns);
      break;
    case Place::kSynchronization:
      if (live_->last_synced_unix_ns && name == kSynchronizationMembers[0]) return OfTime(*live_->last_synced_unix_ns);
      if (live_->connection_status && name == kSynchronizationMembers[1]) return OfText(*live_->connection_status);
      if (live_->latency_ms && name == kSynchronizationMembers[2]) return OfNumber(*live_->latency_ms);
      break;
    case Place::kSensor:
      if (live_sensor_ == nullptr) break;
      if (name == kSensorMembers[0]) return OfSample(live_sensor_->value);
      if (name == kSensorMembers[1]) return OfTime(live_sensor_->time_unix_ns);
      break;
    case Place::kSensors:
    case Place::kElsewhere:
      break;
  }
  return {};
}

ServedValue ServedValue::Member(absl::string_view name) const {
  if (kind_ != Kind::kObject) return {};
  if (ServedValue live = LiveMember(name); !live.is_missing()) return live;
  ServedValue member(node_->Find(name));
  if (place_ != Place::kRoot) return member;
  if (member.kind_ == Kind::kArray && name == "sensors") {
    member.place_ = Place::kSensors;
    member.live_ = live_;
  } else if (member.kind_ == Kind::kObject && name == "synchronization") {
    member.place_ = Place::kSynchronization;
    member.live_ = live_;
  }
  return member;
}

ServedValue ServedValue::SensorAt(const Json& element, const LiveSensor* live) const {
  ServedValue sensor(&element);
  sensor.place_ = Place::kSensor;
  sensor.live_sensor_ = live;
  return sensor;
}

ServedValue ServedValue::Sensor(absl::string_view id) const {
  if (place_ != Place::kSensors) return {};
  for (const Json& element : node_->elements()) {
    const std::string* element_id = IdOf(element);
    if (element_id == nullptr || *element_id != id) continue;
    // The last one of a sensor wins.
    for (size_t i = live_->sensors.size(); i > 0; --i) {
      if (live_->sensors[i - 1].sensor == id) return SensorAt(element, &live_->sensors[i - 1]);
    }
    return SensorAt(element, nullptr);
  }
  return {};
}

bool ServedValue::AnyElement(absl::FunctionRef<bool(const ServedValue&)> visit) const {
  if (kind_ != Kind::kArray) return false;
  absl::flat_hash_map<absl::string_view, const LiveSensor*> live;
  if (place_ == Place::kSensors) {
    for (const LiveSensor& sensor : live_->sensors) live[sensor.sensor] = &sensor;
  }
  for (const Json& element : node_->elements()) {
    const std::string* id = live.empty() ? nullptr : IdOf(element);
    const LiveSensor* live_sensor = nullptr;
    if (id != nullptr) {
      if (const auto found = live.find(*id); found != live.end()) {
        live_sensor = found->second;
        live.erase(found);  // the first element with an id takes its value
      }
    }
    if (visit(place_ == Place::kSensors ? SensorAt(element, live_sensor) : ServedValue(&element))) return true;
  }
  return false;
}

bool ServedValue::AnyMember(absl::FunctionRef<bool(absl::string_view, const ServedValue&)> visit) const {
  if (kind_ != Kind::kObject) return false;
  for (const Json::Member& member : node_->members()) {
    if (place_ == Place::kElsewhere) {
      if (visit(member.first, ServedValue(&member.second))) return true;
    } else if (visit(member.first, Member(member.first))) {
      return true;
    }
  }
  absl::Span<const absl::string_view> live_names;
  if (place_ == Place::kRoot) live_names = kRootMembers;
  if (place_ == Place::kSynchronization) live_names = kSynchronizationMembers;
  if (place_ == Place::kSensor) live_names = kSensorMembers;
  for (absl::string_view name : live_names) {
    const ServedValue live = LiveMember(name);
    if (!live.is_missing() && node_->Find(name) == nullptr && visit(name, live)) return true;
  }
  return false;
}

}  // namespace mvmd
