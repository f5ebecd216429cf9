#include "tls_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "certs/x509.h"

namespace mvmd {
namespace {

struct SslDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

TlsClientResult ConnectTls(int port, const TlsClientOptions& options) {
  TlsClientResult result;
  const std::unique_ptr<SSL_CTX, SslDeleter> context(SSL_CTX_new(TLS_client_method()));
  // The process may be limited to TLS 1.3; this client is not.
  SSL_CTX_clear_options(context.get(), SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3);
  SSL_CTX_set_min_proto_version(context.get(), options.version);
  SSL_CTX_set_max_proto_version(context.get(), options.version);
  SSL_CTX_load_verify_locations(context.get(), options.ca_file.c_str(), nullptr);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (!options.certificate_file.empty()) {
    SSL_CTX_use_certificate_chain_file(context.get(), options.certificate_file.c_str());
    SSL_CTX_use_PrivateKey_file(context.get(), options.key_file.c_str(), SSL_FILETYPE_PEM);
  }
  static constexpr unsigned char kH2[] = {2, 'h', '2'};
  SSL_CTX_set_alpn_protos(context.get(), kH2, sizeof kH2);

  const int fd = Connect(port);
  if (fd < 0) {
    result.error = "no TCP connection";
    return result;
  }
  const std::unique_ptr<SSL, SslDeleter> ssl(SSL_new(context.get()));
  SSL_set_fd(ssl.get(), fd);
  if (options.session != nullptr) SSL_set_session(ssl.get(), options.session);
  ERR_clear_error();
  result.handshake = SSL_connect(ssl.get()) == 1;
  if (result.handshake) {
    result.resumed = SSL_session_reused(ssl.get()) == 1;
    char buffer[64];
    result.accepted = SSL_read(ssl.get(), buffer, sizeof buffer) > 0;
    // Tickets come with the server's first bytes.
    result.session.reset(SSL_get1_session(ssl.get()));
  }
  if (!result.accepted) result.error = TakeOpenSslError();
  // Without this OpenSSL forgets the session of a connection that was just dropped.
  SSL_set_shutdown(ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  close(fd);
  return result;
}

}  // namespace mvmd
