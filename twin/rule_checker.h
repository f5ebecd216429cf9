// What the rules' code shares: where findings go, and how members are looked at.
#ifndef MVMD_TWIN_RULE_CHECKER_H_
#define MVMD_TWIN_RULE_CHECKER_H_

#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "twin/json.h"
#include "twin/json_path.h"
#include "twin/rules.h"
#include "twin/rules_catalogue.h"

namespace mvmd {

// Collects the findings of one validation. Not thread-safe; used once.
class RuleChecker {
 public:
  explicit RuleChecker(bool strict) : strict_(strict) {}

  void Report(RuleRef rule, const JsonPath& at);
  void ReportProblem(const JsonProblem& problem);
  // There are findings that nobody kept.
  void MarkTruncated() { truncated_ = true; }

  // Sorted and without repetitions.
  RuleResult Finish() &&;

 private:
  // Whether a finding of these sizes still fits; an error counts even if it does not.
  bool Admit(Severity severity, size_t path_bytes);

  const bool strict_;
  bool has_errors_ = false;
  bool truncated_ = false;
  size_t bytes_ = 0;
  std::vector<RuleFinding> findings_;
};

// The groups, in the catalogue's order. The document's root is an object.
void CheckContextAndLinkedData(const Json& document, RuleChecker* checker);
void CheckType(const Json& document, RuleChecker* checker);
void CheckBasics(const Json& document, RuleChecker* checker);
void CheckEntity(const Json& document, RuleChecker* checker);
void CheckMedia(const Json& document, RuleChecker* checker);
void CheckSynchronization(const Json& document, RuleChecker* checker);
void CheckSensors(const Json& document, RuleChecker* checker);
void CheckDataStorage(const Json& document, RuleChecker* checker);
void CheckMaintenance(const Json& document, RuleChecker* checker);
void CheckPerformance(const Json& document, RuleChecker* checker);

// A member that is present, that is there and not null, or null.
const Json* Present(const Json& object, absl::string_view name);

bool IsText(const Json& value);
// The text of `value` when it is one, else empty.
absl::string_view TextOf(const Json* value);
bool IsDuration(const Json& value);
bool IsDateOrTimestamp(const Json& value);
bool IsTimestamp(const Json& value);
bool IsUpdateFrequencyValue(const Json& value);
// A number, a string or a boolean.
bool IsReading(const Json& value);
// Text, or an array of at least one text.
bool IsTypeList(const Json& value);

// One member of an object together with its place; `value` is null when it is missing.
struct MemberAt {
  const Json* value;
  JsonPath path;

  MemberAt(const Json& object, const JsonPath& at, absl::string_view name)
      : value(Present(object, name)), path(at.Member(name)) {}
};

// Reports `rule` when the member is missing or (first), or is present and (second), does not hold what `accepts` asks
// for.
template <typename Accepts>
void RequireMember(const Json& object, const JsonPath& at, absl::string_view name, Accepts accepts, RuleRef rule,
                   RuleChecker* checker) {
  const Json* value = Present(object, name);
  if (value == nullptr || !accepts(*value)) checker->Report(rule, at.Member(name));
}
template <typename Accepts>
void ExpectMember(const Json& object, const JsonPath& at, absl::string_view name, Accepts accepts, RuleRef rule,
                  RuleChecker* checker) {
  const Json* value = Present(object, name);
  if (value != nullptr && !accepts(*value)) checker->Report(rule, at.Member(name));
}
// Reports `rule` when the member is missing.
inline void ExpectPresent(const Json& object, const JsonPath& at, absl::string_view name, RuleRef rule,
                          RuleChecker* checker) {
  if (Present(object, name) == nullptr) checker->Report(rule, at.Member(name));
}

// The texts of member `name` over all sensors; nothing when rules SEN-01 to SEN-03 apply.
struct SensorTexts {
  bool has_sensors = false;
  absl::InlinedVector<absl::string_view, 16> texts;  // sorted

  bool Contains(absl::string_view text) const;
};
SensorTexts CollectSensorTexts(const Json& document, absl::string_view name);

}  // namespace mvmd

#endif  // MVMD_TWIN_RULE_CHECKER_H_
