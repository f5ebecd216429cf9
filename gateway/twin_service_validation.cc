// ValidateTwin, BatchValidateTwins: calls of TwinService that touch no twin.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "gateway/document_check.h"
#include "gateway/request_errors.h"
#include "gateway/twin_service.h"
#include "twin/rules.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr int kBatchMax = 1000;
// Of the findings in one answer: a hostile document has more of them than bytes.
constexpr size_t kBatchFindingBytesMax = size_t{32} << 20;

// Stores and shows nothing; but it costs time, which is for those who have business here.
absl::Status CheckMayValidate(const Caller& caller) {
  if (caller.CheckRole(Role::kWriter).ok()) return absl::OkStatus();
  return caller.CheckRole(Role::kReader);
}

}  // namespace

grpc::ServerUnaryReactor* TwinService::ValidateTwin(grpc::CallbackServerContext* context,
                                                    const pb::ValidateTwinRequest* request,
                                                    pb::ValidateTwinResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CallPtr call = Begin("ValidateTwin", context, reactor);
  if (call == nullptr) return reactor;
  RequestErrors errors;
  if (request->document().size() > options_.document_bytes_max) {
    errors.Add("document", absl::StrCat("expected at most ", options_.document_bytes_max, " bytes, got ",
                                        request->document().size()));
  }
  absl::Status status = CheckMayValidate(call->caller());
  if (status.ok()) status = errors.status();
  if (!status.ok()) {
    call->Finish(status);
    return reactor;
  }
  RunOnReaders(call, [request, response] {
    SetValidationResult(ValidateText(request->document(), request->strict()), response->mutable_result());
    return absl::OkStatus();
  });
  return reactor;
}

grpc::ServerUnaryReactor* TwinService::BatchValidateTwins(grpc::CallbackServerContext* context,
                                                          const pb::BatchValidateTwinsRequest* request,
                                                          pb::BatchValidateTwinsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CallPtr call = Begin("BatchValidateTwins", context, reactor);
  if (call == nullptr) return reactor;
  RequestErrors errors;
  if (request->requests().empty() || request->requests_size() > kBatchMax) {
    errors.Add("requests", absl::StrCat("expected 1 to ", kBatchMax, " documents, got ", request->requests_size()));
  }
  size_t bytes = 0;
  for (const pb::ValidateTwinRequest& one : request->requests()) bytes += one.document().size();
  if (bytes > options_.document_bytes_max) {
    errors.Add("requests", absl::StrCat("expected documents of at most ", options_.document_bytes_max,
                                        " bytes together, got ", bytes));
  }
  absl::Status status = CheckMayValidate(call->caller());
  if (status.ok()) status = errors.status();
  if (!status.ok()) {
    call->Finish(status);
    return reactor;
  }
  RunOrRefuse(parts_.readers, call, [call, request, response] {
    size_t bytes_left = kBatchFindingBytesMax;
    for (const pb::ValidateTwinRequest& one : request->requests()) {
      if (call->is_cancelled()) return call->Finish(absl::CancelledError("the client is gone"));
      pb::ValidationResult* result = response->add_responses()->mutable_result();
      SetValidationResult(ValidateText(one.document(), one.strict()), bytes_left, result);
      bytes_left -= std::min(bytes_left, result->ByteSizeLong());
    }
    call->Finish(absl::OkStatus());
  });
  return reactor;
}

}  // namespace mvmd
