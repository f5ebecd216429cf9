// Texts of a request before they are sent.
#ifndef MVMD_TWINCTL_REQUEST_TEXTS_H_
#define MVMD_TWINCTL_REQUEST_TEXTS_H_

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace mvmd {

// INVALID_ARGUMENT names the first text that is not UTF-8, as it may come from a command line. gRPC would send it, and
// its server would answer that there is no such call.
absl::Status CheckTexts(const google::protobuf::Message& request);

}  // namespace mvmd

#endif  // MVMD_TWINCTL_REQUEST_TEXTS_H_
