// Payloads of MQTT messages: readings that are what they should be, or an error.
//
// Input: which decoder (1 byte), the topic up to a line feed, the payload.
#include <cmath>
#include <memory>
#include <variant>
#include <vector>

#include "bridge/decoder.h"
#include "tests/fuzz/fuzz.h"

namespace mvmd {
namespace {

using mvmd::twin::v1alpha1::JsonReading;
using mvmd::twin::v1alpha1::Route;

std::unique_ptr<Decoder> Configured(const Route& route) {
  auto decoder = MakeDecoder(route);
  Ensure(decoder.ok());
  return *std::move(decoder);
}

Route PointersRoute() {
  Route route;
  JsonReading* reading = route.mutable_json()->add_readings();
  reading->set_value("/v");
  reading->set_time("/t");
  reading->set_unit("/u");
  reading->set_quality("/q");
  reading->set_name("temperature");
  reading = route.mutable_json()->add_readings();
  reading->set_value("/a~1b/0");
  reading->set_name("/n");
  route.mutable_json()->set_time("/ts");
  return route;
}

Route EachRoute() {
  Route route;
  JsonReading* reading = route.mutable_json()->add_readings();
  reading->set_each("/metrics");
  reading->set_value("/value");
  reading->set_time("/timestamp");
  reading->set_name("/name");
  route.mutable_json()->set_time_format("ms");
  return route;
}

std::vector<std::unique_ptr<Decoder>> MakeAll() {
  std::vector<std::unique_ptr<Decoder>> decoders;
  for (const char* name : {"json", "scalar", "scalar:number", "scalar:boolean", "scalar:text"}) {
    auto decoder = MakeDecoderByName(name);
    Ensure(decoder.ok());
    decoders.push_back(*std::move(decoder));
  }
  decoders.push_back(Configured(PointersRoute()));
  decoders.push_back(Configured(EachRoute()));
  return decoders;
}

}  // namespace
}  // namespace mvmd

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  static const auto* const kDecoders = new std::vector<std::unique_ptr<Decoder>>(MakeAll());
  FuzzInput input(data, size);
  Decoder& decoder = *(*kDecoders)[input.Byte() % kDecoders->size()];
  const absl::string_view topic = input.Line();
  const absl::string_view payload = input.Rest();
  std::vector<Reading> readings;
  BadReadings bad;
  const absl::Status status = decoder.Decode(topic, payload, &readings, &bad);
  if (!status.ok()) {
    Ensure(readings.empty() && bad.empty() && !status.message().empty());
    return 0;
  }
  Ensure(readings.size() <= kReadingsMax && bad.described().size() <= BadReadings::kDescribedMax);
  for (const Reading& reading : readings) {
    if (const auto* number = std::get_if<double>(&reading.value)) Ensure(std::isfinite(*number));
  }
  return 0;
}
