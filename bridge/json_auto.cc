#include "bridge/json_auto.h"

#include <simdjson.h>

#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bridge/json_decoder.h"
#include "bridge/scalar_decoder.h"

namespace mvmd {
namespace {

namespace dom = simdjson::dom;

constexpr int kDepthMax = 32;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

struct TimeMember {
  std::string_view name;
  TimeFormat format;
};
// In the order in which they are looked for.
constexpr TimeMember kTimeMembers[] = {
    {"timestamp", TimeFormat::kAuto},
    {"time", TimeFormat::kAuto},
    {"Time", TimeFormat::kAuto},
    {"Timestamp", TimeFormat::kAuto},
    {"ts", TimeFormat::kAuto},
    {"timestamp_ms", TimeFormat::kMillis},
    {"timestampMs", TimeFormat::kMillis},
    {"timestamp_us", TimeFormat::kMicros},
    {"timestamp_ns", TimeFormat::kNanos},
    {"timestamp_s", TimeFormat::kSeconds},
    {"time_ms", TimeFormat::kMillis},
    {"datetime", TimeFormat::kAuto},
    {"last_seen", TimeFormat::kAuto},
};
// A number below it (1973) under such a name is rather a duration, and a reading.
constexpr int64_t kEpochMinNs = int64_t{100000000} * 1000000000;

// What applies to an object and everything below it.
struct Scope {
  std::optional<int64_t> time;
  absl::string_view temperature_unit;
  absl::string_view pressure_unit;
};

std::optional<dom::element> Member(const dom::object& object, std::string_view name) {
  dom::element element;
  if (object.at_key(name).get(element) != simdjson::SUCCESS) return std::nullopt;
  return element;
}

std::optional<dom::object> ObjectMember(const dom::object& object, std::string_view name) {
  const std::optional<dom::element> element = Member(object, name);
  if (!element.has_value() || !element->is_object()) return std::nullopt;
  return element->get_object().value_unsafe();
}

absl::string_view TextMember(const dom::object& object, std::string_view name) {
  const std::optional<dom::element> element = Member(object, name);
  if (!element.has_value() || !element->is_string()) return "";
  return View(element->get_string().value_unsafe());
}

// The object's own time and the member that it came from.
std::optional<int64_t> TimeOf(const dom::object& object, std::string_view* member) {
  for (const TimeMember& candidate : kTimeMembers) {
    const std::optional<dom::element> element = Member(object, candidate.name);
    if (!element.has_value()) continue;
    const std::optional<int64_t> time = ToUnixNanos(*element, candidate.format);
    if (!time.has_value() || (!element->is_string() && *time < kEpochMinNs)) continue;
    *member = candidate.name;
    return time;
  }
  return std::nullopt;
}

bool IsIdName(std::string_view name) { return name == "id" || name == "Id" || name == "ID"; }

// Where the walk is: a chain from a value up to the root. Made into text only for a bad reading.
struct Place {
  const Place* parent = nullptr;
  std::string_view key;
  std::optional<size_t> index;

  void AppendTo(std::string* pointer) const {
    if (parent == nullptr) return;  // the root
    parent->AppendTo(pointer);
    AppendPointerToken(index.has_value() ? absl::string_view(absl::StrCat(*index)) : View(key), pointer);
  }
};

class Walker {
 public:
  Walker(absl::string_view topic, std::deque<std::string>* names, std::vector<Reading>* readings, BadReadings* bad)
      : topic_(topic), names_(names), readings_(readings), bad_(bad) {}

  absl::Status DecodeRoot(const dom::element& root) {
    const Place place;
    if (root.is_object()) return DecodeRootObject(root.get_object().value_unsafe(), place);
    if (root.is_array()) return DecodeArray(root.get_array().value_unsafe(), "", {}, place, 0);
    Reading reading;
    if (ToSampleValue(root, &reading.value) != JsonValueKind::kValue) return absl::OkStatus();
    reading.name = ReadingNameOfTopic(topic_);
    return Emit(std::move(reading));
  }

 private:
  absl::Status DecodeRootObject(const dom::object& root, const Place& place) {
    Scope scope;
    std::string_view time_member;
    scope.time = TimeOf(root, &time_member);
    if (Member(root, "currentValue").has_value()) return DecodeProfileSensor(root, scope, place);
    if (const std::optional<dom::element> value = Member(root, "value"); value.has_value() && IsScalar(*value)) {
      return DecodeValueObject(root, *value, scope);
    }
    if (const std::optional<dom::object> uplink = ObjectMember(root, "uplink_message"); uplink.has_value()) {
      if (const std::optional<dom::object> payload = ObjectMember(*uplink, "decoded_payload"); payload.has_value()) {
        for (const dom::object& from : {*uplink, root}) {
          if (scope.time.has_value()) break;
          if (const auto received = Member(from, "received_at"); received.has_value()) {
            scope.time = ToUnixNanos(*received, TimeFormat::kAuto);
          }
        }
        const Place uplink_place{.parent = &place, .key = "uplink_message", .index = std::nullopt};
        return DecodeObject(*payload, "", scope, Below(uplink_place, "decoded_payload"), 0);
      }
    }
    if (Member(root, "deviceInfo").has_value()) {
      const std::optional<dom::object> object = ObjectMember(root, "object");
      if (object.has_value()) return DecodeObject(*object, "", scope, Below(place, "object"), 0);
    }
    if (absl::StartsWith(TextMember(root, "method"), "Notify")) {
      const std::optional<dom::object> params = ObjectMember(root, "params");
      if (params.has_value()) return DecodeObject(*params, "", scope, Below(place, "params"), 0);
    }
    if (const std::optional<dom::object> values = ObjectMember(root, "values"); values.has_value()) {
      return DecodeObject(*values, "", scope, Below(place, "values"), 0);
    }
    if (const std::optional<dom::element> sensors = Member(root, "sensors");
        sensors.has_value() && sensors->is_array()) {
      return DecodeArray(sensors->get_array().value_unsafe(), "", scope, Below(place, "sensors"), 0);
    }
    // `{"online": true, "timestamp": ...}`: availability.
    if (Member(root, "online").has_value() && root.size() <= 2) return absl::OkStatus();
    return DecodeObject(root, "", scope, place, 0);
  }

  static Place Below(const Place& parent, std::string_view key) {
    return {.parent = &parent, .key = key, .index = std::nullopt};
  }

  static bool IsScalar(const dom::element& element) { return !element.is_object() && !element.is_array(); }

  absl::Status DecodeProfileSensor(const dom::object& sensor, const Scope& scope, const Place& place) {
    Reading reading;
    const dom::element value = *Member(sensor, "currentValue");
    const JsonValueKind kind = ToSampleValue(value, &reading.value);
    if (kind == JsonValueKind::kNone) return absl::OkStatus();
    reading.name = TextMember(sensor, "id");
    if (reading.name.empty()) {
      // The topic names one sensor only.
      if (place.parent != nullptr) return Refuse("", Below(place, "id"), "expected an id (text)");
      reading.name = ReadingNameOfTopic(topic_);
    }
    if (kind == JsonValueKind::kNotScalar) {
      return Refuse(reading.name, Below(place, "currentValue"), "expected a number, boolean or text, got ", &value);
    }
    std::string_view time_member;
    const std::optional<int64_t> time = TimeOf(sensor, &time_member);
    if (const auto timestamp = Member(sensor, "timestamp"); !time.has_value() && timestamp.has_value()) {
      const bool says_nothing = timestamp->is_null() ||
                                (timestamp->is_string() && IsNoValueText(View(timestamp->get_string().value_unsafe())));
      if (!says_nothing) return Refuse(reading.name, Below(place, "timestamp"), "expected a time, got ", &*timestamp);
    }
    reading.time_unix_ns = time.has_value() ? time : scope.time;
    reading.unit = TextMember(sensor, "unit");
    return Emit(std::move(reading));
  }

  absl::Status DecodeValueObject(const dom::object& object, const dom::element& value, const Scope& scope) {
    Reading reading;
    if (ToSampleValue(value, &reading.value) != JsonValueKind::kValue) return absl::OkStatus();
    reading.time_unix_ns = scope.time;
    reading.name = ReadingNameOfTopic(topic_);
    reading.unit = TextMember(object, "unit");
    if (const std::optional<dom::element> quality = Member(object, "quality"); quality.has_value()) {
      reading.quality = ToQuality(*quality).value_or(reading.quality);
    }
    return Emit(std::move(reading));
  }

  absl::Status DecodeObject(const dom::object& object, absl::string_view path, Scope scope, const Place& place,
                            int depth) {
    if (depth > kDepthMax) return RefuseDepth(place);
    std::string_view time_member;
    if (const std::optional<int64_t> time = TimeOf(object, &time_member); time.has_value()) scope.time = time;
    if (const absl::string_view unit = TextMember(object, "TempUnit"); !unit.empty()) scope.temperature_unit = unit;
    if (const absl::string_view unit = TextMember(object, "PressureUnit"); !unit.empty()) scope.pressure_unit = unit;
    for (dom::key_value_pair member : object) {
      if (member.key == time_member || IsIdName(member.key)) continue;
      if (member.value.is_string() || member.value.is_null()) continue;
      // The name is made only for what may need it.
      absl::string_view name = View(member.key);
      if (!path.empty()) name = names_->emplace_back(absl::StrCat(path, ".", View(member.key)));
      absl::Status status = DecodeMember(member.value, name, View(member.key), scope, Below(place, member.key), depth);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status DecodeArray(const dom::array& array, absl::string_view path, const Scope& scope, const Place& place,
                           int depth) {
    if (depth > kDepthMax) return RefuseDepth(place);
    size_t index = 0;
    for (dom::element element : array) {
      const size_t at = index++;
      if (element.is_string() || element.is_null()) continue;
      const Place element_place{.parent = &place, .key = "", .index = at};
      if (element.is_object() && Member(element.get_object().value_unsafe(), "currentValue").has_value()) {
        absl::Status status = DecodeProfileSensor(element.get_object().value_unsafe(), scope, element_place);
        if (!status.ok()) return status;
        continue;
      }
      const absl::string_view name =
          names_->emplace_back(path.empty() ? absl::StrCat(at) : absl::StrCat(path, ".", at));
      absl::Status status = DecodeMember(element, name, "", scope, element_place, depth);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status DecodeMember(const dom::element& value, absl::string_view name, absl::string_view key,
                            const Scope& scope, const Place& place, int depth) {
    if (value.is_object()) return DecodeObject(value.get_object().value_unsafe(), name, scope, place, depth + 1);
    if (value.is_array()) return DecodeArray(value.get_array().value_unsafe(), name, scope, place, depth + 1);
    Reading reading;
    if (ToSampleValue(value, &reading.value) != JsonValueKind::kValue) return absl::OkStatus();
    reading.name = name;
    reading.time_unix_ns = scope.time;
    reading.unit = UnitOf(key, scope);
    return Emit(std::move(reading));
  }

  static absl::string_view UnitOf(absl::string_view key, const Scope& scope) {
    if (key == "Temperature" || key == "DewPoint") return scope.temperature_unit;
    if (key == "Pressure" || key == "SeaPressure") return scope.pressure_unit;
    if (key == "tC" || absl::EndsWith(key, "_C")) return "C";
    if (key == "tF" || absl::EndsWith(key, "_F")) return "F";
    return "";
  }

  // The message is `expected` and, with `got`, what came.
  absl::Status Refuse(absl::string_view name, const Place& place, absl::string_view expected,
                      const dom::element* got = nullptr) {
    bad_->Add([&] {
      BadReading bad{.name = std::string(name), .pointer = "", .message = std::string(expected)};
      place.AppendTo(&bad.pointer);
      if (got != nullptr) bad.message += DescribeJson(*got);
      return bad;
    });
    return absl::OkStatus();
  }

  absl::Status RefuseDepth(const Place& place) {
    static const std::string* const expected = new std::string(absl::StrCat("expected at most ", kDepthMax, " levels"));
    return Refuse("", place, *expected);
  }

  absl::Status Emit(Reading reading) {
    if (readings_->size() >= kReadingsMax) {
      return absl::InvalidArgumentError(absl::StrCat("expected at most ", kReadingsMax, " readings in a message"));
    }
    readings_->push_back(std::move(reading));
    return absl::OkStatus();
  }

  const absl::string_view topic_;
  std::deque<std::string>* const names_;
  std::vector<Reading>* const readings_;
  BadReadings* const bad_;
};

}  // namespace

absl::Status DecodeJsonAuto(const dom::element& root, absl::string_view topic, std::deque<std::string>* names,
                            std::vector<Reading>* readings, BadReadings* bad) {
  return Walker(topic, names, readings, bad).DecodeRoot(root);
}

}  // namespace mvmd
