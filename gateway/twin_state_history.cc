// Which part of the log has samples of which sensor, and of what times: so that a reader of one sensor's past skips
// most of the log.
//
// The log is cut into segments of kSegmentRevisions; a segment has a row for every sensor in it. Rows are bounded: when
// there are too many, the two neighbours with the shortest span become one (the oldest first), so that segments get
// coarser the longer the log is, evenly, and with the same sensors in both, half of their rows go.
#include <algorithm>
#include <iterator>
#include <utility>

#include "gateway/twin_state_impl.h"

namespace mvmd {
namespace {

constexpr uint64_t SegmentStart(uint64_t revision) {
  return (revision - 1) / kSegmentRevisions * kSegmentRevisions + 1;
}

}  // namespace

void TwinState::Impl::SegmentRow::Add(const SegmentRow& other) {
  first_time_unix_ns = std::min(first_time_unix_ns, other.first_time_unix_ns);
  last_time_unix_ns = std::max(last_time_unix_ns, other.last_time_unix_ns);
  has_backfill |= other.has_backfill;
}

void TwinState::Impl::AddToSegment(Sensor* sensor, int64_t first_unix_ns, int64_t last_unix_ns,
                                   const Context& context) {
  const uint64_t revision = context.revision;
  if (segments.empty() || revision > segments.back().last_revision) {
    if (!segments.empty()) CloseSegment();
    const uint64_t start = SegmentStart(revision);
    segments.push_back({start, start + kSegmentRevisions - 1, {}});
  }
  Segment& open = segments.back();
  open_segment_dirty = true;
  const SegmentRow added{sensor, first_unix_ns, last_unix_ns, context.backfill};
  if (sensor->segment != open.first_revision) {
    sensor->segment = open.first_revision;
    sensor->segment_row = static_cast<uint32_t>(open.rows.size());
    open.rows.push_back(added);
    ++segment_rows;
    return;
  }
  open.rows[sensor->segment_row].Add(added);
}

void TwinState::Impl::CloseSegment() {
  Segment& open = segments.back();
  std::sort(open.rows.begin(), open.rows.end(),
            [](const SegmentRow& a, const SegmentRow& b) { return a.sensor->number < b.sensor->number; });
  open.rows.shrink_to_fit();
  SaveSegment(open);
  while (segments.size() >= 2 && (segment_rows > limits.history_rows_max || segments.size() > kSegmentsMax)) {
    MergeSegments();
  }
}

void TwinState::Impl::MergeSegments() {
  size_t best = 0;
  uint64_t best_span = std::numeric_limits<uint64_t>::max();
  for (size_t i = 0; i + 1 < segments.size(); ++i) {
    const uint64_t span = segments[i + 1].last_revision - segments[i].first_revision;
    if (span < best_span) {
      best_span = span;
      best = i;
    }
  }
  Segment& into = segments[best];
  const Segment& from = segments[best + 1];
  std::vector<SegmentRow> rows;
  rows.reserve(std::max(into.rows.size(), from.rows.size()));
  auto a = into.rows.begin();
  auto b = from.rows.begin();
  while (a != into.rows.end() || b != from.rows.end()) {
    if (b == from.rows.end() || (a != into.rows.end() && a->sensor->number < b->sensor->number)) {
      rows.push_back(*a++);
    } else if (a == into.rows.end() || b->sensor->number < a->sensor->number) {
      rows.push_back(*b++);
    } else {
      rows.push_back(*a++);
      rows.back().Add(*b++);
    }
  }
  rows.shrink_to_fit();
  segment_rows -= into.rows.size() + from.rows.size() - rows.size();
  into.rows = std::move(rows);
  into.last_revision = from.last_revision;
  SaveSegment(into);
  DeleteRecord(SegmentKey(from.first_revision));
  segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(best) + 1);
}

std::vector<RevisionRange> TwinState::SegmentsOf(const SensorRef* sensor, int64_t start_unix_ns, int64_t end_unix_ns,
                                                 uint64_t first_revision, bool backfill) const {
  std::vector<RevisionRange> ranges;
  const Impl::Twin* twin = impl_->FindTwin(sensor->twin);
  if (twin == nullptr || twin->deleted()) return ranges;
  const auto by_name = twin->sensors_by_name.find(sensor->sensor);
  if (by_name == twin->sensors_by_name.end()) return ranges;
  const uint32_t number = by_name->second->number;
  if (!twin->deleted_spans.empty()) {
    first_revision = std::max(first_revision, twin->deleted_spans.back().first_revision);
  }
  const auto begin =
      std::partition_point(impl_->segments.begin(), impl_->segments.end(),
                           [&](const Impl::Segment& segment) { return segment.last_revision < first_revision; });
  for (auto segment = begin; segment != impl_->segments.end(); ++segment) {
    const Impl::SegmentRow* row = nullptr;
    if (std::next(segment) == impl_->segments.end()) {
      if (by_name->second->segment == segment->first_revision) row = &segment->rows[by_name->second->segment_row];
    } else {
      const auto found =
          std::lower_bound(segment->rows.begin(), segment->rows.end(), number,
                           [](const Impl::SegmentRow& a, uint32_t wanted) { return a.sensor->number < wanted; });
      if (found != segment->rows.end() && found->sensor->number == number) row = &*found;
    }
    if (row == nullptr || row->last_time_unix_ns < start_unix_ns) continue;
    if (row->first_time_unix_ns >= end_unix_ns && end_unix_ns != std::numeric_limits<int64_t>::max()) continue;
    if (backfill && !row->has_backfill) continue;
    ranges.push_back(
        {std::max(segment->first_revision, first_revision), std::min(segment->last_revision, applied_revision_)});
  }
  return ranges;
}

}  // namespace mvmd
