// A TLS client without gRPC, to try what gRPC's own client would not do.
#ifndef MVMD_TESTS_CERTS_TLS_CLIENT_H_
#define MVMD_TESTS_CERTS_TLS_CLIENT_H_

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace mvmd {

struct SessionDeleter {
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SessionPtr = std::unique_ptr<SSL_SESSION, SessionDeleter>;

struct TlsClientOptions {
  std::string ca_file;
  std::string certificate_file;  // empty: none is shown
  std::string key_file;
  int version = TLS1_3_VERSION;    // this one only
  SSL_SESSION* session = nullptr;  // to resume; not owned
};

struct TlsClientResult {
  bool handshake = false;
  // The server has sent application data: with TLS 1.3 a client is done with its handshake before the server has seen,
  // or refused, its certificate.
  bool accepted = false;
  bool resumed = false;
  std::string error;
  SessionPtr session;
};

// Connects to 127.0.0.1, offers h2, waits for the first bytes of the server, at most ten seconds, and closes.
TlsClientResult ConnectTls(int port, const TlsClientOptions& options);

}  // namespace mvmd

#endif  // MVMD_TESTS_CERTS_TLS_CLIENT_H_
