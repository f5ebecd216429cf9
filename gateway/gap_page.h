// Pages of a twin's gaps, for ListGaps.
#ifndef MVMD_GATEWAY_GAP_PAGE_H_
#define MVMD_GATEWAY_GAP_PAGE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "gateway/request_errors.h"
#include "gateway/twin_state.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"

namespace mvmd {

// Where a page begins: behind so many gaps of a revision.
struct GapPosition {
  uint64_t revision = 0;
  uint64_t taken = 0;
};

// Could the gap have samples with start <= time < end? One whose times are not known could have any.
bool GapIsInRange(const mvmd::twin::v1alpha1::Gap& gap, int64_t start_unix_ns, int64_t end_unix_ns);

// What is wrong goes to `errors`; the position is that of the page token.
GapPosition CheckGapsRequest(const mvmd::twin::v1alpha1::ListGapsRequest& request, RequestErrors* errors);

// Of a checked request. NOT_FOUND (reason TWIN_NOT_FOUND) when the twin has neither a document nor gaps.
absl::Status FillGapPage(const TwinState& state, const mvmd::twin::v1alpha1::ListGapsRequest& request, GapPosition from,
                         mvmd::twin::v1alpha1::ListGapsResponse* response);

}  // namespace mvmd

#endif  // MVMD_GATEWAY_GAP_PAGE_H_
