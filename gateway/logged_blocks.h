// The blocks of a group of frames that is in the log: what readers of the past want of it.
#ifndef MVMD_GATEWAY_LOGGED_BLOCKS_H_
#define MVMD_GATEWAY_LOGGED_BLOCKS_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "google/protobuf/arena.h"
#include "mvmd/twin/v1alpha1/block.pb.h"
#include "mvmd/twin/v1alpha1/log.pb.h"
#include "twin/block.h"
#include "twin/frame_group.h"

namespace mvmd {

// Reads one group after the other; keeps its buffers. Thread-compatible.
class LoggedBlocks {
 public:
  struct Place {
    uint32_t frame = 0;  // index in the group
    uint64_t seq = 0;
  };
  using IsWanted = absl::FunctionRef<bool(uint32_t binding)>;
  // `block` is good for the call only.
  using Each = absl::FunctionRef<void(const Place& place, const DecodedBlock& block)>;

  // Calls `each` for the blocks, in order, that have a wanted binding, can be read, and were not refused by the
  // session. Only these are decoded. What of them was applied is for the state to say. A group that cannot be read was
  // not applied either.
  void ForEach(const mvmd::twin::v1alpha1::FramesReceived& received, IsWanted is_wanted, Each each);

 private:
  void ForEachParsed(const mvmd::twin::v1alpha1::FramesReceived& received, Each each);

  google::protobuf::Arena arena_;
  FrameGroupCodec codec_;
  std::string raw_;
  DecodedBlock block_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_LOGGED_BLOCKS_H_
