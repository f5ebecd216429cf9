#include "bridge/gap_builder.h"

#include <algorithm>

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

void GapBuilder::Add(absl::string_view twin, absl::string_view sensor, int64_t arrival_unix_ns, uint64_t count) {
  std::pair<std::string, std::string> place(twin, sensor);
  if (gaps_.size() >= kPlacesMax && !gaps_.contains(place)) place.second.clear();
  if (gaps_.size() >= 2 * kPlacesMax && !gaps_.contains(place)) place.first.clear();
  pb::Gap& gap = gaps_[place];
  if (gap.count() == 0) {
    gap.set_twin(place.first);
    gap.set_sensor(place.second);
    gap.set_start_time_unix_ns(arrival_unix_ns);
    gap.set_end_time_unix_ns(arrival_unix_ns);
    gap.set_reason(pb::Gap::REASON_UNREADABLE);
  }
  gap.set_start_time_unix_ns(std::min(gap.start_time_unix_ns(), arrival_unix_ns));
  gap.set_end_time_unix_ns(std::max(gap.end_time_unix_ns(), arrival_unix_ns));
  gap.set_count(gap.count() + count);
}

void GapBuilder::Finish(uint64_t seq, std::vector<OutboxBatch::Row>* rows) {
  for (auto& [place, gap] : gaps_) {
    // There never was a row: the place of the record is what tells where it belongs.
    gap.set_first_seq(seq);
    gap.set_last_seq(seq);
    pb::Frame frame;
    frame.set_seq(seq++);
    *frame.mutable_gap() = std::move(gap);
    rows->push_back({RowKind::kGap, frame.SerializeAsString()});
  }
  gaps_.clear();
}

}  // namespace mvmd
