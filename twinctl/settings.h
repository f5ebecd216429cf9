// Where the gateway is and who we are: twinctl.yaml and the environment.
#ifndef MVMD_TWINCTL_SETTINGS_H_
#define MVMD_TWINCTL_SETTINGS_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "mvmd/twin/v1alpha1/config.pb.h"

namespace mvmd {

// Value of an environment variable; nothing when it is not set or empty.
using Environment = std::function<std::optional<std::string>(const char* name)>;
Environment ProcessEnvironment();

// The settings of this run: those of the file, over which those of the environment (MVMD_ADDRESS, MVMD_CA, MVMD_CERT,
// MVMD_KEY, MVMD_SERVER_NAME) go one by one. The file is `config_path` if not empty; else ./twinctl.yaml; else
// twinctl.yaml in $XDG_CONFIG_HOME/mvmd (~/.config/mvmd when that is not set); else there is none. Paths in the file
// are as seen from its folder. INVALID_ARGUMENT names what is missing and where it can be given.
absl::StatusOr<mvmd::twin::v1alpha1::TwinctlConfig> LoadSettings(const std::string& config_path,
                                                                 const Environment& environment);

}  // namespace mvmd

#endif  // MVMD_TWINCTL_SETTINGS_H_
