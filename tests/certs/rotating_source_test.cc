#include "certs/rotating_source.h"

#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "certs/peer_trust.h"
#include "gmock/gmock.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "runtime/log.h"
#include "test_pki.h"
#include "who_am_i.h"

namespace mvmd {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class RotatingCertificateSourceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_EQ(EnsureTls13Only(), absl::OkStatus()); }
  void TearDown() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    SetLogSink(nullptr);
  }

  // Only inotify can tell, and only after `settle`.
  void Start(absl::Duration settle = absl::Milliseconds(1)) {
    RotatingOptions options;
    options.watch.interval = absl::Hours(1);
    options.watch.settle = settle;
    auto source = RotatingCertificateSource::Start(files_, options);
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = *std::move(source);
  }
  void Serve() {
    grpc::ServerBuilder builder;
    SetDefaultServerArgs(&builder);
    builder.AddListeningPort("127.0.0.1:0", MakeServerCredentials(source_), &port_);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  absl::StatusOr<std::string> Ask(const TlsMaterial& material, const std::string& server_name = "localhost") {
    return AskWhoAmI(absl::StrCat("127.0.0.1:", port_),
                     MakeChannelCredentials(*MakeCertificateSource(material), server_name));
  }
  // Until it holds, at most 20 s.
  static bool Eventually(const std::function<bool()>& holds) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (absl::Now() < deadline) {
      if (holds()) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }

  TestPki pki_;
  mvmd::twin::v1alpha1::TlsFiles files_ = pki_.Files("gateway");
  std::shared_ptr<RotatingCertificateSource> source_;
  WhoAmI service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(RotatingCertificateSourceTest, TakesARenewedCertificate) {
  Start();
  Serve();
  const TlsMaterial robots = pki_.Material("bridge-robots");
  const auto open = grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port_),
                                              MakeChannelCredentials(*MakeCertificateSource(robots), "localhost"),
                                              DefaultChannelArgs());
  ASSERT_TRUE(AskWhoAmI(open).ok());
  EXPECT_FALSE(Ask(robots, "renewed.example").ok());
  pki_.Issue("renewed", {.sans = "DNS:renewed.example,URI:spiffe://plant.example/gateway/dev", .usage = "serverAuth"});
  fs::rename(pki_.Path("renewed.key"), pki_.Path("gateway.key"));
  fs::rename(pki_.Path("renewed.crt"), pki_.Path("gateway.crt"));
  EXPECT_TRUE(Eventually([&] { return source_->stats().reloads == 1; }));
  EXPECT_LT(source_->not_after(), absl::Now() + absl::Hours(25));
  EXPECT_TRUE(Eventually([&] { return Ask(robots, "renewed.example").ok(); }));
  EXPECT_FALSE(Ask(robots, "localhost").ok());
  EXPECT_TRUE(AskWhoAmI(open).ok()) << "open connections go on";
}

// Kubernetes exchanges a folder; nothing of the old set may be mixed with the new one.
TEST_F(RotatingCertificateSourceTest, FollowsAnExchangedFolder) {
  const auto mount = [&](const std::string& version, const std::string& name) {
    fs::create_directory(pki_.Path(version));
    for (const auto& [from, to] : {std::pair{"ca.crt", "ca.crt"}, {"ca.crl", "ca.crl"}}) {
      fs::copy(pki_.Path(from), pki_.Path(version + "/" + to));
    }
    fs::copy(pki_.Path(name + ".crt"), pki_.Path(version + "/tls.crt"));
    fs::copy(pki_.Path(name + ".key"), pki_.Path(version + "/tls.key"));
    fs::create_symlink(version, pki_.Path("..tmp"));
    fs::rename(pki_.Path("..tmp"), pki_.Path("..data"));
  };
  mount("..1", "gateway");
  files_.set_ca_file(pki_.Path("..data/ca.crt"));
  files_.set_crl_file(pki_.Path("..data/ca.crl"));
  files_.set_certificate_file(pki_.Path("..data/tls.crt"));
  files_.set_key_file(pki_.Path("..data/tls.key"));
  Start();
  pki_.Issue("renewed", {.sans = "DNS:renewed.example", .usage = "serverAuth"});
  mount("..2", "renewed");
  EXPECT_TRUE(Eventually([&] { return source_->stats().reloads == 1; }));
  EXPECT_EQ(source_->stats().failures, 0u);
}

TEST_F(RotatingCertificateSourceTest, KeepsTheLastGoodSet) {
  // The watch looks too, and may see what is between two writes: there may be more failures than damages.
  Start(absl::Hours(1));
  Serve();
  std::vector<std::string> lines;
  absl::Mutex mutex;
  SetLogSink([&](absl::string_view line) {
    absl::MutexLock lock(&mutex);
    lines.emplace_back(line);
  });
  const std::string certificate = ReadFile(files_.certificate_file());
  const std::string key = ReadFile(files_.key_file());
  const std::string crl = ReadFile(files_.crl_file());
  const std::string old = ReadFile(pki_.Path(
      pki_.Issue("old", {.sans = "DNS:localhost", .usage = "serverAuth", .not_after = absl::Now() - absl::Hours(1)}) +
      ".crt"));
  struct Damage {
    const char* what;
    std::function<void()> make;
  };
  const Damage damages[] = {
      {"truncated to nothing", [&] { WriteFile(files_.certificate_file(), ""); }},
      {"half written", [&] { WriteFile(files_.certificate_file(), certificate.substr(0, certificate.size() / 2)); }},
      {"gone", [&] { fs::remove(files_.certificate_file()); }},
      {"key truncated to nothing", [&] { WriteFile(files_.key_file(), ""); }},
      {"key of another pair", [&] { WriteFile(files_.key_file(), ReadFile(pki_.Path("bridge-robots.key"))); }},
      {"expired",
       [&] {
         WriteFile(files_.certificate_file(), old);
         WriteFile(files_.key_file(), ReadFile(pki_.Path("old.key")));
       }},
      {"revocation list half written", [&] { WriteFile(files_.crl_file(), crl.substr(0, crl.size() / 2)); }},
      {"roots gone", [&] { fs::rename(files_.ca_file(), files_.ca_file() + ".away"); }},
      {"rights", [&] { chmod(files_.key_file().c_str(), 0644); }},
  };
  const auto trust = source_->trust();
  for (const Damage& damage : damages) {
    const uint64_t before = source_->stats().failures;
    damage.make();
    EXPECT_FALSE(source_->Reload().ok()) << damage.what;
    const uint64_t after = source_->stats().failures;
    EXPECT_GT(after, before) << damage.what;
    EXPECT_FALSE(source_->Reload().ok()) << damage.what;
    EXPECT_EQ(source_->stats().failures, after) << damage.what << ": the same files are one failure";
    EXPECT_TRUE(source_->stats().refused);
    if (fs::exists(files_.ca_file() + ".away")) fs::rename(files_.ca_file() + ".away", files_.ca_file());
    WriteFile(files_.certificate_file(), certificate);
    WriteFile(files_.key_file(), key);
    WriteFile(files_.crl_file(), crl);
    chmod(files_.key_file().c_str(), 0600);
    EXPECT_EQ(source_->Reload(), absl::OkStatus()) << damage.what;
    EXPECT_FALSE(source_->stats().refused);
  }
  EXPECT_EQ(source_->stats().reloads, 0u) << "what is there again is what was used all the time";
  EXPECT_EQ(source_->trust(), trust);
  EXPECT_TRUE(Ask(pki_.Material("bridge-robots")).ok());
  absl::MutexLock lock(&mutex);
  EXPECT_EQ(lines.size(), source_->stats().failures);
  for (const std::string& line : lines) EXPECT_THAT(line, HasSubstr("the last good ones stay"));
}

TEST_F(RotatingCertificateSourceTest, ChangesTheRootsWithBothTrustedInBetween) {
  files_.clear_crl_file();
  Start();
  Serve();
  const TestPki other;
  const std::string our_ca = ReadFile(pki_.Path("ca.crt"));
  const std::string other_ca = ReadFile(other.Path("ca.crt"));
  // A peer that trusts both all the time.
  const auto client = [&](const TestPki& pki) {
    TlsMaterial material = pki.Material("bridge-robots");
    material.ca_pem = our_ca + other_ca;
    material.crl_pem.clear();
    return material;
  };
  const auto set_roots = [&](const std::string& pem) {
    WriteFile(pki_.Path("ca.new"), pem);
    fs::rename(pki_.Path("ca.new"), files_.ca_file());
  };
  EXPECT_TRUE(Ask(client(pki_)).ok());
  EXPECT_FALSE(Ask(client(other)).ok());
  set_roots(our_ca + other_ca);
  EXPECT_TRUE(Eventually([&] { return Ask(client(other)).ok(); }));
  EXPECT_TRUE(Ask(client(pki_)).ok());
  set_roots(other_ca);
  EXPECT_TRUE(Eventually([&] { return !Ask(client(pki_)).ok(); }));
  EXPECT_TRUE(Ask(client(other)).ok());
}

TEST_F(RotatingCertificateSourceTest, RefusesToStartWithABadSet) {
  WriteFile(files_.certificate_file(), "");
  EXPECT_EQ(RotatingCertificateSource::Start(files_, {}).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mvmd
