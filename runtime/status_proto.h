// Errors with details: absl::Status inside, google.rpc.Status outside.
//
// The details (google.rpc.ErrorInfo, google.rpc.BadRequest and others) are kept as payloads of the absl::Status, keyed
// by their type URL, and so travel through code that knows nothing of them. See https://google.aip.dev/193.
#ifndef MVMD_RUNTIME_STATUS_PROTO_H_
#define MVMD_RUNTIME_STATUS_PROTO_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace mvmd {

inline constexpr char kErrorDomain[] = "twin.mvmd.org";

using ErrorMetadata = std::map<std::string, std::string>;

// An error with google.rpc.ErrorInfo: `reason` is UPPER_SNAKE_CASE and stable, clients branch on it. `code` is not OK.
//
//   return MakeError(absl::StatusCode::kOutOfRange, "REVISION_COMPACTED", "revision 17 is no longer in the log, which "
//                    "begins at 900", {{"oldest_revision", "900"}});
absl::Status MakeError(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                       const ErrorMetadata& metadata = {});

// Reason of the ErrorInfo, or "" when there is none or it is of another domain.
std::string ReasonOf(const absl::Status& status);
// Metadata of the ErrorInfo; empty when there is none.
ErrorMetadata MetadataOf(const absl::Status& status);

// Adds to the BadRequest of `status`, which must not be OK. `field` as a path in the request: `page_size`,
// `merge_patch.sensors[0]`.
void AddFieldViolation(absl::string_view field, absl::string_view description, absl::Status* status);
std::vector<google::rpc::BadRequest::FieldViolation> FieldViolationsOf(const absl::Status& status);

// Sets a detail of any type; one of the same type is replaced. `status` must not be OK.
void SetDetail(const google::protobuf::Message& detail, absl::Status* status);
// False when there is none of this type, or it cannot be read.
bool GetDetail(const absl::Status& status, google::protobuf::Message* detail);

// Lossless in both directions. A payload that is not keyed by a type URL is left out.
google::rpc::Status ToRpcStatus(const absl::Status& status);
// Codes that are not canonical become UNKNOWN.
absl::Status FromRpcStatus(const google::rpc::Status& status);

}  // namespace mvmd

#endif  // MVMD_RUNTIME_STATUS_PROTO_H_
