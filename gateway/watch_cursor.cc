#include "gateway/watch_cursor.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gateway/page_token.h"
#include "gateway/request_errors.h"
#include "gateway/sample_proto.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr int kTwinIdsMax = 1000;
constexpr int kPrefixesMax = 100;
constexpr int kSensorsMax = 1000;
constexpr int64_t kBookmarkDefaultNs = 10'000'000'000;
constexpr int64_t kBookmarkMinNs = 100'000'000;
constexpr int64_t kBookmarkMaxNs = 3'600'000'000'000;
// Of a message around a sample, about.
constexpr size_t kSampleBytes = 24;
constexpr size_t kChangeBytes = 32;

void CheckList(absl::string_view field, const google::protobuf::RepeatedPtrField<std::string>& list, int size_max,
               RequestErrors* errors) {
  if (list.size() > size_max) errors->Add(field, absl::StrCat("expected at most ", size_max, ", got ", list.size()));
}

void CheckNames(absl::string_view field, const google::protobuf::RepeatedPtrField<std::string>& list, int size_max,
                RequestErrors* errors) {
  CheckList(field, list, size_max, errors);
  for (int i = 0; i < list.size() && i < size_max; ++i) {
    if (list[i].empty()) errors->Add(absl::StrCat(field, "[", i, "]"), "expected a text, got an empty one");
  }
}

size_t TextBytes(const SampleValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text == nullptr ? 0 : text->size();
}

// The sensor's samples at the end of the response, so that neighbours share a message.
pb::SensorSamples* SamplesOf(const SensorRef& sensor, bool backfill, pb::WatchTwinsResponse* response) {
  if (response->changes_size() > 0) {
    pb::TwinChange* last = response->mutable_changes(response->changes_size() - 1);
    if (last->has_samples() && last->twin_id() == sensor.twin && last->samples().sensor() == sensor.sensor &&
        last->samples().backfill() == backfill) {
      return last->mutable_samples();
    }
  }
  pb::TwinChange* change = response->add_changes();
  change->set_twin_id(sensor.twin);
  change->mutable_samples()->set_sensor(sensor.sensor);
  change->mutable_samples()->set_backfill(backfill);
  return change->mutable_samples();
}

Quality QualityAt(const DecodedBlock& block, uint32_t i) {
  return block.qualities.empty() ? pb::QUALITY_GOOD : static_cast<Quality>(block.qualities[i]);
}

}  // namespace

absl::StatusOr<WatchCursor> WatchCursor::Create(const pb::WatchTwinsRequest& request, WatchAccess access,
                                                const WatchLimits& limits, uint64_t applied_revision,
                                                int64_t now_unix_ns) {
  WatchCursor cursor;
  cursor.access_ = std::move(access);
  cursor.limits_ = limits;
  cursor.last_sent_unix_ns_ = now_unix_ns;
  if (absl::Status status = cursor.SetFilter(request); !status.ok()) return status;
  uint64_t first = request.start_revision();
  if (!request.resume_token().empty()) {
    absl::StatusOr<std::vector<std::string>> position =
        DecodeToken("resume_token", cursor.token_binding_, request.resume_token());
    if (!position.ok()) return position.status();
    if (position->size() != 2 || !absl::SimpleAtoi((*position)[0], &first) || first == 0 ||
        !absl::SimpleAtoi((*position)[1], &cursor.position_)) {
      return MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID",
                       "resume_token: expected a token of a watch, got another one");
    }
  }
  if (first > applied_revision + 1) {
    return MakeError(absl::StatusCode::kOutOfRange, "REVISION_AHEAD",
                     absl::StrCat("expected a start of at most ", applied_revision + 1, ", got ", first,
                                  ": this gateway does not have it (was it restored from an older copy?); start over "
                                  "with a snapshot"),
                     {{"applied_revision", absl::StrCat(applied_revision)}});
  }
  if (first == 0) {
    cursor.PlanSnapshot();
  } else {
    cursor.next_revision_ = first;
    cursor.told_revision_ = first - 1;
    cursor.merged_revision_ = first - 1;
  }
  return cursor;
}

absl::Status WatchCursor::SetFilter(const pb::WatchTwinsRequest& request) {
  RequestErrors errors;
  CheckNames("twin_ids", request.twin_ids(), kTwinIdsMax, &errors);
  CheckList("prefixes", request.prefixes(), kPrefixesMax, &errors);
  CheckNames("sensors", request.sensors(), kSensorsMax, &errors);
  if (!pb::WatchMode_IsValid(request.mode())) {
    errors.Add("mode", absl::StrCat("expected a WatchMode, got ", static_cast<int>(request.mode())));
  }
  if (!pb::TwinView_IsValid(request.view())) {
    errors.Add("view", absl::StrCat("expected a TwinView, got ", static_cast<int>(request.view())));
  }
  if (request.start_revision() != 0 && !request.resume_token().empty()) {
    errors.Add("resume_token", "expected start_revision or resume_token, got both");
  }
  bookmark_interval_ns_ = kBookmarkDefaultNs;
  if (request.has_bookmark_interval()) {
    const google::protobuf::Duration& interval = request.bookmark_interval();
    if (interval.seconds() < 0 || interval.seconds() > kBookmarkMaxNs / 1'000'000'000) {
      errors.Add("bookmark_interval", absl::StrCat("expected 100ms to 1h, got ", interval.seconds(), " s"));
    } else {
      bookmark_interval_ns_ = interval.seconds() * 1'000'000'000 + interval.nanos();
      if (bookmark_interval_ns_ < kBookmarkMinNs || bookmark_interval_ns_ > kBookmarkMaxNs) {
        errors.Add("bookmark_interval", absl::StrCat("expected 100ms to 1h, got ", bookmark_interval_ns_, " ns"));
      }
    }
  }
  if (!errors.ok()) return errors.status();

  matches_all_ = request.twin_ids().empty() && request.prefixes().empty();
  // A prefix of another one covers it; so no twin is in two reads of the snapshot.
  std::vector<std::string> prefixes(request.prefixes().begin(), request.prefixes().end());
  std::sort(prefixes.begin(), prefixes.end());
  for (const std::string& prefix : prefixes) {
    if (prefixes_.empty() || !absl::StartsWith(prefix, prefixes_.back())) prefixes_.push_back(prefix);
  }
  for (const std::string& twin : request.twin_ids()) {
    const bool covered = std::any_of(prefixes_.begin(), prefixes_.end(),
                                     [&](const std::string& prefix) { return absl::StartsWith(twin, prefix); });
    if (!covered) twins_.insert(twin);
  }
  sensors_.insert(request.sensors().begin(), request.sensors().end());
  is_latest_ = request.mode() == pb::WATCH_MODE_LATEST;
  view_ = request.view();
  token_binding_ = TokenBinding(request, {"start_revision", "resume_token", "bookmark_interval", "mode", "view"});
  return absl::OkStatus();
}

void WatchCursor::PlanSnapshot() {
  std::vector<std::string> twins(twins_.begin(), twins_.end());
  std::sort(twins.begin(), twins.end());
  for (size_t begin = 0; begin < twins.size(); begin += limits_.snapshot_twins_max) {
    const size_t end = std::min(twins.size(), begin + limits_.snapshot_twins_max);
    SnapshotRead read;
    read.twins.assign(twins.begin() + static_cast<std::ptrdiff_t>(begin),
                      twins.begin() + static_cast<std::ptrdiff_t>(end));
    reads_.push_back(std::move(read));
  }
  for (const std::string& prefix : prefixes_) {
    reads_.push_back({.twins = {}, .prefix = prefix, .after = "", .limit = limits_.snapshot_twins_max});
  }
  if (matches_all_) reads_.push_back({.twins = {}, .prefix = "", .after = "", .limit = limits_.snapshot_twins_max});
}

bool WatchCursor::Matches(absl::string_view twin) const {
  if (!matches_all_ && !twins_.contains(twin) &&
      std::none_of(prefixes_.begin(), prefixes_.end(),
                   [&](const std::string& prefix) { return absl::StartsWith(twin, prefix); })) {
    return false;
  }
  return access_.may_read(twin);
}

bool WatchCursor::MatchesSensor(const std::string& twin, const std::string& sensor) const {
  return (sensors_.empty() || sensors_.contains(sensor)) && Matches(twin);
}

bool WatchCursor::MatchesConnections() const { return matches_all_ && access_.may_read_all; }

bool WatchCursor::MatchesGap(const pb::Gap& gap) const {
  if (gap.twin().empty()) return MatchesConnections();
  if (!gap.sensor().empty()) return MatchesSensor(gap.twin(), gap.sensor());
  return Matches(gap.twin());
}

bool WatchCursor::InSnapshot(absl::string_view twin, uint64_t revision) const {
  if (revision > snapshot_until_) return false;
  for (const ReadPart& part : parts_) {
    if (!part.read.twins.empty()) {
      if (std::binary_search(part.read.twins.begin(), part.read.twins.end(), twin)) return revision <= part.revision;
    } else if (absl::StartsWith(twin, part.read.prefix) && twin > absl::string_view(part.read.after) &&
               (part.is_last_of_prefix || twin <= absl::string_view(part.last_twin))) {
      return revision <= part.revision;
    }
  }
  return false;
}

void WatchCursor::GiveSnapshot(SnapshotPart part) {
  SnapshotRead& read = reads_[next_read_];
  if (parts_.empty()) {
    told_revision_ = part.revision;
    merged_revision_ = part.revision;
    next_revision_ = part.revision + 1;
    snapshot_end_untold_ = true;
  }
  snapshot_until_ = part.revision;
  ReadPart done{.read = read, .last_twin = "", .is_last_of_prefix = true, .revision = part.revision};
  if (read.twins.empty() && part.twins.size() >= read.limit) {
    done.is_last_of_prefix = false;
    done.last_twin = part.twins.back().twin;
    read.after = done.last_twin;
  } else {
    ++next_read_;
  }
  parts_.push_back(std::move(done));
  for (TwinSnapshot& twin : part.twins) {
    if (twin.definition != nullptr && access_.may_read(twin.twin)) documents_.push_back(std::move(twin));
  }
}

void WatchCursor::Give(const std::vector<std::shared_ptr<const AppliedEntry>>& entries) {
  for (const std::shared_ptr<const AppliedEntry>& entry : entries) {
    if (entry->revision < next_revision_) continue;
    next_revision_ = entry->revision + 1;
    if (is_latest_) {
      Merge(*entry);
    } else {
      given_.push_back(entry);
    }
  }
}

absl::Status WatchCursor::CutForgotten(std::vector<std::shared_ptr<const AppliedEntry>>* entries) const {
  for (auto entry = entries->begin(); entry != entries->end(); ++entry) {
    for (const AppliedEntry::Forgotten& forgotten : (*entry)->forgotten) {
      if (!Matches(forgotten.twin) || InSnapshot(forgotten.twin, (*entry)->revision)) continue;
      if (entry != entries->begin()) {
        entries->erase(entry, entries->end());
        return absl::OkStatus();
      }
      return MakeError(
          absl::StatusCode::kOutOfRange, "REVISION_COMPACTED",
          absl::StrCat("revision ", (*entry)->revision, " has a definition of twin \"", forgotten.twin,
                       "\" that is no longer kept; begin at ", forgotten.oldest_revision, " or with a snapshot"),
          {{"oldest_revision", absl::StrCat(forgotten.oldest_revision)}});
    }
  }
  return absl::OkStatus();
}

bool WatchCursor::Take(int64_t now_unix_ns, bool at_end, Response* response) {
  response->Clear();
  response_bytes_ = 0;
  if (!documents_.empty()) {
    TakeSnapshot(response);
  } else if (wants_snapshot()) {
    return false;
  } else if (is_latest_) {
    if (at_end || merged_bytes_ >= limits_.merged_bytes_max) TakeLatest(response);
  } else {
    TakeEntries(response);
  }
  const bool snapshot_ends = snapshot_end_untold_ && !TakesPartInSnapshot();
  const int64_t since_last_ns = now_unix_ns - last_sent_unix_ns_;
  const bool bookmark_due = since_last_ns >= bookmark_interval_ns_ || since_last_ns < 0;
  if (response->changes().empty() && !snapshot_ends && !bookmark_due) return false;
  Seal(now_unix_ns, response);
  return true;
}

bool WatchCursor::TakeLast(Response* response) {
  response->Clear();
  // Before the end of the snapshot there is nothing to resume.
  if (TakesPartInSnapshot() || next_revision_ == 0) return false;
  Seal(last_sent_unix_ns_, response);
  return true;
}

void WatchCursor::Seal(int64_t now_unix_ns, Response* response) {
  last_sent_unix_ns_ = now_unix_ns;
  response->set_revision(told_revision_);
  if (TakesPartInSnapshot()) {
    response->set_snapshot_part(true);
    return;
  }
  snapshot_end_untold_ = false;
  parts_.clear();
  response->set_resume_token(EncodeToken(token_binding_, {absl::StrCat(told_revision_ + 1), absl::StrCat(position_)}));
}

void WatchCursor::TakeSnapshot(Response* response) {
  while (!documents_.empty() && !IsFull()) {
    const TwinSnapshot twin = std::move(documents_.front());
    documents_.pop_front();
    pb::TwinChange* change = response->add_changes();
    change->set_twin_id(twin.twin);
    SetTwinDocument(twin.twin, *twin.definition, twin.live, twin.revision, view_, change->mutable_document());
    response_bytes_ += change->ByteSizeLong();
  }
}

void WatchCursor::TakeEntries(Response* response) {
  while (!given_.empty() && !IsFull()) {
    const std::shared_ptr<const AppliedEntry> entry = given_.front();
    if (!TakeEntry(*entry, response)) return;
    given_.pop_front();
    told_revision_ = entry->revision;
    position_ = 0;
  }
}

// Units of an entry, in this order: each document, each sample, each gap, each connection; position_ counts them all,
// whether they match or not, so that a token means the same on every gateway.
bool WatchCursor::TakeEntry(const AppliedEntry& entry, Response* response) {
  uint64_t unit = 0;
  for (const AppliedEntry::DocumentChange& change : entry.documents) {
    if (unit++ < position_) continue;
    if (IsFull()) return false;
    if (Matches(change.twin) && !InSnapshot(change.twin, entry.revision)) {
      AddDocument(change.twin, change.definition.get(), entry.revision, response);
    }
    position_ = unit;
  }
  for (const AppliedEntry::Samples& samples : entry.samples) {
    const DecodedBlock::Run& run = samples.run;
    if (unit + run.count <= position_) {
      unit += run.count;
      continue;
    }
    if (!MatchesSensor(samples.sensor->twin, samples.sensor->sensor) ||
        InSnapshot(samples.sensor->twin, entry.revision)) {
      unit += run.count;
      position_ = unit;
      continue;
    }
    if (IsFull()) return false;
    pb::SensorSamples* out = SamplesOf(*samples.sensor, samples.backfill, response);
    for (uint32_t i = 0; i < run.count; ++i) {
      if (unit++ < position_) continue;
      if (IsFull()) return false;
      if (out->samples().empty()) {
        response_bytes_ += kChangeBytes + samples.sensor->twin.size() + samples.sensor->sensor.size();
      }
      const uint32_t index = run.begin + i;
      const SampleValue value = samples.block->ValueAt(run, index);
      SetSample(samples.block->times_unix_ns[index], value, QualityAt(*samples.block, index), out->add_samples());
      response_bytes_ += kSampleBytes + TextBytes(value);
      position_ = unit;
    }
  }
  for (const pb::Gap& gap : entry.gaps) {
    if (unit++ < position_) continue;
    if (IsFull()) return false;
    if (MatchesGap(gap) && !InSnapshot(gap.twin(), entry.revision)) {
      pb::TwinChange* change = response->add_changes();
      change->set_twin_id(gap.twin());
      *change->mutable_gap() = gap;
      response_bytes_ += change->ByteSizeLong();
    }
    position_ = unit;
  }
  for (const AppliedEntry::Connection& connection : entry.connections) {
    if (unit++ < position_) continue;
    if (IsFull()) return false;
    if (MatchesConnections()) {
      pb::ConnectionChange* change = response->add_changes()->mutable_connection();
      change->set_bridge(connection.bridge);
      change->set_connected(connection.connected);
      response_bytes_ += kChangeBytes + connection.bridge.size();
    }
    position_ = unit;
  }
  return true;
}

void WatchCursor::AddDocument(const std::string& twin, const Definition* definition, uint64_t revision,
                              Response* response) {
  pb::TwinChange* change = response->add_changes();
  change->set_twin_id(twin);
  if (definition == nullptr) {
    change->mutable_removed();
  } else {
    SetTwinDocument(twin, *definition, access_.live_of(twin), revision, view_, change->mutable_document());
  }
  response_bytes_ += change->ByteSizeLong();
}

void WatchCursor::Merge(const AppliedEntry& entry) {
  merged_revision_ = entry.revision;
  merged_bytes_ += entry.bytes;
  for (const AppliedEntry::DocumentChange& change : entry.documents) {
    if (!Matches(change.twin) || InSnapshot(change.twin, entry.revision)) continue;
    latest_documents_[change.twin] = {change.definition, entry.revision};
    if (change.definition != nullptr) continue;
    // What came before belongs to a twin that is no more.
    std::erase_if(latest_, [&](const auto& sensor) { return sensor.first->twin == change.twin; });
  }
  for (const AppliedEntry::Samples& samples : entry.samples) {
    if (!MatchesSensor(samples.sensor->twin, samples.sensor->sensor) ||
        InSnapshot(samples.sensor->twin, entry.revision)) {
      continue;
    }
    const DecodedBlock::Run& run = samples.run;
    if (run.count == 0) continue;
    uint32_t newest = run.begin;
    for (uint32_t i = run.begin + 1; i < run.begin + run.count; ++i) {
      if (samples.block->times_unix_ns[i] >= samples.block->times_unix_ns[newest]) newest = i;
    }
    const auto [place, is_new] = latest_.try_emplace(samples.sensor);
    Latest& latest = place->second;
    latest.merged_count += is_new ? run.count - 1 : run.count;
    const int64_t time_unix_ns = samples.block->times_unix_ns[newest];
    if (!is_new && (time_unix_ns < latest.time_unix_ns ||
                    (time_unix_ns == latest.time_unix_ns && samples.backfill && !latest.backfill))) {
      continue;
    }
    latest.value = samples.block->ValueAt(run, newest);
    latest.time_unix_ns = time_unix_ns;
    latest.quality = QualityAt(*samples.block, newest);
    latest.backfill = samples.backfill;
  }
  for (const pb::Gap& gap : entry.gaps) {
    if (MatchesGap(gap) && !InSnapshot(gap.twin(), entry.revision)) latest_gaps_.emplace_back(entry.revision, gap);
  }
  if (!MatchesConnections()) return;
  for (const AppliedEntry::Connection& connection : entry.connections) {
    latest_connections_[connection.bridge] = connection.connected;
  }
}

void WatchCursor::TakeLatest(Response* response) {
  while (!latest_documents_.empty() && !IsFull()) {
    const auto first = latest_documents_.extract(latest_documents_.begin());
    AddDocument(first.key(), first.mapped().definition.get(), first.mapped().revision, response);
  }
  while (!latest_.empty() && !IsFull()) {
    const auto first = latest_.extract(latest_.begin());
    const Latest& latest = first.mapped();
    pb::SensorSamples* out = SamplesOf(*first.key(), latest.backfill, response);
    SetSample(latest.time_unix_ns, latest.value, latest.quality, out->add_samples());
    out->set_merged_count(latest.merged_count);
    response_bytes_ +=
        kChangeBytes + kSampleBytes + first.key()->twin.size() + first.key()->sensor.size() + TextBytes(latest.value);
  }
  size_t gaps_told = 0;
  for (; gaps_told < latest_gaps_.size() && !IsFull(); ++gaps_told) {
    pb::TwinChange* change = response->add_changes();
    change->set_twin_id(latest_gaps_[gaps_told].second.twin());
    *change->mutable_gap() = std::move(latest_gaps_[gaps_told].second);
    response_bytes_ += change->ByteSizeLong();
  }
  latest_gaps_.erase(latest_gaps_.begin(), latest_gaps_.begin() + static_cast<std::ptrdiff_t>(gaps_told));
  while (!latest_connections_.empty() && !IsFull()) {
    const auto first = latest_connections_.extract(latest_connections_.begin());
    pb::ConnectionChange* change = response->add_changes()->mutable_connection();
    change->set_bridge(first.key());
    change->set_connected(first.mapped());
    response_bytes_ += kChangeBytes + first.key().size();
  }
  // Until all of it is told, the token stays where it was: a client that resumes gets newer values, never fewer.
  if (!latest_documents_.empty() || !latest_.empty() || !latest_gaps_.empty() || !latest_connections_.empty()) return;
  told_revision_ = merged_revision_;
  position_ = 0;
  merged_bytes_ = 0;
}

}  // namespace mvmd
