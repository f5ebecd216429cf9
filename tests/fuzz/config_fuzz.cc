// Configuration files of both daemons: read and checked, or errors with their places.
#include "bridge/bridge_config.h"
#include "gateway/gateway_config.h"
#include "runtime/config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  const absl::string_view yaml = FuzzText(data, size);
  ConfigErrors bridge_errors;
  mvmd::twin::v1alpha1::BridgeConfig bridge;
  Ensure(ParseYamlConfig(yaml, "bridge.yaml", &bridge, &bridge_errors) == bridge_errors.ok());
  SetBridgeDefaults(&bridge);
  CheckBridgeConfig(bridge, &bridge_errors);
  Ensure(bridge_errors.ToStatus().ok() == bridge_errors.ok());
  ConfigErrors gateway_errors;
  mvmd::twin::v1alpha1::GatewayConfig gateway;
  Ensure(ParseYamlConfig(yaml, "gateway.yaml", &gateway, &gateway_errors) == gateway_errors.ok());
  CompleteGatewayConfig("gateway.yaml", &gateway, &gateway_errors);
  Ensure(gateway_errors.ToStatus().ok() == gateway_errors.ok());
  return 0;
}
