#include "tests/sim/plant.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace mvmd {

SampleValue ValueOfSample(const PlantSensor& sensor, uint64_t n) {
  if (sensor.is_text) return absl::StrCat("n", n);
  return static_cast<double>(n) / 100;
}

uint64_t NumberOfSample(const PlantSensor& sensor, const SampleValue& value, int64_t time_unix_ns) {
  uint64_t n = 0;
  if (const double* number = std::get_if<double>(&value)) {
    n = static_cast<uint64_t>(std::llround(*number * 100));
  } else if (const std::string* text = std::get_if<std::string>(&value)) {
    if (text->empty() || !absl::SimpleAtoi(absl::string_view(*text).substr(1), &n)) return 0;
  }
  if (n == 0 || n > sensor.samples.size()) return 0;
  const Sample& published = sensor.samples[n - 1];
  return published.value == value && published.time_unix_ns == time_unix_ns ? n : 0;
}

void SimBroker::Publish(PlantSensor* sensor, Sample sample) {
  sensor->samples.push_back(std::move(sample));
  sensor->pubacked.push_back(false);
  kept_.push_back({++last_id_, sensor, sensor->samples.size()});
  if (on_publish) on_publish();
}

std::vector<PlantMessage> SimBroker::Take(size_t messages_max) {
  const size_t count = std::min(messages_max, waiting());
  const auto begin = kept_.begin() + static_cast<std::ptrdiff_t>(taken_);
  taken_ += count;
  return {begin, begin + static_cast<std::ptrdiff_t>(count)};
}

void SimBroker::Puback(uint64_t id) {
  // PUBACKs come in the order of delivery.
  if (kept_.empty() || kept_.front().id != id || taken_ == 0) return;
  PlantMessage& message = kept_.front();
  message.sensor->pubacked[message.n - 1] = true;
  kept_.pop_front();
  --taken_;
}

}  // namespace mvmd
