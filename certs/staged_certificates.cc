#include "certs/staged_certificates.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

// gRPC's shortest.
constexpr unsigned kRefreshSeconds = 1;

absl::Status Failed(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat("certificates in memory: ", what, ": ", strerror(errno)));
}

struct OwnedFd {
  int fd;
  ~OwnedFd() {
    if (fd >= 0) close(fd);
  }
};

// Makes a file of `text` with this time, and puts it in the place of `*fd`, or into a new place.
absl::Status Put(const char* name, absl::string_view text, std::time_t time, int* fd) {
  const OwnedFd file{memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (file.fd < 0) return Failed("memfd_create");
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = write(file.fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Failed("write");
    done += static_cast<size_t>(n);
  }
  const timespec times[2] = {{time, 0}, {time, 0}};
  if (futimens(file.fd, times) != 0) return Failed("futimens");
  if (fcntl(file.fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) return Failed("seal");
  const int placed = *fd < 0 ? fcntl(file.fd, F_DUPFD_CLOEXEC, 0) : dup3(file.fd, *fd, O_CLOEXEC);
  if (placed < 0) return Failed("dup");
  *fd = placed;
  return absl::OkStatus();
}

std::string NameOf(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

}  // namespace

absl::StatusOr<std::unique_ptr<StagedCertificates>> StagedCertificates::Make(const TlsMaterial& material) {
  std::unique_ptr<StagedCertificates> staged(new StagedCertificates());
  if (absl::Status status = staged->Set(material); !status.ok()) return status;
  for (const int fd : {staged->roots_fd_, staged->identity_fd_}) {
    const OwnedFd probe{open(NameOf(fd).c_str(), O_RDONLY | O_CLOEXEC)};
    if (probe.fd < 0) return Failed(absl::StrCat(NameOf(fd), " (is /proc mounted?)"));
  }
  staged->provider_ = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      NameOf(staged->identity_fd_), NameOf(staged->identity_fd_), NameOf(staged->roots_fd_), kRefreshSeconds);
  return staged;
}

StagedCertificates::~StagedCertificates() {
  // gRPC must not read what has the numbers next.
  provider_.reset();
  if (roots_fd_ >= 0) close(roots_fd_);
  if (identity_fd_ >= 0) close(identity_fd_);
}

absl::Status StagedCertificates::Set(const TlsMaterial& material) {
  // gRPC compares whole seconds.
  const std::time_t time = std::max(std::time(nullptr), time_ + 1);
  // Roots first: with the old ones, a peer of a new CA would be refused; an old peer is checked against what is
  // trusted.
  if (absl::Status status = Put("mvmd-roots", material.ca_pem, time, &roots_fd_); !status.ok()) return status;
  const std::string identity = absl::StrCat(material.key_pem, "\n", material.certificate_pem);
  if (absl::Status status = Put("mvmd-identity", identity, time, &identity_fd_); !status.ok()) return status;
  time_ = time;
  return absl::OkStatus();
}

}  // namespace mvmd
