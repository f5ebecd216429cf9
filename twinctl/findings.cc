#include "twinctl/findings.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

std::string FindingLine(const Console& console, bool error, absl::string_view pointer, absl::string_view message,
                        absl::string_view rule) {
  return absl::StrFormat("  %s  %s  %s  %s\n",
                         error ? console.Paint(Colour::kRed, "error  ") : console.Paint(Colour::kYellow, "warning"),
                         pointer.empty() ? "(document)" : Printable(pointer), Printable(message),
                         console.Paint(Colour::kDim, absl::StrCat("[", Printable(rule), "]")));
}

}  // namespace

std::string FindingsText(const pb::ValidationResult& result, const Console& console) {
  std::string text;
  for (const pb::Finding& finding : result.errors()) {
    text += FindingLine(console, true, finding.pointer(), finding.message(), finding.rule());
  }
  for (const pb::Finding& finding : result.warnings()) {
    text += FindingLine(console, false, finding.pointer(), finding.message(), finding.rule());
  }
  return text;
}

Json ResultJson(const pb::ValidationResult& result) {
  const auto list = [](const auto& findings) {
    Json array = Json::Array();
    for (const pb::Finding& finding : findings) {
      Json& item = array.Append(Json::Object());
      item.Set("property", Json::String(finding.property()));
      item.Set("message", Json::String(finding.message()));
      item.Set("severity", Json::String(finding.severity()));
      item.Set("rule", Json::String(finding.rule()));
      item.Set("pointer", Json::String(finding.pointer()));
    }
    return array;
  };
  Json json = Json::Object();
  json.Set("valid", Json::Bool(result.valid()));
  json.Set("errors", list(result.errors()));
  json.Set("warnings", list(result.warnings()));
  json.Set("profile", Json::String(result.profile()));
  json.Set("validatedAgainst", Json::String(result.validated_against()));
  json.Set("strict", Json::Bool(result.strict()));
  if (result.truncated()) json.Set("truncated", Json::Bool(true));
  return json;
}

std::string FindingsText(const RuleResult& result, const Console& console) {
  std::string text;
  for (const RuleFinding& finding : result.errors) {
    text += FindingLine(console, true, finding.pointer, finding.rule->message, finding.rule->id);
  }
  for (const RuleFinding& finding : result.warnings) {
    text += FindingLine(console, false, finding.pointer, finding.rule->message, finding.rule->id);
  }
  return text;
}

}  // namespace mvmd
