#include "gateway/document_check.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/status_proto.h"
#include "twin/document.h"
#include "twin/utf8.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

constexpr size_t kFindingsTold = 16;
// Places in a document, and messages, may be as long as the document.
constexpr size_t kPlaceBytesMax = 200;
constexpr size_t kMessageBytesMax = 600;
// Longest id of a twin.
constexpr size_t kIdBytesMax = 1024;
// Tags and lengths around a finding.
constexpr size_t kFindingMarginBytes = 8;

void SetFinding(const RuleFinding& finding, pb::Finding* out) {
  out->set_property(finding.property);
  out->set_message(finding.rule->message);
  out->set_severity(finding.severity == Severity::kError ? "error" : "warning");
  out->set_rule(finding.rule->id);
  out->set_pointer(finding.pointer);
}

absl::Status BreaksRules(absl::string_view twin, const RuleResult& result) {
  std::string message = absl::StrCat("expected a valid document, got ", result.errors.size(), " errors");
  // None is kept of a hostile document whose first place is larger than all that is kept.
  if (!result.errors.empty()) {
    const RuleFinding& first = result.errors.front();
    absl::StrAppend(&message, ", the first: ", ShortText(first.property, kPlaceBytesMax), ": ", first.rule->message,
                    " (", first.rule->id, ")");
  }
  absl::Status status = DocumentInvalid(twin, message);
  for (size_t i = 0; i < std::min(result.errors.size(), kFindingsTold); ++i) {
    const RuleFinding& finding = result.errors[i];
    AddFieldViolation(ShortText(finding.property, kPlaceBytesMax),
                      absl::StrCat(finding.rule->message, " (", finding.rule->id, ")"), &status);
  }
  return status;
}

absl::Status CheckId(const Json& document, absl::string_view twin) {
  absl::StatusOr<std::string> id = TwinIdOf(document);
  if (!id.ok()) return DocumentInvalid(twin, id.status().message());
  if (*id != twin) {
    return DocumentInvalid(
        twin, absl::StrCat("identifier.value: expected \"", twin, "\", got \"", ShortText(*id, kPlaceBytesMax), "\""));
  }
  if (twin.size() > kIdBytesMax) {
    return DocumentInvalid(ShortText(twin, kPlaceBytesMax), absl::StrCat("identifier.value: expected at most ",
                                                                         kIdBytesMax, " bytes, got ", twin.size()));
  }
  return absl::OkStatus();
}

}  // namespace

std::string ShortText(absl::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  constexpr absl::string_view kCut = "...";
  size_t end = bytes_max - std::min(bytes_max, kCut.size());
  while (end > 0 && IsUtf8Continuation(text[end])) --end;
  return absl::StrCat(text.substr(0, end), kCut);
}

absl::Status DocumentInvalid(absl::string_view twin, absl::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "DOCUMENT_INVALID",
                   absl::StrCat("document of twin \"", twin, "\": ", ShortText(message, kMessageBytesMax)),
                   {{"twin", std::string(twin)}});
}

absl::Status CheckDocumentSize(absl::string_view canonical, size_t bytes_max, absl::string_view twin) {
  if (canonical.size() <= bytes_max) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kInvalidArgument, "DOCUMENT_TOO_LARGE",
      absl::StrCat("document of twin \"", twin, "\": expected at most ", bytes_max, " bytes, got ", canonical.size()),
      {{"twin", std::string(twin)}});
}

DocumentCheck CheckTwinDocument(const Json& document, absl::string_view twin, pb::ValidationMode mode) {
  DocumentCheck check;
  if (mode != pb::VALIDATION_MODE_OFF) {
    check.is_validated = true;
    check.result = ValidateDocument(document, /*strict=*/false);
    if (!check.result.valid && mode != pb::VALIDATION_MODE_WARN) {
      check.status = BreaksRules(twin, check.result);
      return check;
    }
  }
  check.status = CheckId(document, twin);
  return check;
}

void SetValidationResult(const RuleResult& result, size_t bytes_max, pb::ValidationResult* out) {
  out->set_valid(result.valid);
  out->set_strict(result.strict);
  out->set_profile(kProfileName);
  out->set_validated_against(kValidatedAgainst);
  out->set_truncated(result.truncated);
  size_t bytes = out->ByteSizeLong();
  const auto add = [&](const std::vector<RuleFinding>& findings, auto* list) {
    for (const RuleFinding& finding : findings) {
      pb::Finding entry;
      SetFinding(finding, &entry);
      bytes += entry.ByteSizeLong() + kFindingMarginBytes;
      if (bytes > bytes_max) {
        out->set_truncated(true);
        return;
      }
      *list->Add() = std::move(entry);
    }
  };
  add(result.errors, out->mutable_errors());
  if (!out->truncated()) add(result.warnings, out->mutable_warnings());
}

void SetValidationResult(const RuleResult& result, pb::ValidationResult* out) {
  SetValidationResult(result, std::numeric_limits<size_t>::max(), out);
}

}  // namespace mvmd
