// Reading the past from the log: samples of a sensor, and the changes that a watcher missed.
#ifndef MVMD_GATEWAY_HISTORY_H_
#define MVMD_GATEWAY_HISTORY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gateway/commit_log.h"
#include "gateway/committer.h"
#include "gateway/twin_state.h"

namespace mvmd {

// Thread-safe. Every method reads the disk: call it from an executor, never from a reactor.
class History {
 public:
  // Of entries that were read for watchers and are still held by them, all together.
  static constexpr size_t kHeldBytesMax = size_t{256} << 20;

  // Both outlive the history.
  History(const CommitLog* log, const Committer* committer, size_t held_bytes_max = kHeldBytesMax);

  // Applied entries from `revision` on, at most about `bytes_max` of memory, at least one if there is any. Entries that
  // somebody still has are shared. OUT_OF_RANGE (reason REVISION_COMPACTED, metadata oldest_revision);
  // RESOURCE_EXHAUSTED (reason OVERLOADED): what was given and is still held is too much.
  absl::StatusOr<std::vector<std::shared_ptr<const AppliedEntry>>> ReadFrom(uint64_t revision, size_t bytes_max) const;

  // Where to go on, in each lane.
  struct SamplePosition {
    struct Place {
      uint64_t revision = 0;  // 0: from the oldest
      uint32_t index = 0;     // samples of this sensor in that revision that were already given
    };
    Place live;
    Place backfill;
  };
  struct SamplePage {
    struct Row {
      int64_t time_unix_ns;
      SampleValue value;
      Quality quality;
      bool backfill;
    };
    std::vector<Row> rows;
    bool last = false;  // nothing comes after this page
    SamplePosition next;
  };
  // Samples of one sensor with start <= time < end (INT64_MAX: without end), in the order in which the broker gave them
  // to the bridge, whatever lane they came by. What is backfilled only while the pages are read comes in a later one.
  absl::StatusOr<SamplePage> ListSamples(absl::string_view twin, absl::string_view sensor, int64_t start_unix_ns,
                                         int64_t end_unix_ns, size_t rows_max, SamplePosition from) const;

 private:
  class HeldEntries;

  const CommitLog* const log_;
  const Committer* const committer_;
  const std::shared_ptr<HeldEntries> held_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_HISTORY_H_
