#include "certs/policy.h"

#include <algorithm>
#include <iterator>
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

// Does `text` match the pattern, in which each `*` stands for any characters? At most as many steps as the product of
// their lengths.
bool MatchesGlob(absl::string_view pattern, absl::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = absl::string_view::npos;
  size_t star_t = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_t = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != absl::string_view::npos) {
      // The last star takes one character more.
      p = star + 1;
      t = ++star_t;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == absl::string_view::npos;
}

// Which one holds the smaller id at or after `from`; the wider when both hold the same, so that nothing is met twice.
bool ComesBefore(const Policy::Twins& a, const Policy::Twins& b, absl::string_view from) {
  const absl::string_view first_of_a = std::max(a.id, from);
  const absl::string_view first_of_b = std::max(b.id, from);
  if (first_of_a != first_of_b) return first_of_a < first_of_b;
  if (a.is_prefix != b.is_prefix) return a.is_prefix;
  if (a.id.size() != b.id.size()) return a.id.size() < b.id.size();
  return !a.is_filtered && b.is_filtered;
}

// Names told in a message, and of twins in the metadata: an error with all of it must fit into trailers
// (kGrpcDetailsBytesMax), or its reason is lost. A subject has at most 2048 bytes.
constexpr size_t kToldBytesMax = 256;
constexpr size_t kTwinMetadataBytesMax = 1024;

absl::Status Denied(absl::string_view subject, Role role, absl::string_view what, ErrorMetadata metadata) {
  metadata["subject"] = std::string(subject);
  metadata["role"] = std::string(RoleName(role));
  return MakeError(absl::StatusCode::kPermissionDenied, "NOT_AUTHORIZED",
                   absl::StrCat(subject.substr(0, kToldBytesMax), ": the policy has no rule that gives it the role ",
                                RoleName(role), what),
                   metadata);
}

// Sorted; without those that a shorter one stands for.
void KeepWidest(std::vector<std::string>* prefixes) {
  std::sort(prefixes->begin(), prefixes->end());
  std::vector<std::string> kept;
  // What begins with a prefix follows it.
  for (std::string& prefix : *prefixes) {
    if (kept.empty() || !absl::StartsWith(prefix, kept.back())) kept.push_back(std::move(prefix));
  }
  *prefixes = std::move(kept);
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
  return (roles & Bit(role)) != 0 && IsFor(subject_asked);
}

bool Policy::Rule::IsFor(absl::string_view subject_asked) const {
  return subject_is_prefix ? subject_asked.size() > subject.size() && absl::StartsWith(subject_asked, subject)
                           : subject_asked == subject;
}

bool Policy::Rule::Covers(absl::string_view twin) const {
  return all_twins || std::binary_search(twins.begin(), twins.end(), twin) || PrefixOf(twin) != nullptr ||
         std::any_of(twin_globs.begin(), twin_globs.end(),
                     [twin](const std::string& glob) { return MatchesGlob(glob, twin); });
}

const std::string* Policy::Rule::PrefixOf(absl::string_view twin) const {
  // None begins with another: between a prefix of `twin` and `twin` there is no other.
  const auto after = std::upper_bound(twin_prefixes.begin(), twin_prefixes.end(), twin);
  if (after == twin_prefixes.begin() || !absl::StartsWith(twin, *std::prev(after))) return nullptr;
  return &*std::prev(after);
}

std::optional<Policy::Twins> Policy::Rule::NextTwins(absl::string_view from) const {
  if (all_twins) return Twins{"", /*is_prefix=*/true};
  std::optional<Twins> next;
  const auto offer = [&next, from](const Twins& some) {
    if (!next.has_value() || ComesBefore(some, *next, from)) next = some;
  };
  if (const std::string* const prefix = PrefixOf(from); prefix != nullptr) {
    offer({*prefix, /*is_prefix=*/true});
  } else if (const auto after = std::lower_bound(twin_prefixes.begin(), twin_prefixes.end(), from);
             after != twin_prefixes.end()) {
    offer({*after, /*is_prefix=*/true});
  }
  if (const auto exact = std::lower_bound(twins.begin(), twins.end(), from); exact != twins.end()) {
    offer({*exact, /*is_prefix=*/false});
  }
  for (const std::string& glob : twin_globs) {
    const absl::string_view start = absl::string_view(glob).substr(0, glob.find('*'));
    if (start >= from || absl::StartsWith(from, start)) offer({start, /*is_prefix=*/true, /*is_filtered=*/true});
  }
  return next;
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
  // A file that was cut off would lock everybody out.
  if (errors->ok() && file.rules().empty() && errors->LineOf("rules") == 0) {
    errors->Add("rules", "expected a list of rules, got none; `rules: []` allows nothing to anybody");
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
    if (absl::StrContains(file.twins(i), "**") || file.twins(i).empty()) {
      errors->Add(absl::StrCat(path, ".twins[", i, "]"),
                  absl::StrCat("expected a twin's id, or one with * for any characters, got \"", file.twins(i), "\""));
    } else if (absl::StrContains(twin, '*')) {
      rule.twin_globs.push_back(file.twins(i));
    } else if (!is_prefix) {
      rule.twins.emplace_back(twin);
    } else if (twin.empty()) {
      rule.all_twins = true;
    } else {
      rule.twin_prefixes.emplace_back(twin);
    }
  }
  std::sort(rule.twins.begin(), rule.twins.end());
  std::sort(rule.twin_globs.begin(), rule.twin_globs.end());
  KeepWidest(&rule.twin_prefixes);
  const bool needs_twins = (rule.roles & ~Bit(Role::kOperator)) != 0;
  if (needs_twins && file.twins().empty() && !errors->Has(path + ".twins")) {
    errors->Add(path + ".twins",
                "expected twins for the roles bridge, reader and writer, got none; \"*\" is all twins");
  }
  return rule;
}

bool Policy::GivesTheSame(const Policy& other, absl::string_view subject) const {
  const auto rules_of = [subject](const Policy& policy) {
    std::vector<const Rule*> rules;
    for (const Rule& rule : policy.rules_) {
      if (rule.IsFor(subject)) rules.push_back(&rule);
    }
    return rules;
  };
  const std::vector<const Rule*> mine = rules_of(*this);
  const std::vector<const Rule*> theirs = rules_of(other);
  return std::equal(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                    [](const Rule* a, const Rule* b) { return *a == *b; });
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

std::optional<Policy::Twins> Policy::NextTwins(absl::string_view subject, Role role, absl::string_view from) const {
  std::optional<Twins> next;
  for (const Rule& rule : rules_) {
    if (!rule.Applies(subject, role)) continue;
    if (role == Role::kOperator) return Twins{"", /*is_prefix=*/true};
    const std::optional<Twins> of_rule = rule.NextTwins(from);
    if (of_rule.has_value() && (!next.has_value() || ComesBefore(*of_rule, *next, from))) next = of_rule;
  }
  return next;
}

absl::Status Policy::Check(absl::string_view subject, Role role, absl::string_view twin) const {
  if (May(subject, role, twin)) return absl::OkStatus();
  if (role == Role::kOperator) return Denied(subject, role, "", {});
  ErrorMetadata metadata;
  if (twin.size() <= kTwinMetadataBytesMax) metadata["twin"] = std::string(twin);
  const std::string told = twin.size() <= kToldBytesMax ? absl::StrCat("twin \"", twin, "\"")
                                                        : absl::StrCat("a twin with a name of ", twin.size(), " bytes");
  return Denied(subject, role, absl::StrCat(" for ", told), std::move(metadata));
}

absl::Status Policy::CheckRole(absl::string_view subject, Role role) const {
  return HasRole(subject, role) ? absl::OkStatus() : Denied(subject, role, "", {});
}

}  // namespace mvmd
