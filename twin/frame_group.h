// FrameGroup: frames compressed together, with a bounded inflate.
#ifndef MVMD_TWIN_FRAME_GROUP_H_
#define MVMD_TWIN_FRAME_GROUP_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/block.pb.h"

namespace mvmd {

// Appends `frame` (a serialized Frame) to `batch` (a serialized FrameBatch).
void AppendFrame(absl::string_view frame, std::string* batch);

// Holds a zstd context; not thread-safe, one per stream or thread.
class FrameGroupCodec {
 public:
  FrameGroupCodec();
  ~FrameGroupCodec();

  // Compresses a serialized FrameBatch; falls back to identity when that is shorter. `level` 1 to 19.
  void Encode(absl::string_view batch, mvmd::twin::v1alpha1::Lane lane, int level,
              mvmd::twin::v1alpha1::FrameGroup* group);

  // Inflates at most `raw_bytes_max` bytes. INVALID_ARGUMENT: damaged, raw_bytes does not match, or an unknown codec;
  // RESOURCE_EXHAUSTED: larger than allowed. `batch` is overwritten.
  absl::Status Decode(const mvmd::twin::v1alpha1::FrameGroup& group, size_t raw_bytes_max, std::string* batch);

 private:
  struct Contexts;
  std::unique_ptr<Contexts> contexts_;
};

}  // namespace mvmd

#endif  // MVMD_TWIN_FRAME_GROUP_H_
