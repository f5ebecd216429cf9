#include "runtime/grpc_log.h"

#include <grpc/support/log.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/stubs/logging.h"
#include "runtime/log.h"

namespace mvmd {
namespace {

// A flood of bad handshakes or messages must not become a flood of lines.
constexpr absl::Duration kLineInterval = absl::Seconds(10);

}  // namespace

void RouteGrpcLog() {
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  gpr_set_log_function([](gpr_log_func_args* args) {
    if (args->severity != GPR_LOG_SEVERITY_ERROR) return;
    LogEvery(kLineInterval, absl::StrCat("grpc:", args->file, ":", args->line), LogLevel::kWarning, "grpc error",
             {{"error", args->message}});
  });
}

void RouteProtobufLog() {
  google::protobuf::SetLogHandler(
      [](google::protobuf::LogLevel level, const char* file, int line, const std::string& message) {
        if (level < google::protobuf::LOGLEVEL_ERROR) return;
        LogEvery(kLineInterval, absl::StrCat("protobuf:", file, ":", line), LogLevel::kWarning, "protobuf error",
                 {{"error", message}});
      });
}

}  // namespace mvmd
