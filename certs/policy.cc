#include "certs/policy.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "certs/identity.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "runtime/config.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

constexpr Role kRoles[] = {Role::kBridge, Role::kReader, Role::kWriter, Role::kOperator};

unsigned Bit(Role role) { return 1U << static_cast<unsigned>(role); }

const Role* FindRole(absl::string_view name) {
  const auto* const role =
      std::find_if(std::begin(kRoles), std::end(kRoles), [name](Role r) { return RoleName(r) == name; });
  return role == std::end(kRoles) ? nullptr : role;
}

// A `*` anywhere but at the end would look like a pattern and never match.
bool HasStrayStar(absl::string_view text) { return absl::StrContains(text, '*'); }

absl::Status Denied(absl::string_view subject, Role role, absl::string_view what, ErrorMetadata metadata) {
  metadata["subject"] = std::string(subject);
  metadata["role"] = std::string(RoleName(role));
  return MakeError(absl::StatusCode::kPermissionDenied, "NOT_AUTHORIZED",
                   absl::StrCat(subject, ": the policy has no rule that gives it the role ", RoleName(role), what),
                   metadata);
}

}  // namespace

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kBridge:
      return "bridge";
    case Role::kReader:
      return "reader";
    case Role::kWriter:
      return "writer";
    case Role::kOperator:
      break;
  }
  return "operator";
}

bool Policy::Rule::Applies(absl::string_view subject_asked, Role role) const {
  if ((roles & Bit(role)) == 0) return false;
  return subject_is_prefix ? subject_asked.size() > subject.size() && absl::StartsWith(subject_asked, subject)
                           : subject_asked == subject;
}

bool Policy::Rule::Covers(absl::string_view twin) const {
  return all_twins || std::find(twins.begin(), twins.end(), twin) != twins.end() ||
         std::any_of(twin_prefixes.begin(), twin_prefixes.end(),
                     [twin](const std::string& prefix) { return absl::StartsWith(twin, prefix); });
}

absl::StatusOr<Policy> Policy::Load(const std::string& path) {
  mvmd::twin::v1alpha1::AccessPolicy file;
  ConfigErrors errors;
  LoadYamlConfig(path, &file, &errors);
  return FromFile(file, &errors);
}

absl::StatusOr<Policy> Policy::Parse(absl::string_view yaml, absl::string_view origin) {
  mvmd::twin::v1alpha1::AccessPolicy file;
  ConfigErrors errors;
  ParseYamlConfig(yaml, origin, &file, &errors);
  return FromFile(file, &errors);
}

absl::StatusOr<Policy> Policy::FromFile(const mvmd::twin::v1alpha1::AccessPolicy& file, ConfigErrors* errors) {
  Policy policy;
  for (int i = 0; i < file.rules_size(); ++i) {
    policy.rules_.push_back(MakeRule(file.rules(i), absl::StrCat("rules[", i, "]"), errors));
  }
  if (!errors->ok()) return errors->ToStatus();
  return policy;
}

Policy::Rule Policy::MakeRule(const mvmd::twin::v1alpha1::AccessRule& file, const std::string& path,
                              ConfigErrors* errors) {
  Rule rule;
  absl::string_view subject = file.subject();
  rule.subject_is_prefix = absl::ConsumeSuffix(&subject, "/*");
  // A name below the prefix shows whether the prefix can be one; `spiffe://plant.example/*` is one.
  const absl::StatusOr<PeerIdentity> identity =
      ParseSpiffeId(rule.subject_is_prefix ? absl::StrCat(subject, "/x") : std::string(subject));
  if (!identity.ok() && !errors->Has(path + ".subject")) {
    errors->Add(path + ".subject", absl::StrCat(identity.status().message(), "; or one that ends in /*"));
  }
  rule.subject = rule.subject_is_prefix ? absl::StrCat(subject, "/") : std::string(subject);

  for (int i = 0; i < file.roles_size(); ++i) {
    if (const Role* const role = FindRole(file.roles(i)); role != nullptr) {
      rule.roles |= Bit(*role);
    } else {
      errors->Add(absl::StrCat(path, ".roles[", i, "]"),
                  absl::StrCat("expected bridge, reader, writer or operator, got \"", file.roles(i), "\""));
    }
  }
  if (file.roles().empty() && !errors->Has(path + ".roles")) {
    errors->Add(path + ".roles", "expected one role at least, got none");
  }

  for (int i = 0; i < file.twins_size(); ++i) {
    absl::string_view twin = file.twins(i);
    const bool is_prefix = absl::ConsumeSuffix(&twin, "*");
    if (HasStrayStar(twin) || (twin.empty() && !is_prefix)) {
      errors->Add(absl::StrCat(path, ".twins[", i, "]"),
                  absl::StrCat("expected a twin's id, or a prefix with * at its end, got \"", file.twins(i), "\""));
    } else if (!is_prefix) {
      rule.twins.emplace_back(twin);
    } else if (twin.empty()) {
      rule.all_twins = true;
    } else {
      rule.twin_prefixes.emplace_back(twin);
    }
  }
  const bool needs_twins = (rule.roles & ~Bit(Role::kOperator)) != 0;
  if (needs_twins && file.twins().empty() && !errors->Has(path + ".twins")) {
    errors->Add(path + ".twins",
                "expected twins for the roles bridge, reader and writer, got none; \"*\" is all twins");
  }
  return rule;
}

bool Policy::HasRole(absl::string_view subject, Role role) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) { return rule.Applies(subject, role); });
}

bool Policy::AllowsAllTwins(absl::string_view subject, Role role) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    return (rule.all_twins || role == Role::kOperator) && rule.Applies(subject, role);
  });
}

bool Policy::May(absl::string_view subject, Role role, absl::string_view twin) const {
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    return rule.Applies(subject, role) && (role == Role::kOperator || rule.Covers(twin));
  });
}

absl::Status Policy::Check(absl::string_view subject, Role role, absl::string_view twin) const {
  if (May(subject, role, twin)) return absl::OkStatus();
  if (role == Role::kOperator) return Denied(subject, role, "", {});
  return Denied(subject, role, absl::StrCat(" for twin \"", twin, "\""), {{"twin", std::string(twin)}});
}

absl::Status Policy::CheckRole(absl::string_view subject, Role role) const {
  return HasRole(subject, role) ? absl::OkStatus() : Denied(subject, role, "", {});
}

}  // namespace mvmd
