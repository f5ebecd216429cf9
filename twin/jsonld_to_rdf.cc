// Deserialize JSON-LD to RDF, JSON-LD 1.1 API, section 8.1. The specification first merges nodes in a node map; a
// dataset merges them by itself, so quads are made directly of the expanded tree.
#include "twin/jsonld_to_rdf.h"

#include <cmath>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "twin/canonical.h"
#include "twin/iri.h"
#include "twin/jsonld_expand.h"

namespace mvmd {
namespace {

using absl::string_view;

constexpr double kIntegerMax = 1e21;  // from here on numbers are doubles

// BCP 47, section 2.2.9: subtags of one to eight letters and digits, the first without digits.
bool IsLanguageTag(string_view tag) {
  size_t length = 0;
  bool first = true;
  for (const char byte : tag) {
    const auto c = static_cast<unsigned char>(byte);
    if (c == '-') {
      if (length == 0) return false;
      length = 0;
      first = false;
    } else if (++length > 8 || !(first ? absl::ascii_isalpha(c) : absl::ascii_isalnum(c))) {
      return false;
    }
  }
  return length > 0;
}

// Takes what ExpandJsonLd gives: every property and list is an array, every value object well-formed.
class QuadMaker {
 public:
  explicit QuadMaker(JsonLdBudget* budget) : budget_(budget) {}

  absl::StatusOr<JsonLdDataset> Make(const Json& expanded) && {
    const RdfTerm default_graph;
    absl::Status status = AddNodes(expanded, &default_graph);
    if (!status.ok()) return status;
    return std::move(dataset_);
  }

 private:
  // The graph that quads go to; null where its name is no RDF term, so that they are left out.
  using Graph = const RdfTerm*;

  absl::Status AddNodes(const Json& nodes, Graph graph) {
    if (!nodes.is_array()) return AddNode(nodes, graph).status();
    for (const Json& node : nodes.elements()) {
      if (absl::StatusOr<std::optional<RdfTerm>> added = AddNode(node, graph); !added.ok()) return added.status();
    }
    return absl::OkStatus();
  }

  // The node's term, or nothing when it has none. What is nested in such a node is added all the same.
  absl::StatusOr<std::optional<RdfTerm>> AddNode(const Json& node, Graph graph) {
    if (!node.is_object()) return std::nullopt;
    if (depth_ >= 2 * kJsonLdDepthMax) return JsonLdTooDeep();
    if (absl::Status status = budget_->status(); !status.ok()) return status;
    ++depth_;
    std::optional<RdfTerm> subject = TermOf(node.Find("@id"), true);
    for (const auto& [name, value] : node.members()) {
      if (absl::Status status = AddMember(subject, name, value, graph); !status.ok()) return status;
    }
    --depth_;
    return subject;
  }

  absl::Status AddMember(const std::optional<RdfTerm>& subject, const std::string& name, const Json& value,
                         Graph graph) {
    switch (KeywordOf(name)) {
      case JsonLdKeyword::kNone:
        return AddProperty(subject, name, value, graph);
      case JsonLdKeyword::kType:
        AddTypes(subject, value, graph);
        return absl::OkStatus();
      case JsonLdKeyword::kGraph:
        return AddNodes(value, subject.has_value() ? &*subject : nullptr);
      case JsonLdKeyword::kIncluded:
        return AddNodes(value, graph);
      case JsonLdKeyword::kReverse:
        return AddReversed(subject, value, graph);
      case JsonLdKeyword::kIndex:
        return CheckIndex(subject, value, graph);
      default:
        return absl::OkStatus();
    }
  }

  void AddTypes(const std::optional<RdfTerm>& subject, const Json& types, Graph graph) {
    auto add = [&](const Json& type) {
      if (std::optional<RdfTerm> object = TermOf(&type, false); object.has_value() && subject.has_value()) {
        AddQuad(*subject, kRdfType, *std::move(object), graph);
      }
    };
    if (!types.is_array()) return add(types);
    for (const Json& type : types.elements()) add(type);
  }

  absl::Status AddProperty(const std::optional<RdfTerm>& subject, const std::string& property, const Json& values,
                           Graph graph) {
    const bool usable = IsRdfIri(property);
    if (!usable) ++dataset_.dropped;
    const bool keep = usable && subject.has_value() && graph != nullptr;
    for (const Json& value : values.elements()) {
      absl::StatusOr<std::optional<RdfTerm>> object = AddObject(value, graph, keep);
      if (!object.ok()) return object.status();
      if (keep && object->has_value()) AddQuad(*subject, property, **std::move(object), graph);
    }
    return absl::OkStatus();
  }

  absl::Status AddReversed(const std::optional<RdfTerm>& object, const Json& reversed, Graph graph) {
    for (const auto& [property, values] : reversed.members()) {
      const bool usable = IsRdfIri(property);
      if (!usable) ++dataset_.dropped;
      for (const Json& value : values.elements()) {
        absl::StatusOr<std::optional<RdfTerm>> subject = AddNode(value, graph);
        if (!subject.ok()) return subject.status();
        if (usable && object.has_value() && subject->has_value()) AddQuad(**subject, property, *object, graph);
      }
    }
    return absl::OkStatus();
  }

  // The term of a value, a list or a node. Lists and values are only made where `keep` says that they are used.
  absl::StatusOr<std::optional<RdfTerm>> AddObject(const Json& value, Graph graph, bool keep) {
    if (const Json* literal = value.Find("@value"); literal != nullptr) {
      if (!keep) return std::nullopt;
      return LiteralOf(value, *literal);
    }
    if (const Json* list = value.Find("@list"); list != nullptr) return AddList(*list, graph, keep);
    return AddNode(value, graph);
  }

  absl::StatusOr<std::optional<RdfTerm>> AddList(const Json& list, Graph graph, bool keep) {
    if (depth_ >= 2 * kJsonLdDepthMax) return JsonLdTooDeep();
    ++depth_;
    RdfTerm head = RdfTerm::Iri(kRdfNil);
    RdfTerm last;
    for (const Json& element : list.elements()) {
      absl::StatusOr<std::optional<RdfTerm>> object = AddObject(element, graph, keep);
      if (!object.ok()) return object.status();
      if (!keep) continue;
      RdfTerm cell = NewBlank();
      if (last.is_blank()) {
        AddQuad(last, kRdfRest, cell, graph);
      } else {
        head = cell;
      }
      if (object->has_value()) AddQuad(cell, kRdfFirst, **std::move(object), graph);
      last = std::move(cell);
    }
    if (last.is_blank()) AddQuad(last, kRdfRest, RdfTerm::Iri(kRdfNil), graph);
    --depth_;
    return std::optional<RdfTerm>(std::move(head));
  }

  // Nothing when datatype or language are malformed.
  std::optional<RdfTerm> LiteralOf(const Json& object, const Json& value) {
    const Json* type = object.Find("@type");
    const Json* language = object.Find("@language");
    if (object.Find("@direction") != nullptr || object.Find("@index") != nullptr) ++dataset_.dropped;
    string_view datatype;
    if (type != nullptr) {
      datatype = type->string();
      if (datatype == "@json") return RdfTerm::Literal(Canonicalize(value), kRdfJson);
      if (!IsRdfIri(datatype)) return Drop();
    }
    if (language != nullptr) {
      if (!IsLanguageTag(language->string())) return Drop();
      // RDF 1.1 Concepts, section 3.3: the value space of language tags is in lower case.
      return RdfTerm::LanguageString(value.string(), absl::AsciiStrToLower(language->string()));
    }
    if (value.is_bool()) {
      return RdfTerm::Literal(value.boolean() ? "true" : "false", datatype.empty() ? kXsdBoolean : datatype);
    }
    if (!value.is_number()) return RdfTerm::Literal(value.string(), datatype);
    const double number = value.number();
    const bool is_integer = std::trunc(number) == number && std::fabs(number) < kIntegerMax;
    if (is_integer && datatype != kXsdDouble) {
      return RdfTerm::Literal(XsdIntegerText(number), datatype.empty() ? kXsdInteger : datatype);
    }
    return RdfTerm::Literal(XsdDoubleText(number), datatype.empty() ? kXsdDouble : datatype);
  }

  // Of an @id or @type; a new blank node when there is none and `may_be_new`. Nothing when it is relative or malformed.
  std::optional<RdfTerm> TermOf(const Json* id, bool may_be_new) {
    if (id == nullptr && may_be_new) return NewBlank();
    if (id == nullptr || !id->is_string()) return Drop();
    const std::string& text = id->string();
    if (absl::StartsWith(text, "_:")) {
      const auto [entry, added] = blanks_.try_emplace(text);
      if (added) entry->second = NewBlank().value;
      return RdfTerm::Blank(entry->second);
    }
    if (!IsRdfIri(text)) return Drop();
    return RdfTerm::Iri(text);
  }

  std::nullopt_t Drop() {
    ++dataset_.dropped;
    return std::nullopt;
  }

  RdfTerm NewBlank() { return RdfTerm::Blank(absl::StrCat("b", blank_count_++)); }

  // A node may be written in several places, but with one @index in a graph.
  absl::Status CheckIndex(const std::optional<RdfTerm>& subject, const Json& index, Graph graph) {
    ++dataset_.dropped;
    if (!subject.has_value() || graph == nullptr) return absl::OkStatus();
    std::string key;
    AppendNQuadsTerm(*subject, &key);
    key.push_back(' ');
    AppendNQuadsTerm(*graph, &key);
    budget_->SpendBytes(key.size());
    const auto [entry, added] = indexes_.try_emplace(std::move(key), index.string());
    if (added || entry->second == index.string()) return absl::OkStatus();
    return JsonLdError("conflicting indexes", absl::StrCat("expected one @index of ", QuoteForError(subject->value)));
  }

  void AddQuad(const RdfTerm& subject, string_view predicate, RdfTerm object, Graph graph) {
    if (graph == nullptr) return;
    budget_->SpendItems(4);
    budget_->SpendBytes(subject.value.size() + predicate.size() + object.value.size() + object.datatype.size() +
                        graph->value.size());
    if (!budget_->ok()) return;
    dataset_.quads.push_back({subject, std::string(predicate), std::move(object), *graph});
  }

  JsonLdBudget* const budget_;
  JsonLdDataset dataset_;
  absl::flat_hash_map<std::string, std::string> blanks_;  // identifiers of the document, with `_:`
  absl::flat_hash_map<std::string, std::string> indexes_;
  uint64_t blank_count_ = 0;
  int depth_ = 0;
};

}  // namespace

absl::StatusOr<JsonLdDataset> JsonLdToRdf(const Json& document, const JsonLdOptions& options) {
  absl::StatusOr<JsonLdExpansion> expansion = ExpandJsonLd(document, options);
  if (!expansion.ok()) return expansion.status();
  JsonLdBudget budget(options.work_max);
  absl::StatusOr<JsonLdDataset> dataset = QuadMaker(&budget).Make(expansion->document);
  if (!dataset.ok()) return dataset.status();
  // What was left out once the budget was spent is no dataset.
  if (!budget.ok()) return budget.status();
  dataset->dropped += expansion->dropped;
  return dataset;
}

}  // namespace mvmd
