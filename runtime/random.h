// Random bytes from the kernel.
#ifndef MVMD_RUNTIME_RANDOM_H_
#define MVMD_RUNTIME_RANDOM_H_

#include <cstddef>
#include <string>

namespace mvmd {

// Unpredictable. Blocks only before the kernel has gathered entropy, early in boot.
std::string RandomBytes(size_t count);

}  // namespace mvmd

#endif  // MVMD_RUNTIME_RANDOM_H_
