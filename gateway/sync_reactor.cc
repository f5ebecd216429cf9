#include "gateway/sync_reactor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gateway/audit.h"
#include "runtime/grpc_status.h"
#include "runtime/log.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr absl::Duration kLogInterval = absl::Seconds(10);

}  // namespace

SyncReactor* SyncReactor::Start(const SyncParts& parts, const BridgeSessionOptions& options, const Caller& caller,
                                const grpc::CallbackServerContext* context) {
  auto reactor = std::make_shared<SyncReactor>(
      parts, options, [caller](absl::string_view twin) { return caller.May(Role::kBridge, twin); }, context);
  SyncReactor* const raw = reactor.get();
  raw->self_ = reactor;
  absl::StatusOr<uint64_t> registration =
      parts.streams->Add(caller, kStreamsOfBridgeMax, std::weak_ptr<DrainableStream>(reactor));
  // gRPC calls nothing of the reactor before this method has returned, but the registry may.
  raw->strand_.Run([reactor, registration = std::move(registration)] {
    if (registration.ok()) {
      reactor->registration_ = *registration;
      reactor->parts_.metrics->sessions.Increment();
      Actions actions;
      reactor->session_.OnStart(reactor->parts_.clock->UnixNanos(), &actions);
      reactor->CarryOut(std::move(actions));
    } else {
      reactor->finish_ = registration.status();
    }
    reactor->Pump();
  });
  return raw;
}

SyncReactor::SyncReactor(const SyncParts& parts, const BridgeSessionOptions& options,
                         BridgeSession::Authorize authorize, const grpc::CallbackServerContext* context)
    : parts_(parts),
      bridge_(options.bridge),
      peer_(options.peer),
      context_(context),
      strand_(parts.executor),
      session_(options, std::move(authorize)) {}

void SyncReactor::OnReadDone(bool ok) {
  // Asked here: the context may be gone when the strand comes to it.
  const bool is_cancelled = !ok && context_->IsCancelled();
  strand_.Run([self = shared_from_this(), ok, is_cancelled] { self->HandleRead(ok, is_cancelled); });
}

void SyncReactor::OnWriteDone(bool ok) {
  strand_.Run([self = shared_from_this(), ok] { self->HandleWritten(ok); });
}

void SyncReactor::OnCancel() {
  strand_.Run([self = shared_from_this()] { self->HandleGone("the connection was lost"); });
}

void SyncReactor::OnDone() {
  strand_.Run([self = std::move(self_)] { self->HandleDone(); });
}

void SyncReactor::BeginDrain(absl::Duration grace) {
  strand_.Post([self = shared_from_this(), grace] {
    Actions actions;
    self->session_.OnDrain(absl::ToInt64Nanoseconds(grace), &actions);
    self->CarryOut(std::move(actions));
  });
}

void SyncReactor::EndDrain() {
  strand_.Post([self = shared_from_this()] {
    Actions actions;
    self->session_.OnDrainEnd(&actions);
    self->CarryOut(std::move(actions));
  });
}

void SyncReactor::EndWith(absl::Status status) {
  strand_.Post([self = shared_from_this(), status = std::move(status)] {
    Actions actions;
    self->session_.OnEnd(status, &actions);
    self->CarryOut(std::move(actions));
  });
}

void SyncReactor::HandleRead(bool ok, bool is_cancelled) {
  is_reading_ = false;
  Actions actions;
  if (ok) {
    session_.OnRequest(request_, parts_.clock->UnixNanos(), &actions);
    if (request_.has_report() && session_.report() != nullptr) {
      parts_.live->SetReport(bridge_, session_.session(), std::make_shared<pb::BridgeReport>(*session_.report()));
    }
  } else {
    reads_ended_ = true;
    // After a cancellation OnCancel says why.
    if (!finished_ && !is_cancelled) session_.OnWritesDone(&actions);
  }
  CarryOut(std::move(actions));
}

void SyncReactor::HandleWritten(bool ok) {
  is_writing_ = false;
  if (!ok) writes_failed_ = true;
  Pump();
}

void SyncReactor::HandleGone(absl::string_view reason) {
  Actions actions;
  session_.OnPeerGone(reason, &actions);
  writes_failed_ = true;
  if (!finish_.has_value()) finish_ = absl::CancelledError(reason);
  CarryOut(std::move(actions));
}

void SyncReactor::HandleApplied(uint64_t tag, const ApplyResult& result) {
  CountApplied(tag, result);
  HandleRefusedOutbox(result);
  const bool was_open = session_.session() != 0;
  Actions actions;
  session_.OnApplied(tag, result, parts_.clock->UnixNanos(), &actions);
  if (!was_open && session_.session() != 0) {
    parts_.metrics->sessions_opened.Increment();
    Log(LogLevel::kInfo, "session opened", {{"bridge", bridge_}, {"session", session_.session()}, {"peer", peer_}});
  }
  CarryOut(std::move(actions));
}

void SyncReactor::HandleDone() {
  finished_ = true;
  writes_failed_ = true;
  const absl::Status status = finish_.value_or(absl::OkStatus());
  Actions actions;
  session_.OnPeerGone(status.ok() ? "the bridge ended it" : status.message(), &actions);
  CarryOut(std::move(actions));
  parts_.timers->Cancel(timer_);
  parts_.metrics->CountRpc("Sync", status);
  if (registration_ != 0) {
    parts_.live->Forget(bridge_, session_.session());
    parts_.metrics->sessions.Decrement();
    parts_.metrics->credit_outstanding_bytes.Decrement(static_cast<double>(credit_counted_bytes_));
    credit_counted_bytes_ = 0;
    parts_.streams->Remove(registration_);
  }
  const bool bridge_is_wrong = absl::IsInvalidArgument(status);
  LogEvery(kLogInterval, absl::StrCat("session ended:", bridge_, absl::StatusCodeToString(status.code())),
           bridge_is_wrong ? LogLevel::kWarning : LogLevel::kInfo, "session ended",
           {{"bridge", bridge_}, {"session", session_.session()}, {"peer", peer_}, {"status", status}});
}

void SyncReactor::CarryOut(Actions actions) {
  for (BridgeSession::Action& action : actions) {
    if (auto* send = std::get_if<BridgeSession::Send>(&action)) {
      queue_bytes_ += send->response.ByteSizeLong();
      queue_.push_back(std::move(send->response));
    } else if (auto* append = std::get_if<BridgeSession::Append>(&action)) {
      Append(std::move(*append));
    } else if (auto* finish = std::get_if<BridgeSession::Finish>(&action)) {
      if (!finish_.has_value()) finish_ = std::move(finish->status);
      if (ReasonOf(*finish_) == "FENCED") parts_.metrics->sessions_fenced.Increment();
    } else if (auto* timer = std::get_if<BridgeSession::SetTimer>(&action)) {
      SetTimer(timer->unix_ns);
    }
  }
  CountCredit();
  Pump();
}

void SyncReactor::Append(BridgeSession::Append append) {
  const uint64_t tag = append.tag;
  if (append.entry.has_frames_received()) {
    const pb::FramesReceived& received = append.entry.frames_received();
    in_flight_[tag] = {parts_.clock->MonotonicNanos(), received.group().data().size()};
    for (const pb::RefusedFrame& refused : received.refused()) {
      const absl::Status status = FromRpcStatus(refused.status());
      parts_.metrics->CountRefusedFrame(status);
      LogEvery(kLogInterval, absl::StrCat("frame refused:", bridge_), LogLevel::kWarning, "frame refused",
               {{"bridge", bridge_}, {"seq", refused.seq()}, {"status", status}});
      AuditRefusal("Sync", bridge_, peer_, status, parts_.metrics);
    }
  }
  const absl::Status queued = parts_.committer->Append(
      std::move(append.entry), std::move(append.group), [self = shared_from_this(), tag](const ApplyResult& result) {
        self->strand_.Post([self, tag, result] { self->HandleApplied(tag, result); });
      });
  if (queued.ok()) return;
  ApplyResult result;
  result.status = queued;
  // Not at once: the session is still giving out actions.
  strand_.Run([self = shared_from_this(), tag, result = std::move(result)] { self->HandleApplied(tag, result); });
}

void SyncReactor::SetTimer(int64_t unix_ns) {
  parts_.timers->Cancel(timer_);
  const absl::Duration after = absl::Nanoseconds(unix_ns - parts_.clock->UnixNanos());
  timer_ = parts_.timers->Schedule(after, [weak = weak_from_this()] {
    const std::shared_ptr<SyncReactor> self = weak.lock();
    if (self == nullptr) return;
    self->strand_.Post([self] {
      Actions actions;
      self->session_.OnTimer(self->parts_.clock->UnixNanos(), &actions);
      self->CarryOut(std::move(actions));
    });
  });
}

void SyncReactor::CountApplied(uint64_t tag, const ApplyResult& result) {
  const auto found = in_flight_.find(tag);
  if (found == in_flight_.end()) return;
  const InFlight group = found->second;
  in_flight_.erase(found);
  if (!result.status.ok()) return;
  GatewayMetrics& metrics = *parts_.metrics;
  metrics.samples.Increment(static_cast<double>(result.samples_applied));
  metrics.frames.Increment(static_cast<double>(result.frames_applied));
  metrics.frames_duplicate.Increment(static_cast<double>(result.frames_duplicate));
  metrics.groups.Increment();
  metrics.group_bytes.Increment(static_cast<double>(group.bytes));
  metrics.commit_seconds.Observe(static_cast<double>(parts_.clock->MonotonicNanos() - group.since_ns) / 1e9);
  for (const auto& [seq, status] : result.rejected) metrics.CountRefusedFrame(status);
  for (const std::string& reason : result.quarantined) metrics.CountQuarantined(reason);
  for (const pb::Gap::Reason reason : result.gaps) metrics.CountGap(reason);
  for (const auto& [reason, count] : result.issues) metrics.CountIssue(reason, count);
}

void SyncReactor::HandleRefusedOutbox(const ApplyResult& result) {
  const std::string reason = result.outbox_is_stale ? "OUTBOX_STALE" : ReasonOf(result.status);
  const bool in_use = reason == "OUTBOX_CLONED" || reason == "IDENTITY_IN_USE";
  if (!in_use && reason != "OUTBOX_STALE" && reason != "EPOCH_CONFLICT") return;
  parts_.metrics->CountRefusedOutbox(reason);
  LogEvery(kLogInterval, absl::StrCat("outbox refused:", bridge_), LogLevel::kWarning, "outbox refused",
           {{"bridge", bridge_}, {"peer", peer_}, {"reason", reason}, {"status", result.status}});
  if (!in_use || parts_.streams->count_of(bridge_) > 1) return;
  const ErrorMetadata metadata = MetadataOf(result.status);
  const auto session = metadata.find("session");
  uint64_t number = 0;
  if (session == metadata.end() || !absl::SimpleAtoi(session->second, &number)) return;
  pb::LogEntry entry;
  entry.mutable_session_closed()->set_bridge(bridge_);
  entry.mutable_session_closed()->set_session(number);
  entry.mutable_session_closed()->set_reason("its stream is gone");
  // When it cannot be written now, the next attempt of the bridge comes here again.
  parts_.committer->Append(std::move(entry), nullptr, [](const ApplyResult&) {}).IgnoreError();
}

void SyncReactor::CountCredit() {
  const uint64_t now = session_.credit_left_bytes();
  if (registration_ == 0 || finished_ || now == credit_counted_bytes_) return;
  parts_.metrics->credit_outstanding_bytes.Increment(static_cast<double>(now) -
                                                     static_cast<double>(credit_counted_bytes_));
  credit_counted_bytes_ = now;
}

void SyncReactor::Pump() {
  if (finished_) return;
  if (writes_failed_) {
    queue_.clear();
    queue_bytes_ = 0;
  }
  if (!is_writing_ && !queue_.empty()) {
    writing_ = std::move(queue_.front());
    queue_.pop_front();
    queue_bytes_ -= std::min(queue_bytes_, writing_.ByteSizeLong());
    is_writing_ = true;
    grpc::WriteOptions options;
    // More follows at once: share a packet with it.
    if (!queue_.empty()) options.set_buffer_hint();
    StartWrite(&writing_, options);
  }
  if (finish_.has_value()) {
    if (is_writing_ || !queue_.empty()) return;
    finished_ = true;
    Finish(ToGrpcStatus(*finish_));
    return;
  }
  if (!is_reading_ && !reads_ended_ && queue_bytes_ < kWriteQueueBytesMax) {
    is_reading_ = true;
    StartRead(&request_);
  }
}

}  // namespace mvmd
