// DurableMark: what of an outbox was durable, remembered outside of its file.
#ifndef MVMD_BRIDGE_DURABLE_MARK_H_
#define MVMD_BRIDGE_DURABLE_MARK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace mvmd {

// A small file beside the outbox. SQLite drops whatever is behind a damage of its WAL without a word; the mark is what
// tells that there was something.
//
//   DurableMark mark("/var/lib/mvmd/outbox.db.durable");
//   mark.Read();                                       // mark.record(): what the last life had made durable
//   mark.Write({.epoch = ..., .last_seq = 7});         // after each commit
//
// Never ahead: it is written after what it claims is on disk. It may be old: Write does not wait for the disk, and
// what fails to be written leaves the record of before, or a damaged one. An old mark only proves less. Not
// thread-safe; who has the outbox has its mark.
class DurableMark {
 public:
  struct Record {
    uint64_t epoch = 0;
    std::string outbox_id{};    // 16 bytes
    std::string previous_id{};  // of the epoch before in the same file, 16 bytes; empty when there was none
    uint64_t last_seq = 0;      // newest durable row
    uint32_t last_binding = 0;  // highest number that was given to a binding

    friend bool operator==(const Record&, const Record&) = default;
  };

  explicit DurableMark(std::string path) : path_(std::move(path)) {}
  ~DurableMark();
  DurableMark(const DurableMark&) = delete;
  DurableMark& operator=(const DurableMark&) = delete;

  // Sets record(). OK when there is no file; DATA_LOSS: it is damaged, UNAVAILABLE: it cannot be read; record() is then
  // empty too.
  absl::Status Read();
  // One pwrite; makes the file (mode 0600) if need be. After an error the next Write tries again.
  absl::Status Write(const Record& record);
  // What was written is on disk when OK.
  absl::Status Sync();

  const std::optional<Record>& record() const { return record_; }
  const std::string& path() const { return path_; }

 private:
  absl::Status Error(const char* what) const;

  const std::string path_;
  int fd_ = -1;
  std::optional<Record> record_;  // as in the file
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_DURABLE_MARK_H_
