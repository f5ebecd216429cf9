// Is it UTF-8?
#ifndef MVMD_BRIDGE_UTF8_H_
#define MVMD_BRIDGE_UTF8_H_

#include "absl/strings/string_view.h"

namespace mvmd {

// RFC 3629: no surrogates, no overlong forms.
bool IsUtf8(absl::string_view bytes);

}  // namespace mvmd

#endif  // MVMD_BRIDGE_UTF8_H_
