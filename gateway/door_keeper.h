// Looks again at those who were let in.
#ifndef MVMD_GATEWAY_DOOR_KEEPER_H_
#define MVMD_GATEWAY_DOOR_KEEPER_H_

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gateway/caller.h"
#include "gateway/gateway_metrics.h"
#include "gateway/stream_registry.h"

namespace mvmd {

// A unary call is checked when it begins; a stream may live for weeks. Ends those whose certificate has expired or was
// revoked (UNAUTHENTICATED, see PeerTrust::CheckAgain), whose subject has other rules than those that let it in
// (UNAVAILABLE / POLICY_CHANGED), and those that are too old (UNAVAILABLE / CONNECTION_TOO_OLD). Who is in the right
// comes back at once. Thread-safe.
class DoorKeeper {
 public:
  struct Options {
    // A tenth more or less, by the stream. 0: never.
    absl::Duration age_max = absl::ZeroDuration();
    // How often it looks by itself; 0: only when it is asked to.
    absl::Duration interval = absl::Seconds(1);
  };
  // All arguments outlive it.
  DoorKeeper(const Callers* callers, std::vector<StreamRegistry*> streams, const Options& options,
             GatewayMetrics* metrics);
  ~DoorKeeper();
  DoorKeeper(const DoorKeeper&) = delete;
  DoorKeeper& operator=(const DoorKeeper&) = delete;

  // Once, now.
  void LookAround();

 private:
  absl::Status MayStay(const OpenStream& stream, const Policy& policy) const;
  void Run();

  const Callers* const callers_;
  const std::vector<StreamRegistry*> streams_;
  const Options options_;
  GatewayMetrics* const metrics_;

  // Of the standard library: absl's condition variables follow the wall clock.
  std::mutex mutex_;
  std::condition_variable stop_changed_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_DOOR_KEEPER_H_
