// Topic patterns, templates and routes: refused, or they match what MQTT says.
//
// Input, a line each: pattern, template of the twin, template of the sensor, a second pattern, then topics.
#include <memory>
#include <string>
#include <vector>

#include "bridge/sensor_router.h"
#include "bridge/topic_pattern.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  FuzzInput input(data, size);
  mvmd::twin::v1alpha1::BridgeConfig config;
  mvmd::twin::v1alpha1::Route* route = config.add_routes();
  route->set_topic(std::string(input.Line()));
  route->set_twin(std::string(input.Line()));
  route->set_sensor(std::string(input.Line()));
  const absl::StatusOr<TopicPattern> pattern = TopicPattern::Parse(route->topic());
  const absl::StatusOr<TopicPattern> other = TopicPattern::Parse(input.Line());
  const TwinCatalog catalog;
  const auto router = SensorRouter::Make(config.routes(), &catalog, /*topics_max=*/4);
  Ensure(!router.ok() || pattern.ok());
  while (!input.done()) {
    const absl::string_view topic = input.Line();
    std::vector<absl::string_view> captures;
    const bool matches = pattern.ok() && pattern->Match(topic, &captures);
    if (matches) Ensure(captures.size() == pattern->names().size());
    if (matches && other.ok() && FilterCovers(other->filter(), pattern->filter())) {
      // As MQTT has it: `a/{name...}` asks for `a/#`, which matches `a` too.
      const absl::StatusOr<TopicPattern> filter = TopicPattern::Parse(other->filter());
      Ensure(filter.ok() && filter->Match(topic, &captures));
    }
    if (!router.ok()) continue;
    TopicEntry* entry = (*router)->Find(topic);
    Ensure(entry != nullptr && (entry->route == 0) == matches);
    if (!matches) continue;
    for (const char* reading : {"temperature", ""}) Ensure((*router)->Resolve(entry, reading) != nullptr);
  }
  return 0;
}
