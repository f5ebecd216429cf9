// Opaque tokens that only fit the request that they were given for.
#ifndef MVMD_GATEWAY_PAGE_TOKEN_H_
#define MVMD_GATEWAY_PAGE_TOKEN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/message.h"

namespace mvmd {

// Printable. `binding` stands for everything that must be the same when the token comes back. A checksum finds damage
// and mix-ups; it is not a signature, so a position must be harmless whatever it says; nor is it encrypted, so a
// position says nothing that its owner may not read.
std::string EncodeToken(absl::string_view binding, absl::Span<const std::string> position);
// INVALID_ARGUMENT (reason REQUEST_INVALID, violation of `field`) when it is no token, or one for another request.
// `position` has the size that was encoded.
absl::StatusOr<std::vector<std::string>> DecodeToken(absl::string_view field, absl::string_view binding,
                                                     absl::string_view token);

// Binding text of a request: its type and fields without those named (page_token, page_size, ...).
std::string TokenBinding(const google::protobuf::Message& request, absl::Span<const absl::string_view> without);

}  // namespace mvmd

#endif  // MVMD_GATEWAY_PAGE_TOKEN_H_
