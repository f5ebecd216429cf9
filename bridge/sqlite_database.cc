#include "bridge/sqlite_database.h"

#include <sqlite3.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

constexpr size_t kSqlShown = 40;

}  // namespace

SqliteDatabase::~SqliteDatabase() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

absl::Status SqliteDatabase::Open(const std::string& path, Mode mode) {
  const int flags = mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  const int code = sqlite3_open_v2(path.c_str(), &handle_, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  if (code != SQLITE_OK) return Error(code, "open");
  sqlite3_extended_result_codes(handle_, 1);
  return absl::OkStatus();
}

void SqliteDatabase::SetBusyTimeout(absl::Duration timeout) {
  sqlite3_busy_timeout(handle_, static_cast<int>(absl::ToInt64Milliseconds(timeout)));
}

absl::Status SqliteDatabase::Exec(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Error(code, sql);
}

void SqliteDatabase::Rollback() {
  if (sqlite3_get_autocommit(handle_) == 0) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

sqlite3_stmt* SqliteDatabase::Prepare(const char* sql, absl::Status* status) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr) {
    const int code = sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) {
      *status = Error(code, sql);
      return nullptr;
    }
  }
  return statement;
}

absl::Status SqliteDatabase::Error(int code, absl::string_view what) const {
  const int primary = code & 0xFF;
  const int system_errno = handle_ != nullptr ? sqlite3_system_errno(handle_) : 0;
  const std::string message = absl::StrCat("sqlite: ", what.substr(0, kSqlShown), ": ",
                                           handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code),
                                           " (code ", code, ", errno ", system_errno, ")");
  if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED) return absl::UnavailableError(message);
  const bool no_space = system_errno == ENOSPC || system_errno == EDQUOT;
  if (primary == SQLITE_FULL || (code == SQLITE_IOERR_WRITE && no_space)) {
    return absl::ResourceExhaustedError(absl::StrCat(message, ": the disk is full, free some space"));
  }
  failed_ = true;
  // The last connection would copy the WAL to the file when it is closed, with an fsync that may lie.
  if (handle_ != nullptr) sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  return absl::DataLossError(message);
}

SqliteStatement::SqliteStatement(SqliteDatabase* database, const char* sql)
    : database_(database), sql_(sql), statement_(database->Prepare(sql, &status_)) {}

SqliteStatement::~SqliteStatement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

SqliteStatement& SqliteStatement::Int(uint64_t value) {
  if (statement_ != nullptr) sqlite3_bind_int64(statement_, ++bound_, static_cast<int64_t>(value));
  return *this;
}

SqliteStatement& SqliteStatement::Blob(absl::string_view bytes) {
  if (statement_ == nullptr) return *this;
  // A null pointer would be NULL, not an empty blob.
  const char* data = bytes.empty() ? "" : bytes.data();
  sqlite3_bind_blob64(statement_, ++bound_, data, bytes.size(), SQLITE_STATIC);
  return *this;
}

SqliteStatement& SqliteStatement::Text(absl::string_view text) {
  if (statement_ == nullptr) return *this;
  const char* data = text.empty() ? "" : text.data();
  sqlite3_bind_text64(statement_, ++bound_, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

bool SqliteStatement::Step() {
  if (statement_ == nullptr || !status_.ok()) return false;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) status_ = database_->Error(code, sql_);
  return false;
}

absl::Status SqliteStatement::Run() {
  while (Step()) {
  }
  return status_;
}

int64_t SqliteStatement::ColumnInt(int column) const { return sqlite3_column_int64(statement_, column); }

absl::string_view SqliteStatement::ColumnBytes(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (data == nullptr) return "";
  return {static_cast<const char*>(data), static_cast<size_t>(size)};
}

}  // namespace mvmd
