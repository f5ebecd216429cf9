// SQLite with absl::Status: a connection, and statements that keep their error.
#ifndef MVMD_BRIDGE_SQLITE_DATABASE_H_
#define MVMD_BRIDGE_SQLITE_DATABASE_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace mvmd {

// A connection with its prepared statements. One thread at a time. Errors are
//   UNAVAILABLE         somebody else holds the lock: try again
//   RESOURCE_EXHAUSTED  the disk is full
//   DATA_LOSS           everything else: an I/O error, a failed fsync, a damaged file
class SqliteDatabase {
 public:
  enum class Mode { kReadWrite, kReadOnly };

  SqliteDatabase() = default;
  ~SqliteDatabase();
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  // Once, first. kReadWrite makes the file.
  absl::Status Open(const std::string& path, Mode mode);
  // How long a lock of somebody else is waited for; zero at first.
  void SetBusyTimeout(absl::Duration timeout);
  // One statement or several, without results.
  absl::Status Exec(const char* sql);
  // The disk, or the file, failed for good: DATA_LOSS was told. What it did not take is not tried again, nor at the
  // end.
  bool failed() const { return failed_; }
  // Ends a transaction that is under way, if any.
  void Rollback();

 private:
  friend class SqliteStatement;
  // Null and the error in `status`. `sql` is a literal: statements are kept by its address.
  sqlite3_stmt* Prepare(const char* sql, absl::Status* status);
  absl::Status Error(int code, absl::string_view what) const;

  sqlite3* handle_ = nullptr;
  mutable bool failed_ = false;
  std::map<const char*, sqlite3_stmt*> statements_;
};

// One use of a prepared statement. After the first error everything is a no-op, and status() tells.
//
//   absl::Status status = SqliteStatement(db, "INSERT INTO t VALUES (?, ?)").Int(1).Blob(bytes).Run();
//
//   SqliteStatement rows(db, "SELECT a FROM t");
//   while (rows.Step()) Use(rows.ColumnInt(0));
//   if (!rows.status().ok()) ...
class SqliteStatement {
 public:
  // `sql` is a literal, and not in use already.
  SqliteStatement(SqliteDatabase* database, const char* sql);
  ~SqliteStatement();
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  // Parameters, in their order. Bytes and text outlive the use.
  SqliteStatement& Int(uint64_t value);
  SqliteStatement& Blob(absl::string_view bytes);
  SqliteStatement& Text(absl::string_view text);

  // True when there is a row.
  bool Step();
  absl::Status Run();
  const absl::Status& status() const { return status_; }

  // Of the row; views hold until the next Step.
  int64_t ColumnInt(int column) const;
  absl::string_view ColumnBytes(int column) const;

 private:
  SqliteDatabase* const database_;
  const char* const sql_;
  absl::Status status_;
  sqlite3_stmt* const statement_;
  int bound_ = 0;
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_SQLITE_DATABASE_H_
