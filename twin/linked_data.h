// C2, the canonical graph of a document, and the lossless variant of a document.
#ifndef MVMD_TWIN_LINKED_DATA_H_
#define MVMD_TWIN_LINKED_DATA_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "twin/json.h"

namespace mvmd {

// What a document says in RDF. Two documents with one graph say the same there; C1 (twin/canonical.h) tells more apart.
//
//   absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(document);
//   if (graph.ok() && !graph->lossy) Sign(graph->nquads);
struct CanonicalGraph {
  std::string nquads;  // canonical N-Quads, application/n-quads
  std::string sha256;  // of these bytes, lower-case hex: the etag of the N-Quads form
  size_t quads = 0;
  // Something of the document is lost or changed on the way to RDF: it must not be signed in this form. There is a
  // finding of a rule LD, CTX-05, CTX-09 or CTX-10, or JSON-LD has left something out that no rule knows.
  bool lossy = false;
};

// JSON-LD 1.1 expansion with an empty base, to RDF, RDFC-1.0 with SHA-256. Nothing is fetched. INVALID_ARGUMENT when
// the document has no C2, the message beginning with the error's name, see docs/linked-data.md. Thread-safe; needs
// about 100 bytes of memory for each byte of the document.
absl::StatusOr<CanonicalGraph> CanonicalizeGraph(const Json& document);

// LX(document): another document, whose context keeps in RDF the order of ranges, the types of times and URLs, and
// alert thresholds as JSON. It has its own C1 and C2. `document` is an object.
Json LosslessDocument(const Json& document);
// The context that it puts before the author's.
const Json& LosslessContext();

}  // namespace mvmd

#endif  // MVMD_TWIN_LINKED_DATA_H_
