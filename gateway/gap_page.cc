#include "gateway/gap_page.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gateway/page_token.h"
#include "gateway/sample_proto.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr size_t kPageGaps = 100;
constexpr size_t kPageGapsMax = 1000;

std::string BindingOf(const pb::ListGapsRequest& request) { return TokenBinding(request, {"page_token", "page_size"}); }

}  // namespace

bool GapIsInRange(const pb::Gap& gap, int64_t start_unix_ns, int64_t end_unix_ns) {
  const bool after = gap.start_time_unix_ns() != 0 && gap.start_time_unix_ns() >= end_unix_ns;
  const bool before = gap.end_time_unix_ns() != 0 && gap.end_time_unix_ns() < start_unix_ns;
  return !after && !before;
}

GapPosition CheckGapsRequest(const pb::ListGapsRequest& request, RequestErrors* errors) {
  if (request.twin_id().empty()) errors->Add("twin_id", "expected a twin's identifier.value, got nothing");
  errors->CheckNameSize("twin_id", request.twin_id());
  errors->CheckNameSize("sensor", request.sensor());
  if (request.page_size() < 0) {
    errors->Add("page_size",
                absl::StrCat("expected 1 to ", kPageGapsMax, ", or 0 for ", kPageGaps, ", got ", request.page_size()));
  }
  if (request.has_start_time() && request.has_end_time() &&
      UnixNanosOf(request.start_time()) > UnixNanosOf(request.end_time())) {
    errors->Add("end_time", "expected it not to be before start_time");
  }
  GapPosition from;
  if (request.page_token().empty() || !errors->ok()) return from;
  const auto position = DecodeToken("page_token", BindingOf(request), request.page_token());
  if (!position.ok() || position->size() != 2 || !absl::SimpleAtoi((*position)[0], &from.revision) ||
      !absl::SimpleAtoi((*position)[1], &from.taken)) {
    errors->Add("page_token", "expected a token of ListGaps with the same request, got another one");
  }
  return from;
}

absl::Status FillGapPage(const TwinState& state, const pb::ListGapsRequest& request, GapPosition from,
                         pb::ListGapsResponse* response) {
  response->set_applied_revision(state.applied_revision());
  std::vector<TwinGap> gaps = state.ListGaps(request.twin_id());
  if (gaps.empty()) return state.GetTwin(request.twin_id()).status();
  const size_t page_size =
      request.page_size() <= 0 ? kPageGaps : std::min(static_cast<size_t>(request.page_size()), kPageGapsMax);
  const int64_t start_unix_ns = request.has_start_time() ? UnixNanosOf(request.start_time()) : INT64_MIN;
  const int64_t end_unix_ns = request.has_end_time() ? UnixNanosOf(request.end_time()) : INT64_MAX;
  GapPosition at;  // behind the gap that was looked at last
  for (TwinGap& recorded : gaps) {
    const GapPosition here = at;
    at = recorded.revision == at.revision ? GapPosition{at.revision, at.taken + 1} : GapPosition{recorded.revision, 1};
    const bool before =
        recorded.revision < from.revision || (recorded.revision == from.revision && at.taken <= from.taken);
    const pb::Gap& gap = recorded.gap;
    const bool of_sensor = request.sensor().empty() || gap.sensor().empty() || gap.sensor() == request.sensor();
    if (before || !of_sensor || !GapIsInRange(gap, start_unix_ns, end_unix_ns)) continue;
    if (static_cast<size_t>(response->gaps_size()) == page_size) {
      response->set_next_page_token(
          EncodeToken(BindingOf(request), {absl::StrCat(here.revision), absl::StrCat(here.taken)}));
      return absl::OkStatus();
    }
    pb::RecordedGap* out = response->add_gaps();
    *out->mutable_gap() = std::move(recorded.gap);
    out->set_revision(recorded.revision);
    if (recorded.time_unix_ns != 0) SetTimestamp(recorded.time_unix_ns, out->mutable_recorded_time());
    out->set_bridge(std::move(recorded.bridge));
    out->set_epoch(recorded.epoch);
  }
  return absl::OkStatus();
}

}  // namespace mvmd
