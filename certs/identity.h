// Who the peer is: the one SPIFFE URI in its certificate.
#ifndef MVMD_CERTS_IDENTITY_H_
#define MVMD_CERTS_IDENTITY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/security/auth_context.h"
#include "grpcpp/server_context.h"

namespace mvmd {

// `spiffe://plant.example/bridge/robots`.
struct PeerIdentity {
  std::string spiffe_id;     // the whole URI
  std::string trust_domain;  // `plant.example`
  std::string path;          // `/bridge/robots`

  // Second part of a path of two, `robots` of `/bridge/robots`; else the whole path without its first slash.
  std::string name() const;
};

// Strict: the SPIFFE standard's grammar (SPIFFE-ID, sections 2.1 to 2.4): scheme `spiffe` in lower case, trust domain
// of [a-z0-9._-] up to 255 bytes, a path with at least one segment of [A-Za-z0-9._-], no empty, `.` or `..` segment, no
// query, fragment, port, user or percent-encoding, at most 2048 bytes. INVALID_ARGUMENT says what is wrong.
absl::StatusOr<PeerIdentity> ParseSpiffeId(absl::string_view uri);

// Of the connection that a call came by. UNAUTHENTICATED when it is not authenticated by TLS or its certificate has not
// exactly one URI SAN. Credentials of MakeServerCredentials refuse such peers in the handshake already.
absl::StatusOr<PeerIdentity> PeerIdentityOf(const grpc::AuthContext& context);
absl::StatusOr<PeerIdentity> PeerIdentityOf(const grpc::ServerContextBase& context);

}  // namespace mvmd

#endif  // MVMD_CERTS_IDENTITY_H_
