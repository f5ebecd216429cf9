#include "gateway/history.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gateway/logged_blocks.h"
#include "google/protobuf/arena.h"
#include "runtime/log.h"
#include "runtime/status_proto.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

// Read from the log at a time.
constexpr size_t kReadBytes = 1 << 20;
constexpr int64_t kTimeMax = std::numeric_limits<int64_t>::max();
constexpr absl::Duration kLogInterval = absl::Seconds(10);
// Of the log, for one page: a page may come back with less than was asked for, or with nothing, and where to go on.
constexpr size_t kPageBytesMax = 64 << 20;

absl::Status Compacted(uint64_t revision, uint64_t oldest) {
  return MakeError(absl::StatusCode::kOutOfRange, "REVISION_COMPACTED",
                   absl::StrCat("revision ", revision, " is no longer in the log, which begins at ", oldest),
                   {{"oldest_revision", absl::StrCat(oldest)}});
}

absl::Status Unreadable(uint64_t revision, absl::string_view what) {
  return MakeError(absl::StatusCode::kDataLoss, "ENTRY_UNREADABLE",
                   absl::StrCat("log: the entry at revision ", revision, " cannot be read: ", what));
}

// Paths and the way out are for the operator, not for whoever reads.
absl::Status ReadFailed(const absl::Status& status) {
  LogEvery(kLogInterval, "log read", LogLevel::kError, "the log cannot be read", {{"status", status}});
  return MakeError(status.code(), "LOG_UNREADABLE",
                   "the gateway cannot read its log; its operator finds the reason there");
}

// Reads the samples of one sensor in one lane, in order.
class LaneReader {
 public:
  using Place = History::SamplePosition::Place;
  struct Head {
    History::SamplePage::Row row;
    Place place;
    const SessionBindings* session;
    uint64_t seq;
  };

  LaneReader(const CommitLog* log, const Committer* committer, const SensorRef* sensor, pb::Lane lane,
             int64_t start_unix_ns, int64_t end_unix_ns, size_t rows_max, Place from)
      : log_(*log),
        committer_(*committer),
        sensor_(sensor),
        lane_(lane),
        start_unix_ns_(start_unix_ns),
        end_unix_ns_(end_unix_ns),
        rows_max_(rows_max),
        from_(from) {
    // What is applied from now on is for the next page.
    committer_.Read([&](const TwinState& state) {
      applied_revision_ = state.applied_revision();
      if (sensor_ == nullptr) return;
      for (const RevisionRange& range :
           state.SegmentsOf(sensor_, start_unix_ns_, end_unix_ns_, std::max(from_.revision, log_.First()),
                            lane_ == pb::LANE_BACKFILL)) {
        ranges_.push_back({range.first, std::min(range.last, applied_revision_)});
      }
    });
  }

  // Reads until there is a head or nothing is left, and returns true; false when `bytes_left` was used up before.
  absl::StatusOr<bool> Fill(size_t* bytes_left) {
    while (heads_.empty()) {
      if (record_ < records_.size()) {
        if (absl::Status status = ReadRecord(records_[record_++]); !status.ok()) return status;
        continue;
      }
      if (ranges_.empty()) return true;
      if (*bytes_left == 0) return false;
      if (absl::Status status = ReadLog(bytes_left); !status.ok()) return status;
    }
    return true;
  }
  // Null when there is none.
  const Head* head() const { return heads_.empty() ? nullptr : &heads_.front(); }
  History::SamplePage::Row TakeHead() {
    // If the entry has more, they are after this one; else Next() goes by the records.
    from_ = {heads_.front().place.revision, heads_.front().place.index + 1};
    History::SamplePage::Row row = std::move(heads_.front().row);
    heads_.pop_front();
    return row;
  }
  // Where to go on for what was not taken.
  Place Next() const {
    if (!heads_.empty()) return heads_.front().place;
    const uint64_t revision = record_ < records_.size() ? records_[record_].revision
                              : ranges_.empty()         ? applied_revision_ + 1
                                                        : ranges_.front().first;
    return revision <= from_.revision ? from_ : Place{revision, 0};
  }

 private:
  // The next records of the first range; drops the range when it is done.
  absl::Status ReadLog(size_t* bytes_left) {
    RevisionRange& range = ranges_.front();
    records_.clear();
    record_ = 0;
    range.first = std::max(range.first, log_.First());
    if (range.first <= range.last) {
      const absl::Status status = log_.ReadFrom(range.first, std::min(kReadBytes, *bytes_left), &records_);
      if (absl::IsOutOfRange(status)) return absl::OkStatus();  // trimmed meanwhile: these samples are gone
      if (!status.ok()) return ReadFailed(status);
    }
    const auto past = std::find_if(records_.begin(), records_.end(),
                                   [&](const LogRecord& record) { return record.revision > range.last; });
    records_.erase(past, records_.end());
    if (records_.empty()) {
      ranges_.pop_front();
      return absl::OkStatus();
    }
    for (const LogRecord& record : records_) *bytes_left -= std::min(*bytes_left, record.bytes.size());
    range.first = records_.back().revision + 1;
    return absl::OkStatus();
  }

  absl::Status ReadRecord(const LogRecord& record) {
    pb::LogEntry& entry = *google::protobuf::Arena::CreateMessage<pb::LogEntry>(&arena_);
    if (!entry.ParseFromString(record.bytes)) return Unreadable(record.revision, "not a log entry");
    if (entry.has_frames_received() && entry.frames_received().group().lane() == lane_) {
      ReadFrames(record.revision, entry.frames_received());
    }
    arena_.Reset();
    return absl::OkStatus();
  }

  void ReadFrames(uint64_t revision, const pb::FramesReceived& received) {
    const SessionBindings& session = SessionOf(received.session());
    if (session.places.empty()) return;
    const auto is_wanted = [&session](uint32_t binding) {
      return std::any_of(session.places.begin(), session.places.end(),
                         [binding](const BindingPlace& place) { return place.binding == binding; });
    };
    uint32_t index = 0;
    blocks_.ForEach(received, is_wanted, [&](const LoggedBlocks::Place& place, const DecodedBlock& block) {
      if (!IsApplied(revision, place.frame)) return;
      AddRows({revision, place.frame, place.seq, &received}, block, session, &index);
    });
  }

  struct FramePlace {
    uint64_t revision;
    uint32_t frame;
    uint64_t seq;
    const pb::FramesReceived* received;
  };
  // No more than a page needs.
  void AddRows(const FramePlace& at, const DecodedBlock& block, const SessionBindings& session, uint32_t* index) {
    for (const DecodedBlock::Run& run : block.runs) {
      const auto binding = std::find_if(session.places.begin(), session.places.end(), [&](const BindingPlace& place) {
        return place.binding == run.binding &&
               (place.revision < at.revision || (place.revision == at.revision && place.frame < at.frame));
      });
      if (binding == session.places.end() || IsForbiddenBinding(*at.received, run.binding)) continue;
      for (uint32_t i = run.begin; i < run.begin + run.count; ++i) {
        const int64_t time = block.times_unix_ns[i];
        // The largest time of all is no end.
        if (time < start_unix_ns_ || (time >= end_unix_ns_ && end_unix_ns_ != kTimeMax)) continue;
        const Place place{at.revision, (*index)++};
        if (place.revision == from_.revision && place.index < from_.index) continue;
        if (heads_.size() > rows_max_) return;
        heads_.push_back(
            {{time, block.ValueAt(run, i), block.QualityAt(i), lane_ == pb::LANE_BACKFILL}, place, &session, at.seq});
      }
    }
  }

  bool IsApplied(uint64_t revision, uint32_t frame) const {
    return committer_.Read([&](const TwinState& state) { return state.IsApplied(revision, frame, sensor_); });
  }

  const SessionBindings& SessionOf(uint64_t session) {
    const auto [found, added] = sessions_.try_emplace(session);
    if (added) {
      found->second = committer_.Read([&](const TwinState& state) { return state.BindingsOf(session, sensor_); });
    }
    return found->second;
  }

  const CommitLog& log_;
  const Committer& committer_;
  const SensorRef* const sensor_;
  const pb::Lane lane_;
  const int64_t start_unix_ns_;
  const int64_t end_unix_ns_;
  const size_t rows_max_;
  Place from_;
  uint64_t applied_revision_ = 0;
  std::deque<RevisionRange> ranges_;  // still to be read
  std::vector<LogRecord> records_;
  size_t record_ = 0;  // of records_, still to be decoded
  std::deque<Head> heads_;
  google::protobuf::Arena arena_;
  LoggedBlocks blocks_;
  std::map<uint64_t, SessionBindings> sessions_;
};

// Did the broker give `a` before `b`? The seqs of an epoch tell; epochs, and bridges, come one after the other.
bool IsBefore(const LaneReader::Head& a, const LaneReader::Head& b) {
  if (a.session->epoch == b.session->epoch && a.session->bridge == b.session->bridge) return a.seq < b.seq;
  return a.place.revision < b.place.revision;
}

}  // namespace

// Knows what was given out and is not dropped yet. Outlives the history as long as somebody holds an entry.
class History::HeldEntries : public std::enable_shared_from_this<HeldEntries> {
 public:
  explicit HeldEntries(size_t bytes_max) : bytes_max_(bytes_max) {}

  bool IsFull() const {
    absl::MutexLock lock(&mutex_);
    return bytes_ >= bytes_max_;
  }
  std::shared_ptr<const AppliedEntry> Find(uint64_t revision) const {
    absl::MutexLock lock(&mutex_);
    const auto found = entries_.find(revision);
    return found == entries_.end() ? nullptr : found->second.lock();
  }
  std::shared_ptr<const AppliedEntry> Hold(std::shared_ptr<const AppliedEntry> entry) {
    const AppliedEntry* const raw = entry.get();
    std::shared_ptr<const AppliedEntry> held(
        raw, [self = shared_from_this(), entry = std::move(entry)](const AppliedEntry*) { self->Drop(*entry); });
    absl::MutexLock lock(&mutex_);
    bytes_ += raw->bytes;
    entries_[raw->revision] = held;
    return held;
  }

 private:
  void Drop(const AppliedEntry& entry) {
    absl::MutexLock lock(&mutex_);
    bytes_ -= entry.bytes;
    // Another one may stand in its place.
    const auto found = entries_.find(entry.revision);
    if (found != entries_.end() && found->second.expired()) entries_.erase(found);
  }

  const size_t bytes_max_;
  mutable absl::Mutex mutex_;
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, std::weak_ptr<const AppliedEntry>> entries_ ABSL_GUARDED_BY(mutex_);
};

History::History(const CommitLog* log, const Committer* committer, size_t held_bytes_max)
    : log_(log), committer_(committer), held_(std::make_shared<HeldEntries>(held_bytes_max)) {}

absl::StatusOr<std::vector<std::shared_ptr<const AppliedEntry>>> History::ReadFrom(uint64_t revision,
                                                                                   size_t bytes_max) const {
  std::vector<std::shared_ptr<const AppliedEntry>> entries;
  const uint64_t applied_revision = committer_->applied_revision();
  if (revision > applied_revision) return entries;
  if (held_->IsFull()) {
    return MakeError(absl::StatusCode::kResourceExhausted, "OVERLOADED",
                     "too much of the past is being read by watches now; resume later");
  }
  std::vector<LogRecord> records;
  if (absl::Status status = log_->ReadFrom(revision, bytes_max, &records); !status.ok()) {
    return absl::IsOutOfRange(status) ? Compacted(revision, log_->First()) : ReadFailed(status);
  }
  FrameGroupCodec codec;
  pb::LogEntry entry;
  size_t bytes = 0;
  for (const LogRecord& record : records) {
    if (record.revision > applied_revision || (!entries.empty() && bytes >= bytes_max)) break;
    if (std::shared_ptr<const AppliedEntry> held = held_->Find(record.revision); held != nullptr) {
      bytes += held->bytes;
      entries.push_back(std::move(held));
      continue;
    }
    if (!entry.ParseFromString(record.bytes)) return Unreadable(record.revision, "not a log entry");
    std::shared_ptr<const ParsedGroup> group;
    if (entry.has_frames_received()) {
      // Decoding takes long: not under the lock. One that cannot be read was not applied; Resolve knows.
      if (auto parsed = ParseLoggedGroup(entry.frames_received().group(), &codec); parsed.ok()) {
        group = *std::move(parsed);
      }
    }
    absl::StatusOr<std::shared_ptr<const AppliedEntry>> resolved = committer_->Read(
        [&](const TwinState& state) { return state.Resolve(record.revision, entry, std::move(group)); });
    if (!resolved.ok()) {
      // Trimmed while it was read: what the state knew of it is gone.
      if (revision < log_->First()) return Compacted(revision, log_->First());
      // What was read before it is good; the next call tells. OUT_OF_RANGE: the state has forgotten it already.
      if (!entries.empty()) break;
      return resolved.status();
    }
    bytes += (*resolved)->bytes;
    entries.push_back(held_->Hold(*std::move(resolved)));
  }
  return entries;
}

absl::StatusOr<History::SamplePage> History::ListSamples(absl::string_view twin, absl::string_view sensor,
                                                         int64_t start_unix_ns, int64_t end_unix_ns, size_t rows_max,
                                                         SamplePosition from) const {
  const SensorRef* ref = committer_->Read([&](const TwinState& state) { return state.FindSensor(twin, sensor); });
  rows_max = std::max<size_t>(rows_max, 1);
  LaneReader live(log_, committer_, ref, pb::LANE_LIVE, start_unix_ns, end_unix_ns, rows_max, from.live);
  LaneReader backfill(log_, committer_, ref, pb::LANE_BACKFILL, start_unix_ns, end_unix_ns, rows_max, from.backfill);
  SamplePage page;
  size_t bytes_left = kPageBytesMax;
  while (true) {
    bool filled = true;
    for (LaneReader* lane : {&live, &backfill}) {
      const absl::StatusOr<bool> status = lane->Fill(&bytes_left);
      if (!status.ok()) return status.status();
      filled &= *status;
    }
    if (!filled) break;
    const LaneReader::Head* const newer = live.head();
    const LaneReader::Head* const older = backfill.head();
    if (newer == nullptr && older == nullptr) {
      page.last = true;
      break;
    }
    if (page.rows.size() == rows_max) break;
    const bool take_live = older == nullptr || (newer != nullptr && IsBefore(*newer, *older));
    page.rows.push_back((take_live ? live : backfill).TakeHead());
  }
  page.next = {live.Next(), backfill.Next()};
  return page;
}

}  // namespace mvmd
