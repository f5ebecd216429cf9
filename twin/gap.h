// Words for gaps.
#ifndef MVMD_TWIN_GAP_H_
#define MVMD_TWIN_GAP_H_

#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/block.pb.h"

namespace mvmd {

// `OUTBOX_FULL` and the like: as metrics and people have it. `UNSPECIFIED` for what this version does not know.
absl::string_view GapReason(mvmd::twin::v1alpha1::Gap::Reason reason);

}  // namespace mvmd

#endif  // MVMD_TWIN_GAP_H_
