#include "twin/gap.h"

#include "absl/strings/strip.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

absl::string_view GapReason(pb::Gap::Reason reason) {
  if (!pb::Gap::Reason_IsValid(reason)) reason = pb::Gap::REASON_UNSPECIFIED;
  const std::string& name = pb::Gap::Reason_Name(reason);
  return absl::StripPrefix(absl::string_view(name), "REASON_");
}

}  // namespace mvmd
