// Checksum of a row of the outbox.
#ifndef MVMD_BRIDGE_ROW_CRC_H_
#define MVMD_BRIDGE_ROW_CRC_H_

#include <cstdint>

#include "absl/base/internal/endian.h"
#include "absl/strings/string_view.h"
#include "bridge/crc32c.h"

namespace mvmd {

// CRC-32C of seq (8 bytes, little-endian), kind (1 byte) and frame.
inline uint32_t RowCrc(uint64_t seq, int kind, absl::string_view frame) {
  char head[9];
  absl::little_endian::Store64(head, seq);
  head[8] = static_cast<char>(kind);
  return Crc32c(frame, Crc32c(absl::string_view(head, sizeof(head))));
}

}  // namespace mvmd

#endif  // MVMD_BRIDGE_ROW_CRC_H_
