// Configuration of mvmd-bridge: defaults, and what must hold beyond the form.
#ifndef MVMD_BRIDGE_BRIDGE_CONFIG_H_
#define MVMD_BRIDGE_BRIDGE_CONFIG_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bridge/sensor_router.h"
#include "bridge/twin_catalog.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "runtime/config.h"

namespace mvmd {

// Everything that the file says, read and checked: nothing is looked up again later.
struct BridgeSetup {
  mvmd::twin::v1alpha1::BridgeConfig config;  // whole, with defaults, files resolved
  std::string mqtt_password;
  TwinCatalog catalog;
};

// Sets what is not set. Defaults are in docs/operations.md.
void SetBridgeDefaults(mvmd::twin::v1alpha1::BridgeConfig* config);

// Checks the meaning of a config with defaults; adds every error with its path. No files are read.
void CheckBridgeConfig(const mvmd::twin::v1alpha1::BridgeConfig& config, ConfigErrors* errors);

// Reads the file and all that it names (documents, certificates, password). Every error is in `errors`; what is
// returned is whole only when errors->ok(). Blocking.
std::unique_ptr<BridgeSetup> LoadBridgeSetup(const std::string& path, ConfigErrors* errors);

}  // namespace mvmd

#endif  // MVMD_BRIDGE_BRIDGE_CONFIG_H_
