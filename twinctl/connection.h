// The gateway, as commands call it.
#ifndef MVMD_TWINCTL_CONNECTION_H_
#define MVMD_TWINCTL_CONNECTION_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "mvmd/twin/v1alpha1/quarantine.grpc.pb.h"
#include "mvmd/twin/v1alpha1/twin_service.grpc.pb.h"
#include "twinctl/request_texts.h"

namespace mvmd {

// One channel with mutual TLS. Calls block. Thread-safe.
//
//   absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(settings, absl::Seconds(10));
//   absl::StatusOr<GetTwinResponse> twin = (*connection)->Call(&Connection::Stub::GetTwin, request);
class Connection {
 public:
  using Stub = mvmd::twin::v1alpha1::TwinService::Stub;
  using QuarantineStub = mvmd::twin::v1alpha1::QuarantineService::Stub;

  // Reads the certificates; does not connect yet. `timeout` is that of each call.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const mvmd::twin::v1alpha1::TwinctlConfig& settings,
                                                          absl::Duration timeout);

  // One unary call. Errors say what to do next.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    return CallOn(stub_.get(), method, request);
  }
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (QuarantineStub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    return CallOn(quarantine_stub_.get(), method, request);
  }

  // For streams.
  Stub& stub() { return *stub_; }
  // Blocks, and drives the connection: gRPC does not get through a handshake while nobody waits for it.
  bool WaitUntilConnected(absl::Duration timeout);
  // The error as people need it: where, what, and what to do next. Details are kept.
  absl::Status Explain(const grpc::Status& status) const;

 private:
  template <typename AnyStub, typename Request, typename Response>
  absl::StatusOr<Response> CallOn(AnyStub* stub,
                                  grpc::Status (AnyStub::*method)(grpc::ClientContext*, const Request&, Response*),
                                  const Request& request) {
    if (absl::Status texts = CheckTexts(request); !texts.ok()) return texts;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
    Response response;
    const grpc::Status status = (stub->*method)(&context, request, &response);
    if (!status.ok()) return Explain(status);
    return response;
  }

  struct Refusals;  // why the handshake failed, as far as known

  Connection(const mvmd::twin::v1alpha1::TwinctlConfig& settings, absl::Duration timeout);

  const std::string address_;
  const absl::Duration timeout_;
  std::shared_ptr<Refusals> refusals_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Stub> stub_;
  std::unique_ptr<QuarantineStub> quarantine_stub_;
};

}  // namespace mvmd

#endif  // MVMD_TWINCTL_CONNECTION_H_
