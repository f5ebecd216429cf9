#include "bridge/disk_reserve.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"

namespace mvmd {

absl::Status DiskReserve::Hold() {
  if (held_ || bytes_ == 0) return absl::OkStatus();
  const int fd = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return absl::UnavailableError(absl::StrCat("cannot create ", path_, ": ", strerror(errno)));
  // Blocks, not a hole.
  const int error = posix_fallocate(fd, 0, static_cast<off_t>(bytes_));
  close(fd);
  if (error != 0) {
    unlink(path_.c_str());
    return absl::UnavailableError(absl::StrCat("cannot hold ", bytes_, " bytes in ", path_, ": ", strerror(error)));
  }
  held_ = true;
  return absl::OkStatus();
}

bool DiskReserve::GiveBack() {
  // One of a former life counts too.
  const bool was_there = unlink(path_.c_str()) == 0;
  held_ = false;
  return was_there;
}

}  // namespace mvmd
