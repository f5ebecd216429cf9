// Writes the seeds that are not text: `mvmd_fuzz_seeds DIR` puts them into DIR/<target>/. Run by hand when a format
// changes; what it writes is committed.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gateway/parsed_group.h"
#include "mvmd/twin/v1alpha1/log.pb.h"
#include "mvmd/twin/v1alpha1/sync.pb.h"
#include "twin/block.h"
#include "twin/canonical.h"
#include "twin/frame_group.h"

namespace mvmd {
namespace {

using mvmd::twin::v1alpha1::Block;
using mvmd::twin::v1alpha1::Frame;
using mvmd::twin::v1alpha1::FrameGroup;
using mvmd::twin::v1alpha1::LogEntry;
using mvmd::twin::v1alpha1::SyncRequest;

constexpr char kBridge[] = "spiffe://plant.example/bridge/robots";
constexpr char kDocument[] =
    R"({"@type":"Dataset","identifier":{"value":"t"},"name":"n","sensors":[{"currentValue":1,"id":"a","unit":"C"}]})";

void Write(const std::filesystem::path& folder, absl::string_view name, absl::string_view bytes) {
  std::filesystem::create_directories(folder);
  std::ofstream file(folder / std::string(name), std::ios::binary);
  file << std::string(bytes);
}

// As FuzzInput::Bytes reads it.
std::string Sized(absl::string_view bytes) {
  std::string out;
  out.push_back(static_cast<char>(bytes.size() & 0xFF));
  out.push_back(static_cast<char>(bytes.size() >> 8));
  return absl::StrCat(out, bytes);
}

std::string Step(char kind, absl::string_view bytes) { return absl::StrCat(std::string(1, kind), Sized(bytes)); }

Sample Number(uint32_t binding, int64_t at_s, double value) {
  return Sample{.binding = binding, .time_unix_ns = at_s * 1'000'000'000, .value = value};
}

std::vector<Sample> Mixed() {
  std::vector<Sample> samples = {Number(1, 1700000000, 20.5), Number(1, 1700000001, -0.0), Number(3, 1700000001, 7)};
  samples.push_back(Sample{.binding = 2, .time_unix_ns = 1700000000123456789, .value = true});
  samples.push_back(Sample{.binding = 4, .time_unix_ns = 1700000000123000000, .value = std::string("on")});
  samples.push_back(Sample{.binding = 4,
                           .time_unix_ns = 1700000000124000000,
                           .value = std::string("off"),
                           .quality = mvmd::twin::v1alpha1::QUALITY_BAD});
  return samples;
}

Block BlockOf(const std::vector<Sample>& samples) {
  Block block;
  EncodeBlock(samples, &block);
  return block;
}

Frame Bindings(uint64_t seq, absl::string_view twin) {
  Frame frame;
  frame.set_seq(seq);
  for (uint32_t id = 1; id <= 4; ++id) {
    auto* binding = frame.mutable_bindings()->add_bindings();
    binding->set_id(id);
    binding->set_twin(std::string(twin));
    binding->set_sensor(std::string(1, static_cast<char>('a' + id - 1)));
  }
  return frame;
}

Frame Samples(uint64_t seq) {
  Frame frame;
  frame.set_seq(seq);
  *frame.mutable_block() = BlockOf(Mixed());
  return frame;
}

Frame Document(uint64_t seq, absl::string_view text, size_t offset, size_t bytes) {
  Frame frame;
  frame.set_seq(seq);
  auto* chunk = frame.mutable_document_chunk();
  chunk->set_twin("t");
  chunk->set_sha256(Sha256(text));
  chunk->set_total_bytes(text.size());
  chunk->set_offset_bytes(offset);
  chunk->set_data(std::string(text.substr(offset, bytes)));
  return frame;
}

Frame Gap(uint64_t seq) {
  Frame frame;
  frame.set_seq(seq);
  frame.mutable_gap()->set_twin("t");
  frame.mutable_gap()->set_sensor("a");
  frame.mutable_gap()->set_count(3);
  frame.mutable_gap()->set_reason(mvmd::twin::v1alpha1::Gap::REASON_OUTBOX_FULL);
  return frame;
}

std::string BatchOf(const std::vector<Frame>& frames) {
  std::string batch;
  for (const Frame& frame : frames) AppendFrame(frame.SerializeAsString(), &batch);
  return batch;
}

FrameGroup GroupOf(const std::vector<Frame>& frames, mvmd::twin::v1alpha1::Lane lane) {
  FrameGroup group;
  FrameGroupCodec().Encode(BatchOf(frames), lane, 3, &group);
  return group;
}

std::vector<Frame> Session(absl::string_view twin) {
  const size_t half = sizeof(kDocument) / 2;
  return {Bindings(1, twin), Document(2, kDocument, 0, half), Document(3, kDocument, half, sizeof(kDocument)),
          Samples(4), Gap(5)};
}

LogEntry Opened(uint64_t epoch) {
  LogEntry entry;
  entry.set_time_unix_ns(1'700'000'000'000'000'000);
  entry.mutable_session_opened()->set_bridge(kBridge);
  entry.mutable_session_opened()->set_epoch(epoch);
  entry.mutable_session_opened()->set_outbox_id("0123456789abcdef");
  return entry;
}

void WriteBlocks(const std::filesystem::path& dir) {
  Write(dir / "block", "mixed", BlockOf(Mixed()).SerializeAsString());
  std::vector<Sample> many;
  for (int i = 0; i < 40; ++i) many.push_back(Number(1 + i % 3, 1700000000 + i, i / 7.0));
  Write(dir / "block", "numbers", BlockOf(many).SerializeAsString());
  Write(dir / "frame_group", "live", GroupOf(Session("t"), mvmd::twin::v1alpha1::LANE_LIVE).SerializeAsString());
  FrameGroup plain;
  plain.set_codec(mvmd::twin::v1alpha1::CODEC_IDENTITY);
  plain.set_lane(mvmd::twin::v1alpha1::LANE_BACKFILL);
  plain.set_data(BatchOf({Samples(9), Gap(10)}));
  plain.set_raw_bytes(static_cast<uint32_t>(plain.data().size()));
  Write(dir / "frame_group", "identity", plain.SerializeAsString());
}

void WriteLogs(const std::filesystem::path& dir) {
  LogEntry frames;
  frames.set_time_unix_ns(1'700'000'001'000'000'000);
  frames.mutable_frames_received()->set_session(1);
  *frames.mutable_frames_received()->mutable_group() = GroupOf(Session("t"), mvmd::twin::v1alpha1::LANE_LIVE);
  LogEntry put;
  put.mutable_document_put()->set_twin("t");
  put.mutable_document_put()->set_document(kDocument);
  LogEntry patch;
  patch.mutable_overlay_patched()->set_twin("t");
  patch.mutable_overlay_patched()->set_merge_patch(R"({"name":"m","sensors":[{"id":"a","unit":null}]})");
  LogEntry removed;
  removed.mutable_twin_deleted()->set_twin("t");
  LogEntry closed;
  closed.mutable_session_closed()->set_bridge(kBridge);
  closed.mutable_session_closed()->set_session(1);
  std::string bridge_log;
  for (const LogEntry& entry : {Opened(1), frames, patch, frames, closed, Opened(2)}) {
    bridge_log += Step(0, entry.SerializeAsString());
  }
  Write(dir / "log", "bridge", bridge_log);
  std::string client_log;
  for (const LogEntry& entry : {put, patch, put, removed, put}) client_log += Step(0, entry.SerializeAsString());
  Write(dir / "log", "client", client_log);
}

void WriteSessions(const std::filesystem::path& dir) {
  std::string good("\x01\x01\x06", 3);  // Hello with epoch 1; applied
  good += Step(2, BatchOf(Session("t")));
  good += "\x06";
  good += Step(4, BatchOf({Samples(6), Samples(7), Gap(8)}));
  good += std::string("\x06\x05\x20\x07\x00", 5);
  Write(dir / "sync", "good", good);
  std::string refused("\x01\x02\x06", 3);
  refused += Step(2, BatchOf(Session("forbidden")));
  refused += std::string("\x06\x07\x01\x05\xff\x07\x02", 7);
  Write(dir / "sync", "forbidden", refused);
  SyncRequest request;
  request.mutable_report()->set_outbox_rows(5);
  request.mutable_report()->add_issues()->set_reason("X");
  SyncRequest probe;
  probe.mutable_clock_probe()->set_bridge_time_unix_ns(1);
  std::string talk("\x01\x01\x06", 3);
  talk += Step(0, request.SerializeAsString()) + Step(0, probe.SerializeAsString());
  Write(dir / "sync", "reports", talk);
}

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: mvmd_fuzz_seeds DIR\n");
    return 2;
  }
  const std::filesystem::path dir = argv[1];
  mvmd::WriteBlocks(dir);
  mvmd::WriteLogs(dir);
  mvmd::WriteSessions(dir);
  return 0;
}
