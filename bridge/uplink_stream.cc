#include "bridge/uplink_stream.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "certs/credentials.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/support/client_callback.h"
#include "runtime/grpc_status.h"
#include "runtime/log.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

// The gateway ends the stream after our last write, or is not waited for.
constexpr absl::Duration kGoodbyeTimeout = absl::Milliseconds(500);

// Life of one stream:
//
//   Connect: AddHold, StartRead, StartCall       (loop)
//   OnReadDone(ok)    -> StreamRead: core, then the next StartRead       at most one read outstanding
//   OnWriteDone       -> StreamWritten: core, which may write again      at most one write outstanding
//   OnReadDone(!ok)   -> StreamRead: the stream is over: RemoveHold, nothing is started any more
//   OnDone            -> StreamEnded: core, then the object goes
//
// The hold keeps OnDone away while the loop may still start an operation. Cancel makes the outstanding read fail.
class UplinkStream::Stream final : public grpc::ClientBidiReactor<pb::SyncRequest, pb::SyncResponse> {
 public:
  Stream(UplinkStream* owner, std::shared_ptr<grpc::Channel> channel)
      : owner_(owner), stub_(pb::SyncService::NewStub(channel)) {}

  void Start() {
    stub_->async()->Sync(&context_, this);
    AddHold();
    StartRead(&response_);
    StartCall();
  }
  void Write(std::unique_ptr<pb::SyncRequest> request) {
    request_ = std::move(request);
    StartWrite(request_.get());
  }
  void ReadNext() { StartRead(&response_); }
  void Cancel() { context_.TryCancel(); }
  const pb::SyncResponse& response() const { return response_; }

 private:
  void OnReadDone(bool ok) override {
    owner_->Post([owner = owner_, this, ok] { owner->StreamRead(this, ok); });
  }
  void OnWriteDone(bool ok) override {
    owner_->Post([owner = owner_, ok] { owner->StreamWritten(ok); });
  }
  // The last that gRPC does with this object.
  void OnDone(const grpc::Status& status) override {
    owner_->Post([owner = owner_, this, status = FromGrpcStatus(status)] { owner->StreamEnded(this, status); });
  }

  UplinkStream* const owner_;
  const std::unique_ptr<pb::SyncService::Stub> stub_;
  grpc::ClientContext context_;
  pb::SyncResponse response_;
  std::unique_ptr<pb::SyncRequest> request_;
};

UplinkStream::UplinkStream(UplinkStreamOptions options, UplinkOptions core, const OutboxReader* reader,
                           UplinkHost* host)
    : options_(std::move(options)),
      host_(host),
      core_(std::move(core), reader, [clock = options_.clock] { return clock->UnixNanos(); }) {}

UplinkStream::~UplinkStream() {
  if (thread_.joinable()) Stop(absl::ZeroDuration());
}

void UplinkStream::Start() {
  thread_ = std::thread([this] { Loop(); });
}

bool UplinkStream::Stop(absl::Duration grace) {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    stop_at_ = Now() + grace;
    wake_.Signal();
  }
  if (thread_.joinable()) thread_.join();
  absl::MutexLock lock(&mutex_);
  return flushed_;
}

void UplinkStream::OnRowsAvailable(uint64_t last_seq, size_t bytes) {
  absl::MutexLock lock(&mutex_);
  new_last_seq_ = std::max(new_last_seq_, last_seq);
  new_bytes_ += bytes;
  wake_.Signal();
}

void UplinkStream::OnNewEpoch(uint64_t epoch, std::string outbox_id, uint64_t last_seq) {
  {
    // Seqs of the old epoch mean nothing any more.
    absl::MutexLock lock(&mutex_);
    new_last_seq_ = 0;
    new_bytes_ = 0;
  }
  Post([this, epoch, id = std::move(outbox_id), last_seq]() mutable {
    Perform(core_.OnNewEpoch(Now(), epoch, std::move(id), last_seq));
  });
}

void UplinkStream::OnNonceKept(uint64_t epoch, std::string nonce) {
  Post([this, epoch, nonce = std::move(nonce)]() mutable {
    Perform(core_.OnNonceKept(Now(), epoch, std::move(nonce)));
  });
}

void UplinkStream::Post(Event event) {
  absl::MutexLock lock(&mutex_);
  events_.push_back(std::move(event));
  wake_.Signal();
}

UplinkStats UplinkStream::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

void UplinkStream::Loop() {
  Perform(core_.Start(Now()));
  bool stop_told = false;
  while (true) {
    std::deque<Event> events;
    uint64_t last_seq = 0;
    size_t bytes = 0;
    bool stopping;
    absl::Time stop_at;
    {
      absl::MutexLock lock(&mutex_);
      while (events_.empty() && new_last_seq_ == 0) {
        if (stopping_ && !stop_told) break;
        const absl::Time wake_at = std::min({timer_, next_report_, stop_at_});
        const absl::Time now = Now();
        if (now >= wake_at) break;
        wake_.WaitWithTimeout(&mutex_, wake_at - now);
      }
      events.swap(events_);
      last_seq = std::exchange(new_last_seq_, 0);
      bytes = std::exchange(new_bytes_, 0);
      stopping = stopping_;
      stop_at = stop_at_;
    }
    for (Event& event : events) event();
    if (last_seq > 0) Perform(core_.OnRowsAvailable(Now(), last_seq, bytes));
    const absl::Time now = Now();
    if (now >= timer_) {
      timer_ = absl::InfiniteFuture();
      Perform(core_.OnTimer(now));
    }
    if (now >= next_report_) {
      next_report_ = now + options_.report_interval;
      Perform(core_.OnReport(now, host_->MakeReport()));
    }
    if (stopping && !stop_told) {
      stop_told = true;
      Perform(core_.Stop(now));
    }
    Publish();
    if (stopping && (core_.idle() || now >= stop_at)) break;
  }
  SayGoodbye();
  absl::MutexLock lock(&mutex_);
  flushed_ = core_.idle();
}

void UplinkStream::HandleEvents(absl::Time until) {
  std::deque<Event> events;
  {
    absl::MutexLock lock(&mutex_);
    while (events_.empty() && Now() < until) wake_.WaitWithTimeout(&mutex_, until - Now());
    events.swap(events_);
  }
  for (Event& event : events) event();
}

void UplinkStream::SayGoodbye() {
  // What the core wants from now on is not done any more, but OnDone must come before anything here may go.
  leaving_ = true;
  const absl::Time deadline = Now() + kGoodbyeTimeout;
  bool writes_done = false;
  while (stream_ != nullptr && Now() < deadline) {
    if (!writes_done && !write_outstanding_ && !stream_closing_) {
      writes_done = true;
      stream_->StartWritesDone();
    }
    HandleEvents(deadline);
  }
  while (stream_ != nullptr) {
    stream_->Cancel();
    HandleEvents(absl::InfiniteFuture());
  }
}

void UplinkStream::Publish() {
  rows_in_flight_ = core_.rows_in_flight();
  absl::MutexLock lock(&mutex_);
  stats_ = core_.stats();
}

void UplinkStream::Perform(UplinkActions actions) {
  if (leaving_) return;
  const Uplink::State before = state_;
  state_ = core_.state();
  if (state_ == Uplink::State::kStreaming && before != Uplink::State::kStreaming) {
    Log(LogLevel::kInfo, "session with the gateway is open", {{"target", options_.target}});
  }
  for (UplinkAction& action : actions) PerformOne(action);
}

void UplinkStream::PerformOne(UplinkAction& action) {
  if (std::holds_alternative<UplinkConnect>(action)) {
    Connect();
  } else if (auto* write = std::get_if<UplinkWrite>(&action)) {
    // On a stream that is over the write is void; OnStreamEnded is on its way.
    if (stream_ != nullptr && !stream_closing_) {
      write_outstanding_ = true;
      stream_->Write(std::move(write->request));
    }
  } else if (std::holds_alternative<UplinkClose>(action)) {
    if (stream_ != nullptr) stream_->Cancel();
  } else if (auto* forget = std::get_if<UplinkForgetRows>(&action)) {
    host_->ForgetRows(forget->seqs);
  } else if (auto* damaged = std::get_if<UplinkRowDamaged>(&action)) {
    host_->OnRowDamaged(damaged->seq);
  } else if (auto* document = std::get_if<UplinkSendDocument>(&action)) {
    host_->SendDocument(document->twin);
  } else if (auto* epoch = std::get_if<UplinkStartNewEpoch>(&action)) {
    host_->StartNewEpoch(std::move(epoch->applied), std::move(epoch->lost));
  } else if (auto* keep = std::get_if<UplinkKeepNonce>(&action)) {
    host_->KeepNonce(keep->epoch, std::move(keep->nonce));
  } else if (auto* command = std::get_if<UplinkCommand>(&action)) {
    host_->OnCommand(command->command);
  } else if (auto* rejected = std::get_if<UplinkRowRejected>(&action)) {
    host_->OnRowRejected(rejected->seq, rejected->message);
  } else if (auto* timer = std::get_if<UplinkSetTimer>(&action)) {
    timer_ = timer->when;
  } else if (auto* log = std::get_if<UplinkLog>(&action)) {
    if (log->warning) {
      LogEvery(absl::Seconds(5), "uplink", LogLevel::kWarning, "uplink", {{"what", log->text}});
    } else {
      Log(LogLevel::kDebug, "uplink", {{"what", log->text}});
    }
  }
}

void UplinkStream::Connect() {
  stream_closing_ = false;
  write_outstanding_ = false;
  grpc::ChannelArguments args = DefaultChannelArgs();
  // What comes down is small: probing for its bandwidth would only cost a ping and its answer with every burst.
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  stream_ = std::make_unique<Stream>(this, grpc::CreateCustomChannel(options_.target, options_.credentials, args));
  // gRPC takes the first write before the connection is there, and fails the call when it cannot be had. An event, not
  // a call, so that what the core decided before is carried out first.
  Post([this] { Perform(core_.OnConnected(Now())); });
  stream_->Start();
}

void UplinkStream::StreamRead(Stream* stream, bool ok) {
  if (!ok) {
    stream_closing_ = true;
    stream->RemoveHold();
    return;
  }
  Perform(core_.OnResponse(Now(), stream->response()));
  stream->ReadNext();
}

void UplinkStream::StreamWritten(bool ok) {
  write_outstanding_ = false;
  // Not ok: the read fails too, and tells.
  if (!ok || stream_closing_) return;
  Perform(core_.OnWriteDone(Now()));
}

void UplinkStream::StreamEnded(Stream* stream, absl::Status status) {
  if (stream != stream_.get()) return;
  // An OK end is as final as any other: the gateway never ends a stream of its own accord without a reason.
  if (status.ok()) status = absl::UnavailableError("the gateway ended the stream");
  if (!leaving_) {
    LogEvery(absl::Seconds(10), "uplink:ended", LogLevel::kWarning, "uplink stream ended", {{"status", status}});
  }
  stream_.reset();
  Perform(core_.OnStreamEnded(Now(), status));
}

}  // namespace mvmd
