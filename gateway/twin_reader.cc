#include "gateway/twin_reader.h"

#include <string>
#include <utility>

#include "gateway/etag.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr char kBesideMask[] = "expected it not to be set beside read_mask, which says the same";

TwinFields FieldsOf(const pb::GetTwinRequest& request, RequestErrors* errors) {
  if (request.read_mask().paths_size() == 0) return TwinFields::OfView(request.view(), request.include_linked_data());
  if (request.view() != pb::TWIN_VIEW_UNSPECIFIED) errors->Add("view", kBesideMask);
  if (request.include_linked_data()) errors->Add("include_linked_data", kBesideMask);
  return TwinFields::OfMask(request.read_mask(), /*linked_data=*/true, errors);
}

std::shared_ptr<TwinAnswer> MakeAnswer(const pb::GetTwinRequest& request, TwinSnapshot snapshot,
                                       const TwinFields& fields) {
  const TwinForm form{.definition_only = request.definition_only(), .lossless = request.lossless()};
  return std::make_shared<TwinAnswer>(std::move(snapshot), form, fields);
}

}  // namespace

TwinReader::TwinReader(Committer* committer, const PastTwins* past, Executor* readers, const DocumentSigner* signer,
                       const LinkedDataOptions& linked_data, GatewayMetrics* metrics)
    : committer_(committer), past_(past), readers_(readers), signer_(signer), linked_data_(linked_data, metrics) {}

TwinFields TwinReader::CheckRequest(const pb::GetTwinRequest& request, RequestErrors* errors) {
  if (request.revision() != 0 && request.min_revision() != 0) {
    errors->Add("revision", "expected revision or min_revision, got both");
  }
  const std::string& etag = request.if_none_match();
  if (!etag.empty() && !IsEtag(etag)) {
    errors->Add("if_none_match",
                "expected the etag of a former answer (64 hex digits in lower case) or nothing, got "
                "another text");
  }
  if (request.include_proof() && !etag.empty()) {
    errors->Add("if_none_match", "expected it not to be set beside include_proof: each proof makes another etag");
  }
  const TwinFields fields = FieldsOf(request, errors);
  if (request.include_proof() && !fields.has_canonical()) {
    errors->Add("include_proof", "expected a view or a read_mask with the canonical bytes, which are what is signed");
  }
  return fields;
}

void TwinReader::Get(const CallPtr& call, const pb::GetTwinRequest& request, const TwinFields& fields,
                     pb::GetTwinResponse* response) {
  if (request.revision() != 0) return GetPast(call, request, fields, response);
  uint64_t applied = 0;
  absl::StatusOr<TwinSnapshot> snapshot = committer_->Read([&](const TwinState& state) {
    applied = state.applied_revision();
    return state.GetTwin(request.twin_id());
  });
  if (!snapshot.ok()) return call->Finish(snapshot.status());
  response->set_applied_revision(applied);
  const std::shared_ptr<TwinAnswer> answer = MakeAnswer(request, *std::move(snapshot), fields);
  if (!answer->needs_tree() && !request.include_proof()) return Answer(call, request, answer, response);
  RunOrRefuse(readers_, call, [this, call, &request, answer, response] { Answer(call, request, answer, response); });
}

void TwinReader::GetPast(const CallPtr& call, const pb::GetTwinRequest& request, const TwinFields& fields,
                         pb::GetTwinResponse* response) {
  absl::StatusOr<TwinSnapshot> snapshot = past_->At(request.twin_id(), request.revision());
  if (!snapshot.ok()) return call->Finish(snapshot.status());
  response->set_applied_revision(committer_->applied_revision());
  Answer(call, request, MakeAnswer(request, *std::move(snapshot), fields), response);
}

void TwinReader::Answer(const CallPtr& call, const pb::GetTwinRequest& request,
                        const std::shared_ptr<TwinAnswer>& answer, pb::GetTwinResponse* response) {
  if (!request.if_none_match().empty() && request.if_none_match() == answer->etag()) {
    answer->FillNotModified(response->mutable_twin());
    response->set_not_modified(true);
    return call->Finish(absl::OkStatus());
  }
  answer->Fill(response->mutable_twin());
  if (request.include_proof()) {
    if (absl::Status status = signer_->Sign(response->mutable_twin()); !status.ok()) return call->Finish(status);
  }
  if (!answer->fields().has_linked_data()) return call->Finish(absl::OkStatus());
  linked_data_.Make({.client = call->caller().subject(),
                     .etag = answer->etag(),
                     .document_bytes = answer->canonical().size(),
                     .tree = [answer] { return answer->Tree(); },
                     .is_cancelled = [call] { return call->is_cancelled(); },
                     .done =
                         [call, answer, response](const LinkedDataMaker::Answer& made) {
                           if (!made.ok()) return call->Finish(made.status());
                           *response->mutable_twin()->mutable_linked_data() = **made;
                           answer->fields().Trim(response->mutable_twin());
                           call->Finish(absl::OkStatus());
                         }});
}

}  // namespace mvmd
