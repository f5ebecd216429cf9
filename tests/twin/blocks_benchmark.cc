// Cost of the columnar form on both sides, and its size on the wire.
//
// Workload: 100 sensors, values that walk at random with two decimals (20.00 to 80.00, steps of at most 0.10), times in
// milliseconds. `paced` is what 1,000 msg/s and a linger of 50 ms give: 50 samples, sensors in turn, 1 ms apart.
// `dense` is 10,000 msg/s: 500 samples, 0.1 ms apart. `backlog` is a full block of one sensor's samples a second apart
// times 100 sensors. `raw` are doubles that are no short decimals.
//
// Counters: time a sample, bytes a sample. The baseline is in the same run: `Copy` writes every sample with its name as
// the plain protobuf message that the API uses.
#include <benchmark/benchmark.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "twin/block.h"
#include "twin/frame_group.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr uint32_t kSensors = 100;
constexpr int64_t kStart = 1'700'000'000'123'000'000;

struct Workload {
  size_t samples;
  int64_t interval_ns;
  bool raw;
};

const Workload kWorkloads[] = {
    {.samples = 50, .interval_ns = 1'000'000, .raw = false},
    {.samples = 500, .interval_ns = 100'000, .raw = false},
    {.samples = 65536, .interval_ns = 10'000'000, .raw = false},
    {.samples = 500, .interval_ns = 100'000, .raw = true},
};
const char* const kNames[] = {"paced", "dense", "backlog", "raw"};

// Several blocks one after the other, as a sensor's walk goes on.
std::vector<std::vector<Sample>> MakeBlocks(const Workload& workload) {
  std::mt19937_64 random(1);
  std::vector<int> cents(kSensors);
  for (int& value : cents) value = std::uniform_int_distribution<int>(2000, 8000)(random);
  const size_t block_count = std::max<size_t>(1, 20000 / workload.samples);
  std::vector<std::vector<Sample>> blocks(block_count);
  uint64_t n = 0;
  for (std::vector<Sample>& block : blocks) {
    for (size_t i = 0; i < workload.samples; ++i, ++n) {
      const auto sensor = static_cast<uint32_t>(n % kSensors);
      int& value = cents[sensor];
      value = std::clamp(value + std::uniform_int_distribution<int>(-10, 10)(random), 2000, 8000);
      const int64_t time = kStart + static_cast<int64_t>(n) * workload.interval_ns;
      block.push_back({.binding = sensor + 1,
                       .time_unix_ns = time - time % 1'000'000,
                       .value = workload.raw ? std::sqrt(value) : value / 100.0});
    }
  }
  return blocks;
}

void Report(benchmark::State& state, const Workload& workload, size_t bytes, size_t blocks) {
  state.counters["time/sample"] = benchmark::Counter(static_cast<double>(state.iterations() * workload.samples),
                                                     benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  if (blocks != 0) {
    state.counters["bytes/sample"] = static_cast<double>(bytes) / static_cast<double>(blocks * workload.samples);
  }
  state.SetLabel(kNames[state.range(0)]);
}

std::string SerializedFrame(const std::vector<Sample>& samples, uint64_t seq) {
  pb::Frame frame;
  frame.set_seq(seq);
  EncodeBlock(samples, frame.mutable_block());
  return frame.SerializeAsString();
}

// Samples -> row of the outbox.
void Encode(benchmark::State& state) {
  const Workload& workload = kWorkloads[state.range(0)];
  const auto blocks = MakeBlocks(workload);
  pb::Frame frame;
  std::string row;
  size_t i = 0, bytes = 0, count = 0;
  for (auto _ : state) {
    frame.set_seq(1'000'000 + i);
    EncodeBlock(blocks[i], frame.mutable_block());
    frame.SerializeToString(&row);
    bytes += row.size();
    ++count;
    i = (i + 1) % blocks.size();
  }
  Report(state, workload, bytes, count);
}
BENCHMARK(Encode)->DenseRange(0, 3);

// Row of the outbox -> message on the wire; the size is that of the whole SyncRequest's FrameGroup.
void Compress(benchmark::State& state) {
  const Workload& workload = kWorkloads[state.range(0)];
  const auto blocks = MakeBlocks(workload);
  std::vector<std::string> rows;
  for (const auto& block : blocks) rows.push_back(SerializedFrame(block, 1'000'000 + rows.size()));
  FrameGroupCodec codec;
  std::string batch;
  pb::FrameGroup group;
  size_t i = 0, bytes = 0, count = 0;
  for (auto _ : state) {
    batch.clear();
    AppendFrame(rows[i], &batch);
    codec.Encode(batch, pb::LANE_LIVE, static_cast<int>(state.range(1)), &group);
    bytes += group.ByteSizeLong();
    ++count;
    i = (i + 1) % rows.size();
  }
  Report(state, workload, bytes, count);
}
BENCHMARK(Compress)->ArgsProduct({{0, 1, 2, 3}, {1, 3}});

// Message on the wire -> parsed frames.
void InflateAndParse(benchmark::State& state) {
  const Workload& workload = kWorkloads[state.range(0)];
  const auto blocks = MakeBlocks(workload);
  FrameGroupCodec codec;
  std::vector<pb::FrameGroup> groups(blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    std::string batch;
    AppendFrame(SerializedFrame(blocks[i], 1'000'000 + i), &batch);
    codec.Encode(batch, pb::LANE_LIVE, 3, &groups[i]);
  }
  std::string batch;
  pb::FrameBatch frames;
  size_t i = 0;
  for (auto _ : state) {
    if (!codec.Decode(groups[i], 64 << 20, &batch).ok() || !frames.ParseFromString(batch)) state.SkipWithError("bad");
    i = (i + 1) % groups.size();
  }
  Report(state, workload, 0, 0);
}
BENCHMARK(InflateAndParse)->DenseRange(0, 3);

// Parsed frame -> columns.
void Decode(benchmark::State& state) {
  const Workload& workload = kWorkloads[state.range(0)];
  const auto blocks = MakeBlocks(workload);
  std::vector<pb::Block> encoded(blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) EncodeBlock(blocks[i], &encoded[i]);
  DecodedBlock decoded;
  size_t i = 0;
  for (auto _ : state) {
    if (!DecodeBlock(encoded[i], &decoded).ok()) state.SkipWithError("bad");
    benchmark::DoNotOptimize(decoded.numbers.data());
    i = (i + 1) % encoded.size();
  }
  Report(state, workload, 0, 0);
}
BENCHMARK(Decode)->DenseRange(0, 3);

// Baseline: a protobuf message per sample.
void Copy(benchmark::State& state) {
  const Workload& workload = kWorkloads[state.range(0)];
  const auto blocks = MakeBlocks(workload);
  pb::SensorSamples message;
  std::string bytes_out;
  size_t i = 0, bytes = 0, count = 0;
  for (auto _ : state) {
    message.Clear();
    for (const Sample& sample : blocks[i]) {
      pb::Sample* out = message.add_samples();
      out->mutable_time()->set_seconds(sample.time_unix_ns / 1'000'000'000);
      out->mutable_time()->set_nanos(static_cast<int32_t>(sample.time_unix_ns % 1'000'000'000));
      out->set_number(std::get<double>(sample.value));
    }
    message.SerializeToString(&bytes_out);
    bytes += bytes_out.size();
    ++count;
    i = (i + 1) % blocks.size();
  }
  Report(state, workload, bytes, count);
}
BENCHMARK(Copy)->DenseRange(0, 3);

}  // namespace
}  // namespace mvmd

BENCHMARK_MAIN();
