#include "certs/pem_file.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
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

absl::StatusOr<gid_t> GroupId(const std::string& name) {
  uint32_t number = 0;
  if (absl::SimpleAtoi(name, &number)) return number;
  group entry{};
  group* found = nullptr;
  std::vector<char> buffer(1 << 16);
  const int error = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return found->gr_gid;
  return absl::InvalidArgumentError(absl::StrCat("key_group: expected the name or number of a group, got \"", name,
                                                 "\", ", error == 0 ? "which is none" : strerror(error)));
}

// Others must not read a secret, and but for the one that is named no group.
absl::Status CheckRights(const std::string& path, const struct stat& info, const std::string& group) {
  if ((info.st_mode & 077) == 0) return absl::OkStatus();
  if (group.empty()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: expected a file that only its owner may read, got mode %04o; run chmod 600 %s", path,
                        info.st_mode & 07777, path));
  }
  const absl::StatusOr<gid_t> id = GroupId(group);
  if (!id.ok()) return id.status();
  if ((info.st_mode & 037) == 0 && info.st_gid == *id) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s: expected a file that only its owner and the group %s may read, got mode %04o and group %d; run "
      "chmod 640 and chgrp %s, or set fsGroup and defaultMode 0400",
      path, group, info.st_mode & 07777, info.st_gid, group));
}

}  // namespace

absl::StatusOr<std::string> ReadPemFile(const std::string& path, absl::string_view what, PemSecrecy secrecy,
                                        const std::string& group) {
  // O_NONBLOCK: a FIFO must not hang the start.
  const OwnedFd file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat info {};
  if (file.fd < 0 || fstat(file.fd, &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": expected ", what, ", got"));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected ", what, ", got no regular file"));
  }
  if (secrecy == PemSecrecy::kSecret) {
    if (absl::Status rights = CheckRights(path, info, group); !rights.ok()) return rights;
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
