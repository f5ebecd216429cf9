#include "runtime/grpc_status.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

constexpr char kCut[] = "...";

std::string Shortened(const std::string& message) {
  if (message.size() <= static_cast<size_t>(kGrpcMessageBytesMax)) return message;
  size_t end = static_cast<size_t>(kGrpcMessageBytesMax) - (sizeof kCut - 1);
  // Not inside of a UTF-8 character: protobuf refuses such a string.
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80) --end;
  return absl::StrCat(message.substr(0, end), kCut);
}

bool IsErrorInfo(const google::protobuf::Any& detail) {
  return absl::EndsWith(detail.type_url(), "/google.rpc.ErrorInfo");
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status proto = ToRpcStatus(status);
  proto.set_message(Shortened(proto.message()));
  auto* details = proto.mutable_details();
  while (!details->empty() && proto.ByteSizeLong() > static_cast<size_t>(kGrpcDetailsBytesMax)) {
    const auto largest = std::max_element(details->begin(), details->end(), [](const auto& a, const auto& b) {
      // The ErrorInfo is what clients branch on: it counts as the smallest.
      return (IsErrorInfo(a) ? 0 : a.value().size() + 1) < (IsErrorInfo(b) ? 0 : b.value().size() + 1);
    });
    details->erase(largest);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), proto.message(),
                      details->empty() ? std::string() : proto.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status proto;
  // Details that cannot be read, or are of another error, are no reason to lose the error itself.
  if (status.error_details().empty() || !proto.ParseFromString(status.error_details()) ||
      proto.code() != static_cast<int>(status.error_code())) {
    proto.Clear();
  }
  proto.set_code(static_cast<int>(status.error_code()));
  proto.set_message(status.error_message());
  return FromRpcStatus(proto);
}

}  // namespace mvmd
