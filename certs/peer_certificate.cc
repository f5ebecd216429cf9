#include "certs/peer_certificate.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "certs/credentials.h"
#include "certs/peer_trust.h"
#include "grpc/grpc_security_constants.h"

namespace mvmd {
namespace {

std::optional<absl::string_view> Property(const grpc::AuthContext& context, const char* name) {
  const std::vector<grpc::string_ref> values = context.FindPropertyValues(name);
  if (values.empty()) return std::nullopt;
  return absl::string_view(values[0].data(), values[0].size());
}

}  // namespace

absl::StatusOr<PeerCertificatePtr> PeerCertificate::Make(absl::string_view leaf_pem,
                                                         std::optional<absl::string_view> chain_pem) {
  absl::StatusOr<std::vector<CertificatePtr>> leaf = ReadCertificates(leaf_pem);
  if (!leaf.ok()) return absl::UnauthenticatedError(absl::StrCat("peer: ", leaf.status().message()));
  const std::shared_ptr<PeerCertificate> peer(new PeerCertificate());
  peer->leaf_ = std::move(leaf->front());
  if (chain_pem.has_value()) {
    if (!chain_pem->empty()) {
      absl::StatusOr<std::vector<CertificatePtr>> chain = ReadCertificates(*chain_pem);
      if (!chain.ok()) return absl::UnauthenticatedError(absl::StrCat("peer's chain: ", chain.status().message()));
      peer->chain_ = *std::move(chain);
    }
    // OpenSSL leaves it out on the side of the server.
    if (peer->chain_.empty() || X509_cmp(peer->chain_.front().get(), peer->leaf()) != 0) {
      X509_up_ref(peer->leaf());
      peer->chain_.insert(peer->chain_.begin(), CertificatePtr(peer->leaf()));
    }
  }
  absl::StatusOr<PeerIdentity> identity = SpiffeIdentityOf(peer->leaf());
  if (!identity.ok()) return identity.status();
  peer->identity_ = *std::move(identity);
  peer->not_after_ = NotAfterOf(peer->leaf());
  return peer;
}

PeerInspector::PeerInspector(std::shared_ptr<CertificateSource> source, const Clock* clock)
    : source_(std::move(source)), clock_(clock) {}

absl::StatusOr<PeerCertificatePtr> PeerInspector::Find(const grpc::AuthContext& context) {
  const std::optional<absl::string_view> leaf = Property(context, GRPC_X509_PEM_CERT_PROPERTY_NAME);
  const std::optional<absl::string_view> chain = Property(context, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME);
  if (!context.IsPeerAuthenticated() || !leaf.has_value()) {
    return absl::UnauthenticatedError("expected a client certificate, got a connection without one");
  }
  {
    absl::MutexLock lock(&mutex_);
    const auto found = by_pem_.find(*leaf);
    // One that is known with its chain is worth more than one without.
    if (found != by_pem_.end() && (!chain.has_value() || !found->second->chain().empty())) return found->second;
  }
  absl::StatusOr<PeerCertificatePtr> made = PeerCertificate::Make(*leaf, chain);
  if (!made.ok()) return made.status();
  absl::MutexLock lock(&mutex_);
  // They all come again; that is cheaper than to know which one is the oldest.
  if (by_pem_.size() >= kCertificatesMax) by_pem_.clear();
  by_pem_.insert_or_assign(*leaf, *made);
  return made;
}

absl::StatusOr<PeerCertificatePtr> PeerInspector::Inspect(const grpc::AuthContext& context) {
  absl::StatusOr<PeerCertificatePtr> peer = Find(context);
  if (!peer.ok()) return peer.status();
  if (absl::Status status = Check(**peer); !status.ok()) return status;
  return peer;
}

absl::Status PeerInspector::Check(const PeerCertificate& peer) const {
  return source_->trust()->CheckAgain(peer, absl::FromUnixNanos(clock_->UnixNanos()));
}

}  // namespace mvmd
