// The file: 64 bytes, little-endian.
//
//   magic:8 "mvmdmrk1"   epoch:8   last_seq:8   last_binding:4   crc:4   outbox_id:16   previous_id:16
//
// crc = CRC-32C of the other 60 bytes in their order. previous_id is all zero when there was none.
#include "bridge/durable_mark.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "bridge/crc32c.h"

namespace mvmd {
namespace {

constexpr absl::string_view kMagic = "mvmdmrk1";
constexpr size_t kEpochAt = 8;
constexpr size_t kLastSeqAt = 16;
constexpr size_t kLastBindingAt = 24;
constexpr size_t kCrcAt = 28;
constexpr size_t kIdAt = 32;
constexpr size_t kPreviousIdAt = 48;
constexpr size_t kIdBytes = 16;
constexpr size_t kMarkBytes = 64;

uint32_t MarkCrc(const char* mark) {
  return Crc32c(absl::string_view(mark + kIdAt, kMarkBytes - kIdAt), Crc32c(absl::string_view(mark, kCrcAt)));
}

}  // namespace

DurableMark::~DurableMark() {
  if (fd_ >= 0) close(fd_);
}

absl::Status DurableMark::Error(const char* what) const {
  return absl::UnavailableError(absl::StrCat("outbox: cannot ", what, " ", path_, ": ", strerror(errno)));
}

absl::Status DurableMark::Read() {
  record_.reset();
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? absl::OkStatus() : Error("open");
  char mark[kMarkBytes];
  const ssize_t size = pread(fd, mark, sizeof(mark), 0);
  const absl::Status status = size < 0 ? Error("read") : absl::OkStatus();
  close(fd);
  if (!status.ok()) return status;
  if (size != sizeof(mark) || absl::string_view(mark, kMagic.size()) != kMagic ||
      absl::little_endian::Load32(mark + kCrcAt) != MarkCrc(mark)) {
    return absl::DataLossError(absl::StrCat("outbox: ", path_, ": expected a mark of ", kMarkBytes,
                                            " bytes with its checksum, got something else"));
  }
  // Not emplace(): Clang has found Record, whose members have initializers, not constructible where record_ is
  // declared.
  record_ = Record();
  Record& record = *record_;
  record.epoch = absl::little_endian::Load64(mark + kEpochAt);
  record.last_seq = absl::little_endian::Load64(mark + kLastSeqAt);
  record.last_binding = absl::little_endian::Load32(mark + kLastBindingAt);
  record.outbox_id.assign(mark + kIdAt, kIdBytes);
  record.previous_id.assign(mark + kPreviousIdAt, kIdBytes);
  if (record.previous_id == std::string(kIdBytes, '\0')) record.previous_id.clear();
  return absl::OkStatus();
}

absl::Status DurableMark::Write(const Record& record) {
  if (fd_ < 0) fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0) return Error("create");
  char mark[kMarkBytes] = {};
  kMagic.copy(mark, kMagic.size());
  absl::little_endian::Store64(mark + kEpochAt, record.epoch);
  absl::little_endian::Store64(mark + kLastSeqAt, record.last_seq);
  absl::little_endian::Store32(mark + kLastBindingAt, record.last_binding);
  record.outbox_id.copy(mark + kIdAt, kIdBytes);
  record.previous_id.copy(mark + kPreviousIdAt, kIdBytes);
  absl::little_endian::Store32(mark + kCrcAt, MarkCrc(mark));
  const ssize_t written = pwrite(fd_, mark, sizeof(mark), 0);
  if (written != sizeof(mark)) {
    if (written >= 0) errno = ENOSPC;
    return Error("write");
  }
  record_ = record;
  return absl::OkStatus();
}

absl::Status DurableMark::Sync() {
  if (fd_ < 0) return absl::OkStatus();
  return fdatasync(fd_) == 0 ? absl::OkStatus() : Error("sync");
}

}  // namespace mvmd
