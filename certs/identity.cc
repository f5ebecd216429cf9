#include "certs/identity.h"

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace mvmd {
namespace {

constexpr size_t kUriBytesMax = 2048;
constexpr size_t kTrustDomainBytesMax = 255;

absl::Status NotSpiffe(absl::string_view uri, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("expected a SPIFFE name such as spiffe://plant.example/bridge/robots, got \"",
                   absl::CHexEscape(uri.substr(0, 200)), "\": ", why));
}

bool IsSegmentCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
}

}  // namespace

std::string PeerIdentity::name() const {
  const std::vector<absl::string_view> parts = absl::StrSplit(absl::StripPrefix(path, "/"), '/');
  return std::string(parts.size() == 2 ? parts[1] : absl::StripPrefix(path, "/"));
}

absl::StatusOr<PeerIdentity> ParseSpiffeId(absl::string_view uri) {
  if (uri.size() > kUriBytesMax) return NotSpiffe(uri, absl::StrCat("longer than ", kUriBytesMax, " bytes"));
  absl::string_view rest = uri;
  if (!absl::ConsumePrefix(&rest, "spiffe://")) return NotSpiffe(uri, "does not begin with spiffe://");
  const size_t slash = rest.find('/');
  const absl::string_view domain = rest.substr(0, slash);
  if (domain.empty()) return NotSpiffe(uri, "no trust domain");
  if (domain.size() > kTrustDomainBytesMax) return NotSpiffe(uri, "trust domain longer than 255 bytes");
  for (const char c : domain) {
    if (!IsSegmentCharacter(c) || absl::ascii_isupper(static_cast<unsigned char>(c))) {
      return NotSpiffe(uri, "trust domain has characters other than [a-z0-9._-]");
    }
  }
  if (slash == absl::string_view::npos) return NotSpiffe(uri, "no path");
  const absl::string_view path = rest.substr(slash);
  for (const absl::string_view segment : absl::StrSplit(path.substr(1), '/')) {
    if (segment.empty() || segment == "." || segment == "..")
      return NotSpiffe(uri, "path has an empty, . or .. segment");
    for (const char c : segment) {
      if (!IsSegmentCharacter(c)) return NotSpiffe(uri, "path has characters other than [A-Za-z0-9._-]");
    }
  }
  return PeerIdentity{std::string(uri), std::string(domain), std::string(path)};
}

absl::StatusOr<PeerIdentity> PeerIdentityOf(const grpc::AuthContext& context) {
  if (!context.IsPeerAuthenticated()) {
    return absl::UnauthenticatedError("expected a client certificate, got a connection without one");
  }
  // Every URI SAN, not `peer_spiffe_id`: a second URI must not go unnoticed.
  const std::vector<grpc::string_ref> uris = context.FindPropertyValues("peer_uri");
  if (uris.size() != 1) {
    return absl::UnauthenticatedError(
        absl::StrCat("expected a client certificate with exactly one URI SAN, got ", uris.size()));
  }
  absl::StatusOr<PeerIdentity> identity = ParseSpiffeId(absl::string_view(uris[0].data(), uris[0].size()));
  if (!identity.ok()) return absl::UnauthenticatedError(identity.status().message());
  return identity;
}

absl::StatusOr<PeerIdentity> PeerIdentityOf(const grpc::ServerContextBase& context) {
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (auth == nullptr) return absl::UnauthenticatedError("expected a TLS connection, got one without TLS");
  return PeerIdentityOf(*auth);
}

}  // namespace mvmd
