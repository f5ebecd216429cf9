// Version of this build.
#ifndef MVMD_BRIDGE_VERSION_H_
#define MVMD_BRIDGE_VERSION_H_

namespace mvmd {

// Of the CMake project.
inline constexpr char kVersion[] = MVMD_VERSION;

}  // namespace mvmd

#endif  // MVMD_BRIDGE_VERSION_H_
