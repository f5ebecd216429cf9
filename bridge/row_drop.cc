#include "bridge/row_drop.h"

#include <algorithm>

#include "absl/types/span.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// Samples of one row that is made: far below every limit of a frame, whatever their texts.
constexpr size_t kSamplesOfRow = 128;

// Covers both; what only one of them knows is not known.
void Merge(const pb::Gap& from, pb::Gap* into) {
  const bool times_known = into->end_time_unix_ns() != 0 && from.end_time_unix_ns() != 0;
  into->set_start_time_unix_ns(times_known ? std::min(into->start_time_unix_ns(), from.start_time_unix_ns()) : 0);
  into->set_end_time_unix_ns(times_known ? std::max(into->end_time_unix_ns(), from.end_time_unix_ns()) : 0);
  into->set_count(into->count() != 0 && from.count() != 0 ? into->count() + from.count() : 0);
  into->set_first_seq(std::min(into->first_seq(), from.first_seq()));
  into->set_last_seq(std::max(into->last_seq(), from.last_seq()));
  if (into->sensor() != from.sensor()) into->clear_sensor();
  if (into->reason() != from.reason()) into->clear_reason();
}

std::vector<pb::Gap> MergeAll(std::vector<pb::Gap> gaps) {
  pb::Gap all = std::move(gaps.front());
  for (size_t i = 1; i < gaps.size(); ++i) Merge(gaps[i], &all);
  all.clear_twin();
  all.clear_sensor();
  std::vector<pb::Gap> one;
  one.push_back(std::move(all));
  return one;
}

}  // namespace

uint64_t RowDrop::Plan::bytes() const {
  uint64_t bytes = 0;
  for (const auto& [seq, row] : rows) bytes += row.frame.size();
  return bytes;
}

bool RowDrop::IsOfDrop(const pb::Frame& frame) {
  const pb::Gap::Reason reason = frame.gap().reason();
  return frame.has_gap() && (reason == pb::Gap::REASON_OUTBOX_FULL || reason == pb::Gap::REASON_TOO_OLD);
}

bool RowDrop::Add(const pb::Frame& frame) {
  if (IsOfDrop(frame)) {
    gaps_.push_back(frame.gap());
    gaps_.back().clear_covered();
    for (const pb::Interval& covered : frame.gap().covered()) covered_.Add(covered.first(), covered.last());
  } else if (frame.has_block() && DecodeBlock(frame.block(), &block_).ok()) {
    for (const DecodedBlock::Run& run : block_.runs) {
      bindings_.insert(run.binding);
      for (uint32_t i = run.begin; i < run.begin + run.count; ++i) {
        samples_.push_back({frame.seq(), Sample{.binding = run.binding,
                                                .time_unix_ns = block_.times_unix_ns[i],
                                                .value = block_.ValueAt(run, i),
                                                .quality = block_.QualityAt(i)}});
      }
    }
  } else {
    return false;
  }
  seqs_.Add(frame.seq());
  last_seq_ = frame.seq();
  return true;
}

std::vector<pb::Gap> RowDrop::GapsWithout(const std::vector<bool>& stays) const {
  std::map<uint32_t, pb::Gap> by_binding;
  for (size_t i = 0; i < samples_.size(); ++i) {
    if (stays[i]) continue;
    const int64_t time_unix_ns = samples_[i].sample.time_unix_ns;
    const auto [found, is_new] = by_binding.try_emplace(samples_[i].sample.binding);
    pb::Gap& gap = found->second;
    if (is_new) {
      gap.set_first_seq(samples_[i].seq);
      gap.set_start_time_unix_ns(time_unix_ns);
      gap.set_end_time_unix_ns(time_unix_ns);
      gap.set_reason(reason_);
    }
    gap.set_last_seq(samples_[i].seq);
    gap.set_start_time_unix_ns(std::min(gap.start_time_unix_ns(), time_unix_ns));
    gap.set_end_time_unix_ns(std::max(gap.end_time_unix_ns(), time_unix_ns));
    gap.set_count(gap.count() + 1);
  }
  std::map<std::pair<std::string, int>, pb::Gap> by_twin;
  const auto add = [&by_twin](const pb::Gap& gap) {
    const auto [found, is_new] = by_twin.try_emplace({gap.twin(), static_cast<int>(gap.reason())}, gap);
    if (!is_new) Merge(gap, &found->second);
  };
  for (const pb::Gap& gap : gaps_) add(gap);
  for (auto& [binding, gap] : by_binding) {
    if (const auto name = name_(binding); name.has_value()) {
      gap.set_twin(name->first);
      gap.set_sensor(name->second);
    }
    add(gap);
  }
  std::vector<pb::Gap> gaps;
  for (auto& [twin, gap] : by_twin) gaps.push_back(std::move(gap));
  return gaps;
}

std::optional<RowDrop::Plan> RowDrop::Make(const absl::flat_hash_set<uint32_t>& superseded, bool keep_newest) const {
  Plan plan;
  std::vector<bool> stays(samples_.size(), false);
  std::vector<Sample> kept;
  if (keep_newest) {
    absl::flat_hash_set<uint32_t> seen = superseded;
    for (size_t i = samples_.size(); i > 0; --i) {
      if (!seen.insert(samples_[i - 1].sample.binding).second) continue;
      stays[i - 1] = true;
      kept.push_back(samples_[i - 1].sample);
    }
    std::reverse(kept.begin(), kept.end());
  }
  plan.samples = samples_.size() - kept.size();
  if (plan.samples == 0) return std::nullopt;
  std::vector<pb::Gap> gaps = GapsWithout(stays);
  const uint64_t rows_before = seqs_.Count();
  const uint64_t blocks = (kept.size() + kSamplesOfRow - 1) / kSamplesOfRow;
  // Gaps may take a part of what they stand for.
  if (blocks + gaps.size() > std::max<uint64_t>(rows_before / 2, blocks + 1)) gaps = MergeAll(std::move(gaps));
  const uint64_t rows_after = blocks + gaps.size();
  if (rows_after > rows_before) return std::nullopt;

  // The highest numbers, and what goes is covered by the last of them.
  std::vector<uint64_t> numbers;
  for (const IntervalSet::Closed& interval : seqs_.ToVector()) {
    for (uint64_t seq = interval.first; seq <= interval.last; ++seq) numbers.push_back(seq);
  }
  numbers.erase(numbers.begin(), numbers.end() - static_cast<std::ptrdiff_t>(rows_after));
  plan.covered = seqs_;
  for (const uint64_t number : numbers) plan.covered.Remove(number, number);
  plan.covered.AddAll(covered_);
  plan.covered.ToProto(gaps.back().mutable_covered());
  auto number = numbers.begin();
  pb::Frame frame;
  for (size_t begin = 0; begin < kept.size(); begin += kSamplesOfRow) {
    frame.set_seq(*number);
    EncodeBlock(absl::MakeConstSpan(kept).subspan(begin, std::min(kSamplesOfRow, kept.size() - begin)),
                frame.mutable_block());
    plan.rows[*number++] = {.is_block = true, .frame = frame.SerializeAsString()};
  }
  for (pb::Gap& gap : gaps) {
    frame.set_seq(*number);
    *frame.mutable_gap() = std::move(gap);
    plan.rows[*number++] = {.is_block = false, .frame = frame.SerializeAsString()};
  }
  return plan;
}

}  // namespace mvmd
