// One bridge's session, as the gateway sees it: the protocol's rules, without a stream.
#ifndef MVMD_GATEWAY_BRIDGE_SESSION_H_
#define MVMD_GATEWAY_BRIDGE_SESSION_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gateway/parsed_group.h"
#include "gateway/twin_state.h"
#include "mvmd/twin/v1alpha1/log.pb.h"
#include "mvmd/twin/v1alpha1/sync.pb.h"

namespace mvmd {

// Credit that is owed goes back after this time even when it is little.
inline constexpr int64_t kCreditHoldNs = 1'000'000'000;
// A stream that has not said Hello by then holds a place for nothing.
inline constexpr int64_t kHelloTimeoutNs = 10'000'000'000;

struct BridgeSessionOptions {
  GroupLimits group;
  uint64_t credit_bytes = 4 << 20;
  int64_t commit_linger_ns = 1'000'000'000;
  std::string bridge;  // SPIFFE URI of the peer
  std::string peer;    // its address
  // 16 random bytes for the outbox to present next time; empty: this gateway gives none.
  std::string nonce;
};

// Pure state machine; no threads, no clock, no I/O. Thread-compatible.
//
//   waiting_hello --Hello--> opening --SessionOpened applied--> open --(fenced, protocol error, drain, gone)--> closed
//
// Rules:
//  1. The first request is Hello, within kHelloTimeoutNs; a second one is a protocol error.
//  2. Welcome is sent when the session's own SessionOpened has been applied, with the applied set read then.
//  3. A group is checked (size, credit, codec, every frame's twin against the policy) and then appended as it came;
//     frames that are refused are listed beside it, and so are bindings of twins that are not allowed: the fold leaves
//     out their samples, and knows them when the policy allows them later. Bindings of former sessions are checked when
//     the session opens.
//  4. Commit is sent for what ApplyResult calls applied, and never for anything else: at once when none was sent for
//     `commit_linger`, else when that has passed, or half of the credit waits for it.
//  5. Credit goes back when a group has been applied, not when it was read: when half of it is owed, or after a second.
//  6. ABORTED from the fold (fenced; another outbox is served) ends the stream with it. An old copy of an outbox that
//     nobody serves gets a Welcome that says so, and no session.
//  7. Rejected is sent when the refusal is in the log, before the Commit that covers the frame.
//  8. A group that cannot be appended ends the stream with UNAVAILABLE; the bridge still has the frames.
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
  // Once, first.
  void OnStart(int64_t now_unix_ns, std::vector<Action>* actions);
  void OnRequest(const mvmd::twin::v1alpha1::SyncRequest& request, int64_t now_unix_ns, std::vector<Action>* actions);
  void OnApplied(uint64_t tag, const ApplyResult& result, int64_t now_unix_ns, std::vector<Action>* actions);
  void OnTimer(int64_t now_unix_ns, std::vector<Action>* actions);
  // The gateway stops: tell the peer.
  void OnDrain(int64_t grace_ns, std::vector<Action>* actions);
  // The grace is over: commits what is applied and ends with UNAVAILABLE / DRAINING.
  void OnDrainEnd(std::vector<Action>* actions);
  // The gateway ends the stream for another reason: commits what is applied and ends with this.
  void OnEnd(absl::Status status, std::vector<Action>* actions);
  // The peer sends no more: ends with OK when what it sent is applied and committed.
  void OnWritesDone(std::vector<Action>* actions);
  // The stream has ended, whoever ended it; appends SessionClosed when a session was open.
  void OnPeerGone(absl::string_view reason, std::vector<Action>* actions);

  // Revision of SessionOpened; 0 before it is applied.
  uint64_t session() const { return session_; }
  // The last report of the bridge; null before the first.
  const mvmd::twin::v1alpha1::BridgeReport* report() const { return report_.get(); }
  // Bytes of FrameGroup.data that the bridge may still send.
  uint64_t credit_left_bytes() const { return credit_left_bytes_; }

 private:
  enum class State { kWaitingHello, kOpening, kOpen, kClosed };
  // An entry that was appended and not yet applied.
  struct Pending {
    bool opening = false;       // SessionOpened
    uint64_t credit_bytes = 0;  // of the group
    std::vector<std::pair<uint64_t, absl::Status>> refused;
  };
  void Enter(State state);
  void OnHello(const mvmd::twin::v1alpha1::Hello& hello, std::vector<Action>* actions);
  void OnFrames(const mvmd::twin::v1alpha1::FrameGroup& group, std::vector<Action>* actions);
  void OnOpened(const ApplyResult& result, int64_t now_unix_ns, std::vector<Action>* actions);
  void OnGroupApplied(const Pending& pending, const ApplyResult& result, int64_t now_unix_ns,
                      std::vector<Action>* actions);
  absl::Status CheckFrame(const ParsedGroup::Frame& frame) const;
  absl::Status CheckTwin(absl::string_view twin) const;
  void FindForbidden(const ParsedGroup::Frame& frame, std::set<uint32_t>* found);
  void CheckBindings(const std::vector<std::pair<uint32_t, const SensorRef*>>& bindings);
  // OK, or what the stream ends with because an entry was not applied.
  absl::Status EndFor(const absl::Status& status) const;
  void Fail(absl::Status status, std::vector<Action>* actions);
  void AppendClosed(absl::string_view reason, std::vector<Action>* actions);
  void FinishWhenIdle(std::vector<Action>* actions);
  void SendCommit(std::vector<Action>* actions);
  void SendCredit(std::vector<Action>* actions);
  void ArmTimer(int64_t now_unix_ns, std::vector<Action>* actions);

  const BridgeSessionOptions options_;
  const Authorize authorize_;
  FrameGroupCodec codec_;
  State state_ = State::kWaitingHello;
  bool fenced_ = false;
  bool keeps_nonce_ = false;
  bool writes_done_ = false;
  bool closed_appended_ = false;
  std::string gone_reason_;  // not empty: OnPeerGone was called
  uint64_t session_ = 0;
  uint64_t last_tag_ = 0;
  std::map<uint64_t, Pending> pending_;  // by tag
  // The window is credit_left_bytes_ + what is in pending_ + credit_owed_bytes_.
  uint64_t credit_left_bytes_ = 0;  // granted and not used
  uint64_t credit_owed_bytes_ = 0;  // used, applied and not granted again
  int64_t credit_owed_since_unix_ns_ = 0;
  IntervalSet uncommitted_;  // applied, Commit not sent yet
  int64_t last_commit_unix_ns_ = 0;
  int64_t timer_unix_ns_ = 0;                          // 0: not set
  absl::flat_hash_set<std::string> documents_wanted_;  // asked for in this session
  absl::flat_hash_set<uint32_t> forbidden_bindings_;   // of this epoch, as of this session's policy
  std::unique_ptr<mvmd::twin::v1alpha1::BridgeReport> report_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_BRIDGE_SESSION_H_
