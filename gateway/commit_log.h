// The gateway's ordered, durable log.
#ifndef MVMD_GATEWAY_COMMIT_LOG_H_
#define MVMD_GATEWAY_COMMIT_LOG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace mvmd {

// One entry at its place. `bytes` is a serialized LogEntry.
struct LogRecord {
  uint64_t revision = 0;
  std::string bytes;
};

// Revisions start at 1 and have no holes. Thread-safe, except that Append has one caller at a time, and so has
// TrimBefore (the committer's two threads).
class CommitLog {
 public:
  virtual ~CommitLog() = default;

  // Writes all entries in order, or none; returns the revision of the first. Blocks until they are durable.
  // RESOURCE_EXHAUSTED: the disk is full, nothing was written. Any other error: what is on disk is not known, the
  // process must stop and start again from the log.
  virtual absl::StatusOr<uint64_t> Append(absl::Span<const std::string> entries) = 0;

  // Reads records from `revision` on, at least one if there is any, at most about `bytes_max`; appends them to `out`.
  // OUT_OF_RANGE when `revision` is before First(). Nothing when it is after Last().
  virtual absl::Status ReadFrom(uint64_t revision, size_t bytes_max, std::vector<LogRecord>* out) const = 0;

  // Forgets everything before `revision`; at most up to Last().
  virtual absl::Status TrimBefore(uint64_t revision) = 0;

  // Oldest retained revision; Last() + 1 when the log is empty.
  virtual uint64_t First() const = 0;
  // Newest durable revision; 0 when there never was one.
  virtual uint64_t Last() const = 0;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_COMMIT_LOG_H_
