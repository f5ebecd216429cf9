#include "certs/pem_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mvmd {
namespace {

struct OwnedFd {
  int fd;
  ~OwnedFd() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

absl::StatusOr<std::string> ReadPemFile(const std::string& path, absl::string_view what, PemSecrecy secrecy) {
  // O_NONBLOCK: a FIFO must not hang the start.
  const OwnedFd file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat info {};
  if (file.fd < 0 || fstat(file.fd, &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": expected ", what, ", got"));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected ", what, ", got no regular file"));
  }
  if (secrecy == PemSecrecy::kSecret && (info.st_mode & 077) != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: expected a file that only its owner may read, got mode %04o; run chmod 600 %s", path,
                        info.st_mode & 07777, path));
  }
  std::string text;
  char buffer[16384];
  ssize_t n = 0;
  while (text.size() <= kPemFileBytesMax && (n = read(file.fd, buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<size_t>(n));
  }
  if (n < 0) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": expected ", what, ", got"));
  if (text.size() > kPemFileBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected at most ", kPemFileBytesMax, " bytes, got more"));
  }
  return text;
}

}  // namespace mvmd
