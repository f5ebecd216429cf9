#include "gateway/live_bridges.h"

#include <utility>

namespace mvmd {

void LiveBridges::SetReport(const std::string& bridge, uint64_t session, Report report) {
  absl::MutexLock lock(&mutex_);
  Entry& entry = entries_[bridge];
  if (entry.session > session) return;
  entry = {session, std::move(report)};
}

void LiveBridges::Forget(const std::string& bridge, uint64_t session) {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(bridge);
  if (found != entries_.end() && found->second.session == session) entries_.erase(found);
}

LiveBridges::Report LiveBridges::ReportOf(absl::string_view bridge, uint64_t session) const {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(std::string(bridge));
  return found != entries_.end() && found->second.session == session ? found->second.report : nullptr;
}

}  // namespace mvmd
