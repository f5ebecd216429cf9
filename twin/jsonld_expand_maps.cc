// Expansion Algorithm, JSON-LD 1.1 API, section 5.1, steps 13.7 and 13.8: values that are maps by language, index, id
// or type.
#include <utility>

#include "twin/jsonld_expander.h"

namespace mvmd {
namespace {

using absl::string_view;

// `first`, then what `object` has as `name`.
void Prepend(string_view name, Json first, Json* object) {
  Json values = AsArray(std::move(first));
  if (Json* existing = object->Find(name); existing != nullptr) {
    Json rest = AsArray(std::move(*existing));
    for (Json& value : rest.elements()) values.Append(std::move(value));
  }
  object->Set(name, std::move(values));
}

}  // namespace

absl::StatusOr<Json> JsonLdExpander::ExpandLanguageMap(const JsonLdContext& context, const JsonLdTerm& term,
                                                       const Json& map) {
  const std::optional<std::string>& direction = term.direction.has_value() ? *term.direction : context.direction;
  Json result = Json::Array();
  auto add = [&](string_view language, const Json& item) {
    if (item.is_null()) return absl::OkStatus();
    if (!item.is_string()) return JsonLdError("invalid language map value", "expected a string or an array of strings");
    Json value = SingleMember("@value", item);
    if (KeywordOfName(context, language) != JsonLdKeyword::kNoneValue) {
      value.members().emplace_back("@language", Json::String(language));
    }
    if (direction.has_value()) value.members().emplace_back("@direction", Json::String(*direction));
    budget_->SpendItems(1);
    budget_->SpendBytes(language.size());
    result.Append(std::move(value));
    return budget_->status();
  };
  for (const auto& [language, items] : map.members()) {
    if (!items.is_array()) {
      if (absl::Status status = add(language, items); !status.ok()) return status;
      continue;
    }
    for (const Json& item : items.elements()) {
      if (absl::Status status = add(language, item); !status.ok()) return status;
    }
  }
  return result;
}

absl::StatusOr<JsonLdContextPtr> JsonLdExpander::MapContext(const JsonLdContextPtr& context, const JsonLdTerm& term,
                                                            string_view index) {
  if ((term.containers & (kContainerId | kContainerType)) == 0) return context;
  const JsonLdContextPtr& map_context = context->previous != nullptr ? context->previous : context;
  if ((term.containers & kContainerType) != 0) {
    const JsonLdTerm* type = map_context->Find(index);
    if (type != nullptr && type->context != nullptr) return ApplyTerm(map_context, *type, {});
  }
  return map_context;
}

absl::StatusOr<Json> JsonLdExpander::ExpandIndexMap(const JsonLdContextPtr& context, string_view name,
                                                    const JsonLdTerm& term, const Json& map) {
  Json result = Json::Array();
  for (const auto& [index, value] : map.members()) {
    absl::StatusOr<JsonLdContextPtr> map_context = MapContext(context, term, index);
    if (!map_context.ok()) return map_context.status();
    absl::StatusOr<Json> expanded = ExpandElement(*map_context, name, value, true);
    if (!expanded.ok()) return expanded.status();
    Json items = AsArray(*std::move(expanded));
    for (Json& item : items.elements()) {
      if ((term.containers & kContainerGraph) != 0 && !IsGraphObject(item)) {
        item = SingleMember("@graph", AsArray(std::move(item)));
      }
      if (absl::Status status = AddIndex(*context, term, index, &item); !status.ok()) return status;
      result.Append(std::move(item));
    }
  }
  return result;
}

absl::Status JsonLdExpander::AddIndex(const JsonLdContext& context, const JsonLdTerm& term, string_view index,
                                      Json* item) {
  budget_->SpendBytes(index.size());
  if (absl::Status status = budget_->status(); !status.ok()) return status;
  if (KeywordOfName(context, index) == JsonLdKeyword::kNoneValue) return absl::OkStatus();
  if ((term.containers & kContainerIndex) != 0 && term.index.has_value() && *term.index != "@index") {
    const std::optional<std::string> property = ExpandIri(context, *term.index, {}, budget_);
    if (!property.has_value()) return absl::OkStatus();
    Prepend(*property, ExpandValue(context, *term.index, Json::String(index)), item);
    if (IsValueObject(*item)) return JsonLdError("invalid value object", "expected no index by property");
  } else if ((term.containers & kContainerIndex) != 0) {
    if (item->Find("@index") == nullptr) item->Set("@index", Json::String(index));
  } else if ((term.containers & kContainerId) != 0) {
    if (item->Find("@id") != nullptr) return absl::OkStatus();
    std::optional<std::string> id = ExpandIri(context, index, {.document_relative = true, .vocab = false}, budget_);
    item->Set("@id", id.has_value() ? Json::String(*std::move(id)) : Json());
  } else {
    std::optional<std::string> type = ExpandIri(context, index, {}, budget_);
    if (type.has_value()) Prepend("@type", Json::String(*std::move(type)), item);
  }
  return absl::OkStatus();
}

}  // namespace mvmd
