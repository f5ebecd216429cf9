#include "twin/interval_set.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <limits>

#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();

// The interval that contains `number`, or the end.
std::map<uint64_t, uint64_t>::const_iterator FindContaining(const std::map<uint64_t, uint64_t>& intervals,
                                                            uint64_t number) {
  auto after = intervals.upper_bound(number);
  if (after == intervals.begin()) return intervals.end();
  --after;
  return after->second >= number ? after : intervals.end();
}

}  // namespace

void IntervalSet::Add(uint64_t first, uint64_t last) {
  assert(first <= last);
  auto after = intervals_.upper_bound(first);
  auto at = intervals_.end();
  if (after != intervals_.begin()) {
    const auto before = std::prev(after);
    // Overlaps or touches; `first` is larger than before->first, so first - 1 does not wrap unless they are equal.
    if (before->second >= first || before->second == first - 1) at = before;
  }
  if (at == intervals_.end()) {
    at = intervals_.emplace_hint(after, first, last);
  } else {
    at->second = std::max(at->second, last);
  }
  // Swallow what follows.
  auto next = std::next(at);
  while (next != intervals_.end() && (at->second == kLargest || next->first <= at->second + 1)) {
    at->second = std::max(at->second, next->second);
    next = intervals_.erase(next);
  }
}

void IntervalSet::AddAll(const IntervalSet& other) {
  if (&other == this) return;
  for (const auto& [first, last] : other.intervals_) Add(first, last);
}

void IntervalSet::Remove(uint64_t first, uint64_t last) {
  assert(first <= last);
  auto it = intervals_.upper_bound(first);
  if (it != intervals_.begin()) {
    const auto before = std::prev(it);
    const uint64_t before_last = before->second;
    if (before_last >= first) {
      if (before->first == first) {
        intervals_.erase(before);
      } else {
        before->second = first - 1;
      }
      if (before_last > last) {
        intervals_.emplace_hint(it, last + 1, before_last);
        return;
      }
    }
  }
  while (it != intervals_.end() && it->first <= last) {
    const uint64_t it_last = it->second;
    it = intervals_.erase(it);
    if (it_last > last) {
      intervals_.emplace_hint(it, last + 1, it_last);
      return;
    }
  }
}

bool IntervalSet::Contains(uint64_t number) const { return FindContaining(intervals_, number) != intervals_.end(); }

bool IntervalSet::ContainsAll(uint64_t first, uint64_t last) const {
  const auto it = FindContaining(intervals_, first);
  return it != intervals_.end() && it->second >= last;
}

uint64_t IntervalSet::Count() const {
  uint64_t count = 0;
  for (const auto& [first, last] : intervals_) {
    if (last - first == kLargest) return kLargest;
    count += last - first + 1;
  }
  return count;
}

uint64_t IntervalSet::FirstMissing(uint64_t from) const {
  const auto it = FindContaining(intervals_, from);
  if (it == intervals_.end()) return from;
  return it->second == kLargest ? kLargest : it->second + 1;
}

std::optional<uint64_t> IntervalSet::FirstPresent(uint64_t from) const {
  if (Contains(from)) return from;
  const auto it = intervals_.upper_bound(from);
  if (it == intervals_.end()) return std::nullopt;
  return it->first;
}

std::vector<IntervalSet::Closed> IntervalSet::ToVector() const {
  std::vector<Closed> out;
  out.reserve(intervals_.size());
  for (const auto& [first, last] : intervals_) out.push_back({first, last});
  return out;
}

std::vector<IntervalSet::Closed> IntervalSet::Missing(uint64_t first, uint64_t last) const {
  assert(first <= last);
  std::vector<Closed> out;
  uint64_t from = first;  // everything in [first, from) is told
  auto it = intervals_.upper_bound(first);
  if (it != intervals_.begin() && std::prev(it)->second >= first) --it;
  for (; it != intervals_.end() && it->first <= last; ++it) {
    if (it->first > from) out.push_back({from, it->first - 1});
    if (it->second >= last) return out;
    from = it->second + 1;
  }
  out.push_back({from, last});
  return out;
}

void IntervalSet::ToProto(google::protobuf::RepeatedPtrField<mvmd::twin::v1alpha1::Interval>* out) const {
  out->Clear();
  out->Reserve(static_cast<int>(intervals_.size()));
  for (const auto& [first, last] : intervals_) {
    auto* interval = out->Add();
    interval->set_first(first);
    interval->set_last(last);
  }
}

absl::StatusOr<IntervalSet> IntervalSet::FromProto(
    const google::protobuf::RepeatedPtrField<mvmd::twin::v1alpha1::Interval>& intervals) {
  IntervalSet set;
  for (const auto& interval : intervals) {
    if (interval.first() > interval.last()) {
      return absl::InvalidArgumentError(
          absl::StrCat("interval is reversed: first ", interval.first(), ", last ", interval.last()));
    }
    set.Add(interval.first(), interval.last());
  }
  return set;
}

}  // namespace mvmd
