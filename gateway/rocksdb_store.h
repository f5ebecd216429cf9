// Log and state of the gateway on a local disk: one RocksDB database with a column family for each.
#ifndef MVMD_GATEWAY_ROCKSDB_STORE_H_
#define MVMD_GATEWAY_ROCKSDB_STORE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "gateway/commit_log.h"
#include "gateway/state_store.h"

namespace mvmd {

struct RocksDbStoreOptions {
  // Appends are refused when less is free, so that flushes and compactions still have room and reads go on.
  uint64_t free_bytes_min = 256 << 20;
  // But no more than this part of the volume: a small one cannot spare as much.
  double free_part_min = 0.1;
  // Open is refused when less is free: it writes what it reads again of the WAL, about twice write_buffer_bytes, and
  // RocksDB aborts the process when it cannot even begin a file. Less than appends leave free, so that a store that was
  // full can be opened again; and likewise no more than a part of the volume.
  uint64_t open_free_bytes_min = 128 << 20;
  double open_free_part_min = 0.05;
  // Of the memory that holds what is not in a table yet; also what a start has to read again.
  uint64_t write_buffer_bytes = 64 << 20;
  // Of tables, for readers of the past.
  uint64_t cache_bytes = 32 << 20;
};

// Owns the database; one process at a time. Log and state share RocksDB's write-ahead log (WAL), so that a checkpoint
// is durable with the next append and never before what it was made from.
//
// Nothing that was durable is dropped in silence:
//  - The tail of the WAL may be torn: it was never told to be durable. Anything else makes Open fail, DATA_LOSS.
//  - A damaged length can make the middle look like a torn tail. So the newest durable revision is also written to the
//  file
//    DURABLE beside the database, after each append and without waiting for the disk; a log that ends before it is
//    refused. After a power loss the file may be old, which only means that it proves less.
//  - The log must not have holes after the checkpoint, and must not end before it.
class RocksDbStore {
 public:
  // Creates the directory's last part if there is none. UNAVAILABLE: another process has it open.
  // RESOURCE_EXHAUSTED: no room to recover what the last process left; nothing is changed. DATA_LOSS: damaged; the
  // message names the files and the way out. Blocks.
  static absl::StatusOr<std::unique_ptr<RocksDbStore>> Open(const std::string& path,
                                                            const RocksDbStoreOptions& options = {});
  // Nothing may be using log or state any more.
  ~RocksDbStore();
  RocksDbStore(const RocksDbStore&) = delete;
  RocksDbStore& operator=(const RocksDbStore&) = delete;

  // Owned by the store.
  CommitLog* log();
  StateStore* state();

 private:
  struct Database;
  class RocksDbCommitLog;
  class RocksDbStateStore;
  explicit RocksDbStore(std::unique_ptr<Database> database);

  std::unique_ptr<Database> database_;
  std::unique_ptr<RocksDbCommitLog> log_;
  std::unique_ptr<RocksDbStateStore> state_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_ROCKSDB_STORE_H_
