// Frame groups as a peer sends them: within the limits whatever is in them, and frames that are wrong have a status.
#include "gateway/parsed_group.h"
#include "mvmd/twin/v1alpha1/block.pb.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  mvmd::twin::v1alpha1::FrameGroup group;
  if (!group.ParseFromArray(data, static_cast<int>(size))) return -1;
  const GroupLimits limits{.raw_bytes_max = 1 << 16, .frame_bytes_max = 1 << 12, .frames_max = 256};
  FrameGroupCodec codec;
  const auto parsed = ParseGroup(group, limits, &codec);
  if (!parsed.ok()) return 0;
  Ensure(!(*parsed)->frames.empty() && (*parsed)->frames.size() <= limits.frames_max);
  for (const ParsedGroup::Frame& frame : (*parsed)->frames) {
    Ensure(frame.frame->seq() != 0);
    if (frame.block != nullptr) Ensure(frame.status.ok());
  }
  // What a session let through can be read again from the log.
  Ensure(ParseLoggedGroup(group, &codec).ok());
  return 0;
}
