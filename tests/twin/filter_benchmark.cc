// What a page of ListTwins costs on 10,000 twins: filtering them, and putting them into an order. Workload: the
// profile's Complete Example with live values of its three sensors, each twin's own. The baseline makes the documents
// first, as a filter over JSON trees would have to.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "twin/document.h"
#include "twin/filter.h"
#include "twin/order_by.h"

namespace mvmd {
namespace {

constexpr size_t kTwins = 10000;

struct Twin {
  Json definition;
  LiveView live;
};

const std::vector<Twin>& Twins() {
  static const auto* const kAll = [] {
    std::ifstream file(MVMD_TEST_DATA "/profile/twin-complete.jsonld");
    std::ostringstream text;
    text << file.rdbuf();
    const absl::StatusOr<Json> document = ParseJson(text.str());
    if (!document.ok()) {
      std::cerr << document.status() << "\n";
      std::exit(1);
    }
    auto* twins = new std::vector<Twin>(kTwins, Twin{*document, {}});
    for (size_t i = 0; i < kTwins; ++i) {
      Twin& twin = (*twins)[i];
      twin.definition.Find("identifier")->Set("value", Json::String(absl::StrCat("twin-", i)));
      for (const char* sensor : {"temp-1", "motion-1", "pressure-1"}) {
        twin.live.sensors.push_back(
            {sensor, static_cast<double>(i % 100), 1710513000000000000 + static_cast<int64_t>(i)});
      }
      twin.live.last_synced_unix_ns = 1710513000000000000 + static_cast<int64_t>(i * 7919 % kTwins);
      twin.live.connection_status = i % 2 == 0 ? "active" : "inactive";
    }
    return twins;
  }();
  return *kAll;
}

Filter ParseOrExit(const char* text) {
  absl::StatusOr<Filter> filter = Filter::Parse(text);
  if (!filter.ok()) {
    std::cerr << filter.status() << "\n";
    std::exit(1);
  }
  return *std::move(filter);
}

constexpr const char* kFilters[] = {
    R"(connectionStatus = "active" AND subjectOf.manufacturer = "Industrial*" AND sensors.temp-1.currentValue > 60)",
    R"(sensors.currentValue:99)",
    R"(lastSynced > "2024-03-15T14:30:00.000005Z")",
    R"(robotics)",
};

void BM_Filter10000Twins(benchmark::State& state) {
  const Filter filter = ParseOrExit(kFilters[state.range(0)]);
  const std::vector<Twin>& twins = Twins();
  size_t matched = 0;
  for (auto _ : state) {
    matched = 0;
    for (const Twin& twin : twins) matched += filter.Matches(ServedValue(twin.definition, twin.live)) ? 1 : 0;
    benchmark::DoNotOptimize(matched);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kTwins));
  state.SetLabel(absl::StrCat(matched, " match: ", kFilters[state.range(0)]));
}
BENCHMARK(BM_Filter10000Twins)->DenseRange(0, 3)->Unit(benchmark::kMillisecond);

void BM_FilterMade10000Documents(benchmark::State& state) {
  const Filter filter = ParseOrExit(kFilters[0]);
  const std::vector<Twin>& twins = Twins();
  for (auto _ : state) {
    size_t matched = 0;
    for (const Twin& twin : twins) {
      const Json document = ApplyLive(twin.definition, twin.live);
      matched += filter.Matches(ServedValue(document, LiveView())) ? 1 : 0;
    }
    benchmark::DoNotOptimize(matched);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kTwins));
}
BENCHMARK(BM_FilterMade10000Documents)->Unit(benchmark::kMillisecond);

void BM_OrderKeys10000Twins(benchmark::State& state) {
  const absl::StatusOr<OrderBy> order = OrderBy::Parse("lastSynced desc, sensors.temp-1.currentValue, name");
  for (auto _ : state) {
    for (const Twin& twin : Twins()) benchmark::DoNotOptimize(order->KeyOf(ServedValue(twin.definition, twin.live)));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kTwins));
}
BENCHMARK(BM_OrderKeys10000Twins)->Unit(benchmark::kMillisecond);

void BM_ParseFilter(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Filter::Parse(kFilters[0]));
}
BENCHMARK(BM_ParseFilter)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace mvmd

BENCHMARK_MAIN();
