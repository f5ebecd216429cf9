// What documents cost: render, digest, validate, canonicalize, as bytes and as a graph. Workloads: the profile's
// Complete Example, the same grown to 5 KB of canonical text by more sensors, and to 1 MB. The baseline is RapidJSON on
// the same bytes, which parses and writes without sorting members and without ECMAScript's numbers. `./run bench
// documents` holds them against bars (tests/bench/documents_bench.py).
#include <benchmark/benchmark.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/twin/test_signer.h"
#include "twin/canonical.h"
#include "twin/data_integrity.h"
#include "twin/document.h"
#include "twin/linked_data.h"
#include "twin/rules.h"

namespace mvmd {
namespace {

std::string CompleteText() {
  std::ifstream file(MVMD_TEST_DATA "/profile/twin-complete.jsonld");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Json CompleteDocument() {
  absl::StatusOr<Json> document = ParseJson(CompleteText());
  if (!document.ok()) {
    std::cerr << document.status() << "\n";
    std::exit(1);
  }
  return *std::move(document);
}

// The example with sensors added until its canonical form has `bytes`.
Json GrownDocument(size_t bytes) {
  Json document = CompleteDocument();
  std::vector<Json>& sensors = document.Find("sensors")->elements();
  const size_t sensor_bytes = Canonicalize(sensors[0]).size() + 1;
  const size_t missing = bytes - Canonicalize(document).size();
  for (size_t i = 0; i < missing / sensor_bytes; ++i) {
    Json sensor = sensors[i % 3];
    sensor.Set("id", Json::String(absl::StrCat("sensor-", i)));
    sensor.Set("currentValue", Json::Number(static_cast<double>(i % 10000) / 7));
    sensors.push_back(std::move(sensor));
  }
  return document;
}

void AppendAsWritten(const Json& value, std::string* out) {
  if (!value.is_object() && !value.is_array()) return AppendCanonical(value, out);
  bool first = true;
  out->push_back(value.is_object() ? '{' : '[');
  if (value.is_object()) {
    for (const Json::Member& member : value.members()) {
      if (!first) out->push_back(',');
      first = false;
      AppendCanonicalString(member.first, out);
      out->push_back(':');
      AppendAsWritten(member.second, out);
    }
  } else {
    for (const Json& element : value.elements()) {
      if (!first) out->push_back(',');
      first = false;
      AppendAsWritten(element, out);
    }
  }
  out->push_back(value.is_object() ? '}' : ']');
}

// 1 MB with the members in the profile's order, not in the canonical one.
const std::string& LargeText() {
  static const auto* const kText = [] {
    auto* text = new std::string();
    AppendAsWritten(GrownDocument(1000000), text);
    return text;
  }();
  return *kText;
}

LiveView LiveValues(const Json& document) {
  LiveView live;
  double value = 42.3;
  for (const std::string& id : SensorIdsOf(document)) {
    live.sensors.push_back({id, value, 1710513000123000000});
    value += 0.37;
  }
  live.last_synced_unix_ns = 1710513000123456789;
  live.connection_status = "active";
  live.latency_ms = 12.25;
  return live;
}

void SetThroughput(benchmark::State& state, size_t bytes) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(bytes));
}

void BM_RenderLive5K(benchmark::State& state) {
  const Json document = GrownDocument(5000);
  const DocumentTemplate form(document);
  const LiveView live = LiveValues(document);
  std::string out;
  for (auto _ : state) {
    out.clear();
    form.AppendTo(live, &out);
    benchmark::DoNotOptimize(out.data());
  }
  SetThroughput(state, out.size());
}
BENCHMARK(BM_RenderLive5K);

void BM_RenderLiveAndDigest5K(benchmark::State& state) {
  const Json document = GrownDocument(5000);
  const DocumentTemplate form(document);
  const LiveView live = LiveValues(document);
  size_t bytes = 0;
  for (auto _ : state) {
    const std::string out = form.Render(live);
    benchmark::DoNotOptimize(Sha256Hex(out));
    bytes = out.size();
  }
  SetThroughput(state, bytes);
}
BENCHMARK(BM_RenderLiveAndDigest5K);

void BM_ApplyLiveAndCanonicalize5K(benchmark::State& state) {
  const Json document = GrownDocument(5000);
  const LiveView live = LiveValues(document);
  for (auto _ : state) benchmark::DoNotOptimize(Canonicalize(ApplyLive(document, live)));
}
BENCHMARK(BM_ApplyLiveAndCanonicalize5K);

void BM_Digest5K(benchmark::State& state) {
  const std::string bytes = Canonicalize(GrownDocument(5000));
  for (auto _ : state) benchmark::DoNotOptimize(Sha256Hex(bytes));
  SetThroughput(state, bytes.size());
}
BENCHMARK(BM_Digest5K);

void BM_ValidateDocumentComplete(benchmark::State& state) {
  const Json document = CompleteDocument();
  for (auto _ : state) benchmark::DoNotOptimize(ValidateDocument(document, false));
}
BENCHMARK(BM_ValidateDocumentComplete);

void BM_ValidateTextComplete(benchmark::State& state) {
  const std::string text = CompleteText();
  for (auto _ : state) benchmark::DoNotOptimize(ValidateText(text, false));
  SetThroughput(state, text.size());
}
BENCHMARK(BM_ValidateTextComplete);

void BM_ParseComplete(benchmark::State& state) {
  const std::string text = CompleteText();
  for (auto _ : state) benchmark::DoNotOptimize(ParseIJson(text));
  SetThroughput(state, text.size());
}
BENCHMARK(BM_ParseComplete);

void BM_Parse1M(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(ParseIJson(LargeText()));
  SetThroughput(state, LargeText().size());
}
BENCHMARK(BM_Parse1M);

void BM_CanonicalizeTree1M(benchmark::State& state) {
  const Json document = *ParseJson(LargeText());
  for (auto _ : state) benchmark::DoNotOptimize(Canonicalize(document));
  SetThroughput(state, LargeText().size());
}
BENCHMARK(BM_CanonicalizeTree1M);

void BM_CanonicalizeText1M(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(CanonicalizeText(LargeText()));
  SetThroughput(state, LargeText().size());
}
BENCHMARK(BM_CanonicalizeText1M);

void RapidJsonParseWrite(benchmark::State& state, const std::string& text) {
  constexpr unsigned kFlags = rapidjson::kParseFullPrecisionFlag | rapidjson::kParseValidateEncodingFlag;
  for (auto _ : state) {
    rapidjson::Document document;
    document.Parse<kFlags>(text.data(), text.size());
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    document.Accept(writer);
    benchmark::DoNotOptimize(buffer.GetString());
  }
  SetThroughput(state, text.size());
}

void BM_RapidJsonParseWriteLive5K(benchmark::State& state) {
  const Json document = GrownDocument(5000);
  RapidJsonParseWrite(state, DocumentTemplate(document).Render(LiveValues(document)));
}
BENCHMARK(BM_RapidJsonParseWriteLive5K);

void BM_RapidJsonParseWriteComplete(benchmark::State& state) { RapidJsonParseWrite(state, CompleteText()); }
BENCHMARK(BM_RapidJsonParseWriteComplete);

void BM_RapidJsonParseWrite1M(benchmark::State& state) { RapidJsonParseWrite(state, LargeText()); }
BENCHMARK(BM_RapidJsonParseWrite1M);

void BM_Validate1M(benchmark::State& state) {
  const Json document = *ParseJson(LargeText());
  for (auto _ : state) benchmark::DoNotOptimize(ValidateDocument(document, false));
  SetThroughput(state, LargeText().size());
}
BENCHMARK(BM_Validate1M);

void BM_CanonicalGraphComplete(benchmark::State& state) {
  const Json document = CompleteDocument();
  for (auto _ : state) benchmark::DoNotOptimize(CanonicalizeGraph(document));
}
BENCHMARK(BM_CanonicalGraphComplete);

void BM_CanonicalGraphLosslessComplete(benchmark::State& state) {
  const Json document = LosslessDocument(CompleteDocument());
  for (auto _ : state) benchmark::DoNotOptimize(CanonicalizeGraph(document));
}
BENCHMARK(BM_CanonicalGraphLosslessComplete);

void BM_CanonicalGraph1M(benchmark::State& state) {
  const Json document = *ParseJson(LargeText());
  for (auto _ : state) benchmark::DoNotOptimize(CanonicalizeGraph(document));
  SetThroughput(state, LargeText().size());
}
BENCHMARK(BM_CanonicalGraph1M);

// From the canonical bytes to those of the signed document and their digest, as the gateway does it.
void BM_SignComplete(benchmark::State& state) {
  const TestSigner signer(std::string(32, 's'));
  const std::string canonical = Canonicalize(CompleteDocument());
  for (auto _ : state) {
    const std::string bytes = Canonicalize(signer.Signed(*ParseJson(canonical), int64_t{1'700'000'000'000'000'000}));
    benchmark::DoNotOptimize(Sha256Hex(bytes));
  }
}
BENCHMARK(BM_SignComplete);

void BM_VerifyComplete(benchmark::State& state) {
  const TestSigner signer(std::string(32, 's'));
  const Ed25519PublicKey key = signer.public_key();
  const Json document = signer.Signed(CompleteDocument(), int64_t{1'700'000'000'000'000'000});
  for (auto _ : state) {
    if (!VerifyProofs(document, &key, 0).status.ok()) std::abort();
  }
}
BENCHMARK(BM_VerifyComplete);

}  // namespace
}  // namespace mvmd

BENCHMARK_MAIN();
