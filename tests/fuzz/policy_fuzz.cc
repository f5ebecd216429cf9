// Policy files: refused, or rules whose answers agree with each other. The input is the file.
#include "certs/policy.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  const absl::StatusOr<Policy> policy = Policy::Parse(FuzzText(data, size), "policy.yaml");
  if (!policy.ok()) {
    Ensure(!policy.status().message().empty());
    return 0;
  }
  for (absl::string_view subject : {"spiffe://plant.example/bridge/robots", "spiffe://plant.example/client/a", ""}) {
    for (Role role : {Role::kBridge, Role::kReader, Role::kWriter, Role::kOperator}) {
      Ensure(policy->HasRole(subject, role) == policy->CheckRole(subject, role).ok());
      for (absl::string_view twin : {"twin-2024-001", "a", ""}) {
        const bool may = policy->May(subject, role, twin);
        Ensure(may == policy->Check(subject, role, twin).ok());
        if (may) Ensure(policy->HasRole(subject, role));
        if (policy->AllowsAllTwins(subject, role)) Ensure(may);
        const auto next = policy->NextTwins(subject, role, twin);
        if (next && role != Role::kOperator && !next->is_prefix) Ensure(policy->May(subject, role, next->id));
      }
    }
  }
  return 0;
}
