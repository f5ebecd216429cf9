// The gateway: every part, put together.
#ifndef MVMD_GATEWAY_GATEWAY_H_
#define MVMD_GATEWAY_GATEWAY_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mvmd/twin/v1alpha1/config.pb.h"

namespace mvmd {

// Owns every part and the server; the only place, with its .cc, that knows which log, store and credentials are used.
//
//   absl::StatusOr<std::unique_ptr<Gateway>> gateway = Gateway::Start(config, [&] { signals.RequestStop(); });
//   signals.Wait();
//   (*gateway)->Drain();      // or its destructor, which is not gentle
//
// Start, Drain and the destructor are called by one thread.
class Gateway {
 public:
  // Opens the store, recovers, and serves when it returns. `config` is complete (see CompleteGatewayConfig).
  // `on_failure` is called, once, on a thread of the gateway when it cannot go on; health() says why.
  static absl::StatusOr<std::unique_ptr<Gateway>> Start(const mvmd::twin::v1alpha1::GatewayConfig& config,
                                                        std::function<void()> on_failure);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Not ready; bridges are told to move and watches ended with their last token; when all are gone, or `drain_timeout`
  // is over, the server stops, and the state is written. Blocks, at most a little longer than that.
  void Drain();

  // Reads the policy file again; the old policy stays when the new one is wrong. Ends the streams of those for whom the
  // new one has other rules, so that they come back under these. It is also done when the file changes. Thread-safe.
  absl::Status ReloadPolicy();

  // Reads the file of the signing key again; the old key stays when it cannot be loaded. Nothing to do without
  // `signing`. Thread-safe.
  absl::Status ReloadSigningKey();

  // OK, or why the gateway cannot go on. Thread-safe.
  absl::Status health() const;

  // Ports that it listens on; 0 for ops when it is off.
  int port() const;
  int ops_port() const;

 private:
  struct Parts;
  explicit Gateway(std::unique_ptr<Parts> parts);
  const std::unique_ptr<Parts> parts_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_GATEWAY_H_
