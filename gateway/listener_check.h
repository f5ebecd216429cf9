// Whether the gateway still takes connections.
#ifndef MVMD_GATEWAY_LISTENER_CHECK_H_
#define MVMD_GATEWAY_LISTENER_CHECK_H_

#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mvmd {

struct ListenerCheckOptions {
  absl::Duration interval = absl::Seconds(10);
  // Of one try, from connecting to the first byte.
  absl::Duration timeout = absl::Seconds(5);
  int attempts = 3;
  // Called after each try that failed, on the check's thread; may be empty.
  std::function<void()> on_failure;
};

// gRPC 1.51 stops to accept, for good, when accept fails once for want of a file descriptor; the kernel goes on to take
// connections that nobody serves. So the gateway connects to itself: one thread sends a TLS ClientHello to the
// listener, waits for the first byte of the answer, and hangs up. No certificate is needed for that, and no signature
// of ours. The socket of the next try is made right after the last one, so that the check itself does not fail for want
// of one.
//
//   check = ListenerCheck::Start("127.0.0.1:7443", port, options, [&](const absl::Status& why) { ... exit ... });
class ListenerCheck {
 public:
  // `listen` is the address that is listened on; all addresses: loopback is tried. `port` is the one that was got.
  // `on_dead` is called once, on the check's thread, after `attempts` failures in a row; the check ends then.
  static absl::StatusOr<std::unique_ptr<ListenerCheck>> Start(absl::string_view listen, int port,
                                                              const ListenerCheckOptions& options,
                                                              std::function<void(const absl::Status& why)> on_dead);
  // Waits for a try that is under way, which is cut short.
  ~ListenerCheck();
  ListenerCheck(const ListenerCheck&) = delete;
  ListenerCheck& operator=(const ListenerCheck&) = delete;

  // Since the start. Thread-safe.
  uint64_t tries() const { return tries_.load(); }

 private:
  ListenerCheck(const ListenerCheckOptions& options, std::function<void(const absl::Status& why)> on_dead);

  void Run();
  absl::Status Try();
  // Makes the socket of the next try, unless there is one.
  void Prepare();
  // False: it is time to stop.
  bool Sleep(absl::Duration time) const;
  // Until the socket is ready for `events`; DEADLINE_EXCEEDED, CANCELLED when it is time to stop.
  absl::Status Await(short events, absl::Time deadline) const;

  const ListenerCheckOptions options_;
  const std::function<void(const absl::Status& why)> on_dead_;
  std::string hello_;  // a ClientHello; the same one each time
  sockaddr_storage address_{};
  socklen_t address_size_ = 0;
  int socket_ = -1;
  int stop_fd_ = -1;
  std::atomic<uint64_t> tries_{0};
  std::thread thread_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_LISTENER_CHECK_H_
