#include "certs/signing_key.h"

#include <openssl/evp.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "certs/pem_file.h"
#include "certs/x509.h"

namespace mvmd {
namespace {

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

absl::StatusOr<std::shared_ptr<const SigningKey>> SigningKey::Load(const std::string& path) {
  const absl::StatusOr<std::string> pem = ReadPemFile(path, "an Ed25519 private key", PemSecrecy::kSecret);
  if (!pem.ok()) return pem.status();
  absl::StatusOr<KeyPtr> key = ReadPrivateKey(*pem);
  if (!key.ok()) return absl::Status(key.status().code(), absl::StrCat(path, ": ", key.status().message()));
  if (EVP_PKEY_get_id(key->get()) != EVP_PKEY_ED25519) {
    const char* const kind = EVP_PKEY_get0_type_name(key->get());
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected an Ed25519 key, got ",
                                                   kind == nullptr ? "another one" : kind,
                                                   "; make one with openssl genpkey -algorithm ed25519"));
  }
  std::string bytes(kEd25519KeyBytes, '\0');
  size_t size = bytes.size();
  if (EVP_PKEY_get_raw_public_key(key->get(), reinterpret_cast<unsigned char*>(bytes.data()), &size) != 1) {
    return absl::InternalError(absl::StrCat(path, ": OpenSSL does not tell the public key: ", TakeOpenSslError()));
  }
  absl::StatusOr<Ed25519PublicKey> public_key = Ed25519PublicKey::FromBytes(bytes);
  if (!public_key.ok())
    return absl::Status(public_key.status().code(), absl::StrCat(path, ": ", public_key.status().message()));
  return std::shared_ptr<const SigningKey>(new SigningKey(*std::move(key), *std::move(public_key)));
}

absl::StatusOr<std::string> SigningKey::Sign(absl::string_view message) const {
  const std::unique_ptr<EVP_MD_CTX, ContextDeleter> context(EVP_MD_CTX_new());
  std::string signature(kEd25519SignatureBytes, '\0');
  size_t size = signature.size();
  const bool done = context != nullptr &&
                    EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
                    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                                   reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
  if (!done || size != signature.size()) {
    return absl::InternalError(absl::StrCat("OpenSSL cannot sign: ", TakeOpenSslError()));
  }
  return signature;
}

}  // namespace mvmd
