// Who may do what.
//
// A YAML file; what no rule allows is denied:
//
//   rules:
//     - subject: spiffe://plant.example/bridge/robots
//       roles: [bridge]
//       twins: ["twin-2024-*"]
//     - subject: spiffe://plant.example/client/*        # everything below
//       roles: [reader, operator]
//       twins: ["*"]
//
// Roles: `bridge` may sync the twins, `reader` read them, `writer` write and delete them and command them, `operator`
// see bridges and their issues (and needs no `twins`). No role contains another. `subject` is a SPIFFE URI, or one that
// ends in
// `/*`, which stands for every name below it: the path of a trust domain is where tenants are told apart. A twin is a
// text in which each `*` stands for any characters, also none.
#ifndef MVMD_CERTS_POLICY_H_
#define MVMD_CERTS_POLICY_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "runtime/config.h"

namespace mvmd {

enum class Role { kBridge, kReader, kWriter, kOperator };
absl::string_view RoleName(Role role);

// Immutable, thread-safe, cheap to ask. A subject is a PeerIdentity's `spiffe_id`.
//
//   absl::StatusOr<Policy> policy = Policy::Load("/etc/mvmd/policy.yaml");
//   if (absl::Status allowed = policy->Check(peer.spiffe_id, Role::kReader, twin); !allowed.ok()) return allowed;
class Policy {
 public:
  // Denies everything.
  Policy() = default;

  // INVALID_ARGUMENT with every error of the file, `file:line: path: message`, or why it cannot be read.
  static absl::StatusOr<Policy> Load(const std::string& path);
  static absl::StatusOr<Policy> Parse(absl::string_view yaml, absl::string_view origin);

  bool MaySync(absl::string_view subject, absl::string_view twin) const { return May(subject, Role::kBridge, twin); }
  bool MayRead(absl::string_view subject, absl::string_view twin) const { return May(subject, Role::kReader, twin); }
  bool MayWrite(absl::string_view subject, absl::string_view twin) const { return May(subject, Role::kWriter, twin); }
  bool MayOperate(absl::string_view subject) const { return HasRole(subject, Role::kOperator); }
  bool MaySyncAtAll(absl::string_view subject) const { return HasRole(subject, Role::kBridge); }

  // Has the subject this role for any twin?
  bool HasRole(absl::string_view subject, Role role) const;
  // Fast path: true when no single twin needs to be asked for.
  bool AllowsAllTwins(absl::string_view subject, Role role) const;
  // For kOperator `twin` does not matter.
  bool May(absl::string_view subject, Role role, absl::string_view twin) const;
  // Some of the twins that a rule gives: all whose ids begin with `id`, or only that one.
  struct Twins {
    absl::string_view id;  // lives as long as the policy
    bool is_prefix = false;
    // Only some of those that begin with `id`: May knows which.
    bool is_filtered = false;
  };
  // To go through what the subject may have without looking at anything else. Of its twins, those that hold the
  // smallest id at or after `from`, which is the greater of `from` and `id`; nullopt: there are none. The widest when
  // several hold it, so that who goes on behind the last id of the answer misses none and meets none twice.
  std::optional<Twins> NextTwins(absl::string_view subject, Role role, absl::string_view from) const;
  // OK, or PERMISSION_DENIED (reason NOT_AUTHORIZED) that says which role for which twin the policy lacks. Fits into
  // the trailers of a call, whatever the names are.
  absl::Status Check(absl::string_view subject, Role role, absl::string_view twin) const;
  // Without a twin: has the subject the role at all?
  absl::Status CheckRole(absl::string_view subject, Role role) const;

  size_t rule_count() const { return rules_.size(); }
  bool operator==(const Policy& other) const { return rules_ == other.rules_; }
  // Has `subject` the same rules in both, in the same order?
  bool GivesTheSame(const Policy& other, absl::string_view subject) const;

 private:
  struct Rule {
    std::string subject;  // without the `*` of a prefix
    bool subject_is_prefix = false;
    unsigned roles = 0;  // bit per Role
    bool all_twins = false;
    std::vector<std::string> twins;          // exact, sorted
    std::vector<std::string> twin_prefixes;  // without the `*`, sorted, none begins with another
    std::vector<std::string> twin_globs;     // with a `*` that is not the last character, sorted

    bool operator==(const Rule& other) const = default;
    bool IsFor(absl::string_view subject_asked) const;
    bool Applies(absl::string_view subject_asked, Role role) const;
    bool Covers(absl::string_view twin) const;
    // Null when none is one of `twin`.
    const std::string* PrefixOf(absl::string_view twin) const;
    // As Policy::NextTwins, of this rule.
    std::optional<Twins> NextTwins(absl::string_view from) const;
  };

  // `errors` has those of form already.
  static absl::StatusOr<Policy> FromFile(const mvmd::twin::v1alpha1::AccessPolicy& file, ConfigErrors* errors);
  static Rule MakeRule(const mvmd::twin::v1alpha1::AccessRule& file, const std::string& path, ConfigErrors* errors);

  std::vector<Rule> rules_;
};

}  // namespace mvmd

#endif  // MVMD_CERTS_POLICY_H_
