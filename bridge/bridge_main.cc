// mvmd-bridge: flags, configuration, signals.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "bridge/bridge.h"
#include "bridge/bridge_config.h"
#include "bridge/outbox_file.h"
#include "bridge/version.h"
#include "runtime/grpc_log.h"
#include "runtime/log.h"
#include "runtime/signals.h"

namespace mvmd {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitInvalid = 2;

int Check(const std::string& path) {
  ConfigErrors errors;
  LoadBridgeSetup(path, &errors);
  if (!errors.ok()) {
    std::fprintf(stderr, "%s\n", errors.ToString().c_str());
    return kExitInvalid;
  }
  std::printf("%s: ok\n", path.c_str());
  return 0;
}

int Run(const std::string& path) {
  ShutdownSignals signals;
  ConfigErrors errors;
  std::unique_ptr<BridgeSetup> setup = LoadBridgeSetup(path, &errors);
  if (errors.ok()) {
    if (absl::Status status = InitLogging(setup->config.log(), "mvmd-bridge"); !status.ok()) {
      errors.Add("log", status.message());
    }
  }
  if (!errors.ok()) {
    std::fprintf(stderr, "%s\n", errors.ToString().c_str());
    return kExitInvalid;
  }
  RouteGrpcLog();
  RouteProtobufLog();
  Log(LogLevel::kInfo, "bridge starts", {{"version", kVersion}, {"config", path}});
  absl::StatusOr<std::unique_ptr<Bridge>> bridge =
      Bridge::Start(std::move(setup), [&signals] { signals.RequestStop(); });
  if (!bridge.ok()) {
    Log(LogLevel::kError, "the bridge cannot start", {{"error", bridge.status()}});
    return kExitFailed;
  }
  const int signal = signals.Wait();
  Log(LogLevel::kInfo, "bridge stops", {{"signal", signal}});
  return (*bridge)->Stop().ok() ? 0 : kExitFailed;
}

int Main(int argc, char** argv) {
  CLI::App app{
      "Takes sensor values from an MQTT broker, keeps them on disk until the gateway has them, and streams them "
      "there.",
      "mvmd-bridge"};
  app.set_version_flag("--version", std::string("mvmd-bridge ") + kVersion);
  std::string path;
  app.add_option("config", path, "Configuration file (YAML)");
  std::string checked_path;
  CLI::App* check =
      app.add_subcommand("check", "Check a configuration, with every file it names, and exit: 0 fine, 2 not");
  check->add_option("config", checked_path, "Configuration file (YAML)")->required();
  std::string outbox_path;
  bool quarantine = false;
  CLI::App* outbox = app.add_subcommand("outbox", "Look into an outbox file, in use or not, without changing it");
  outbox->require_subcommand(1);
  CLI::App* inspect = outbox->add_subcommand("inspect", "Print epoch, rows, bindings and the like, as JSON");
  CLI::App* exported = outbox->add_subcommand(
      "export", "Print every row as a line of JSON, samples by twin and sensor; a damaged one as base64");
  exported->add_flag("--quarantine", quarantine, "Of the damaged rows that were set aside instead");
  CLI::App* verify = outbox->add_subcommand(
      "verify", "Print a line for every damaged row or page: exit code 0 none, 2 some, 1 cannot be read");
  for (CLI::App* command : {inspect, exported, verify}) {
    command->add_option("FILE", outbox_path, "Outbox file")->required();
  }
  try {
    app.parse(argc, argv);
    if (!check->parsed() && !outbox->parsed() && path.empty()) throw CLI::RequiredError("config");
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : kExitInvalid;
  }
  if (inspect->parsed()) return RunOutboxInspect(outbox_path, std::cout, std::cerr);
  if (exported->parsed()) return RunOutboxExport(outbox_path, quarantine, std::cout, std::cerr);
  if (verify->parsed()) return RunOutboxVerify(outbox_path, std::cout, std::cerr);
  return check->parsed() ? Check(checked_path) : Run(path);
}

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) { return mvmd::Main(argc, argv); }
