// Who calls, and what the policy lets them do.
#ifndef MVMD_GATEWAY_CALLER_H_
#define MVMD_GATEWAY_CALLER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "certs/peer_certificate.h"
#include "certs/policy.h"
#include "grpcpp/server_context.h"

namespace mvmd {

// Who is at the other end of a connection.
struct Peer {
  Peer(std::string spiffe_id, PeerCertificatePtr its_certificate = nullptr)  // NOLINT: implicit
      : subject(std::move(spiffe_id)), certificate(std::move(its_certificate)) {}

  std::string subject;             // SPIFFE URI
  PeerCertificatePtr certificate;  // null: not known, as in tests without TLS
};

// A peer and the policy as it was when the call began. Cheap to copy, thread-safe.
class Caller {
 public:
  // `address` is for people: `ipv4:10.0.0.7:40112`.
  Caller(Peer peer, std::string address, std::shared_ptr<const Policy> policy)
      : peer_(std::move(peer)), address_(std::move(address)), policy_(std::move(policy)) {}

  const std::string& subject() const { return peer_.subject; }
  const std::string& address() const { return address_; }
  const PeerCertificatePtr& certificate() const { return peer_.certificate; }
  const Policy& policy() const { return *policy_; }

  bool May(Role role, absl::string_view twin) const { return policy_->May(subject(), role, twin); }
  // OK, or PERMISSION_DENIED (reason NOT_AUTHORIZED) that names the subject and what was needed.
  absl::Status Check(Role role, absl::string_view twin) const { return policy_->Check(subject(), role, twin); }
  // What the caller may have of the twins, one part after the other: see Policy::NextTwins.
  std::optional<Policy::Twins> NextTwins(Role role, absl::string_view from) const {
    return policy_->NextTwins(subject(), role, from);
  }
  // Without a twin: has the caller the role at all?
  absl::Status CheckRole(Role role) const { return policy_->CheckRole(subject(), role); }

 private:
  Peer peer_;
  std::string address_;
  std::shared_ptr<const Policy> policy_;
};

// Tells who calls. Thread-safe; the policy can be exchanged while calls are under way.
class Callers {
 public:
  // The peer, or UNAUTHENTICATED.
  using Identify = std::function<absl::StatusOr<Peer>(const grpc::ServerContextBase& context)>;
  // Is the certificate still good? OK, or UNAUTHENTICATED as of PeerTrust::CheckAgain.
  using Recheck = std::function<absl::Status(const PeerCertificate& certificate)>;

  Callers(Identify identify, std::shared_ptr<const Policy> policy, Recheck recheck = nullptr);

  absl::StatusOr<Caller> Of(const grpc::ServerContextBase& context) const;
  // The same peer under the policy of now: for a call that had to wait.
  Caller Again(const Caller& caller) const;
  // For such a call, too: may it go on? OK for a peer without a certificate that is known.
  absl::Status Check(const PeerCertificate* certificate) const;
  void SetPolicy(std::shared_ptr<const Policy> policy);
  std::shared_ptr<const Policy> policy() const;

 private:
  const Identify identify_;
  const Recheck recheck_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const Policy> policy_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_CALLER_H_
