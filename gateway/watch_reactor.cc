#include "gateway/watch_reactor.h"

#include <algorithm>
#include <utility>

#include "gateway/audit.h"
#include "runtime/grpc_status.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

absl::Status Overloaded() {
  return MakeError(absl::StatusCode::kResourceExhausted, "OVERLOADED", "too many reads wait for a thread; try again");
}

WatchCursor::SnapshotPart ReadPart(const Committer& committer, const WatchCursor::SnapshotRead& read) {
  return committer.Read([&read](const TwinState& state) {
    WatchCursor::SnapshotPart part;
    part.revision = state.applied_revision();
    if (read.twins.empty()) {
      part.twins = state.ListTwins(read.prefix, read.after, read.limit);
      return part;
    }
    for (const std::string& twin : read.twins) {
      if (absl::StatusOr<TwinSnapshot> snapshot = state.GetTwin(twin); snapshot.ok()) {
        part.twins.push_back(*std::move(snapshot));
      }
    }
    return part;
  });
}

}  // namespace

WatchReactor* WatchReactor::Start(const WatchParts& parts, const WatchLimits& limits,
                                  const absl::StatusOr<Caller>& caller, const pb::WatchTwinsRequest& request) {
  auto reactor = std::make_shared<WatchReactor>(parts);
  WatchReactor* const raw = reactor.get();
  raw->self_ = reactor;
  // Nobody else knows the reactor yet, so this runs here and now, while the request is there.
  raw->strand_.Run([reactor, &limits, &caller, &request] {
    absl::Status status = reactor->Open(limits, caller, request);
    if (status.ok()) return reactor->Advance();
    AuditRefusal("WatchTwins", caller.ok() ? caller->subject() : "", caller.ok() ? caller->address() : "", status,
                 reactor->parts_.metrics);
    reactor->End(std::move(status));
  });
  return raw;
}

WatchReactor::WatchReactor(const WatchParts& parts) : parts_(parts), strand_(parts.executor) {}

absl::Status WatchReactor::Open(const WatchLimits& limits, const absl::StatusOr<Caller>& caller,
                                const pb::WatchTwinsRequest& request) {
  if (!caller.ok()) return caller.status();
  if (absl::Status status = caller->CheckRole(Role::kReader); !status.ok()) return status;
  for (const std::string& twin : request.twin_ids()) {
    if (absl::Status status = caller->Check(Role::kReader, twin); !status.ok()) return status;
  }
  WatchAccess access;
  access.may_read_all = caller->policy().AllowsAllTwins(caller->subject(), Role::kReader);
  if (access.may_read_all) {
    access.may_read = [](absl::string_view) { return true; };
  } else {
    access.may_read = [caller = *caller](absl::string_view twin) { return caller.May(Role::kReader, twin); };
  }
  access.live_of = [committer = parts_.committer](absl::string_view twin) {
    const auto snapshot = committer->Read([twin](const TwinState& state) { return state.GetTwin(twin); });
    return snapshot.ok() ? snapshot->live : LiveView();
  };
  absl::StatusOr<WatchCursor> cursor = WatchCursor::Create(
      request, std::move(access), limits, parts_.committer->applied_revision(), parts_.clock->UnixNanos());
  if (!cursor.ok()) return cursor.status();
  absl::StatusOr<uint64_t> registration = parts_.watches->Add(*caller, ShareOfClient(parts_.watches->streams_max()),
                                                              std::weak_ptr<DrainableStream>(shared_from_this()));
  if (!registration.ok()) return registration.status();
  cursor_ = *std::move(cursor);
  registration_ = *registration;
  parts_.metrics->watches.Increment();
  return absl::OkStatus();
}

void WatchReactor::OnWriteDone(bool ok) {
  strand_.Run([self = shared_from_this(), ok] {
    self->is_writing_ = false;
    if (!ok && !self->end_.has_value()) self->end_ = absl::CancelledError("the client is gone");
    self->Advance();
  });
}

void WatchReactor::OnCancel() {
  strand_.Run([self = shared_from_this()] { self->End(absl::CancelledError("the client is gone")); });
}

void WatchReactor::OnDone() {
  strand_.Run([self = std::move(self_)] { self->HandleDone(); });
}

void WatchReactor::BeginDrain(absl::Duration) {
  strand_.Post([self = shared_from_this()] {
    self->End(MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                        "the gateway ends this stream; connect again and resume with the last token"));
  });
}

void WatchReactor::EndDrain() { BeginDrain(absl::ZeroDuration()); }

void WatchReactor::EndWith(absl::Status status) {
  strand_.Post([self = shared_from_this(), status = std::move(status)]() mutable { self->End(std::move(status)); });
}

void WatchReactor::Advance() {
  while (!is_writing_ && !finished_) {
    if (end_.has_value()) return FinishWhenWritten();
    const int64_t now_unix_ns = parts_.clock->UnixNanos();
    RecentEntries::Read read;
    const bool looked = cursor_->wants_entries();
    if (looked) read = parts_.committer->recent().ReadFrom(cursor_->next_revision(), kReadBytesMax);
    if (cursor_->Take(now_unix_ns, !read.behind && read.entries.empty(), &response_)) {
      is_writing_ = true;
      StartWrite(&response_);
      return;
    }
    if (is_reading_) return;
    if (cursor_->wants_snapshot()) return ReadSnapshot();
    if (!looked) continue;  // nothing of what was given was for this client
    if (read.behind) return ReadLog();
    if (read.entries.empty()) return WaitForMore();
    cursor_->Give(read.entries);
  }
}

void WatchReactor::ReadSnapshot() {
  is_reading_ = true;
  const bool taken = parts_.readers->TryRun([self = shared_from_this(), read = cursor_->next_snapshot_read()] {
    self->strand_.Post([self, part = ReadPart(*self->parts_.committer, read)]() mutable {
      self->is_reading_ = false;
      if (!self->end_.has_value()) self->cursor_->GiveSnapshot(std::move(part));
      self->Advance();
    });
  });
  if (!taken) TakeLog(Overloaded());
}

void WatchReactor::ReadLog() {
  is_reading_ = true;
  const bool taken = parts_.readers->TryRun([self = shared_from_this(), revision = cursor_->next_revision()] {
    absl::StatusOr<Entries> entries = self->parts_.history->ReadFrom(revision, kReadBytesMax);
    self->strand_.Post([self, entries = std::move(entries)]() mutable { self->TakeLog(std::move(entries)); });
  });
  if (!taken) TakeLog(Overloaded());
}

void WatchReactor::TakeLog(absl::StatusOr<Entries> entries) {
  is_reading_ = false;
  if (!entries.ok()) return End(entries.status());
  if (absl::Status status = cursor_->CutForgotten(&*entries); !status.ok()) return End(std::move(status));
  if (!end_.has_value()) cursor_->Give(*entries);
  Advance();
}

void WatchReactor::WaitForMore() {
  ArmBookmark();
  if (is_waiting_ && waiting_for_revision_ == cursor_->next_revision()) return;
  is_waiting_ = true;
  waiting_for_revision_ = cursor_->next_revision();
  // On the committer's thread, or here: either way only a task is left on the strand.
  notification_ = parts_.committer->recent().NotifyAt(waiting_for_revision_, [weak = weak_from_this()] {
    const std::shared_ptr<WatchReactor> self = weak.lock();
    if (self == nullptr) return;
    self->strand_.Post([self] {
      self->is_waiting_ = false;
      self->notification_ = 0;
      self->Advance();
    });
  });
}

void WatchReactor::ArmBookmark() {
  parts_.timers->Cancel(timer_);
  const absl::Duration after = absl::Nanoseconds(cursor_->bookmark_due_unix_ns() - parts_.clock->UnixNanos());
  timer_ = parts_.timers->Schedule(after, [weak = weak_from_this()] {
    const std::shared_ptr<WatchReactor> self = weak.lock();
    if (self == nullptr) return;
    self->strand_.Post([self] { self->Advance(); });
  });
}

void WatchReactor::End(absl::Status status) {
  if (finished_) return;
  if (!end_.has_value()) end_ = std::move(status);
  FinishWhenWritten();
}

void WatchReactor::FinishWhenWritten() {
  if (is_writing_ || finished_) return;
  // A client that is told to come back should know from where.
  if (absl::IsUnavailable(*end_) && cursor_.has_value() && cursor_->TakeLast(&response_)) {
    finished_ = true;
    StartWriteAndFinish(&response_, grpc::WriteOptions(), ToGrpcStatus(*end_));
    return;
  }
  finished_ = true;
  Finish(ToGrpcStatus(*end_));
}

void WatchReactor::HandleDone() {
  finished_ = true;
  parts_.timers->Cancel(timer_);
  CancelNotification();
  parts_.metrics->CountRpc("WatchTwins", end_.value_or(absl::OkStatus()));
  if (registration_ == 0) return;
  parts_.metrics->watches.Decrement();
  parts_.watches->Remove(registration_);
}

void WatchReactor::CancelNotification() {
  if (is_waiting_ && notification_ != 0) parts_.committer->recent().Cancel(notification_);
  is_waiting_ = false;
}

}  // namespace mvmd
