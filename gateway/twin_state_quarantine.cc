// What bridges sent and was refused: kept, decided again, forgotten. And which documents have to be valid.
//
//  1. A document that a bridge sent whole, and whose bytes are those that it meant, is taken or kept here.
//  2. The next one of this bridge and twin takes its place, or removes it when it is taken.
//  3. A re-drive decides as if the bridge had sent the document now: rules, policy and overlay may be others. A bridge
//     that feeds the twin by now stays its owner.
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/twin_state_impl.h"
#include "runtime/status_proto.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

// What is kept of the findings; all of them are found again whenever somebody looks.
constexpr size_t kResultBytesMax = 8 << 10;

absl::Status QuarantineEmpty(absl::string_view bridge, absl::string_view twin) {
  return MakeError(absl::StatusCode::kNotFound, "QUARANTINE_EMPTY",
                   absl::StrCat("there is no document of twin \"", twin, "\" from ", bridge, " in quarantine"),
                   {{"bridge", std::string(bridge)}, {"twin", std::string(twin)}});
}

}  // namespace

absl::Status TwinState::Impl::TakeSent(const std::string& text, Twin* twin, Context* context) {
  std::optional<RuleResult> findings;
  absl::Status status = TakeBase(text, twin, context, &findings);
  const std::string& bridge = context->bridge->name;
  if (status.ok()) {
    if (quarantine.Erase(bridge, twin->id)) SaveQuarantined(bridge, twin->id);
    return status;
  }
  QuarantinedDocument document;
  document.bridge = bridge;
  document.twin = twin->id;
  document.document = text;
  document.revision = context->revision;
  document.frame = context->frame;
  document.time_unix_ns = context->time_unix_ns;
  context->result->quarantined.push_back(ReasonOf(status));
  PutIntoQuarantine(std::move(document), status, findings, context);
  return status;
}

void TwinState::Impl::PutIntoQuarantine(QuarantinedDocument document, const absl::Status& status,
                                        const std::optional<RuleResult>& findings, Context* context) {
  document.reason = ReasonOf(status);
  document.message = std::string(status.message());
  document.result.Clear();
  document.error_count = 0;
  document.warning_count = 0;
  if (findings.has_value()) {
    SetValidationResult(*findings, kResultBytesMax, &document.result);
    document.error_count = findings->errors.size();
    document.warning_count = findings->warnings.size();
  }
  SaveQuarantined(document.bridge, document.twin);
  for (const Quarantine::Document& gone : quarantine.Put(std::move(document))) {
    SaveQuarantined(gone->bridge, gone->twin);
    AddIssue(context, "QUARANTINE_FULL", gone->twin, "", 1, [&gone] {
      return absl::StrCat("document of twin \"", gone->twin, "\" from ", gone->bridge,
                          ": expected room in the quarantine, got newer documents; it is forgotten");
    });
  }
}

Quarantine::Document TwinState::Impl::FindQuarantined(const std::string& bridge, const std::string& twin,
                                                      uint64_t expected_revision, absl::Status* status) const {
  Quarantine::Document document = quarantine.Find(bridge, twin);
  if (document == nullptr) {
    *status = QuarantineEmpty(bridge, twin);
  } else if (expected_revision != 0 && expected_revision != document->revision) {
    *status = MakeError(
        absl::StatusCode::kAborted, "QUARANTINE_CHANGED",
        absl::StrCat("document of twin \"", twin, "\" from ", bridge, ": expected the one of revision ",
                     expected_revision, ", got the one of revision ", document->revision, "; look at it first"),
        {{"revision", absl::StrCat(document->revision)}});
    document = nullptr;
  }
  return document;
}

void TwinState::Impl::ApplyRedrive(const pb::DocumentRedriven& redriven, Context* context) {
  ApplyResult* result = context->result;
  const Quarantine::Document before =
      FindQuarantined(redriven.bridge(), redriven.twin(), redriven.expected_revision(), &result->status);
  if (before == nullptr) return;
  context->bridge = BridgeAt(before->bridge);
  context->is_redrive = true;
  Twin* twin = InternTwin(before->twin);
  std::optional<RuleResult> findings;
  result->status = TakeBase(before->document, twin, context, &findings);
  if (result->status.ok()) {
    quarantine.Erase(before->bridge, before->twin);
    SaveQuarantined(before->bridge, before->twin);
    if (twin->definition != nullptr) result->definition_etag = twin->definition->form.definition_etag();
    return;
  }
  QuarantinedDocument document = *before;
  ++document.redrive_count;
  document.last_redrive_unix_ns = context->time_unix_ns;
  PutIntoQuarantine(std::move(document), result->status, findings, context);
}

void TwinState::Impl::ApplyDiscard(const pb::DocumentDiscarded& discarded, Context* context) {
  const Quarantine::Document before =
      FindQuarantined(discarded.bridge(), discarded.twin(), discarded.expected_revision(), &context->result->status);
  if (before == nullptr) return;
  quarantine.Erase(before->bridge, before->twin);
  SaveQuarantined(before->bridge, before->twin);
}

void TwinState::Impl::TellOfErrors(const RuleResult& findings, const Twin& twin, Context* context) {
  // A client reads the findings in its answer.
  if (findings.valid || context->bridge == nullptr) return;
  AddIssue(context, "DOCUMENT_HAS_ERRORS", twin.id, "", 1, [&] {
    std::string message = absl::StrCat("document of twin \"", twin.id, "\": expected a valid document, got ",
                                       findings.errors.size(), " errors; it is taken, as the policy says");
    if (!findings.errors.empty()) {
      constexpr size_t kPlaceBytesMax = 200;
      const RuleFinding& first = findings.errors.front();
      absl::StrAppend(&message, "; the first: ", ShortText(first.property, kPlaceBytesMax), ": ", first.rule->message,
                      " (", first.rule->id, ")");
    }
    return message;
  });
}

pb::ValidationMode TwinState::Impl::ModeOf(absl::string_view twin) const {
  return mvmd::ValidationModeOf(validation_policy, twin);
}

// Readers

const pb::ValidationPolicy& TwinState::validation_policy() const { return impl_->validation_policy; }

pb::ValidationMode TwinState::ValidationModeOf(absl::string_view twin) const { return impl_->ModeOf(twin); }

absl::StatusOr<QuarantinedTwin> TwinState::GetQuarantined(const std::string& bridge, const std::string& twin) const {
  QuarantinedTwin found;
  found.document = impl_->quarantine.Find(bridge, twin);
  if (found.document == nullptr) return QuarantineEmpty(bridge, twin);
  const Impl::Twin* known = impl_->FindTwin(twin);
  if (known != nullptr && known->put.empty()) found.overlay = known->overlay;
  return found;
}

const Quarantine& TwinState::quarantine() const { return impl_->quarantine; }

// Checkpoint

namespace {

pb::StateRecord RecordOf(const QuarantinedDocument& document) {
  pb::StateRecord record;
  pb::QuarantinedDocumentState* out = record.mutable_quarantined_document();
  out->set_bridge(document.bridge);
  out->set_twin(document.twin);
  out->set_document(document.document);
  out->set_revision(document.revision);
  out->set_frame(document.frame);
  out->set_time_unix_ns(document.time_unix_ns);
  out->set_reason(document.reason);
  out->set_message(document.message);
  *out->mutable_result() = document.result;
  out->set_error_count(document.error_count);
  out->set_warning_count(document.warning_count);
  out->set_redrive_count(document.redrive_count);
  out->set_last_redrive_unix_ns(document.last_redrive_unix_ns);
  return record;
}

}  // namespace

void TwinState::Impl::SaveQuarantined(const std::string& bridge, const std::string& twin) {
  quarantine_dirty.emplace(bridge, twin);
}

void TwinState::Impl::CollectQuarantine(bool everything, const PutPair& put) const {
  if (everything) {
    for (const auto& [key, document] : quarantine.documents()) {
      put(QuarantineKey(key.first, key.second), RecordOf(*document).SerializeAsString());
    }
    return;
  }
  for (const auto& [bridge, twin] : quarantine_dirty) {
    const Quarantine::Document document = quarantine.Find(bridge, twin);
    std::optional<std::string> value;
    if (document != nullptr) value = RecordOf(*document).SerializeAsString();
    put(QuarantineKey(bridge, twin), std::move(value));
  }
}

bool TwinState::Impl::RebuildQuarantined(const pb::QuarantinedDocumentState& state) {
  if (BridgeAt(state.bridge()) == nullptr) return false;
  QuarantinedDocument document;
  document.bridge = state.bridge();
  document.twin = state.twin();
  document.document = state.document();
  document.revision = state.revision();
  document.frame = state.frame();
  document.time_unix_ns = state.time_unix_ns();
  document.reason = state.reason();
  document.message = state.message();
  document.result = state.result();
  document.error_count = state.error_count();
  document.warning_count = state.warning_count();
  document.redrive_count = state.redrive_count();
  document.last_redrive_unix_ns = state.last_redrive_unix_ns();
  quarantine.Restore(std::move(document));
  return true;
}

}  // namespace mvmd
