#include "gateway/twin_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/etag.h"
#include "gateway/request_errors.h"
#include "runtime/status_proto.h"
#include "twin/canonical.h"
#include "twin/document.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// Errors travel in HTTP/2 trailers, which clients bound at 8 KiB.
constexpr size_t kRefusedBytesMax = 2000;
constexpr size_t kViolationBytesMax = 1000;

absl::Status TooLarge(absl::string_view field, size_t bytes_max, size_t bytes) {
  RequestErrors errors;
  errors.Add(field, absl::StrCat("expected at most ", bytes_max, " bytes, got ", bytes));
  return errors.status();
}

absl::Status CheckEtag(absl::string_view etag) {
  if (etag.empty() || etag == "*" || etag == "-" || IsEtag(etag)) return absl::OkStatus();
  RequestErrors errors;
  errors.Add("etag", "expected a definition_etag (64 hex digits in lower case), `*`, `-` or nothing, got another text");
  return errors.status();
}

}  // namespace

absl::Status DocumentInvalidError(absl::string_view field, const RuleResult& result) {
  const size_t count = result.errors.size();
  std::string message = absl::StrCat("the document breaks ", count, count == 1 ? " rule" : " rules");
  if (count > 0) {
    const RuleFinding& first = result.errors.front();
    absl::StrAppend(&message, "; ", first.rule->id, " at \"", first.pointer, "\": ", first.rule->message);
  }
  if (count > 1) absl::StrAppend(&message, "; ValidateTwin lists all of them");
  absl::Status status = MakeError(absl::StatusCode::kInvalidArgument, "DOCUMENT_INVALID", message,
                                  {{"error_count", absl::StrCat(count)}});
  pb::DocumentRefused refused;
  SetValidationResult(result, kRefusedBytesMax, refused.mutable_result());
  size_t violation_bytes = 0;
  for (const pb::Finding& finding : refused.result().errors()) {
    const std::string path =
        finding.property().empty() ? std::string(field) : absl::StrCat(field, ".", finding.property());
    const std::string what = absl::StrCat(finding.rule(), ": ", finding.message());
    violation_bytes += path.size() + what.size() + 8;
    if (violation_bytes <= kViolationBytesMax) AddFieldViolation(path, what, &status);
  }
  SetDetail(refused, &status);
  return status;
}

TwinWriter::TwinWriter(Committer* committer, Executor* executor, const Options& options)
    : committer_(committer), executor_(executor), options_(options) {}

absl::StatusOr<TwinWriter::CheckedDocument> TwinWriter::CheckDocument(absl::string_view twin,
                                                                      const std::string& document) const {
  if (document.size() > options_.document_bytes_max) {
    return TooLarge("document", options_.document_bytes_max, document.size());
  }
  const JsonParseResult parsed = ParseIJson(document);
  absl::StatusOr<std::string> id = TwinIdOf(parsed.value);
  if (!parsed.ok || !id.ok()) {
    // Whatever the policy says: without these two it is nobody's document. The rules say so too, and more.
    const RuleResult result = ValidateText(document, /*strict=*/false);
    if (!result.valid) return DocumentInvalidError("document", result);
    return id.status();
  }
  std::optional<RuleResult> findings;
  if (const pb::ValidationMode mode = ModeOf(*id); mode != pb::VALIDATION_MODE_OFF) {
    findings = ValidateText(document, /*strict=*/false);
    if (!findings->valid && mode != pb::VALIDATION_MODE_WARN) return DocumentInvalidError("document", *findings);
  }
  if (!twin.empty() && *id != twin) {
    RequestErrors errors;
    errors.Add("twin_id", absl::StrCat("expected the document's identifier.value \"", *id, "\", got \"", twin, "\""));
    return errors.status();
  }
  return CheckedDocument{*std::move(id), Canonicalize(parsed.value), std::move(findings)};
}

void TwinWriter::Put(CheckedDocument document, const std::string& etag, const std::string& principal, Done done) {
  if (absl::Status status = CheckEtag(etag); !status.ok()) return std::move(done)(std::move(status));
  pb::LogEntry entry;
  pb::DocumentPut* put = entry.mutable_document_put();
  put->set_twin(std::move(document.twin));
  put->set_document(std::move(document.canonical));
  put->set_principal(principal);
  put->set_expected_etag(etag);
  Append(std::move(entry), std::move(document.findings), std::move(done));
}

void TwinWriter::Delete(const std::string& twin, const std::string& etag, const std::string& principal, Done done) {
  if (absl::Status status = CheckEtag(etag); !status.ok()) return std::move(done)(std::move(status));
  pb::LogEntry entry;
  pb::TwinDeleted* deleted = entry.mutable_twin_deleted();
  deleted->set_twin(twin);
  deleted->set_principal(principal);
  deleted->set_expected_etag(etag);
  Append(std::move(entry), std::nullopt, std::move(done));
}

void TwinWriter::Update(const std::string& twin, const std::string& merge_patch, const std::string& etag,
                        const std::string& principal, Done done) {
  if (absl::Status status = CheckEtag(etag); !status.ok()) return std::move(done)(std::move(status));
  if (merge_patch.size() > options_.document_bytes_max) {
    return std::move(done)(TooLarge("merge_patch", options_.document_bytes_max, merge_patch.size()));
  }
  absl::StatusOr<Json> patch = ParseJson(merge_patch);
  RequestErrors errors;
  if (!patch.ok()) {
    errors.Add("merge_patch", absl::StrCat("expected a JSON object: ", patch.status().message()));
  } else if (!patch->is_object()) {
    errors.Add("merge_patch", "expected a JSON object, got another value: that would replace the whole document");
  }
  if (!errors.ok()) return std::move(done)(errors.status());
  auto update = std::make_shared<PendingUpdate>();
  update->twin = twin;
  update->patch = *std::move(patch);
  update->etag = etag;
  update->principal = principal;
  update->done = std::move(done);
  update->tries_left = options_.tries;
  TryUpdate(std::move(update));
}

pb::ValidationMode TwinWriter::ModeOf(const std::string& twin) const {
  return committer_->Read([&twin](const TwinState& state) { return state.ValidationModeOf(twin); });
}

absl::Status TwinWriter::CheckMerged(const std::string& twin, const Json& merged,
                                     std::optional<RuleResult>* findings) const {
  if (const pb::ValidationMode mode = ModeOf(twin); mode != pb::VALIDATION_MODE_OFF) {
    *findings = ValidateDocument(merged, /*strict=*/false);
    if (!(*findings)->valid && mode != pb::VALIDATION_MODE_WARN) return DocumentInvalidError("merge_patch", **findings);
  }
  const absl::StatusOr<std::string> id = TwinIdOf(merged);
  if (id.ok() && *id == twin) return absl::OkStatus();
  RequestErrors errors;
  errors.Add("merge_patch.identifier.value",
             absl::StrCat("expected it to stay \"", twin, "\": a twin cannot change its id"));
  return errors.status();
}

void TwinWriter::TryUpdate(std::shared_ptr<PendingUpdate> update) {
  const absl::StatusOr<TwinSnapshot> snapshot =
      committer_->Read([&update](const TwinState& state) { return state.GetTwin(update->twin); });
  if (!snapshot.ok()) return std::move(update->done)(snapshot.status());
  const std::string& current = snapshot->definition->form.definition_etag();
  const bool any = update->etag.empty() || update->etag == "*";
  if (absl::Status status = CheckCondition(update->etag, snapshot->definition.get(), update->twin); !status.ok()) {
    return std::move(update->done)(std::move(status));
  }
  const Json merged = MergePatch(snapshot->definition->tree, update->patch);
  std::optional<RuleResult> findings;
  if (absl::Status status = CheckMerged(update->twin, merged, &findings); !status.ok()) {
    return std::move(update->done)(std::move(status));
  }
  if (const size_t bytes = Canonicalize(merged).size(); bytes > options_.document_bytes_max) {
    return std::move(update->done)(TooLarge("merge_patch", options_.document_bytes_max, bytes));
  }
  pb::LogEntry entry;
  pb::OverlayPatched* patched = entry.mutable_overlay_patched();
  patched->set_twin(update->twin);
  patched->set_merge_patch(Canonicalize(update->patch));
  patched->set_principal(update->principal);
  patched->set_expected_etag(current);
  Append(std::move(entry), std::move(findings), [this, update, any](absl::StatusOr<Written> written) {
    // Someone else was faster: what was validated is not what would have been made.
    if (any && !written.ok() && ReasonOf(written.status()) == "ETAG_MISMATCH" && --update->tries_left > 0) {
      return TryUpdate(update);
    }
    std::move(update->done)(std::move(written));
  });
}

void TwinWriter::Append(pb::LogEntry entry, std::optional<RuleResult> findings, Done done) {
  AppendEntry(committer_, executor_, std::move(entry),
              [findings = std::move(findings), done = std::move(done)](absl::StatusOr<ApplyResult> result) mutable {
                if (!result.ok()) return std::move(done)(result.status());
                std::move(done)(Written{*std::move(result), std::move(findings)});
              });
}

void AppendEntry(Committer* committer, Executor* executor, pb::LogEntry entry,
                 absl::AnyInvocable<void(absl::StatusOr<ApplyResult> result) &&> done) {
  // Shared: the committer takes it only when there is room.
  auto shared = std::make_shared<decltype(done)>(std::move(done));
  const absl::Status queued =
      committer->Append(std::move(entry), nullptr, [executor, shared](const ApplyResult& result) {
        absl::StatusOr<ApplyResult> outcome = result;
        if (!result.status.ok()) outcome = result.status;
        const bool taken = executor->TryRun([shared, outcome]() mutable { std::move (*shared)(std::move(outcome)); });
        // The write is in the log whatever becomes of the answer.
        if (!taken) {
          std::move (*shared)(MakeError(absl::StatusCode::kUnavailable, "OUTCOME_UNKNOWN",
                                        "the write was logged, its outcome is not known here: read the twin"));
        }
      });
  if (!queued.ok()) std::move (*shared)(queued);
}

}  // namespace mvmd
