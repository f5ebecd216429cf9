// The secret key with which the gateway signs documents.
#ifndef MVMD_CERTS_SIGNING_KEY_H_
#define MVMD_CERTS_SIGNING_KEY_H_

#include <memory>
#include <string>

#include <openssl/types.h>
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "twin/ed25519.h"

namespace mvmd {

// An Ed25519 key pair. Immutable, thread-safe.
//
//   absl::StatusOr<std::shared_ptr<const SigningKey>> key = SigningKey::Load("/etc/mvmd/signing.key");
//   Log(LogLevel::kInfo, "signing", {{"did", (*key)->public_key().Did()}});
class SigningKey {
 public:
  // A PEM file with one Ed25519 key (`openssl genpkey -algorithm ed25519`) and no passphrase, readable by its owner
  // only. Errors as of LoadTlsFiles. Blocking.
  static absl::StatusOr<std::shared_ptr<const SigningKey>> Load(const std::string& path);

  const Ed25519PublicKey& public_key() const { return public_key_; }
  // 64 bytes, the same for the same message (RFC 8032). INTERNAL when OpenSSL cannot.
  absl::StatusOr<std::string> Sign(absl::string_view message) const;

 private:
  SigningKey(std::shared_ptr<EVP_PKEY> key, Ed25519PublicKey public_key)
      : key_(std::move(key)), public_key_(std::move(public_key)) {}

  const std::shared_ptr<EVP_PKEY> key_;
  const Ed25519PublicKey public_key_;
};

}  // namespace mvmd

#endif  // MVMD_CERTS_SIGNING_KEY_H_
