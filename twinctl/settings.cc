#include "twinctl/settings.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "certs/tls_files.h"
#include "runtime/config.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr char kFileName[] = "twinctl.yaml";

bool IsFile(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

// Empty when there is no file.
std::string FindFile(const Environment& environment) {
  if (IsFile(kFileName)) return kFileName;
  std::filesystem::path folder;
  if (const auto home = environment("XDG_CONFIG_HOME")) {
    folder = *home;
  } else if (const auto user = environment("HOME")) {
    folder = std::filesystem::path(*user) / ".config";
  } else {
    return "";
  }
  const std::filesystem::path path = folder / "mvmd" / kFileName;
  return IsFile(path) ? path.string() : "";
}

}  // namespace

Environment ProcessEnvironment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
}

absl::StatusOr<pb::TwinctlConfig> LoadSettings(const std::string& config_path, const Environment& environment) {
  pb::TwinctlConfig settings;
  const std::string path = config_path.empty() ? FindFile(environment) : config_path;
  if (!path.empty()) {
    if (absl::Status loaded = LoadYamlConfig(path, &settings); !loaded.ok()) return loaded;
    *settings.mutable_tls() = ResolveTlsFiles(path, settings.tls());
  }
  const auto take = [&](const char* variable, std::string* setting) {
    if (auto value = environment(variable)) *setting = *std::move(value);
  };
  take("MVMD_ADDRESS", settings.mutable_address());
  take("MVMD_CA", settings.mutable_tls()->mutable_ca_file());
  take("MVMD_CERT", settings.mutable_tls()->mutable_certificate_file());
  take("MVMD_KEY", settings.mutable_tls()->mutable_key_file());
  take("MVMD_SERVER_NAME", settings.mutable_server_name());

  std::vector<std::string> missing;
  const auto need = [&](const std::string& setting, const char* key, const char* variable) {
    if (setting.empty()) missing.push_back(absl::StrCat(key, " (or ", variable, ")"));
  };
  need(settings.address(), "address", "MVMD_ADDRESS");
  need(settings.tls().ca_file(), "tls.ca_file", "MVMD_CA");
  need(settings.tls().certificate_file(), "tls.certificate_file", "MVMD_CERT");
  need(settings.tls().key_file(), "tls.key_file", "MVMD_KEY");
  if (!missing.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.empty() ? "no twinctl.yaml here or in the configuration folder, and the environment" : path,
                     " does not say how to reach the gateway: missing ", absl::StrJoin(missing, ", ")));
  }
  std::string host;
  int port = 0;
  if (!ParseHostPort(settings.address(), &host, &port) || host.empty() || port == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("address of the gateway: expected host:port, got `", settings.address(), "`"));
  }
  return settings;
}

}  // namespace mvmd
