// absl::Status <-> grpc::Status. Target mvmd_grpc, so that mvmd_runtime itself does not need gRPC.
#ifndef MVMD_RUNTIME_GRPC_STATUS_H_
#define MVMD_RUNTIME_GRPC_STATUS_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace mvmd {

// gRPC's default limit for all metadata of a response is 8 KiB; beyond it the client gets RESOURCE_EXHAUSTED and not
// our error. Message and details (base64 on the wire) together stay below this.
inline constexpr int kGrpcMessageBytesMax = 1024;
inline constexpr int kGrpcDetailsBytesMax = 4096;

// The details travel as a serialized google.rpc.Status in `error_details` (trailer grpc-status-details-bin). What is
// too large is shortened: first the message, at a character's border, then the largest detail is left out, and so on;
// the ErrorInfo stays unless it alone is too large.
grpc::Status ToGrpcStatus(const absl::Status& status);

// Code and message of `status`, details from `error_details` when they can be read.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace mvmd

#endif  // MVMD_RUNTIME_GRPC_STATUS_H_
