#include "certs/peer_trust.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "certs/peer_certificate.h"
#include "runtime/config.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

absl::Status Refused(const X509* certificate, absl::string_view why) {
  return absl::UnauthenticatedError(absl::StrCat("certificate ", SubjectOf(certificate), ": ", why));
}

bool HasUsage(X509* certificate, uint32_t usage) {
  // Without the extension every usage is allowed; we want it said.
  return (X509_get_extension_flags(certificate) & EXFLAG_XKUSAGE) != 0 &&
         (X509_get_extended_key_usage(certificate) & usage) != 0;
}

bool IsIpAddress(const std::string& name) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, name.c_str(), bytes) == 1 || inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

// `localhost:7443`, `[::1]:7443`, `::1` -> without port and brackets.
std::string HostOf(absl::string_view name) {
  std::string host;
  int port = 0;
  if (ParseHostPort(name, &host, &port)) return host;
  if (name.size() >= 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  return std::string(name);
}

bool HasName(X509* certificate, const std::string& name) {
  if (IsIpAddress(name)) return X509_check_ip_asc(certificate, name.c_str(), 0) == 1;
  return X509_check_host(certificate, name.data(), name.size(),
                         X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
}

bool HasCriticalExtension(const X509_CRL* crl) { return X509_CRL_get_ext_by_critical(crl, 1, -1) >= 0; }

}  // namespace

absl::StatusOr<PeerIdentity> SpiffeIdentityOf(X509* certificate) {
  const absl::StatusOr<std::vector<std::string>> uris = UriSansOf(certificate);
  if (!uris.ok()) return Refused(certificate, uris.status().message());
  if (uris->size() != 1) {
    return Refused(certificate,
                   absl::StrCat("expected exactly one URI among its subject alternative names, got ", uris->size()));
  }
  absl::StatusOr<PeerIdentity> identity = ParseSpiffeId(uris->front());
  if (!identity.ok()) return Refused(certificate, identity.status().message());
  return identity;
}

absl::StatusOr<std::shared_ptr<const PeerTrust>> PeerTrust::Make(absl::string_view ca_pem, absl::string_view crl_pem,
                                                                 std::optional<absl::Duration> crl_max_age) {
  static std::atomic<uint64_t> last_number{0};
  const absl::StatusOr<std::vector<CertificatePtr>> roots = ReadCertificates(ca_pem);
  if (!roots.ok()) return roots.status();
  auto trust = std::make_shared<PeerTrust>();
  trust->number_ = ++last_number;
  trust->roots_ = MakeStore(*roots);
  trust->crl_max_age_ = crl_max_age;
  if (crl_pem.empty()) return trust;
  absl::StatusOr<std::vector<CrlPtr>> crls = ReadCrls(crl_pem);
  if (!crls.ok()) return crls.status();
  for (const CrlPtr& crl : *crls) {
    bool is_signed = false;
    for (const CertificatePtr& root : *roots) {
      if (X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_subject_name(root.get())) != 0) continue;
      is_signed |= X509_CRL_verify(crl.get(), X509_get0_pubkey(root.get())) == 1;
    }
    TakeOpenSslError();
    if (!is_signed) {
      return absl::InvalidArgumentError(
          absl::StrCat("expected a revocation list signed by a certificate of the CA file, got "
                       "one of ",
                       IssuerOf(crl.get()), " that is not"));
    }
    if (HasCriticalExtension(crl.get())) {
      return absl::InvalidArgumentError(absl::StrCat("expected a full, direct revocation list, got one of ",
                                                     IssuerOf(crl.get()), " with a critical extension"));
    }
  }
  trust->crls_ = *std::move(crls);
  return trust;
}

absl::Status PeerTrust::CheckRevocation(X509* certificate, bool is_leaf, absl::Time now) const {
  bool covered = false;
  for (const CrlPtr& crl : crls_) {
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_issuer_name(certificate)) != 0) continue;
    covered = true;
    // Fail closed: an old list does not know what was revoked since.
    if (now < ThisUpdateOf(crl.get()) || now >= EndOf(crl.get(), crl_max_age_)) {
      return Refused(certificate,
                     absl::StrCat("the revocation list of ", IssuerOf(crl.get()), " is out of date, valid from ",
                                  absl::FormatTime(ThisUpdateOf(crl.get()), absl::UTCTimeZone()), " to ",
                                  absl::FormatTime(EndOf(crl.get(), crl_max_age_), absl::UTCTimeZone()), "; renew it"));
    }
  }
  if (IsRevoked(certificate)) {
    return Refused(certificate, absl::StrCat("serial ", SerialOf(certificate), " is revoked"));
  }
  if (is_leaf && !covered && !crls_.empty()) {
    return Refused(certificate, absl::StrCat("there is no revocation list of its issuer ", IssuerOf(certificate)));
  }
  return absl::OkStatus();
}

bool PeerTrust::IsRevoked(X509* certificate) const {
  for (const CrlPtr& crl : crls_) {
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl.get()), X509_get_issuer_name(certificate)) != 0) continue;
    X509_REVOKED* revoked = nullptr;
    // 2: removed from the list again.
    if (X509_CRL_get0_by_cert(crl.get(), &revoked, certificate) == 1) return true;
  }
  return false;
}

absl::Status PeerTrust::CheckAgain(const PeerCertificate& peer, absl::Time now) const {
  const auto gone = [&peer](absl::string_view reason, absl::string_view why) {
    return MakeError(absl::StatusCode::kUnauthenticated, reason,
                     absl::StrCat("certificate ", SubjectOf(peer.leaf()), " ", why),
                     {{"serial", SerialOf(peer.leaf())}});
  };
  if (now > peer.not_after()) {
    return gone("CERTIFICATE_EXPIRED",
                absl::StrCat("has expired at ", absl::FormatTime(peer.not_after(), absl::UTCTimeZone())));
  }
  if (peer.trusted_by() == number_) return absl::OkStatus();
  if (IsRevoked(peer.leaf())) return gone("CERTIFICATE_REVOKED", "was revoked");
  for (const CertificatePtr& link : peer.chain()) {
    if (IsRevoked(link.get())) {
      return gone("CERTIFICATE_REVOKED", absl::StrCat("was issued by one that was revoked, ", SubjectOf(link.get())));
    }
  }
  if (!peer.chain().empty()) {
    const std::string error = ChainError(roots_.get(), peer.chain());
    if (!error.empty()) return gone("CERTIFICATE_NOT_TRUSTED", absl::StrCat("does not lead to a root: ", error));
  }
  peer.SetTrustedBy(number_);
  return absl::OkStatus();
}

absl::Status PeerTrust::CheckLeaf(X509* leaf, absl::Time now) const {
  const absl::Time begin = NotBeforeOf(leaf);
  const absl::Time end = NotAfterOf(leaf);
  if (now < begin) {
    return Refused(leaf, absl::StrCat("is not valid before ", absl::FormatTime(begin, absl::UTCTimeZone())));
  }
  if (now > end) return Refused(leaf, absl::StrCat("has expired at ", absl::FormatTime(end, absl::UTCTimeZone())));
  if (X509_check_ca(leaf) == 1) return Refused(leaf, "expected one of a peer, got one of a CA");
  return CheckRevocation(leaf, /*is_leaf=*/true, now);
}

absl::StatusOr<CertificatePtr> PeerTrust::ReadPeer(absl::string_view leaf_pem, absl::string_view chain_pem,
                                                   absl::Time now) const {
  absl::StatusOr<std::vector<CertificatePtr>> leaf = ReadCertificates(leaf_pem);
  if (!leaf.ok()) return absl::UnauthenticatedError(absl::StrCat("peer: ", leaf.status().message()));
  if (absl::Status status = CheckLeaf(leaf->front().get(), now); !status.ok()) return status;
  if (!chain_pem.empty()) {
    absl::StatusOr<std::vector<CertificatePtr>> chain = ReadCertificates(chain_pem);
    if (!chain.ok()) return absl::UnauthenticatedError(absl::StrCat("peer's chain: ", chain.status().message()));
    for (const CertificatePtr& link : *chain) {
      if (absl::Status status = CheckRevocation(link.get(), /*is_leaf=*/false, now); !status.ok()) return status;
    }
  }
  return std::move(leaf->front());
}

absl::StatusOr<PeerIdentity> PeerTrust::CheckClient(absl::string_view leaf_pem, absl::string_view chain_pem,
                                                    absl::Time now) const {
  const absl::StatusOr<CertificatePtr> leaf = ReadPeer(leaf_pem, chain_pem, now);
  if (!leaf.ok()) return leaf.status();
  if (!HasUsage(leaf->get(), XKU_SSL_CLIENT)) {
    return Refused(leaf->get(), "is not for client authentication (extendedKeyUsage clientAuth)");
  }
  return SpiffeIdentityOf(leaf->get());
}

absl::Status PeerTrust::CheckServer(absl::string_view leaf_pem, absl::string_view chain_pem,
                                    absl::string_view server_name, absl::Time now) const {
  const absl::StatusOr<CertificatePtr> leaf = ReadPeer(leaf_pem, chain_pem, now);
  if (!leaf.ok()) return leaf.status();
  if (!HasUsage(leaf->get(), XKU_SSL_SERVER)) {
    return Refused(leaf->get(), "is not for server authentication (extendedKeyUsage serverAuth)");
  }
  const std::string host = HostOf(server_name);
  if (host.empty() || !HasName(leaf->get(), host)) {
    return Refused(leaf->get(), absl::StrCat("expected the name ", host, ", got ", NamesOf(leaf->get())));
  }
  return absl::OkStatus();
}

}  // namespace mvmd
