// CRC-32C (Castagnoli), as iSCSI and ext4 have it: RFC 3720, appendix B.4.
#ifndef MVMD_BRIDGE_CRC32C_H_
#define MVMD_BRIDGE_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace mvmd {

// Continues `crc` (0 to begin) over `bytes`. Uses the processor's instruction where there is one. Thread-safe.
uint32_t Crc32c(absl::string_view bytes, uint32_t crc = 0);

}  // namespace mvmd

#endif  // MVMD_BRIDGE_CRC32C_H_
