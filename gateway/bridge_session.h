// One bridge's session, as the gateway sees it: the protocol's rules, without a stream.
#ifndef MVMD_GATEWAY_BRIDGE_SESSION_H_
#define MVMD_GATEWAY_BRIDGE_SESSION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gateway/parsed_group.h"
#include "gateway/twin_state.h"
#include "mvmd/twin/v1alpha1/log.pb.h"
#include "mvmd/twin/v1alpha1/sync.pb.h"

namespace mvmd {

struct BridgeSessionOptions {
  GroupLimits group;
  uint64_t credit_bytes = 4 << 20;
  int64_t commit_linger_ns = 100'000'000;
  std::string bridge;  // SPIFFE URI of the peer
  std::string peer;    // its address
};

// Pure state machine; no threads, no clock, no I/O. Thread-compatible.
//
//   waiting_hello --Hello--> opening --SessionOpened applied--> open --(fenced, protocol error, drain, gone)--> closed
//
// Rules:
//  1. The first request is Hello; a second one is a protocol error.
//  2. Welcome is sent when the session's own SessionOpened has been applied, with the applied set read then.
//  3. A group is checked (size, credit, codec, every frame's twin against the policy) and then appended as it came;
//     frames that are refused are listed beside it.
//  4. Commit is sent for what ApplyResult calls applied, lingered; never for anything else.
//  5. Credit goes back when a group has been applied, not when it was read.
//  6. ABORTED from the fold (fenced) ends the stream with ABORTED / FENCED.
class BridgeSession {
 public:
  // Does the peer's policy allow this twin?
  using Authorize = std::function<bool(absl::string_view twin)>;

  struct Send {
    mvmd::twin::v1alpha1::SyncResponse response;
  };
  // Give the result back to OnApplied with the same tag.
  struct Append {
    uint64_t tag;
    mvmd::twin::v1alpha1::LogEntry entry;
    std::shared_ptr<const ParsedGroup> group;
  };
  struct Finish {
    absl::Status status;
  };
  // Call OnTimer at this time (replaces an earlier one).
  struct SetTimer {
    int64_t unix_ns;
  };
  using Action = std::variant<Send, Append, Finish, SetTimer>;

  BridgeSession(const BridgeSessionOptions& options, Authorize authorize);

  // Each appends what is to be done to `actions`, in order. `now` is the gateway's clock.
  void OnRequest(const mvmd::twin::v1alpha1::SyncRequest& request, int64_t now_unix_ns, std::vector<Action>* actions);
  void OnApplied(uint64_t tag, const ApplyResult& result, int64_t now_unix_ns, std::vector<Action>* actions);
  void OnTimer(int64_t now_unix_ns, std::vector<Action>* actions);
  // The gateway stops: tell the peer.
  void OnDrain(int64_t grace_ns, std::vector<Action>* actions);
  // The stream has ended, whoever ended it; appends SessionClosed when a session was open.
  void OnPeerGone(absl::string_view reason, std::vector<Action>* actions);

  // Revision of SessionOpened; 0 before it is applied.
  uint64_t session() const { return session_; }
  // The last report of the bridge; null before the first.
  const mvmd::twin::v1alpha1::BridgeReport* report() const { return report_.get(); }

 private:
  enum class State { kWaitingHello, kOpening, kOpen, kClosed };
  void Enter(State state);
  void OnHello(const mvmd::twin::v1alpha1::Hello& hello, std::vector<Action>* actions);
  void OnFrames(const mvmd::twin::v1alpha1::FrameGroup& group, int64_t now_unix_ns, std::vector<Action>* actions);
  void Fail(absl::Status status, std::vector<Action>* actions);
  void SendCommit(std::vector<Action>* actions);

  const BridgeSessionOptions options_;
  const Authorize authorize_;
  FrameGroupCodec codec_;
  State state_ = State::kWaitingHello;
  uint64_t session_ = 0;
  uint64_t last_tag_ = 0;
  uint64_t credit_left_bytes_ = 0;    // granted and not used
  uint64_t credit_to_return_bytes_ = 0;
  IntervalSet uncommitted_;           // applied, Commit not sent yet
  int64_t commit_due_unix_ns_ = 0;    // 0: nothing to commit
  std::unique_ptr<mvmd::twin::v1alpha1::BridgeReport> report_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_BRIDGE_SESSION_H_
