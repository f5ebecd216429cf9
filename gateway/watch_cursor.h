// One watch: what its client is to be told next, and what must be read for it.
#ifndef MVMD_GATEWAY_WATCH_CURSOR_H_
#define MVMD_GATEWAY_WATCH_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gateway/twin_state.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"

namespace mvmd {

struct WatchLimits {
  // About: one document or one sample may exceed it.
  size_t response_bytes_max = 256 << 10;
  // Twins of one read of the snapshot; the reader lock is held for it.
  size_t snapshot_twins_max = 256;
  // LATEST: entries merged into one response before it is sent although more could be read.
  size_t merged_bytes_max = 32 << 20;
};

// What the caller may see, and the live values of a twin now.
struct WatchAccess {
  std::function<bool(absl::string_view twin)> may_read;
  // Connections of bridges, and gaps that name no twin.
  bool may_read_all = false;
  std::function<LiveView(absl::string_view twin)> live_of;
};

// Pure: no I/O, no threads, no clock. Thread-compatible.
//
//   while (client is ready) {
//     if (cursor.wants_entries()) look for entries from cursor.next_revision();   // recent window, or else the log
//     if (cursor.Take(now, at_end, &response)) { write response; continue; }
//     if (cursor.wants_snapshot()) cursor.GiveSnapshot(read of cursor.next_snapshot_read());
//     else cursor.Give(entries);
//   }
//
// Snapshot: read in parts, so that no lock is held for long; parts are of different revisions. What happened in between
// is told to the twins that were read before it and left out for those that were read after it. Until the last of these
// revisions is told, responses are marked `snapshot_part` and carry no resume token: a snapshot cannot be resumed.
//
// EVERY_CHANGE: all changes in the order of the log; a large entry is split, and the resume token says how much of it
// was told. LATEST: what was given since the last response is merged: per sensor the sample with the latest time and
// how many others there were, per twin the last document.
class WatchCursor {
 public:
  // INVALID_ARGUMENT (REQUEST_INVALID, with violations); OUT_OF_RANGE (REVISION_AHEAD) when the start is after
  // `applied_revision` + 1: the client knows a future that this gateway does not have.
  static absl::StatusOr<WatchCursor> Create(const mvmd::twin::v1alpha1::WatchTwinsRequest& request, WatchAccess access,
                                            const WatchLimits& limits, uint64_t applied_revision, int64_t now_unix_ns);

  // A part of the snapshot to be read from the state, at once under one lock.
  struct SnapshotRead {
    std::vector<std::string> twins;  // when not empty: these, and nothing else
    std::string prefix;
    std::string after;  // exclusive
    size_t limit = 0;
  };
  struct SnapshotPart {
    std::vector<TwinSnapshot> twins;
    uint64_t revision = 0;  // applied when it was read
  };
  bool wants_snapshot() const { return next_read_ < reads_.size(); }
  const SnapshotRead& next_snapshot_read() const { return reads_[next_read_]; }
  void GiveSnapshot(SnapshotPart part);

  // False: what was given is to be told first.
  bool wants_entries() const { return !wants_snapshot() && given_.empty(); }
  // First entry that was not given yet.
  uint64_t next_revision() const { return next_revision_; }
  // Consecutive, from next_revision() on; an empty one does nothing.
  void Give(const std::vector<std::shared_ptr<const AppliedEntry>>& entries);
  // Of entries that were read from the log: cuts them off before the first one that no longer tells a definition that
  // this watch is to be told. OUT_OF_RANGE (reason REVISION_COMPACTED, metadata oldest_revision): that is the first.
  absl::Status CutForgotten(std::vector<std::shared_ptr<const AppliedEntry>>* entries) const;

  // True: `response` is the next to be sent. `at_end`: all that can be read now was given.
  bool Take(int64_t now_unix_ns, bool at_end, mvmd::twin::v1alpha1::WatchTwinsResponse* response);
  // The end of the stream: a last response that tells the token, when there is one to tell.
  bool TakeLast(mvmd::twin::v1alpha1::WatchTwinsResponse* response);
  // When Take will have a bookmark.
  int64_t bookmark_due_unix_ns() const { return last_sent_unix_ns_ + bookmark_interval_ns_; }

  // For logs: what was told last.
  uint64_t told_revision() const { return told_revision_; }

 private:
  using Response = mvmd::twin::v1alpha1::WatchTwinsResponse;
  // A part of the snapshot as it was read.
  struct ReadPart {
    SnapshotRead read;
    std::string last_twin;
    bool is_last_of_prefix = false;
    uint64_t revision = 0;
  };
  struct Latest {
    SampleValue value;
    int64_t time_unix_ns = 0;
    Quality quality{};
    bool backfill = false;
    uint64_t merged_count = 0;
  };
  struct ByName {
    bool operator()(const SensorRef* a, const SensorRef* b) const {
      return std::tie(a->twin, a->sensor) < std::tie(b->twin, b->sensor);
    }
  };
  struct LatestDocument {
    std::shared_ptr<const Definition> definition;
    uint64_t revision = 0;
  };

  WatchCursor() = default;
  absl::Status SetFilter(const mvmd::twin::v1alpha1::WatchTwinsRequest& request);
  void PlanSnapshot();
  bool Matches(absl::string_view twin) const;
  bool MatchesSensor(const std::string& twin, const std::string& sensor) const;
  bool MatchesGap(const mvmd::twin::v1alpha1::Gap& gap) const;
  bool MatchesConnections() const;
  // Was the change at `revision` part of what the snapshot said of this twin?
  bool InSnapshot(absl::string_view twin, uint64_t revision) const;
  bool TakesPartInSnapshot() const {
    return told_revision_ < snapshot_until_ || wants_snapshot() || !documents_.empty();
  }

  void TakeSnapshot(Response* response);
  void TakeEntries(Response* response);
  // Tells units of the entry from position_ on until the response is full; true when all are told.
  bool TakeEntry(const AppliedEntry& entry, Response* response);
  void Merge(const AppliedEntry& entry);
  void TakeLatest(Response* response);
  void AddDocument(const std::string& twin, const Definition* definition, uint64_t revision, Response* response);
  bool IsFull() const { return response_bytes_ >= limits_.response_bytes_max; }
  void Seal(int64_t now_unix_ns, Response* response);

  WatchAccess access_;
  WatchLimits limits_;
  absl::flat_hash_set<std::string> twins_;
  std::vector<std::string> prefixes_;
  absl::flat_hash_set<std::string> sensors_;
  bool matches_all_ = false;  // neither ids nor prefixes
  bool is_latest_ = false;
  mvmd::twin::v1alpha1::TwinView view_{};
  std::string token_binding_;
  int64_t bookmark_interval_ns_ = 0;
  int64_t last_sent_unix_ns_ = 0;

  std::vector<SnapshotRead> reads_;
  size_t next_read_ = 0;
  std::vector<ReadPart> parts_;         // emptied when snapshot_until_ is told
  std::deque<TwinSnapshot> documents_;  // read and not yet told
  uint64_t snapshot_until_ = 0;
  bool snapshot_end_untold_ = false;

  uint64_t next_revision_ = 0;
  uint64_t told_revision_ = 0;
  uint64_t position_ = 0;  // units of entry told_revision_ + 1 that were told
  std::deque<std::shared_ptr<const AppliedEntry>> given_;

  uint64_t merged_revision_ = 0;
  size_t merged_bytes_ = 0;
  std::map<std::string, LatestDocument> latest_documents_;
  std::map<const SensorRef*, Latest, ByName> latest_;
  std::vector<std::pair<uint64_t, mvmd::twin::v1alpha1::Gap>> latest_gaps_;
  std::map<std::string, bool> latest_connections_;

  size_t response_bytes_ = 0;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_WATCH_CURSOR_H_
