// What the fold and the committer cost. Workload: groups of one block with 500 samples of 50 sensors (10 twins),
// numbers, one bridge; as the bridge sends it under load.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "absl/synchronization/blocking_counter.h"
#include "gateway/committer.h"
#include "gateway/past_twins.h"
#include "gateway/rocksdb_store.h"
#include "tests/gateway/log_entries.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr int kTwins = 10;
constexpr int kSensorsATwin = 5;
constexpr int kSamples = 500;

std::vector<pb::Frame> BindingFrames() {
  std::vector<pb::Frame> frames;
  uint32_t id = 0;
  for (int twin = 0; twin < kTwins; ++twin) {
    std::vector<std::pair<uint32_t, std::string>> sensors;
    for (int sensor = 0; sensor < kSensorsATwin; ++sensor) sensors.emplace_back(++id, absl::StrCat("sensor-", sensor));
    const std::string name = absl::StrCat("twin-", twin);
    frames.push_back(BindingsFrame(frames.size() + 1, name, sensors));
    Json document = TestDocument(name);
    Json::Member* sensors_member = nullptr;
    for (Json::Member& member : document.members()) {
      if (member.first == "sensors") sensors_member = &member;
    }
    const Json pattern = sensors_member->second.elements()[1];
    sensors_member->second.elements().clear();
    for (int sensor = 0; sensor < kSensorsATwin; ++sensor) {
      Json added = pattern;
      added.Set("id", Json::String(absl::StrCat("sensor-", sensor)));
      sensors_member->second.Append(std::move(added));
    }
    frames.push_back(DocumentFrame(frames.size() + 1, name, Canonicalize(document)));
  }
  return frames;
}

// `index`: counts from 0; decides seq and times.
pb::LogEntry BlockEntry(uint64_t session, uint64_t first_seq, uint64_t index) {
  std::vector<Sample> samples;
  const int64_t start = kTestTimeNs + static_cast<int64_t>(index) * 50'000'000;
  for (int i = 0; i < kSamples; ++i) {
    samples.push_back(NumberAt(static_cast<uint32_t>(1 + i % (kTwins * kSensorsATwin)), start + i * 100'000,
                               static_cast<double>((index * 7 + static_cast<uint64_t>(i)) % 1000) / 10));
  }
  return FramesEntry(session, {BlockFrame(first_seq + index, samples)});
}

void BM_ParseGroup(benchmark::State& state) {
  const pb::LogEntry entry = BlockEntry(1, 1, 0);
  FrameGroupCodec codec;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ParseGroup(entry.frames_received().group(), {}, &codec));
  }
  state.SetItemsProcessed(state.iterations() * kSamples);
  state.counters["wire_bytes_a_sample"] = static_cast<double>(entry.frames_received().group().data().size()) / kSamples;
}
BENCHMARK(BM_ParseGroup);

// Without parsing: `with_entry` also builds what watchers are told.
void BM_Apply(benchmark::State& state) {
  const bool with_entry = state.range(0) != 0;
  constexpr uint64_t kGroups = 2000;
  FrameGroupCodec codec;
  std::vector<pb::LogEntry> entries;
  std::vector<std::shared_ptr<const ParsedGroup>> groups;
  const std::vector<pb::Frame> bindings = BindingFrames();
  for (uint64_t i = 0; i < kGroups; ++i) {
    entries.push_back(BlockEntry(1, bindings.size() + 1, i));
    entries.back().set_time_unix_ns(kTestTimeNs + static_cast<int64_t>(i) * 50'000'000 + 60'000'000);
    groups.push_back(*ParseGroup(entries.back().frames_received().group(), {}, &codec));
  }
  uint64_t next = kGroups;
  std::unique_ptr<TwinState> fold;
  for (auto _ : state) {
    if (next == kGroups) {
      state.PauseTiming();
      fold = std::make_unique<TwinState>(TwinStateLimits());
      fold->Apply(1, OpenedEntry(1), nullptr, nullptr);
      fold->Apply(2, FramesEntry(1, bindings), nullptr, nullptr);
      next = 0;
      state.ResumeTiming();
    }
    std::shared_ptr<const AppliedEntry> applied;
    benchmark::DoNotOptimize(fold->Apply(3 + next, entries[next], groups[next], with_entry ? &applied : nullptr));
    ++next;
  }
  state.SetItemsProcessed(state.iterations() * kSamples);
}
BENCHMARK(BM_Apply)->Arg(0)->Arg(1);

// Through log, fsync and fold: as many entries wait as in `depth`.
void BM_Commit(benchmark::State& state) {
  const auto depth = static_cast<int>(state.range(0));
  std::string name = (std::filesystem::temp_directory_path() / "mvmd-bench-XXXXXX").string();
  const std::string directory = mkdtemp(name.data());
  {
    auto store = RocksDbStore::Open(directory + "/store");
    if (!store.ok()) {
      state.SkipWithError(store.status().ToString().c_str());
      return;
    }
    TwinState fold({});
    Committer committer((*store)->log(), (*store)->state(), &fold, &SystemClock::Get(), {});
    FrameGroupCodec codec;
    uint64_t next = 0;
    uint64_t session = 0;
    const std::vector<pb::Frame> bindings = BindingFrames();
    const auto commit = [&](std::vector<pb::LogEntry> entries) {
      absl::BlockingCounter left(static_cast<int>(entries.size()));
      for (pb::LogEntry& entry : entries) {
        std::shared_ptr<const ParsedGroup> group;
        if (entry.has_frames_received()) group = *ParseGroup(entry.frames_received().group(), {}, &codec);
        const absl::Status queued =
            committer.Append(std::move(entry), std::move(group), [&](const ApplyResult& result) {
              if (session == 0) session = result.revision;
              left.DecrementCount();
            });
        if (!queued.ok()) std::abort();
      }
      left.Wait();
    };
    commit({OpenedEntry(1)});
    commit({FramesEntry(session, bindings)});
    for (auto _ : state) {
      state.PauseTiming();
      std::vector<pb::LogEntry> entries;
      for (int i = 0; i < depth; ++i) entries.push_back(BlockEntry(session, bindings.size() + 1, next++));
      state.ResumeTiming();
      commit(std::move(entries));
    }
    committer.Stop();
    const CommitterStats stats = committer.stats();
    state.counters["entries"] = benchmark::Counter(static_cast<double>(stats.entries), benchmark::Counter::kIsRate);
    state.counters["samples"] = benchmark::Counter(static_cast<double>(stats.samples), benchmark::Counter::kIsRate);
    state.counters["append_us"] =
        static_cast<double>(stats.append_ns) / 1000 / static_cast<double>(std::max<uint64_t>(stats.batches, 1));
    state.counters["entries_a_batch"] = static_cast<double>(stats.entries) / static_cast<double>(stats.batches);
  }
  std::filesystem::remove_all(directory);
}
BENCHMARK(BM_Commit)->Arg(1)->Arg(16)->Arg(256)->UseRealTime();

// A log with 10,000 samples a second of 10 twins, long enough for some keyframes.
const std::vector<pb::LogEntry>& LongLog() {
  static const auto* const log = [] {
    constexpr uint64_t kGroups = 30'000;
    auto* made = new std::vector<pb::LogEntry>;
    const std::vector<pb::Frame> bindings = BindingFrames();
    made->push_back(OpenedEntry(1));
    made->push_back(FramesEntry(1, bindings));
    for (uint64_t i = 0; i < kGroups; ++i) made->push_back(BlockEntry(1, bindings.size() + 1, i));
    for (size_t i = 0; i < made->size(); ++i) {
      (*made)[i].set_time_unix_ns(kTestTimeNs + static_cast<int64_t>(i) * 50'000'000);
    }
    return made;
  }();
  return *log;
}

// A twin at revisions all over a long log. Argument: whether there are keyframes, as often as by default; else each
// read folds from the beginning.
void BM_PastAt(benchmark::State& state) {
  TwinStateLimits limits;
  if (state.range(0) == 0) {
    limits.keyframe_interval_ns = int64_t{1} << 58;
    limits.keyframe_bytes_max = uint64_t{1} << 58;
  }
  std::string name = (std::filesystem::temp_directory_path() / "mvmd-bench-XXXXXX").string();
  const std::string directory = mkdtemp(name.data());
  {
    auto store = RocksDbStore::Open(directory + "/store");
    if (!store.ok()) {
      state.SkipWithError(store.status().ToString().c_str());
      return;
    }
    TwinState fold(limits);
    std::vector<std::string> log;
    for (const pb::LogEntry& entry : LongLog()) {
      log.push_back(entry.SerializeAsString());
      fold.Apply(log.size(), entry, nullptr, nullptr);
    }
    size_t log_bytes = 0;
    for (const std::string& entry : log) log_bytes += entry.size();
    const Checkpoint checkpoint = fold.TakeCheckpoint();
    size_t keyframes = 0;
    size_t keyframe_bytes = 0;
    for (const auto& [key, value] : checkpoint.changes) {
      if (KeyframeRevisionOf(key) == 0) continue;
      ++keyframes;
      keyframe_bytes += key.size() + value->size();
    }
    if (!(*store)->log()->Append(log).ok() || !(*store)->state()->Save(checkpoint).ok()) std::abort();
    Committer committer((*store)->log(), (*store)->state(), &fold, &SystemClock::Get(), {});
    const PastTwins past((*store)->log(), (*store)->state(), &committer);
    uint64_t revision = 0;
    for (auto _ : state) {
      revision = (revision + 4999) % (log.size() - 3);
      if (!past.At("twin-3", 3 + revision).ok()) std::abort();
    }
    committer.Stop();
    if ((keyframes > 0) != (state.range(0) != 0))
      state.SkipWithError("expected keyframes only where they are asked for");
    state.counters["log_bytes"] = static_cast<double>(log_bytes);
    state.counters["keyframes"] = static_cast<double>(keyframes);
    if (keyframes > 0) {
      state.counters["bytes_a_keyframe"] = static_cast<double>(keyframe_bytes) / static_cast<double>(keyframes);
    }
  }
  std::filesystem::remove_all(directory);
}
BENCHMARK(BM_PastAt)->Arg(0)->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace mvmd

BENCHMARK_MAIN();
