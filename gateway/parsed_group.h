// A FrameGroup, inflated, parsed and decoded once, then shared: by the session that checks it, the fold and the
// watchers.
#ifndef MVMD_GATEWAY_PARSED_GROUP_H_
#define MVMD_GATEWAY_PARSED_GROUP_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/arena.h"
#include "mvmd/twin/v1alpha1/block.pb.h"
#include "mvmd/twin/v1alpha1/log.pb.h"
#include "twin/block.h"
#include "twin/frame_group.h"

namespace mvmd {

// Immutable after ParseGroup.
struct ParsedGroup {
  struct Frame {
    const mvmd::twin::v1alpha1::Frame* frame;  // in `arena`
    // Decoded payload when the frame is a block that is well-formed.
    std::unique_ptr<DecodedBlock> block;
    // Why the frame cannot be applied; OK for a good one.
    absl::Status status;
  };
  google::protobuf::Arena arena;
  std::vector<Frame> frames;
  uint64_t sample_count = 0;
  mvmd::twin::v1alpha1::Lane lane = mvmd::twin::v1alpha1::LANE_LIVE;
  size_t bytes = 0;  // memory, about
};

struct GroupLimits {
  size_t raw_bytes_max = 8 << 20;    // FrameBatch before compression
  size_t frame_bytes_max = 1 << 20;  // one encoded Frame
  size_t frames_max = 1 << 17;       // bounds what a bomb of tiny frames costs
};

// INVALID_ARGUMENT or RESOURCE_EXHAUSTED when the group as a whole cannot be read (damaged compression, too large, no
// frames, too many, one without a seq): the peer broke the protocol. A frame that is wrong by itself (not a Frame, no
// payload, columns that disagree, too large) has its own status and harms no other.
absl::StatusOr<std::shared_ptr<const ParsedGroup>> ParseGroup(const mvmd::twin::v1alpha1::FrameGroup& group,
                                                              const GroupLimits& limits, FrameGroupCodec* codec);

// A group from the log: what the session let through by its limits, which may have been others than now.
absl::StatusOr<std::shared_ptr<const ParsedGroup>> ParseLoggedGroup(const mvmd::twin::v1alpha1::FrameGroup& group,
                                                                    FrameGroupCodec* codec);

// Is it in `received.forbidden_bindings`, which is sorted?
bool IsForbiddenBinding(const mvmd::twin::v1alpha1::FramesReceived& received, uint32_t binding);

}  // namespace mvmd

#endif  // MVMD_GATEWAY_PARSED_GROUP_H_
