// Rows in and out of an outbox that is open; outbox_open.cc has the file.
#include "bridge/outbox.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bridge/row_crc.h"
#include "runtime/log.h"
#include "runtime/random.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// Deleted along with a commit, so that no commit is held up by the past.
constexpr uint64_t kDeleteRowsPerCommit = 256;
constexpr uint64_t kDeleteRowsWhenIdle = 2048;
constexpr int kBindingsPerFrame = 1000;
constexpr absl::Duration kMarkLogInterval = absl::Seconds(60);

// A disk that is small anyway has other uses for it.
uint64_t ReserveBytes(const OutboxOptions& options) {
  const size_t slash = options.path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : options.path.substr(0, slash + 1);
  struct statvfs disk {};
  if (statvfs(folder.c_str(), &disk) != 0) return options.reserve_bytes;
  return std::min(options.reserve_bytes, uint64_t{disk.f_blocks} * disk.f_frsize / 16);
}

bool IsDeclaration(RowKind kind) { return kind == RowKind::kBindings || kind == RowKind::kDocumentChunk; }

}  // namespace

void OutboxBatch::Clear() {
  rows.clear();
  bindings.clear();
  documents.clear();
  receipts.clear();
  settings.clear();
}

Outbox::Outbox(OutboxOptions options)
    : options_(std::move(options)),
      mark_(absl::StrCat(options_.path, ".durable")),
      reserve_(absl::StrCat(options_.path, ".reserve"), ReserveBytes(options_)) {}

Outbox::~Outbox() {
  const bool failed = writer_ != nullptr && writer_->failed();
  reader_.reset();
  writer_.reset();
  // An Open that failed half-way must not take back what the mark says.
  if (opened_ && !failed) {
    WriteMark();
    SyncMark();
  }
  if (lock_fd_ >= 0) close(lock_fd_);
}

void Outbox::WriteMark() {
  DurableMark::Record record{.epoch = epoch(),
                             .outbox_id = outbox_id(),
                             .previous_id = previous_id_,
                             .last_seq = last_seq(),
                             .last_binding = last_binding_};
  if (record == mark_.record()) return;
  if (absl::Status status = mark_.Write(record); !status.ok()) {
    LogEvery(kMarkLogInterval, "outbox:mark", LogLevel::kWarning,
             "outbox: the mark of what is durable cannot be written; a later damage may not be noticed",
             {{"status", status}});
  }
}

void Outbox::SyncMark() {
  if (absl::Status status = mark_.Sync(); !status.ok()) {
    LogEvery(kMarkLogInterval, "outbox:mark", LogLevel::kWarning,
             "outbox: the mark of what is durable cannot be written; a later damage may not be noticed",
             {{"status", status}});
  }
}

absl::Status Outbox::Commit(const OutboxBatch& batch) {
  if (batch.empty()) return absl::OkStatus();
  const uint64_t first_seq = next_seq();
  IntervalSet done;
  uint64_t deleted_bytes = 0;
  uint64_t deleted_rows = 0;
  absl::Status status = SqliteStatement(writer_.get(), "BEGIN IMMEDIATE").Run();
  if (status.ok()) status = Write(batch, first_seq);
  if (status.ok() && !batch.rows.empty()) status = WriteAgeMark();
  if (status.ok() && has_forgotten()) {
    status = DeleteSome(kDeleteRowsPerCommit, &done, &deleted_bytes, &deleted_rows);
  }
  if (status.ok()) status = SqliteStatement(writer_.get(), "COMMIT").Run();
  if (!status.ok()) {
    writer_->Rollback();
    {
      absl::MutexLock lock(&mutex_);
      covered_changed_ = true;  // perhaps; it only costs a write
    }
    if (absl::IsResourceExhausted(status)) OnDiskFull();
    CheckDisk();
    return status;
  }
  for (const auto& [twin, sha256] : batch.documents) documents_[twin] = sha256;
  for (const auto& [key, value] : batch.settings) settings_[key] = value;
  if (!batch.receipts.empty()) AddReceipt(MessagesOf(batch));
  for (const pb::Binding& binding : batch.bindings) last_binding_ = std::max(last_binding_, binding.id());
  AddToTail(batch, first_seq);
  if (!batch.rows.empty()) newest_age_ = {next_seq(), options_.clock->UnixNanos()};
  WriteMark();
  for (const OutboxBatch::Row& row : batch.rows) {
    pb::Frame frame;
    if (row.kind == RowKind::kGap && frame.ParseFromString(row.frame)) gap_counts_.Add(frame.gap().reason());
  }
  AfterDelete(done, deleted_bytes, deleted_rows);
  CheckDisk();
  return absl::OkStatus();
}

void Outbox::OnDiskFull() {
  if (reserve_.GiveBack()) {
    LogEvery(kMarkLogInterval, "outbox:reserve", LogLevel::kWarning,
             "outbox: the disk is full; what was held back is given to it", {{"bytes", reserve_.bytes()}});
  }
  // Emptying the WAL can help too.
  writer_->Exec("PRAGMA wal_checkpoint(TRUNCATE)").IgnoreError();
}

void Outbox::CheckDisk() {
  CheckAge();
  struct statvfs disk {};
  if (wal_bytes_max_ == 0 || statvfs(options_.path.c_str(), &disk) != 0) return;
  const uint64_t free_bytes = uint64_t{disk.f_bavail} * disk.f_frsize;
  // Left for the WAL to grow to its size, and for one more of its size to be copied to the file.
  uint64_t needed_bytes = 2 * wal_bytes_max_;
  bool low = free_bytes < needed_bytes;
  if (low) {
    struct stat wal {};
    if (stat(absl::StrCat(options_.path, "-wal").c_str(), &wal) == 0) {
      needed_bytes -= std::min(static_cast<uint64_t>(wal.st_size), wal_bytes_max_);
    }
    // Pages of deleted rows are used again before the file grows.
    SqliteStatement freelist(writer_.get(), "PRAGMA freelist_count");
    const uint64_t reusable = freelist.Step() ? static_cast<uint64_t>(freelist.ColumnInt(0)) * kPageBytes : 0;
    low = free_bytes + reusable < needed_bytes;
  } else if (!reserve_.held() && free_bytes - needed_bytes > 2 * reserve_.bytes()) {
    if (absl::Status status = reserve_.Hold(); !status.ok()) {
      LogEvery(kMarkLogInterval, "outbox:reserve", LogLevel::kWarning, "outbox: nothing can be held back on the disk",
               {{"status", status}});
    }
  }
  disk_low_.store(low, std::memory_order_relaxed);
}

absl::Status Outbox::Write(const OutboxBatch& batch, uint64_t first_seq) {
  uint64_t seq = first_seq;
  for (const OutboxBatch::Row& row : batch.rows) {
    const int kind = static_cast<int>(row.kind);
    absl::Status status = SqliteStatement(writer_.get(), "INSERT INTO rows VALUES (?, ?, ?, ?)")
                              .Int(seq)
                              .Int(static_cast<uint64_t>(kind))
                              .Int(RowCrc(seq, kind, row.frame))
                              .Blob(row.frame)
                              .Run();
    if (!status.ok()) return status;
    ++seq;
  }
  for (const pb::Binding& binding : batch.bindings) {
    absl::Status status = SqliteStatement(writer_.get(), "INSERT INTO bindings VALUES (?, ?, ?)")
                              .Int(binding.id())
                              .Text(absl::string_view(binding.twin().data(), binding.twin().size()))
                              .Text(absl::string_view(binding.sensor().data(), binding.sensor().size()))
                              .Run();
    if (!status.ok()) return status;
  }
  for (const auto& [twin, sha256] : batch.documents) {
    absl::Status status =
        SqliteStatement(writer_.get(), "INSERT OR REPLACE INTO documents VALUES (?, ?)").Text(twin).Blob(sha256).Run();
    if (!status.ok()) return status;
  }
  std::optional<std::string> covered;
  {
    absl::MutexLock lock(&mutex_);
    if (std::exchange(covered_changed_, false)) covered = TextOf(covered_);
  }
  if (covered.has_value()) {
    absl::Status status =
        SqliteStatement(writer_.get(), "INSERT OR REPLACE INTO meta VALUES ('covered', ?)").Blob(*covered).Run();
    if (!status.ok()) return status;
  }
  for (const auto& [key, value] : batch.settings) {
    absl::Status status =
        SqliteStatement(writer_.get(), "INSERT OR REPLACE INTO meta VALUES (?, ?)").Text(key).Blob(value).Run();
    if (!status.ok()) return status;
  }
  if (!batch.receipts.empty()) {
    absl::Status status = SqliteStatement(writer_.get(), "INSERT INTO receipts VALUES (?, ?)")
                              .Int(static_cast<uint64_t>(NextReceiptId()))
                              .Blob(batch.receipts)
                              .Run();
    if (!status.ok()) return status;
    const size_t surplus = SurplusReceipts(MessagesOf(batch));
    if (surplus == 0) return absl::OkStatus();
    return SqliteStatement(writer_.get(), "DELETE FROM receipts WHERE id <= ?")
        .Int(static_cast<uint64_t>(receipts_[surplus - 1].first))
        .Run();
  }
  return absl::OkStatus();
}

size_t Outbox::MessagesOf(const OutboxBatch& batch) const {
  return batch.receipts.size() / options_.receipt_bytes_per_message;
}

int64_t Outbox::NextReceiptId() const { return receipts_.empty() ? 1 : receipts_.back().first + 1; }

size_t Outbox::SurplusReceipts(size_t new_messages) const {
  size_t messages = receipt_messages_ + new_messages;
  size_t surplus = 0;
  while (surplus < receipts_.size() && messages - receipts_[surplus].second >= options_.receipt_messages) {
    messages -= receipts_[surplus++].second;
  }
  return surplus;
}

void Outbox::AddReceipt(size_t messages) {
  const int64_t id = NextReceiptId();
  for (size_t surplus = SurplusReceipts(messages); surplus > 0; --surplus) {
    receipt_messages_ -= receipts_.front().second;
    receipts_.pop_front();
  }
  receipts_.emplace_back(id, messages);
  receipt_messages_ += messages;
}

absl::StatusOr<bool> Outbox::DeleteForgotten() {
  if (!has_forgotten()) return false;
  IntervalSet done;
  uint64_t deleted_bytes = 0;
  uint64_t deleted_rows = 0;
  absl::Status status = SqliteStatement(writer_.get(), "BEGIN IMMEDIATE").Run();
  if (status.ok()) status = DeleteSome(kDeleteRowsWhenIdle, &done, &deleted_bytes, &deleted_rows);
  if (status.ok()) status = SqliteStatement(writer_.get(), "COMMIT").Run();
  if (!status.ok()) {
    writer_->Rollback();
    if (absl::IsResourceExhausted(status)) OnDiskFull();
    return status;
  }
  AfterDelete(done, deleted_bytes, deleted_rows);
  CheckDisk();
  return deleted_rows > 0 && has_forgotten();
}

absl::Status Outbox::DeleteSome(uint64_t rows_max, IntervalSet* done, uint64_t* deleted_bytes, uint64_t* deleted_rows) {
  // The newest row stays: it is what numbering goes on from.
  const uint64_t newest = last_seq();
  std::vector<IntervalSet::Closed> intervals;
  {
    absl::MutexLock lock(&mutex_);
    uint64_t rows = 0;
    std::optional<uint64_t> first = forgotten_.FirstPresent(0);
    while (first.has_value() && *first < newest && rows < rows_max) {
      uint64_t last = std::min(forgotten_.FirstMissing(*first) - 1, newest - 1);
      last = std::min(last, *first + (rows_max - rows) - 1);
      intervals.push_back({*first, last});
      rows += last - *first + 1;
      first = forgotten_.FirstPresent(last + 1);
    }
  }
  for (const IntervalSet::Closed& interval : intervals) {
    SqliteStatement statement(writer_.get(), "DELETE FROM rows WHERE seq BETWEEN ? AND ? RETURNING length(frame)");
    statement.Int(interval.first).Int(interval.last);
    while (statement.Step()) {
      *deleted_bytes += static_cast<uint64_t>(statement.ColumnInt(0));
      ++*deleted_rows;
    }
    if (!statement.status().ok()) return statement.status();
    done->Add(interval.first, interval.last);
  }
  return absl::OkStatus();
}

void Outbox::AfterDelete(const IntervalSet& done, uint64_t deleted_bytes, uint64_t deleted_rows) {
  if (done.empty()) return;
  // What was applied out of order leaves holes, so the first row may be further on than the deleted ones tell.
  uint64_t first_seq = 0;
  {
    SqliteStatement first(writer_.get(), "SELECT min(seq) FROM rows");
    if (first.Step()) first_seq = static_cast<uint64_t>(first.ColumnInt(0));
  }
  absl::MutexLock lock(&mutex_);
  if (first_seq > 0) first_seq_ = first_seq;
  for (const IntervalSet::Closed& interval : done.ToVector()) {
    forgotten_.Remove(interval.first, interval.last);
  }
  kept_bytes_ -= deleted_bytes;
  kept_rows_ -= deleted_rows;
  forgotten_rows_ = forgotten_.Count();
  if (forgotten_rows_ == 1 && forgotten_.Contains(last_seq())) forgotten_rows_ = 0;  // nothing that could be deleted
}

void Outbox::AddToTail(const OutboxBatch& batch, uint64_t first_seq) {
  if (batch.rows.empty()) return;
  uint64_t bytes = 0;
  absl::MutexLock lock(&mutex_);
  uint64_t seq = first_seq;
  for (const OutboxBatch::Row& row : batch.rows) {
    bytes += row.frame.size();
    tail_bytes_ += row.frame.size();
    tail_.push_back({seq++, row.frame});
  }
  while (tail_.size() > 1 && tail_bytes_ > options_.tail_bytes) {
    tail_bytes_ -= tail_.front().frame.size();
    tail_.pop_front();
  }
  if (first_seq_ == 0) first_seq_ = first_seq;
  kept_rows_ += batch.rows.size();
  kept_bytes_ += bytes;
  // The row that could not be deleted as the newest one can be now.
  forgotten_rows_ = forgotten_.Count();
  last_seq_.store(seq - 1, std::memory_order_release);
}

void Outbox::Forget(const IntervalSet& seqs) {
  absl::MutexLock lock(&mutex_);
  for (const IntervalSet::Closed& interval : seqs.ToVector()) {
    // What is before the first row is gone already; a Welcome names it all the same.
    handed_out_.Remove(interval.first, interval.last);
    if (interval.last >= first_seq_) {
      forgotten_.Add(std::max(interval.first, std::max<uint64_t>(first_seq_, 1)), interval.last);
    }
    // These have no rows that could be deleted.
    for (std::optional<uint64_t> seq = covered_.FirstPresent(interval.first); seq.has_value() && *seq <= interval.last;
         seq = covered_.FirstPresent(interval.first)) {
      const uint64_t last = std::min(covered_.FirstMissing(*seq) - 1, interval.last);
      covered_.Remove(*seq, last);
      forgotten_.Remove(*seq, last);
      covered_changed_ = true;
    }
  }
  const uint64_t newest = last_seq();
  forgotten_rows_ = forgotten_.FirstPresent(0).value_or(newest) < newest ? forgotten_.Count() : 0;
  while (!tail_.empty() && tail_.front().seq < newest && forgotten_.Contains(tail_.front().seq)) {
    tail_bytes_ -= tail_.front().frame.size();
    tail_.pop_front();
  }
}

uint64_t Outbox::kept_rows() const {
  const uint64_t kept = kept_rows_;
  absl::MutexLock lock(&mutex_);
  return kept - std::min(kept, forgotten_.Count());
}

std::string Outbox::outbox_id() const {
  absl::MutexLock lock(&mutex_);
  return outbox_id_;
}

std::vector<pb::Binding> Outbox::TakeBindings() { return std::exchange(loaded_bindings_, {}); }
std::vector<std::string> Outbox::TakeReceipts() { return std::exchange(loaded_receipts_, {}); }

std::string Outbox::DocumentSha256(absl::string_view twin) const {
  auto it = documents_.find(twin);
  return it == documents_.end() ? "" : it->second;
}

std::string Outbox::setting(absl::string_view key) const {
  auto it = settings_.find(key);
  return it == settings_.end() ? "" : it->second;
}

absl::Status Outbox::KeepNonce(absl::string_view nonce) {
  OutboxBatch batch;
  batch.settings.emplace_back(kNonceSetting, nonce);
  // Set when the file is opened next: until then it has not been copied, or the copy finds it not set either.
  batch.settings.emplace_back(kNonceSeqSetting, "");
  return Commit(batch);
}

uint64_t Outbox::nonce_seq() const {
  uint64_t seq = 0;
  return absl::SimpleAtoi(setting(kNonceSeqSetting), &seq) ? seq : 0;
}

IntervalSet::Closed Outbox::Extent() const {
  absl::MutexLock lock(&mutex_);
  return {first_seq_, last_seq()};
}

absl::StatusOr<uint64_t> Outbox::Read(uint64_t first, uint64_t last, size_t bytes_max,
                                      std::vector<OutboxRow>* rows) const {
  absl::MutexLock replace_lock(&replace_mutex_);
  const absl::StatusOr<uint64_t> seen = ReadRows(first, last, bytes_max, rows);
  absl::MutexLock lock(&mutex_);
  for (const OutboxRow& row : *rows) handed_out_.Add(row.seq);
  return seen;
}

absl::StatusOr<uint64_t> Outbox::ReadRows(uint64_t first, uint64_t last, size_t bytes_max,
                                          std::vector<OutboxRow>* rows) const {
  rows->clear();
  size_t bytes = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (!tail_.empty() && first >= tail_.front().seq) {
      for (uint64_t seq = first; seq <= last && seq <= tail_.back().seq; ++seq) {
        if (!rows->empty() && bytes >= bytes_max) return seq - 1;
        const TailRow& row = tail_[seq - tail_.front().seq];
        bytes += row.frame.size();
        rows->push_back({row.seq, false, row.frame});
      }
      return last;
    }
  }
  reads_from_disk_.fetch_add(1, std::memory_order_relaxed);
  SqliteStatement statement(reader_.get(),
                            "SELECT seq, kind, crc, frame FROM rows WHERE seq BETWEEN ? AND ? ORDER BY seq");
  statement.Int(first).Int(last);
  while (statement.Step()) {
    const uint64_t seq = static_cast<uint64_t>(statement.ColumnInt(0));
    if (!rows->empty() && bytes >= bytes_max) return rows->back().seq;
    const absl::string_view frame = statement.ColumnBytes(3);
    const uint32_t crc = RowCrc(seq, static_cast<int>(statement.ColumnInt(1)), frame);
    if (static_cast<int64_t>(crc) == statement.ColumnInt(2)) {
      bytes += frame.size();
      rows->push_back({seq, false, std::string(frame)});
    } else {
      rows->push_back({seq, true, ""});
    }
  }
  if (!statement.status().ok()) return statement.status();
  return last;
}

absl::StatusOr<std::vector<uint64_t>> Outbox::DeclarationSeqs(uint64_t first, uint64_t last) const {
  std::vector<uint64_t> seqs;
  SqliteStatement statement(reader_.get(),
                            "SELECT seq FROM rows WHERE kind IN (2, 3) AND seq BETWEEN ? AND ? ORDER BY seq");
  statement.Int(first).Int(last);
  while (statement.Step()) seqs.push_back(static_cast<uint64_t>(statement.ColumnInt(0)));
  if (!statement.status().ok()) return statement.status();
  return seqs;
}

absl::Status Outbox::StartNewEpoch(const IntervalSet& applied, const IntervalSet& lost) {
  const uint64_t epoch = std::max<uint64_t>(static_cast<uint64_t>(options_.clock->UnixNanos() / 1000), epoch_ + 1);
  const std::string id = RandomBytes(16);
  uint64_t seq = 0;
  uint64_t bytes = 0;
  absl::Status status = writer_->Exec(
      "BEGIN IMMEDIATE;"
      "CREATE TABLE rows_new(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, crc INTEGER NOT NULL, frame BLOB NOT "
      "NULL)");
  auto add = [&](RowKind kind, pb::Frame* frame) {
    frame->set_seq(++seq);
    const std::string text = frame->SerializeAsString();
    bytes += text.size();
    if (status.ok()) {
      status = SqliteStatement(writer_.get(), "INSERT INTO rows_new VALUES (?, ?, ?, ?)")
                   .Int(seq)
                   .Int(static_cast<uint64_t>(kind))
                   .Int(RowCrc(seq, static_cast<int>(kind), text))
                   .Blob(text)
                   .Run();
    }
  };
  if (status.ok()) {
    SqliteStatement bindings(writer_.get(), "SELECT id, twin, sensor FROM bindings ORDER BY twin, id");
    pb::Frame frame;
    std::string twin;
    while (bindings.Step()) {
      const absl::string_view row_twin = bindings.ColumnBytes(1);
      pb::Bindings* declared = frame.mutable_bindings();
      if (declared->bindings_size() > 0 && (twin != row_twin || declared->bindings_size() >= kBindingsPerFrame)) {
        add(RowKind::kBindings, &frame);
        declared->Clear();
      }
      twin = std::string(row_twin);
      pb::Binding* binding = declared->add_bindings();
      binding->set_id(static_cast<uint32_t>(bindings.ColumnInt(0)));
      binding->set_twin(twin);
      const absl::string_view sensor = bindings.ColumnBytes(2);
      binding->set_sensor(sensor.data(), sensor.size());
    }
    if (frame.bindings().bindings_size() > 0) add(RowKind::kBindings, &frame);
    if (status.ok()) status = bindings.status();
  }
  if (status.ok()) {
    pb::Frame frame;
    *frame.mutable_gap() = LostGap(lost);
    // The gateway had these; they are not lost by the outbox.
    if (!lost.empty()) frame.mutable_gap()->set_reason(pb::Gap::REASON_GATEWAY_RESTORED);
    gap_counts_.Add(frame.gap().reason());
    add(RowKind::kGap, &frame);
  }
  if (status.ok()) {
    SqliteStatement rows(writer_.get(), "SELECT seq, kind, crc, frame FROM rows ORDER BY seq");
    pb::Frame frame;
    while (status.ok() && rows.Step()) {
      const uint64_t old_seq = static_cast<uint64_t>(rows.ColumnInt(0));
      const RowKind kind = static_cast<RowKind>(rows.ColumnInt(1));
      const absl::string_view text = rows.ColumnBytes(3);
      if (applied.Contains(old_seq) || IsDeclaration(kind)) continue;
      const bool whole = static_cast<int64_t>(RowCrc(old_seq, static_cast<int>(kind), text)) == rows.ColumnInt(2) &&
                         frame.ParseFromArray(text.data(), static_cast<int>(text.size()));
      if (!whole) {
        frame.Clear();
        frame.mutable_gap()->set_reason(pb::Gap::REASON_DAMAGED_ROW);
        add(RowKind::kGap, &frame);
      } else {
        // The rows that it covers have no numbers any more.
        if (frame.has_gap()) frame.mutable_gap()->clear_covered();
        add(kind, &frame);
      }
    }
    if (status.ok()) status = rows.status();
  }
  if (status.ok()) {
    status = writer_->Exec(
        "DROP TABLE rows; ALTER TABLE rows_new RENAME TO rows;"
        "CREATE INDEX declarations ON rows(seq) WHERE kind IN (2, 3); DELETE FROM documents;"
        "DELETE FROM meta WHERE key IN ('reserved_bindings', 'nonce', 'nonce_seq', 'covered');"
        "DELETE FROM ages");
  }
  const std::string epoch_text = absl::StrCat(epoch);
  for (const auto& [key, value] :
       {std::pair<absl::string_view, absl::string_view>{"epoch", epoch_text}, {"outbox_id", id}}) {
    if (status.ok()) {
      status = SqliteStatement(writer_.get(), "INSERT OR REPLACE INTO meta VALUES (?, ?)").Text(key).Blob(value).Run();
    }
  }
  if (status.ok()) status = writer_->Exec("COMMIT");
  if (!status.ok()) {
    writer_->Rollback();
    return status;
  }
  documents_.clear();
  ages_.clear();
  newest_age_ = {seq + 1, options_.clock->UnixNanos()};
  for (const char* key : {kReservedBindingsSetting, kNonceSetting, kNonceSeqSetting, kCoveredSetting})
    settings_.erase(key);
  {
    absl::MutexLock lock(&mutex_);
    previous_id_ = std::exchange(outbox_id_, id);
    epoch_ = epoch;
    first_seq_ = 1;
    kept_rows_ = seq;
    kept_bytes_ = bytes;
    forgotten_.Clear();
    forgotten_rows_ = 0;
    covered_.Clear();
    covered_changed_ = false;
    handed_out_.Clear();
    tail_.clear();
    tail_bytes_ = 0;
    last_seq_.store(seq, std::memory_order_release);
  }
  // Nobody has been told of the epoch yet. Until the mark is written the one of the old epoch says nothing about it.
  writer_->Exec("PRAGMA wal_checkpoint(TRUNCATE)").IgnoreError();
  WriteMark();
  SyncMark();
  return absl::OkStatus();
}

}  // namespace mvmd
