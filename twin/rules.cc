#include "twin/rules.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "twin/json_path.h"
#include "twin/rule_checker.h"
#include "twin/rules_catalogue.h"
#include "twin/time.h"
#include "twin/value_kinds.h"

namespace mvmd {
namespace {

// What findings may hold of paths, for the same reason as kJsonProblemBytesMax.
constexpr size_t kFindingBytesMax = size_t{32} << 20;

void CheckDocument(const Json& document, RuleChecker* checker) {
  CheckContextAndLinkedData(document, checker);
  CheckType(document, checker);
  CheckBasics(document, checker);
  CheckEntity(document, checker);
  CheckMedia(document, checker);
  CheckSynchronization(document, checker);
  CheckSensors(document, checker);
  CheckDataStorage(document, checker);
  CheckMaintenance(document, checker);
  CheckPerformance(document, checker);
}

Json FindingsToJson(const std::vector<RuleFinding>& findings) {
  Json array = Json::Array();
  for (const RuleFinding& finding : findings) {
    Json& item = array.Append(Json::Object());
    item.Set("property", Json::String(finding.property));
    item.Set("message", Json::String(finding.rule->message));
    item.Set("severity", Json::String(finding.severity == Severity::kError ? "error" : "warning"));
    item.Set("rule", Json::String(finding.rule->id));
    item.Set("pointer", Json::String(finding.pointer));
  }
  return array;
}

}  // namespace

absl::Span<const Rule> RuleCatalogue() { return rules_internal::kRules; }

const Rule* FindRule(absl::string_view id) {
  const absl::Span<const Rule> rules = RuleCatalogue();
  const auto found = std::lower_bound(rules.begin(), rules.end(), id,
                                      [](const Rule& rule, absl::string_view key) { return rule.id < key; });
  return found != rules.end() && found->id == id ? &*found : nullptr;
}

RuleResult ValidateText(absl::string_view text, bool strict) {
  RuleChecker checker(strict);
  const JsonParseResult parsed = ParseIJson(text);
  for (const JsonProblem& problem : parsed.problems) checker.ReportProblem(problem);
  if (parsed.problems_truncated) checker.MarkTruncated();
  const bool is_object = parsed.root_type == Json::Type::kObject;
  if (parsed.well_formed && !is_object) checker.Report("DOC-06", JsonPath());
  if (parsed.ok && is_object) CheckDocument(parsed.value, &checker);
  RuleResult result = std::move(checker).Finish();
  // A problem that was not kept may have been the only error.
  if (!parsed.ok) result.valid = false;
  return result;
}

RuleResult ValidateDocument(const Json& document, bool strict) {
  RuleChecker checker(strict);
  if (document.is_object()) {
    CheckDocument(document, &checker);
  } else {
    checker.Report("DOC-06", JsonPath());
  }
  return std::move(checker).Finish();
}

Json ResultToJson(const RuleResult& result) {
  Json json = Json::Object();
  json.Set("valid", Json::Bool(result.valid));
  json.Set("errors", FindingsToJson(result.errors));
  json.Set("warnings", FindingsToJson(result.warnings));
  json.Set("profile", Json::String(kProfileName));
  json.Set("validatedAgainst", Json::String(kValidatedAgainst));
  json.Set("strict", Json::Bool(result.strict));
  if (result.truncated) json.Set("truncated", Json::Bool(true));
  return json;
}

std::string PropertyPath(const Json& document, absl::string_view pointer) {
  std::string property;
  if (pointer.empty()) return property;
  const Json* value = &document;
  for (absl::string_view token : absl::StrSplit(pointer.substr(1), '/')) {
    size_t index = 0;
    if (value != nullptr && value->is_array() && absl::SimpleAtoi(token, &index)) {
      AppendPropertyIndex(index, &property);
      value = index < value->elements().size() ? &value->elements()[index] : nullptr;
      continue;
    }
    std::string name;
    for (size_t i = 0; i < token.size(); ++i) {
      const bool escaped = token[i] == '~' && i + 1 < token.size();
      name.push_back(!escaped ? token[i] : token[++i] == '1' ? '/' : '~');
    }
    AppendPropertyName(name, &property);
    if (value != nullptr) value = value->Find(name);
  }
  return property;
}

void RuleChecker::Report(RuleRef rule, const JsonPath& at) {
  const Severity severity = strict_ ? rule.get()->strict : rule.get()->lenient;
  if (truncated_) return static_cast<void>(Admit(severity, 0));
  RuleFinding finding{rule.get(), severity, at.Pointer(), at.Property()};
  if (Admit(severity, finding.pointer.size() + finding.property.size())) findings_.push_back(std::move(finding));
}

void RuleChecker::ReportProblem(const JsonProblem& problem) {
  const Rule* rule = FindRule(problem.rule);
  const Severity severity = strict_ ? rule->strict : rule->lenient;
  if (!Admit(severity, problem.pointer.size() + problem.property.size())) return;
  findings_.push_back(RuleFinding{rule, severity, problem.pointer, problem.property});
}

bool RuleChecker::Admit(Severity severity, size_t path_bytes) {
  has_errors_ |= severity == Severity::kError;
  bytes_ += path_bytes + sizeof(RuleFinding);
  truncated_ |= bytes_ > kFindingBytesMax;
  return !truncated_;
}

RuleResult RuleChecker::Finish() && {
  std::sort(findings_.begin(), findings_.end(), [](const RuleFinding& a, const RuleFinding& b) {
    if (const int order = a.pointer.compare(b.pointer); order != 0) return order < 0;
    return a.rule < b.rule;  // rows of the catalogue, which is sorted by id
  });
  findings_.erase(std::unique(findings_.begin(), findings_.end(),
                              [](const RuleFinding& a, const RuleFinding& b) {
                                return a.rule == b.rule && a.pointer == b.pointer;
                              }),
                  findings_.end());
  RuleResult result;
  result.strict = strict_;
  result.truncated = truncated_;
  result.valid = !has_errors_;
  for (RuleFinding& finding : findings_) {
    (finding.severity == Severity::kError ? result.errors : result.warnings).push_back(std::move(finding));
  }
  return result;
}

const Json* Present(const Json& object, absl::string_view name) {
  const Json* value = object.Find(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool IsText(const Json& value) { return value.is_string() && HasText(value.string()); }

absl::string_view TextOf(const Json* value) {
  return value != nullptr && IsText(*value) ? absl::string_view(value->string()) : absl::string_view();
}

bool IsDuration(const Json& value) { return value.is_string() && ParseDurationPicoseconds(value.string()).has_value(); }

bool IsDateOrTimestamp(const Json& value) {
  return value.is_string() && ParseDateOrTimestamp(value.string()).has_value();
}

bool IsTimestamp(const Json& value) { return value.is_string() && ParseTimestampRange(value.string()).has_value(); }

bool IsUpdateFrequencyValue(const Json& value) {
  return value.is_number() ? value.number() > 0 : value.is_string() && IsUpdateFrequency(value.string());
}

bool IsReading(const Json& value) { return value.is_number() || value.is_string() || value.is_bool(); }

bool IsTypeList(const Json& value) {
  if (!value.is_array()) return IsText(value);
  return !value.elements().empty() && std::all_of(value.elements().begin(), value.elements().end(), IsText);
}

bool SensorTexts::Contains(absl::string_view text) const {
  return std::binary_search(texts.begin(), texts.end(), text);
}

SensorTexts CollectSensorTexts(const Json& document, absl::string_view name) {
  SensorTexts result;
  const Json* sensors = Present(document, "sensors");
  if (sensors == nullptr || !sensors->is_array() || sensors->elements().empty()) return result;
  result.has_sensors = true;
  for (const Json& sensor : sensors->elements()) {
    if (const absl::string_view text = TextOf(sensor.Find(name)); !text.empty()) result.texts.push_back(text);
  }
  std::sort(result.texts.begin(), result.texts.end());
  return result;
}

}  // namespace mvmd
