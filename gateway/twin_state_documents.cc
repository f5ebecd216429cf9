// Definitions: where they come from and when they change.
//
//   definition = merge(put document, or else the base document of the bridge; overlay)
//
//  1. What is served was valid when it was written, where the policy of validation said so then: a document or a patch
//     whose result is not, changes nothing.
//  2. A definition whose canonical bytes stay the same has not changed, whatever was written.
//  3. A put document hides the base document, which goes on being updated behind it.
//  4. A removed twin comes back by a put, or by a base document other than the one it had.
#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/twin_state_impl.h"
#include "runtime/status_proto.h"
#include "twin/canonical.h"
#include "twin/rules.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

constexpr size_t kSha256Bytes = 32;
// Memory of a past definition beside its text, about.
constexpr size_t kPastDefinitionBytes = 256;

absl::Status BadChunk(absl::string_view twin, absl::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "CHUNK_MALFORMED",
                   absl::StrCat("document of twin \"", twin, "\": ", message), {{"twin", std::string(twin)}});
}

// Same `dateModified`, or none in both.
bool SameDateModified(const Json& a, const Json& b) {
  const Json* in_a = a.Find("dateModified");
  const Json* in_b = b.Find("dateModified");
  if (in_a == nullptr || in_b == nullptr) return in_a == in_b;
  return *in_a == *in_b;
}

}  // namespace

Json ParseOwn(absl::string_view canonical) { return ParseIJson(canonical).value; }

absl::Status TwinNotFound(absl::string_view twin) {
  return MakeError(absl::StatusCode::kNotFound, "TWIN_NOT_FOUND", absl::StrCat("there is no twin \"", twin, "\""),
                   {{"twin", std::string(twin)}});
}

absl::Status CheckCondition(absl::string_view etag, const Definition* definition, absl::string_view twin) {
  if (etag.empty()) return absl::OkStatus();
  if (etag == "-") {
    if (definition == nullptr) return absl::OkStatus();
    return MakeError(absl::StatusCode::kAlreadyExists, "TWIN_EXISTS",
                     absl::StrCat("twin \"", twin, "\": expected none, got one with definition etag ",
                                  definition->form.definition_etag()),
                     {{"twin", std::string(twin)}});
  }
  if (definition == nullptr) return TwinNotFound(twin);
  if (etag == "*" || etag == definition->form.definition_etag()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                   absl::StrCat("twin \"", twin, "\": expected definition etag ", etag, ", got ",
                                definition->form.definition_etag(), "; read it again and repeat the change"),
                   {{"twin", std::string(twin)}, {"definition_etag", definition->form.definition_etag()}});
}

// Chunks

void TwinState::Impl::ApplyChunk(const pb::DocumentChunk& chunk, Context* context) {
  const auto refuse = [&](absl::Status status) { Reject(std::move(status), chunk.twin(), context); };
  const std::string& id = chunk.twin();
  if (id.empty() || id.size() > kNameBytesMax) {
    return Reject(BadChunk("", absl::StrCat("twin: expected 1 to ", kNameBytesMax, " bytes, got ", id.size())), "",
                  context);
  }
  if (chunk.sha256().size() != kSha256Bytes) {
    return refuse(BadChunk(id, absl::StrCat("sha256: expected 32 bytes, got ", chunk.sha256().size())));
  }
  if (chunk.total_bytes() == 0 || chunk.total_bytes() > limits.document_bytes_max) {
    return refuse(BadChunk(
        id, absl::StrCat("total_bytes: expected 1 to ", limits.document_bytes_max, ", got ", chunk.total_bytes())));
  }
  if (chunk.data().empty() || chunk.offset_bytes() > chunk.total_bytes() ||
      chunk.data().size() > chunk.total_bytes() - chunk.offset_bytes()) {
    return refuse(BadChunk(id, absl::StrCat("expected data within ", chunk.total_bytes(), " bytes, got ",
                                            chunk.data().size(), " bytes at offset ", chunk.offset_bytes())));
  }
  Twin* twin = JoinEpoch(id, context);
  if (twin == nullptr) return;
  if (absl::Status status = AddChunk(chunk, twin, context); !status.ok()) refuse(std::move(status));
}

void TwinState::Impl::MakeRoomForUnfinished(const Unfinished& keep, Context* context) {
  while (true) {
    size_t count = 0;
    size_t bytes = 0;
    Epoch* oldest_epoch = nullptr;
    std::string oldest_twin;
    uint64_t oldest_revision = 0;
    for (const auto& [number, epoch] : context->bridge->epochs) {
      for (const auto& [twin, unfinished] : epoch->unfinished) {
        ++count;
        bytes += unfinished.bytes;
        if (&unfinished == &keep) continue;
        if (oldest_epoch == nullptr || unfinished.revision < oldest_revision) {
          oldest_epoch = epoch.get();
          oldest_twin = twin;
          oldest_revision = unfinished.revision;
        }
      }
    }
    const bool over = count > limits.unfinished_documents_max || bytes > limits.unfinished_document_bytes_max;
    if (!over || oldest_epoch == nullptr) return;
    // It has made no progress for the longest time: most likely nobody sends the rest.
    oldest_epoch->unfinished.erase(oldest_twin);
    oldest_epoch->dirty_documents.insert(oldest_twin);
    AddIssue(context, "DOCUMENT_ABANDONED", oldest_twin, "", 1, [&] {
      return absl::StrCat("document of twin \"", oldest_twin, "\": expected at most ", limits.unfinished_documents_max,
                          " unfinished documents with ", limits.unfinished_document_bytes_max,
                          " bytes of one bridge, got more; its chunks are dropped");
    });
  }
}

absl::Status TwinState::Impl::AddChunk(const pb::DocumentChunk& chunk, Twin* twin, Context* context) {
  Epoch* epoch = context->epoch;
  if (const auto finished = epoch->finished.find(twin->id);
      finished != epoch->finished.end() && context->seq < finished->second) {
    return absl::OkStatus();  // late: a newer document is whole
  }
  epoch->dirty_documents.insert(twin->id);
  Unfinished& unfinished = epoch->unfinished[twin->id];
  if (unfinished.sha256 != chunk.sha256() || unfinished.total_bytes != chunk.total_bytes()) {
    if (!unfinished.sha256.empty() && context->seq < unfinished.last_seq) return absl::OkStatus();  // late likewise
    unfinished = Unfinished();
    unfinished.sha256 = chunk.sha256();
    unfinished.total_bytes = chunk.total_bytes();
  }
  unfinished.last_seq = std::max(unfinished.last_seq, context->seq);
  unfinished.revision = context->revision;
  // Offsets are counted from 1 in the set. Only what is new is kept, so that the parts are disjoint.
  const uint64_t first = chunk.offset_bytes() + 1;
  const uint64_t last = chunk.offset_bytes() + chunk.data().size();
  for (const IntervalSet::Closed& missing : unfinished.received.Missing(first, last)) {
    const size_t count = missing.last - missing.first + 1;
    unfinished.parts.emplace(missing.first - 1, chunk.data().substr(missing.first - first, count));
    unfinished.bytes += count;
  }
  unfinished.received.Add(first, last);
  if (!unfinished.received.ContainsAll(1, unfinished.total_bytes)) {
    MakeRoomForUnfinished(unfinished, context);
    return absl::OkStatus();
  }
  std::string text;
  text.reserve(unfinished.total_bytes);
  for (const auto& [offset, part] : unfinished.parts) text += part;
  const std::string sha256 = unfinished.sha256;
  epoch->finished[twin->id] = unfinished.last_seq;
  epoch->unfinished.erase(twin->id);
  if (Sha256(text) != sha256) {
    return MakeError(absl::StatusCode::kInvalidArgument, "DOCUMENT_DAMAGED",
                     absl::StrCat("document of twin \"", twin->id,
                                  "\": expected the SHA-256 that its chunks name, got another; send it again"));
  }
  return TakeSent(text, twin, context);
}

absl::Status TwinState::Impl::TakeBase(absl::string_view text, Twin* twin, Context* context,
                                       std::optional<RuleResult>* findings) {
  JsonParseResult parsed = ParseIJson(text);
  if (!parsed.ok) {
    *findings = ValidateText(text, /*strict=*/false);
    for (const JsonProblem& problem : parsed.problems) {
      if (problem.rule == "DOC-05") continue;
      return DocumentInvalid(twin->id, absl::StrCat("line ", problem.line, ", column ", problem.column, ": ",
                                                    problem.message, " (", problem.rule, ")"));
    }
    return DocumentInvalid(twin->id, "expected I-JSON, got something else");
  }
  const pb::ValidationMode mode = ModeOf(twin->id);
  DocumentCheck check = CheckTwinDocument(parsed.value, twin->id, mode);
  if (check.is_validated) *findings = std::move(check.result);
  if (!check.status.ok()) return check.status;
  std::string canonical = Canonicalize(parsed.value);
  if (absl::Status status = CheckDocumentSize(canonical, limits.document_bytes_max, twin->id); !status.ok()) {
    return status;
  }
  std::string digest = Sha256(canonical);
  if (digest == twin->base_digest) {
    if (!twin->deleted()) OwnByDocument(twin, context);
    // Nothing new, or a removed twin that stays so.
    if (twin->deleted() || !twin->base.empty()) return absl::OkStatus();
  }
  Json tree = std::move(parsed.value);
  if (twin->overlay.has_value() && twin->put.empty()) {
    tree = MergePatch(tree, *twin->overlay);
    DocumentCheck merged = CheckTwinDocument(tree, twin->id, mode);
    if (merged.is_validated) *findings = std::move(merged.result);
    if (!merged.status.ok()) {
      return DocumentInvalid(twin->id,
                             absl::StrCat("does not go with what clients have changed: ", merged.status.message()));
    }
  }
  if (findings->has_value()) TellOfErrors(**findings, *twin, context);
  twin->base = std::move(canonical);
  twin->base_digest = std::move(digest);
  MarkDocuments(twin);
  if (twin->put.empty()) Define(twin, tree, context);
  OwnByDocument(twin, context);
  return absl::OkStatus();
}

// Writes of clients

void TwinState::Impl::ApplyPut(const pb::DocumentPut& put, Context* context) {
  ApplyResult* result = context->result;
  const Twin* known = FindTwin(put.twin());
  const Definition* before = known != nullptr ? known->definition.get() : nullptr;
  result->status = CheckCondition(put.expected_etag(), before, put.twin());
  if (!result->status.ok()) return;
  absl::StatusOr<Json> document = ParseJson(put.document());
  if (!document.ok()) {
    result->status = DocumentInvalid(put.twin(), document.status().message());
    return;
  }
  result->status = CheckTwinDocument(*document, put.twin(), ModeOf(put.twin())).status;
  if (!result->status.ok()) return;
  std::string canonical = Canonicalize(*document);
  result->status = CheckDocumentSize(canonical, limits.document_bytes_max, put.twin());
  if (!result->status.ok()) return;

  Twin* twin = InternTwin(put.twin());
  result->created = before == nullptr;
  twin->put = std::move(canonical);
  twin->overlay.reset();
  MarkDocuments(twin);
  Define(twin, *document, context);
  result->definition_etag = twin->definition->form.definition_etag();
}

void TwinState::Impl::ApplyPatch(const pb::OverlayPatched& patched, Context* context) {
  ApplyResult* result = context->result;
  const Twin* known = FindTwin(patched.twin());
  if (known == nullptr || known->definition == nullptr) {
    result->status = TwinNotFound(patched.twin());
    return;
  }
  result->status = CheckCondition(patched.expected_etag(), known->definition.get(), patched.twin());
  if (!result->status.ok()) return;
  absl::StatusOr<Json> patch = ParseJson(patched.merge_patch());
  if (!patch.ok() || !patch->is_object()) {
    result->status =
        MakeError(absl::StatusCode::kInvalidArgument, "PATCH_INVALID",
                  absl::StrCat("merge_patch: expected a JSON object, got ",
                               patch.ok() ? "another value" : absl::string_view(patch.status().message())));
    return;
  }
  Json overlay = ComposeOverlay(known->overlay.has_value() ? *known->overlay : Json::Object(), *patch);
  const Json tree = MergePatch(ParseOwn(known->put.empty() ? known->base : known->put), overlay);
  result->status = CheckTwinDocument(tree, patched.twin(), ModeOf(patched.twin())).status;
  if (!result->status.ok()) return;
  result->status = CheckDocumentSize(Canonicalize(tree), limits.document_bytes_max, patched.twin());
  if (!result->status.ok()) return;
  result->status = CheckDocumentSize(Canonicalize(overlay), limits.document_bytes_max, patched.twin());
  if (!result->status.ok()) return;

  Twin* twin = InternTwin(patched.twin());
  twin->overlay = std::move(overlay);
  MarkDocuments(twin);
  Define(twin, tree, context);
  result->definition_etag = twin->definition->form.definition_etag();
}

void TwinState::Impl::ApplyDelete(const pb::TwinDeleted& deleted, Context* context) {
  ApplyResult* result = context->result;
  const Twin* known = FindTwin(deleted.twin());
  if (known == nullptr || known->definition == nullptr) {
    result->status = TwinNotFound(deleted.twin());
    return;
  }
  result->status = CheckCondition(deleted.expected_etag(), known->definition.get(), deleted.twin());
  if (!result->status.ok()) return;

  Twin* twin = InternTwin(deleted.twin());
  TwinWillChange(twin, context->revision, context->time_unix_ns);
  RetireDefinition(twin, context->revision);
  twin->base.clear();
  twin->put.clear();
  twin->overlay.reset();
  twin->date_modified_unix_ns.reset();
  twin->live = LiveTwin();
  twin->gaps.clear();
  for (Sensor* sensor : twin->sensors) sensor->value.Clear();
  SetOwner(twin, nullptr);
  twin->revision = context->revision;
  twin->deleted_spans.push_back({.first_revision = context->revision});
  SetDefinition(twin, nullptr);
  MarkLive(twin);
  MarkDocuments(twin);
  TellDefinition(twin, context);
}

// Definitions

void TwinState::Impl::Define(Twin* twin, const Json& tree, Context* context) {
  auto definition = std::make_shared<Definition>(tree);
  definition->revision = context->revision;
  const bool is_same =
      twin->definition != nullptr && twin->definition->form.definition_etag() == definition->form.definition_etag();
  if (is_same) return;
  TwinWillChange(twin, context->revision, context->time_unix_ns);
  RetireDefinition(twin, context->revision);
  if (twin->definition == nullptr) {
    twin->date_modified_unix_ns.reset();
    if (twin->deleted()) {
      twin->deleted_spans.back().end_revision = context->revision;
      twin->deleted_spans.back().end_frame = context->frame;
    }
  } else {
    if (SameDateModified(twin->definition->tree, tree)) {
      twin->date_modified_unix_ns = context->time_unix_ns;
    } else {
      twin->date_modified_unix_ns.reset();
    }
  }
  SetDefinition(twin, std::move(definition));
  twin->revision = context->revision;
  MarkLive(twin);
  MarkDocuments(twin);
  TellDefinition(twin, context);
}

void TwinState::Impl::SetDefinition(Twin* twin, std::shared_ptr<const Definition> definition) {
  if (twin->definition != nullptr) --twins_defined;
  twin->definition = std::move(definition);
  twin->definition_sensors.clear();
  if (twin->definition != nullptr) {
    ++twins_defined;
    for (std::string& sensor : SensorIdsOf(twin->definition->tree)) {
      twin->definition_sensors.insert(std::move(sensor));
    }
  }
  for (Sensor* sensor : twin->sensors) {
    sensor->in_definition = twin->definition_sensors.contains(sensor->ref.sensor);
  }
}

void TwinState::Impl::TellDefinition(Twin* twin, Context* context) {
  const uint64_t revision = context->revision;
  const auto [past, added] = past_definitions.try_emplace({revision, twin->id});
  // Two documents of a twin may become whole in one group: the last one counts.
  past->second.text = twin->definition != nullptr ? twin->definition->form.definition() : "";
  past->second.date_modified_unix_ns = twin->date_modified_unix_ns;
  if (added) twin->past_definitions.push_back(revision);
  SavePastDefinition(revision, twin->id);
  CountPastDefinition(twin, PastDefinitionBytes(*twin, revision, past->second), 0);
  BoundPastDefinitions();
  if (context->applied == nullptr) return;
  std::vector<AppliedEntry::DocumentChange>& told = context->applied->documents;
  const auto same =
      std::find_if(told.begin(), told.end(), [&](const AppliedEntry::DocumentChange& c) { return c.twin == twin->id; });
  if (same != told.end()) {
    same->definition = twin->definition;
  } else {
    told.push_back({twin->id, twin->definition});
  }
}

void TwinState::Impl::RetireDefinition(Twin* twin, uint64_t revision) {
  // One that this very entry brought was never served.
  if (twin->definition == nullptr || twin->definition->revision == revision) return;
  const auto [past, added] = past_definitions.try_emplace({twin->definition->revision, twin->id});
  if (added) {
    past->second.text = twin->definition->form.definition();
    past->second.date_modified_unix_ns = twin->date_modified_unix_ns;
    twin->past_definitions.push_back(twin->definition->revision);
    SavePastDefinition(twin->definition->revision, twin->id);
  }
  CountPastDefinition(twin, kPastDefinitionBytes + past->second.text.size(), 0);
}

size_t TwinState::Impl::PastDefinitionBytes(const Twin& twin, uint64_t revision, const PastDefinition& past) const {
  if (twin.definition != nullptr && twin.definition->revision == revision) return 0;
  return kPastDefinitionBytes + past.text.size();
}

void TwinState::Impl::CountPastDefinition(Twin* twin, size_t bytes_added, size_t bytes_removed) {
  if (bytes_added == bytes_removed) return;
  if (twin->past_definition_bytes > 0) twins_by_definition_bytes.erase({twin->past_definition_bytes, twin->id});
  twin->past_definition_bytes += bytes_added - bytes_removed;
  past_definition_bytes += bytes_added - bytes_removed;
  if (twin->past_definition_bytes > 0) twins_by_definition_bytes.emplace(twin->past_definition_bytes, twin->id);
}

void TwinState::Impl::ErasePastDefinition(Twin* twin, uint64_t revision) {
  const auto past = past_definitions.find({revision, twin->id});
  CountPastDefinition(twin, 0, PastDefinitionBytes(*twin, revision, past->second));
  past_definitions.erase(past);
  std::erase(twin->past_definitions, revision);
  SavePastDefinition(revision, twin->id);
}

void TwinState::Impl::BoundPastDefinitions() {
  while (past_definition_bytes > limits.definition_bytes_kept) {
    // Its oldest one is not the one that is served, for that costs nothing.
    Twin* twin = InternTwin(twins_by_definition_bytes.rbegin()->second);
    twin->definitions_forgotten_revision = twin->past_definitions.front();
    MarkDocuments(twin);
    ErasePastDefinition(twin, twin->past_definitions.front());
  }
}

void TwinState::Impl::OwnByDocument(Twin* twin, Context* context) {
  if (twin->owner == context->bridge) return;
  // A bridge that feeds the twin by now goes on doing so.
  if (context->is_redrive && twin->owner != nullptr) return;
  TwinWillChange(twin, context->revision, context->time_unix_ns);
  SetOwner(twin, context->bridge);
  twin->revision = context->revision;
  twin->document_owners.push_back({context->revision, context->bridge});
  MarkDocuments(twin);
}

void TwinState::Impl::ResolveDocuments(AppliedEntry* applied) const {
  for (auto it = past_definitions.lower_bound({applied->revision, std::string()});
       it != past_definitions.end() && it->first.first == applied->revision; ++it) {
    const auto& [key, past] = *it;
    std::shared_ptr<const Definition> definition;
    if (const Twin* twin = FindTwin(key.second);
        twin != nullptr && twin->definition != nullptr && twin->definition->revision == applied->revision) {
      definition = twin->definition;
    } else if (!past.text.empty()) {
      auto made = std::make_shared<Definition>(ParseOwn(past.text));
      made->revision = applied->revision;
      definition = std::move(made);
    }
    applied->documents.push_back({key.second, std::move(definition)});
  }
}

}  // namespace mvmd
