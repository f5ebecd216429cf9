// Payloads of the field, see tests/data/payloads/README.md: those that need no decoder of their own format.
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bridge/decoder.h"
#include "gtest/gtest.h"
#include "twin/json.h"
#include "twin/time.h"

namespace mvmd {
namespace {

// Convention -> decoder.
const std::map<std::string, std::string>& Readable() {
  static const auto* const readable = new std::map<std::string, std::string>{
      {"mvmd-native-json", "json"},
      {"zigbee2mqtt", "json"},
      {"zigbee2mqtt-last-seen", "json"},
      {"tasmota-sensor", "json"},
      {"tasmota-energy", "json"},
      {"tasmota-lwt", "json"},
      {"sparkplug-b-state", "json"},
      {"shelly-gen1-scalar", "scalar"},
      {"shelly-gen2-notify", "json"},
      {"tts-v3-uplink", "json"},
      {"chirpstack-v4-up", "json"},
      {"rtl-433-event", "json"},
      {"neuron-values", "json"},
      {"umh-v1", "json"},
      {"victron-venus", "json"},
      {"victron-venus-null", "json"},
      {"victron-venus-gone", "json"},
      {"openmqttgateway-ble", "json"},
      {"thin-edge-json", "json"},
      {"esphome-nan", "scalar"},
      {"homie", "scalar"},
      {"esphome-scalar", "scalar"},
  };
  return *readable;
}

// Units that arrive in messages of their own before the sample.
bool UnitNeedsContext(const std::string& convention) { return convention == "homie" || convention == "esphome-scalar"; }

struct PayloadSample {
  std::string convention;
  Json json;
};

std::vector<PayloadSample> LoadSamples() {
  std::vector<PayloadSample> samples;
  std::ifstream file(std::string(MVMD_TEST_DATA) + "/payloads/samples.jsonl");
  for (std::string line; std::getline(file, line);) {
    absl::StatusOr<Json> json = ParseJson(line);
    if (!json.ok()) {
      ADD_FAILURE() << json.status();
      continue;
    }
    samples.push_back({json->Find("convention")->string(), *std::move(json)});
  }
  return samples;
}

TEST(PayloadSamplesTest, AreRead) {
  std::set<std::string> seen;
  for (const PayloadSample& sample : LoadSamples()) {
    auto it = Readable().find(sample.convention);
    if (it == Readable().end()) continue;
    SCOPED_TRACE(sample.convention);
    seen.insert(sample.convention);
    std::unique_ptr<Decoder> decoder = *MakeDecoderByName(it->second);
    const std::string topic = sample.json.Find("topic")->string();
    const std::string payload = sample.json.Find("payload")->string();
    std::vector<Reading> readings;
    BadReadings bad;
    const absl::Status status = decoder->Decode(topic, payload, &readings, &bad);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(bad.empty()) << bad.described().front().pointer << ": " << bad.described().front().message;

    const std::vector<Json>& expected = sample.json.Find("expect")->elements();
    if (expected.empty()) {
      EXPECT_TRUE(readings.empty()) << readings.front().name;
    }
    for (const Json& expect : expected) {
      const std::string name = expect.Find("sensor")->string();
      const Reading* found = nullptr;
      for (const Reading& reading : readings) {
        if (reading.name == name) found = &reading;
      }
      ASSERT_NE(found, nullptr) << name;
      const Json* value = expect.Find("value");
      if (value->is_bool()) {
        EXPECT_EQ(std::get<bool>(found->value), value->boolean()) << name;
      } else {
        EXPECT_EQ(std::get<double>(found->value), value->number()) << name;
      }
      if (const Json* unit = expect.Find("unit"); unit != nullptr && !UnitNeedsContext(sample.convention)) {
        EXPECT_EQ(std::string(found->unit), unit->string()) << name;
      }
      const Json* timestamp = expect.Find("timestamp");
      EXPECT_EQ(found->time_unix_ns.has_value(), timestamp != nullptr) << name;
      if (timestamp != nullptr && found->time_unix_ns.has_value()) {
        EXPECT_EQ(*found->time_unix_ns, *ParseTimestamp(timestamp->string())) << name;
      }
    }
    if (const Json* absent = sample.json.Find("absent")) {
      for (const Json& name : absent->elements()) {
        for (const Reading& reading : readings) EXPECT_NE(std::string(reading.name), name.string());
      }
    }
  }
  EXPECT_EQ(seen.size(), Readable().size());
}

}  // namespace
}  // namespace mvmd
