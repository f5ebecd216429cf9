// Layout of the directory: RocksDB's own files, and
//
//   DURABLE       revision:8 check:8, little-endian; check is the complement of revision
//   ACCEPT_LOSS   put there by an operator: go on with what is left of a damaged database, once
//
// Column family `log`:    key revision:8 big-endian, value a serialized LogEntry.
// Column family `state`:  keys of the checkpoint behind the byte 's'; those of keyframes as they are ('k' ...), so that
//                         a start passes them over; key 'r': revision of the checkpoint, text.
#include "gateway/rocksdb_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rocksdb/cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"
#include "runtime/log.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

constexpr char kLogFamily[] = "log";
constexpr char kStateFamily[] = "state";
constexpr char kMarkFile[] = "DURABLE";
constexpr char kAcceptFile[] = "ACCEPT_LOSS";
constexpr char kRevisionKey[] = "r";
constexpr char kStatePrefix = 's';
constexpr uint64_t kWalBytesMax = 256 << 20;
constexpr size_t kTrimBatchBytes = 1 << 20;

std::string RevisionKey(uint64_t revision) {
  std::string key(8, '\0');
  for (int i = 7; i >= 0; --i, revision >>= 8) key[static_cast<size_t>(i)] = static_cast<char>(revision & 0xff);
  return key;
}

uint64_t RevisionOf(const rocksdb::Slice& key) {
  uint64_t revision = 0;
  for (size_t i = 0; i < key.size(); ++i) revision = revision << 8 | static_cast<unsigned char>(key[i]);
  return revision;
}

rocksdb::Slice SliceOf(absl::string_view text) { return {text.data(), text.size()}; }

absl::Status IoError(absl::string_view what, const rocksdb::Status& status) {
  return MakeError(absl::StatusCode::kInternal, "STORE_FAILED", absl::StrCat(what, ": ", status.ToString()));
}

absl::Status SystemError(absl::string_view what, const std::string& path, int error) {
  return MakeError(absl::StatusCode::kInternal, "STORE_FAILED",
                   absl::StrCat(what, " ", path, ": ", std::strerror(error)));
}

// The WAL files of a database, for a person who has to look at them.
std::string WalFiles(const std::string& path) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.path().extension() == ".log") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files.empty() ? "no WAL file" : absl::StrJoin(files, ", ");
}

absl::Status Damaged(const std::string& path, absl::string_view what) {
  return MakeError(
      absl::StatusCode::kDataLoss, "STORE_DAMAGED",
      absl::StrCat("store ", path, ": ", what, "; WAL: ", WalFiles(path),
                   ". Keep a copy of the directory, then restore it from a backup; or create the file ", path, "/",
                   kAcceptFile,
                   " to go on with what is left: bridges send again what they still have, what they no longer "
                   "have is lost"),
      {{"path", path}});
}

// Of a volume.
struct Space {
  uint64_t free_bytes = 0;
  uint64_t free_bytes_min = 0;
};

// A small volume need not have `bytes_min`, but `part_min` of it.
absl::StatusOr<Space> SpaceOf(const std::string& path, uint64_t bytes_min, double part_min) {
  struct statvfs volume {};
  if (statvfs(path.c_str(), &volume) != 0) return SystemError("statvfs", path, errno);
  const double volume_bytes = static_cast<double>(volume.f_blocks) * static_cast<double>(volume.f_frsize);
  return Space{.free_bytes = uint64_t{volume.f_bavail} * volume.f_frsize,
               .free_bytes_min = std::min(bytes_min, static_cast<uint64_t>(volume_bytes * part_min))};
}

absl::Status DiskFull(const std::string& path, const Space& space, absl::string_view what_to_do) {
  return MakeError(absl::StatusCode::kResourceExhausted, "DISK_FULL",
                   absl::StrCat("store ", path, ": expected at least ", space.free_bytes_min, " free bytes, got ",
                                space.free_bytes, "; ", what_to_do));
}

// The newest revision that was told to be durable. Survives the process, and a power loss as far as the system had
// written it by itself or Sync was called.
class DurableMark {
 public:
  ~DurableMark() {
    if (fd_ >= 0) close(fd_);
  }
  absl::Status Open(const std::string& path) {
    path_ = absl::StrCat(path, "/", kMarkFile);
    fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) return SystemError("open", path_, errno);
    if (flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      return MakeError(absl::StatusCode::kUnavailable, "STORE_LOCKED",
                       absl::StrCat("store ", path, ": expected to be the only one who uses it, got a lock on ", path_,
                                    ": another process has it open"));
    }
    uint64_t record[2] = {0, 0};
    const ssize_t size = pread(fd_, record, sizeof(record), 0);
    if (size < 0) return SystemError("read", path_, errno);
    known_ = size == sizeof(record) && record[1] == ~record[0];
    if (known_) revision_ = record[0];
    return absl::OkStatus();
  }
  absl::Status Write(uint64_t revision) {
    const uint64_t record[2] = {revision, ~revision};
    if (pwrite(fd_, record, sizeof(record), 0) != sizeof(record)) return SystemError("write", path_, errno);
    known_ = true;
    revision_ = revision;
    return absl::OkStatus();
  }
  absl::Status Sync() {
    if (fdatasync(fd_) != 0) return SystemError("sync", path_, errno);
    return absl::OkStatus();
  }
  // False: there is none, or not a whole one.
  bool known() const { return known_; }
  uint64_t revision() const { return revision_; }

 private:
  std::string path_;
  int fd_ = -1;
  bool known_ = false;
  uint64_t revision_ = 0;
};

}  // namespace

struct RocksDbStore::Database {
  ~Database() {
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  }
  absl::Status Open(rocksdb::WALRecoveryMode mode, bool read_only);
  void Close();
  absl::StatusOr<rocksdb::WALRecoveryMode> Probe();
  absl::Status CheckLog();
  absl::StatusOr<uint64_t> CheckpointRevision() const;
  absl::Status CheckSpace() const;
  absl::Status CheckSpaceToOpen() const;

  std::string path;
  RocksDbStoreOptions options;
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::ColumnFamilyHandle* log = nullptr;
  rocksdb::ColumnFamilyHandle* state = nullptr;
  bool loss_accepted = false;
  DurableMark mark;
  std::atomic<uint64_t> first{1};
  std::atomic<uint64_t> last{0};
};

absl::Status RocksDbStore::Database::Open(rocksdb::WALRecoveryMode mode, bool read_only) {
  rocksdb::DBOptions db_options;
  db_options.create_if_missing = true;
  db_options.create_missing_column_families = true;
  db_options.wal_recovery_mode = mode;
  // Both families are always flushed at the same place, so that a damaged WAL cannot leave the state ahead of the log.
  db_options.atomic_flush = true;
  db_options.max_total_wal_size = kWalBytesMax;
  db_options.keep_log_file_num = 4;
  db_options.max_log_file_size = 16 << 20;
  db_options.max_open_files = 256;

  rocksdb::BlockBasedTableOptions table;
  table.block_size = 32 << 10;
  table.block_cache = rocksdb::NewLRUCache(options.cache_bytes);
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = options.write_buffer_bytes;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  // Groups are compressed already, and a library without the codec of its default refuses to open.
  family.compression = rocksdb::kNoCompression;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, family}, {kLogFamily, family}, {kStateFamily, family}};

  rocksdb::DB* opened = nullptr;
  const rocksdb::Status status = read_only ? rocksdb::DB::OpenForReadOnly(db_options, path, families, &handles, &opened)
                                           : rocksdb::DB::Open(db_options, path, families, &handles, &opened);
  if (!status.ok()) {
    if (status.IsCorruption()) return Damaged(path, status.ToString());
    if (status.IsNoSpace()) {
      return MakeError(absl::StatusCode::kResourceExhausted, "DISK_FULL",
                       absl::StrCat("store ", path, ": no room to recover what the last process left, WAL: ",
                                    WalFiles(path), ": ", status.ToString(),
                                    "; free about as much as these files have, or make the volume larger, and start "
                                    "again"));
    }
    return IoError(absl::StrCat("store ", path), status);
  }
  db.reset(opened);
  log = handles[1];
  state = handles[2];
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(rocksdb::ReadOptions(), log));
  it->SeekToFirst();
  first = it->Valid() ? RevisionOf(it->key()) : 1;
  it->SeekToLast();
  last = it->Valid() ? RevisionOf(it->key()) : 0;
  if (!it->status().ok()) return Damaged(path, it->status().ToString());
  return absl::OkStatus();
}

void RocksDbStore::Database::Close() {
  for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  handles.clear();
  db.reset();
}

// How to open the database to write. That would drop what is behind a damage, so it is looked at first.
absl::StatusOr<rocksdb::WALRecoveryMode> RocksDbStore::Database::Probe() {
  using Mode = rocksdb::WALRecoveryMode;
  std::vector<std::string> families;
  const rocksdb::Status listed = rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), path, &families);
  // New, or a crash came while it was made: nothing was durable yet.
  if (!listed.ok() || families.size() < 3) return Mode::kTolerateCorruptedTailRecords;
  const auto look = [this](Mode mode) {
    absl::Status status = Open(mode, /*read_only=*/true);
    if (status.ok()) status = CheckLog();
    Close();
    return status;
  };
  absl::Status tolerant = look(Mode::kTolerateCorruptedTailRecords);
  if (tolerant.ok()) return Mode::kTolerateCorruptedTailRecords;
  if (!absl::IsDataLoss(tolerant)) return tolerant;
  // A power loss may leave later parts of an unfinished write on the disk and earlier ones not, which looks like
  // damage. Up to there is enough when everything that was durable is in it, or when an operator says so.
  if (!mark.known() && !loss_accepted) return tolerant;
  if (absl::Status up_to_damage = look(Mode::kPointInTimeRecovery); !up_to_damage.ok()) {
    return absl::IsDataLoss(up_to_damage) ? up_to_damage : tolerant;
  }
  Log(LogLevel::kWarning, "store: dropping the damaged end of the WAL",
      {{"path", path}, {"last_revision", last.load()}, {"status", tolerant}});
  return Mode::kPointInTimeRecovery;
}

absl::StatusOr<uint64_t> RocksDbStore::Database::CheckpointRevision() const {
  std::string value;
  const rocksdb::Status status = db->Get(rocksdb::ReadOptions(), state, kRevisionKey, &value);
  if (status.IsNotFound()) return 0;
  if (!status.ok()) return IoError(absl::StrCat("store ", path, ": read the checkpoint's revision"), status);
  uint64_t revision = 0;
  if (!absl::SimpleAtoi(value, &revision)) {
    return Damaged(path, absl::StrCat("checkpoint: expected a revision, got ", value.size(), " other bytes"));
  }
  return revision;
}

absl::Status RocksDbStore::Database::CheckLog() {
  if (!loss_accepted && mark.known() && last < mark.revision()) {
    return Damaged(path, absl::StrCat("expected the log to go up to revision ", mark.revision(),
                                      ", which was durable; got up to ", last.load()));
  }
  absl::StatusOr<uint64_t> checkpoint = CheckpointRevision();
  if (!checkpoint.ok()) return checkpoint.status();
  if (*checkpoint > last) {
    return Damaged(path, absl::StrCat("expected the log to go up to revision ", *checkpoint,
                                      ", which is in the checkpoint; got up to ", last.load()));
  }
  if (last > 0 && *checkpoint + 1 < first) {
    return Damaged(path, absl::StrCat("expected the log to begin at revision ", *checkpoint + 1,
                                      " or before, behind the checkpoint; got ", first.load()));
  }
  // What came after the checkpoint is what the WAL had; tables are protected by their manifest.
  uint64_t expected = std::max<uint64_t>(*checkpoint, first);
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(rocksdb::ReadOptions(), log));
  for (it->Seek(RevisionKey(expected)); it->Valid(); it->Next(), ++expected) {
    if (RevisionOf(it->key()) != expected) {
      return Damaged(path, absl::StrCat("log: expected revision ", expected, ", got ", RevisionOf(it->key())));
    }
  }
  if (!it->status().ok()) return Damaged(path, it->status().ToString());
  return absl::OkStatus();
}

absl::Status RocksDbStore::Database::CheckSpace() const {
  const absl::StatusOr<Space> space = SpaceOf(path, options.free_bytes_min, options.free_part_min);
  if (!space.ok()) return space.status();
  if (space->free_bytes >= space->free_bytes_min) return absl::OkStatus();
  return DiskFull(path, *space, "free some space or shorten log_retention");
}

absl::Status RocksDbStore::Database::CheckSpaceToOpen() const {
  const absl::StatusOr<Space> space = SpaceOf(path, options.open_free_bytes_min, options.open_free_part_min);
  if (!space.ok()) return space.status();
  if (space->free_bytes >= space->free_bytes_min) return absl::OkStatus();
  return DiskFull(path, *space,
                  "a start needs them to recover what the last one left; free some space on the volume, or make it "
                  "larger, and start again");
}

// Log

class RocksDbStore::RocksDbCommitLog final : public CommitLog {
 public:
  explicit RocksDbCommitLog(Database* database) : database_(*database) {}

  absl::StatusOr<uint64_t> Append(absl::Span<const std::string> entries) override {
    if (absl::Status status = database_.CheckSpace(); !status.ok()) return status;
    const uint64_t first = database_.last + 1;
    rocksdb::WriteBatch batch;
    uint64_t revision = first;
    for (const std::string& entry : entries) {
      const rocksdb::Status added = batch.Put(database_.log, RevisionKey(revision++), entry);
      if (!added.ok()) return IoError("log: append", added);
    }
    rocksdb::WriteOptions write;
    write.sync = true;
    // A write that failed half-way cannot be told from one that did not: no way to go on but from the disk again.
    if (const rocksdb::Status status = database_.db->Write(write, &batch); !status.ok()) {
      return IoError(absl::StrCat("log: append revision ", first), status);
    }
    database_.last = revision - 1;
    if (absl::Status status = database_.mark.Write(revision - 1); !status.ok()) return status;
    return first;
  }

  absl::Status ReadFrom(uint64_t revision, size_t bytes_max, std::vector<LogRecord>* out) const override {
    const uint64_t last = database_.last;
    // The iterator first: what a trim takes away after this line, it still sees.
    rocksdb::ReadOptions read;
    read.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> it(database_.db->NewIterator(read, database_.log));
    const uint64_t first = database_.first;
    if (revision < first) {
      return MakeError(absl::StatusCode::kOutOfRange, "REVISION_COMPACTED",
                       absl::StrCat("revision ", revision, " is no longer in the log, which begins at ", first),
                       {{"oldest_revision", absl::StrCat(first)}});
    }
    size_t bytes = 0;
    uint64_t expected = revision;
    for (it->Seek(RevisionKey(revision)); it->Valid() && expected <= last; it->Next(), ++expected) {
      if (RevisionOf(it->key()) != expected) {
        return Damaged(database_.path,
                       absl::StrCat("log: expected revision ", expected, ", got ", RevisionOf(it->key())));
      }
      bytes += it->value().size();
      if (expected != revision && bytes > bytes_max) break;
      out->push_back({expected, it->value().ToString()});
    }
    if (!it->status().ok()) return IoError(absl::StrCat("log: read revision ", expected), it->status());
    return absl::OkStatus();
  }

  absl::Status TrimBefore(uint64_t revision) override {
    revision = std::min<uint64_t>(revision, database_.last);
    const uint64_t first = database_.first;
    if (revision <= first) return absl::OkStatus();
    database_.first = revision;
    const std::string begin = RevisionKey(0);
    const std::string end = RevisionKey(revision);
    rocksdb::WriteOptions write;
    // Before the files go: else their neighbours' rows would come back alone.
    write.sync = true;
    if (const rocksdb::Status status = database_.db->DeleteRange(write, database_.log, begin, end); !status.ok()) {
      return IoError("log: trim", status);
    }
    const rocksdb::Slice slice_begin(begin);
    const rocksdb::Slice slice_end(end);
    const rocksdb::Status status =
        rocksdb::DeleteFilesInRange(database_.db.get(), database_.log, &slice_begin, &slice_end, /*include_end=*/false);
    if (!status.ok()) return IoError("log: trim files", status);
    return absl::OkStatus();
  }

  uint64_t First() const override { return database_.first; }
  uint64_t Last() const override { return database_.last; }

 private:
  Database& database_;
};

// State

class RocksDbStore::RocksDbStateStore final : public StateStore {
 public:
  explicit RocksDbStateStore(Database* database) : database_(*database) {}

  absl::Status Save(const Checkpoint& checkpoint) override {
    if (absl::Status status = database_.CheckSpace(); !status.ok()) return status;
    rocksdb::WriteBatch batch;
    std::string prefixed;
    for (const auto& [key, value] : checkpoint.changes) {
      prefixed.clear();
      if (KeyframeRevisionOf(key) == 0) prefixed.push_back(kStatePrefix);
      prefixed += key;
      const rocksdb::Status status =
          value.has_value() ? batch.Put(database_.state, prefixed, *value) : batch.Delete(database_.state, prefixed);
      if (!status.ok()) return IoError("state: checkpoint", status);
    }
    rocksdb::Status status = batch.Put(database_.state, kRevisionKey, absl::StrCat(checkpoint.revision));
    if (status.ok()) status = database_.db->Write(rocksdb::WriteOptions(), &batch);
    if (!status.ok()) return IoError("state: checkpoint", status);
    return database_.mark.Sync();
  }

  absl::StatusOr<uint64_t> Load(
      const std::function<absl::Status(absl::string_view key, absl::string_view value)>& each) override {
    const std::unique_ptr<rocksdb::Iterator> it(database_.db->NewIterator(rocksdb::ReadOptions(), database_.state));
    for (it->Seek(rocksdb::Slice(&kStatePrefix, 1)); it->Valid() && it->key().starts_with(SliceOf({&kStatePrefix, 1}));
         it->Next()) {
      const absl::Status status =
          each({it->key().data() + 1, it->key().size() - 1}, {it->value().data(), it->value().size()});
      if (!status.ok()) return status;
    }
    if (!it->status().ok()) return IoError("state: load", it->status());
    return database_.CheckpointRevision();
  }

  absl::StatusOr<Keyframes> FindKeyframes(absl::string_view twin, uint64_t revision) const override {
    Keyframes found;
    const std::string at = KeyframeKey(twin, revision);
    const std::string first = KeyframeKey(twin, 0);
    const std::string last = KeyframeKey(twin, std::numeric_limits<uint64_t>::max());
    rocksdb::ReadOptions read;
    read.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> it(database_.db->NewIterator(read, database_.state));
    it->SeekForPrev(at);
    if (it->Valid() && it->key().compare(first) >= 0) found.before = it->value().ToString();
    it->Seek(at);
    if (it->Valid() && it->key().compare(last) <= 0) found.from_on = it->value().ToString();
    if (!it->status().ok()) return IoError("state: read keyframes", it->status());
    return found;
  }

  absl::Status TrimKeyframes(uint64_t revision) override {
    const std::unique_ptr<rocksdb::Iterator> it(database_.db->NewIterator(rocksdb::ReadOptions(), database_.state));
    rocksdb::WriteBatch batch;
    it->Seek(rocksdb::Slice(&kKeyframeKind, 1));
    while (it->Valid() && it->key().starts_with(SliceOf({&kKeyframeKind, 1}))) {
      const std::string key = it->key().ToString();
      if (KeyframeRevisionOf(key) >= revision) {
        // On to the next twin.
        const std::string last = key.substr(0, key.size() - sizeof(uint64_t)) + std::string(sizeof(uint64_t), '\xff');
        it->Seek(last);
        if (it->Valid() && it->key() == SliceOf(last)) it->Next();
        continue;
      }
      rocksdb::Status status = batch.Delete(database_.state, key);
      if (status.ok() && batch.GetDataSize() >= kTrimBatchBytes) {
        status = database_.db->Write(rocksdb::WriteOptions(), &batch);
        batch.Clear();
      }
      if (!status.ok()) return IoError("state: trim keyframes", status);
      it->Next();
    }
    if (!it->status().ok()) return IoError("state: read keyframes", it->status());
    const rocksdb::Status status = database_.db->Write(rocksdb::WriteOptions(), &batch);
    return status.ok() ? absl::OkStatus() : IoError("state: trim keyframes", status);
  }

 private:
  Database& database_;
};

absl::StatusOr<std::unique_ptr<RocksDbStore>> RocksDbStore::Open(const std::string& path,
                                                                 const RocksDbStoreOptions& options) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return SystemError("create", path, errno);
  auto database = std::make_unique<Database>();
  database->path = path;
  database->options = options;
  if (absl::Status status = database->mark.Open(path); !status.ok()) return status;
  if (absl::Status status = database->CheckSpaceToOpen(); !status.ok()) return status;
  const std::string accept_file = absl::StrCat(path, "/", kAcceptFile);
  database->loss_accepted = access(accept_file.c_str(), F_OK) == 0;

  const absl::StatusOr<rocksdb::WALRecoveryMode> mode = database->Probe();
  if (!mode.ok()) return mode.status();
  absl::Status status = database->Open(*mode, /*read_only=*/false);
  if (!status.ok()) return status;
  if (!database->mark.known() && database->last > 0) {
    Log(LogLevel::kWarning, "store: no mark of what was durable, take the log as it is",
        {{"path", path}, {"last_revision", database->last.load()}});
  }
  if (database->loss_accepted) {
    Log(LogLevel::kWarning, "store: loss accepted, going on with what is left",
        {{"path", path}, {"durable_revision", database->mark.revision()}, {"last_revision", database->last.load()}});
  }
  if (status = database->mark.Write(database->last); !status.ok()) return status;
  if (status = database->mark.Sync(); !status.ok()) return status;
  if (database->loss_accepted && unlink(accept_file.c_str()) != 0) return SystemError("remove", accept_file, errno);
  return std::unique_ptr<RocksDbStore>(new RocksDbStore(std::move(database)));
}

RocksDbStore::RocksDbStore(std::unique_ptr<Database> database)
    : database_(std::move(database)),
      log_(std::make_unique<RocksDbCommitLog>(database_.get())),
      state_(std::make_unique<RocksDbStateStore>(database_.get())) {}

RocksDbStore::~RocksDbStore() = default;

CommitLog* RocksDbStore::log() { return log_.get(); }
StateStore* RocksDbStore::state() { return state_.get(); }

}  // namespace mvmd
