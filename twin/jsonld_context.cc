// Context Processing and IRI Expansion, JSON-LD 1.1 API, sections 4.1 and 5.2.
#include "twin/jsonld_context.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "twin/iri.h"
#include "twin/jsonld_term.h"

namespace mvmd {
namespace {

using absl::string_view;

constexpr size_t kRemoteContextsMax = 16;

bool IsIriOrBlank(string_view text) { return HasIriScheme(text) || absl::StartsWith(text, "_:"); }

// Known by name only: in part it would be another context, with other meanings.
bool IsSchemaOrgContext(string_view url) {
  if (!absl::ConsumePrefix(&url, "https://") && !absl::ConsumePrefix(&url, "http://")) return false;
  return url == "schema.org" || url == "schema.org/";
}

// What the entry sets, in ReadDefaults' sense: null takes it away.
absl::Status ReadDefault(const Json& value, string_view error, std::optional<std::string>* out) {
  if (value.is_null()) {
    out->reset();
  } else if (value.is_string()) {
    *out = value.string();
  } else {
    return JsonLdError(error, "expected a string or null");
  }
  return absl::OkStatus();
}

}  // namespace

bool JsonLdContext::HasProtectedTerm() const {
  return std::any_of(terms.begin(), terms.end(), [](const auto& term) { return term.second->is_protected; });
}

JsonLdKeyword KeywordOfName(const JsonLdContext& context, string_view name) {
  if (const JsonLdKeyword keyword = KeywordOf(name); keyword != JsonLdKeyword::kNone) return keyword;
  const JsonLdTerm* term = context.Find(name);
  return term == nullptr ? JsonLdKeyword::kNone : term->keyword;
}

std::optional<std::string> ExpandIri(const JsonLdContext& context, string_view value, IriExpansion how,
                                     JsonLdBudget* budget) {
  auto spend = [budget](std::string iri) {
    budget->SpendBytes(iri.size());
    return iri;
  };
  if (value.size() > 1 && value[0] == '@') {
    if (IsJsonLdKeyword(value)) return std::string(value);
    if (HasFormOfKeyword(value)) return std::nullopt;
  }
  if (const JsonLdTerm* term = context.Find(value); term != nullptr) {
    if (term->keyword != JsonLdKeyword::kNone) return term->iri;
    if (how.vocab) return term->iri.has_value() ? std::optional(spend(*term->iri)) : std::nullopt;
  }
  const size_t colon = value.find(':', 1);
  if (colon != string_view::npos) {
    const string_view prefix = value.substr(0, colon);
    const string_view suffix = value.substr(colon + 1);
    if (prefix == "_" || absl::StartsWith(suffix, "//")) return spend(std::string(value));
    const JsonLdTerm* term = context.Find(prefix);
    if (term != nullptr && term->is_prefix && term->iri.has_value()) return spend(absl::StrCat(*term->iri, suffix));
    if (HasIriScheme(value)) return spend(std::string(value));
  }
  if (how.vocab && context.vocab.has_value()) return spend(absl::StrCat(*context.vocab, value));
  if (how.document_relative && context.base.has_value()) return spend(ResolveIri(*context.base, value));
  return spend(std::string(value));
}

JsonLdContextPtr JsonLdContextProcessor::Initial() const {
  auto context = std::make_shared<JsonLdContext>();
  if (!options_.base.empty()) context->base = options_.base;
  return context;
}

std::shared_ptr<JsonLdContext> JsonLdContextProcessor::Clone(const JsonLdContext& context) const {
  budget_->SpendItems(1 + context.terms.size());
  return std::make_shared<JsonLdContext>(context);
}

absl::StatusOr<std::shared_ptr<JsonLdContext>> JsonLdContextProcessor::Apply(const JsonLdContextPtr& active,
                                                                             const Json& local, string_view base_url,
                                                                             Scope scope, const Inclusion& inclusion) {
  if (absl::Status status = budget_->status(); !status.ok()) return status;
  if (depth_ >= kJsonLdDepthMax) return JsonLdTooDeep();
  ++depth_;
  absl::StatusOr<std::shared_ptr<JsonLdContext>> result = ApplyEntries(active, local, base_url, scope, inclusion);
  --depth_;
  return result;
}

absl::StatusOr<std::shared_ptr<JsonLdContext>> JsonLdContextProcessor::ApplyEntries(const JsonLdContextPtr& active,
                                                                                    const Json& local,
                                                                                    string_view base_url, Scope scope,
                                                                                    const Inclusion& inclusion) {
  if (const Json* propagate = local.Find("@propagate"); propagate != nullptr && propagate->is_bool()) {
    scope.propagate = propagate->boolean();
  }
  std::shared_ptr<JsonLdContext> result = Clone(*active);
  if (!scope.propagate && result->previous == nullptr) result->previous = active;
  const std::vector<Json>* entries = local.is_array() ? &local.elements() : nullptr;
  for (size_t i = 0; i < (entries == nullptr ? 1 : entries->size()); ++i) {
    const Json& entry = entries == nullptr ? local : (*entries)[i];
    if (entry.is_null()) {
      if (!scope.override_protected && result->HasProtectedTerm()) {
        return JsonLdError("invalid context nullification", "expected no protected terms");
      }
      auto reset = std::make_shared<JsonLdContext>(*Initial());
      if (!scope.propagate) reset->previous = std::move(result);
      result = std::move(reset);
    } else if (entry.is_string()) {
      absl::StatusOr<std::shared_ptr<JsonLdContext>> included =
          Include(std::move(result), entry.string(), base_url, inclusion);
      if (!included.ok()) return included.status();
      result = *std::move(included);
    } else if (entry.is_object()) {
      if (absl::Status status = Define(entry, base_url, scope, inclusion, &result); !status.ok()) return status;
    } else {
      return JsonLdError("invalid local context", "expected an object, a string or null");
    }
    if (absl::Status status = budget_->status(); !status.ok()) return status;
  }
  return result;
}

absl::StatusOr<std::shared_ptr<JsonLdContext>> JsonLdContextProcessor::Include(std::shared_ptr<JsonLdContext> result,
                                                                               string_view url, string_view base_url,
                                                                               const Inclusion& inclusion) {
  std::string resolved(url);
  if (!base_url.empty()) resolved = ResolveIri(base_url, url);
  if (!HasIriScheme(resolved)) {
    return JsonLdError("loading document failed", absl::StrCat("expected an absolute URL, got ", QuoteForError(url)));
  }
  Inclusion inner = inclusion;
  for (const std::string& outer : inclusion.remote) {
    if (!inclusion.validates_scoped && outer == resolved) return result;
  }
  if (inclusion.remote.size() >= kRemoteContextsMax) {
    return JsonLdError("context overflow",
                       absl::StrCat("expected at most ", kRemoteContextsMax, " contexts in contexts"));
  }
  absl::StatusOr<const Json*> loaded = Load(resolved);
  if (!loaded.ok()) return loaded.status();
  inner.remote.push_back(resolved);
  return Apply(std::move(result), **loaded, resolved, Scope(), inner);
}

absl::StatusOr<const Json*> JsonLdContextProcessor::Load(string_view url) const {
  const Json* document = options_.contexts ? options_.contexts(url) : BuiltInJsonLdContext(url);
  if (document == nullptr) {
    return JsonLdError(
        "loading remote context failed",
        absl::StrCat(IsSchemaOrgContext(url) ? "schema.org's context is not built in whole, declare @vocab instead of "
                                             : "expected a context that is built in, got ",
                     QuoteForError(url)));
  }
  const Json* context = document->Find("@context");
  if (context == nullptr) {
    return JsonLdError("invalid remote context", absl::StrCat("expected @context in ", QuoteForError(url)));
  }
  return context;
}

absl::StatusOr<const Json*> JsonLdContextProcessor::Import(const Json& definition, const Json& url,
                                                           string_view base_url) {
  if (!url.is_string()) return JsonLdError("invalid @import value", "expected a string");
  if (const auto found = imported_.find(&definition); found != imported_.end()) return &found->second;
  std::string resolved = url.string();
  if (!base_url.empty()) resolved = ResolveIri(base_url, resolved);
  absl::StatusOr<const Json*> loaded = Load(resolved);
  if (!loaded.ok()) return loaded.status();
  if (!(*loaded)->is_object()) return JsonLdError("invalid remote context", "expected an object to import");
  if ((*loaded)->Find("@import") != nullptr) return JsonLdError("invalid context entry", "@import in what is imported");
  // By name, as `definition` may have many.
  absl::flat_hash_map<string_view, const Json*> own;
  for (const auto& [name, value] : definition.members()) own.emplace(name, &value);
  Json merged = definition;
  budget_->SpendItems(definition.members().size() + (*loaded)->members().size());
  for (const auto& [name, value] : (*loaded)->members()) {
    if (!own.contains(name)) merged.members().emplace_back(name, value);
  }
  return &imported_.emplace(&definition, std::move(merged)).first->second;
}

absl::Status JsonLdContextProcessor::Define(const Json& definition, string_view base_url, const Scope& scope,
                                            const Inclusion& inclusion, std::shared_ptr<JsonLdContext>* result) {
  const Json* context = &definition;
  if (const Json* version = context->Find("@version"); version != nullptr) {
    if (!version->is_number() || version->number() != 1.1) return JsonLdError("invalid @version value", "expected 1.1");
  }
  if (const Json* url = context->Find("@import"); url != nullptr) {
    absl::StatusOr<const Json*> merged = Import(*context, *url, base_url);
    if (!merged.ok()) return merged.status();
    context = *merged;
  }
  if (absl::Status status = ReadDefaults(*context, inclusion, result->get()); !status.ok()) return status;
  bool is_protected = false;
  if (const Json* value = context->Find("@protected"); value != nullptr) {
    if (!value->is_bool()) return JsonLdError("invalid @protected value", "expected a boolean");
    is_protected = value->boolean();
  }
  const auto validate = [&](const Json& scoped) {
    Inclusion inner = inclusion;
    inner.validates_scoped = false;
    return Apply(*result, scoped, base_url, {.override_protected = true, .propagate = true}, inner).status();
  };
  JsonLdTermMaker maker(*context, base_url, is_protected, scope.override_protected, validate, &depth_, budget_,
                        result->get());
  return maker.DefineAll();
}

absl::Status JsonLdContextProcessor::ReadDefaults(const Json& definition, const Inclusion& inclusion,
                                                  JsonLdContext* result) {
  absl::Status status;
  if (const Json* base = definition.Find("@base"); base != nullptr && inclusion.remote.empty()) {
    status.Update(ReadBase(*base, result));
  }
  if (const Json* vocab = definition.Find("@vocab"); vocab != nullptr && status.ok()) {
    status.Update(ReadVocab(*vocab, result));
  }
  if (const Json* language = definition.Find("@language"); language != nullptr) {
    status.Update(ReadDefault(*language, "invalid default language", &result->language));
  }
  if (const Json* direction = definition.Find("@direction"); direction != nullptr) {
    status.Update(ReadDefault(*direction, "invalid base direction", &result->direction));
    if (result->direction.has_value() && *result->direction != "ltr" && *result->direction != "rtl") {
      status.Update(JsonLdError("invalid base direction", "expected 'ltr', 'rtl' or null"));
    }
  }
  if (const Json* propagate = definition.Find("@propagate"); propagate != nullptr && !propagate->is_bool()) {
    status.Update(JsonLdError("invalid @propagate value", "expected a boolean"));
  }
  return status;
}

absl::Status JsonLdContextProcessor::ReadBase(const Json& value, JsonLdContext* result) {
  if (value.is_null()) {
    result->base.reset();
  } else if (value.is_string() && HasIriScheme(value.string())) {
    result->base = value.string();
  } else if (value.is_string() && result->base.has_value()) {
    result->base = ResolveIri(*result->base, value.string());
  } else {
    return JsonLdError("invalid base IRI", "expected an IRI, or one relative to a base, or null");
  }
  return absl::OkStatus();
}

absl::Status JsonLdContextProcessor::ReadVocab(const Json& value, JsonLdContext* result) {
  if (value.is_null()) {
    result->vocab.reset();
    return absl::OkStatus();
  }
  std::optional<std::string> vocab;
  if (value.is_string()) {
    vocab = ExpandIri(*result, value.string(), {.document_relative = true, .vocab = true}, budget_);
  }
  if (!vocab.has_value() || !IsIriOrBlank(*vocab)) {
    return JsonLdError("invalid vocab mapping", "expected an IRI, a blank node identifier or null");
  }
  result->vocab = *std::move(vocab);
  return absl::OkStatus();
}

}  // namespace mvmd
