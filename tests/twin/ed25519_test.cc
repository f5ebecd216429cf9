#include "twin/ed25519.h"

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/twin/test_signer.h"
#include "twin/base58.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;

// Key pair of Data Integrity EdDSA Cryptosuites 1.0, section B.
constexpr char kPublicKey[] = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";
constexpr char kSecretKey[] = "3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq";

std::string FromHex(absl::string_view hex) { return absl::HexStringToBytes(hex); }

TestSigner TestKey() { return TestSigner(DecodeBase58(kSecretKey)->substr(2)); }

TEST(Base58Test, WritesAndReadsWhatOthersDo) {
  // draft-msporny-base58, section 5.
  EXPECT_EQ(EncodeBase58("Hello World!"), "2NEpo7TZRRrLZSi2U");
  EXPECT_EQ(EncodeBase58("The quick brown fox jumps over the lazy dog."),
            "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z");
  EXPECT_EQ(EncodeBase58(FromHex("0000287fb4cd")), "11233QC4");
  EXPECT_EQ(DecodeBase58("11233QC4"), FromHex("0000287fb4cd"));
}

TEST(Base58Test, GivesBackEveryByte) {
  for (const size_t size : {0, 1, 2, 31, 32, 64, 100}) {
    for (const int fill : {0, 1, 57, 58, 255}) {
      const std::string bytes(size, static_cast<char>(fill));
      EXPECT_EQ(DecodeBase58(EncodeBase58(bytes)), bytes) << size << " of " << fill;
    }
  }
}

TEST(Base58Test, RefusesWhatIsNoBase58) {
  for (const char* text : {"0", "O", "I", "l", "+", " 1", "1\n", "\xc3\xa9"}) {
    EXPECT_FALSE(DecodeBase58(text).has_value()) << text;
  }
  EXPECT_FALSE(DecodeBase58(absl::string_view("1\0", 2)).has_value());
  EXPECT_TRUE(DecodeBase58(std::string(kBase58TextMax, 'z')).has_value());
  EXPECT_FALSE(DecodeBase58(std::string(kBase58TextMax + 1, 'z')).has_value());
}

TEST(Ed25519PublicKeyTest, HasOneNameOfEachKind) {
  const Ed25519PublicKey key = TestKey().public_key();
  EXPECT_EQ(key.Multibase(), kPublicKey);
  EXPECT_EQ(key.Did(), absl::StrCat("did:key:", kPublicKey));
  EXPECT_EQ(key.VerificationMethod(), absl::StrCat("did:key:", kPublicKey, "#", kPublicKey));
  EXPECT_EQ(*Ed25519PublicKey::FromMultibase(key.Multibase()), key);
  EXPECT_EQ(*Ed25519PublicKey::FromDid(key.Did()), key);
  EXPECT_EQ(*Ed25519PublicKey::FromVerificationMethod(key.VerificationMethod()), key);
}

TEST(Ed25519PublicKeyTest, SaysWhatIsNoKey) {
  const auto error = [](const std::string& url) {
    return std::string(Ed25519PublicKey::FromVerificationMethod(url).status().message());
  };
  const std::string did = absl::StrCat("did:key:", kPublicKey);
  EXPECT_THAT(error(""), HasSubstr("got \"\""));
  EXPECT_THAT(error(did), HasSubstr("expected did:key:z6Mk...#z6Mk..."));
  EXPECT_THAT(error("did:web:example.com#key-1"), HasSubstr("no other key is known offline, got \"did:web"));
  EXPECT_THAT(error(did + "#"), HasSubstr("expected the DID's own key behind #"));
  EXPECT_THAT(error(did + "#" + kPublicKey + "#"), HasSubstr("own key behind #"));
  EXPECT_THAT(error(did + "#z6MkjLrk3gKS2nnkeWcmcxiZPGskmesDpuwRBorgHxUXfxnG"), HasSubstr("own key behind #"));
  EXPECT_THAT(error("did:key:m6Mk#m6Mk"), HasSubstr("base58btc, which begins with z"));
  EXPECT_THAT(error("did:key:z0OIl#z0OIl"), HasSubstr("expected a key in base58btc"));
  // P-256 and X25519 keys, of the did:key specification's examples.
  EXPECT_THAT(error("did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169#x"), HasSubstr("another kind"));
  EXPECT_THAT(error("did:key:z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F#x"), HasSubstr("another kind"));
  const std::string short_key = absl::StrCat("z", EncodeBase58("\xed\x01 too short"));
  EXPECT_THAT(error(absl::StrCat("did:key:", short_key, "#", short_key)), HasSubstr("of 32 bytes, got 10"));
  EXPECT_THAT(error(absl::StrCat("did:key:z", std::string(100000, 'z'), "#")), HasSubstr("expected a key"));
  EXPECT_LT(error(std::string(100000, 'z')).size(), 400u);
  EXPECT_THAT(std::string(Ed25519PublicKey::FromDid(TestKey().public_key().VerificationMethod()).status().message()),
              HasSubstr("ends before its #"));
}

// RFC 8032, section 7.1, tests 1 and 2.
TEST(Ed25519PublicKeyTest, VerifiesTheSignaturesOfTheStandard) {
  const auto key =
      Ed25519PublicKey::FromBytes(FromHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
  const std::string signature = FromHex(
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595"
      "bbe24655141438e7a100b");
  EXPECT_TRUE(key->Verifies("", signature));
  EXPECT_FALSE(key->Verifies("x", signature));
  EXPECT_FALSE(key->Verifies("", signature.substr(1)));
  EXPECT_FALSE(key->Verifies("", ""));
  EXPECT_FALSE(TestKey().public_key().Verifies("", signature));
  const auto other =
      Ed25519PublicKey::FromBytes(FromHex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
  EXPECT_TRUE(other->Verifies(
      "\x72",
      FromHex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2"
              "eaeb4302aeeb00d291612bb0c00")));
}

// S + L would verify where only the equation is looked at: a second signature of the same message.
TEST(Ed25519PublicKeyTest, RefusesAnSThatIsNotReduced) {
  const std::string order = FromHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  const TestSigner signer = TestKey();
  std::string signature = signer.Sign("message");
  ASSERT_TRUE(signer.public_key().Verifies("message", signature));
  unsigned carry = 0;
  for (size_t i = 0; i < 32; ++i) {
    carry += static_cast<unsigned char>(signature[32 + i]) + static_cast<unsigned char>(order[i]);
    signature[32 + i] = static_cast<char>(carry & 0xff);
    carry >>= 8;
  }
  ASSERT_EQ(carry, 0u);
  EXPECT_FALSE(signer.public_key().Verifies("message", signature));
}

// With such a key, the signature (R, S) = (the neutral element, 0) fits one message in eight at least.
TEST(Ed25519PublicKeyTest, RefusesKeysOfSmallOrderThatOpenSslTakes) {
  const std::string everything = FromHex(absl::StrCat("01", std::string(126, '0')));
  for (const char* y : {"0000000000000000000000000000000000000000000000000000000000000000",
                        "0100000000000000000000000000000000000000000000000000000000000000",
                        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
                        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
    const std::string bytes = FromHex(y);
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> raw(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(bytes.data()),
                                    32),
        EVP_PKEY_free);
    bool verified = false;
    for (int i = 0; i < 256 && !verified; ++i) {
      const std::string message = absl::StrCat(i);
      const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, raw.get());
      verified = EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(everything.data()), 64,
                                  reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
    }
    EXPECT_TRUE(verified) << y << ": not as dangerous as it is said to be";
    for (const char sign : {'\0', '\x80'}) {
      std::string signed_bytes = bytes;
      signed_bytes.back() = static_cast<char>(signed_bytes.back() | sign);
      EXPECT_THAT(std::string(Ed25519PublicKey::FromBytes(signed_bytes).status().message()), HasSubstr("small order"));
    }
  }
}

TEST(Ed25519PublicKeyTest, RefusesASecondTextForAPoint) {
  for (int low = 0xed; low <= 0xff; ++low) {
    std::string bytes(32, '\xff');
    bytes[0] = static_cast<char>(low);
    EXPECT_THAT(std::string(Ed25519PublicKey::FromBytes(bytes).status().message()), HasSubstr("below 2^255 - 19"));
    bytes[31] = '\x7f';
    EXPECT_FALSE(Ed25519PublicKey::FromBytes(bytes).ok());
  }
  std::string below(32, '\xff');
  below[0] = '\xeb';
  EXPECT_TRUE(Ed25519PublicKey::FromBytes(below).ok());
}

}  // namespace
}  // namespace mvmd
