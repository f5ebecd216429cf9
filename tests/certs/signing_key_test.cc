#include "certs/signing_key.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test_pki.h"
#include "twin/base58.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// The key of RFC 8032, section 7.1, test 1, as PKCS #8 (RFC 8410).
constexpr char kPem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";

class SigningKeyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/mvmd_key.XXXXXX";
    dir_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  // Path of a file that only its owner may read.
  std::string File(const std::string& text, mode_t mode = 0600) const {
    const std::string path = dir_ + "/signing.key";
    WriteFile(path, text);
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  static std::string ErrorOf(const std::string& path) { return std::string(SigningKey::Load(path).status().message()); }
  // Standard output of openssl.
  std::string OpenSsl(const std::string& arguments) const {
    const std::string path = dir_ + "/made.key";
    EXPECT_EQ(std::system(absl::StrCat("openssl ", arguments, " -out ", path, " 2>/dev/null").c_str()), 0) << arguments;
    return ReadFile(path);
  }

  std::string dir_;
};

TEST_F(SigningKeyTest, SignsAsTheStandardDoes) {
  const auto key = SigningKey::Load(File(kPem));
  ASSERT_TRUE(key.ok()) << key.status();
  const auto signature = (*key)->Sign("");
  ASSERT_TRUE(signature.ok());
  EXPECT_EQ(EncodeBase58((*key)->public_key().bytes()), "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z");
  EXPECT_TRUE((*key)->public_key().Verifies("", *signature));
  EXPECT_EQ(*(*key)->Sign(""), *signature);
  EXPECT_EQ(static_cast<unsigned char>((*signature)[0]), 0xe5);
  EXPECT_FALSE((*key)->public_key().Verifies("other", *signature));
}

TEST_F(SigningKeyTest, TakesWhatOpenSslMakes) {
  const auto key = SigningKey::Load(File(OpenSsl("genpkey -algorithm ed25519")));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_THAT((*key)->public_key().Did(), StartsWith("did:key:z6Mk"));
}

TEST_F(SigningKeyTest, TakesTheKeyOfTheDevelopmentPki) {
  const auto key = SigningKey::Load(TestPki::Shared().Path("signing.key"));
  EXPECT_TRUE(key.ok()) << key.status();
}

TEST_F(SigningKeyTest, RefusesKeysOfAnotherKind) {
  EXPECT_THAT(ErrorOf(File(OpenSsl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"))),
              HasSubstr("expected an Ed25519 key, got EC; make one with openssl genpkey -algorithm ed25519"));
  EXPECT_THAT(ErrorOf(File(OpenSsl("genpkey -algorithm x25519"))), HasSubstr("got X25519"));
  EXPECT_THAT(ErrorOf(File(OpenSsl("genpkey -algorithm ed448"))), HasSubstr("got ED448"));
  EXPECT_THAT(ErrorOf(File(OpenSsl("genpkey -algorithm ed25519 -aes256 -pass pass:secret"))),
              HasSubstr("got an encrypted one"));
}

TEST_F(SigningKeyTest, RefusesFilesThatAreNoKeyOrNotSecret) {
  EXPECT_THAT(ErrorOf(dir_ + "/none.key"), HasSubstr("none.key: expected an Ed25519 private key, got"));
  EXPECT_THAT(ErrorOf(dir_), HasSubstr("no regular file"));
  EXPECT_THAT(ErrorOf(File("")), HasSubstr("got an empty file"));
  EXPECT_THAT(ErrorOf(File("text")), HasSubstr("expected a private key in PEM"));
  const std::string damaged = absl::StrCat(std::string(kPem).substr(0, 60), "\n-----END PRIVATE KEY-----\n");
  EXPECT_THAT(ErrorOf(File(damaged)), HasSubstr("expected a private key in PEM"));
  for (const mode_t mode : {0640, 0604, 0644, 0620}) {
    EXPECT_THAT(ErrorOf(File(kPem, mode)), HasSubstr("only its owner may read")) << mode;
  }
}

}  // namespace
}  // namespace mvmd
