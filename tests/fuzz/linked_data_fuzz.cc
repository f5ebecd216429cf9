// JSON-LD expansion, conversion to RDF and C2: refused, or the same for the same C1, and readable.
#include "tests/fuzz/fuzz.h"
#include "twin/canonical.h"
#include "twin/json.h"
#include "twin/linked_data.h"
#include "twin/rdf.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  const absl::StatusOr<Json> document = ParseJson(FuzzText(data, size));
  if (!document.ok() || !document->is_object()) return -1;
  const absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(*document);
  // Members in the order of C1.
  const absl::StatusOr<Json> sorted = ParseJson(Canonicalize(*document));
  Ensure(sorted.ok());
  const absl::StatusOr<CanonicalGraph> same = CanonicalizeGraph(*sorted);
  Ensure(graph.ok() == same.ok());
  if (!graph.ok()) return 0;
  Ensure(graph->nquads == same->nquads && graph->lossy == same->lossy);
  Ensure(ParseNQuads(graph->nquads).ok());
  CanonicalizeGraph(LosslessDocument(*document)).IgnoreError();
  return 0;
}
