// Expansion Algorithm, JSON-LD 1.1 API, section 5.1, steps 13 and 14: the members of an object.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "twin/jsonld_expander.h"

namespace mvmd {
namespace {

using absl::string_view;

bool IsScalar(const Json& value) { return value.is_string() || value.is_number() || value.is_bool(); }

// Neither a value, a list nor a set.
bool IsNodeObject(const Json& value) {
  return value.is_object() && !IsValueObject(value) && !IsListObject(value) && value.Find("@set") == nullptr;
}

}  // namespace

absl::Status JsonLdExpander::ExpandMembers(const JsonLdContextPtr& context, const Json& object, Node* node) {
  std::vector<const Json::Member*> nests;
  for (const Json::Member& member : object.members()) {
    const auto& [name, value] = member;
    if (name == "@context") continue;
    budget_->SpendItems(1);
    if (absl::Status status = budget_->status(); !status.ok()) return status;
    const JsonLdKeyword keyword = KeywordOfName(*context, name);
    if (keyword == JsonLdKeyword::kNest) {
      nests.push_back(&member);
      continue;
    }
    if (keyword != JsonLdKeyword::kNone) {
      if (absl::Status status = ExpandKeyword(context, keyword, value, node); !status.ok()) return status;
      continue;
    }
    const std::optional<std::string> iri = ExpandIri(*context, name, {}, budget_);
    if (!iri.has_value() || iri->find(':') == std::string::npos) {
      if (!value.is_null()) ++dropped_;
      continue;
    }
    if (absl::Status status = ExpandProperty(context, name, *iri, value, node); !status.ok()) return status;
  }
  for (const Json::Member* nest : nests) {
    if (absl::Status status = ExpandNested(context, *nest, node); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status JsonLdExpander::ExpandNested(const JsonLdContextPtr& context, const Json::Member& member, Node* node) {
  if (depth_ >= kJsonLdDepthMax) return JsonLdTooDeep();
  ++depth_;
  JsonLdContextPtr active = context;
  if (const JsonLdTerm* term = context->Find(member.first); term != nullptr && term->context != nullptr) {
    absl::StatusOr<JsonLdContextPtr> scoped = ApplyTerm(context, *term, {.override_protected = true});
    if (!scoped.ok()) return scoped.status();
    active = *std::move(scoped);
  }
  auto expand = [&](const Json& nested) {
    const bool usable = nested.is_object() &&
                        std::none_of(nested.members().begin(), nested.members().end(), [&](const Json::Member& inner) {
                          return KeywordOfName(*active, inner.first) == JsonLdKeyword::kValue;
                        });
    if (!usable) return JsonLdError("invalid @nest value", "expected an object without @value");
    return ExpandMembers(active, nested, node);
  };
  absl::Status status;
  if (member.second.is_array()) {
    for (const Json& nested : member.second.elements()) {
      if (status.ok()) status = expand(nested);
    }
  } else {
    status = expand(member.second);
  }
  --depth_;
  return status;
}

absl::Status JsonLdExpander::ExpandKeyword(const JsonLdContextPtr& context, JsonLdKeyword keyword, const Json& value,
                                           Node* node) {
  const string_view name = TextOf(keyword);
  if (node->property == "@reverse") return JsonLdError("invalid reverse property map", "expected no keywords");
  const bool repeats = keyword == JsonLdKeyword::kReverse ? node->has_reverse : node->result.Find(name) != nullptr;
  if (repeats && keyword != JsonLdKeyword::kIncluded && keyword != JsonLdKeyword::kType) {
    return JsonLdError("colliding keywords", absl::StrCat("expected ", name, " once"));
  }
  switch (keyword) {
    case JsonLdKeyword::kId:
      return ExpandId(*context, value, node);
    case JsonLdKeyword::kType:
      return ExpandType(value, node);
    case JsonLdKeyword::kGraph: {
      absl::StatusOr<Json> graph = ExpandElement(context, "@graph", value);
      if (!graph.ok()) return graph.status();
      node->result.Set(name, AsArray(*std::move(graph)));
      return absl::OkStatus();
    }
    case JsonLdKeyword::kIncluded:
      return ExpandIncluded(context, value, node);
    case JsonLdKeyword::kValue:
      if (!node->is_json && !IsScalar(value) && !value.is_null()) {
        return JsonLdError("invalid value object value", "expected a string, a number, a boolean or null");
      }
      node->result.Set(name, value);
      return absl::OkStatus();
    case JsonLdKeyword::kLanguage:
      if (!value.is_string()) return JsonLdError("invalid language-tagged string", "expected @language to be a string");
      node->result.Set(name, value);
      return absl::OkStatus();
    case JsonLdKeyword::kDirection:
      if (!value.is_string() || (value.string() != "ltr" && value.string() != "rtl")) {
        return JsonLdError("invalid base direction", "expected 'ltr' or 'rtl'");
      }
      node->result.Set(name, value);
      return absl::OkStatus();
    case JsonLdKeyword::kIndex:
      if (!value.is_string()) return JsonLdError("invalid @index value", "expected a string");
      node->result.Set(name, value);
      return absl::OkStatus();
    case JsonLdKeyword::kList:
      return ExpandList(context, value, node);
    case JsonLdKeyword::kSet: {
      absl::StatusOr<Json> set = ExpandElement(context, node->property, value);
      if (!set.ok()) return set.status();
      node->result.Set(name, AsArray(*std::move(set)));
      return absl::OkStatus();
    }
    case JsonLdKeyword::kReverse:
      return ExpandReverse(context, value, node);
    default:
      // A keyword that has its place in contexts only, or as a value.
      ++dropped_;
      return absl::OkStatus();
  }
}

absl::Status JsonLdExpander::ExpandId(const JsonLdContext& context, const Json& value, Node* node) {
  if (!value.is_string()) return JsonLdError("invalid @id value", "expected a string");
  std::optional<std::string> iri =
      ExpandIri(context, value.string(), {.document_relative = true, .vocab = false}, budget_);
  node->result.Set("@id", iri.has_value() ? Json::String(*std::move(iri)) : Json());
  return absl::OkStatus();
}

absl::Status JsonLdExpander::ExpandType(const Json& value, Node* node) {
  auto expand = [&](const Json& type) {
    std::optional<std::string> iri =
        ExpandIri(*node->type_scoped, type.string(), {.document_relative = true, .vocab = true}, budget_);
    if (!iri.has_value()) ++dropped_;
    return iri.has_value() ? Json::String(*std::move(iri)) : Json();
  };
  const bool valid = value.is_array() ? std::all_of(value.elements().begin(), value.elements().end(),
                                                    [](const Json& type) { return type.is_string(); })
                                      : value.is_string();
  if (!valid) return JsonLdError("invalid type value", "expected a string or an array of strings");
  if (value.is_string() && node->result.Find("@type") == nullptr) {
    Json type = expand(value);
    if (!type.is_null()) node->result.Set("@type", std::move(type));
    return absl::OkStatus();
  }
  Json types = Json::Array();
  if (value.is_string()) {
    types = AsArray(expand(value));
  } else {
    for (const Json& type : value.elements()) {
      if (Json expanded = expand(type); !expanded.is_null()) types.Append(std::move(expanded));
    }
  }
  node->result.Add("@type", std::move(types));
  return absl::OkStatus();
}

absl::Status JsonLdExpander::ExpandIncluded(const JsonLdContextPtr& context, const Json& value, Node* node) {
  absl::StatusOr<Json> expanded = ExpandElement(context, std::nullopt, value);
  if (!expanded.ok()) return expanded.status();
  const Json nodes = AsArray(*std::move(expanded));
  const std::vector<Json>& elements = nodes.elements();
  // What is no node was dropped as floating when it is well-formed, so emptiness tells.
  if (elements.empty() || !std::all_of(elements.begin(), elements.end(), IsNodeObject)) {
    return JsonLdError("invalid @included value", "expected node objects");
  }
  node->result.Add("@included", nodes);
  return absl::OkStatus();
}

absl::Status JsonLdExpander::ExpandList(const JsonLdContextPtr& context, const Json& value, Node* node) {
  if (!node->property.has_value() || *node->property == "@graph") {
    ++dropped_;
    return absl::OkStatus();
  }
  absl::StatusOr<Json> list = ExpandElement(context, node->property, value);
  if (!list.ok()) return list.status();
  node->result.Set("@list", AsArray(*std::move(list)));
  return absl::OkStatus();
}

absl::Status JsonLdExpander::ExpandReverse(const JsonLdContextPtr& context, const Json& value, Node* node) {
  if (!value.is_object()) return JsonLdError("invalid @reverse value", "expected an object");
  node->has_reverse = true;
  absl::StatusOr<Json> expanded = ExpandElement(context, "@reverse", value);
  if (!expanded.ok()) return expanded.status();
  for (auto& [iri, items] : expanded->members()) {
    if (iri == "@reverse") {  // reversed twice
      for (auto& [property, values] : items.members()) node->result.Add(property, std::move(values));
    } else if (absl::Status status = AddReversed(iri, std::move(items), node); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status JsonLdExpander::ExpandProperty(const JsonLdContextPtr& context, string_view name, string_view iri,
                                            const Json& value, Node* node) {
  const JsonLdTerm* term = context->Find(name);
  const uint8_t containers = term == nullptr ? 0 : term->containers;
  absl::StatusOr<Json> expanded;
  if (term != nullptr && term->type == "@json") {
    expanded = SingleMember("@value", value);
    expanded->members().emplace_back("@type", Json::String("@json"));
  } else if ((containers & kContainerLanguage) != 0 && value.is_object()) {
    expanded = ExpandLanguageMap(*context, *term, value);
  } else if ((containers & (kContainerIndex | kContainerType | kContainerId)) != 0 && value.is_object()) {
    expanded = ExpandIndexMap(context, name, *term, value);
  } else {
    expanded = ExpandElement(context, name, value);
  }
  if (!expanded.ok()) return expanded.status();
  if (expanded->is_null()) return absl::OkStatus();
  if ((containers & kContainerList) != 0 && !IsListObject(*expanded)) {
    *expanded = SingleMember("@list", AsArray(*std::move(expanded)));
  }
  if ((containers & kContainerGraph) != 0 && (containers & (kContainerId | kContainerIndex)) == 0) {
    Json graphs = AsArray(*std::move(expanded));
    for (Json& graph : graphs.elements()) graph = SingleMember("@graph", AsArray(std::move(graph)));
    *expanded = std::move(graphs);
  }
  if (term != nullptr && term->is_reverse) return AddReversed(iri, *std::move(expanded), node);
  node->result.Add(iri, *std::move(expanded));
  return absl::OkStatus();
}

absl::Status JsonLdExpander::AddReversed(string_view iri, Json value, Node* node) {
  Json items = AsArray(std::move(value));
  for (const Json& item : items.elements()) {
    if (IsValueObject(item) || IsListObject(item)) {
      return JsonLdError("invalid reverse property value", "expected node objects");
    }
  }
  node->reverse.Add(iri, std::move(items));
  return absl::OkStatus();
}

}  // namespace mvmd
