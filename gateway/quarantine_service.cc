#include "gateway/quarantine_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gateway/document_check.h"
#include "gateway/page_token.h"
#include "gateway/request_errors.h"
#include "gateway/sample_proto.h"
#include "gateway/twin_writer.h"
#include "runtime/status_proto.h"
#include "twin/canonical.h"
#include "twin/document.h"
#include "twin/rules.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr size_t kPageDocuments = 50;
constexpr size_t kPageDocumentsMax = 1000;
// Of the findings in one answer: a hostile document has more of them than bytes.
constexpr size_t kFindingBytesMax = size_t{32} << 20;

size_t PageSize(int32_t asked) {
  if (asked <= 0) return kPageDocuments;
  return std::min(static_cast<size_t>(asked), kPageDocumentsMax);
}

absl::Status CheckNames(const std::string& bridge, const std::string& twin) {
  RequestErrors errors;
  if (bridge.empty()) errors.Add("bridge", "expected the SPIFFE URI of a bridge, got nothing");
  if (twin.empty()) errors.Add("twin_id", "expected the id of a twin, got nothing");
  errors.CheckNameSize("bridge", bridge);
  errors.CheckNameSize("twin_id", twin);
  return errors.status();
}

// Hashes the document: not under a lock.
void SetDocument(const QuarantinedDocument& document, pb::QuarantinedDocument* out) {
  out->set_bridge(document.bridge);
  out->set_twin_id(document.twin);
  out->set_revision(document.revision);
  SetTimestamp(document.time_unix_ns, out->mutable_time());
  out->set_reason(document.reason);
  out->set_message(document.message);
  out->set_error_count(document.error_count);
  out->set_warning_count(document.warning_count);
  out->set_size_bytes(document.document.size());
  out->set_sha256(Sha256Hex(document.document));
  out->set_redrive_count(document.redrive_count);
  if (document.redrive_count > 0) SetTimestamp(document.last_redrive_unix_ns, out->mutable_last_redrive());
}

// Of the document, or, when that is valid, of what the overlay makes of it: what a re-drive would look at.
RuleResult ValidateNow(const QuarantinedTwin& quarantined) {
  RuleResult result = ValidateText(quarantined.document->document, /*strict=*/false);
  if (!result.valid || !quarantined.overlay.has_value()) return result;
  return ValidateDocument(MergePatch(ParseIJson(quarantined.document->document).value, *quarantined.overlay),
                          /*strict=*/false);
}

}  // namespace

CallPtr QuarantineService::Begin(absl::string_view method, grpc::CallbackServerContext* context,
                                 grpc::ServerUnaryReactor* reactor, const absl::Status& request_status) {
  CallPtr call = BeginCall(method, context, reactor, *callers_, parts_.metrics);
  if (call == nullptr) return nullptr;
  absl::Status status = call->caller().CheckRole(Role::kOperator);
  if (status.ok()) status = request_status;
  if (status.ok()) return call;
  call->Finish(status);
  return nullptr;
}

grpc::ServerUnaryReactor* QuarantineService::ListQuarantinedDocuments(
    grpc::CallbackServerContext* context, const pb::ListQuarantinedDocumentsRequest* request,
    pb::ListQuarantinedDocumentsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  RequestErrors errors;
  if (request->page_size() < 0) {
    errors.Add("page_size", absl::StrCat("expected 1 to ", kPageDocumentsMax, ", or 0 for ", kPageDocuments, ", got ",
                                         request->page_size()));
  }
  errors.CheckNameSize("bridge", request->bridge());
  errors.CheckNameSize("prefix", request->prefix());
  absl::Status status = errors.status();
  const std::string binding = TokenBinding(*request, {"page_token", "page_size"});
  Quarantine::Key after;
  if (status.ok() && !request->page_token().empty()) {
    absl::StatusOr<std::vector<std::string>> position = DecodeToken("page_token", binding, request->page_token());
    status = position.status();
    if (status.ok() && position->size() != 2) {
      errors.Add("page_token", "expected a token of ListQuarantinedDocuments, got another one");
      status = errors.status();
    } else if (status.ok()) {
      after = {(*position)[0], (*position)[1]};
    }
  }
  const CallPtr call = Begin("ListQuarantinedDocuments", context, reactor, status);
  if (call == nullptr) return reactor;
  RunOrRefuse(parts_.readers, call, [this, call, request, response, binding, after = std::move(after)] {
    const size_t page_size = PageSize(request->page_size());
    std::vector<Quarantine::Document> documents = parts_.committer->Read([&](const TwinState& state) {
      return state.quarantine().List(after, request->bridge(), request->prefix(), page_size + 1);
    });
    if (documents.size() > page_size) {
      documents.resize(page_size);
      response->set_next_page_token(EncodeToken(binding, {documents.back()->bridge, documents.back()->twin}));
    }
    for (const Quarantine::Document& document : documents) SetDocument(*document, response->add_documents());
    call->Finish(absl::OkStatus());
  });
  return reactor;
}

grpc::ServerUnaryReactor* QuarantineService::GetQuarantinedDocument(grpc::CallbackServerContext* context,
                                                                    const pb::GetQuarantinedDocumentRequest* request,
                                                                    pb::GetQuarantinedDocumentResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CallPtr call =
      Begin("GetQuarantinedDocument", context, reactor, CheckNames(request->bridge(), request->twin_id()));
  if (call == nullptr) return reactor;
  RunOrRefuse(parts_.readers, call, [this, call, request, response] {
    const absl::StatusOr<QuarantinedTwin> found = parts_.committer->Read(
        [&](const TwinState& state) { return state.GetQuarantined(request->bridge(), request->twin_id()); });
    if (!found.ok()) return call->Finish(found.status());
    SetDocument(*found->document, response->mutable_document());
    response->set_content(found->document->document);
    if (found->document->error_count + found->document->warning_count > 0) {
      *response->mutable_refused_result() = found->document->result;
    }
    SetValidationResult(ValidateNow(*found), kFindingBytesMax, response->mutable_current_result());
    call->Finish(absl::OkStatus());
  });
  return reactor;
}

absl::Status QuarantineService::ExplainRefusal(const std::string& bridge, const std::string& twin,
                                               const absl::Status& refusal) const {
  if (ReasonOf(refusal) != "DOCUMENT_INVALID") return refusal;
  const absl::StatusOr<QuarantinedTwin> found =
      parts_.committer->Read([&](const TwinState& state) { return state.GetQuarantined(bridge, twin); });
  if (!found.ok()) return refusal;  // replaced meanwhile
  const RuleResult result = ValidateNow(*found);
  return result.valid ? refusal : DocumentInvalidError("document", result);
}

grpc::ServerUnaryReactor* QuarantineService::RedriveDocument(grpc::CallbackServerContext* context,
                                                             const pb::RedriveDocumentRequest* request,
                                                             pb::RedriveDocumentResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::Status status = CheckNames(request->bridge(), request->twin_id());
  const CallPtr call = Begin("RedriveDocument", context, reactor, status);
  if (call == nullptr) return reactor;
  // What the bridge may not send any more, it does not send this way.
  if (!call->caller().policy().MaySync(request->bridge(), request->twin_id())) {
    call->Finish(TwinNotAllowed(request->twin_id(), request->bridge()));
    return reactor;
  }
  pb::LogEntry entry;
  pb::DocumentRedriven* redriven = entry.mutable_document_redriven();
  redriven->set_bridge(request->bridge());
  redriven->set_twin(request->twin_id());
  redriven->set_principal(call->caller().subject());
  redriven->set_expected_revision(request->revision());
  AppendEntry(parts_.committer, parts_.readers, std::move(entry),
              [this, call, request, response](absl::StatusOr<ApplyResult> result) {
                if (!result.ok()) {
                  return call->Finish(ExplainRefusal(request->bridge(), request->twin_id(), result.status()));
                }
                call->Written(request->twin_id(), result->revision);
                for (const auto& [reason, count] : result->issues) parts_.metrics->CountIssue(reason, count);
                response->set_revision(result->revision);
                response->set_definition_etag(result->definition_etag);
                call->Finish(absl::OkStatus());
              });
  return reactor;
}

grpc::ServerUnaryReactor* QuarantineService::DiscardDocument(grpc::CallbackServerContext* context,
                                                             const pb::DiscardDocumentRequest* request,
                                                             pb::DiscardDocumentResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CallPtr call = Begin("DiscardDocument", context, reactor, CheckNames(request->bridge(), request->twin_id()));
  if (call == nullptr) return reactor;
  pb::LogEntry entry;
  pb::DocumentDiscarded* discarded = entry.mutable_document_discarded();
  discarded->set_bridge(request->bridge());
  discarded->set_twin(request->twin_id());
  discarded->set_principal(call->caller().subject());
  discarded->set_expected_revision(request->revision());
  AppendEntry(parts_.committer, parts_.readers, std::move(entry),
              [call, request, response](absl::StatusOr<ApplyResult> result) {
                if (!result.ok()) return call->Finish(result.status());
                call->Written(request->twin_id(), result->revision);
                response->set_revision(result->revision);
                call->Finish(absl::OkStatus());
              });
  return reactor;
}

}  // namespace mvmd
