// What each stage between libmosquitto and SQLite costs a message. Run: bin/bridge_benchmark
#include <benchmark/benchmark.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bridge/block_builder.h"
#include "bridge/decoder.h"
#include "bridge/intake.h"
#include "bridge/redelivery.h"
#include "bridge/sensor_router.h"
#include "google/protobuf/text_format.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr char kPayload[] = R"({"value":20.08,"timestamp":"2024-03-15T14:30:00.123Z"})";
constexpr char kRoutes[] =
    "routes { topic: 'plant/{line}/{machine}/{sensor}' twin: '{line}-{machine}' sensor: '{sensor}' qos: 1"
    "  json { readings { value: '/value' time: '/timestamp' } } }";

pb::BridgeConfig Config() {
  pb::BridgeConfig config;
  google::protobuf::TextFormat::ParseFromString(kRoutes, &config);
  return config;
}

std::vector<std::string> Topics() {
  std::vector<std::string> topics;
  for (int i = 0; i < 1000; ++i) topics.push_back(absl::StrCat("plant/line", i % 8, "/robot-", i / 8, "/temp-1"));
  return topics;
}

void DecodeConfigured(benchmark::State& state) {
  std::unique_ptr<Decoder> decoder = *MakeDecoder(Config().routes(0));
  std::vector<Reading> readings;
  BadReadings bad;
  for (auto _ : state) benchmark::DoNotOptimize(decoder->Decode("plant/a", kPayload, &readings, &bad));
}
BENCHMARK(DecodeConfigured);

void DecodeUnconfigured(benchmark::State& state) {
  std::unique_ptr<Decoder> decoder = *MakeDecoderByName("json");
  std::vector<Reading> readings;
  BadReadings bad;
  for (auto _ : state) benchmark::DoNotOptimize(decoder->Decode("plant/a", kPayload, &readings, &bad));
}
BENCHMARK(DecodeUnconfigured);

void FindTopic(benchmark::State& state) {
  TwinCatalog catalog;
  std::unique_ptr<SensorRouter> router = *SensorRouter::Make(Config().routes(), &catalog);
  const std::vector<std::string> topics = Topics();
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(router->Resolve(router->Find(topics[i++ % topics.size()]), "value"));
}
BENCHMARK(FindTopic);

void Redelivery(benchmark::State& state) {
  RedeliveryFilter filter;
  std::string receipts;
  uint16_t packet_id = 1;
  for (auto _ : state) {
    const uint32_t digest = RedeliveryFilter::Digest("plant/line1/robot-1/temp-1", kPayload);
    benchmark::DoNotOptimize(filter.IsRedelivery(packet_id, false, digest));
    filter.Take(packet_id++, digest, &receipts);
    if (packet_id == 0) receipts.clear();
  }
}
BENCHMARK(Redelivery);

// All stages of a message and its share of the block, without the transaction.
void IntakeOfAGroup(benchmark::State& state) {
  const std::string path = std::filesystem::temp_directory_path() / absl::StrCat("mvmd-benchmark-", getpid(), ".db");
  {
    TwinCatalog catalog;
    IssueLog issues(&SystemClock::Get());
    std::unique_ptr<Outbox> outbox = *Outbox::Open({.path = path});
    Intake intake(
        {}, *SensorRouter::Make(Config().routes(), &catalog), &catalog, outbox.get(), &issues, [](uint64_t, size_t) {},
        [](uint64_t, std::string, uint64_t) {}, [](uint64_t, std::string) {});
    const std::vector<std::string> topics = Topics();
    const int64_t group = state.range(0);
    uint16_t packet_id = 0;
    for (auto _ : state) {
      for (int64_t i = 0; i < group; ++i) {
        if (++packet_id == 0) ++packet_id;
        intake.OnMessage({.topic = topics[static_cast<size_t>(i) % topics.size()],
                          .payload = kPayload,
                          .qos = 1,
                          .packet_id = packet_id,
                          .duplicate = std::nullopt});
      }
      benchmark::DoNotOptimize(intake.Commit());
      IntervalSet all;
      all.Add(1, outbox->last_seq());
      outbox->Forget(all);
    }
    state.SetItemsProcessed(state.iterations() * group);
  }
  for (const char* suffix : {"", "-wal", "-shm", ".lock", ".durable"}) std::filesystem::remove(path + suffix);
}
BENCHMARK(IntakeOfAGroup)->Arg(10)->Arg(100)->Arg(1000);

}  // namespace
}  // namespace mvmd

BENCHMARK_MAIN();
