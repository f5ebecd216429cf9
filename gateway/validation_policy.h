// Which documents have to be valid: the policy that is in force, as the log has it.
#ifndef MVMD_GATEWAY_VALIDATION_POLICY_H_
#define MVMD_GATEWAY_VALIDATION_POLICY_H_

#include <string>

#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "mvmd/twin/v1alpha1/log.pb.h"
#include "runtime/config.h"

namespace mvmd {

// Overrides sorted by prefix, each once (the last one wins); modes that are not set or not known are ENFORCE. Policies
// that mean the same have the same bytes.
mvmd::twin::v1alpha1::ValidationPolicy NormalizedPolicy(const mvmd::twin::v1alpha1::ValidationPolicy& policy);
// Of the longest prefix that the id has, or else of all twins. `policy` is a normalized one.
mvmd::twin::v1alpha1::ValidationMode ValidationModeOf(const mvmd::twin::v1alpha1::ValidationPolicy& policy,
                                                      absl::string_view twin);
// `enforce`, `warn`, `off`.
absl::string_view ValidationModeName(mvmd::twin::v1alpha1::ValidationMode mode);
// For logs and people: `enforce, legacy-* warn`.
std::string ValidationPolicyText(const mvmd::twin::v1alpha1::ValidationPolicy& policy);

// What the configuration says: completed, with every error under `validation`.
void CompleteValidationConfig(mvmd::twin::v1alpha1::ValidationConfig* config, ConfigErrors* errors);
// Of a completed configuration.
mvmd::twin::v1alpha1::ValidationPolicy PolicyOf(const mvmd::twin::v1alpha1::ValidationConfig& config);

}  // namespace mvmd

#endif  // MVMD_GATEWAY_VALIDATION_POLICY_H_
