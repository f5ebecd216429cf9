#include "gateway/readable_twins.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

// There is none between `id` and this one.
std::string NextId(absl::string_view id) { return absl::StrCat(id, absl::string_view("\0", 1)); }

// The end of the ids that begin with `prefix`; nullopt: there are no others behind them.
std::optional<std::string> EndOf(absl::string_view prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xFF) prefix.remove_suffix(1);
  if (prefix.empty()) return std::nullopt;
  std::string end(prefix);
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

}  // namespace

ReadableTwins::ReadableTwins(const Committer& committer, Caller caller, std::string prefix, std::string after)
    : committer_(committer),
      caller_(std::move(caller)),
      prefix_(std::move(prefix)),
      after_(std::move(after)),
      from_(NextId(after_)) {
  if (*from_ < prefix_) from_ = prefix_;
}

std::vector<TwinSnapshot> ReadableTwins::Next(size_t limit) {
  std::vector<TwinSnapshot> twins;
  while (twins.empty() && from_.has_value()) {
    const std::optional<Policy::Twins> readable = caller_.NextTwins(Role::kReader, *from_);
    if (!readable.has_value()) return twins;
    const absl::string_view first = std::max<absl::string_view>(readable->id, *from_);
    if (!absl::StartsWith(first, prefix_)) return twins;
    if (!readable->is_prefix) {
      auto twin = committer_.Read([readable](const TwinState& state) { return state.GetTwin(readable->id); });
      if (twin.ok()) twins.push_back(*std::move(twin));
      after_ = std::string(readable->id);
      from_ = NextId(after_);
      continue;
    }
    // `first` begins with both of them.
    const absl::string_view within = std::max<absl::string_view>(readable->id, prefix_);
    twins = committer_.Read([&](const TwinState& state) { return state.ListTwins(within, after_, limit); });
    if (twins.size() < limit) {
      from_ = EndOf(within);
    } else {
      from_ = NextId(twins.back().twin);
    }
    if (!twins.empty()) after_ = twins.back().twin;
    if (readable->is_filtered) {
      twins.erase(std::remove_if(twins.begin(), twins.end(),
                                 [this](const TwinSnapshot& twin) { return !caller_.May(Role::kReader, twin.twin); }),
                  twins.end());
    }
  }
  return twins;
}

}  // namespace mvmd
