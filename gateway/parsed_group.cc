// A FrameBatch has one field, `repeated Frame frames = 1`, so on the wire it is
//
//   ( 0x0a  length  Frame )*
//
// It is cut here and not by protobuf: so the size of each frame is known before it is parsed, and one that is not a
// Frame does not take the others with it.
#include "gateway/parsed_group.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr uint32_t kFramesTag = (pb::FrameBatch::kFramesFieldNumber << 3) | 2;

absl::Status BadGroup(absl::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "GROUP_MALFORMED", message);
}

absl::Status BadFrame(absl::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "FRAME_MALFORMED", message);
}

absl::Status ParseFrame(absl::string_view bytes, const GroupLimits& limits, pb::Frame* message, uint64_t* samples_left,
                        ParsedGroup::Frame* frame) {
  // Too large is told after the parse, when the seq is known: without it nobody could be told which one it is.
  const bool parsed = message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  if (!parsed)
    return BadFrame(
        absl::StrCat("frame ", message->seq(), ": expected a Frame, got ", bytes.size(), " bytes that are none"));
  if (bytes.size() > limits.frame_bytes_max) {
    return MakeError(absl::StatusCode::kInvalidArgument, "FRAME_TOO_LARGE",
                     absl::StrCat("frame ", message->seq(), ": expected at most ", limits.frame_bytes_max,
                                  " bytes, got ", bytes.size()));
  }
  switch (message->payload_case()) {
    case pb::Frame::PAYLOAD_NOT_SET:
      return BadFrame(absl::StrCat("frame ", message->seq(), ": expected a payload that this gateway knows, got none"));
    case pb::Frame::kBlock: {
      const uint64_t samples = message->block().count();
      if (samples <= kBlockSamplesMax && samples > *samples_left) {
        return MakeError(absl::StatusCode::kResourceExhausted, "GROUP_TOO_LARGE",
                         absl::StrCat("group: expected at most ", kGroupSamplesMax, " samples, got more"));
      }
      if (samples <= kBlockSamplesMax) *samples_left -= samples;
      auto block = std::make_unique<DecodedBlock>();
      if (absl::Status status = DecodeBlock(message->block(), block.get()); !status.ok()) {
        return MakeError(status.code(), "BLOCK_MALFORMED",
                         absl::StrCat("frame ", message->seq(), ": ", status.message()));
      }
      frame->block = std::move(block);
      return absl::OkStatus();
    }
    default:
      return absl::OkStatus();
  }
}

size_t BytesOf(const DecodedBlock& block) {
  size_t bytes = sizeof(block) + block.runs.capacity() * sizeof(block.runs[0]) +
                 block.times_unix_ns.capacity() * sizeof(int64_t) + block.numbers.capacity() * sizeof(double) +
                 block.qualities.capacity() + block.text_index.capacity() * sizeof(uint32_t);
  for (const std::string& text : block.texts) bytes += sizeof(text) + text.capacity();
  return bytes;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ParsedGroup>> ParseGroup(const pb::FrameGroup& group, const GroupLimits& limits,
                                                              FrameGroupCodec* codec) {
  std::string batch;
  if (absl::Status status = codec->Decode(group, limits.raw_bytes_max, &batch); !status.ok()) return status;

  auto parsed = std::make_shared<ParsedGroup>();
  parsed->lane = group.lane();
  uint64_t samples_left = kGroupSamplesMax;
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(batch.data()),
                                               static_cast<int>(batch.size()));
  while (true) {
    const int offset = input.CurrentPosition();
    const uint32_t tag = input.ReadTag();
    if (tag == 0 && static_cast<size_t>(input.CurrentPosition()) == batch.size()) break;
    uint32_t length = 0;
    if (tag != kFramesTag || !input.ReadVarint32(&length) ||
        length > batch.size() - static_cast<size_t>(input.CurrentPosition())) {
      return BadGroup(absl::StrCat("group: expected frames in a FrameBatch, got something else at byte ", offset,
                                   " of ", batch.size()));
    }
    if (parsed->frames.size() == limits.frames_max) {
      return MakeError(absl::StatusCode::kResourceExhausted, "GROUP_TOO_LARGE",
                       absl::StrCat("group: expected at most ", limits.frames_max, " frames, got more"));
    }
    const absl::string_view bytes(batch.data() + input.CurrentPosition(), length);
    input.Skip(static_cast<int>(length));

    auto* message = google::protobuf::Arena::CreateMessage<pb::Frame>(&parsed->arena);
    ParsedGroup::Frame& frame = parsed->frames.emplace_back();
    frame.frame = message;
    frame.status = ParseFrame(bytes, limits, message, &samples_left, &frame);
    if (absl::IsResourceExhausted(frame.status)) return frame.status;
    if (message->seq() == 0) {
      // Nobody could be told what became of it.
      return BadGroup(absl::StrCat("group: frame ", parsed->frames.size(), ": expected a seq above 0, got none"));
    }
    if (frame.block != nullptr) {
      parsed->sample_count += frame.block->times_unix_ns.size();
      parsed->bytes += BytesOf(*frame.block);
    }
  }
  if (parsed->frames.empty()) return BadGroup("group: expected at least one frame, got none");
  parsed->bytes += sizeof(ParsedGroup) + parsed->frames.capacity() * sizeof(ParsedGroup::Frame) +
                   static_cast<size_t>(parsed->arena.SpaceAllocated());
  return std::shared_ptr<const ParsedGroup>(std::move(parsed));
}

absl::StatusOr<std::shared_ptr<const ParsedGroup>> ParseLoggedGroup(const pb::FrameGroup& group,
                                                                    FrameGroupCodec* codec) {
  constexpr GroupLimits kLogLimits = {
      .raw_bytes_max = size_t{1} << 30, .frame_bytes_max = size_t{1} << 30, .frames_max = size_t{1} << 24};
  return ParseGroup(group, kLogLimits, codec);
}

bool IsForbiddenBinding(const pb::FramesReceived& received, uint32_t binding) {
  const auto& forbidden = received.forbidden_bindings();
  return std::binary_search(forbidden.begin(), forbidden.end(), binding);
}

}  // namespace mvmd
