#include "gateway/caller.h"

namespace mvmd {

Callers::Callers(Identify identify, std::shared_ptr<const Policy> policy)
    : identify_(std::move(identify)), policy_(std::move(policy)) {}

absl::StatusOr<Caller> Callers::Of(const grpc::ServerContextBase& context) const {
  absl::StatusOr<std::string> subject = identify_(context);
  if (!subject.ok()) return subject.status();
  absl::ReaderMutexLock lock(&mutex_);
  return Caller(*std::move(subject), policy_);
}

Caller Callers::Again(const Caller& caller) const {
  absl::ReaderMutexLock lock(&mutex_);
  return Caller(caller.subject(), policy_);
}

void Callers::SetPolicy(std::shared_ptr<const Policy> policy) {
  absl::MutexLock lock(&mutex_);
  policy_ = std::move(policy);
}

}  // namespace mvmd
