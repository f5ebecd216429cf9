#include "gateway/recent_entries.h"

#include <utility>

namespace mvmd {

RecentEntries::RecentEntries(size_t bytes_max, uint64_t next_revision)
    : bytes_max_(bytes_max), next_revision_(next_revision) {}

void RecentEntries::Push(std::vector<std::shared_ptr<const AppliedEntry>> batch) {
  std::vector<absl::AnyInvocable<void() &&>> ready;
  // Large ones are freed without the lock.
  std::vector<std::shared_ptr<const AppliedEntry>> dropped;
  {
    absl::MutexLock lock(&mutex_);
    for (std::shared_ptr<const AppliedEntry>& entry : batch) {
      next_revision_ = entry->revision + 1;
      bytes_ += entry->bytes;
      entries_.push_back(std::move(entry));
    }
    // The newest one stays, however large it is: someone waits for it.
    while (entries_.size() > 1 && bytes_ > bytes_max_) {
      bytes_ -= entries_.front()->bytes;
      dropped.push_back(std::move(entries_.front()));
      entries_.pop_front();
    }
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (it->second.revision >= next_revision_) {
        ++it;
        continue;
      }
      ready.push_back(std::move(it->second.ready));
      running_.insert(it->first);
      it = waiting_.erase(it);
    }
  }
  if (ready.empty()) return;
  for (absl::AnyInvocable<void() &&>& call : ready) std::move(call)();
  ready.clear();  // what they hold goes before Cancel returns
  absl::MutexLock lock(&mutex_);
  running_.clear();
}

RecentEntries::Read RecentEntries::ReadFrom(uint64_t revision, size_t bytes_max) const {
  Read read;
  absl::MutexLock lock(&mutex_);
  read.oldest = next_revision_ - entries_.size();
  if (revision < read.oldest) {
    read.behind = true;
    return read;
  }
  size_t bytes = 0;
  for (size_t i = revision - read.oldest; i < entries_.size(); ++i) {
    bytes += entries_[i]->bytes;
    if (!read.entries.empty() && bytes > bytes_max) break;
    read.entries.push_back(entries_[i]);
  }
  return read;
}

uint64_t RecentEntries::NotifyAt(uint64_t revision, absl::AnyInvocable<void() &&> ready) {
  {
    absl::MutexLock lock(&mutex_);
    if (revision >= next_revision_) {
      waiting_.emplace(++last_id_, Waiting{revision, std::move(ready)});
      return last_id_;
    }
  }
  std::move(ready)();
  return 0;
}

void RecentEntries::Cancel(uint64_t id) {
  absl::AnyInvocable<void() &&> cancelled;  // destroyed without the lock
  absl::MutexLock lock(&mutex_);
  if (const auto found = waiting_.find(id); found != waiting_.end()) {
    cancelled = std::move(found->second.ready);
    waiting_.erase(found);
    return;
  }
  const auto done = [this, id]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !running_.contains(id); };
  mutex_.Await(absl::Condition(&done));
}

}  // namespace mvmd
