// Token: base64url( check(8) | count(1) | { length(4, big endian) bytes } ... ),
// check = the first bytes of SHA-256(length of binding, binding, rest).
#include "gateway/page_token.h"

#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "runtime/status_proto.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

constexpr size_t kCheckBytes = 8;
constexpr size_t kTokenBytesMax = 16 << 10;

std::string CheckOf(absl::string_view binding, absl::string_view rest) {
  return Sha256(absl::StrCat(binding.size(), ":", binding, rest)).substr(0, kCheckBytes);
}

}  // namespace

std::string EncodeToken(absl::string_view binding, absl::Span<const std::string> position) {
  std::string rest(1, static_cast<char>(position.size()));
  for (const std::string& part : position) {
    for (int shift = 24; shift >= 0; shift -= 8) rest.push_back(static_cast<char>(part.size() >> shift & 0xFF));
    rest += part;
  }
  return absl::WebSafeBase64Escape(absl::StrCat(CheckOf(binding, rest), rest));
}

absl::StatusOr<std::vector<std::string>> DecodeToken(absl::string_view field, absl::string_view binding,
                                                     absl::string_view token) {
  absl::Status error = MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_INVALID",
                                 absl::StrCat(field,
                                              ": expected a token of a former answer to the same request, got "
                                              "another text; begin again without it"));
  AddFieldViolation(field, "expected a token of a former answer to the same request", &error);
  std::string bytes;
  if (token.size() > kTokenBytesMax || !absl::WebSafeBase64Unescape(token, &bytes)) return error;
  if (bytes.size() < kCheckBytes + 1) return error;
  absl::string_view rest = absl::string_view(bytes).substr(kCheckBytes);
  if (CheckOf(binding, rest) != bytes.substr(0, kCheckBytes)) return error;
  const auto count = static_cast<unsigned char>(rest[0]);
  rest.remove_prefix(1);
  std::vector<std::string> position;
  for (int i = 0; i < count; ++i) {
    if (rest.size() < 4) return error;
    size_t length = 0;
    for (int k = 0; k < 4; ++k) length = length << 8 | static_cast<unsigned char>(rest[static_cast<size_t>(k)]);
    rest.remove_prefix(4);
    if (rest.size() < length) return error;
    position.emplace_back(rest.substr(0, length));
    rest.remove_prefix(length);
  }
  if (!rest.empty()) return error;
  return position;
}

std::string TokenBinding(const google::protobuf::Message& request, absl::Span<const absl::string_view> without) {
  const std::unique_ptr<google::protobuf::Message> copy(request.New());
  copy->CopyFrom(request);
  for (absl::string_view field : without) {
    copy->GetReflection()->ClearField(copy.get(), copy->GetDescriptor()->FindFieldByName(std::string(field)));
  }
  copy->DiscardUnknownFields();
  std::string bytes = copy->GetDescriptor()->full_name();
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    copy->SerializeToCodedStream(&coded);
  }
  return bytes;
}

}  // namespace mvmd
