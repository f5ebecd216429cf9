// The machines of the simulated plant: their documents and their sensors' signals.
#ifndef MVMD_TESTS_SUPPORT_PLANT_MACHINE_H_
#define MVMD_TESTS_SUPPORT_PLANT_MACHINE_H_

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "twin/json.h"

namespace mvmd {

// A plausible course of one sensor's value: a temperature warms up and then wanders, a position sweeps between two
// angles, a pressure swings slowly with noise. In steps of 0.1. Deterministic for a seed; thread-compatible.
class PlantSignal {
 public:
  // `type` of the sensor; `centre` is the value that the document shows.
  PlantSignal(const std::string& type, double centre, uint64_t seed);

  // `seconds` since the start; never smaller than before.
  double At(double seconds);

 private:
  double Raw(double seconds);

  enum class Course { kTemperature, kPosition, kOther };
  Course course_;
  double centre_;
  double wander_ = 0;
  double last_seconds_ = 0;
  std::mt19937_64 random_;
};

struct PlantSensor {
  std::string id;
  std::string unit;
  std::string type;
  double rate_hz = 1;  // `updateFrequency`, read as times per second
  double centre = 0;   // `currentValue`
};

// One machine, made after the example document.
struct PlantMachine {
  std::string twin;
  Json document;
  std::vector<PlantSensor> sensors;
};

// Machine `number`, from 1. The first one is the example itself; later ones differ in `identifier.value` (its last
// number counts on), `name` and `subjectOf.serialNumber`. INVALID_ARGUMENT names what the example lacks.
absl::StatusOr<PlantMachine> MakePlantMachine(const Json& example, int number);

// `twins/<twin>/sensors/<sensor>`.
std::string PlantTopic(const std::string& twin, const std::string& sensor);
// {"id":..,"unit":..,"currentValue":..,"timestamp":..}, as the profile writes a sensor.
std::string PlantPayload(const PlantSensor& sensor, double value, int64_t time_unix_ns);

}  // namespace mvmd

#endif  // MVMD_TESTS_SUPPORT_PLANT_MACHINE_H_
