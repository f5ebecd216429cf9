// Whom we trust: the checks of a peer's certificate that gRPC leaves to us. No gRPC here.
#ifndef MVMD_CERTS_PEER_TRUST_H_
#define MVMD_CERTS_PEER_TRUST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "certs/identity.h"
#include "certs/x509.h"

namespace mvmd {

class PeerCertificate;

// Roots, revoked certificates, and the rules for a leaf. That a chain leads to the roots is checked by OpenSSL in the
// handshake; what is here is checked again when a session is resumed, where OpenSSL checks nothing, and as long as a
// connection lives. Immutable, thread-safe.
class PeerTrust {
 public:
  // `crl_pem` may be empty: nothing is revoked. INVALID_ARGUMENT: not PEM, or a CRL that is not signed by a certificate
  // of `ca_pem`, or with a critical extension (delta and indirect CRLs). `crl_max_age` is that of TlsFiles.
  static absl::StatusOr<std::shared_ptr<const PeerTrust>> Make(
      absl::string_view ca_pem, absl::string_view crl_pem, std::optional<absl::Duration> crl_max_age = std::nullopt);

  // A client's certificate, with the certificates it sent along if they are known (PEM, leaf first). UNAUTHENTICATED
  // says what is wrong.
  absl::StatusOr<PeerIdentity> CheckClient(absl::string_view leaf_pem, absl::string_view chain_pem,
                                           absl::Time now) const;
  // The same for a server that must have `server_name`, a DNS name or an IP address, optionally with a port.
  absl::Status CheckServer(absl::string_view leaf_pem, absl::string_view chain_pem, absl::string_view server_name,
                           absl::Time now) const;
  // Of a peer that was let in. UNAUTHENTICATED, reason CERTIFICATE_EXPIRED; CERTIFICATE_REVOKED: it, or a certificate
  // between it and the root; CERTIFICATE_NOT_TRUSTED: its root is not one of ours any more, which cannot be told when
  // the chain is not known. A revocation list that is out of date keeps new peers out, but throws nobody out.
  absl::Status CheckAgain(const PeerCertificate& peer, absl::Time now) const;

 private:
  // The serial is on a list of its issuer.
  bool IsRevoked(X509* certificate) const;
  absl::Status CheckLeaf(X509* leaf, absl::Time now) const;
  // Revoked? A leaf whose issuer has no CRL is refused when there are CRLs at all.
  absl::Status CheckRevocation(X509* certificate, bool is_leaf, absl::Time now) const;
  absl::StatusOr<CertificatePtr> ReadPeer(absl::string_view leaf_pem, absl::string_view chain_pem,
                                          absl::Time now) const;

  uint64_t number_ = 0;  // no other has it
  StorePtr roots_;
  std::vector<CrlPtr> crls_;
  std::optional<absl::Duration> crl_max_age_;
};

// The one URI of the certificate, a SPIFFE name; else UNAUTHENTICATED.
absl::StatusOr<PeerIdentity> SpiffeIdentityOf(X509* certificate);

}  // namespace mvmd

#endif  // MVMD_CERTS_PEER_TRUST_H_
