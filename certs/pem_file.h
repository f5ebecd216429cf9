// Files with certificates and keys. Internal to certs/.
#ifndef MVMD_CERTS_PEM_FILE_H_
#define MVMD_CERTS_PEM_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mvmd {

inline constexpr size_t kPemFileBytesMax = 1 << 20;

enum class PemSecrecy {
  kPublic,
  kSecret,  // must be readable by its owner only, or also by a group that is named
};

// The whole file, which is a regular one of at most kPemFileBytesMax. `what` it should be, for messages: "a private
// key". `group` is the name or number of the one that may read a secret beside its owner; empty: none. Errors as of
// LoadTlsFiles. Blocking.
absl::StatusOr<std::string> ReadPemFile(const std::string& path, absl::string_view what, PemSecrecy secrecy,
                                        const std::string& group = "");

}  // namespace mvmd

#endif  // MVMD_CERTS_PEM_FILE_H_
