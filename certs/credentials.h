// gRPC credentials: mutual TLS 1.3 with SPIFFE names.
#ifndef MVMD_CERTS_CREDENTIALS_H_
#define MVMD_CERTS_CREDENTIALS_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "certs/tls_files.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/support/channel_arguments.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "runtime/clock.h"

namespace mvmd {

class PeerTrust;

// Makes TLS 1.3 the only version of this process. gRPC 1.51 has no setting for it, so this loads an OpenSSL
// configuration from memory; it holds for every TLS context that is made afterwards without a version of its own,
// libmosquitto's included. Call in main before any use of gRPC or TLS. Idempotent, thread-safe.
absl::Status EnsureTls13Only();

// Where a process gets its certificates from, and what it trusts. One is shared by all credentials of the process.
// Thread-safe. An implementation that renews certificates does so behind this interface: gRPC asks the provider at each
// handshake, the verifiers ask `trust`.
class CertificateSource {
 public:
  virtual ~CertificateSource() = default;
  virtual std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider() const = 0;
  // Roots and revoked certificates as of now; never null.
  virtual std::shared_ptr<const PeerTrust> trust() const = 0;
  // When the own certificate ends.
  virtual absl::Time not_after() const = 0;
};

// Takes the files as they are now, for good. Errors as of LoadTlsFiles. `material` may be null; it gets what was read,
// with its warnings.
absl::StatusOr<std::shared_ptr<CertificateSource>> LoadCertificateSource(const mvmd::twin::v1alpha1::TlsFiles& files,
                                                                         TlsMaterial* material = nullptr);
// Of what is loaded already; without further checks of the own certificate.
absl::StatusOr<std::shared_ptr<CertificateSource>> MakeCertificateSource(const TlsMaterial& material);

// Called for each peer that is refused by our own checks: on a thread of gRPC, so quick and thread-safe. `peer` is the
// certificate's subject or SPIFFE URI as far as known, `reason` is for people.
using PeerRefused = std::function<void(absl::string_view peer, absl::string_view reason)>;

struct CredentialsOptions {
  PeerRefused on_refused;
  // Outlives the credentials.
  const Clock* clock = &SystemClock::Get();
};

// For the gateway. A client must show a certificate that leads to our roots, is valid now, is for client
// authentication, is not revoked, and has exactly one URI SAN, a SPIFFE name. All of it is checked again when a TLS
// session is resumed.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(std::shared_ptr<CertificateSource> source,
                                                               CredentialsOptions options = {});

// For bridge and twinctl. The server must show a certificate that leads to our roots, is valid now, is for server
// authentication, is not revoked, and has `server_name` (a DNS name or an IP address) among its SANs; empty: the host
// of the channel's target.
std::shared_ptr<grpc::ChannelCredentials> MakeChannelCredentials(std::shared_ptr<CertificateSource> source,
                                                                 const std::string& server_name,
                                                                 CredentialsOptions options = {});

// What every channel of ours has: its own connection (local subchannel pool), reconnects after 100 ms to 2 s, at most
// `connect_timeout` for one attempt, no decompression by gRPC (our frames are compressed already), keepalive every 20 s
// also without calls, no retries by gRPC, messages up to 16 MiB.
grpc::ChannelArguments DefaultChannelArgs(absl::Duration connect_timeout = absl::Seconds(3));

// The same for the gateway, made to fit: it takes the pings of such channels, ends a handshake after 10 s, and does not
// share its port.
void SetDefaultServerArgs(grpc::ServerBuilder* builder);

}  // namespace mvmd

#endif  // MVMD_CERTS_CREDENTIALS_H_
