// Real handshakes of real gRPC, in one process.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "certs/credentials.h"
#include "certs/peer_trust.h"
#include "gmock/gmock.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "test_pki.h"
#include "tls_client.h"
#include "who_am_i.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What is trusted can change while the server runs.
class ChangingSource final : public CertificateSource {
 public:
  explicit ChangingSource(const TestPki& pki, const std::string& name)
      : fixed_(*MakeCertificateSource(pki.Material(name))), trust_(fixed_->trust()) {}

  std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider() const override {
    return fixed_->provider();
  }
  std::shared_ptr<const PeerTrust> trust() const override {
    absl::MutexLock lock(&mutex_);
    return trust_;
  }
  absl::Time not_after() const override { return fixed_->not_after(); }

  void SetTrust(std::shared_ptr<const PeerTrust> trust) {
    absl::MutexLock lock(&mutex_);
    trust_ = std::move(trust);
  }

 private:
  const std::shared_ptr<CertificateSource> fixed_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const PeerTrust> trust_ ABSL_GUARDED_BY(mutex_);
};

class HandshakeTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_EQ(EnsureTls13Only(), absl::OkStatus()); }

  void StartServer(const std::string& certificate = "gateway") {
    source_ = std::make_shared<ChangingSource>(pki_, certificate);
    CredentialsOptions options;
    options.on_refused = [this](absl::string_view peer, absl::string_view reason) {
      absl::MutexLock lock(&mutex_);
      refused_.push_back(absl::StrCat(peer, ": ", reason));
    };
    grpc::ServerBuilder builder;
    SetDefaultServerArgs(&builder);
    builder.AddListeningPort("127.0.0.1:0", MakeServerCredentials(source_, std::move(options)), &port_);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }

  void TearDown() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
  }

  // The name that the server gives the caller.
  absl::StatusOr<std::string> Call(const TlsMaterial& material, const std::string& server_name = "",
                                   const std::string& host = "localhost") {
    CredentialsOptions options;
    options.on_refused = [this](absl::string_view, absl::string_view reason) {
      absl::MutexLock lock(&mutex_);
      refused_by_client_.emplace_back(reason);
    };
    return AskWhoAmI(absl::StrCat(host, ":", port_),
                     MakeChannelCredentials(*MakeCertificateSource(material), server_name, std::move(options)));
  }

  void ExpectRefused(const TlsMaterial& material, const std::string& reason) {
    const absl::StatusOr<std::string> answer = Call(material);
    EXPECT_EQ(answer.status().code(), absl::StatusCode::kUnavailable) << answer.status();
    EXPECT_THAT(Refusals(), HasSubstr(reason));
  }

  // Of the server's own checks.
  std::string Refusals() {
    absl::MutexLock lock(&mutex_);
    return absl::StrJoin(refused_, "\n");
  }
  std::string RefusalsByClient() {
    absl::MutexLock lock(&mutex_);
    return absl::StrJoin(refused_by_client_, "\n");
  }

  TlsClientOptions RawClient(const std::string& name) {
    return {.ca_file = pki_.Path("ca.crt"),
            .certificate_file = pki_.Path(name + ".crt"),
            .key_file = pki_.Path(name + ".key")};
  }

  TestPki pki_;
  WhoAmI service_;
  std::shared_ptr<ChangingSource> source_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  absl::Mutex mutex_;
  std::vector<std::string> refused_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> refused_by_client_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(HandshakeTest, AcceptsABridgeAndKnowsItsName) {
  StartServer();
  const absl::StatusOr<std::string> answer = Call(pki_.Material("bridge-robots"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer, "spiffe://plant.example/bridge/robots");
  EXPECT_THAT(Refusals(), IsEmpty());
}

TEST_F(HandshakeTest, RefusesAPeerWithoutCertificate) {
  StartServer();
  TlsClientOptions nobody;
  nobody.ca_file = pki_.Path("ca.crt");
  const TlsClientResult result = ConnectTls(port_, nobody);
  // gRPC closes the connection without an alert, so a client cannot know the reason.
  EXPECT_TRUE(result.handshake);
  EXPECT_FALSE(result.accepted);
}

TEST_F(HandshakeTest, RefusesAnotherCa) {
  StartServer();
  const TestPki other;
  TlsMaterial material = other.Material("bridge-robots");
  material.ca_pem = pki_.Material("gateway").ca_pem;
  material.crl_pem.clear();
  EXPECT_EQ(Call(material).status().code(), absl::StatusCode::kUnavailable);
  TlsClientOptions raw = RawClient("bridge-robots");
  raw.certificate_file = other.Path("bridge-robots.crt");
  raw.key_file = other.Path("bridge-robots.key");
  EXPECT_FALSE(ConnectTls(port_, raw).accepted);
  EXPECT_THAT(Refusals(), IsEmpty()) << "OpenSSL refuses it before we are asked";
}

TEST_F(HandshakeTest, RefusesTwoUris) {
  StartServer();
  ExpectRefused(pki_.Material(pki_.Issue(
                    "two", {.sans = "URI:spiffe://plant.example/bridge/a,URI:spiffe://plant.example/bridge/b"})),
                "expected exactly one URI among its subject alternative names, got 2");
}

TEST_F(HandshakeTest, RefusesNoUri) {
  StartServer();
  ExpectRefused(pki_.Material(pki_.Issue("none", {.sans = "DNS:edge.example"})), "got 0");
}

TEST_F(HandshakeTest, RefusesACertificateWithoutUsage) {
  StartServer();
  ExpectRefused(pki_.Material(pki_.Issue("any", {.sans = "URI:spiffe://plant.example/bridge/a", .usage = ""})),
                "not for client authentication");
}

TEST_F(HandshakeTest, RefusesAServersCertificate) {
  StartServer();
  const TlsMaterial material =
      pki_.Material(pki_.Issue("server", {.sans = "URI:spiffe://plant.example/bridge/a", .usage = "serverAuth"}));
  EXPECT_EQ(Call(material).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(HandshakeTest, RefusesTheExpiredAndTheNotYetValid) {
  StartServer();
  const std::string uri = "URI:spiffe://plant.example/bridge/a";
  const TlsMaterial old = pki_.Material(pki_.Issue("old", {.sans = uri, .not_after = absl::Now() - absl::Minutes(1)}));
  EXPECT_EQ(Call(old).status().code(), absl::StatusCode::kUnavailable);
  const TlsMaterial early =
      pki_.Material(pki_.Issue("new", {.sans = uri, .not_before = absl::Now() + absl::Minutes(9)}));
  EXPECT_EQ(Call(early).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(HandshakeTest, RefusesTheRevoked) {
  ASSERT_EQ(pki_.Run("--revoke bridge-press"), 0);
  StartServer();
  ExpectRefused(pki_.Material("bridge-press"), " is revoked");
  EXPECT_TRUE(Call(pki_.Material("bridge-robots")).ok());
}

TEST_F(HandshakeTest, RefusesTls12) {
  StartServer();
  TlsClientOptions old = RawClient("bridge-robots");
  old.version = TLS1_2_VERSION;
  const TlsClientResult result = ConnectTls(port_, old);
  EXPECT_FALSE(result.handshake);
  // The same client with TLS 1.3 is welcome.
  EXPECT_TRUE(ConnectTls(port_, RawClient("bridge-robots")).accepted);
}

TEST_F(HandshakeTest, RefusesAResumedSessionOfTheRevoked) {
  StartServer();
  TlsClientOptions client = RawClient("bridge-press");
  const TlsClientResult first = ConnectTls(port_, client);
  ASSERT_TRUE(first.accepted) << first.error;
  ASSERT_TRUE(SSL_SESSION_is_resumable(first.session.get()));
  client.session = first.session.get();
  const TlsClientResult second = ConnectTls(port_, client);
  ASSERT_TRUE(second.accepted) << second.error;
  EXPECT_TRUE(second.resumed);

  ASSERT_EQ(pki_.Run("--revoke bridge-press"), 0);
  source_->SetTrust(*PeerTrust::Make(ReadFile(pki_.Path("ca.crt")), ReadFile(pki_.Path("ca.crl"))));
  const TlsClientResult third = ConnectTls(port_, client);
  EXPECT_TRUE(third.resumed);
  EXPECT_FALSE(third.accepted);
  EXPECT_THAT(Refusals(), HasSubstr(" is revoked"));
}

TEST_F(HandshakeTest, ClientChecksTheServersName) {
  StartServer();
  const TlsMaterial material = pki_.Material("bridge-robots");
  EXPECT_TRUE(Call(material, "", "127.0.0.1").ok());
  EXPECT_TRUE(Call(material, "mvmd-gateway", "127.0.0.1").ok());
  EXPECT_EQ(Call(material, "elsewhere.example").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(RefusalsByClient(), HasSubstr("expected the name elsewhere.example, got DNS:localhost"));
}

TEST_F(HandshakeTest, ClientRefusesABridgeThatPlaysGateway) {
  pki_.Issue("fake", {.sans = "DNS:localhost,URI:spiffe://plant.example/bridge/fake"});
  StartServer("fake");
  EXPECT_EQ(Call(pki_.Material("bridge-robots")).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(HandshakeTest, ClientRefusesAServerOfAnotherCa) {
  StartServer();
  const TestPki other;
  EXPECT_EQ(Call(other.Material("bridge-robots")).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(HandshakeTest, ClientRefusesARevokedServer) {
  ASSERT_EQ(pki_.Run("--revoke gateway"), 0);
  StartServer();
  EXPECT_EQ(Call(pki_.Material("bridge-robots")).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(RefusalsByClient(), HasSubstr(" is revoked"));
}

TEST_F(HandshakeTest, ServersDoNotShareAPort) {
  StartServer();
  grpc::ServerBuilder builder;
  SetDefaultServerArgs(&builder);
  int port = 0;
  builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), MakeServerCredentials(source_), &port);
  WhoAmI service;
  builder.RegisterCallbackGenericService(&service);
  EXPECT_EQ(builder.BuildAndStart(), nullptr);
}

}  // namespace
}  // namespace mvmd
