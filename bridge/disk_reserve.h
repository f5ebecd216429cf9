// Space that is held back, for what must be written when the disk is full.
#ifndef MVMD_BRIDGE_DISK_RESERVE_H_
#define MVMD_BRIDGE_DISK_RESERVE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace mvmd {

// A file of nothing. Somebody else may fill the disk to its last byte; without it even a deletion, which has to be
// logged before it is carried out, would find no room.
//
//   DiskReserve reserve("/var/lib/mvmd/outbox.db.reserve", 1 << 20);
//   reserve.Hold();       // allocates, as far as the disk has it
//   reserve.GiveBack();   // the disk is full: now it has that much
//
// Not thread-safe.
class DiskReserve {
 public:
  DiskReserve(std::string path, uint64_t bytes) : path_(std::move(path)), bytes_(bytes) {}

  // OK when it is held, or was already. UNAVAILABLE: the disk does not have it; nothing is held then. Blocking.
  absl::Status Hold();
  // True when there was something.
  bool GiveBack();
  bool held() const { return held_; }
  uint64_t bytes() const { return bytes_; }

 private:
  const std::string path_;
  const uint64_t bytes_;  // 0: nothing is ever held
  bool held_ = false;
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_DISK_RESERVE_H_
