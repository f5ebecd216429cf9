// Log lines of gRPC and protobuf in our log. Target mvmd_grpc.
#ifndef MVMD_RUNTIME_GRPC_LOG_H_
#define MVMD_RUNTIME_GRPC_LOG_H_

namespace mvmd {

// From now on what gRPC reports as an error becomes a warning of ours, each source line at most once in ten seconds;
// the rest is dropped. It is the only place that tells why OpenSSL refused a handshake (unknown CA, expired, no
// certificate). Call once, before gRPC is used.
void RouteGrpcLog();
// The same for protobuf, which writes a line to standard error for every text in a message that is not UTF-8: whoever
// sends it decides how many.
void RouteProtobufLog();

}  // namespace mvmd

#endif  // MVMD_RUNTIME_GRPC_LOG_H_
