#include "gateway/stream_registry.h"

#include <cmath>
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

StreamRegistry::StreamRegistry(absl::string_view reason, absl::string_view what, size_t streams_max, const Clock* clock)
    : streams_max_(streams_max), clock_(clock), places_(reason, what, streams_max) {}

absl::StatusOr<uint64_t> StreamRegistry::Add(const Caller& caller, size_t identity_streams_max,
                                             std::weak_ptr<DrainableStream> stream) {
  absl::MutexLock lock(&mutex_);
  if (draining_) {
    return MakeError(absl::StatusCode::kUnavailable, "DRAINING", "the gateway is about to stop; connect again");
  }
  if (absl::Status status = places_.Take(caller.subject(), identity_streams_max); !status.ok()) return status;
  // The golden ratio spreads whatever number of streams well.
  const double spread = 2 * std::fmod(static_cast<double>(++last_id_) * 0.6180339887498949, 1.0) - 1;
  streams_.emplace(last_id_, Stream{caller, std::move(stream), clock_->MonotonicNanos(), spread});
  return last_id_;
}

void StreamRegistry::Remove(uint64_t id) {
  absl::MutexLock lock(&mutex_);
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  places_.Leave(found->second.caller.subject());
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

size_t StreamRegistry::EndUnless(const std::function<absl::Status(const OpenStream& stream)>& may_stay) {
  std::vector<std::pair<std::shared_ptr<DrainableStream>, absl::Status>> ends;
  {
    absl::MutexLock lock(&mutex_);
    const int64_t now_ns = clock_->MonotonicNanos();
    for (auto& [id, stream] : streams_) {
      if (stream.ended) continue;
      absl::Status status = may_stay({stream.caller, absl::Nanoseconds(now_ns - stream.opened_ns), stream.spread});
      if (status.ok()) continue;
      stream.ended = true;
      if (auto alive = stream.stream.lock()) ends.emplace_back(std::move(alive), std::move(status));
    }
  }
  for (auto& [stream, status] : ends) stream->EndWith(std::move(status));
  return ends.size();
}

bool StreamRegistry::WaitUntilEmpty(absl::Duration timeout) const {
  const auto empty = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return streams_.empty(); };
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&empty), timeout);
}

}  // namespace mvmd
