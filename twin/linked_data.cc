#include "twin/linked_data.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "twin/canonical.h"
#include "twin/jsonld.h"
#include "twin/jsonld_to_rdf.h"
#include "twin/rdf_canon.h"
#include "twin/rule_checker.h"
#include "twin/rules.h"

namespace mvmd {
namespace {

using absl::string_view;

// What expansion and conversion may take, of themselves and for each byte of C1, see JsonLdOptions. An array of small
// numbers takes the most in good faith: a quad for every few bytes.
constexpr size_t kWorkBytes = size_t{16} << 20;
constexpr size_t kWorkPerByte = 96;

// What is an IRI with `@vocab` alone is the same IRI here.
constexpr char kLosslessContext[] = R"({
  "@version": 1.1,
  "@vocab": "https://schema.org/",
  "mvmd": "https://mvmd.org/v1/",
  "xsd": "http://www.w3.org/2001/XMLSchema#",

  "associatedMedia": {"@id": "https://schema.org/associatedMedia", "@container": "@set"},
  "contentUrl": {"@id": "https://schema.org/contentUrl", "@type": "xsd:anyURI"},
  "license": {"@id": "https://schema.org/license", "@type": "xsd:anyURI"},
  "url": {"@id": "https://schema.org/url", "@type": "xsd:anyURI"},
  "endpoint": {"@id": "https://schema.org/endpoint", "@type": "xsd:anyURI"},
  "lastSynced": {"@id": "https://schema.org/lastSynced", "@type": "xsd:dateTime"},

  "sensors": {"@id": "https://schema.org/sensors", "@container": "@set"},
  "timestamp": {"@id": "https://schema.org/timestamp", "@type": "xsd:dateTime"},
  "normalRange": {"@id": "https://schema.org/normalRange", "@container": "@list"},
  "criticalRange": {"@id": "https://schema.org/criticalRange", "@container": "@list"},

  "predictionModels": {"@id": "https://schema.org/predictionModels", "@container": "@list"},
  "alertThresholds": {"@id": "https://schema.org/alertThresholds", "@type": "@json"},

  "history": {"@id": "https://schema.org/history", "@container": "@set"},
  "predictedIssues": {"@id": "https://schema.org/predictedIssues", "@container": "@set"},

  "productivity": {"@id": "https://schema.org/productivity", "@container": "@set"},
  "alerts": {
    "@id": "https://schema.org/alerts",
    "@container": "@set",
    "@context": {"date": {"@id": "https://schema.org/date", "@type": "xsd:dateTime"}}
  }
})";

// The rules of which a finding means that data is lost or changed.
bool MeansLoss(const RuleFinding& finding) {
  const string_view rule = finding.rule->id;
  return absl::StartsWith(rule, "LD-") || rule == "CTX-05" || rule == "CTX-09" || rule == "CTX-10";
}

bool HasLossFinding(const Json& document) {
  RuleChecker checker(false);
  CheckContextAndLinkedData(document, &checker);
  const RuleResult result = std::move(checker).Finish();
  // What was not kept may be one.
  return result.truncated || std::any_of(result.errors.begin(), result.errors.end(), MeansLoss) ||
         std::any_of(result.warnings.begin(), result.warnings.end(), MeansLoss);
}

}  // namespace

absl::StatusOr<CanonicalGraph> CanonicalizeGraph(const Json& document) {
  if (!document.is_object()) return JsonLdError("invalid document", "expected an object");
  JsonLdOptions options;
  options.work_max = kWorkBytes + kWorkPerByte * Canonicalize(document).size();
  absl::StatusOr<JsonLdDataset> dataset = JsonLdToRdf(document, options);
  if (!dataset.ok()) return dataset.status();
  absl::StatusOr<CanonicalDataset> canonical = CanonicalizeDataset(dataset->quads);
  if (!canonical.ok()) return canonical.status();
  CanonicalGraph graph;
  graph.lossy = dataset->dropped > 0 || HasLossFinding(document);
  graph.quads = canonical->quads;
  graph.nquads = std::move(canonical->nquads);
  graph.sha256 = Sha256Hex(graph.nquads);
  return graph;
}

const Json& LosslessContext() {
  static const Json* const kContext = [] {
    absl::StatusOr<Json> parsed = ParseJson(kLosslessContext);
    if (!parsed.ok()) std::abort();  // the text above is malformed
    return new Json(*std::move(parsed));
  }();
  return *kContext;
}

Json LosslessDocument(const Json& document) {
  Json contexts = Json::Array();
  contexts.Append(LosslessContext());
  // A null would undo the context before it; the rules take it for none.
  if (const Json* own = document.Find("@context"); own != nullptr && own->is_array()) {
    for (const Json& context : own->elements()) contexts.Append(context);
  } else if (own != nullptr && !own->is_null()) {
    contexts.Append(*own);
  }
  Json lossless = document;
  lossless.Set("@context", std::move(contexts));
  return lossless;
}

}  // namespace mvmd
