// What happens when there is no room: the oldest samples give way to gaps. And rows that are damaged.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bridge/outbox.h"
#include "bridge/row_crc.h"
#include "runtime/log.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// Of one transaction, so that no commit waits long for it.
constexpr uint64_t kDropBytesMin = uint64_t{64} << 10;
constexpr uint64_t kDropBytesMax = uint64_t{4} << 20;
constexpr uint64_t kDropRowsMax = 20000;
// Looked at for newer samples of the same sensors. In traffic that goes on they come at once.
constexpr uint64_t kLaterBytesMax = uint64_t{8} << 20;
// A mark of age each so often, at least.
constexpr absl::Duration kAgeMarkMin = absl::Seconds(1);
constexpr int kAgeMarks = 64;
constexpr int64_t kNoRoomWaitNs = 100'000'000;
// Rows of the table `quarantine`.
constexpr uint64_t kQuarantineRows = 32;
constexpr absl::Duration kLogInterval = absl::Seconds(10);

bool ReadRow(const SqliteStatement& row, pb::Frame* frame) {
  const absl::string_view text = row.ColumnBytes(3);
  return static_cast<int64_t>(RowCrc(static_cast<uint64_t>(row.ColumnInt(0)), static_cast<int>(row.ColumnInt(1)),
                                     text)) == row.ColumnInt(2) &&
         frame->ParseFromArray(text.data(), static_cast<int>(text.size()));
}

}  // namespace

std::string Outbox::TextOf(const IntervalSet& intervals) {
  pb::Gap carrier;
  intervals.ToProto(carrier.mutable_covered());
  return carrier.SerializeAsString();
}

absl::Status Outbox::LoadRoom() {
  ages_.clear();
  SqliteStatement ages(writer_.get(), "SELECT seq, time_unix_ns FROM ages ORDER BY seq");
  while (ages.Step()) ages_.emplace_back(static_cast<uint64_t>(ages.ColumnInt(0)), ages.ColumnInt(1));
  if (!ages.status().ok()) return ages.status();
  pb::Gap carrier;
  if (!carrier.ParseFromString(setting(kCoveredSetting))) return absl::DataLossError("outbox: `covered` is damaged");
  absl::StatusOr<IntervalSet> covered = IntervalSet::FromProto(carrier.covered());
  if (!covered.ok()) return absl::DataLossError(absl::StrCat("outbox: `covered`: ", covered.status().message()));
  // Of the rows after the last mark it is only known that they are there now.
  newest_age_ = {last_seq() + 1, options_.clock->UnixNanos()};
  absl::MutexLock lock(&mutex_);
  covered_ = *std::move(covered);
  return absl::OkStatus();
}

IntervalSet Outbox::Covered() const {
  absl::MutexLock lock(&mutex_);
  return covered_;
}

// Age

absl::Status Outbox::WriteAgeMark() {
  if (options_.max_age == absl::InfiniteDuration() || newest_age_.first == 0) return absl::OkStatus();
  const int64_t interval_ns = absl::ToInt64Nanoseconds(std::max(options_.max_age / kAgeMarks, kAgeMarkMin));
  // A clock that went back makes rows younger, and no mark twice. It is the time of now that counts: the last commit
  // before a long silence gets its mark with the first one after it.
  if (!ages_.empty() && options_.clock->UnixNanos() - ages_.back().second < interval_ns) return absl::OkStatus();
  const uint64_t oldest = [this] {
    absl::MutexLock lock(&mutex_);
    return first_seq_;
  }();
  absl::Status status = SqliteStatement(writer_.get(), "INSERT OR REPLACE INTO ages VALUES (?, ?)")
                            .Int(newest_age_.first)
                            .Int(static_cast<uint64_t>(newest_age_.second))
                            .Run();
  if (status.ok()) status = SqliteStatement(writer_.get(), "DELETE FROM ages WHERE seq < ?").Int(oldest).Run();
  if (!status.ok()) return status;
  while (!ages_.empty() && ages_.front().first < oldest) ages_.pop_front();
  // Should the commit fail, the mark is true all the same, and is written when its time has come again.
  if (ages_.empty() || ages_.back().first < newest_age_.first) ages_.push_back(newest_age_);
  return absl::OkStatus();
}

uint64_t Outbox::TooOldBefore() const {
  if (options_.max_age == absl::InfiniteDuration()) return 0;
  const int64_t limit_unix_ns = options_.clock->UnixNanos() - absl::ToInt64Nanoseconds(options_.max_age);
  uint64_t before = 0;
  for (const auto& [seq, time_unix_ns] : ages_) {
    if (time_unix_ns > limit_unix_ns) break;
    before = seq;
  }
  if (newest_age_.first != 0 && newest_age_.second <= limit_unix_ns) before = newest_age_.first;
  // The newest row stays, whatever its age.
  return std::min(before, last_seq() + 1);
}

void Outbox::CheckAge() {
  const uint64_t before = TooOldBefore();
  if (before == 0) return too_old_.store(false, std::memory_order_relaxed);
  absl::MutexLock lock(&mutex_);
  // What only waits for its deletion is not old.
  IntervalSet gone = forgotten_;
  gone.AddAll(covered_);
  too_old_ = before > 0 && first_seq_ > 0 && gone.FirstMissing(first_seq_) < before;
}

// Room

std::optional<std::pair<std::string, std::string>> Outbox::NameOf(uint32_t binding) const {
  SqliteStatement names(writer_.get(), "SELECT twin, sensor FROM bindings WHERE id = ?");
  names.Int(binding);
  if (!names.Step()) return std::nullopt;
  return std::pair(std::string(names.ColumnBytes(0)), std::string(names.ColumnBytes(1)));
}

absl::StatusOr<bool> Outbox::CollectOldest(uint64_t before_seq, RowDrop* drop, uint64_t* bytes) const {
  // What a transaction changes goes to the WAL first, which on a small disk is small.
  const uint64_t bytes_aim =
      std::max(std::min({options_.max_bytes / 16, kDropBytesMax, wal_bytes_max_ / 2}), kDropBytesMin);
  SqliteStatement rows(writer_.get(),
                       "SELECT seq, kind, crc, frame FROM rows WHERE kind IN (1, 4) AND seq < ? ORDER BY seq");
  rows.Int(before_seq);
  uint64_t count = 0;
  pb::Frame frame;
  while (*bytes < bytes_aim && count < kDropRowsMax && rows.Step()) {
    const uint64_t seq = static_cast<uint64_t>(rows.ColumnInt(0));
    bool taken = false;
    {
      absl::MutexLock lock(&mutex_);
      taken = handed_out_.Contains(seq) || forgotten_.Contains(seq);
    }
    if (taken || !ReadRow(rows, &frame)) {
      // What stays must keep its place among the samples of its sensors.
      if (count > 0) break;
      continue;
    }
    if (!drop->Add(frame)) continue;
    *bytes += rows.ColumnBytes(3).size();
    ++count;
  }
  if (!rows.status().ok()) return rows.status();
  return count > 0;
}

absl::StatusOr<absl::flat_hash_set<uint32_t>> Outbox::SupersededAfter(uint64_t seq, const RowDrop& drop) const {
  absl::flat_hash_set<uint32_t> superseded;
  SqliteStatement rows(writer_.get(), "SELECT seq, kind, crc, frame FROM rows WHERE kind = 1 AND seq > ? ORDER BY seq");
  rows.Int(seq);
  uint64_t bytes = 0;
  pb::Frame frame;
  while (superseded.size() < drop.bindings().size() && bytes < kLaterBytesMax && rows.Step()) {
    bytes += rows.ColumnBytes(3).size();
    if (!ReadRow(rows, &frame)) continue;
    uint32_t binding = 0;
    for (const uint32_t delta : frame.block().binding_deltas()) {
      binding += delta;
      if (drop.bindings().contains(binding)) superseded.insert(binding);
    }
  }
  if (!rows.status().ok()) return rows.status();
  return superseded;
}

absl::StatusOr<bool> Outbox::MakeRoom() {
  const bool too_many = kept_bytes() >= options_.max_bytes || disk_low_.load(std::memory_order_relaxed);
  const bool too_old = too_old_.load(std::memory_order_relaxed);
  if (!options_.drop_oldest || (!too_many && !too_old)) return false;
  const int64_t now_ns = options_.clock->MonotonicNanos();
  if (now_ns < no_room_until_ns_) return false;

  absl::MutexLock replace_lock(&replace_mutex_);
  // What is too old goes first, and whole: nobody wants it any more.
  RowDrop drop(too_old ? pb::Gap::REASON_TOO_OLD : pb::Gap::REASON_OUTBOX_FULL,
               [this](uint32_t binding) { return NameOf(binding); });
  uint64_t bytes = 0;
  const absl::StatusOr<bool> found =
      CollectOldest(too_old ? std::min(TooOldBefore(), last_seq()) : last_seq(), &drop, &bytes);
  if (!found.ok()) return found.status();
  std::optional<RowDrop::Plan> plan;
  if (*found && too_old) plan = drop.Make({}, /*keep_newest=*/false);
  if (*found && !too_old) {
    const auto superseded = SupersededAfter(drop.last_seq(), drop);
    if (!superseded.ok()) return superseded.status();
    plan = drop.Make(*superseded, /*keep_newest=*/true);
    // All of them sensors that are silent since.
    if (!plan.has_value() || plan->bytes() > bytes * 7 / 8) plan = drop.Make({}, /*keep_newest=*/false);
  }
  if (!plan.has_value()) {
    no_room_until_ns_ = now_ns + kNoRoomWaitNs;
    CheckAge();
    return false;
  }
  if (absl::Status status = Replace(drop, *plan); !status.ok()) return status;
  samples_dropped_.fetch_add(plan->samples, std::memory_order_relaxed);
  for (const auto& [seq, row] : plan->rows) {
    if (!row.is_block) gap_counts_.Add(drop.reason());
  }
  LogEvery(kLogInterval, "outbox:drop", LogLevel::kWarning, "outbox: samples are dropped, and recorded as gaps",
           {{"samples", plan->samples}, {"reason", too_old ? "too old" : "full"}, {"bytes", kept_bytes()}});
  CheckDisk();
  return full();
}

absl::Status Outbox::Replace(const RowDrop& drop, const RowDrop::Plan& plan) {
  IntervalSet covered = Covered();
  covered.AddAll(plan.covered);
  const std::string covered_text = TextOf(covered);
  uint64_t deleted_rows = 0;
  uint64_t deleted_bytes = 0;
  absl::Status status = SqliteStatement(writer_.get(), "BEGIN IMMEDIATE").Run();
  for (const IntervalSet::Closed& interval : drop.seqs().ToVector()) {
    if (!status.ok()) break;
    SqliteStatement rows(writer_.get(), "DELETE FROM rows WHERE seq BETWEEN ? AND ? RETURNING length(frame)");
    rows.Int(interval.first).Int(interval.last);
    while (rows.Step()) {
      deleted_bytes += static_cast<uint64_t>(rows.ColumnInt(0));
      ++deleted_rows;
    }
    status = rows.status();
  }
  for (const auto& [seq, row] : plan.rows) {
    const int kind = static_cast<int>(row.is_block ? RowKind::kBlock : RowKind::kGap);
    if (status.ok()) {
      status = SqliteStatement(writer_.get(), "INSERT INTO rows VALUES (?, ?, ?, ?)")
                   .Int(seq)
                   .Int(static_cast<uint64_t>(kind))
                   .Int(RowCrc(seq, kind, row.frame))
                   .Blob(row.frame)
                   .Run();
    }
  }
  if (status.ok()) {
    status = SqliteStatement(writer_.get(), "INSERT OR REPLACE INTO meta VALUES (?, ?)")
                 .Text(kCoveredSetting)
                 .Blob(covered_text)
                 .Run();
  }
  if (status.ok()) status = SqliteStatement(writer_.get(), "COMMIT").Run();
  if (!status.ok()) {
    writer_->Rollback();
    if (absl::IsResourceExhausted(status)) OnDiskFull();
    return status;
  }
  uint64_t first_seq = 0;
  {
    SqliteStatement first(writer_.get(), "SELECT min(seq) FROM rows");
    if (first.Step()) first_seq = static_cast<uint64_t>(first.ColumnInt(0));
  }
  absl::MutexLock lock(&mutex_);
  covered_ = std::move(covered);
  first_seq_ = first_seq;
  // What the tail has of them is no longer so.
  while (!tail_.empty() && tail_.front().seq <= drop.last_seq()) {
    tail_bytes_ -= tail_.front().frame.size();
    tail_.pop_front();
  }
  kept_rows_ += plan.rows.size();
  kept_rows_ -= deleted_rows;
  kept_bytes_ += plan.bytes();
  kept_bytes_ -= deleted_bytes;
  return absl::OkStatus();
}

// Damage

absl::Status Outbox::Quarantine(uint64_t seq) {
  pb::Frame frame;
  frame.set_seq(seq);
  frame.mutable_gap()->set_first_seq(seq);
  frame.mutable_gap()->set_last_seq(seq);
  frame.mutable_gap()->set_reason(pb::Gap::REASON_DAMAGED_ROW);
  const std::string text = frame.SerializeAsString();
  const int kind = static_cast<int>(RowKind::kGap);
  const uint64_t now = static_cast<uint64_t>(options_.clock->UnixNanos());
  absl::MutexLock replace_lock(&replace_mutex_);
  uint64_t bytes = 0;
  bool is_there = false;
  absl::Status status = SqliteStatement(writer_.get(), "BEGIN IMMEDIATE").Run();
  if (status.ok()) {
    SqliteStatement row(writer_.get(),
                        "INSERT INTO quarantine(epoch, seq, kind, crc, frame, time_unix_ns) SELECT ?, seq, kind, crc, "
                        "frame, ? FROM rows WHERE seq = ? RETURNING length(frame)");
    row.Int(epoch()).Int(now).Int(seq);
    while (row.Step()) {
      is_there = true;
      bytes = static_cast<uint64_t>(row.ColumnInt(0));
    }
    status = row.status();
  }
  if (status.ok()) {
    status = SqliteStatement(writer_.get(), "UPDATE rows SET kind = ?, crc = ?, frame = ? WHERE seq = ?")
                 .Int(static_cast<uint64_t>(kind))
                 .Int(RowCrc(seq, kind, text))
                 .Blob(text)
                 .Int(seq)
                 .Run();
  }
  if (status.ok()) {
    status = SqliteStatement(writer_.get(), "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?")
                 .Int(kQuarantineRows)
                 .Run();
  }
  if (status.ok()) status = SqliteStatement(writer_.get(), "COMMIT").Run();
  if (!status.ok()) {
    writer_->Rollback();
    if (absl::IsResourceExhausted(status)) OnDiskFull();
    return status;
  }
  if (!is_there) return absl::OkStatus();
  gap_counts_.Add(pb::Gap::REASON_DAMAGED_ROW);
  kept_bytes_ += text.size();
  kept_bytes_ -= bytes;
  return absl::OkStatus();
}

}  // namespace mvmd
