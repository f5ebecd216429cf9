#include "certs/tls_files.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "certs/pem_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/config.h"
#include "test_pki.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Each test spoils its own copy.
class LoadTlsFilesTest : public ::testing::Test {
 protected:
  std::string ErrorOf(const mvmd::twin::v1alpha1::TlsFiles& files, absl::Time now = absl::Now()) {
    const absl::StatusOr<TlsMaterial> material = LoadTlsFiles(files, now);
    return material.ok() ? "" : std::string(material.status().message());
  }

  TestPki pki_;
  mvmd::twin::v1alpha1::TlsFiles files_ = pki_.Files("bridge-robots");
};

TEST_F(LoadTlsFilesTest, ReadsAGoodSet) {
  const absl::StatusOr<TlsMaterial> material = LoadTlsFiles(files_, absl::Now());
  ASSERT_TRUE(material.ok()) << material.status();
  EXPECT_THAT(material->warnings, IsEmpty());
  EXPECT_GT(material->not_after, absl::Now() + absl::Hours(24 * 29));
  EXPECT_EQ(material->key_pem, ReadFile(files_.key_file()));
  EXPECT_EQ(material->crl_pem, ReadFile(files_.crl_file()));
}

TEST_F(LoadTlsFilesTest, RefusesAKeyThatOthersMayRead) {
  chmod(files_.key_file().c_str(), 0640);
  EXPECT_THAT(ErrorOf(files_),
              HasSubstr("bridge-robots.key: expected a file that only its owner may read, got mode 0640; run "
                        "chmod 600 "));
}

// As Kubernetes makes it with fsGroup.
TEST_F(LoadTlsFilesTest, OneGroupMayReadTheKeyWhenItIsNamed) {
  struct stat info {};
  ASSERT_EQ(stat(files_.key_file().c_str(), &info), 0);
  files_.set_key_group(absl::StrCat(info.st_gid));
  for (const mode_t mode : {0600, 0400, 0640, 0440}) {
    chmod(files_.key_file().c_str(), mode);
    EXPECT_EQ(ErrorOf(files_), "") << mode;
  }
  for (const mode_t mode : {0660, 0650, 0644, 0604, 0666, 0601}) {
    chmod(files_.key_file().c_str(), mode);
    EXPECT_THAT(ErrorOf(files_), HasSubstr("expected a file that only its owner and the group ")) << mode;
  }
  chmod(files_.key_file().c_str(), 0640);
  files_.set_key_group(absl::StrCat(info.st_gid + 1));
  EXPECT_THAT(ErrorOf(files_), HasSubstr(absl::StrCat("got mode 0640 and group ", info.st_gid)));
  files_.set_key_group("no-such-group");
  EXPECT_THAT(ErrorOf(files_), HasSubstr("key_group: expected the name or number of a group"));
  chmod(files_.key_file().c_str(), 0600);
  EXPECT_EQ(ErrorOf(files_), "") << "the owner alone is always fine";
}

TEST_F(LoadTlsFilesTest, RefusesAChainThatDoesNotBelongTogether) {
  const std::string leaf = ReadFile(files_.certificate_file());
  const std::string ca = ReadFile(pki_.Path("ca.crt"));
  WriteFile(files_.certificate_file(), leaf + ca);
  EXPECT_EQ(ErrorOf(files_), "");
  const TestPki other;
  for (const std::string& text :
       {leaf + ReadFile(other.Path("ca.crt")), leaf + ReadFile(pki_.Path("bridge-press.crt")), leaf + ca + leaf}) {
    WriteFile(files_.certificate_file(), text);
    EXPECT_THAT(ErrorOf(files_), HasSubstr("expected each certificate to be issued by the next one"));
  }
}

TEST_F(LoadTlsFilesTest, ARevocationListIsUsedAsLongAsItsAgeSays) {
  const absl::StatusOr<TlsMaterial> material = LoadTlsFiles(files_, absl::Now());
  ASSERT_TRUE(material.ok()) << material.status();
  EXPECT_GT(material->crl_next_update, absl::Now() + absl::Hours(24 * 29));
  *files_.mutable_crl_max_age() = ToProtoDuration(absl::Hours(2));
  const absl::StatusOr<TlsMaterial> limited = LoadTlsFiles(files_, absl::Now());
  ASSERT_TRUE(limited.ok()) << limited.status();
  EXPECT_LT(limited->crl_next_update, absl::Now() + absl::Hours(3));
  EXPECT_THAT(LoadTlsFiles(files_, absl::Now() + absl::Hours(3))->warnings, ElementsAre(HasSubstr("is out of date")));
  *files_.mutable_crl_max_age() = ToProtoDuration(absl::ZeroDuration());
  EXPECT_THAT(ErrorOf(files_), HasSubstr("crl_max_age: expected a duration above 0"));
}

TEST_F(LoadTlsFilesTest, RefusesTheKeyOfAnother) {
  files_.set_key_file(pki_.Path("bridge-press.key"));
  EXPECT_THAT(ErrorOf(files_), HasSubstr("bridge-press.key: expected the key of "));
  EXPECT_THAT(ErrorOf(files_), HasSubstr("(CN=bridge-robots), got the key of another"));
}

TEST_F(LoadTlsFilesTest, RefusesWhatIsNotThere) {
  std::filesystem::remove(files_.certificate_file());
  EXPECT_THAT(ErrorOf(files_), HasSubstr("bridge-robots.crt: expected a certificate, got: No such file"));
  EXPECT_EQ(LoadTlsFiles(files_, absl::Now()).status().code(), absl::StatusCode::kNotFound);
  files_.clear_certificate_file();
  EXPECT_THAT(ErrorOf(files_), HasSubstr("certificate_file: expected the file of the certificate, got nothing"));
  files_.clear_ca_file();
  EXPECT_THAT(ErrorOf(files_), HasSubstr("ca_file: expected the file of the roots, got nothing"));
}

TEST_F(LoadTlsFilesTest, RefusesDamage) {
  const std::string certificate = ReadFile(files_.certificate_file());
  for (const std::string& text :
       {std::string(), std::string("hello"), certificate.substr(0, certificate.size() / 2), ReadFile(files_.key_file()),
        certificate + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
    WriteFile(files_.certificate_file(), text);
    EXPECT_THAT(ErrorOf(files_), HasSubstr("bridge-robots.crt: expected a certificate in PEM, got ")) << text;
  }
}

TEST_F(LoadTlsFilesTest, RefusesADamagedKeyWithoutQuotingIt) {
  const std::string key = ReadFile(files_.key_file());
  for (const std::string& text :
       {std::string(), std::string("hello"), key.substr(0, key.size() / 2), ReadFile(pki_.Path("ca.crt"))}) {
    WriteFile(files_.key_file(), text);
    EXPECT_THAT(ErrorOf(files_), HasSubstr("bridge-robots.key: expected a private key in PEM without a passphrase"))
        << text;
  }
}

TEST_F(LoadTlsFilesTest, RefusesFilesThatAreTooLargeOrNone) {
  WriteFile(files_.ca_file(), std::string(kPemFileBytesMax + 1, '\n'));
  EXPECT_THAT(ErrorOf(files_), HasSubstr("ca.crt: expected at most 1048576 bytes, got more"));
  files_.set_ca_file(pki_.dir());
  EXPECT_THAT(ErrorOf(files_), HasSubstr("got no regular file"));
}

TEST_F(LoadTlsFilesTest, RefusesDatesThatDoNotFit) {
  EXPECT_THAT(ErrorOf(files_, absl::Now() + absl::Hours(24 * 31)), HasSubstr("; renew it"));
  EXPECT_THAT(ErrorOf(files_, absl::Now() - absl::Hours(24)), HasSubstr("; check the clock"));
}

TEST_F(LoadTlsFilesTest, WarnsBeforeTheEnd) {
  const absl::StatusOr<TlsMaterial> material = LoadTlsFiles(files_, absl::Now() + absl::Hours(24 * 29));
  ASSERT_TRUE(material.ok()) << material.status();
  EXPECT_THAT(material->warnings, ElementsAre(HasSubstr("bridge-robots.crt: expires at ")));
}

TEST_F(LoadTlsFilesTest, WarnsOfAChainToAnotherRoot) {
  const TestPki other;
  files_.set_ca_file(other.Path("ca.crt"));
  files_.clear_crl_file();
  const absl::StatusOr<TlsMaterial> material = LoadTlsFiles(files_, absl::Now());
  ASSERT_TRUE(material.ok()) << material.status();
  EXPECT_THAT(material->warnings, ElementsAre(HasSubstr("does not lead to a root of ")));
}

TEST_F(LoadTlsFilesTest, RefusesTheCrlOfAnotherCa) {
  const TestPki other;
  files_.set_crl_file(other.Path("ca.crl"));
  EXPECT_THAT(ErrorOf(files_), HasSubstr("ca.crl: expected a revocation list signed by a certificate of the CA file"));
  WriteFile(pki_.Path("ca.crl"), "hello");
  files_.set_crl_file(pki_.Path("ca.crl"));
  EXPECT_THAT(ErrorOf(files_), HasSubstr("ca.crl: expected a certificate revocation list in PEM, got none"));
}

TEST_F(LoadTlsFilesTest, OptionalIdentityMayBeMissing) {
  files_.clear_certificate_file();
  files_.clear_key_file();
  const absl::StatusOr<TlsMaterial> material = LoadTlsFiles(files_, absl::Now(), TlsIdentity::kOptional);
  ASSERT_TRUE(material.ok()) << material.status();
  EXPECT_EQ(material->certificate_pem, "");
  files_.set_key_file("x");
  EXPECT_FALSE(LoadTlsFiles(files_, absl::Now(), TlsIdentity::kOptional).ok());
}

TEST(ResolveTlsFilesTest, IsRelativeToTheConfig) {
  mvmd::twin::v1alpha1::TlsFiles files;
  files.set_ca_file("ca.crt");
  files.set_key_file("/secret/key");
  files = ResolveTlsFiles("/etc/mvmd/bridge.yaml", files);
  EXPECT_EQ(files.ca_file(), "/etc/mvmd/ca.crt");
  EXPECT_EQ(files.key_file(), "/secret/key");
  EXPECT_EQ(files.crl_file(), "");
}

}  // namespace
}  // namespace mvmd
