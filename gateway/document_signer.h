// Puts proofs into documents as they are served.
#ifndef MVMD_GATEWAY_DOCUMENT_SIGNER_H_
#define MVMD_GATEWAY_DOCUMENT_SIGNER_H_

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "certs/signing_key.h"
#include "gateway/gateway_metrics.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "runtime/clock.h"

namespace mvmd {

// Holds the gateway's key, which may be replaced while it signs. Thread-safe. Without a key, everything is
// FAILED_PRECONDITION (reason NO_SIGNING_KEY).
class DocumentSigner {
 public:
  // Both outlive it.
  DocumentSigner(const Clock* clock, GatewayMetrics* metrics) : clock_(clock), metrics_(metrics) {}

  // What is signed from now on is signed with this key; null: with none.
  void SetKey(std::shared_ptr<const SigningKey> key);

  absl::Status CheckKey() const { return Key().status(); }
  absl::Status TellKey(mvmd::twin::v1alpha1::GetSigningKeyResponse* response) const;
  // `canonical`, which must be there, becomes the signed document, and `etag`, if there is one, that of the signed
  // bytes. Goes through a tree: not for a thread that must not be held.
  absl::Status Sign(mvmd::twin::v1alpha1::TwinDocument* document) const;

 private:
  absl::StatusOr<std::shared_ptr<const SigningKey>> Key() const;

  const Clock* const clock_;
  GatewayMetrics* const metrics_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const SigningKey> key_ ABSL_GUARDED_BY(mutex_);  // null: none
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_DOCUMENT_SIGNER_H_
