// Looks into an outbox file without changing it: for `mvmd-bridge outbox`.
#ifndef MVMD_BRIDGE_OUTBOX_FILE_H_
#define MVMD_BRIDGE_OUTBOX_FILE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bridge/sqlite_database.h"
#include "mvmd/twin/v1alpha1/block.pb.h"
#include "twin/json.h"

namespace mvmd {

// A file that a bridge has open, or that nobody has, also one that was set aside as damaged. Everything that can be
// read is given, whatever else is broken. Reads one state of the file, as of Open; SQLite may make `-shm` beside it.
// Blocking.
class OutboxFile {
 public:
  // NOT_FOUND; INVALID_ARGUMENT: no outbox; DATA_LOSS: so damaged that nothing can be read.
  static absl::StatusOr<std::unique_ptr<OutboxFile>> Open(const std::string& path);

  // Numbers for people, in the order of their keys.
  absl::StatusOr<Json> Inspect();

  // A line of JSON a row: seq, kind, and what is in it; samples by twin and sensor. `quarantine`: of the rows that were
  // set aside instead.
  absl::Status Export(bool quarantine, std::ostream* out);

  // A line for everything that is wrong; their number. The page structure, each row's checksum and content, and whether
  // rows are missing that were durable once.
  absl::StatusOr<uint64_t> Verify(std::ostream* out);

 private:
  struct Row {
    uint64_t seq;
    int kind;
    bool whole;  // the checksum is right, and it is a frame
    mvmd::twin::v1alpha1::Frame frame;
    std::string text;
  };
  explicit OutboxFile(std::string path) : path_(std::move(path)) {}
  absl::Status ReadNames();
  // `sql` is a literal that selects seq, kind, crc and frame. What was read before an error has been visited.
  absl::Status EachRow(const char* sql, const std::function<void(const Row& row)>& visit);
  Json RowJson(const Row& row) const;
  Json SampleJson(uint32_t binding) const;

  const std::string path_;
  SqliteDatabase database_;
  std::map<uint32_t, std::pair<std::string, std::string>> names_;  // by binding: twin and sensor
};

// The commands; exit code 0, 1 when the file cannot be read, and for verify 2 when something is wrong.
int RunOutboxInspect(const std::string& path, std::ostream& out, std::ostream& err);
int RunOutboxExport(const std::string& path, bool quarantine, std::ostream& out, std::ostream& err);
int RunOutboxVerify(const std::string& path, std::ostream& out, std::ostream& err);

}  // namespace mvmd

#endif  // MVMD_BRIDGE_OUTBOX_FILE_H_
