// Findings of a validation, as people read them.
#ifndef MVMD_TWINCTL_FINDINGS_H_
#define MVMD_TWINCTL_FINDINGS_H_

#include <string>

#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "twin/rules.h"
#include "twinctl/console.h"

namespace mvmd {

// A line each, errors first: `  error    /sensors/0/unit  Sensor unit must be a non-empty string  [SEN-09]`.
std::string FindingsText(const mvmd::twin::v1alpha1::ValidationResult& result, const Console& console);
std::string FindingsText(const RuleResult& result, const Console& console);

// The result object of docs/validation.md.
Json ResultJson(const mvmd::twin::v1alpha1::ValidationResult& result);

}  // namespace mvmd

#endif  // MVMD_TWINCTL_FINDINGS_H_
