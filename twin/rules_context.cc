// CTX, TYP and LD: what JSON-LD makes of the document.
#include <algorithm>
#include <iterator>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "twin/jsonld.h"
#include "twin/rule_checker.h"
#include "twin/value_kinds.h"

namespace mvmd {
namespace {

using absl::string_view;

constexpr string_view kSchemaOrg = "https://schema.org/";
constexpr string_view kMvmd = "https://mvmd.org/v1/";

// Member names of the profile's Complete Example, and `license`; sorted.
constexpr string_view kProfileTerms[] = {"accuracy",
                                         "address",
                                         "addressCountry",
                                         "addressLocality",
                                         "alertThresholds",
                                         "alerts",
                                         "analytics",
                                         "associatedMedia",
                                         "component",
                                         "compressionLevel",
                                         "connectionStatus",
                                         "contentUrl",
                                         "creator",
                                         "criticalRange",
                                         "currentValue",
                                         "dataStorage",
                                         "date",
                                         "dateCreated",
                                         "dateModified",
                                         "description",
                                         "encodingFormat",
                                         "endpoint",
                                         "findings",
                                         "geo",
                                         "historicalData",
                                         "history",
                                         "id",
                                         "identifier",
                                         "installDate",
                                         "lastSynced",
                                         "latency",
                                         "latitude",
                                         "license",
                                         "location",
                                         "longitude",
                                         "maintenance",
                                         "manufacturer",
                                         "mechanism",
                                         "message",
                                         "metric",
                                         "model",
                                         "name",
                                         "nextMaintenance",
                                         "normalRange",
                                         "performance",
                                         "period",
                                         "postalCode",
                                         "predictedIssues",
                                         "predictionModels",
                                         "pressure",
                                         "probability",
                                         "productionDate",
                                         "productionLine",
                                         "productivity",
                                         "propertyID",
                                         "recommendedAction",
                                         "resolution",
                                         "retentionPeriod",
                                         "samplingRate",
                                         "schedule",
                                         "sensors",
                                         "serialNumber",
                                         "source",
                                         "storageLocation",
                                         "streetAddress",
                                         "subjectOf",
                                         "synchronization",
                                         "technician",
                                         "temperature",
                                         "timeframe",
                                         "timestamp",
                                         "type",
                                         "unit",
                                         "updateFrequency",
                                         "uptime",
                                         "url",
                                         "value"};

bool IsSchemaOrgString(string_view text) {
  if (!absl::ConsumePrefix(&text, "https://") && !absl::ConsumePrefix(&text, "http://")) return false;
  return text == "schema.org" || text == "schema.org/";
}

bool IsNonEmptyString(const Json& value) { return value.is_string() && !value.string().empty(); }

bool IsContextEntry(const Json& value) { return value.is_object() || IsNonEmptyString(value); }

// Calls `visit(entry, path)` for the context, or for each entry of an array of them.
template <typename Visit>
void ForEachEntry(const Json& context, const JsonPath& at, Visit visit) {
  if (!context.is_array()) return visit(context, at);
  for (size_t i = 0; i < context.elements().size(); ++i) visit(context.elements()[i], at.Element(i));
}

// What the root context says, for the rules that look at names.
struct ContextFacts {
  // CTX-01, CTX-02 or CTX-05 was reported: which prefixes are declared is not known.
  bool prefixes_known = false;
  bool defines_mvmd = false;
};

class ContextRules {
 public:
  ContextRules(const Json& context, RuleChecker* checker) : context_(context), checker_(checker) {}

  ContextFacts Check(const JsonPath& at) {
    ContextFacts facts;
    facts.prefixes_known = true;
    bool schema_org = false;  // the vocabulary at the end of the walk
    // Paths live on the stack of the walk, so the entry that set the vocabulary is kept by position.
    size_t position = 0;
    size_t setter = 0;
    bool setter_is_preferred = false;
    ForEachEntry(context_, at, [&](const Json& entry, const JsonPath& entry_at) {
      ++position;
      if (entry.is_string()) {
        if (IsSchemaOrgString(entry.string())) {
          schema_org = true;
          setter = position;
          setter_is_preferred = false;
        } else {
          checker_->Report("CTX-05", entry_at);
          facts.prefixes_known = false;
        }
        return;
      }
      if (const Json* vocab = entry.Find("@vocab"); vocab != nullptr) {
        const string_view text = vocab->is_string() ? string_view(vocab->string()) : string_view();
        schema_org = text == kSchemaOrg || text == "http://schema.org/";
        setter = position;
        setter_is_preferred = text == kSchemaOrg;
      }
      facts.defines_mvmd |= CheckMvmd(entry, entry_at);
      CheckTerms(entry, entry_at);
    });
    if (!schema_org) {
      checker_->Report("CTX-03", at);
    } else if (!setter_is_preferred) {
      ReportVocabulary(at, setter);
    }
    return facts;
  }

 private:
  // CTX-04 at the entry that set the vocabulary, counted from 1.
  void ReportVocabulary(const JsonPath& at, size_t setter) {
    size_t position = 0;
    ForEachEntry(context_, at, [&](const Json& entry, const JsonPath& entry_at) {
      if (++position != setter) return;
      if (entry.is_string()) {
        checker_->Report("CTX-04", entry_at);
      } else {
        checker_->Report("CTX-04", entry_at.Member("@vocab"));
      }
    });
  }

  // What a term of a context maps to: its string, or its `@id`; null when it has none.
  static const Json* MappingOf(const Json& definition) {
    return definition.is_object() ? Present(definition, "@id") : &definition;
  }

  // Whether the entry defines the prefix.
  bool CheckMvmd(const Json& entry, const JsonPath& at) {
    const Json* definition = Present(entry, "mvmd");
    if (definition == nullptr) return false;
    const Json* mapping = MappingOf(*definition);
    if (mapping == nullptr || !mapping->is_string() || mapping->string() != kMvmd) {
      checker_->Report("CTX-06", at.Member("mvmd"));
    }
    return true;
  }

  void CheckTerms(const Json& entry, const JsonPath& at) {
    for (const Json::Member& member : entry.members()) {
      if (!std::binary_search(std::begin(kProfileTerms), std::end(kProfileTerms), string_view(member.first))) continue;
      if (Redefines(member.first, member.second)) checker_->Report("CTX-09", at.Member(member.first));
    }
  }

  static bool Redefines(string_view term, const Json& definition) {
    if (definition.is_null()) return true;
    if (!definition.is_string() && !definition.is_object()) return false;
    const Json* mapping = MappingOf(definition);
    if (mapping == nullptr) return false;
    return !mapping->is_string() || mapping->string() != absl::StrCat(kSchemaOrg, term);
  }

  const Json& context_;
  RuleChecker* const checker_;
};

// The contexts in force at an object, innermost first.
class ContextScope {
 public:
  // `context` is null when the object has none.
  ContextScope(const ContextScope* outer, const Json* context) : outer_(outer), context_(context) {}

  bool Declares(string_view prefix) const {
    for (const ContextScope* scope = this; scope != nullptr; scope = scope->outer_) {
      if (scope->context_ != nullptr && scope->Terms().contains(prefix)) return true;
    }
    return false;
  }

 private:
  // Gathered when first asked for: most documents have no prefix but `mvmd`.
  const absl::flat_hash_set<string_view>& Terms() const {
    if (gathered_) return terms_;
    gathered_ = true;
    if (context_->is_array()) {
      for (const Json& entry : context_->elements()) Gather(entry);
    } else {
      Gather(*context_);
    }
    return terms_;
  }

  void Gather(const Json& entry) const {
    if (!entry.is_object()) return;
    for (const auto& [term, definition] : entry.members()) {
      if (!definition.is_null()) terms_.insert(term);
    }
  }

  const ContextScope* outer_;
  const Json* context_;
  mutable bool gathered_ = false;
  mutable absl::flat_hash_set<string_view> terms_;
};

bool FormsIri(string_view name) {
  if (absl::StartsWith(name, "_:")) return false;
  return std::none_of(name.begin(), name.end(), [](char c) {
    constexpr string_view kExcluded = "<>\"{}|\\^`";
    return static_cast<unsigned char>(c) <= 0x20 || kExcluded.find(c) != string_view::npos;
  });
}

// The prefix of `p:s` when JSON-LD would take it for one that has to be declared; empty otherwise. A name that starts
// with a colon has no prefix.
string_view PrefixToDeclare(string_view name) {
  const size_t colon = name.find(':');
  if (colon == string_view::npos || absl::StartsWith(name.substr(colon + 1), "//")) return {};
  const string_view prefix = name.substr(0, colon);
  return prefix == "mvmd" || prefix == "_" || prefix == "urn" ? string_view() : prefix;
}

// Walks every object outside of contexts. Recursion is bounded by the depth limit of documents.
class LinkedDataRules {
 public:
  LinkedDataRules(bool prefixes_known, RuleChecker* checker) : prefixes_known_(prefixes_known), checker_(checker) {}

  bool uses_mvmd() const { return uses_mvmd_; }

  // `in_extension`: within the value of a member whose name has a colon.
  void Walk(const Json& value, const JsonPath& at, bool in_extension, const ContextScope* scope) {
    if (value.is_array()) {
      for (size_t i = 0; i < value.elements().size(); ++i) {
        WalkValue(value.elements()[i], at.Element(i), in_extension, scope);
      }
    } else if (value.is_object()) {
      WalkObject(value, at, in_extension, scope);
    }
  }

 private:
  void WalkObject(const Json& object, const JsonPath& at, bool in_extension, const ContextScope* outer) {
    const ContextScope scope(outer, object.Find("@context"));
    for (const auto& [name, value] : object.members()) {
      const JsonPath member_at = at.Member(name);
      if (name == "@context") {
        if (at.is_root()) continue;
        checker_->Report("CTX-10", member_at);
        WalkContext(value, member_at);
        continue;
      }
      CheckName(name, member_at, in_extension, &scope);
      if (name == "@id" && !value.is_null() && !IsUsableId(value)) checker_->Report("LD-05", member_at);
      WalkValue(value, member_at, in_extension || absl::StrContains(name, ':'), &scope);
    }
  }

  void WalkValue(const Json& value, const JsonPath& at, bool in_extension, const ContextScope* scope) {
    if (value.is_null()) {
      checker_->Report("LD-06", at);
    } else {
      Walk(value, at, in_extension, scope);
    }
  }

  // Within a nested context only further ones are looked for.
  void WalkContext(const Json& value, const JsonPath& at) {
    if (value.is_array()) {
      for (size_t i = 0; i < value.elements().size(); ++i) WalkContext(value.elements()[i], at.Element(i));
    } else if (value.is_object()) {
      for (const auto& [name, member] : value.members()) {
        const JsonPath member_at = at.Member(name);
        if (name == "@context") checker_->Report("CTX-10", member_at);
        WalkContext(member, member_at);
      }
    }
  }

  void CheckName(string_view name, const JsonPath& at, bool in_extension, const ContextScope* scope) {
    uses_mvmd_ |= absl::StartsWith(name, "mvmd:");
    if (IsJsonLdKeyword(name)) {
      if (!in_extension && name != "@type" && name != "@id") checker_->Report("LD-02", at);
    } else if (HasFormOfKeyword(name)) {
      checker_->Report("LD-01", at);
    } else if (!FormsIri(name)) {
      checker_->Report("LD-03", at);
    } else if (prefixes_known_) {
      const string_view prefix = PrefixToDeclare(name);
      if (!prefix.empty() && !scope->Declares(prefix)) checker_->Report("LD-04", at);
    }
  }

  static bool IsUsableId(const Json& value) {
    return value.is_string() && (absl::StartsWith(value.string(), "_:") || IsAbsoluteIri(value.string()));
  }

  const bool prefixes_known_;
  RuleChecker* const checker_;
  bool uses_mvmd_ = false;
};

bool IsUsableContext(const Json& context) {
  if (!context.is_array()) return IsContextEntry(context);
  return !context.elements().empty() &&
         std::all_of(context.elements().begin(), context.elements().end(), IsContextEntry);
}

bool IsTypicalType(const Json& type) {
  string_view name = type.string();
  absl::ConsumePrefix(&name, kSchemaOrg);
  return name == "DigitalDocument" || name == "Dataset";
}

}  // namespace

void CheckContextAndLinkedData(const Json& document, RuleChecker* checker) {
  const JsonPath root;
  const MemberAt context(document, root, "@context");
  ContextFacts facts;
  bool usable = false;
  if (context.value == nullptr) {
    checker->Report("CTX-01", context.path);
  } else if (!IsUsableContext(*context.value)) {
    checker->Report("CTX-02", context.path);
  } else {
    usable = true;
    facts = ContextRules(*context.value, checker).Check(context.path);
  }
  LinkedDataRules linked_data(facts.prefixes_known, checker);
  linked_data.Walk(document, root, false, nullptr);
  if (usable && !facts.defines_mvmd) {
    if (linked_data.uses_mvmd()) {
      checker->Report("CTX-07", context.path);
    } else {
      checker->Report("CTX-08", context.path);
    }
  }
}

void CheckType(const Json& document, RuleChecker* checker) {
  const JsonPath root;
  const MemberAt type(document, root, "@type");
  if (type.value == nullptr) return checker->Report("TYP-01", type.path);
  if (!type.value->is_array()) {
    if (!IsNonEmptyString(*type.value)) return checker->Report("TYP-02", type.path);
    if (!IsTypicalType(*type.value)) checker->Report("TYP-03", type.path);
    if (!IsTypeName(type.value->string())) checker->Report("TYP-04", type.path);
    return;
  }
  const std::vector<Json>& types = type.value->elements();
  if (types.empty() || !std::all_of(types.begin(), types.end(), IsNonEmptyString)) {
    return checker->Report("TYP-02", type.path);
  }
  if (std::none_of(types.begin(), types.end(), IsTypicalType)) checker->Report("TYP-03", type.path);
  for (size_t i = 0; i < types.size(); ++i) {
    if (!IsTypeName(types[i].string())) checker->Report("TYP-04", type.path.Element(i));
  }
}

}  // namespace mvmd
