#include "certs/peer_trust.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test_pki.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;

constexpr char kRobots[] = "spiffe://plant.example/bridge/robots";

std::shared_ptr<const PeerTrust> TrustOf(const TestPki& pki) {
  return *PeerTrust::Make(ReadFile(pki.Path("ca.crt")), ReadFile(pki.Path("ca.crl")));
}

std::string ClientError(const TestPki& pki, const std::string& name, absl::Time now = absl::Now()) {
  const auto identity = TrustOf(pki)->CheckClient(ReadFile(pki.Path(name + ".crt")), "", now);
  return identity.ok() ? "" : std::string(identity.status().message());
}

std::string ServerError(const TestPki& pki, const std::string& name, const std::string& server_name) {
  return std::string(
      TrustOf(pki)->CheckServer(ReadFile(pki.Path(name + ".crt")), "", server_name, absl::Now()).message());
}

TEST(PeerTrustTest, KnowsAGoodClient) {
  const TestPki& pki = TestPki::Shared();
  const auto identity = TrustOf(pki)->CheckClient(ReadFile(pki.Path("bridge-robots.crt")), "", absl::Now());
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->spiffe_id, kRobots);
}

TEST(PeerTrustTest, RefusesOddClients) {
  const TestPki pki;
  const auto error = [&pki](const TestPki::Leaf& leaf) { return ClientError(pki, pki.Issue("odd", leaf)); };
  const std::string uri = std::string("URI:") + kRobots;
  EXPECT_EQ(error({.sans = uri}), "");
  EXPECT_EQ(error({.sans = uri + ",DNS:edge.example"}), "");
  EXPECT_THAT(error({.sans = uri + ",URI:spiffe://plant.example/bridge/press"}), HasSubstr("exactly one URI among"));
  EXPECT_THAT(error({.sans = uri + "," + uri}), HasSubstr("got 2"));
  EXPECT_THAT(error({.sans = "DNS:edge.example"}), HasSubstr("got 0"));
  EXPECT_THAT(error({.sans = ""}), HasSubstr("got 0"));
  EXPECT_THAT(error({.sans = "URI:https://plant.example/bridge/robots"}), HasSubstr("does not begin with spiffe://"));
  EXPECT_THAT(error({.sans = uri, .usage = "serverAuth"}), HasSubstr("not for client authentication"));
  EXPECT_THAT(error({.sans = uri, .usage = ""}), HasSubstr("not for client authentication"));
  EXPECT_THAT(error({.sans = uri, .is_ca = true}), HasSubstr("got one of a CA"));
  EXPECT_THAT(error({.sans = uri, .not_after = absl::Now() - absl::Minutes(1)}), HasSubstr("has expired at "));
  EXPECT_THAT(error({.sans = uri, .not_before = absl::Now() + absl::Minutes(1)}), HasSubstr("is not valid before "));
}

TEST(PeerTrustTest, RefusesDamage) {
  const auto trust = TrustOf(TestPki::Shared());
  for (const char* pem : {"", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
    EXPECT_EQ(trust->CheckClient(pem, "", absl::Now()).status().code(), absl::StatusCode::kUnauthenticated) << pem;
  }
  const std::string good = ReadFile(TestPki::Shared().Path("bridge-robots.crt"));
  EXPECT_FALSE(trust->CheckClient(good, "hello", absl::Now()).ok());
}

TEST(PeerTrustTest, RefusesTheRevoked) {
  const TestPki pki;
  EXPECT_EQ(ClientError(pki, "bridge-press"), "");
  ASSERT_EQ(pki.Run("--revoke bridge-press"), 0);
  EXPECT_THAT(ClientError(pki, "bridge-press"), HasSubstr(" is revoked"));
  EXPECT_EQ(ClientError(pki, "bridge-robots"), "");
  // A new certificate of the same name is another serial.
  ASSERT_EQ(pki.Run("--issue bridge:press"), 0);
  EXPECT_EQ(ClientError(pki, "bridge-press"), "");
}

TEST(PeerTrustTest, RefusesEveryoneWhileTheListIsOutOfDate) {
  const TestPki pki;
  ASSERT_EQ(pki.Run("--revoke bridge-press --days 2"), 0);
  EXPECT_EQ(ClientError(pki, "bridge-robots"), "");
  EXPECT_THAT(ClientError(pki, "bridge-robots", absl::Now() + absl::Hours(72)), HasSubstr("is out of date"));
}

TEST(PeerTrustTest, RefusesALeafWhoseIssuerHasNoList) {
  const TestPki& pki = TestPki::Shared();
  const TestPki other("--trust-domain other.example");
  // Both CAs are trusted, and only one has a list.
  const auto trust =
      PeerTrust::Make(ReadFile(pki.Path("ca.crt")) + ReadFile(other.Path("ca.crt")), ReadFile(pki.Path("ca.crl")));
  ASSERT_TRUE(trust.ok()) << trust.status();
  EXPECT_THAT(
      std::string((*trust)->CheckClient(ReadFile(other.Path("bridge-robots.crt")), "", absl::Now()).status().message()),
      HasSubstr("there is no revocation list of its issuer CN=mvmd dev CA other.example"));
}

TEST(PeerTrustTest, WithoutAListNothingIsRevoked) {
  const TestPki pki;
  ASSERT_EQ(pki.Run("--revoke bridge-press"), 0);
  const auto trust = PeerTrust::Make(ReadFile(pki.Path("ca.crt")), "");
  EXPECT_TRUE((*trust)->CheckClient(ReadFile(pki.Path("bridge-press.crt")), "", absl::Now()).ok());
}

TEST(PeerTrustTest, ChecksTheNameOfAServer) {
  const TestPki& pki = TestPki::Shared();
  for (const char* name : {"localhost", "localhost:7443", "mvmd-gateway", "127.0.0.1", "127.0.0.1:7443", "LOCALHOST"}) {
    EXPECT_EQ(ServerError(pki, "gateway", name), "") << name;
  }
  for (const char* name :
       {"", "gateway", "localhost.example", "127.0.0.2", "::1", "[::1]:7443", "spiffe://plant.example/gateway/dev"}) {
    EXPECT_THAT(ServerError(pki, "gateway", name), HasSubstr("got DNS:localhost, DNS:mvmd-gateway, IP:127.0.0.1"))
        << name;
  }
  EXPECT_THAT(ServerError(pki, "bridge-robots", "localhost"), HasSubstr("not for server authentication"));
}

TEST(PeerTrustTest, CommonNameIsNoName) {
  const TestPki pki;
  // Its CN is `localhost`.
  EXPECT_THAT(
      ServerError(pki, pki.Issue("localhost", {.sans = "DNS:else.example", .usage = "serverAuth"}), "localhost"),
      HasSubstr("got DNS:else.example"));
  EXPECT_THAT(ServerError(pki, pki.Issue("localhost", {.sans = "", .usage = "serverAuth"}), "localhost"),
              HasSubstr("got none"));
}

}  // namespace
}  // namespace mvmd
