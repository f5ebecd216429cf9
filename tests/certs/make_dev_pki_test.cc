#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "certs/x509.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test_pki.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MakeDevPkiTest, KeysAreTheOwnersAlone) {
  for (const auto& entry : std::filesystem::directory_iterator(TestPki::Shared().dir())) {
    struct stat info {};
    ASSERT_EQ(stat(entry.path().c_str(), &info), 0);
    if (entry.path().extension() == ".key") {
      EXPECT_EQ(info.st_mode & 0777U, 0600U) << entry.path();
    }
  }
}

TEST(MakeDevPkiTest, NamesAreAsDocumented) {
  const auto names = [](const std::string& name) {
    return NamesOf(ReadCertificates(ReadFile(TestPki::Shared().Path(name + ".crt")))->front().get());
  };
  EXPECT_EQ(names("gateway"), "DNS:localhost, DNS:mvmd-gateway, IP:127.0.0.1, URI:spiffe://plant.example/gateway/dev");
  EXPECT_EQ(names("mqtt"), "DNS:localhost, IP:127.0.0.1");
  EXPECT_EQ(names("bridge-robots"), "URI:spiffe://plant.example/bridge/robots");
  EXPECT_EQ(names("client-viewer"), "URI:spiffe://plant.example/client/viewer");
}

TEST(MakeDevPkiTest, SecondRunChangesNothing) {
  const TestPki pki;
  const auto files = [&pki] {
    return ReadFile(pki.Path("gateway.crt")) + ReadFile(pki.Path("ca.crl")) + ReadFile(pki.Path("signing.key"));
  };
  const std::string before = files();
  std::string output;
  EXPECT_EQ(pki.Run("--bridges robots,press --clients viewer", &output), 0);
  EXPECT_THAT(output, Not(HasSubstr("made")));
  EXPECT_EQ(files(), before);
}

TEST(MakeDevPkiTest, RenewsWhatIsDamaged) {
  const TestPki pki;
  WriteFile(pki.Path("gateway.crt"), "");
  WriteFile(pki.Path("signing.key"), "damaged");
  std::filesystem::copy_file(pki.Path("bridge-robots.key"), pki.Path("bridge-press.key"),
                             std::filesystem::copy_options::overwrite_existing);
  std::string output;
  EXPECT_EQ(pki.Run("--bridges robots,press --clients viewer", &output), 0);
  EXPECT_THAT(output, HasSubstr("made  gateway.crt"));
  EXPECT_THAT(output, HasSubstr("made  signing.key"));
  EXPECT_THAT(output, HasSubstr("made  bridge-press.crt"));
  EXPECT_THAT(output, HasSubstr("kept  bridge-robots.crt"));
  EXPECT_TRUE(LoadTlsFiles(pki.Files("gateway"), absl::Now()).ok());
}

TEST(MakeDevPkiTest, IssuesOneMore) {
  const TestPki pki;
  EXPECT_EQ(pki.Run("--issue bridge:welding --days 2"), 0);
  const absl::StatusOr<TlsMaterial> material = LoadTlsFiles(pki.Files("bridge-welding"), absl::Now());
  ASSERT_TRUE(material.ok()) << material.status();
  EXPECT_LT(material->not_after, absl::Now() + absl::Hours(49));
}

TEST(MakeDevPkiTest, RefusesWhatItDoesNotKnow) {
  const TestPki& pki = TestPki::Shared();
  for (const char* arguments :
       {"--bridges", "--frob", "--days 0", "--days x", "--bridges 'a;b'", "--bridges ..", "--clients 'a/b'",
        "--issue robots", "--issue frob:x", "--issue bridge:", "--revoke nobody", "--revoke ../x",
        "--trust-domain 'A b'", "extra-dir", "--hosts 'a,URI:x'"}) {
    std::string output;
    EXPECT_EQ(pki.Run(arguments, &output), 2) << arguments << ": " << output;
    EXPECT_THAT(output, HasSubstr("make_dev_pki.sh: ")) << arguments;
  }
}

}  // namespace
}  // namespace mvmd
