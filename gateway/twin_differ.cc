#include "gateway/twin_differ.h"

#include <string>
#include <utility>

#include "gateway/twin_answer.h"
#include "gateway/twin_fields.h"
#include "twin/canonical.h"
#include "twin/json_diff.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// Values and pointers of the changes that are told; the patch has all of them.
constexpr size_t kChangeBytesMax = 1 << 20;

void SetChanges(const JsonDiff& diff, pb::DiffTwinResponse* response) {
  response->set_changes_truncated(diff.changes_truncated);
  size_t bytes = 0;
  for (const JsonChange& change : diff.changes) {
    pb::DocumentChange entry;
    entry.set_pointer(change.pointer);
    if (change.before != nullptr) entry.set_before(Canonicalize(*change.before));
    if (change.after != nullptr) entry.set_after(Canonicalize(*change.after));
    bytes += entry.ByteSizeLong();
    if (bytes > kChangeBytesMax) return response->set_changes_truncated(true);
    *response->add_changes() = std::move(entry);
  }
}

}  // namespace

void TwinDiffer::CheckRequest(const pb::DiffTwinRequest& request, RequestErrors* errors) {
  if (request.from_revision() == 0) errors->Add("from_revision", "expected a revision, got 0");
}

absl::Status TwinDiffer::Fill(const pb::DiffTwinRequest& request, pb::DiffTwinResponse* response) const {
  absl::StatusOr<TwinSnapshot> from = past_->At(request.twin_id(), request.from_revision());
  if (!from.ok()) return from.status();
  uint64_t applied = 0;
  absl::StatusOr<TwinSnapshot> to = committer_->Read([&](const TwinState& state) {
    applied = state.applied_revision();
    return state.GetTwin(request.twin_id());
  });
  if (request.to_revision() != 0) to = past_->At(request.twin_id(), request.to_revision());
  if (!to.ok()) return to.status();
  const TwinForm form{.definition_only = request.definition_only()};
  TwinAnswer before(*std::move(from), form, TwinFields::OfView(pb::TWIN_VIEW_BASIC));
  TwinAnswer after(*std::move(to), form, TwinFields::OfView(pb::TWIN_VIEW_BASIC));
  before.Fill(response->mutable_from());
  after.Fill(response->mutable_to());
  response->set_applied_revision(applied);
  const Json before_tree = before.Tree();
  const Json after_tree = after.Tree();
  JsonDiff diff = DiffJson(before_tree, after_tree);
  SetChanges(diff, response);
  response->set_patch(std::move(diff.patch));
  return absl::OkStatus();
}

}  // namespace mvmd
