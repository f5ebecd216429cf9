#include "gateway/caller.h"

namespace mvmd {

Callers::Callers(Identify identify, std::shared_ptr<const Policy> policy, Recheck recheck)
    : identify_(std::move(identify)), recheck_(std::move(recheck)), policy_(std::move(policy)) {}

absl::StatusOr<Caller> Callers::Of(const grpc::ServerContextBase& context) const {
  absl::StatusOr<Peer> peer = identify_(context);
  if (!peer.ok()) return peer.status();
  return Caller(*std::move(peer), context.peer(), policy());
}

Caller Callers::Again(const Caller& caller) const {
  return Caller(Peer(caller.subject(), caller.certificate()), caller.address(), policy());
}

absl::Status Callers::Check(const PeerCertificate* certificate) const {
  return recheck_ == nullptr || certificate == nullptr ? absl::OkStatus() : recheck_(*certificate);
}

void Callers::SetPolicy(std::shared_ptr<const Policy> policy) {
  absl::MutexLock lock(&mutex_);
  policy_ = std::move(policy);
}

std::shared_ptr<const Policy> Callers::policy() const {
  absl::ReaderMutexLock lock(&mutex_);
  return policy_;
}

}  // namespace mvmd
