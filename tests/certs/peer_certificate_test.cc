#include "certs/peer_certificate.h"

#include <optional>
#include <string>

#include "certs/peer_trust.h"
#include "gtest/gtest.h"
#include "runtime/status_proto.h"
#include "test_pki.h"

namespace mvmd {
namespace {

PeerCertificatePtr Read(const TestPki& pki, const std::string& name, bool with_chain = true) {
  const std::string leaf = ReadFile(pki.Path(name + ".crt"));
  absl::StatusOr<PeerCertificatePtr> peer =
      PeerCertificate::Make(leaf, with_chain ? std::optional<absl::string_view>("") : std::nullopt);
  EXPECT_TRUE(peer.ok()) << peer.status();
  return *peer;
}

std::shared_ptr<const PeerTrust> TrustOf(const TestPki& pki) {
  return *PeerTrust::Make(ReadFile(pki.Path("ca.crt")), ReadFile(pki.Path("ca.crl")));
}

TEST(PeerCertificateTest, TellsTheNameAndTheEnd) {
  const PeerCertificatePtr peer = Read(TestPki::Shared(), "bridge-robots");
  EXPECT_EQ(peer->identity().spiffe_id, "spiffe://plant.example/bridge/robots");
  EXPECT_GT(peer->not_after(), absl::Now() + absl::Hours(24 * 29));
  const std::string leaf = ReadFile(TestPki::Shared().Path("bridge-robots.crt"));
  EXPECT_EQ((*PeerCertificate::Make(leaf, leaf))->chain().size(), 1u) << "with or without the leaf";
  EXPECT_EQ(peer->chain().size(), 1u);
  EXPECT_EQ((*PeerCertificate::Make(leaf, std::nullopt))->chain().size(), 0u);
  EXPECT_EQ(PeerCertificate::Make("hello", "").status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(PeerCertificate::Make(ReadFile(TestPki::Shared().Path("mqtt.crt")), "").status().code(),
            absl::StatusCode::kUnauthenticated)
      << "no URI";
}

TEST(PeerTrustAgainTest, KnowsWhatHasExpired) {
  const TestPki pki;
  const absl::Time end = absl::Now() + absl::Hours(1);
  const PeerCertificatePtr peer =
      Read(pki, pki.Issue("short", {.sans = "URI:spiffe://plant.example/bridge/short", .not_after = end}));
  const auto trust = TrustOf(pki);
  EXPECT_EQ(trust->CheckAgain(*peer, end - absl::Seconds(2)), absl::OkStatus());
  const absl::Status status = trust->CheckAgain(*peer, end + absl::Seconds(2));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ReasonOf(status), "CERTIFICATE_EXPIRED");
}

TEST(PeerTrustAgainTest, KnowsWhatWasRevoked) {
  const TestPki pki;
  const PeerCertificatePtr press = Read(pki, "bridge-press");
  const PeerCertificatePtr robots = Read(pki, "bridge-robots", /*with_chain=*/false);
  EXPECT_EQ(TrustOf(pki)->CheckAgain(*press, absl::Now()), absl::OkStatus());
  ASSERT_EQ(pki.Run("--revoke bridge-press"), 0);
  const auto trust = TrustOf(pki);
  // Asked twice: what is remembered must be of the list that is used now.
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ReasonOf(trust->CheckAgain(*press, absl::Now())), "CERTIFICATE_REVOKED");
    EXPECT_EQ(trust->CheckAgain(*robots, absl::Now()), absl::OkStatus());
  }
}

TEST(PeerTrustAgainTest, KnowsWhenItsRootIsGone) {
  const TestPki pki;
  const TestPki other;
  const PeerCertificatePtr robots = Read(pki, "bridge-robots");
  const std::string ours = ReadFile(pki.Path("ca.crt"));
  const std::string others = ReadFile(other.Path("ca.crt"));
  EXPECT_EQ((*PeerTrust::Make(ours + others, ""))->CheckAgain(*robots, absl::Now()), absl::OkStatus());
  EXPECT_EQ(ReasonOf((*PeerTrust::Make(others, ""))->CheckAgain(*robots, absl::Now())), "CERTIFICATE_NOT_TRUSTED");
  EXPECT_EQ((*PeerTrust::Make(others, ""))->CheckAgain(*Read(pki, "bridge-robots", false), absl::Now()),
            absl::OkStatus())
      << "without its chain it cannot be told";
}

TEST(PeerTrustAgainTest, AListThatIsOutOfDateThrowsNobodyOut) {
  const TestPki& pki = TestPki::Shared();
  const std::string leaf = ReadFile(pki.Path("bridge-robots.crt"));
  const absl::Time later = absl::Now() + absl::Hours(3);
  const auto trust = *PeerTrust::Make(ReadFile(pki.Path("ca.crt")), ReadFile(pki.Path("ca.crl")), absl::Hours(2));
  EXPECT_TRUE(trust->CheckClient(leaf, "", absl::Now()).ok());
  EXPECT_FALSE(trust->CheckClient(leaf, "", later).ok()) << "but lets nobody in";
  EXPECT_EQ(trust->CheckAgain(*Read(pki, "bridge-robots"), later), absl::OkStatus());
}

}  // namespace
}  // namespace mvmd
