#include "gateway/validation_policy.h"

#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

namespace {

constexpr int kOverridesMax = 1000;
constexpr size_t kPrefixBytesMax = 1024;

std::optional<pb::ValidationMode> ModeOfName(absl::string_view name) {
  for (const pb::ValidationMode mode :
       {pb::VALIDATION_MODE_ENFORCE, pb::VALIDATION_MODE_WARN, pb::VALIDATION_MODE_OFF}) {
    if (name == ValidationModeName(mode)) return mode;
  }
  return std::nullopt;
}

pb::ValidationMode KnownMode(pb::ValidationMode mode) {
  return mode == pb::VALIDATION_MODE_WARN || mode == pb::VALIDATION_MODE_OFF ? mode : pb::VALIDATION_MODE_ENFORCE;
}

void CheckMode(const std::string& path, std::string* mode, ConfigErrors* errors) {
  if (errors->Has(path)) return;
  if (mode->empty()) *mode = std::string(ValidationModeName(pb::VALIDATION_MODE_ENFORCE));
  if (ModeOfName(*mode).has_value()) return;
  errors->Add(path, absl::StrCat("expected enforce, warn or off, got \"", mode->substr(0, 64), "\""));
}

}  // namespace

pb::ValidationPolicy NormalizedPolicy(const pb::ValidationPolicy& policy) {
  std::map<std::string, pb::ValidationMode> overrides;
  for (const auto& item : policy.overrides()) overrides[item.prefix()] = KnownMode(item.mode());
  pb::ValidationPolicy normalized;
  normalized.set_mode(KnownMode(policy.mode()));
  for (const auto& [prefix, mode] : overrides) {
    auto* item = normalized.add_overrides();
    item->set_prefix(prefix);
    item->set_mode(mode);
  }
  return normalized;
}

pb::ValidationMode ValidationModeOf(const pb::ValidationPolicy& policy, absl::string_view twin) {
  pb::ValidationMode mode = KnownMode(policy.mode());
  // Of prefixes of one text, the longer one is the later one.
  for (const auto& item : policy.overrides()) {
    if (absl::StartsWith(twin, item.prefix())) mode = KnownMode(item.mode());
  }
  return mode;
}

absl::string_view ValidationModeName(pb::ValidationMode mode) {
  switch (KnownMode(mode)) {
    case pb::VALIDATION_MODE_WARN:
      return "warn";
    case pb::VALIDATION_MODE_OFF:
      return "off";
    default:
      return "enforce";
  }
}

std::string ValidationPolicyText(const pb::ValidationPolicy& policy) {
  std::string text(ValidationModeName(policy.mode()));
  for (const auto& item : policy.overrides()) {
    absl::StrAppend(&text, ", ", item.prefix(), "* ", ValidationModeName(item.mode()));
  }
  return text;
}

void CompleteValidationConfig(pb::ValidationConfig* config, ConfigErrors* errors) {
  CheckMode("validation.mode", config->mutable_mode(), errors);
  if (config->overrides_size() > kOverridesMax) {
    errors->Add("validation.overrides",
                absl::StrCat("expected at most ", kOverridesMax, ", got ", config->overrides_size()));
    return;
  }
  std::set<absl::string_view> prefixes;
  for (int i = 0; i < config->overrides_size(); ++i) {
    pb::ValidationOverride* item = config->mutable_overrides(i);
    const std::string path = absl::StrCat("validation.overrides[", i, "]");
    const std::string prefix_path = path + ".prefix";
    if (item->mode().empty() && !errors->Has(path + ".mode")) {
      errors->Add(path + ".mode", "missing; expected enforce, warn or off");
    }
    CheckMode(path + ".mode", item->mutable_mode(), errors);
    if (errors->Has(prefix_path)) continue;
    if (item->prefix().empty() || item->prefix().size() > kPrefixBytesMax) {
      errors->Add(prefix_path, absl::StrCat("expected how twin ids begin, 1 to ", kPrefixBytesMax, " bytes, got ",
                                            item->prefix().size(), "; validation.mode is for all twins"));
    } else if (!prefixes.insert(item->prefix()).second) {
      errors->Add(prefix_path, absl::StrCat("expected each prefix once, got \"", item->prefix(), "\" again"));
    }
  }
}

pb::ValidationPolicy PolicyOf(const pb::ValidationConfig& config) {
  pb::ValidationPolicy policy;
  policy.set_mode(ModeOfName(config.mode()).value_or(pb::VALIDATION_MODE_ENFORCE));
  for (const pb::ValidationOverride& configured : config.overrides()) {
    auto* item = policy.add_overrides();
    item->set_prefix(configured.prefix());
    item->set_mode(ModeOfName(configured.mode()).value_or(pb::VALIDATION_MODE_ENFORCE));
  }
  return NormalizedPolicy(policy);
}

}  // namespace mvmd
