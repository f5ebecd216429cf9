// gRPC's own log lines in our log. Target mvmd_grpc.
#ifndef MVMD_RUNTIME_GRPC_LOG_H_
#define MVMD_RUNTIME_GRPC_LOG_H_

namespace mvmd {

// From now on what gRPC reports as an error becomes a warning of ours, each source line at most once in ten seconds;
// the rest is dropped. It is the only place that tells why OpenSSL refused a handshake (unknown CA, expired, no
// certificate). Call once, before gRPC is used.
void RouteGrpcLog();

}  // namespace mvmd

#endif  // MVMD_RUNTIME_GRPC_LOG_H_
