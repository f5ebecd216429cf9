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
#include "certs/policy.h"
#include "grpcpp/server_context.h"

namespace mvmd {

// A peer and the policy as it was when the call began. Cheap to copy, thread-safe.
class Caller {
 public:
  Caller(std::string subject, std::shared_ptr<const Policy> policy)
      : subject_(std::move(subject)), policy_(std::move(policy)) {}

  const std::string& subject() const { return subject_; }
  const Policy& policy() const { return *policy_; }

  bool May(Role role, absl::string_view twin) const { return policy_->May(subject_, role, twin); }
  // OK, or PERMISSION_DENIED (reason NOT_AUTHORIZED) that names the subject and what was needed.
  absl::Status Check(Role role, absl::string_view twin) const { return policy_->Check(subject_, role, twin); }
  // What the caller may have of the twins, one part after the other: see Policy::NextTwins.
  std::optional<Policy::Twins> NextTwins(Role role, absl::string_view from) const {
    return policy_->NextTwins(subject_, role, from);
  }
  // Without a twin: has the caller the role at all?
  absl::Status CheckRole(Role role) const { return policy_->CheckRole(subject_, role); }

 private:
  std::string subject_;
  std::shared_ptr<const Policy> policy_;
};

// Tells who calls. Thread-safe; the policy can be exchanged while calls are under way.
class Callers {
 public:
  // The SPIFFE URI of a peer, or UNAUTHENTICATED.
  using Identify = std::function<absl::StatusOr<std::string>(const grpc::ServerContextBase& context)>;

  Callers(Identify identify, std::shared_ptr<const Policy> policy);

  absl::StatusOr<Caller> Of(const grpc::ServerContextBase& context) const;
  // The same peer under the policy of now: for a call that had to wait.
  Caller Again(const Caller& caller) const;
  void SetPolicy(std::shared_ptr<const Policy> policy);

 private:
  const Identify identify_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const Policy> policy_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_CALLER_H_
