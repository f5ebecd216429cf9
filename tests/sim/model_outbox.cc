#include "tests/sim/model_outbox.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

void ModelOutbox::Commit(const ModelOutboxBatch& batch) {
  uint64_t seq = last_seq();
  for (const ModelOutboxBatch::Row& row : batch.rows) rows_[++seq] = row;
  bindings_.insert(bindings_.end(), batch.bindings.begin(), batch.bindings.end());
  documents_.insert(batch.documents.begin(), batch.documents.end());
  for (const auto& [sensor, n] : batch.last_numbers) last_numbers_[sensor] = n;
  const uint64_t newest = last_seq();
  for (const IntervalSet::Closed& interval : forgotten_.ToVector()) {
    rows_.erase(rows_.lower_bound(interval.first), rows_.upper_bound(std::min(interval.last, newest - 1)));
  }
}

void ModelOutbox::StartNewEpoch(const IntervalSet& applied, const IntervalSet& lost) {
  std::map<uint64_t, ModelOutboxBatch::Row> rows;
  uint64_t seq = 0;
  const auto add = [&](pb::Frame frame, bool is_declaration) {
    frame.set_seq(++seq);
    rows[seq] = {is_declaration, frame.SerializeAsString()};
  };
  for (const pb::Binding& binding : bindings_) {
    pb::Frame frame;
    *frame.mutable_bindings()->add_bindings() = binding;
    add(frame, true);
  }
  pb::Frame gap;
  gap.mutable_gap()->set_reason(pb::Gap::REASON_OUTBOX_LOST);
  if (!lost.empty()) gap.mutable_gap()->set_count(lost.Count());
  add(gap, false);
  for (const auto& [old_seq, row] : rows_) {
    pb::Frame frame;
    if (applied.Contains(old_seq) || row.is_declaration || !frame.ParseFromString(row.frame)) continue;
    add(frame, false);
  }
  rows_ = std::move(rows);
  documents_.clear();
  forgotten_.Clear();
  nonce_.clear();
  nonce_seq_.reset();
  ++epoch_;
  outbox_id_[0] = static_cast<char>(outbox_id_[0] + 1);
}

IntervalSet::Closed ModelOutbox::Extent() const {
  if (rows_.empty()) return {0, 0};
  return {rows_.begin()->first, rows_.rbegin()->first};
}

uint64_t ModelOutbox::kept_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [seq, row] : rows_) bytes += row.frame.size();
  return bytes;
}

absl::StatusOr<uint64_t> ModelOutbox::Read(uint64_t first, uint64_t last, size_t bytes_max,
                                           std::vector<OutboxRow>* rows) const {
  rows->clear();
  size_t bytes = 0;
  for (auto it = rows_.lower_bound(first); it != rows_.end() && it->first <= last; ++it) {
    if (!rows->empty() && bytes >= bytes_max) return rows->back().seq;
    bytes += it->second.frame.size();
    rows->push_back({.seq = it->first, .damaged = false, .frame = it->second.frame});
  }
  return last;
}

absl::StatusOr<std::vector<uint64_t>> ModelOutbox::DeclarationSeqs(uint64_t first, uint64_t last) const {
  std::vector<uint64_t> seqs;
  for (auto it = rows_.lower_bound(first); it != rows_.end() && it->first <= last; ++it) {
    if (it->second.is_declaration) seqs.push_back(it->first);
  }
  return seqs;
}

}  // namespace mvmd
