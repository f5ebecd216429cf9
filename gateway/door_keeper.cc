#include "gateway/door_keeper.h"

#include <chrono>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

constexpr double kAgeSpread = 0.1;

}  // namespace

DoorKeeper::DoorKeeper(const Callers* callers, std::vector<StreamRegistry*> streams, const Options& options,
                       GatewayMetrics* metrics)
    : callers_(callers), streams_(std::move(streams)), options_(options), metrics_(metrics) {
  if (options_.interval > absl::ZeroDuration()) thread_ = std::thread([this] { Run(); });
}

DoorKeeper::~DoorKeeper() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  stop_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void DoorKeeper::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stop_changed_.wait_for(lock, absl::ToChronoNanoseconds(options_.interval), [this] { return stop_; })) {
    lock.unlock();
    LookAround();
    lock.lock();
  }
}

void DoorKeeper::LookAround() {
  const std::shared_ptr<const Policy> policy = callers_->policy();
  for (StreamRegistry* const streams : streams_) {
    streams->EndUnless([&](const OpenStream& stream) {
      absl::Status status = MayStay(stream, *policy);
      if (!status.ok()) metrics_->CountStreamEnded(status);
      return status;
    });
  }
}

absl::Status DoorKeeper::MayStay(const OpenStream& stream, const Policy& policy) const {
  if (absl::Status status = callers_->Check(stream.caller.certificate().get()); !status.ok()) return status;
  if (&stream.caller.policy() != &policy && !policy.GivesTheSame(stream.caller.policy(), stream.caller.subject())) {
    return MakeError(absl::StatusCode::kUnavailable, "POLICY_CHANGED",
                     "the policy has other rules for you now; connect again");
  }
  if (options_.age_max > absl::ZeroDuration() && stream.age > options_.age_max * (1 + kAgeSpread * stream.spread)) {
    return MakeError(absl::StatusCode::kUnavailable, "CONNECTION_TOO_OLD",
                     absl::StrCat("the stream is open for ",
                                  absl::FormatDuration(absl::Trunc(stream.age, absl::Seconds(1))), "; connect again"));
  }
  return absl::OkStatus();
}

}  // namespace mvmd
