// Validation of twin documents: the rule catalogue and the engine that applies it.
#ifndef MVMD_TWIN_RULES_H_
#define MVMD_TWIN_RULES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "twin/json.h"

namespace mvmd {

enum class Severity { kError, kWarning };

// One rule of the catalogue, see docs/validation.md.
struct Rule {
  const char* id;  // "SEN-09"
  Severity lenient;
  Severity strict;
  const char* message;
};

// Every rule, sorted by id.
absl::Span<const Rule> RuleCatalogue();
// Null when there is no such rule.
const Rule* FindRule(absl::string_view id);

struct RuleFinding {
  const Rule* rule;
  Severity severity;     // in the mode that was asked for
  std::string pointer;   // RFC 6901
  std::string property;  // the same path as MVMD's validator writes it
};

// Complete and sorted by pointer, then rule; a (rule, pointer) occurs once.
struct RuleResult {
  bool valid = false;  // no errors
  bool strict = false;
  // Findings beyond 32 MiB of paths were counted into `valid` but not kept; only hostile documents have so many.
  bool truncated = false;
  std::vector<RuleFinding> errors;
  std::vector<RuleFinding> warnings;
};

inline constexpr char kProfileName[] = "digital-twin";
inline constexpr char kValidatedAgainst[] = "MVMD v1.0 Digital Twin Profile";

// Checks a text (DOC rules included). Thread-safe.
RuleResult ValidateText(absl::string_view text, bool strict);
// Checks a tree: DOC rules hold by construction, except DOC-06. Thread-safe.
RuleResult ValidateDocument(const Json& document, bool strict);

// The result object of docs/validation.md, as a JSON tree.
Json ResultToJson(const RuleResult& result);
// `/sensors/0/unit` -> `sensors[0].unit`. `document` decides whether a token is an index.
std::string PropertyPath(const Json& document, absl::string_view pointer);

}  // namespace mvmd

#endif  // MVMD_TWIN_RULES_H_
