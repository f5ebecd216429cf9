// The I-JSON reader, C1 and the rules: what is read has one canonical form, by tree and by text, and every text gets a
// verdict.
#include "tests/fuzz/fuzz.h"
#include "twin/canonical.h"
#include "twin/json.h"
#include "twin/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  const absl::string_view text = FuzzText(data, size);
  const JsonParseResult parsed = ParseIJson(text);
  Ensure(parsed.ok || !parsed.problems.empty());
  const RuleResult verdict = ValidateText(text, size % 2 == 0);
  Ensure(verdict.valid == verdict.errors.empty() || verdict.truncated);
  const absl::StatusOr<std::string> by_text = CanonicalizeText(text);
  Ensure(by_text.ok() == parsed.ok);
  if (!parsed.ok) return 0;
  const std::string canonical = Canonicalize(parsed.value);
  Ensure(*by_text == canonical);
  const absl::StatusOr<Json> again = ParseJson(canonical);
  Ensure(again.ok() && Canonicalize(*again) == canonical);
  return 0;
}
