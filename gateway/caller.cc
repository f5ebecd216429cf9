#include "gateway/caller.h"

#include "absl/strings/str_cat.h"
#include "runtime/status_proto.h"

namespace mvmd {

absl::Status Caller::Check(Role role, absl::string_view twin) const {
  if (policy_->May(subject_, role, twin)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kPermissionDenied, "NOT_AUTHORIZED",
                   absl::StrCat(subject_, " may not use twin \"", twin, "\" so: expected a policy rule with role ",
                                RoleName(role), " for it"),
                   {{"subject", subject_}, {"role", std::string(RoleName(role))}, {"twin", std::string(twin)}});
}

absl::Status Caller::CheckRole(Role role) const {
  if (policy_->HasRole(subject_, role)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kPermissionDenied, "NOT_AUTHORIZED",
                   absl::StrCat(subject_, " may not do this: expected a policy rule with role ", RoleName(role)),
                   {{"subject", subject_}, {"role", std::string(RoleName(role))}});
}

Callers::Callers(Identify identify, std::shared_ptr<const Policy> policy)
    : identify_(std::move(identify)), policy_(std::move(policy)) {}

absl::StatusOr<Caller> Callers::Of(const grpc::ServerContextBase& context) const {
  absl::StatusOr<std::string> subject = identify_(context);
  if (!subject.ok()) return subject.status();
  absl::ReaderMutexLock lock(&mutex_);
  return Caller(*std::move(subject), policy_);
}

void Callers::SetPolicy(std::shared_ptr<const Policy> policy) {
  absl::MutexLock lock(&mutex_);
  policy_ = std::move(policy);
}

}  // namespace mvmd
