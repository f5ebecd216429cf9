#include "twinctl/connection.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "certs/credentials.h"
#include "grpc/support/log.h"
#include "grpcpp/create_channel.h"
#include "runtime/grpc_status.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// gRPC tells the reason of a failed handshake only to its log, so the log is kept for Explain and not printed.
class HandshakeLog {
 public:
  static HandshakeLog& Get() {
    static auto* log = new HandshakeLog;
    return *log;
  }

  void Install() { gpr_set_log_function(&HandshakeLog::Keep); }

  // What was logged since the last call, without gRPC's own bookkeeping in braces.
  std::string TakeLast() {
    absl::MutexLock lock(&mutex_);
    const std::string taken = std::move(last_);
    last_.clear();
    return std::string(absl::StripSuffix(taken.substr(0, taken.find(" {")), "."));
  }

 private:
  static void Keep(gpr_log_func_args* args) {
    const absl::string_view message(args->message);
    if (args->severity != GPR_LOG_SEVERITY_ERROR || !absl::StrContains(message, "andshake")) return;
    absl::MutexLock lock(&Get().mutex_);
    Get().last_ = std::string(message);
  }

  absl::Mutex mutex_;
  std::string last_ ABSL_GUARDED_BY(mutex_);
};

absl::Status WithHint(const absl::Status& status, absl::string_view message) {
  absl::Status explained(status.code(), message);
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { explained.SetPayload(url, payload); });
  return explained;
}

}  // namespace

struct Connection::Refusals {
  absl::Mutex mutex;
  std::string reason ABSL_GUARDED_BY(mutex);
};

Connection::Connection(const pb::TwinctlConfig& settings, absl::Duration timeout)
    : address_(settings.address()), timeout_(timeout), refusals_(std::make_shared<Refusals>()) {}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const pb::TwinctlConfig& settings,
                                                             absl::Duration timeout) {
  HandshakeLog::Get().Install();
  if (absl::Status tls = EnsureTls13Only(); !tls.ok()) return tls;
  auto source = LoadCertificateSource(settings.tls());
  if (!source.ok()) return source.status();

  std::unique_ptr<Connection> connection(new Connection(settings, timeout));
  CredentialsOptions options;
  options.on_refused = [refusals = connection->refusals_](absl::string_view peer, absl::string_view reason) {
    absl::MutexLock lock(&refusals->mutex);
    refusals->reason = absl::StrCat(peer, ": ", reason);
  };
  auto channel = grpc::CreateCustomChannel(
      settings.address(), MakeChannelCredentials(*std::move(source), settings.server_name(), std::move(options)),
      DefaultChannelArgs());
  connection->channel_ = channel;
  connection->stub_ = pb::TwinService::NewStub(channel);
  connection->quarantine_stub_ = pb::QuarantineService::NewStub(channel);
  return connection;
}

bool Connection::WaitUntilConnected(absl::Duration timeout) {
  return channel_->WaitForConnected(absl::ToChronoTime(absl::Now() + timeout));
}

absl::Status Connection::Explain(const grpc::Status& status) const {
  const absl::Status error = FromGrpcStatus(status);
  switch (error.code()) {
    case absl::StatusCode::kUnavailable: {
      std::string reason;
      {
        absl::MutexLock lock(&refusals_->mutex);
        reason = refusals_->reason;
      }
      if (!reason.empty()) {
        return WithHint(error, absl::StrCat("the gateway at ", address_, " showed a certificate that is not trusted: ",
                                            reason, "; check the CA file and the server name"));
      }
      const std::string handshake = HandshakeLog::Get().TakeLast();
      if (!handshake.empty()) {
        return WithHint(error, absl::StrCat("no TLS connection to the gateway at ", address_, ": ", handshake,
                                            "; check the CA file, the certificate and its key"));
      }
      return WithHint(
          error, absl::StrCat("the gateway at ", address_, " cannot be reached: ", error.message(),

                              "; check that it runs, that the address is right, and that it trusts your certificate"));
    }
    case absl::StatusCode::kDeadlineExceeded:
      return WithHint(error, absl::StrCat("the gateway at ", address_, " did not answer within ",
                                          absl::FormatDuration(timeout_), "; try again, or raise --timeout"));
    case absl::StatusCode::kPermissionDenied:
      return WithHint(error, absl::StrCat(error.message(), "; ask for the role in the gateway's policy file"));
    case absl::StatusCode::kUnimplemented:
      return WithHint(error, absl::StrCat("the server at ", address_, " does not know this call: ", error.message(),
                                          "; check that the address is a gateway's and its version"));
    default:
      return error;
  }
}

}  // namespace mvmd
