// The certificate of a peer that was let in, kept to look at it again.
#ifndef MVMD_CERTS_PEER_CERTIFICATE_H_
#define MVMD_CERTS_PEER_CERTIFICATE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "certs/identity.h"
#include "certs/x509.h"
#include "grpcpp/security/auth_context.h"
#include "runtime/clock.h"

namespace mvmd {

class CertificateSource;

// Read once; then looked at for as long as the connection lives. Immutable but for what is remembered, thread-safe.
class PeerCertificate {
 public:
  // `chain_pem` is what the peer sent along, with or without the leaf, so it may be empty; nullopt: not known, as when
  // a TLS session was resumed. UNAUTHENTICATED when it cannot be read, or has not exactly one URI, a SPIFFE name.
  static absl::StatusOr<std::shared_ptr<const PeerCertificate>> Make(absl::string_view leaf_pem,
                                                                     std::optional<absl::string_view> chain_pem);

  const PeerIdentity& identity() const { return identity_; }
  absl::Time not_after() const { return not_after_; }
  X509* leaf() const { return leaf_.get(); }
  // Leaf first; empty when not known.
  const std::vector<CertificatePtr>& chain() const { return chain_; }

  // The PeerTrust that found nothing wrong, by its number; 0: none yet. What it says does not change.
  uint64_t trusted_by() const { return trusted_by_.load(std::memory_order_relaxed); }
  void SetTrustedBy(uint64_t number) const { trusted_by_.store(number, std::memory_order_relaxed); }

 private:
  PeerCertificate() = default;

  CertificatePtr leaf_;
  std::vector<CertificatePtr> chain_;
  PeerIdentity identity_;
  absl::Time not_after_;
  mutable std::atomic<uint64_t> trusted_by_{0};
};

using PeerCertificatePtr = std::shared_ptr<const PeerCertificate>;

// Looks at the peers of open connections again: certificates expire, are revoked, and lose their root. Cheap to ask.
// Thread-safe.
//
//   absl::StatusOr<PeerCertificatePtr> peer = inspector.Inspect(*context.auth_context());   // at each call
//   absl::Status still = inspector.Check(**peer);                                           // as often as you like
class PeerInspector {
 public:
  // `clock` outlives it.
  PeerInspector(std::shared_ptr<CertificateSource> source, const Clock* clock);

  // Whose connection it is. UNAUTHENTICATED: not authenticated by TLS, or as of PeerTrust::CheckAgain.
  absl::StatusOr<PeerCertificatePtr> Inspect(const grpc::AuthContext& context);
  // As PeerTrust::CheckAgain, with what is trusted now.
  absl::Status Check(const PeerCertificate& peer) const;

  // A connection's certificate is parsed at its first call only; so many are kept.
  static constexpr size_t kCertificatesMax = 4096;

 private:
  absl::StatusOr<PeerCertificatePtr> Find(const grpc::AuthContext& context);

  const std::shared_ptr<CertificateSource> source_;
  const Clock* const clock_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, PeerCertificatePtr> by_pem_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mvmd

#endif  // MVMD_CERTS_PEER_CERTIFICATE_H_
