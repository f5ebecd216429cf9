#include "gateway/stream_registry.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/status_proto.h"

namespace mvmd {

Places::Places(absl::string_view reason, absl::string_view what, size_t places_max)
    : reason_(reason), what_(what), places_max_(places_max) {}

absl::Status Places::Take(absl::string_view identity, size_t identity_places_max) {
  const auto found = taken_by_.find(identity);
  const bool identity_is_full = found != taken_by_.end() && found->second >= identity_places_max;
  if (taken_ >= places_max_ || identity_is_full) {
    const size_t limit = identity_is_full ? identity_places_max : places_max_;
    return MakeError(absl::StatusCode::kResourceExhausted, reason_,
                     absl::StrCat("expected at most ", limit, " ", what_, identity_is_full ? " of one identity" : "",
                                  " at a time, and so many are open; try again later"),
                     {{"limit", absl::StrCat(limit)}});
  }
  ++taken_;
  if (found != taken_by_.end()) {
    ++found->second;
  } else {
    taken_by_.emplace(identity, 1);
  }
  return absl::OkStatus();
}

void Places::Leave(absl::string_view identity) {
  const auto found = taken_by_.find(identity);
  if (found == taken_by_.end()) return;
  --taken_;
  if (--found->second == 0) taken_by_.erase(found);
}

size_t Places::taken_by(absl::string_view identity) const {
  const auto found = taken_by_.find(identity);
  return found == taken_by_.end() ? 0 : found->second;
}

StreamRegistry::StreamRegistry(absl::string_view reason, absl::string_view what, size_t streams_max)
    : streams_max_(streams_max), places_(reason, what, streams_max) {}

absl::StatusOr<uint64_t> StreamRegistry::Add(absl::string_view identity, size_t identity_streams_max,
                                             std::weak_ptr<DrainableStream> stream) {
  absl::MutexLock lock(&mutex_);
  if (draining_) {
    return MakeError(absl::StatusCode::kUnavailable, "DRAINING", "the gateway is about to stop; connect again");
  }
  if (absl::Status status = places_.Take(identity, identity_streams_max); !status.ok()) return status;
  streams_.emplace(++last_id_, Stream{std::string(identity), std::move(stream)});
  return last_id_;
}

void StreamRegistry::Remove(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  places_.Leave(found->second.identity);
  streams_.erase(found);
}

size_t StreamRegistry::count_of(absl::string_view identity) const {
  absl::MutexLock lock(&mutex_);
  return places_.taken_by(identity);
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
      if (auto alive = stream.stream.lock()) streams.push_back(std::move(alive));
    }
  }
  for (const auto& stream : streams) stream->BeginDrain(grace);
}

void StreamRegistry::EndDrain() {
  std::vector<std::shared_ptr<DrainableStream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, stream] : streams_) {
      if (auto alive = stream.stream.lock()) streams.push_back(std::move(alive));
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
