// Expansion Algorithm, JSON-LD 1.1 API, section 5.1: elements and whole objects.
#include "twin/jsonld_expand.h"

#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "twin/iri.h"
#include "twin/jsonld_expander.h"

namespace mvmd {
namespace {

using absl::string_view;

constexpr size_t kSmallObject = 16;

// Types of a value object are checked where they are read; this is what makes one of an expanded object.
absl::Status CheckValueObject(const Json& object) {
  for (const auto& [name, value] : object.members()) {
    switch (KeywordOf(name)) {
      case JsonLdKeyword::kDirection:
      case JsonLdKeyword::kIndex:
      case JsonLdKeyword::kLanguage:
      case JsonLdKeyword::kType:
      case JsonLdKeyword::kValue:
        continue;
      default:
        return JsonLdError("invalid value object", absl::StrCat("expected no member ", QuoteForError(name)));
    }
  }
  const Json* type = object.Find("@type");
  if (type != nullptr && (object.Find("@language") != nullptr || object.Find("@direction") != nullptr)) {
    return JsonLdError("invalid value object", "expected either @type, or @language and @direction");
  }
  if (type != nullptr && type->is_string() && type->string() == "@json") return absl::OkStatus();
  const Json& value = *object.Find("@value");
  if (value.is_null()) return absl::OkStatus();
  if (!value.is_string() && object.Find("@language") != nullptr) {
    return JsonLdError("invalid language-tagged value", "expected a string");
  }
  if (type != nullptr && !(type->is_string() && IsRdfIri(type->string()))) {
    return JsonLdError("invalid typed value", "expected an IRI as @type");
  }
  return absl::OkStatus();
}

}  // namespace

Json* ExpandedObject::Find(string_view name) {
  if (index_.empty()) return object_.Find(name);
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &object_.members()[found->second].second;
}

void ExpandedObject::Set(string_view name, Json value) {
  if (Json* found = Find(name); found != nullptr) {
    *found = std::move(value);
    return;
  }
  std::vector<Json::Member>& members = object_.members();
  members.emplace_back(name, std::move(value));
  if (members.size() == kSmallObject) {
    for (size_t i = 0; i < members.size(); ++i) index_.emplace(members[i].first, i);
  } else if (members.size() > kSmallObject) {
    index_.emplace(name, members.size() - 1);
  }
}

void ExpandedObject::Add(string_view name, Json value) {
  Json* array = Find(name);
  if (array == nullptr) {
    Set(name, AsArray(std::move(value)));
    return;
  }
  if (!array->is_array()) *array = AsArray(std::move(*array));
  if (!value.is_array()) {
    array->Append(std::move(value));
    return;
  }
  for (Json& element : value.elements()) array->Append(std::move(element));
}

bool IsGraphObject(const Json& value) {
  return value.Find("@graph") != nullptr &&
         std::all_of(value.members().begin(), value.members().end(), [](const Json::Member& member) {
           return member.first == "@graph" || member.first == "@id" || member.first == "@index";
         });
}

Json AsArray(Json value) {
  if (value.is_array()) return value;
  Json array = Json::Array();
  if (!value.is_null()) array.Append(std::move(value));
  return array;
}

Json SingleMember(string_view name, Json value) {
  Json object = Json::Object();
  object.members().emplace_back(name, std::move(value));
  return object;
}

absl::StatusOr<JsonLdExpansion> JsonLdExpander::Expand(const Json& document) {
  JsonLdContextPtr context = processor_.Initial();
  if (options_.expand_context != nullptr) {
    const Json* inner = options_.expand_context->Find("@context");
    absl::StatusOr<JsonLdContextPtr> given =
        processor_.Process(context, inner == nullptr ? *options_.expand_context : *inner, options_.base);
    if (!given.ok()) return given.status();
    context = *std::move(given);
  }
  absl::StatusOr<Json> expanded = ExpandElement(context, std::nullopt, document);
  if (!expanded.ok()) return expanded.status();
  if (absl::Status status = budget_->status(); !status.ok()) return status;
  if (expanded->is_object() && expanded->members().size() == 1 && expanded->members()[0].first == "@graph") {
    Json graph = std::move(expanded->members()[0].second);
    *expanded = std::move(graph);
  }
  return JsonLdExpansion{AsArray(*std::move(expanded)), dropped_};
}

absl::StatusOr<Json> JsonLdExpander::ExpandElement(const JsonLdContextPtr& context, Property property,
                                                   const Json& element, bool from_map) {
  if (element.is_null()) return Json();
  budget_->SpendItems(1);
  if (!element.is_array() && !element.is_object()) return ExpandScalar(context, property, element);
  if (absl::Status status = budget_->status(); !status.ok()) return status;
  if (depth_ >= kJsonLdDepthMax) return JsonLdTooDeep();
  ++depth_;
  absl::StatusOr<Json> expanded = element.is_array() ? ExpandArray(context, property, element, from_map)
                                                     : ExpandObject(context, property, element, from_map);
  --depth_;
  return expanded;
}

absl::StatusOr<Json> JsonLdExpander::ExpandScalar(const JsonLdContextPtr& context, Property property,
                                                  const Json& scalar) {
  if (!property.has_value() || *property == "@graph") {
    ++dropped_;
    return Json();
  }
  const JsonLdTerm* term = context->Find(*property);
  if (term == nullptr || term->context == nullptr) return ExpandValue(*context, *property, scalar);
  absl::StatusOr<JsonLdContextPtr> scoped = ApplyTerm(context, *term, {.override_protected = true});
  if (!scoped.ok()) return scoped.status();
  return ExpandValue(**scoped, *property, scalar);
}

absl::StatusOr<Json> JsonLdExpander::ExpandArray(const JsonLdContextPtr& context, Property property, const Json& array,
                                                 bool from_map) {
  const JsonLdTerm* term = property.has_value() ? context->Find(*property) : nullptr;
  const bool is_list = term != nullptr && (term->containers & kContainerList) != 0;
  Json result = Json::Array();
  result.elements().reserve(array.elements().size());
  for (const Json& element : array.elements()) {
    absl::StatusOr<Json> expanded = ExpandElement(context, property, element, from_map);
    if (!expanded.ok()) return expanded.status();
    if (!budget_->ok()) return budget_->status();
    if (is_list && expanded->is_array()) {
      result.Append(SingleMember("@list", *std::move(expanded)));
    } else if (expanded->is_array()) {
      for (Json& inner : expanded->elements()) result.Append(std::move(inner));
    } else if (!expanded->is_null()) {
      result.Append(*std::move(expanded));
    }
  }
  return result;
}

absl::StatusOr<Json> JsonLdExpander::ExpandObject(const JsonLdContextPtr& context, Property property,
                                                  const Json& object, bool from_map) {
  absl::StatusOr<JsonLdContextPtr> entered = EnterObject(context, property, object, from_map);
  if (!entered.ok()) return entered.status();
  absl::StatusOr<JsonLdContextPtr> active = ApplyTypes(*entered, object);
  if (!active.ok()) return active.status();
  Node node;
  node.property = property;
  node.type_scoped = *std::move(entered);
  // The last type of the first member, in the order of names, that stands for @type.
  const Json::Member* types = nullptr;
  for (const Json::Member& member : object.members()) {
    if (KeywordOfName(**active, member.first) != JsonLdKeyword::kType) continue;
    if (types == nullptr || member.first < types->first) types = &member;
  }
  if (types != nullptr) {
    const Json* type = &types->second;
    if (type->is_array()) type = type->elements().empty() ? nullptr : &type->elements().back();
    node.is_json =
        type != nullptr && type->is_string() && KeywordOfName(**active, type->string()) == JsonLdKeyword::kJson;
  }
  if (absl::Status status = ExpandMembers(*active, object, &node); !status.ok()) return status;
  return FinishObject(std::move(node));
}

absl::StatusOr<JsonLdContextPtr> JsonLdExpander::EnterObject(const JsonLdContextPtr& context, Property property,
                                                             const Json& object, bool from_map) {
  JsonLdContextPtr active = context;
  if (context->previous != nullptr && !from_map) {
    const std::vector<Json::Member>& members = object.members();
    const bool has_value = std::any_of(members.begin(), members.end(), [&](const Json::Member& member) {
      return KeywordOfName(*context, member.first) == JsonLdKeyword::kValue;
    });
    const bool is_reference = members.size() == 1 && KeywordOfName(*context, members[0].first) == JsonLdKeyword::kId;
    if (!has_value && !is_reference) active = context->previous;
  }
  const JsonLdTerm* term = property.has_value() ? context->Find(*property) : nullptr;
  if (term != nullptr && term->context != nullptr) {
    absl::StatusOr<JsonLdContextPtr> scoped = ApplyTerm(active, *term, {.override_protected = true});
    if (!scoped.ok()) return scoped.status();
    active = *std::move(scoped);
  }
  if (const Json* local = object.Find("@context"); local != nullptr) {
    return processor_.Process(active, *local, options_.base);
  }
  return active;
}

absl::StatusOr<JsonLdContextPtr> JsonLdExpander::ApplyTypes(const JsonLdContextPtr& context, const Json& object) {
  absl::InlinedVector<const Json::Member*, 2> members;
  for (const Json::Member& member : object.members()) {
    if (KeywordOfName(*context, member.first) == JsonLdKeyword::kType) members.push_back(&member);
  }
  std::sort(members.begin(), members.end(),
            [](const Json::Member* a, const Json::Member* b) { return a->first < b->first; });
  JsonLdContextPtr active = context;
  for (const Json::Member* member : members) {
    absl::InlinedVector<string_view, 4> types;
    auto add = [&types](const Json& type) {
      if (type.is_string()) types.push_back(type.string());
    };
    if (member->second.is_array()) {
      for (const Json& type : member->second.elements()) add(type);
    } else {
      add(member->second);
    }
    std::sort(types.begin(), types.end());
    for (const string_view type : types) {
      const JsonLdTerm* term = context->Find(type);
      if (term == nullptr || term->context == nullptr) continue;
      absl::StatusOr<JsonLdContextPtr> scoped = ApplyTerm(active, *term, {.propagate = false});
      if (!scoped.ok()) return scoped.status();
      active = *std::move(scoped);
    }
  }
  return active;
}

absl::StatusOr<JsonLdContextPtr> JsonLdExpander::ApplyTerm(const JsonLdContextPtr& context, const JsonLdTerm& term,
                                                           JsonLdContextProcessor::Scope scope) {
  return processor_.Process(context, *term.context, term.base_url, scope);
}

absl::StatusOr<Json> JsonLdExpander::FinishObject(Node&& node) {
  if (!node.reverse.empty()) node.result.Set("@reverse", std::move(node.reverse).Take());
  Json result = std::move(node.result).Take();
  if (const Json* value = result.Find("@value"); value != nullptr) {
    if (absl::Status status = CheckValueObject(result); !status.ok()) return status;
    const Json* type = result.Find("@type");
    const bool is_json = type != nullptr && type->is_string() && type->string() == "@json";
    if (!is_json && (value->is_null() || (value->is_array() && value->elements().empty()))) return Json();
  } else if (Json* types = result.Find("@type"); types != nullptr) {
    *types = AsArray(std::move(*types));
  }
  const bool is_set = result.Find("@set") != nullptr;
  if (is_set || IsListObject(result)) {
    if (result.members().size() > (result.Find("@index") == nullptr ? 1u : 2u)) {
      return JsonLdError("invalid set or list object", "expected @set or @list and at most @index beside it");
    }
    if (is_set) {
      Json elements = std::move(*result.Find("@set"));
      // A set at the top is expanded with its elements' place, so nothing of it floats.
      return elements;
    }
  }
  if (result.members().size() == 1 && result.members()[0].first == "@language") return Json();
  if (!node.property.has_value() || *node.property == "@graph") {
    const bool is_value = IsValueObject(result) || IsListObject(result);
    if (is_value) ++dropped_;
    if (is_value || result.members().empty()) return Json();
    if (result.members().size() == 1 && result.members()[0].first == "@id") return Json();
  }
  return result;
}

Json JsonLdExpander::ExpandValue(const JsonLdContext& context, string_view property, const Json& value) {
  const JsonLdTerm* term = context.Find(property);
  const bool has_type = term != nullptr && term->type.has_value();
  if (has_type && value.is_string() && (*term->type == "@id" || *term->type == "@vocab")) {
    std::optional<std::string> iri =
        ExpandIri(context, value.string(), {.document_relative = true, .vocab = *term->type == "@vocab"}, budget_);
    return SingleMember("@id", iri.has_value() ? Json::String(*std::move(iri)) : Json());
  }
  Json result = SingleMember("@value", value);
  auto add = [&](string_view name, const std::string& text) {
    budget_->SpendBytes(text.size());
    result.members().emplace_back(name, Json::String(text));
  };
  if (has_type && *term->type != "@id" && *term->type != "@vocab" && *term->type != "@none") {
    add("@type", *term->type);
  } else if (value.is_string()) {
    const bool has_language = term != nullptr && term->language.has_value();
    const bool has_direction = term != nullptr && term->direction.has_value();
    const std::optional<std::string>& language = has_language ? *term->language : context.language;
    const std::optional<std::string>& direction = has_direction ? *term->direction : context.direction;
    if (language.has_value()) add("@language", *language);
    if (direction.has_value()) add("@direction", *direction);
  }
  return result;
}

absl::StatusOr<JsonLdExpansion> ExpandJsonLd(const Json& document, const JsonLdOptions& options) {
  JsonLdBudget budget(options.work_max);
  return JsonLdExpander(options, &budget).Expand(document);
}

}  // namespace mvmd
