// RDF quads of JSON-LD.
#ifndef MVMD_TWIN_JSONLD_TO_RDF_H_
#define MVMD_TWIN_JSONLD_TO_RDF_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "twin/json.h"
#include "twin/jsonld.h"
#include "twin/rdf.h"

namespace mvmd {

struct JsonLdDataset {
  std::vector<RdfQuad> quads;  // repetitions are possible; blank nodes are b0, b1, ...
  // What of the document has no place in RDF: what expansion dropped, nodes, names and values whose IRI is relative or
  // malformed, indexes and base directions.
  size_t dropped = 0;
};

// Of a document, not expanded or expanded. Lists become rdf:first and rdf:rest, JSON literals rdf:JSON in the form of
// RFC 8785; base directions are left out (rdfDirection null), and so are blank nodes as predicates. Thread-safe.
absl::StatusOr<JsonLdDataset> JsonLdToRdf(const Json& document, const JsonLdOptions& options = {});

}  // namespace mvmd

#endif  // MVMD_TWIN_JSONLD_TO_RDF_H_
