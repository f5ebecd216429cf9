// The N-Quads reader and RDFC-1.0: a canonical form reads back and is its own canonical form.
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "twin/rdf.h"
#include "twin/rdf_canon.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  const absl::StatusOr<std::vector<RdfQuad>> quads = ParseNQuads(FuzzText(data, size));
  if (!quads.ok()) return 0;
  const absl::StatusOr<CanonicalDataset> canonical = CanonicalizeDataset(*quads);
  if (!canonical.ok()) return 0;
  const absl::StatusOr<std::vector<RdfQuad>> read = ParseNQuads(canonical->nquads);
  Ensure(read.ok());
  const absl::StatusOr<CanonicalDataset> again = CanonicalizeDataset(*read);
  Ensure(again.ok() && again->nquads == canonical->nquads);
  return 0;
}
