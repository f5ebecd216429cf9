// What is published, and the broker that keeps it until a bridge has PUBACKed: the truth that a run is judged by.
#ifndef MVMD_TESTS_SIM_PLANT_H_
#define MVMD_TESTS_SIM_PLANT_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "twin/sample.h"

namespace mvmd {

// One sensor of a twin and everything that was ever published for it: sample n is samples[n - 1].
struct PlantSensor {
  std::string twin;
  std::string sensor;
  bool is_text = false;
  std::vector<Sample> samples;  // times ascending
  std::vector<bool> pubacked;
};

// Which of the sensor's samples this value is, from 1; 0 when it is none.
uint64_t NumberOfSample(const PlantSensor& sensor, const SampleValue& value, int64_t time_unix_ns);
SampleValue ValueOfSample(const PlantSensor& sensor, uint64_t n);

struct PlantMessage {
  uint64_t id = 0;
  PlantSensor* sensor = nullptr;
  uint64_t n = 0;
};

// A broker with one persistent session, QoS 1, in order: what is not PUBACKed comes again when the bridge reconnects.
// It never crashes: a broker's own losses are not the product's.
class SimBroker {
 public:
  void Publish(PlantSensor* sensor, Sample sample);
  // Next messages that were not delivered to this life of the bridge.
  std::vector<PlantMessage> Take(size_t messages_max);
  void Puback(uint64_t id);
  // The bridge has a new connection.
  void Reconnect() { taken_ = 0; }
  bool empty() const { return kept_.empty(); }
  size_t waiting() const { return kept_.size() - taken_; }
  // Called after each Publish.
  std::function<void()> on_publish;

 private:
  uint64_t last_id_ = 0;
  std::deque<PlantMessage> kept_;
  size_t taken_ = 0;  // of `kept_`, delivered and not PUBACKed
};

}  // namespace mvmd

#endif  // MVMD_TESTS_SIM_PLANT_H_
