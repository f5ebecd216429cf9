// Gaps: what a bridge says is missing, what was refused, and what a twin remembers of it.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/twin_state_impl.h"
#include "runtime/status_proto.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

// Nothing that is missing is left out, it is only told less exactly.
void MergeGap(const pb::Gap& from, pb::Gap* into) {
  const bool times_known = into->start_time_unix_ns() != 0 && from.start_time_unix_ns() != 0 &&
                           into->end_time_unix_ns() != 0 && from.end_time_unix_ns() != 0;
  into->set_start_time_unix_ns(times_known ? std::min(into->start_time_unix_ns(), from.start_time_unix_ns()) : 0);
  into->set_end_time_unix_ns(times_known ? std::max(into->end_time_unix_ns(), from.end_time_unix_ns()) : 0);
  into->set_count(into->count() != 0 && from.count() != 0 ? into->count() + from.count() : 0);
  into->set_first_seq(std::min(into->first_seq(), from.first_seq()));
  into->set_last_seq(std::max(into->last_seq(), from.last_seq()));
  if (into->sensor() != from.sensor()) into->clear_sensor();
  if (into->reason() != from.reason()) into->clear_reason();
}

}  // namespace

// A gap of the whole bridge concerns each of its twins, so that many of them would be very much: those of one entry
// with the same reason are one.
void TwinState::Impl::AddBridgeGap(pb::Gap gap, std::vector<pb::Gap>* gaps) {
  if (!pb::Gap::Reason_IsValid(gap.reason())) gap.clear_reason();
  const auto same =
      std::find_if(gaps->begin(), gaps->end(), [&gap](const pb::Gap& other) { return other.reason() == gap.reason(); });
  if (same == gaps->end()) {
    gaps->push_back(std::move(gap));
  } else {
    MergeGap(gap, &*same);
  }
}

// The rows that it covers are between bridge and gateway.
pb::Gap TwinState::Impl::ToldGap(const pb::Gap& gap) {
  pb::Gap told = gap;
  told.clear_covered();
  return told;
}

void TwinState::Impl::ApplyGap(const pb::Gap& gap, Context* context) {
  if (gap.twin().size() > kNameBytesMax || gap.sensor().size() > kNameBytesMax) {
    return Reject(MakeError(absl::StatusCode::kInvalidArgument, "GAP_INVALID",
                            absl::StrCat("frame ", context->seq, ": gap: expected names of at most ", kNameBytesMax,
                                         " bytes, got ", std::max(gap.twin().size(), gap.sensor().size()))),
                  "", context);
  }
  if (absl::Status status = ApplyCovered(gap, context); !status.ok()) {
    return Reject(std::move(status), gap.twin(), context);
  }
  if (gap.twin().empty()) return AddBridgeGap(gap, &context->bridge_gaps);
  Twin* twin = JoinEpoch(gap.twin(), context);
  if (twin == nullptr) {
    context->not_applied.Add(context->frame + uint64_t{1});
    return;
  }
  if (twin->deleted()) return;
  RecordGap(twin, gap, context);
  if (context->applied != nullptr) context->applied->gaps.push_back(ToldGap(gap));
}

absl::Status TwinState::Impl::CheckCovered(const pb::Gap& gap, uint64_t seq) {
  for (const pb::Interval& covered : gap.covered()) {
    if (covered.first() == 0 || covered.first() > covered.last() || covered.last() >= seq) {
      return MakeError(absl::StatusCode::kInvalidArgument, "GAP_INVALID",
                       absl::StrCat("frame ", seq, ": gap.covered: expected rows before this one, got ",
                                    covered.first(), " to ", covered.last()));
    }
  }
  return absl::OkStatus();
}

absl::Status TwinState::Impl::ApplyCovered(const pb::Gap& gap, Context* context) {
  if (absl::Status status = CheckCovered(gap, context->seq); !status.ok()) return status;
  for (const pb::Interval& covered : gap.covered()) {
    context->epoch->applied.Add(covered.first(), covered.last());
    context->result->applied.Add(covered.first(), covered.last());
  }
  return absl::OkStatus();
}

void TwinState::Impl::RefuseSamples(const ParsedGroup::Frame& frame, Context* context) {
  // What else is refused has no samples.
  if (!frame.frame->has_block() && frame.frame->payload_case() != pb::Frame::PAYLOAD_NOT_SET) return;
  pb::Gap gap;
  gap.set_reason(pb::Gap::REASON_REJECTED);
  gap.set_first_seq(context->seq);
  gap.set_last_seq(context->seq);
  AddRefusedGap(std::move(gap), context);
}

// One a twin, however many frames of the entry are refused.
void TwinState::Impl::AddRefusedGap(pb::Gap gap, Context* context) {
  const auto found = context->refused_gaps.find(gap.twin());
  if (found != context->refused_gaps.end()) return MergeGap(gap, &found->second);
  context->refused_gaps.emplace(gap.twin(), std::move(gap));
}

void TwinState::Impl::RefuseRun(const DecodedBlock& block, const DecodedBlock::Run& run, const Sensor* sensor,
                                Context* context) {
  pb::Gap gap;
  gap.set_reason(pb::Gap::REASON_REJECTED);
  gap.set_first_seq(context->seq);
  gap.set_last_seq(context->seq);
  gap.set_count(run.count);
  const auto times =
      std::minmax_element(block.times_unix_ns.begin() + run.begin, block.times_unix_ns.begin() + run.begin + run.count);
  gap.set_start_time_unix_ns(*times.first);
  gap.set_end_time_unix_ns(*times.second);
  if (sensor != nullptr) {
    gap.set_twin(sensor->twin->id);
    gap.set_sensor(sensor->ref.sensor);
  }
  AddRefusedGap(std::move(gap), context);
}

void TwinState::Impl::ApplyRefusedGaps(Context* context) {
  if (context->refused_gaps.empty()) return;
  std::vector<pb::Gap>& noted = notes[context->revision].refused_gaps;
  for (const auto& [twin, gap] : context->refused_gaps) {
    noted.push_back(gap);
    if (twin.empty()) {
      AddBridgeGap(gap, &context->bridge_gaps);
      continue;
    }
    RecordGap(InternTwin(twin), gap, context);
    if (context->applied != nullptr) context->applied->gaps.push_back(gap);
  }
  SaveNote(context->revision);
}

void TwinState::Impl::ApplyBridgeGaps(Context* context) {
  if (context->bridge_gaps.empty()) return;
  // Which twins they concern is a matter of this moment: write it down.
  std::vector<std::string> concerned;
  for (const auto& [id, twin] : context->bridge->owned) concerned.push_back(id);
  for (const Twin* twin : context->epoch->twins) {
    if (!twin->deleted() && twin->owner != context->bridge) concerned.push_back(twin->id);
  }
  std::sort(concerned.begin(), concerned.end());
  TwinNames& before = context->bridge->gap_twins;
  if (before == nullptr || *before != concerned) {
    before = std::make_shared<const std::vector<std::string>>(std::move(concerned));
  }
  notes[context->revision].bridge_gap_twins = before;
  SaveNote(context->revision);
  for (pb::Gap& gap : context->bridge_gaps) {
    for (const std::string& id : *before) {
      gap.set_twin(id);
      RecordGap(InternTwin(id), gap, context);
      if (context->applied != nullptr) context->applied->gaps.push_back(gap);
    }
  }
}

bool TwinState::Impl::RecordedGap::Continues(const RecordedGap& other) const {
  return gap.reason() == other.gap.reason() && gap.sensor() == other.gap.sensor() && bridge == other.bridge &&
         epoch == other.epoch && other.gap.last_seq() != 0 && gap.first_seq() == other.gap.last_seq() + 1;
}

void TwinState::Impl::RecordedGap::Merge(const RecordedGap& later) {
  MergeGap(later.gap, &gap);
  revision = later.revision;
  time_unix_ns = later.time_unix_ns;
  if (bridge == later.bridge && epoch == later.epoch) return;
  bridge.clear();
  epoch = 0;
}

void TwinState::Impl::RecordGap(Twin* twin, const pb::Gap& gap, Context* context) {
  RecordedGap added{context->revision, ToldGap(gap), context->time_unix_ns, context->bridge->name,
                    context->epoch->number};
  context->result->gaps.push_back(gap.reason());
  TwinWillChange(twin, context->revision, context->time_unix_ns);
  std::deque<uint64_t>& revisions = twin->gap_revisions;
  if (revisions.empty() || revisions.back() != context->revision) revisions.push_back(context->revision);
  if (revisions.size() > std::max<size_t>(limits.gaps_kept, 1)) revisions.pop_front();
  std::vector<RecordedGap>& gaps = twin->gaps;
  twin->revision = context->revision;
  MarkLive(twin);
  if (!gaps.empty() && added.Continues(gaps.back())) return gaps.back().Merge(added);
  gaps.push_back(std::move(added));
  if (gaps.size() <= limits.gaps_kept || gaps.size() < 2) return;
  // The two oldest become one that covers both.
  gaps[0].Merge(gaps[1]);
  gaps.erase(gaps.begin() + 1);
}

std::vector<TwinGap> TwinState::ListGaps(absl::string_view twin) const {
  std::vector<TwinGap> listed;
  const Impl::Twin* found = impl_->FindTwin(twin);
  if (found == nullptr || found->deleted()) return listed;
  for (const Impl::RecordedGap& recorded : found->gaps) {
    listed.push_back({recorded.gap, recorded.revision, recorded.time_unix_ns, recorded.bridge, recorded.epoch});
    listed.back().gap.set_twin(found->id);
  }
  return listed;
}

}  // namespace mvmd
