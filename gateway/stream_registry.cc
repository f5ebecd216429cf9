#include "gateway/stream_registry.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/status_proto.h"

namespace mvmd {

StreamRegistry::StreamRegistry(absl::string_view reason, absl::string_view what, size_t streams_max)
    : reason_(reason), what_(what), streams_max_(streams_max) {}

absl::StatusOr<uint64_t> StreamRegistry::Add(std::weak_ptr<DrainableStream> stream) {
  absl::MutexLock lock(&mutex_);
  if (draining_) {
    return MakeError(absl::StatusCode::kUnavailable, "DRAINING", "the gateway is about to stop; connect again");
  }
  if (streams_.size() >= streams_max_) {
    return MakeError(absl::StatusCode::kResourceExhausted, reason_,
                     absl::StrCat("expected at most ", streams_max_, " ", what_,
                                  " at a time, and so many are open; try again later"),
                     {{"limit", absl::StrCat(streams_max_)}});
  }
  streams_.emplace(++last_id_, std::move(stream));
  return last_id_;
}

void StreamRegistry::Remove(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(id);
}

size_t StreamRegistry::count() const {
  absl::MutexLock lock(&mutex_);
  return streams_.size();
}

void StreamRegistry::BeginDrain(absl::Duration grace) {
  std::vector<std::shared_ptr<DrainableStream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    draining_ = true;
    for (const auto& [id, stream] : streams_) {
      if (auto alive = stream.lock()) streams.push_back(std::move(alive));
    }
  }
  for (const auto& stream : streams) stream->BeginDrain(grace);
}

void StreamRegistry::EndDrain() {
  std::vector<std::shared_ptr<DrainableStream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, stream] : streams_) {
      if (auto alive = stream.lock()) streams.push_back(std::move(alive));
    }
  }
  for (const auto& stream : streams) stream->EndDrain();
}

bool StreamRegistry::WaitUntilEmpty(absl::Duration timeout) const {
  const auto empty = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return streams_.empty(); };
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&empty), timeout);
}

}  // namespace mvmd
