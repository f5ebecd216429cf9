#include "gateway/document_signer.h"

#include <utility>

#include "runtime/status_proto.h"
#include "twin/canonical.h"
#include "twin/data_integrity.h"
#include "twin/json.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

void DocumentSigner::SetKey(std::shared_ptr<const SigningKey> key) {
  absl::MutexLock lock(&mutex_);
  key_ = std::move(key);
}

absl::StatusOr<std::shared_ptr<const SigningKey>> DocumentSigner::Key() const {
  {
    absl::MutexLock lock(&mutex_);
    if (key_ != nullptr) return key_;
  }
  return MakeError(absl::StatusCode::kFailedPrecondition, "NO_SIGNING_KEY",
                   "this gateway has no key to sign documents with; its operator can set signing.key_file");
}

absl::Status DocumentSigner::TellKey(pb::GetSigningKeyResponse* response) const {
  const auto key = Key();
  if (!key.ok()) return key.status();
  const Ed25519PublicKey& public_key = (*key)->public_key();
  response->set_did(public_key.Did());
  response->set_verification_method(public_key.VerificationMethod());
  response->set_public_key_multibase(public_key.Multibase());
  return absl::OkStatus();
}

absl::Status DocumentSigner::Sign(pb::TwinDocument* document) const {
  const auto key = Key();
  if (!key.ok()) return key.status();
  // A lossless variant may be a level deeper than what was read.
  absl::StatusOr<Json> tree = ParseJson(document->canonical(), kJsonDepthMax + 1);
  if (!tree.ok()) return absl::InternalError("the canonical document cannot be read again");
  const absl::StatusOr<Json> signed_tree =
      AddProof(*std::move(tree), (*key)->public_key(), clock_->UnixNanos(),
               [&key](absl::string_view message) { return (*key)->Sign(message); });
  if (!signed_tree.ok()) return signed_tree.status();
  document->set_canonical(Canonicalize(*signed_tree));
  if (!document->etag().empty()) document->set_etag(Sha256Hex(document->canonical()));
  metrics_->documents_signed.Increment();
  return absl::OkStatus();
}

}  // namespace mvmd
