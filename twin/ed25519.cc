#include "twin/ed25519.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "twin/base58.h"

namespace mvmd {
namespace {

constexpr char kDidPrefix[] = "did:key:";
// Multicodec `ed25519-pub`, 0xed as a varint.
constexpr absl::string_view kMulticodec("\xed\x01", 2);
// Of text in messages.
constexpr size_t kToldBytesMax = 100;

// y of the points whose order divides 8, little-endian: order 4, 1, 8, 8 and 2. Those that are not reduced are refused
// before.
constexpr absl::string_view kSmallOrder[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

struct Deleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

absl::string_view Told(absl::string_view text) { return text.substr(0, kToldBytesMax); }

const unsigned char* Unsigned(absl::string_view bytes) { return reinterpret_cast<const unsigned char*>(bytes.data()); }

// `y` has 32 bytes and no sign bit. p is 2^255 - 19.
bool IsReduced(absl::string_view y) {
  if (static_cast<unsigned char>(y[0]) < 0xed || y[31] != 0x7f) return true;
  return !std::all_of(y.begin() + 1, y.begin() + 31, [](char byte) { return byte == '\xff'; });
}

}  // namespace

absl::StatusOr<Ed25519PublicKey> Ed25519PublicKey::FromBytes(absl::string_view bytes) {
  if (bytes.size() != kEd25519KeyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected an Ed25519 key of ", kEd25519KeyBytes, " bytes, got ", bytes.size()));
  }
  std::string y(bytes);
  y.back() = static_cast<char>(y.back() & 0x7f);  // without the sign of x
  if (!IsReduced(y)) {
    return absl::InvalidArgumentError("expected an Ed25519 key whose y is below 2^255 - 19, got a larger one");
  }
  if (std::find(std::begin(kSmallOrder), std::end(kSmallOrder), absl::BytesToHexString(y)) != std::end(kSmallOrder)) {
    return absl::InvalidArgumentError(
        "expected an Ed25519 key, got a point of small order, whose signatures say nothing");
  }
  return Ed25519PublicKey(bytes);
}

absl::StatusOr<Ed25519PublicKey> Ed25519PublicKey::FromMultibase(absl::string_view text) {
  if (!absl::StartsWith(text, "z")) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected a key in base58btc, which begins with z, got \"", Told(text), "\""));
  }
  const std::optional<std::string> decoded = DecodeBase58(text.substr(1));
  if (!decoded.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("expected a key in base58btc, got \"", Told(text), "\""));
  }
  absl::string_view key = *decoded;
  if (!absl::ConsumePrefix(&key, kMulticodec)) {
    return absl::InvalidArgumentError(absl::StrCat("expected an Ed25519 key, which begins with z6Mk, got \"",
                                                   Told(text), "\", a key of another kind"));
  }
  return FromBytes(key);
}

absl::StatusOr<Ed25519PublicKey> Ed25519PublicKey::FromDid(absl::string_view did) {
  absl::string_view key = did;
  if (!absl::ConsumePrefix(&key, kDidPrefix)) {
    return absl::InvalidArgumentError(absl::StrCat("expected did:key:z6Mk..., got \"", Told(did), "\""));
  }
  if (absl::StrContains(key, '#')) {
    return absl::InvalidArgumentError(absl::StrCat("expected a DID, which ends before its #, got \"", Told(did), "\""));
  }
  return FromMultibase(key);
}

absl::StatusOr<Ed25519PublicKey> Ed25519PublicKey::FromVerificationMethod(absl::string_view url) {
  const size_t fragment = url.find('#');
  if (!absl::StartsWith(url, kDidPrefix) || fragment == absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected did:key:z6Mk...#z6Mk..., for no other key is known offline, got \"", Told(url), "\""));
  }
  absl::StatusOr<Ed25519PublicKey> key = FromDid(url.substr(0, fragment));
  if (key.ok() && key->Multibase() != url.substr(fragment + 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected the DID's own key behind #, got \"", Told(url.substr(fragment + 1)), "\""));
  }
  return key;
}

std::string Ed25519PublicKey::Multibase() const {
  return absl::StrCat("z", EncodeBase58(absl::StrCat(kMulticodec, bytes_)));
}

std::string Ed25519PublicKey::Did() const { return absl::StrCat(kDidPrefix, Multibase()); }

std::string Ed25519PublicKey::VerificationMethod() const {
  const std::string key = Multibase();
  return absl::StrCat(kDidPrefix, key, "#", key);
}

bool Ed25519PublicKey::Verifies(absl::string_view message, absl::string_view signature) const {
  if (signature.size() != kEd25519SignatureBytes) return false;
  const std::unique_ptr<EVP_PKEY, Deleter> key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Unsigned(bytes_), bytes_.size()));
  const std::unique_ptr<EVP_MD_CTX, Deleter> context(EVP_MD_CTX_new());
  const bool verifies =
      key != nullptr && context != nullptr &&
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
      EVP_DigestVerify(context.get(), Unsigned(signature), signature.size(), Unsigned(message), message.size()) == 1;
  // What does not verify leaves an error that the next user of this thread's queue would take for its own.
  if (!verifies) ERR_clear_error();
  return verifies;
}

}  // namespace mvmd
