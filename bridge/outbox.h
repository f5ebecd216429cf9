// Outbox: the bridge's durable queue, a SQLite file. Its rows are what the uplink sends.
#ifndef MVMD_BRIDGE_OUTBOX_H_
#define MVMD_BRIDGE_OUTBOX_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "bridge/disk_reserve.h"
#include "bridge/durable_mark.h"
#include "bridge/gap_counts.h"
#include "bridge/row_drop.h"
#include "bridge/sqlite_database.h"
#include "bridge/uplink.h"
#include "mvmd/twin/v1alpha1/block.pb.h"
#include "runtime/clock.h"
#include "twin/interval_set.h"

namespace mvmd {

// Kept in the file: never renumber.
enum class RowKind : int { kBlock = 1, kBindings = 2, kDocumentChunk = 3, kGap = 4, kCommandResult = 5 };

// What one transaction writes: rows and what must change together with them, or not at all.
struct OutboxBatch {
  struct Row {
    RowKind kind;
    std::string frame;  // a serialized Frame; its seq is Outbox::next_seq() plus the index here
  };
  std::vector<Row> rows;
  std::vector<mvmd::twin::v1alpha1::Binding> bindings;         // new ones
  std::vector<std::pair<std::string, std::string>> documents;  // twin, SHA-256: enqueued with these rows
  std::string receipts;                                        // opaque, see RedeliveryFilter; a record of the group
  std::vector<std::pair<std::string, std::string>> settings;   // see Outbox::setting

  bool empty() const {
    return rows.empty() && bindings.empty() && documents.empty() && receipts.empty() && settings.empty();
  }
  void Clear();
};

struct OutboxOptions {
  std::string path;
  uint64_t max_bytes = uint64_t{1} << 30;
  // What to do at max_bytes, or when the disk is full: nothing, so that whoever writes has to wait; or MakeRoom.
  bool drop_oldest = false;
  // Older rows are too many, whatever their size.
  absl::Duration max_age = absl::InfiniteDuration();
  // Held back on the disk. Of a small disk less, a 16th.
  uint64_t reserve_bytes = uint64_t{1} << 20;
  // Newest rows that are kept in memory, so that a healthy uplink never reads the disk.
  size_t tail_bytes = size_t{8} << 20;
  // Receipts kept: as many messages as a broker can have in flight.
  size_t receipt_messages = 65535;
  size_t receipt_bytes_per_message = 6;
  const Clock* clock = &SystemClock::Get();
};

// One file, one process (a lock beside the file), one writing thread and one reading thread.
//
//   absl::StatusOr<std::unique_ptr<Outbox>> outbox = Outbox::Open({.path = "/var/lib/mvmd/outbox.db"});
//   batch.rows.push_back({RowKind::kBlock, frame});
//   absl::Status durable = (*outbox)->Commit(batch);     // fsync'd when OK
//
// A batch is durable when Commit returned OK: WAL with synchronous=FULL. Rows carry a CRC-32C; a row that fails it is
// given to the reader as damaged, and everything else goes on. The newest row is never deleted, so that numbering goes
// on after a restart.
//
// Nothing that was durable is lost in silence. SQLite takes a damaged WAL for one that ends before the damage, so the
// newest durable seq also stands in `<path>.durable` (see durable_mark.h). When rows up to there are missing at Open,
// each gets a Gap in its place: its seq is not used again, the gateway drops the Gap of a row that it had before, and
// what is missing is recorded once, whatever happens on the way. loss() tells.
class Outbox final : public OutboxReader {
 public:
  // Creates the file (mode 0600) if need be. A file that is not a readable outbox is set aside as
  // `<path>.damaged-<time>` and a new one is made, with a Gap as its first row; `damaged_path()` tells. So does a file
  // that is gone, or empty, and had rows as its mark says.
  // FAILED_PRECONDITION: made by a newer version; ALREADY_EXISTS: another process has it; UNAVAILABLE, DATA_LOSS: the
  // disk. Blocking.
  static absl::StatusOr<std::unique_ptr<Outbox>> Open(OutboxOptions options);
  ~Outbox() override;
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // --- Writing thread.

  uint64_t next_seq() const { return last_seq_.load(std::memory_order_relaxed) + 1; }

  // One transaction; also deletes some of the forgotten rows. Nothing has changed when it fails.
  //   UNAVAILABLE         somebody holds the file's lock: try again with the same batch
  //   RESOURCE_EXHAUSTED  the disk is full: try again later
  //   DATA_LOSS           fsync failed or the file is damaged: stop the process. The kernel may have dropped the data
  //                       and a second fsync would lie, so nothing is tried again.
  absl::Status Commit(const OutboxBatch& batch);

  // Deletes forgotten rows, a bounded number at a time; true when there are more. Errors as of Commit.
  absl::StatusOr<bool> DeleteForgotten();

  // The rows kept have reached max_bytes, or the disk has no more than what it takes to delete them: nothing more
  // should be taken in. A row that is written first goes to the WAL and later to the file, so a disk that is full to
  // the last byte could not even delete; this stops before.
  bool full() const {
    return kept_bytes() >= options_.max_bytes || disk_low_.load(std::memory_order_relaxed) ||
           (too_old_.load(std::memory_order_relaxed) && !options_.drop_oldest);
  }
  // Looks at the disk, and at the age of the oldest row, again; commits do it too.
  void CheckDisk();

  // With `drop_oldest`, when full() or rows are too old: gaps take the place of the oldest samples, superseded ones
  // first, in one transaction of bounded size. Rows that were given to the reader since the start stay, and so do
  // bindings, documents, and gaps of other reasons. True when there is more to do; false too when nothing can be
  // dropped. Errors as of Commit.
  absl::StatusOr<bool> MakeRoom();

  // A row that was read as damaged: its bytes go to the table `quarantine`, of which the newest are kept, and a Gap
  // takes its place. Errors as of Commit.
  absl::Status Quarantine(uint64_t seq);

  // Drops `applied`, declares every binding anew, adds a Gap for `lost` (empty: of unknown extent), numbers all other
  // rows anew from 1 in order, and takes a new epoch and outbox id. Documents count as not enqueued. Errors as of
  // Commit.
  absl::Status StartNewEpoch(const IntervalSet& applied, const IntervalSet& lost);

  // What the gateway gave this outbox, to be presented next time: a copy of the file cannot keep up with it. In one
  // transaction, and void in a new epoch. Errors as of Commit.
  absl::Status KeepNonce(absl::string_view nonce);
  // Empty when none was kept in this epoch.
  std::string nonce() const { return setting(kNonceSetting); }
  // Newest row when the file was first opened after the nonce was kept (or, if there is none, at all).
  uint64_t nonce_seq() const;

  // As read at Open; empty after that. After a loss the last one has no names: its id, and those between, may have been
  // declared in rows that are lost, and must not be given to others.
  std::vector<mvmd::twin::v1alpha1::Binding> TakeBindings();
  // Oldest first.
  std::vector<std::string> TakeReceipts();
  // SHA-256 of the twin's document that was last enqueued in this epoch; empty when none was.
  std::string DocumentSha256(absl::string_view twin) const;
  // Small durable values; empty when not set.
  std::string setting(absl::string_view key) const;

  // --- Reading thread.

  IntervalSet::Closed Extent() const override;
  absl::StatusOr<uint64_t> Read(uint64_t first, uint64_t last, size_t bytes_max,
                                std::vector<OutboxRow>* rows) const override;
  absl::StatusOr<std::vector<uint64_t>> DeclarationSeqs(uint64_t first, uint64_t last) const override;
  IntervalSet Covered() const override;

  // --- Any thread.

  // These rows are no longer needed; they are deleted with a later transaction.
  void Forget(const IntervalSet& seqs);
  bool has_forgotten() const { return forgotten_rows_.load(std::memory_order_relaxed) > 0; }

  uint64_t epoch() const { return epoch_.load(); }
  std::string outbox_id() const;
  uint64_t last_seq() const { return last_seq_.load(std::memory_order_acquire); }
  // Rows kept less those forgotten, and bytes on disk of all rows.
  uint64_t kept_rows() const;
  uint64_t kept_bytes() const override { return kept_bytes_.load(std::memory_order_relaxed); }
  uint64_t samples_dropped() const { return samples_dropped_.load(std::memory_order_relaxed); }
  GapCounts& gap_counts() { return gap_counts_; }
  uint64_t reads_from_disk() const { return reads_from_disk_.load(std::memory_order_relaxed); }
  const std::string& damaged_path() const { return damaged_path_; }
  // For the operator: what Open found missing; empty when nothing.
  const std::string& loss() const { return loss_; }

 private:
  struct TailRow {
    uint64_t seq;
    std::string frame;
  };

  static constexpr uint64_t kPageBytes = 4096;
  static constexpr char kReservedBindingsSetting[] = "reserved_bindings";
  static constexpr char kCoveredSetting[] = "covered";
  static constexpr char kNonceSetting[] = "nonce";
  static constexpr char kNonceSeqSetting[] = "nonce_seq";
  // Empty: of unknown extent.
  static mvmd::twin::v1alpha1::Gap LostGap(const IntervalSet& lost);

  explicit Outbox(OutboxOptions options);
  absl::Status Lock();
  absl::Status OpenDatabase();
  absl::Status Load();
  absl::Status SetAside();
  // Once the file is loaded: fills in what was durable and is missing. DATA_LOSS: the file cannot be trusted.
  absl::Status CompareWithMark();
  // The file is opened the first time since its nonce was kept: remembers which rows it has.
  absl::Status FixNonceSeq();
  absl::Status RecordLostRows(const DurableMark::Record& mark);
  absl::Status CheckPages();
  // Never fails: a mark that cannot be written proves less, no more.
  void WriteMark();
  void SyncMark();
  absl::Status Write(const OutboxBatch& batch, uint64_t first_seq);
  size_t MessagesOf(const OutboxBatch& batch) const;
  int64_t NextReceiptId() const;
  // How many of the oldest receipts are not needed any more once there is one of `new_messages`.
  size_t SurplusReceipts(size_t new_messages) const;
  // What is in the file is in receipts_ too, after a commit only.
  void AddReceipt(size_t messages);
  // Deletes up to `rows_max` forgotten rows inside a transaction; the caller commits. `deleted` are the bytes.
  absl::Status DeleteSome(uint64_t rows_max, IntervalSet* done, uint64_t* deleted_bytes, uint64_t* deleted_rows);
  void AfterDelete(const IntervalSet& done, uint64_t deleted_bytes, uint64_t deleted_rows);
  void AddToTail(const OutboxBatch& batch, uint64_t first_seq);
  // Somebody took the rest of the disk: gives back what helps by itself.
  void OnDiskFull();

  absl::StatusOr<uint64_t> ReadRows(uint64_t first, uint64_t last, size_t bytes_max,
                                    std::vector<OutboxRow>* rows) const;

  // outbox_room.cc
  static std::string TextOf(const IntervalSet& intervals);
  absl::Status LoadRoom();
  void CheckAge();
  // Remembers when rows were made, from time to time.
  absl::Status WriteAgeMark();
  // Rows before it are older than max_age; 0: none.
  uint64_t TooOldBefore() const;
  // Rows that can be given up, the oldest; false when there are none.
  absl::StatusOr<bool> CollectOldest(uint64_t before_seq, RowDrop* drop, uint64_t* bytes) const;
  absl::StatusOr<absl::flat_hash_set<uint32_t>> SupersededAfter(uint64_t seq, const RowDrop& drop) const;
  std::optional<std::pair<std::string, std::string>> NameOf(uint32_t binding) const;
  absl::Status Replace(const RowDrop& drop, const RowDrop::Plan& plan);

  const OutboxOptions options_;
  int lock_fd_ = -1;
  std::string damaged_path_;
  std::string loss_;
  bool opened_ = false;   // Open has succeeded
  bool created_ = false;  // by this Open
  bool pages_checked_ = false;
  std::unique_ptr<SqliteDatabase> writer_;
  std::unique_ptr<SqliteDatabase> reader_;

  // Writing thread.
  DurableMark mark_;
  DiskReserve reserve_;
  std::deque<std::pair<uint64_t, int64_t>> ages_;     // in the file: rows before the seq were there at that Unix time
  std::pair<uint64_t, int64_t> newest_age_ = {0, 0};  // likewise, of the last commit
  int64_t no_room_until_ns_ = 0;                      // monotonic: nothing could be dropped
  std::string previous_id_;                           // of the epoch before, if this file had one that is known
  uint32_t last_binding_ = 0;                         // highest number ever given
  std::vector<mvmd::twin::v1alpha1::Binding> loaded_bindings_;
  std::vector<std::string> loaded_receipts_;
  std::deque<std::pair<int64_t, size_t>> receipts_;  // id and messages, oldest first
  size_t receipt_messages_ = 0;
  absl::flat_hash_map<std::string, std::string> documents_;
  absl::flat_hash_map<std::string, std::string> settings_;

  std::atomic<uint64_t> epoch_{0};
  std::atomic<uint64_t> last_seq_{0};
  std::atomic<uint64_t> kept_bytes_{0};
  std::atomic<uint64_t> kept_rows_{0};
  std::atomic<uint64_t> forgotten_rows_{0};
  std::atomic<bool> disk_low_{false};
  std::atomic<bool> too_old_{false};
  std::atomic<uint64_t> samples_dropped_{0};
  GapCounts gap_counts_;
  uint64_t wal_bytes_max_ = 0;  // that the WAL normally stays below
  mutable std::atomic<uint64_t> reads_from_disk_{0};

  // Held while rows are read and while they are replaced: what was read stays as it is.
  mutable absl::Mutex replace_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable absl::Mutex mutex_;
  std::string outbox_id_ ABSL_GUARDED_BY(mutex_);
  uint64_t first_seq_ ABSL_GUARDED_BY(mutex_) = 0;
  IntervalSet forgotten_ ABSL_GUARDED_BY(mutex_);
  IntervalSet covered_ ABSL_GUARDED_BY(mutex_);
  bool covered_changed_ ABSL_GUARDED_BY(mutex_) = false;
  mutable IntervalSet handed_out_ ABSL_GUARDED_BY(mutex_);
  std::deque<TailRow> tail_ ABSL_GUARDED_BY(mutex_);  // consecutive seqs up to last_seq_
  size_t tail_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_OUTBOX_H_
