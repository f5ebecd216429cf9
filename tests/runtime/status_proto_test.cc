#include "runtime/status_proto.h"

#include <string>

#include "absl/strings/cord.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/grpc_status.h"

namespace mvmd {
namespace {

using ::testing::EndsWith;
using ::testing::SizeIs;

absl::Status Compacted() {
  absl::Status status = MakeError(absl::StatusCode::kOutOfRange, "REVISION_COMPACTED", "revision 17 is gone",
                                  {{"oldest_revision", "900"}});
  AddFieldViolation("start_revision", "older than 900", &status);
  AddFieldViolation("page_size", "negative", &status);
  return status;
}

TEST(StatusProtoTest, KeepsReasonMetadataAndViolations) {
  const absl::Status status = Compacted();
  EXPECT_EQ(ReasonOf(status), "REVISION_COMPACTED");
  EXPECT_EQ(MetadataOf(status), (ErrorMetadata{{"oldest_revision", "900"}}));
  ASSERT_THAT(FieldViolationsOf(status), SizeIs(2));
  EXPECT_EQ(FieldViolationsOf(status)[1].field(), "page_size");
}

TEST(StatusProtoTest, RoundTripIsLossless) {
  const absl::Status status = Compacted();
  const google::rpc::Status proto = ToRpcStatus(status);
  EXPECT_EQ(proto.code(), 11);
  EXPECT_EQ(proto.details_size(), 2);
  EXPECT_EQ(proto.details(0).type_url(), "type.googleapis.com/google.rpc.BadRequest");
  EXPECT_EQ(FromRpcStatus(proto), status);
  EXPECT_EQ(FromRpcStatus(ToRpcStatus(absl::OkStatus())), absl::OkStatus());
}

TEST(StatusProtoTest, PlainErrorsHaveNoReason) {
  EXPECT_EQ(ReasonOf(absl::NotFoundError("x")), "");
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
  EXPECT_THAT(FieldViolationsOf(absl::NotFoundError("x")), SizeIs(0));
}

TEST(StatusProtoTest, ReasonOfAnotherDomainIsNotOurs) {
  google::rpc::ErrorInfo info;
  info.set_reason("FENCED");
  info.set_domain("elsewhere.example");
  absl::Status status = absl::AbortedError("x");
  SetDetail(info, &status);
  EXPECT_EQ(ReasonOf(status), "");
}

TEST(StatusProtoTest, DamagedDetailsAreNoDetails) {
  absl::Status status = absl::AbortedError("x");
  status.SetPayload("type.googleapis.com/google.rpc.ErrorInfo", absl::Cord("\xFF\xFF"));
  EXPECT_EQ(ReasonOf(status), "");
}

TEST(StatusProtoTest, CodesThatAreNotCanonicalBecomeUnknown) {
  for (const int code : {-1, 17, 1000}) {
    google::rpc::Status proto;
    proto.set_code(code);
    EXPECT_EQ(FromRpcStatus(proto).code(), absl::StatusCode::kUnknown) << code;
  }
}

TEST(GrpcStatusTest, RoundTripIsLossless) {
  EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(Compacted())), Compacted());
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_EQ(FromGrpcStatus(grpc::Status::OK), absl::OkStatus());
}

TEST(GrpcStatusTest, ErrorsOfGrpcItselfPass) {
  const grpc::Status status(grpc::StatusCode::UNAVAILABLE, "failed to connect", "not a proto \xFF");
  EXPECT_EQ(FromGrpcStatus(status), absl::UnavailableError("failed to connect"));
}

TEST(GrpcStatusTest, DetailsOfAnotherErrorAreIgnored) {
  const grpc::Status status(grpc::StatusCode::UNAVAILABLE, "down", ToRpcStatus(Compacted()).SerializeAsString());
  EXPECT_EQ(FromGrpcStatus(status), absl::UnavailableError("down"));
}

TEST(GrpcStatusTest, StaysBelowTheMetadataLimit) {
  absl::Status status = MakeError(absl::StatusCode::kInvalidArgument, "DOCUMENT_INVALID", std::string(5000, 'x'));
  for (int i = 0; i < 1000; ++i) AddFieldViolation("sensors[0]", "wrong", &status);
  const grpc::Status wire = ToGrpcStatus(status);
  EXPECT_LE(wire.error_message().size(), static_cast<size_t>(kGrpcMessageBytesMax));
  EXPECT_LE(wire.error_details().size(), static_cast<size_t>(kGrpcDetailsBytesMax));
  EXPECT_THAT(wire.error_message(), EndsWith("..."));
  EXPECT_EQ(ReasonOf(FromGrpcStatus(wire)), "DOCUMENT_INVALID");
  EXPECT_THAT(FieldViolationsOf(FromGrpcStatus(wire)), SizeIs(0));
}

TEST(GrpcStatusTest, CutsBetweenCharacters) {
  std::string message;
  while (message.size() < 2000) message += "\xC3\xA4";
  const std::string cut = ToGrpcStatus(absl::InternalError(message)).error_message();
  EXPECT_EQ(cut.size() % 2, 1U);  // pairs and three dots
}

}  // namespace
}  // namespace mvmd
