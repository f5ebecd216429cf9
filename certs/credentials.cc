#include "certs/credentials.h"

#include <openssl/conf.h>
#include <openssl/ssl.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "certs/peer_trust.h"
#include "grpc/impl/codegen/grpc_types.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"

namespace mvmd {
namespace {

using grpc::experimental::ExternalCertificateVerifier;
using grpc::experimental::IdentityKeyCertPair;
using grpc::experimental::StaticDataCertificateProvider;
using grpc::experimental::TlsCustomVerificationCheckRequest;

// Inflating a message of a few KiB takes a thousand times its memory, and no limit applies before.
constexpr char kPerMessageDecompression[] = "grpc.per_message_decompression";
constexpr int kMessageBytesMax = 16 << 20;
// In flight on a stream: enough for 30 MB/s over a link of 130 ms.
constexpr int kStreamWindowBytes = 4 << 20;

// gRPC raises the minimum of each context to TLS 1.2 itself and so undoes `MinProtocol`; what `Protocol` switches off
// stays off. The section replaces the system's, so its cipher level is repeated here.
constexpr absl::string_view kTls13Only = R"(openssl_conf = mvmd
[mvmd]
ssl_conf = mvmd_ssl
[mvmd_ssl]
system_default = mvmd_tls
[mvmd_tls]
Protocol = -ALL, TLSv1.3
CipherString = DEFAULT@SECLEVEL=2
)";

absl::Status LoadTls13Only() {
  // First the system's own configuration, which would be loaded later otherwise and win.
  OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, nullptr);
  BIO* const text = BIO_new_mem_buf(kTls13Only.data(), static_cast<int>(kTls13Only.size()));
  CONF* const conf = NCONF_new(nullptr);
  const bool loaded = text != nullptr && conf != nullptr && NCONF_load_bio(conf, text, nullptr) == 1 &&
                      CONF_modules_load(conf, nullptr, 0) == 1;
  NCONF_free(conf);
  BIO_free(text);
  if (!loaded) return absl::InternalError(absl::StrCat("cannot make TLS 1.3 the only version: ", TakeOpenSslError()));

  // Trust nothing: a context made now must have the others switched off.
  SSL_CTX* const probe = SSL_CTX_new(TLS_method());
  const uint64_t older = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2;
  const bool effective = probe != nullptr && (SSL_CTX_get_options(probe) & older) == older;
  SSL_CTX_free(probe);
  if (!effective) return absl::InternalError("cannot make TLS 1.3 the only version: OpenSSL ignored the setting");
  return absl::OkStatus();
}

class StaticCertificateSource final : public CertificateSource {
 public:
  StaticCertificateSource(const TlsMaterial& material, std::shared_ptr<const PeerTrust> trust)
      : provider_(std::make_shared<StaticDataCertificateProvider>(
            material.ca_pem, material.certificate_pem.empty()
                                 ? std::vector<IdentityKeyCertPair>{}
                                 : std::vector<IdentityKeyCertPair>{{material.key_pem, material.certificate_pem}})),
        trust_(std::move(trust)),
        not_after_(material.not_after) {}

  std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider() const override { return provider_; }
  std::shared_ptr<const PeerTrust> trust() const override { return trust_; }
  absl::Time not_after() const override { return not_after_; }

 private:
  const std::shared_ptr<StaticDataCertificateProvider> provider_;
  const std::shared_ptr<const PeerTrust> trust_;
  const absl::Time not_after_;
};

absl::string_view View(grpc::string_ref text) { return absl::string_view(text.data(), text.size()); }

// Runs after OpenSSL's own checks, and also when a session is resumed; then without the chain.
class PeerVerifier final : public ExternalCertificateVerifier {
 public:
  enum class Peer { kClient, kServer };

  PeerVerifier(Peer peer, std::shared_ptr<CertificateSource> source, std::string server_name,
               CredentialsOptions options)
      : peer_(peer), source_(std::move(source)), server_name_(std::move(server_name)), options_(std::move(options)) {}

  // Always at once.
  bool Verify(TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* sync_status) override {
    const absl::Status status = Check(*request);
    if (status.ok()) return true;
    const std::vector<grpc::string_ref> uris = request->uri_names();
    if (options_.on_refused) {
      options_.on_refused(View(uris.empty() ? request->common_name() : uris.front()), status.message());
    }
    *sync_status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, std::string(status.message()));
    return true;
  }

  void Cancel(TlsCustomVerificationCheckRequest*) override {}

 private:
  absl::Status Check(const TlsCustomVerificationCheckRequest& request) const {
    const absl::Time now = absl::FromUnixNanos(options_.clock->UnixNanos());
    const std::shared_ptr<const PeerTrust> trust = source_->trust();
    if (peer_ == Peer::kClient) {
      return trust->CheckClient(View(request.peer_cert()), View(request.peer_cert_full_chain()), now).status();
    }
    return trust->CheckServer(View(request.peer_cert()), View(request.peer_cert_full_chain()),
                              server_name_.empty() ? View(request.target_name()) : absl::string_view(server_name_),
                              now);
  }

  const Peer peer_;
  const std::shared_ptr<CertificateSource> source_;
  const std::string server_name_;
  const CredentialsOptions options_;
};

}  // namespace

absl::Status EnsureTls13Only() {
  static const absl::Status* const status = new absl::Status(LoadTls13Only());
  return *status;
}

absl::StatusOr<std::shared_ptr<CertificateSource>> MakeCertificateSource(const TlsMaterial& material) {
  if (material.certificate_pem.empty() || material.key_pem.empty()) {
    return absl::InvalidArgumentError("expected a certificate and its key for mutual TLS, got none");
  }
  absl::StatusOr<std::shared_ptr<const PeerTrust>> trust = PeerTrust::Make(material.ca_pem, material.crl_pem);
  if (!trust.ok()) return trust.status();
  return std::make_shared<StaticCertificateSource>(material, *std::move(trust));
}

absl::StatusOr<std::shared_ptr<CertificateSource>> LoadCertificateSource(const mvmd::twin::v1alpha1::TlsFiles& files,
                                                                         TlsMaterial* material) {
  absl::StatusOr<TlsMaterial> loaded = LoadTlsFiles(files, absl::FromUnixNanos(SystemClock::Get().UnixNanos()));
  if (!loaded.ok()) return loaded.status();
  absl::StatusOr<std::shared_ptr<CertificateSource>> source = MakeCertificateSource(*loaded);
  if (material != nullptr) *material = *std::move(loaded);
  return source;
}

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(std::shared_ptr<CertificateSource> source,
                                                               CredentialsOptions options) {
  grpc::experimental::TlsServerCredentialsOptions tls(source->provider());
  tls.watch_root_certs();
  tls.watch_identity_key_cert_pairs();
  tls.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  tls.set_certificate_verifier(ExternalCertificateVerifier::Create<PeerVerifier>(
      PeerVerifier::Peer::kClient, std::move(source), std::string(), std::move(options)));
  return grpc::experimental::TlsServerCredentials(tls);
}

std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials(std::shared_ptr<CertificateSource> source,
                                                                 const std::string& server_name,
                                                                 CredentialsOptions options) {
  grpc::experimental::TlsChannelCredentialsOptions tls;
  tls.set_certificate_provider(source->provider());
  tls.watch_root_certs();
  tls.watch_identity_key_cert_pairs();
  tls.set_verify_server_certs(true);
  // The verifier knows the name; gRPC's check of each call would compare the target's, whatever `server_name` says.
  tls.set_check_call_host(false);
  tls.set_certificate_verifier(ExternalCertificateVerifier::Create<PeerVerifier>(
      PeerVerifier::Peer::kServer, std::move(source), server_name, std::move(options)));
  return grpc::experimental::TlsCredentials(tls);
}

grpc::ChannelArguments DefaultChannelArgs(absl::Duration connect_timeout) {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  // Despite its name this is how long one attempt may take (20 s by default): a packet lost in a dead network must not
  // hold up the first attempt that can succeed.
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(absl::ToInt64Milliseconds(connect_timeout)));
  args.SetInt(kPerMessageDecompression, 0);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  args.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  args.SetMaxReceiveMessageSize(kMessageBytesMax);
  args.SetMaxSendMessageSize(kMessageBytesMax);
  return args;
}

void SetDefaultServerArgs(grpc::ServerBuilder* builder) {
  // Two gateways on one port would each get some of the connections, and nobody would notice.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder->AddChannelArgument(kPerMessageDecompression, 0);
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // By default a client that pings more often than every 5 minutes without data is cut off.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  // Pings that measure the link cost more bytes than the commits of a bridge that is paced: a fixed window instead.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  builder->SetMaxReceiveMessageSize(kMessageBytesMax);
  builder->SetMaxSendMessageSize(kMessageBytesMax);
}

}  // namespace mvmd
