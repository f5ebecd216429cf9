// Proofs of documents: a verdict for each, and a document is only verified when all of its proofs are.
#include <algorithm>

#include "tests/fuzz/fuzz.h"
#include "twin/data_integrity.h"
#include "twin/json.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  const absl::StatusOr<Json> document = ParseJson(FuzzText(data, size));
  if (!document.ok()) return -1;
  const ProofVerdicts verdicts = VerifyProofs(*document, nullptr, 1'700'000'000'000'000'000);
  Ensure(verdicts.proofs.size() <= kProofsMax);
  const bool all_verify = std::all_of(verdicts.proofs.begin(), verdicts.proofs.end(), [](const ProofVerdict& verdict) {
    return verdict.status.ok() && verdict.key.has_value();
  });
  if (verdicts.status.ok()) Ensure(!verdicts.proofs.empty() && all_verify);
  return 0;
}
