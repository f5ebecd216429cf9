// Ed25519 public keys: their names as did:key, and signatures checked with them.
#ifndef MVMD_TWIN_ED25519_H_
#define MVMD_TWIN_ED25519_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mvmd {

inline constexpr size_t kEd25519KeyBytes = 32;
inline constexpr size_t kEd25519SignatureBytes = 64;

// A public key, and its names. Immutable, thread-safe.
//
//   absl::StatusOr<Ed25519PublicKey> key = Ed25519PublicKey::FromDid("did:key:z6Mk...");
//   if (key.ok() && key->Verifies(message, signature)) ...
class Ed25519PublicKey {
 public:
  // 32 bytes (RFC 8032, section 5.1.2). INVALID_ARGUMENT for another number of them, for a y that is not reduced (two
  // texts would name one key), and for a point of small order (with such a key a signature fits many messages).
  static absl::StatusOr<Ed25519PublicKey> FromBytes(absl::string_view bytes);
  // Multikey: `z`, and base58btc of 0xed 0x01 and the key (Controlled Identifiers 1.0, section 2.2.2).
  static absl::StatusOr<Ed25519PublicKey> FromMultibase(absl::string_view text);
  // `did:key:z6Mk...`.
  static absl::StatusOr<Ed25519PublicKey> FromDid(absl::string_view did);
  // `did:key:z6Mk...#z6Mk...`, both parts the same key.
  static absl::StatusOr<Ed25519PublicKey> FromVerificationMethod(absl::string_view url);

  const std::string& bytes() const { return bytes_; }
  std::string Multibase() const;
  std::string Did() const;
  std::string VerificationMethod() const;

  // RFC 8032, section 5.1.7, by OpenSSL: false for an S that is not reduced, so that nobody can make a second signature
  // out of one.
  bool Verifies(absl::string_view message, absl::string_view signature) const;

  friend bool operator==(const Ed25519PublicKey& a, const Ed25519PublicKey& b) { return a.bytes_ == b.bytes_; }

 private:
  explicit Ed25519PublicKey(absl::string_view bytes) : bytes_(bytes) {}
  std::string bytes_;
};

}  // namespace mvmd

#endif  // MVMD_TWIN_ED25519_H_
