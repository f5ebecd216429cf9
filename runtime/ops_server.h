// HTTP for operators and orchestrators: /livez, /readyz, /metrics.
#ifndef MVMD_RUNTIME_OPS_SERVER_H_
#define MVMD_RUNTIME_OPS_SERVER_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "runtime/config.h"
#include "runtime/metrics.h"

namespace mvmd {

// What is wrong with the process, as named conditions. Thread-safe.
//
//   health.SetNotReady("replay", "replaying the log");
//   ... later: health.SetReady("replay");
class Health {
 public:
  // Nobody should send work now, for this reason. Replaces an older reason of the same name.
  void SetNotReady(absl::string_view condition, absl::string_view reason);
  void SetReady(absl::string_view condition);
  // The process cannot recover by itself and should be restarted. For good.
  void SetDead(absl::string_view reason);

  bool ready() const;
  bool live() const;
  // `condition: reason`, sorted; a dead process is not ready either.
  std::vector<std::string> Reasons() const;

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, std::string> not_ready_ ABSL_GUARDED_BY(mutex_);
  std::string dead_ ABSL_GUARDED_BY(mutex_);
};

// `host:port`, `off` or nothing; else adds an error.
void CheckOpsConfig(const mvmd::twin::v1alpha1::OpsConfig& config, ConfigErrors* errors);

// Plain HTTP, GET only, without authentication: bind it to loopback or a network that is trusted.
//   /livez    200 `ok`, or 503 with the reason
//   /readyz   200 `ok`, or 503 with a reason a line
//   /metrics  Prometheus text
// Two threads serve, 16 connections wait, more are closed. One request a connection, at most 8 KiB, within two seconds.
class OpsServer {
 public:
  // `address` is `host:port`, port 0: any free one. Listens when it returns. INVALID_ARGUMENT: not an address;
  // UNAVAILABLE: cannot listen there. `off` or empty gives a null pointer. `health` and `metrics` outlive the server.
  static absl::StatusOr<std::unique_ptr<OpsServer>> Start(absl::string_view address, const Health* health,
                                                          const Metrics* metrics);
  // Stops; requests under way are finished.
  ~OpsServer();
  OpsServer(const OpsServer&) = delete;
  OpsServer& operator=(const OpsServer&) = delete;

  // The port that it listens on.
  int port() const;

 private:
  struct Impl;
  explicit OpsServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace mvmd

#endif  // MVMD_RUNTIME_OPS_SERVER_H_
