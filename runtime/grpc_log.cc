#include "runtime/grpc_log.h"

#include <grpc/support/log.h>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "runtime/log.h"

namespace mvmd {

void RouteGrpcLog() {
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  gpr_set_log_function([](gpr_log_func_args* args) {
    if (args->severity != GPR_LOG_SEVERITY_ERROR) return;
    // A flood of bad handshakes must not become a flood of lines.
    LogEvery(absl::Seconds(10), absl::StrCat("grpc:", args->file, ":", args->line), LogLevel::kWarning, "grpc error",
             {{"error", args->message}});
  });
}

}  // namespace mvmd
