#include "gateway/history.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/arena.h"
#include "runtime/status_proto.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

// Read from the log at a time.
constexpr size_t kReadBytes = 1 << 20;
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

// One ListSamples: reads entries in order until the page is full.
class SampleReader {
 public:
  SampleReader(const Committer* committer, const SensorRef* sensor, int64_t start_unix_ns, int64_t end_unix_ns,
               size_t rows_max, History::SamplePosition from)
      : committer_(*committer),
        sensor_(sensor),
        start_unix_ns_(start_unix_ns),
        end_unix_ns_(end_unix_ns),
        rows_max_(rows_max),
        from_(from) {}

  // False: the page is full, and page().next says where to go on.
  absl::StatusOr<bool> Read(const LogRecord& record) {
    pb::LogEntry& entry = *google::protobuf::Arena::CreateMessage<pb::LogEntry>(&arena_);
    if (!entry.ParseFromString(record.bytes)) return Unreadable(record.revision, "not a log entry");
    absl::StatusOr<bool> more = true;
    if (entry.has_frames_received()) more = ReadFrames(record.revision, entry.frames_received());
    arena_.Reset();
    return more;
  }
  History::SamplePage& page() { return page_; }

 private:
  absl::StatusOr<bool> ReadFrames(uint64_t revision, const pb::FramesReceived& received) {
    const std::vector<BindingPlace>& bindings = BindingsOf(received.session());
    if (bindings.empty()) return true;
    std::string raw;
    // The log has what the session let through: its limits do not count here.
    if (absl::Status status = codec_.Decode(received.group(), std::numeric_limits<int32_t>::max(), &raw);
        !status.ok()) {
      // Such a group was not applied either.
      return true;
    }
    pb::FrameBatch& batch = *google::protobuf::Arena::CreateMessage<pb::FrameBatch>(&arena_);
    if (!batch.ParseFromString(raw)) return ReadParsed(revision, received, bindings);
    const absl::flat_hash_set<uint64_t> refused = RefusedOf(received);
    uint32_t index = 0;
    for (int i = 0; i < batch.frames_size(); ++i) {
      const pb::Frame& frame = batch.frames(i);
      if (!frame.has_block() || frame.seq() == 0 || !HasBinding(frame.block(), bindings)) continue;
      if (refused.contains(frame.seq()) || !IsApplied(revision, static_cast<uint32_t>(i))) continue;
      if (!DecodeBlock(frame.block(), &block_).ok()) continue;
      if (!AddRows(revision, static_cast<uint32_t>(i), block_, bindings, &index)) return false;
    }
    return true;
  }

  // The slow way, for a group in which one frame is damaged and the others are not.
  absl::StatusOr<bool> ReadParsed(uint64_t revision, const pb::FramesReceived& received,
                                  const std::vector<BindingPlace>& bindings) {
    const absl::StatusOr<std::shared_ptr<const ParsedGroup>> group = ParseLoggedGroup(received.group(), &codec_);
    if (!group.ok()) return true;
    const absl::flat_hash_set<uint64_t> refused = RefusedOf(received);
    uint32_t index = 0;
    for (uint32_t i = 0; i < (*group)->frames.size(); ++i) {
      const ParsedGroup::Frame& frame = (*group)->frames[i];
      if (frame.block == nullptr || !frame.status.ok()) continue;
      if (refused.contains(frame.frame->seq()) || !IsApplied(revision, i)) continue;
      if (!AddRows(revision, i, *frame.block, bindings, &index)) return false;
    }
    return true;
  }

  bool AddRows(uint64_t revision, uint32_t frame, const DecodedBlock& block, const std::vector<BindingPlace>& bindings,
               uint32_t* index) {
    for (const DecodedBlock::Run& run : block.runs) {
      const auto binding = std::find_if(bindings.begin(), bindings.end(), [&](const BindingPlace& place) {
        return place.binding == run.binding &&
               (place.revision < revision || (place.revision == revision && place.frame < frame));
      });
      if (binding == bindings.end()) continue;
      for (uint32_t i = run.begin; i < run.begin + run.count; ++i) {
        const int64_t time = block.times_unix_ns[i];
        if (time < start_unix_ns_ || time >= end_unix_ns_) continue;
        const uint32_t at = (*index)++;
        if (revision == from_.revision && at < from_.index) continue;
        if (page_.rows.size() == rows_max_) {
          page_.next = {revision, at};
          return false;
        }
        page_.rows.push_back({time, block.ValueAt(run, i), block.QualityAt(i)});
      }
    }
    return true;
  }

  static bool HasBinding(const pb::Block& block, const std::vector<BindingPlace>& bindings) {
    uint32_t binding = 0;
    for (const uint32_t delta : block.binding_deltas()) {
      binding += delta;
      for (const BindingPlace& place : bindings) {
        if (place.binding == binding) return true;
      }
    }
    return false;
  }

  static absl::flat_hash_set<uint64_t> RefusedOf(const pb::FramesReceived& received) {
    absl::flat_hash_set<uint64_t> seqs;
    for (const pb::RefusedFrame& refused : received.refused()) seqs.insert(refused.seq());
    return seqs;
  }

  bool IsApplied(uint64_t revision, uint32_t frame) const {
    return committer_.Read([&](const TwinState& state) { return state.IsApplied(revision, frame, sensor_); });
  }

  const std::vector<BindingPlace>& BindingsOf(uint64_t session) {
    const auto [found, added] = bindings_.try_emplace(session);
    if (added) {
      found->second = committer_.Read([&](const TwinState& state) { return state.BindingsOf(session, sensor_); });
    }
    return found->second;
  }

  const Committer& committer_;
  const SensorRef* const sensor_;
  const int64_t start_unix_ns_;
  const int64_t end_unix_ns_;
  const size_t rows_max_;
  const History::SamplePosition from_;
  google::protobuf::Arena arena_;
  FrameGroupCodec codec_;
  DecodedBlock block_;
  absl::flat_hash_map<uint64_t, std::vector<BindingPlace>> bindings_;  // by session
  History::SamplePage page_;
};

}  // namespace

History::History(const CommitLog* log, const Committer* committer) : log_(log), committer_(committer) {}

absl::StatusOr<std::vector<std::shared_ptr<const AppliedEntry>>> History::ReadFrom(uint64_t revision,
                                                                                   size_t bytes_max) const {
  std::vector<std::shared_ptr<const AppliedEntry>> entries;
  const uint64_t applied_revision = committer_->applied_revision();
  if (revision > applied_revision) return entries;
  std::vector<LogRecord> records;
  if (absl::Status status = log_->ReadFrom(revision, bytes_max, &records); !status.ok()) {
    return absl::IsOutOfRange(status) ? Compacted(revision, log_->First()) : status;
  }
  FrameGroupCodec codec;
  pb::LogEntry entry;
  for (const LogRecord& record : records) {
    if (record.revision > applied_revision) break;
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
      // What was read before it is good; the next call tells.
      if (!entries.empty()) break;
      return resolved.status();
    }
    entries.push_back(*std::move(resolved));
  }
  return entries;
}

absl::StatusOr<History::SamplePage> History::ListSamples(absl::string_view twin, absl::string_view sensor,
                                                         int64_t start_unix_ns, int64_t end_unix_ns, size_t rows_max,
                                                         SamplePosition from) const {
  // Segments beyond what is applied now are for the next page.
  uint64_t applied_revision = 0;
  const SensorRef* ref = nullptr;
  const std::vector<RevisionRange> ranges = committer_->Read([&](const TwinState& state) {
    applied_revision = state.applied_revision();
    ref = state.FindSensor(twin, sensor);
    if (ref == nullptr) return std::vector<RevisionRange>();
    return state.SegmentsOf(ref, start_unix_ns, end_unix_ns, std::max(from.revision, log_->First()));
  });
  SampleReader reader(committer_, ref, start_unix_ns, end_unix_ns, std::max<size_t>(rows_max, 1), from);
  size_t bytes_left = kPageBytesMax;
  std::vector<LogRecord> records;
  for (const RevisionRange& range : ranges) {
    uint64_t next = std::max(range.first, log_->First());
    const uint64_t last = std::min(range.last, applied_revision);
    while (next <= last) {
      if (bytes_left == 0) {
        // Nothing of `next` was given yet, unless this page begins in it.
        reader.page().next = {next, next == from.revision ? from.index : 0};
        return std::move(reader.page());
      }
      records.clear();
      absl::Status status = log_->ReadFrom(next, std::min(kReadBytes, bytes_left), &records);
      if (absl::IsOutOfRange(status)) {
        next = log_->First();  // trimmed meanwhile: these samples are gone
        continue;
      }
      if (!status.ok()) return status;
      if (records.empty()) break;
      for (const LogRecord& record : records) {
        if (record.revision > last) break;
        bytes_left -= std::min(bytes_left, record.bytes.size());
        const absl::StatusOr<bool> more = reader.Read(record);
        if (!more.ok()) return more.status();
        if (!*more) return std::move(reader.page());
      }
      next = records.back().revision + 1;
    }
  }
  reader.page().last = true;
  reader.page().next = {applied_revision + 1, 0};
  return std::move(reader.page());
}

}  // namespace mvmd
