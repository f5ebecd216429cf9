#include "gateway/twin_lister.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gateway/page_token.h"
#include "gateway/request_errors.h"
#include "gateway/twin_answer.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// Twins read under one hold of the reader lock.
constexpr size_t kListChunk = 64;
// Snapshots that an order keeps; beyond it a page ends early.
constexpr size_t kListKeptBytesMax = 32 << 20;
// Time of one turn on a thread.
constexpr absl::Duration kListSlice = absl::Milliseconds(5);

size_t MemoryBytes(const TwinSnapshot& twin, const ListPosition& position) {
  size_t bytes = sizeof twin + twin.twin.size() + position.first.size() + position.second.size();
  for (const LiveSensor& sensor : twin.live.sensors) {
    bytes += sizeof sensor + sensor.sensor.size();
    if (const auto* text = std::get_if<std::string>(&sensor.value)) bytes += text->size();
  }
  return bytes;
}

// A position is harmless whatever it says: all that it does is to leave out what is before it.
absl::StatusOr<ListPosition> DecodePosition(const ListPlan& plan, const std::string& token) {
  absl::StatusOr<std::vector<std::string>> parts = DecodeToken("page_token", plan.token_binding, token);
  if (!parts.ok()) return parts.status();
  if (parts->size() == 1) return ListPosition("", (*parts)[0]);
  if (parts->size() == 2) return ListPosition((*parts)[0], (*parts)[1]);
  RequestErrors errors;
  errors.Add("page_token", "expected a token of ListTwins, got another one");
  return errors.status();
}

TwinFields FieldsOf(const pb::ListTwinsRequest& request, RequestErrors* errors) {
  if (request.read_mask().paths_size() == 0) {
    return TwinFields::OfView(request.view() == pb::TWIN_VIEW_UNSPECIFIED ? pb::TWIN_VIEW_BASIC : request.view());
  }
  if (request.view() != pb::TWIN_VIEW_UNSPECIFIED) errors->Add("view", "expected it not to be set beside read_mask");
  return TwinFields::OfMask(request.read_mask(), /*linked_data=*/false, errors);
}

}  // namespace

absl::StatusOr<ListPlan> MakeListPlan(const pb::ListTwinsRequest& request) {
  RequestErrors errors;
  ListPlan plan;
  plan.page_size = CheckPageSize(request.page_size(), kPageTwins, kPageTwinsMax, &errors);
  errors.CheckNameSize("prefix", request.prefix());
  CheckView(request.view(), &errors);
  plan.fields = FieldsOf(request, &errors);
  absl::StatusOr<Filter> filter = Filter::Parse(request.filter());
  if (!filter.ok()) errors.Add("filter", filter.status().message());
  absl::StatusOr<OrderBy> order = OrderBy::Parse(request.order_by());
  if (!order.ok()) errors.Add("order_by", order.status().message());
  if (!errors.ok()) return errors.status();
  plan.prefix = request.prefix();
  plan.filter = *std::move(filter);
  plan.order = *std::move(order);
  plan.wants_total = request.include_total_size();
  plan.token_binding = TokenBinding(request, {"page_token", "page_size", "include_total_size"});
  if (!request.page_token().empty()) {
    absl::StatusOr<ListPosition> after = DecodePosition(plan, request.page_token());
    if (!after.ok()) return after.status();
    plan.after = *std::move(after);
  }
  return plan;
}

TwinLister::TwinLister(const Committer& committer, const Caller& caller, ListPlan plan, size_t page_bytes_max,
                       pb::ListTwinsResponse* response)
    : plan_(std::move(plan)),
      page_bytes_max_(page_bytes_max),
      response_(response),
      twins_(committer, caller, plan_.prefix,
             plan_.after.has_value() && !GoesThroughAll() ? plan_.after->second : std::string()) {
  // Of later parts of the page more may be applied.
  response_->set_applied_revision(committer.applied_revision());
}

bool TwinLister::Step() {
  switch (stage_) {
    case Stage::kScan:
      if (next_ < chunk_.size()) {
        Consider(std::move(chunk_[next_++]));
        break;
      }
      chunk_ = twins_.Next(ChunkSize());
      next_ = 0;
      if (chunk_.empty()) EndScan();
      break;
    case Stage::kRender:
      if (next_ < kept_.size() && !IsPageFull()) {
        Render(std::move(kept_[next_++].twin));
        break;
      }
      if (next_ < kept_.size() || end_.has_value()) SetToken(kept_[next_ - 1].position);
      stage_ = Stage::kDone;
      break;
    case Stage::kDone:
      break;
  }
  return stage_ == Stage::kDone;
}

// One more than fits tells whether there is another page.
size_t TwinLister::ChunkSize() const {
  if (GoesThroughAll() || !plan_.filter.is_empty()) return kListChunk;
  return std::min(kListChunk, plan_.page_size - static_cast<size_t>(response_->twins_size()) + 1);
}

void TwinLister::Consider(TwinSnapshot twin) {
  const ServedValue document(twin.definition->tree, twin.live);
  if (!plan_.filter.Matches(document)) return;
  ++total_;
  ListPosition position(plan_.order.KeyOf(document), twin.twin);
  if (plan_.after.has_value() && position <= *plan_.after) return;
  if (!plan_.order.is_empty()) return Keep(std::move(position), std::move(twin));
  if (end_.has_value()) return;
  if (!IsPageFull()) return Render(std::move(twin));
  SetToken({"", last_id_});
  end_ = std::move(position);
  if (!plan_.wants_total) stage_ = Stage::kDone;
}

void TwinLister::Keep(ListPosition position, TwinSnapshot twin) {
  if (end_.has_value() && position >= *end_) return;
  const size_t bytes = MemoryBytes(twin, position);
  kept_.push_back({std::move(position), std::move(twin), bytes});
  std::push_heap(kept_.begin(), kept_.end());
  kept_bytes_ += bytes;
  while (kept_.size() > plan_.page_size || (kept_.size() > 1 && kept_bytes_ > kListKeptBytesMax)) {
    std::pop_heap(kept_.begin(), kept_.end());
    kept_bytes_ -= kept_.back().bytes;
    end_ = std::move(kept_.back().position);
    kept_.pop_back();
  }
}

void TwinLister::EndScan() {
  if (plan_.wants_total) response_->set_total_size(total_);
  std::sort_heap(kept_.begin(), kept_.end());
  stage_ = kept_.empty() ? Stage::kDone : Stage::kRender;
}

bool TwinLister::IsPageFull() const {
  return static_cast<size_t>(response_->twins_size()) >= plan_.page_size || given_bytes_ >= page_bytes_max_;
}

void TwinLister::Render(TwinSnapshot twin) {
  pb::TwinDocument* document = response_->add_twins();
  last_id_ = twin.twin;
  TwinAnswer(std::move(twin), TwinForm(), plan_.fields).Fill(document);
  given_bytes_ += document->ByteSizeLong();
}

void TwinLister::SetToken(const ListPosition& last) {
  std::vector<std::string> parts;
  if (!plan_.order.is_empty()) parts.push_back(last.first);
  parts.push_back(last.second);
  response_->set_next_page_token(EncodeToken(plan_.token_binding, parts));
}

void RunList(Executor* readers, const CallPtr& call, const std::shared_ptr<TwinLister>& lister) {
  absl::Time slice_end = absl::InfinitePast();
  do {
    const absl::Time now = absl::Now();
    if (now < slice_end) continue;
    if (call->is_cancelled()) return call->Finish(absl::CancelledError("the client is gone"));
    if (now >= call->deadline()) return call->Finish(absl::DeadlineExceededError("the client's deadline has passed"));
    const bool is_first = slice_end == absl::InfinitePast();
    // When there is no place in the queue it goes on here.
    if (!is_first && readers->TryRun([readers, call, lister] { RunList(readers, call, lister); })) return;
    slice_end = now + kListSlice;
  } while (!lister->Step());
  call->Finish(absl::OkStatus());
}

}  // namespace mvmd
