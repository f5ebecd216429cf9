#include "gateway/logged_blocks.h"

#include <limits>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "gateway/parsed_group.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

absl::flat_hash_set<uint64_t> RefusedOf(const pb::FramesReceived& received) {
  absl::flat_hash_set<uint64_t> seqs;
  for (const pb::RefusedFrame& refused : received.refused()) seqs.insert(refused.seq());
  return seqs;
}

bool HasWanted(const pb::Block& block, LoggedBlocks::IsWanted is_wanted) {
  uint32_t binding = 0;
  for (const uint32_t delta : block.binding_deltas()) {
    binding += delta;
    if (is_wanted(binding)) return true;
  }
  return false;
}

}  // namespace

void LoggedBlocks::ForEach(const pb::FramesReceived& received, IsWanted is_wanted, Each each) {
  // The log has what the session let through: its limits do not count here.
  if (!codec_.Decode(received.group(), std::numeric_limits<int32_t>::max(), &raw_).ok()) return;
  arena_.Reset();
  pb::FrameBatch& batch = *google::protobuf::Arena::CreateMessage<pb::FrameBatch>(&arena_);
  if (!batch.ParseFromString(raw_)) return ForEachParsed(received, each);
  const absl::flat_hash_set<uint64_t> refused = RefusedOf(received);
  for (int i = 0; i < batch.frames_size(); ++i) {
    const pb::Frame& frame = batch.frames(i);
    if (!frame.has_block() || refused.contains(frame.seq()) || !HasWanted(frame.block(), is_wanted)) continue;
    if (!DecodeBlock(frame.block(), &block_).ok()) continue;
    each({static_cast<uint32_t>(i), frame.seq()}, block_);
  }
}

// The slow way, for a group in which one frame is damaged and the others are not.
void LoggedBlocks::ForEachParsed(const pb::FramesReceived& received, Each each) {
  const absl::StatusOr<std::shared_ptr<const ParsedGroup>> group = ParseLoggedGroup(received.group(), &codec_);
  if (!group.ok()) return;
  const absl::flat_hash_set<uint64_t> refused = RefusedOf(received);
  for (uint32_t i = 0; i < (*group)->frames.size(); ++i) {
    const ParsedGroup::Frame& frame = (*group)->frames[i];
    if (frame.block == nullptr || !frame.status.ok() || refused.contains(frame.frame->seq())) continue;
    each({i, frame.frame->seq()}, *frame.block);
  }
}

}  // namespace mvmd
