// The file (PRAGMA user_version = 1):
//
//   meta       key TEXT PRIMARY KEY, value BLOB     `epoch` (decimal), `outbox_id` (16 bytes), `reserved_bindings`
//                                                   (decimal: numbers up to it may be in lost rows), `nonce` (16
//                                                   bytes), `nonce_seq` (decimal, see Outbox::nonce_seq), `covered`
//                                                   (a Gap: rows that are gone, and told by gaps), and settings
//   rows       seq INTEGER PRIMARY KEY, kind INTEGER, crc INTEGER, frame BLOB
//              crc = CRC-32C of seq (8 bytes, little-endian), kind (1 byte) and frame
//   bindings   id INTEGER PRIMARY KEY, twin TEXT, sensor TEXT          of this epoch
//   documents  twin TEXT PRIMARY KEY, sha256 BLOB                      last one enqueued in this epoch
//   receipts   id INTEGER PRIMARY KEY, data BLOB                       packet ids and digests, see redelivery.h
//   ages       seq INTEGER PRIMARY KEY, time_unix_ns INTEGER           rows before `seq` were there at that time
//   quarantine id, epoch, seq, kind, crc, frame, time_unix_ns          damaged rows as they were, the newest 32
//
// Everything that must change together changes in one transaction with the rows. Beside it is the mark, see
// durable_mark.h: written after a transaction, and so never ahead of it. What begins an outbox or an epoch is copied
// from the WAL to the file before the mark says so: the mark's id is then that of the file, whatever befalls the WAL.
#include "bridge/outbox.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runtime/log.h"
#include "runtime/random.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr int kSchemaVersion = 1;
// Somebody who looks at the file while the bridge starts, after a crash, recovers the WAL and locks it meanwhile.
constexpr absl::Duration kOpenBusyTimeout = absl::Seconds(5);
// The WAL is checkpointed when it has half of its share of the disk, an eighth within these bounds.
constexpr uint64_t kWalBytesMin = uint64_t{128} << 10;
constexpr uint64_t kWalBytesMax = uint64_t{8} << 20;
// A larger file is not checked page by page at start.
constexpr int64_t kQuickCheckBytesMax = int64_t{64} << 20;
// That get a Gap each; about what a WAL can hold. Before them remains a hole in the numbers, which only an old copy of
// the file can have: the gateway has those rows, or the uplink finds the hole and starts a new epoch.
constexpr uint64_t kLostRowsMax = uint64_t{1} << 18;

constexpr char kSchema[] = R"sql(
  CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE rows(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, crc INTEGER NOT NULL, frame BLOB NOT NULL);
  CREATE INDEX declarations ON rows(seq) WHERE kind IN (2, 3);
  CREATE TABLE bindings(id INTEGER PRIMARY KEY, twin TEXT NOT NULL, sensor TEXT NOT NULL);
  CREATE TABLE documents(twin TEXT PRIMARY KEY, sha256 BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE receipts(id INTEGER PRIMARY KEY, data BLOB NOT NULL);
)sql";
// Later than the others, and passed over by versions that do not know them.
constexpr char kLaterSchema[] = R"sql(
  CREATE TABLE IF NOT EXISTS ages(seq INTEGER PRIMARY KEY, time_unix_ns INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS quarantine(id INTEGER PRIMARY KEY AUTOINCREMENT, epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL, kind INTEGER NOT NULL, crc INTEGER NOT NULL, frame BLOB NOT NULL,
    time_unix_ns INTEGER NOT NULL);
)sql";

}  // namespace

pb::Gap Outbox::LostGap(const IntervalSet& lost) {
  pb::Gap gap;
  gap.set_reason(pb::Gap::REASON_OUTBOX_LOST);
  if (!lost.empty()) {
    const std::vector<IntervalSet::Closed> intervals = lost.ToVector();
    gap.set_first_seq(intervals.front().first);
    gap.set_last_seq(intervals.back().last);
  }
  return gap;
}

absl::StatusOr<std::unique_ptr<Outbox>> Outbox::Open(OutboxOptions options) {
  std::unique_ptr<Outbox> outbox(new Outbox(std::move(options)));
  if (absl::Status status = outbox->Lock(); !status.ok()) return status;
  // Before anything can write a new one.
  if (absl::Status status = outbox->mark_.Read(); !status.ok()) {
    Log(LogLevel::kWarning, "outbox: the mark of what was durable cannot be read, the file is taken as it is",
        {{"status", status}});
  }
  absl::Status status = outbox->OpenDatabase();
  if (status.ok()) status = outbox->Load();
  if (status.ok()) status = outbox->LoadRoom();
  if (status.ok()) status = outbox->CompareWithMark();
  if (status.ok()) status = outbox->FixNonceSeq();
  if (absl::IsDataLoss(status)) {
    // The disk may be fine and the file not: keep it for whoever wants to look, and go on.
    const std::string why(status.message());
    Log(LogLevel::kError, "outbox: the file cannot be trusted", {{"why", why}});
    if (absl::Status set_aside = outbox->SetAside(); !set_aside.ok()) return set_aside;
    status = outbox->OpenDatabase();
    if (status.ok()) status = outbox->Load();
    if (status.ok()) status = outbox->LoadRoom();
    if (status.ok()) status = outbox->FixNonceSeq();
    outbox->loss_ = absl::StrCat(why, "; set aside as ", outbox->damaged_path_,
                                 ". What the gateway did not have of it is lost; a gap of unknown extent is recorded");
  }
  if (!status.ok()) return status;
  outbox->opened_ = true;
  // From now on whoever wants something of the file says itself whether it waits.
  outbox->writer_->SetBusyTimeout(absl::ZeroDuration());
  outbox->reader_->SetBusyTimeout(absl::ZeroDuration());
  outbox->WriteMark();
  outbox->SyncMark();
  return outbox;
}

absl::Status Outbox::FixNonceSeq() {
  if (!setting(kNonceSeqSetting).empty()) return absl::OkStatus();
  OutboxBatch batch;
  batch.settings.emplace_back(kNonceSeqSetting, absl::StrCat(last_seq()));
  absl::Status status = Commit(batch);
  // A full disk may have room again when it matters, and without it more is sent again, not less.
  return absl::IsResourceExhausted(status) ? absl::OkStatus() : status;
}

absl::Status Outbox::CompareWithMark() {
  const std::optional<DurableMark::Record> mark = mark_.record();
  if (!mark.has_value()) return absl::OkStatus();
  if (created_) {
    if (mark->last_seq == 0) return absl::OkStatus();
    loss_ = absl::StrCat("expected the rows of ", options_.path, " up to ", mark->last_seq,
                         ", which were durable, got a file that is gone or empty. What the gateway did not have of "
                         "them is lost; a gap of unknown extent is recorded");
    Log(LogLevel::kError, "outbox: the file was lost, a new one was made", {{"what", loss_}});
    return absl::OkStatus();
  }
  const std::string id = outbox_id();
  if (mark->outbox_id == id) {
    previous_id_ = mark->previous_id;
    return mark->last_seq > last_seq() ? RecordLostRows(*mark) : absl::OkStatus();
  }
  if (mark->previous_id == id) {
    // Its rows have been numbered anew since, and sent under those numbers: sent again, they would be there twice.
    return absl::DataLossError(absl::StrCat("outbox: ", options_.path, " is of epoch ", epoch(), ", expected epoch ",
                                            mark->epoch, " which was begun after it: damaged, or an old copy"));
  }
  // A crash came before the mark of a new epoch, or somebody put another file here: nothing is known about it.
  Log(mark->epoch < epoch() ? LogLevel::kInfo : LogLevel::kWarning,
      "outbox: the mark of what was durable is of another epoch, the file is taken as it is",
      {{"path", options_.path}, {"epoch", epoch()}, {"mark_epoch", mark->epoch}});
  return absl::OkStatus();
}

absl::Status Outbox::RecordLostRows(const DurableMark::Record& mark) {
  // What is left of the WAL may not fit the pages that were copied from it before.
  if (absl::Status status = CheckPages(); !status.ok()) return status;
  const uint64_t found = last_seq();
  const uint64_t count = mark.last_seq - found;
  if (count > kLostRowsMax) last_seq_ = mark.last_seq - kLostRowsMax;
  OutboxBatch batch;
  pb::Frame frame;
  for (uint64_t seq = next_seq(); seq <= mark.last_seq; ++seq) {
    IntervalSet lost;
    lost.Add(seq);
    frame.set_seq(seq);
    *frame.mutable_gap() = LostGap(lost);
    batch.rows.push_back({RowKind::kGap, frame.SerializeAsString()});
  }
  // What the lost rows declared is not known. The gateway may have it.
  last_binding_ = std::max(last_binding_, mark.last_binding);
  batch.settings.emplace_back(kReservedBindingsSetting, absl::StrCat(last_binding_));
  for (const auto& [twin, sha256] : documents_) batch.documents.emplace_back(twin, "");
  if (absl::Status status = Commit(batch); !status.ok()) return status;
  pb::Binding reserved;
  reserved.set_id(last_binding_);
  loaded_bindings_.push_back(std::move(reserved));
  loss_ = absl::StrCat("rows ", found + 1, " to ", mark.last_seq, " (", count, ") were durable and are no longer in ",
                       options_.path,
                       ": the file or its WAL is damaged or an old copy. Those that the gateway does "
                       "not have are recorded as a gap");
  Log(LogLevel::kError, "outbox: durable rows are missing; look after the disk",
      {{"path", options_.path}, {"first_seq", found + 1}, {"last_seq", mark.last_seq}, {"rows", count}});
  return absl::OkStatus();
}

absl::Status Outbox::Lock() {
  const std::string path = absl::StrCat(options_.path, ".lock");
  lock_fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_fd_ < 0) {
    return absl::UnavailableError(absl::StrCat("outbox: expected to create ", path, ", got: ", strerror(errno),
                                               "; the directory must exist and be writable"));
  }
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
    return absl::AlreadyExistsError(absl::StrCat(
        "outbox: ", options_.path, " is in use by another mvmd-bridge; each bridge needs a file of its own"));
  }
  return absl::OkStatus();
}

absl::Status Outbox::SetAside() {
  reader_.reset();
  writer_.reset();
  damaged_path_ = absl::StrCat(options_.path, ".damaged-", options_.clock->UnixNanos() / 1000);
  // Not the mark: should a crash come before the new file is there, it tells that there was one.
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const std::string from = absl::StrCat(options_.path, suffix);
    if (rename(from.c_str(), absl::StrCat(damaged_path_, suffix).c_str()) != 0 && errno != ENOENT) {
      return absl::DataLossError(absl::StrCat("outbox: cannot set aside the damaged ", from, ": ", strerror(errno)));
    }
  }
  return absl::OkStatus();
}

absl::Status Outbox::OpenDatabase() {
  // Made before SQLite does, for the mode.
  const int fd = open(options_.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return absl::UnavailableError(absl::StrCat("outbox: cannot open ", options_.path, ": ", strerror(errno)));
  }
  struct stat info {};
  fstat(fd, &info);
  close(fd);
  pages_checked_ = false;
  writer_ = std::make_unique<SqliteDatabase>();
  absl::Status status = writer_->Open(options_.path, SqliteDatabase::Mode::kReadWrite);
  if (status.ok()) {
    writer_->SetBusyTimeout(kOpenBusyTimeout);
    status = writer_->Exec(
        "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -4096");
  }
  struct statvfs disk {};
  if (status.ok() && statvfs(options_.path.c_str(), &disk) == 0) {
    wal_bytes_max_ = std::clamp(uint64_t{disk.f_blocks} * disk.f_frsize / 8, kWalBytesMin, kWalBytesMax);
    status = writer_->Exec(absl::StrCat("PRAGMA wal_autocheckpoint = ", wal_bytes_max_ / 2 / kPageBytes,
                                        "; PRAGMA journal_size_limit = ", 2 * wal_bytes_max_)
                               .c_str());
  }
  if (!status.ok()) return status;

  int64_t version = 0;
  {
    SqliteStatement statement(writer_.get(), "PRAGMA user_version");
    if (statement.Step()) version = statement.ColumnInt(0);
    if (!statement.status().ok()) return statement.status();
  }
  if (version > kSchemaVersion) {
    return absl::FailedPreconditionError(absl::StrCat("outbox: ", options_.path, " has schema version ", version,
                                                      ", this program knows up to ", kSchemaVersion,
                                                      "; use the newer mvmd-bridge that made it"));
  }
  if (version == 0) {
    const uint64_t mark_epoch = mark_.record().has_value() ? mark_.record()->epoch : 0;
    const bool had_rows = !damaged_path_.empty() || (mark_.record().has_value() && mark_.record()->last_seq > 0);
    const std::string epoch =
        absl::StrCat(std::max(static_cast<uint64_t>(options_.clock->UnixNanos() / 1000), mark_epoch + 1));
    const std::string id = RandomBytes(16);
    status = writer_->Exec("BEGIN IMMEDIATE");
    if (status.ok()) status = writer_->Exec(kSchema);
    if (status.ok()) status = writer_->Exec(kLaterSchema);
    for (const auto& [key, value] :
         {std::pair<absl::string_view, absl::string_view>{"epoch", epoch}, {"outbox_id", id}}) {
      if (status.ok())
        status = SqliteStatement(writer_.get(), "INSERT INTO meta VALUES (?, ?)").Text(key).Blob(value).Run();
    }
    if (status.ok() && had_rows) {
      pb::Frame frame;
      frame.set_seq(1);
      *frame.mutable_gap() = LostGap({});
      OutboxBatch batch;
      batch.rows.push_back({RowKind::kGap, frame.SerializeAsString()});
      status = Write(batch, 1);
    }
    if (status.ok()) status = writer_->Exec("PRAGMA user_version = 1");
    if (status.ok()) status = writer_->Exec("COMMIT");
    if (!status.ok()) {
      writer_->Rollback();
      return status;
    }
    writer_->Exec("PRAGMA wal_checkpoint(TRUNCATE)").IgnoreError();
  } else if (info.st_size <= kQuickCheckBytesMax) {
    if (status = CheckPages(); !status.ok()) return status;
  }
  if (version != 0) status = writer_->Exec(kLaterSchema);
  if (!status.ok()) return status;
  created_ = version == 0;

  reader_ = std::make_unique<SqliteDatabase>();
  status = reader_->Open(options_.path, SqliteDatabase::Mode::kReadOnly);
  if (status.ok()) {
    reader_->SetBusyTimeout(kOpenBusyTimeout);
    status = reader_->Exec("PRAGMA cache_size = -2048");
  }
  return status;
}

absl::Status Outbox::CheckPages() {
  if (pages_checked_) return absl::OkStatus();
  SqliteStatement check(writer_.get(), "PRAGMA quick_check(1)");
  if (check.Step() && check.ColumnBytes(0) != "ok") {
    return absl::DataLossError(absl::StrCat("outbox: ", options_.path, ": ", check.ColumnBytes(0)));
  }
  pages_checked_ = check.status().ok();
  return check.status();
}

absl::Status Outbox::Load() {
  absl::MutexLock lock(&mutex_);
  // What a file that was set aside has left.
  epoch_ = 0;
  outbox_id_.clear();
  previous_id_.clear();
  last_binding_ = 0;
  loaded_bindings_.clear();
  loaded_receipts_.clear();
  receipts_.clear();
  receipt_messages_ = 0;
  documents_.clear();
  settings_.clear();
  {
    SqliteStatement meta(writer_.get(), "SELECT key, value FROM meta");
    while (meta.Step()) {
      const absl::string_view key = meta.ColumnBytes(0);
      const absl::string_view value = meta.ColumnBytes(1);
      uint64_t epoch;
      if (key == "epoch" && absl::SimpleAtoi(value, &epoch)) {
        epoch_ = epoch;
      } else if (key == "outbox_id") {
        outbox_id_ = std::string(value);
      } else {
        settings_[std::string(key)] = std::string(value);
      }
    }
    if (!meta.status().ok()) return meta.status();
  }
  if (epoch_ == 0 || outbox_id_.size() != 16) {
    return absl::DataLossError(absl::StrCat("outbox: ", options_.path, " has no epoch or id"));
  }
  {
    SqliteStatement rows(writer_.get(), "SELECT min(seq), max(seq), count(*), sum(length(frame)) FROM rows");
    if (rows.Step()) {
      first_seq_ = static_cast<uint64_t>(rows.ColumnInt(0));
      last_seq_ = static_cast<uint64_t>(rows.ColumnInt(1));
      kept_rows_ = static_cast<uint64_t>(rows.ColumnInt(2));
      kept_bytes_ = static_cast<uint64_t>(rows.ColumnInt(3));
    }
    if (!rows.status().ok()) return rows.status();
  }
  {
    SqliteStatement bindings(writer_.get(), "SELECT id, twin, sensor FROM bindings ORDER BY id");
    while (bindings.Step()) {
      pb::Binding binding;
      binding.set_id(static_cast<uint32_t>(bindings.ColumnInt(0)));
      last_binding_ = binding.id();
      const absl::string_view twin = bindings.ColumnBytes(1);
      const absl::string_view sensor = bindings.ColumnBytes(2);
      binding.set_twin(twin.data(), twin.size());
      binding.set_sensor(sensor.data(), sensor.size());
      loaded_bindings_.push_back(std::move(binding));
    }
    if (!bindings.status().ok()) return bindings.status();
    uint32_t reserved = 0;
    if (absl::SimpleAtoi(setting(kReservedBindingsSetting), &reserved) && reserved > last_binding_) {
      last_binding_ = reserved;
      loaded_bindings_.emplace_back().set_id(reserved);
    }
  }
  {
    SqliteStatement documents(writer_.get(), "SELECT twin, sha256 FROM documents");
    while (documents.Step()) {
      documents_[std::string(documents.ColumnBytes(0))] = std::string(documents.ColumnBytes(1));
    }
    if (!documents.status().ok()) return documents.status();
  }
  SqliteStatement receipts(writer_.get(), "SELECT id, data FROM receipts ORDER BY id");
  while (receipts.Step()) {
    loaded_receipts_.emplace_back(receipts.ColumnBytes(1));
    const size_t messages = loaded_receipts_.back().size() / options_.receipt_bytes_per_message;
    receipts_.emplace_back(receipts.ColumnInt(0), messages);
    receipt_messages_ += messages;
  }
  return receipts.status();
}

}  // namespace mvmd
