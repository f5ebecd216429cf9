// The outbox as it is promised: a transaction is on disk whole or not at all, and once it is, it stays.
#ifndef MVMD_TESTS_SIM_MODEL_OUTBOX_H_
#define MVMD_TESTS_SIM_MODEL_OUTBOX_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bridge/uplink.h"
#include "mvmd/twin/v1alpha1/block.pb.h"

namespace mvmd {

// What one transaction writes. Seqs of `rows` follow on last_seq().
struct ModelOutboxBatch {
  struct Row {
    bool is_declaration = false;
    std::string frame;
  };
  std::vector<Row> rows;
  std::vector<mvmd::twin::v1alpha1::Binding> bindings;
  std::set<std::string> documents;                                       // twins: enqueued with these rows
  std::map<std::pair<std::string, std::string>, uint64_t> last_numbers;  // receipts, by (twin, sensor)
};

class ModelOutbox final : public OutboxReader {
 public:
  ModelOutbox(uint64_t epoch, std::string outbox_id) : epoch_(epoch), outbox_id_(std::move(outbox_id)) {}

  // On disk from now on. Deletes forgotten rows too, but never the newest one.
  void Commit(const ModelOutboxBatch& batch);
  void Forget(const IntervalSet& seqs) { forgotten_.AddAll(seqs); }
  // As Outbox::StartNewEpoch. The epoch grows by one.
  void StartNewEpoch(const IntervalSet& applied, const IntervalSet& lost);
  void KeepNonce(std::string nonce) {
    nonce_ = std::move(nonce);
    nonce_seq_.reset();
  }
  // As Outbox::Open: fixes nonce_seq().
  void Open() {
    if (!nonce_seq_.has_value()) nonce_seq_ = last_seq();
  }
  // The process is gone: what was only in memory is lost.
  void Crash() { forgotten_.Clear(); }

  IntervalSet::Closed Extent() const override;
  absl::StatusOr<uint64_t> Read(uint64_t first, uint64_t last, size_t bytes_max,
                                std::vector<OutboxRow>* rows) const override;
  uint64_t kept_bytes() const override;
  absl::StatusOr<std::vector<uint64_t>> DeclarationSeqs(uint64_t first, uint64_t last) const override;

  IntervalSet Covered() const override { return {}; }

  uint64_t epoch() const { return epoch_; }
  const std::string& outbox_id() const { return outbox_id_; }
  const std::string& nonce() const { return nonce_; }
  uint64_t nonce_seq() const { return nonce_seq_.value_or(0); }
  uint64_t last_seq() const { return rows_.empty() ? 0 : rows_.rbegin()->first; }
  const std::vector<mvmd::twin::v1alpha1::Binding>& bindings() const { return bindings_; }
  bool has_document(const std::string& twin) const { return documents_.count(twin) != 0; }
  const std::map<std::pair<std::string, std::string>, uint64_t>& last_numbers() const { return last_numbers_; }

 private:
  uint64_t epoch_;
  std::string outbox_id_;
  std::string nonce_;
  std::optional<uint64_t> nonce_seq_;
  std::map<uint64_t, ModelOutboxBatch::Row> rows_;
  std::vector<mvmd::twin::v1alpha1::Binding> bindings_;
  std::set<std::string> documents_;
  std::map<std::pair<std::string, std::string>, uint64_t> last_numbers_;
  IntervalSet forgotten_;  // in memory
};

}  // namespace mvmd

#endif  // MVMD_TESTS_SIM_MODEL_OUTBOX_H_
