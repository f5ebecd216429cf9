// The gateway's configuration: defaults, and what must hold.
#ifndef MVMD_GATEWAY_GATEWAY_CONFIG_H_
#define MVMD_GATEWAY_GATEWAY_CONFIG_H_

#include <string>

#include "mvmd/twin/v1alpha1/config.pb.h"
#include "runtime/config.h"

namespace mvmd {

// Sets what is not set, makes paths absolute or relative to the folder of `config_path`, and adds everything that is
// wrong to `errors`, by path. Reads no file.
void CompleteGatewayConfig(const std::string& config_path, mvmd::twin::v1alpha1::GatewayConfig* config,
                           ConfigErrors* errors);

// Reads the files that the configuration names, as the gateway would: certificates, policy, key. Adds what is wrong.
// Blocking.
void CheckGatewayFiles(const mvmd::twin::v1alpha1::GatewayConfig& config, ConfigErrors* errors);

// Reads the file and completes it; every error is added. Blocking.
void ReadGatewayConfig(const std::string& path, mvmd::twin::v1alpha1::GatewayConfig* config, ConfigErrors* errors);

}  // namespace mvmd

#endif  // MVMD_GATEWAY_GATEWAY_CONFIG_H_
