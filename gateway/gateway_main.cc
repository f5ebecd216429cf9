// mvmd-gateway: flags, configuration, signals.
#include <sys/resource.h>

#include <cstdio>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gateway/gateway.h"
#include "gateway/gateway_config.h"
#include "runtime/config.h"
#include "runtime/grpc_log.h"
#include "runtime/log.h"
#include "runtime/signals.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr int kExitFine = 0;
constexpr int kExitFailed = 1;
constexpr int kExitBadConfig = 2;

int Check(const std::string& path) {
  ConfigErrors errors;
  pb::GatewayConfig config;
  ReadGatewayConfig(path, &config, &errors);
  CheckGatewayFiles(config, &errors);
  if (errors.ok()) {
    std::printf("%s: fine\n", path.c_str());
    return kExitFine;
  }
  std::fprintf(stderr, "%s\n", errors.ToString().c_str());
  return kExitBadConfig;
}

// SIGHUP may come before there is a gateway, and after it is gone.
class Reloader {
 public:
  void Set(Gateway* gateway) {
    absl::MutexLock lock(&mutex_);
    gateway_ = gateway;
  }
  void Reload() {
    absl::MutexLock lock(&mutex_);
    if (gateway_ == nullptr) return;
    // What comes of it is in the log.
    gateway_->ReloadPolicy().IgnoreError();
    if (const absl::Status key = gateway_->ReloadSigningKey(); !key.ok()) {
      Log(LogLevel::kError, "signing key not read again, the old one stays", {{"status", key}});
    }
  }

 private:
  absl::Mutex mutex_;
  Gateway* gateway_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

// A connection is a file descriptor, and gRPC stops to accept for good when there is none left.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int Serve(const std::string& path) {
  RaiseFileLimit();
  // Before any other thread.
  Reloader reloader;
  ShutdownSignals signals([&reloader] { reloader.Reload(); });
  ConfigErrors errors;
  pb::GatewayConfig config;
  ReadGatewayConfig(path, &config, &errors);
  CheckGatewayFiles(config, &errors);
  if (!errors.ok()) {
    std::fprintf(stderr, "%s\n", errors.ToString().c_str());
    return kExitBadConfig;
  }
  if (absl::Status status = InitLogging(config.log(), "mvmd-gateway"); !status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return kExitBadConfig;
  }
  RouteGrpcLog();
  RouteProtobufLog();
  absl::StatusOr<std::unique_ptr<Gateway>> gateway = Gateway::Start(config, [&signals] { signals.RequestStop(); });
  if (!gateway.ok()) {
    Log(LogLevel::kError, "cannot start", {{"status", gateway.status()}});
    return kExitFailed;
  }
  reloader.Set(gateway->get());
  const int signal = signals.Wait();
  reloader.Set(nullptr);
  if (const absl::Status status = (*gateway)->health(); !status.ok()) {
    Log(LogLevel::kError, "exiting, so that a restart begins anew with what is on the disk", {{"status", status}});
    return kExitFailed;
  }
  Log(LogLevel::kInfo, "signal", {{"number", signal}});
  (*gateway)->Drain();
  return kExitFine;
}

int Main(int argc, char** argv) {
  CLI::App app("Receives samples of bridges, keeps twins, and serves them over gRPC with mutual TLS.", "mvmd-gateway");
  app.set_version_flag("--version", "mvmd-gateway " MVMD_VERSION);
  app.require_subcommand(0, 1);
  app.footer("Exit codes: 0 stopped on request, 1 cannot go on, 2 bad configuration or usage.");
  std::string path;
  app.add_option("CONFIG", path, "YAML file, see docs/operations.md");
  CLI::App* check = app.add_subcommand("check", "Report every error of a configuration and of the files it names.");
  std::string checked_path;
  check->add_option("CONFIG", checked_path, "YAML file")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitFine : kExitBadConfig;
  }
  if (check->parsed()) return Check(checked_path);
  if (path.empty()) {
    std::fprintf(stderr, "mvmd-gateway: expected a configuration file\n\n%s", app.help().c_str());
    return kExitBadConfig;
  }
  return Serve(path);
}

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) { return mvmd::Main(argc, argv); }
