#include "bridge/twin_catalog.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "twin/canonical.h"
#include "twin/document.h"
#include "twin/json.h"
#include "twin/rules.h"

namespace mvmd {
namespace {

// More findings than that are not read by anybody.
constexpr size_t kFindingsShown = 50;

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot open ", path, ": ", strerror(errno)));
  std::string text(kDocumentBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  text.shrink_to_fit();  // the text is kept as long as the bridge lives
  if (file.bad()) return absl::UnavailableError(absl::StrCat("cannot read ", path, ": ", strerror(errno)));
  if (text.size() > kDocumentBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected a document of at most ", kDocumentBytesMax, " bytes, got more"));
  }
  return text;
}

}  // namespace

absl::StatusOr<LocalTwin> CheckDocument(absl::string_view id, std::string text, bool by_rules) {
  JsonParseResult parsed = ParseIJson(text);
  if (!parsed.ok) {
    std::string message = "the document is not I-JSON:";
    for (const JsonProblem& problem : parsed.problems) {
      absl::StrAppend(&message, "\n  line ", problem.line, ", column ", problem.column, ": ", problem.message, " (",
                      problem.rule, ")");
    }
    return absl::InvalidArgumentError(message);
  }
  RuleResult result;
  result.valid = true;
  if (by_rules) result = ValidateText(text, /*strict=*/false);
  if (!result.valid) {
    std::string message = absl::StrCat("the document breaks ", result.errors.size(), " rules of the profile:");
    for (size_t i = 0; i < result.errors.size() && i < kFindingsShown; ++i) {
      absl::StrAppend(&message, "\n  ", result.errors[i].property, ": ", result.errors[i].rule->message, " (",
                      result.errors[i].rule->id, ")");
    }
    return absl::InvalidArgumentError(message);
  }
  absl::StatusOr<std::string> document_id = TwinIdOf(parsed.value);
  if (!document_id.ok()) return document_id.status();
  if (*document_id != id) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected `identifier.value` of the document to be `", id, "`, got `", *document_id, "`"));
  }
  LocalTwin twin;
  twin.id = std::string(id);
  twin.has_document = true;
  twin.sha256 = Sha256(text);
  if (const Json* sensors = parsed.value.Find("sensors"); sensors != nullptr && sensors->is_array()) {
    for (const Json& sensor : sensors->elements()) {
      const Json* sensor_id = sensor.Find("id");
      if (sensor_id == nullptr || !sensor_id->is_string()) continue;
      const Json* unit = sensor.Find("unit");
      twin.sensors[sensor_id->string()] = {.unit = unit != nullptr && unit->is_string() ? unit->string() : ""};
    }
  }
  twin.document = std::move(text);
  return twin;
}

TwinCatalog TwinCatalog::Load(absl::string_view config_path,
                              const google::protobuf::RepeatedPtrField<mvmd::twin::v1alpha1::BridgeTwin>& twins,
                              ConfigErrors* errors) {
  TwinCatalog catalog;
  for (int i = 0; i < twins.size(); ++i) {
    const std::string key = absl::StrCat("twins[", i, "]");
    const std::string id = twins[i].id();
    if (id.empty()) {
      errors->Add(absl::StrCat(key, ".id"), "expected the twin's id (`identifier.value` of its document), got nothing");
      continue;
    }
    if (catalog.Find(id) != nullptr) {
      errors->Add(absl::StrCat(key, ".id"), absl::StrCat("expected each twin once, got `", id, "` again"));
      continue;
    }
    const std::string& validation = twins[i].validation();
    if (!validation.empty() && validation != "enforce" && validation != "off") {
      errors->Add(absl::StrCat(key, ".validation"),
                  absl::StrCat("expected enforce or off, got \"", validation.substr(0, 64), "\""));
      continue;
    }
    LocalTwin twin;
    twin.id = id;
    if (!twins[i].document_file().empty()) {
      const std::string path = ResolvePath(config_path, twins[i].document_file());
      absl::StatusOr<std::string> text = ReadFile(path);
      absl::StatusOr<LocalTwin> checked = text.ok() ? CheckDocument(id, *std::move(text), validation != "off")
                                                    : absl::StatusOr<LocalTwin>(text.status());
      if (!checked.ok()) {
        errors->Add(absl::StrCat(key, ".document_file"), checked.status().message());
        continue;
      }
      twin = *std::move(checked);
    }
    catalog.Add(std::move(twin));
  }
  return catalog;
}

void TwinCatalog::Add(LocalTwin twin) {
  ids_.push_back(twin.id);
  std::string id = twin.id;
  twins_[std::move(id)] = std::move(twin);
}

const LocalTwin* TwinCatalog::Find(absl::string_view id) const {
  auto it = twins_.find(id);
  return it == twins_.end() ? nullptr : &it->second;
}

}  // namespace mvmd
