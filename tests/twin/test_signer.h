// Signs with a key that is known, as gateways do with theirs.
#ifndef MVMD_TESTS_TWIN_TEST_SIGNER_H_
#define MVMD_TESTS_TWIN_TEST_SIGNER_H_

#include <openssl/evp.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "twin/data_integrity.h"
#include "twin/ed25519.h"

namespace mvmd {

class TestSigner {
 public:
  // Of the 32 bytes of a secret key (RFC 8032, section 5.1.5).
  explicit TestSigner(absl::string_view seed)
      : key_(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                          reinterpret_cast<const unsigned char*>(seed.data()), seed.size()),
             EVP_PKEY_free) {
    if (key_ == nullptr) std::abort();
  }

  Ed25519PublicKey public_key() const {
    std::string bytes(kEd25519KeyBytes, '\0');
    size_t size = bytes.size();
    EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(bytes.data()), &size);
    return *Ed25519PublicKey::FromBytes(bytes);
  }
  std::string Sign(absl::string_view message) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    std::string signature(kEd25519SignatureBytes, '\0');
    size_t size = signature.size();
    EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get());
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                   reinterpret_cast<const unsigned char*>(message.data()), message.size());
    return signature;
  }
  Json Signed(Json document, int64_t created_unix_ns) const {
    return *AddProof(std::move(document), public_key(), created_unix_ns,
                     [this](absl::string_view message) -> absl::StatusOr<std::string> { return Sign(message); });
  }

 private:
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_TWIN_TEST_SIGNER_H_
