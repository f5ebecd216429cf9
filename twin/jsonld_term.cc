// Create Term Definition, JSON-LD 1.1 API, section 4.2.
#include "twin/jsonld_term.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "twin/iri.h"

namespace mvmd {
namespace {

using absl::string_view;

bool IsBlank(string_view iri) { return absl::StartsWith(iri, "_:"); }

bool EndsWithGenDelim(string_view iri) {
  constexpr string_view kGenDelims = ":/?#[]@";
  return !iri.empty() && kGenDelims.find(iri.back()) != string_view::npos;
}

// 0 when the keyword is no container.
uint8_t ContainerOf(const Json& value) {
  if (!value.is_string()) return 0;
  switch (KeywordOf(value.string())) {
    case JsonLdKeyword::kGraph:
      return kContainerGraph;
    case JsonLdKeyword::kId:
      return kContainerId;
    case JsonLdKeyword::kIndex:
      return kContainerIndex;
    case JsonLdKeyword::kLanguage:
      return kContainerLanguage;
    case JsonLdKeyword::kList:
      return kContainerList;
    case JsonLdKeyword::kSet:
      return kContainerSet;
    case JsonLdKeyword::kType:
      return kContainerType;
    default:
      return 0;
  }
}

// One container; @graph with @id or @index; and @set with any of these but @list.
bool IsContainerCombination(uint8_t containers) {
  const auto rest = static_cast<uint8_t>(containers & ~kContainerSet);
  if (std::popcount(rest) <= 1) return containers != 0 && containers != (kContainerList | kContainerSet);
  return rest == (kContainerGraph | kContainerId) || rest == (kContainerGraph | kContainerIndex);
}

bool SameJson(const Json* a, const Json* b) { return a == b || (a != nullptr && b != nullptr && *a == *b); }

// Equal but for the protection.
bool SameMeaning(const JsonLdTerm& a, const JsonLdTerm& b) {
  return a.iri == b.iri && a.is_prefix == b.is_prefix && a.is_reverse == b.is_reverse && a.containers == b.containers &&
         a.type == b.type && a.language == b.language && a.direction == b.direction && a.index == b.index &&
         a.nest == b.nest && SameJson(a.context, b.context);
}

absl::Status TermError(string_view code, string_view name, string_view detail) {
  return JsonLdError(code, absl::StrCat("term ", QuoteForError(name), ": ", detail));
}

// The members that stand for themselves, not for terms.
bool IsContextKeyword(string_view name) {
  switch (KeywordOf(name)) {
    case JsonLdKeyword::kBase:
    case JsonLdKeyword::kDirection:
    case JsonLdKeyword::kImport:
    case JsonLdKeyword::kLanguage:
    case JsonLdKeyword::kPropagate:
    case JsonLdKeyword::kProtected:
    case JsonLdKeyword::kVersion:
    case JsonLdKeyword::kVocab:
      return true;
    default:
      return false;
  }
}

bool IsDefinitionKeyword(string_view name) {
  switch (KeywordOf(name)) {
    case JsonLdKeyword::kId:
    case JsonLdKeyword::kReverse:
    case JsonLdKeyword::kContainer:
    case JsonLdKeyword::kContext:
    case JsonLdKeyword::kDirection:
    case JsonLdKeyword::kIndex:
    case JsonLdKeyword::kLanguage:
    case JsonLdKeyword::kNest:
    case JsonLdKeyword::kPrefix:
    case JsonLdKeyword::kProtected:
    case JsonLdKeyword::kType:
      return true;
    default:
      return false;
  }
}

// `@type` may be given a container and protection, and nothing else.
bool RedefinesType(const Json& value) {
  if (!value.is_object() || value.members().empty()) return true;
  return !std::all_of(value.members().begin(), value.members().end(), [](const Json::Member& member) {
    if (member.first == "@container") return member.second.is_string() && member.second.string() == "@set";
    return member.first == "@protected";
  });
}

}  // namespace

JsonLdTermMaker::JsonLdTermMaker(const Json& definition, string_view base_url, bool is_protected,
                                 bool override_protected, Validate validate, int* depth, JsonLdBudget* budget,
                                 JsonLdContext* result)
    : base_url_(base_url),
      is_protected_(is_protected),
      override_protected_(override_protected),
      validate_(std::move(validate)),
      depth_(depth),
      budget_(budget),
      result_(result),
      definition_(definition) {
  entries_.reserve(definition.members().size());
  for (const auto& [name, value] : definition.members()) {
    if (!IsContextKeyword(name)) entries_.emplace(name, Entry{&value});
  }
}

absl::Status JsonLdTermMaker::DefineAll() {
  budget_->SpendItems(entries_.size());
  for (const Json::Member& member : definition_.members()) {
    if (IsContextKeyword(member.first)) continue;
    if (absl::Status status = Define(member.first); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status JsonLdTermMaker::Define(string_view name) {
  Entry& entry = entries_.find(name)->second;  // nothing is added later, so it stays where it is
  if (entry.state == State::kDefined) return absl::OkStatus();
  if (entry.state == State::kBeingDefined) {
    return TermError("cyclic IRI mapping", name, "expected no term that needs itself");
  }
  if (*depth_ >= kJsonLdDepthMax) return JsonLdTooDeep();
  if (absl::Status status = budget_->status(); !status.ok()) return status;
  entry.state = State::kBeingDefined;
  ++*depth_;
  const absl::Status status = DefineAs(name, *entry.value);
  --*depth_;
  entry.state = State::kDefined;
  return status;
}

absl::Status JsonLdTermMaker::DefineAs(string_view name, const Json& value) {
  if (name.empty()) return TermError("invalid term definition", name, "expected a name");
  if (name == "@type") {
    if (RedefinesType(value)) return TermError("keyword redefinition", name, "expected @container: @set or @protected");
  } else if (IsJsonLdKeyword(name)) {
    return TermError("keyword redefinition", name, "expected no keyword");
  } else if (HasFormOfKeyword(name)) {
    return absl::OkStatus();  // reserved: ignored
  }
  std::shared_ptr<const JsonLdTerm> previous;
  if (const auto found = result_->terms.find(name); found != result_->terms.end()) {
    previous = std::move(found->second);
    result_->terms.erase(found);
  }
  auto term = std::make_shared<JsonLdTerm>();
  term->is_protected = is_protected_;
  if (value.is_null()) return Store(name, std::move(previous), std::move(term));
  if (!value.is_object() && !value.is_string()) {
    return TermError("invalid term definition", name, "expected a string, an object or null");
  }
  const Json* is_protected = value.Find("@protected");
  if (is_protected != nullptr) {
    if (!is_protected->is_bool()) return TermError("invalid @protected value", name, "expected a boolean");
    term->is_protected = is_protected->boolean();
  }
  if (absl::Status status = ReadType(value, term.get()); !status.ok()) return status;
  if (const Json* reverse = value.Find("@reverse"); reverse != nullptr) {
    if (reverse->is_string() && HasFormOfKeyword(reverse->string())) return absl::OkStatus();
    if (absl::Status status = ReadReverse(name, value, *reverse, term.get()); !status.ok()) return status;
    return Store(name, std::move(previous), std::move(term));
  }
  const Json* id = value.is_string() ? &value : value.Find("@id");
  if (id != nullptr && !(id->is_string() && id->string() == name)) {
    if (id->is_string() && HasFormOfKeyword(id->string()) && !IsJsonLdKeyword(id->string())) return absl::OkStatus();
    if (absl::Status status = ReadId(name, *id, value.is_string(), term.get()); !status.ok()) return status;
  } else if (absl::Status status = ReadName(name, term.get()); !status.ok()) {
    return status;
  }
  if (value.is_object()) {
    if (absl::Status status = ReadRest(name, value, term.get()); !status.ok()) return status;
  }
  return Store(name, std::move(previous), std::move(term));
}

absl::Status JsonLdTermMaker::ReadType(const Json& value, JsonLdTerm* term) {
  const Json* type = value.Find("@type");
  if (type == nullptr) return absl::OkStatus();
  if (!type->is_string()) return JsonLdError("invalid type mapping", "expected a string");
  absl::StatusOr<std::optional<std::string>> expanded = Expand(type->string());
  if (!expanded.ok()) return expanded.status();
  const string_view iri = expanded->has_value() ? string_view(**expanded) : string_view();
  if (iri != "@id" && iri != "@vocab" && iri != "@json" && iri != "@none" && !HasIriScheme(iri)) {
    return JsonLdError("invalid type mapping", absl::StrCat("expected @id, @vocab, @json, @none or an IRI, got ",
                                                            QuoteForError(type->string())));
  }
  term->type = std::string(iri);
  return absl::OkStatus();
}

absl::Status JsonLdTermMaker::ReadReverse(string_view name, const Json& value, const Json& reverse, JsonLdTerm* term) {
  if (value.Find("@id") != nullptr || value.Find("@nest") != nullptr) {
    return TermError("invalid reverse property", name, "expected neither @id nor @nest");
  }
  if (!reverse.is_string()) return TermError("invalid IRI mapping", name, "expected a string as @reverse");
  absl::StatusOr<std::optional<std::string>> expanded = Expand(reverse.string());
  if (!expanded.ok()) return expanded.status();
  if (!expanded->has_value() || !(HasIriScheme(**expanded) || IsBlank(**expanded))) {
    return TermError("invalid IRI mapping", name, "expected an IRI as @reverse");
  }
  term->iri = **std::move(expanded);
  if (const Json* container = value.Find("@container"); container != nullptr && !container->is_null()) {
    const uint8_t containers = ContainerOf(*container);
    if (containers != kContainerSet && containers != kContainerIndex) {
      return TermError("invalid reverse property", name, "expected @set or @index as container");
    }
    term->containers = containers;
  }
  term->is_reverse = true;
  const Json* index = value.Find("@index");
  return index == nullptr ? absl::OkStatus() : ReadIndex(*index, term);
}

absl::Status JsonLdTermMaker::ReadId(string_view name, const Json& id, bool is_simple, JsonLdTerm* term) {
  if (id.is_null()) return absl::OkStatus();
  if (!id.is_string()) return TermError("invalid IRI mapping", name, "expected a string as @id");
  absl::StatusOr<std::optional<std::string>> expanded = Expand(id.string());
  if (!expanded.ok()) return expanded.status();
  if (!expanded->has_value()) return TermError("invalid IRI mapping", name, "expected an IRI as @id");
  const std::string& iri = **expanded;
  term->keyword = KeywordOf(iri);
  if (term->keyword == JsonLdKeyword::kContext) {
    return TermError("invalid keyword alias", name, "expected a keyword other than @context");
  }
  if (term->keyword == JsonLdKeyword::kNone && !HasIriScheme(iri) && !IsBlank(iri)) {
    return TermError("invalid IRI mapping", name,
                     absl::StrCat("expected a keyword, an IRI or a blank node identifier, got ", QuoteForError(iri)));
  }
  term->iri = iri;
  const bool has_colon = name.find(':') != string_view::npos;
  const bool has_slash = name.find('/') != string_view::npos;
  const size_t inner_colon = name.find(':', 1);
  if ((inner_colon != string_view::npos && inner_colon + 1 < name.size()) || has_slash) {
    // A name that could be an IRI has to mean that IRI. It is undefined as yet, so this does not find itself.
    entries_.find(name)->second.state = State::kDefined;
    absl::StatusOr<std::optional<std::string>> own = Expand(name);
    if (!own.ok()) return own.status();
    if (*own != term->iri) return TermError("invalid IRI mapping", name, "expected the IRI that the name stands for");
  }
  if (!has_colon && !has_slash && is_simple && (EndsWithGenDelim(iri) || IsBlank(iri))) term->is_prefix = true;
  return absl::OkStatus();
}

absl::Status JsonLdTermMaker::ReadName(string_view name, JsonLdTerm* term) {
  if (const size_t colon = name.find(':', 1); colon != string_view::npos) {
    const string_view prefix = name.substr(0, colon);
    if (IsUndefined(prefix)) {
      if (absl::Status status = Define(prefix); !status.ok()) return status;
    }
    const JsonLdTerm* definition = result_->Find(prefix);
    if (definition != nullptr && definition->iri.has_value()) {
      term->iri = absl::StrCat(*definition->iri, name.substr(colon + 1));
    } else {
      term->iri = std::string(name);
    }
  } else if (name.find('/') != string_view::npos) {
    std::optional<std::string> expanded = ExpandIri(*result_, name, {}, budget_);
    if (!expanded.has_value() || !HasIriScheme(*expanded)) {
      return TermError("invalid IRI mapping", name, "expected a name that expands to an IRI");
    }
    term->iri = *std::move(expanded);
  } else if (name == "@type") {
    term->iri = "@type";
    term->keyword = JsonLdKeyword::kType;
  } else if (result_->vocab.has_value()) {
    term->iri = absl::StrCat(*result_->vocab, name);
  } else {
    return TermError("invalid IRI mapping", name, "expected @id, or a vocabulary");
  }
  budget_->SpendBytes(term->iri->size());
  return absl::OkStatus();
}

absl::Status JsonLdTermMaker::ReadRest(string_view name, const Json& value, JsonLdTerm* term) {
  using Part = absl::Status (JsonLdTermMaker::*)(const Json&, JsonLdTerm*);
  constexpr std::pair<string_view, Part> kParts[] = {{"@container", &JsonLdTermMaker::ReadContainer},
                                                     {"@index", &JsonLdTermMaker::ReadIndex},
                                                     {"@context", &JsonLdTermMaker::ReadContext}};
  for (const auto& [member, part] : kParts) {
    const Json* found = value.Find(member);
    if (found == nullptr) continue;
    if (absl::Status status = (this->*part)(*found, term); !status.ok()) return status;
  }
  if (absl::Status status = ReadLanguage(value, term); !status.ok()) return status;
  if (const Json* nest = value.Find("@nest"); nest != nullptr) {
    if (absl::Status status = ReadNest(*nest, term); !status.ok()) return status;
  }
  if (const Json* prefix = value.Find("@prefix"); prefix != nullptr) {
    if (absl::Status status = ReadPrefix(name, *prefix, term); !status.ok()) return status;
  }
  for (const Json::Member& member : value.members()) {
    if (!IsDefinitionKeyword(member.first)) {
      return TermError("invalid term definition", name,
                       absl::StrCat("expected no member ", QuoteForError(member.first)));
    }
  }
  return absl::OkStatus();
}

absl::Status JsonLdTermMaker::ReadContainer(const Json& container, JsonLdTerm* term) {
  constexpr char kError[] = "invalid container mapping";
  auto add = [term](const Json& value) {
    const uint8_t bit = ContainerOf(value);
    term->containers |= bit;
    return bit != 0;
  };
  bool known = true;
  if (container.is_array()) {
    for (const Json& element : container.elements()) known &= add(element);
  } else {
    known = add(container);
  }
  if (!known || !IsContainerCombination(term->containers)) {
    return JsonLdError(kError, "expected @graph, @id, @index, @language, @list, @set, @type or a combination of them");
  }
  if ((term->containers & kContainerType) != 0) {
    if (!term->type.has_value()) term->type = "@id";
    if (*term->type != "@id" && *term->type != "@vocab") {
      return JsonLdError("invalid type mapping", "expected @id or @vocab with the container @type");
    }
  }
  return absl::OkStatus();
}

absl::Status JsonLdTermMaker::ReadIndex(const Json& index, JsonLdTerm* term) {
  if ((term->containers & kContainerIndex) == 0 || !index.is_string()) {
    return JsonLdError("invalid term definition", "expected @index to be a string, with the container @index");
  }
  absl::StatusOr<std::optional<std::string>> expanded = Expand(index.string());
  if (!expanded.ok()) return expanded.status();
  if (!expanded->has_value() || !HasIriScheme(**expanded)) {
    return JsonLdError("invalid term definition", "expected an IRI as @index");
  }
  term->index = index.string();
  return absl::OkStatus();
}

absl::Status JsonLdTermMaker::ReadContext(const Json& context, JsonLdTerm* term) {
  if (absl::Status status = validate_(context); !status.ok()) {
    if (absl::StartsWith(status.message(), "limit exceeded")) return status;
    return JsonLdError("invalid scoped context", status.message());
  }
  term->context = &context;
  term->base_url = std::string(base_url_);
  return absl::OkStatus();
}

absl::Status JsonLdTermMaker::ReadLanguage(const Json& value, JsonLdTerm* term) {
  if (value.Find("@type") != nullptr) return absl::OkStatus();
  auto read = [&value](string_view member, std::optional<std::optional<std::string>>* out) {
    const Json* found = value.Find(member);
    if (found == nullptr) return true;
    if (!found->is_null() && !found->is_string()) return false;
    *out = found->is_null() ? std::optional<std::string>() : std::optional(found->string());
    return true;
  };
  if (!read("@language", &term->language)) return JsonLdError("invalid language mapping", "expected a string or null");
  const bool read_direction = read("@direction", &term->direction);
  const bool given = term->direction.has_value() && term->direction->has_value();
  if (!read_direction || (given && **term->direction != "ltr" && **term->direction != "rtl")) {
    return JsonLdError("invalid base direction", "expected 'ltr', 'rtl' or null");
  }
  return absl::OkStatus();
}

absl::Status JsonLdTermMaker::ReadNest(const Json& nest, JsonLdTerm* term) {
  if (!nest.is_string() || (IsJsonLdKeyword(nest.string()) && nest.string() != "@nest")) {
    return JsonLdError("invalid @nest value", "expected @nest or a term");
  }
  term->nest = nest.string();
  return absl::OkStatus();
}

absl::Status JsonLdTermMaker::ReadPrefix(string_view name, const Json& prefix, JsonLdTerm* term) {
  if (name.find_first_of(":/") != string_view::npos) {
    return TermError("invalid term definition", name, "expected no colon or slash in a prefix");
  }
  if (!prefix.is_bool()) return TermError("invalid @prefix value", name, "expected a boolean");
  term->is_prefix = prefix.boolean();
  if (term->is_prefix && term->keyword != JsonLdKeyword::kNone) {
    return TermError("invalid term definition", name, "expected a prefix to be no keyword");
  }
  return absl::OkStatus();
}

absl::Status JsonLdTermMaker::Store(string_view name, std::shared_ptr<const JsonLdTerm> previous,
                                    std::shared_ptr<JsonLdTerm> term) {
  std::shared_ptr<const JsonLdTerm> stored = std::move(term);
  if (!override_protected_ && previous != nullptr && previous->is_protected) {
    if (!SameMeaning(*stored, *previous)) {
      return TermError("protected term redefinition", name, "expected the definition that is protected");
    }
    stored = std::move(previous);
  }
  result_->terms[name] = std::move(stored);
  return absl::OkStatus();
}

bool JsonLdTermMaker::IsUndefined(string_view name) const {
  const auto found = entries_.find(name);
  return found != entries_.end() && found->second.state != State::kDefined;
}

absl::StatusOr<std::optional<std::string>> JsonLdTermMaker::Expand(string_view value) {
  if (!IsJsonLdKeyword(value) && !HasFormOfKeyword(value)) {
    if (IsUndefined(value)) {
      if (absl::Status status = Define(value); !status.ok()) return status;
    }
    const size_t colon = value.find(':', 1);
    if (result_->Find(value) == nullptr && colon != string_view::npos) {
      const string_view prefix = value.substr(0, colon);
      const bool is_iri = prefix == "_" || absl::StartsWith(value.substr(colon + 1), "//");
      if (!is_iri && IsUndefined(prefix)) {
        if (absl::Status status = Define(prefix); !status.ok()) return status;
      }
    }
  }
  return ExpandIri(*result_, value, {}, budget_);
}

}  // namespace mvmd
