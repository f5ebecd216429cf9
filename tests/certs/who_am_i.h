// A service without messages of its own, to see who is let in.
#ifndef MVMD_TESTS_CERTS_WHO_AM_I_H_
#define MVMD_TESTS_CERTS_WHO_AM_I_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "certs/credentials.h"
#include "certs/identity.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "runtime/grpc_status.h"

namespace mvmd {

// Answers every call with the caller's name.
class WhoAmI final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    class Reactor final : public grpc::ServerGenericBidiReactor {
     public:
      explicit Reactor(const absl::StatusOr<PeerIdentity>& identity) {
        if (!identity.ok()) {
          Finish(ToGrpcStatus(identity.status()));
          return;
        }
        const grpc::Slice slice(identity->spiffe_id);
        answer_ = grpc::ByteBuffer(&slice, 1);
        StartWriteAndFinish(&answer_, grpc::WriteOptions(), grpc::Status::OK);
      }
      void OnDone() override { delete this; }

     private:
      grpc::ByteBuffer answer_;
    };
    return new Reactor(PeerIdentityOf(*context));
  }
};

// The answer, over `channel`.
inline absl::StatusOr<std::string> AskWhoAmI(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  const grpc::Slice empty("");
  grpc::ByteBuffer request(&empty, 1);
  grpc::ByteBuffer response;
  absl::Notification done;
  grpc::Status status;
  stub.UnaryCall(&context, "/test.Who/AmI", grpc::StubOptions(), &request, &response, [&](grpc::Status result) {
    status = std::move(result);
    done.Notify();
  });
  done.WaitForNotification();
  if (!status.ok()) return FromGrpcStatus(status);
  grpc::Slice slice;
  EXPECT_TRUE(response.DumpToSingleSlice(&slice).ok());
  return std::string(slice.begin(), slice.end());
}

// The answer, over a connection of its own.
inline absl::StatusOr<std::string> AskWhoAmI(const std::string& address,
                                             std::shared_ptr<grpc::ChannelCredentials> credentials) {
  return AskWhoAmI(grpc::CreateCustomChannel(address, std::move(credentials), DefaultChannelArgs()));
}

}  // namespace mvmd

#endif  // MVMD_TESTS_CERTS_WHO_AM_I_H_
