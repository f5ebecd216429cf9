#include "tests/support/plant_machine.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "twin/canonical.h"
#include "twin/document.h"
#include "twin/time.h"

namespace mvmd {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kWarmUpSeconds = 12;
constexpr double kColdBelowCentre = 8;
constexpr double kSweepSeconds = 8;
constexpr double kSweepDegrees = 40;

// `IR-2024-X7-42` -> `IR-2024-X7-43` for 1 more; texts that end in no number get one.
std::string CountOn(const std::string& text, int by) {
  size_t begin = text.size();
  while (begin > 0 && text[begin - 1] >= '0' && text[begin - 1] <= '9' && text.size() - begin < 9) --begin;
  const size_t digits = text.size() - begin;
  int number = 0;
  if (digits == 0 || !absl::SimpleAtoi(text.substr(begin), &number)) return absl::StrCat(text, "-", by + 1);
  return absl::StrCat(text.substr(0, begin), absl::StrFormat("%0*d", static_cast<int>(digits), number + by));
}

std::string TextOf(const Json& object, absl::string_view name) {
  const Json* value = object.Find(name);
  return value != nullptr && value->is_string() ? value->string() : "";
}

double NumberOf(const Json& object, absl::string_view name, double otherwise) {
  const Json* value = object.Find(name);
  return value != nullptr && value->is_number() ? value->number() : otherwise;
}

}  // namespace

PlantSignal::PlantSignal(const std::string& type, double centre, uint64_t seed)
    : course_(type == "temperature" ? Course::kTemperature
              : type == "position"  ? Course::kPosition
                                    : Course::kOther),
      centre_(centre),
      random_(seed) {}

double PlantSignal::At(double seconds) {
  const double value = Raw(seconds);
  last_seconds_ = seconds;
  return std::round(value * 10) / 10;
}

double PlantSignal::Raw(double seconds) {
  std::normal_distribution<double> noise(0, 1);
  const double step = std::max(seconds - last_seconds_, 0.0);
  switch (course_) {
    case Course::kTemperature:
      // A random walk that is drawn back to the centre, on top of the warm-up.
      wander_ += -0.05 * wander_ * step + 0.3 * std::sqrt(step) * noise(random_);
      return centre_ - kColdBelowCentre * std::exp(-seconds / kWarmUpSeconds) + wander_;
    case Course::kPosition:
      return centre_ + kSweepDegrees * std::sin(2 * kPi * seconds / kSweepSeconds) + 0.05 * noise(random_);
    case Course::kOther:
      break;
  }
  return centre_ * (1 + 0.05 * std::sin(2 * kPi * seconds / 30)) + 0.003 * centre_ * noise(random_);
}

absl::StatusOr<PlantMachine> MakePlantMachine(const Json& example, int number) {
  const absl::StatusOr<std::string> first = TwinIdOf(example);
  if (!first.ok()) return first.status();
  PlantMachine machine;
  machine.document = example;
  machine.twin = CountOn(*first, number - 1);
  if (number > 1) {
    machine.document.Find("identifier")->Set("value", Json::String(machine.twin));
    machine.document.Set("name", Json::String(absl::StrCat(TextOf(example, "name"), " ", number)));
    if (Json* entity = machine.document.Find("subjectOf"); entity != nullptr && entity->is_object()) {
      entity->Set("serialNumber", Json::String(CountOn(TextOf(*entity, "serialNumber"), number - 1)));
    }
  }
  const Json* sensors = example.Find("sensors");
  if (sensors == nullptr || !sensors->is_array()) {
    return absl::InvalidArgumentError("the example document has no array `sensors`");
  }
  for (const Json& element : sensors->elements()) {
    PlantSensor sensor;
    sensor.id = TextOf(element, "id");
    sensor.unit = TextOf(element, "unit");
    sensor.type = TextOf(element, "type");
    sensor.rate_hz = NumberOf(element, "updateFrequency", 1);
    sensor.centre = NumberOf(element, "currentValue", 0);
    if (sensor.id.empty() || sensor.rate_hz <= 0) {
      return absl::InvalidArgumentError(
          "a sensor of the example has no `id`, or an `updateFrequency` that is not above 0");
    }
    machine.sensors.push_back(std::move(sensor));
  }
  return machine;
}

std::string PlantTopic(const std::string& twin, const std::string& sensor) {
  return absl::StrCat("twins/", twin, "/sensors/", sensor);
}

std::string PlantPayload(const PlantSensor& sensor, double value, int64_t time_unix_ns) {
  std::string payload = "{\"id\":";
  AppendCanonicalString(sensor.id, &payload);
  payload += ",\"unit\":";
  AppendCanonicalString(sensor.unit, &payload);
  payload += ",\"currentValue\":";
  AppendCanonicalNumber(value, &payload);
  absl::StrAppend(&payload, ",\"timestamp\":\"", FormatTimestamp(time_unix_ns), "\"}");
  return payload;
}

}  // namespace mvmd
