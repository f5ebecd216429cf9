// How the gateway tells an outbox from an old copy of it.
#ifndef MVMD_GATEWAY_NONCE_CHAIN_H_
#define MVMD_GATEWAY_NONCE_CHAIN_H_

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace mvmd {

// Of one epoch. Each session gives the outbox a fresh nonce, which it keeps on disk before it sends frames, and
// presents when the next session opens. Of two files that were one, only that which was served last can present a good
// one.
//
//   good: {n0}  --Give(n0, n1)-->  {n0, n1}  --Confirm (frames came)-->  {n1}
//                                     |
//                                     +--Give(n0, n2)-->  {n0, n1, n2}  --Give(n1, n3)-->  {n1, n2, n3}
//
// An outbox that crashes before it has kept a nonce has sent nothing in that session: it presents an earlier one, which
// is good until frames have come. So is every one that was given meanwhile: a Hello that was delayed may come when the
// bridge has a newer session already, and has kept what that one gave. Part of the fold: deterministic.
class NonceChain {
 public:
  // A bridge presents what it kept last, so that more are never needed; this only bounds them.
  static constexpr size_t kGoodMax = 16;

  NonceChain() = default;
  // As newest() and previous() gave them.
  NonceChain(std::string newest, std::vector<std::string> previous) : good_(std::move(previous)) {
    if (!newest.empty()) good_.push_back(std::move(newest));
  }

  // An epoch whose outbox keeps no nonces, or has not yet, takes any.
  bool Accepts(absl::string_view presented) const {
    return good_.empty() || std::find(good_.begin(), good_.end(), presented) != good_.end();
  }
  // After Accepts(presented). `next` empty: the bridge keeps none, and the chain ends.
  void Give(absl::string_view presented, absl::string_view next) {
    if (next.empty()) return good_.clear();
    // What it kept before this one it will not present again.
    good_.erase(good_.begin(), std::find(good_.begin(), good_.end(), presented));
    if (good_.empty()) good_.emplace_back(presented);
    if (good_.size() == kGoodMax) good_.erase(good_.begin() + 1);
    good_.emplace_back(next);
  }
  // The outbox has kept the newest one.
  void Confirm() {
    if (good_.size() > 1) good_.erase(good_.begin(), good_.end() - 1);
  }

  bool active() const { return !good_.empty(); }
  std::string newest() const { return good_.empty() ? std::string() : good_.back(); }
  std::vector<std::string> previous() const {
    return good_.empty() ? good_ : std::vector<std::string>(good_.begin(), good_.end() - 1);
  }

 private:
  std::vector<std::string> good_;  // oldest first
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_NONCE_CHAIN_H_
