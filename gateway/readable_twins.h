// The twins that a caller may read, one part after the other.
#ifndef MVMD_GATEWAY_READABLE_TWINS_H_
#define MVMD_GATEWAY_READABLE_TWINS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gateway/caller.h"
#include "gateway/committer.h"
#include "gateway/twin_state.h"

namespace mvmd {

// In the order of their ids. Never looks at another twin, so that neither what it gives nor how long it takes tells
// anything of those that the caller may not read; but for a rule with a `*` inside it looks at all that begin alike.
// Holds the reader lock for one part at a time.
class ReadableTwins {
 public:
  // Those behind `after` whose ids begin with `prefix`. `committer` outlives it.
  ReadableTwins(const Committer& committer, Caller caller, std::string prefix, std::string after);

  // The next ones, at most `limit`; none: there are no more.
  std::vector<TwinSnapshot> Next(size_t limit);

 private:
  const Committer& committer_;
  const Caller caller_;
  const std::string prefix_;
  std::string after_;                // the last one looked at
  std::optional<std::string> from_;  // nothing before this one is left; nullopt: nothing at all
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_READABLE_TWINS_H_
