#include "tests/sim/sim_network.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

void SimNetwork::SetServer(Process* process, StreamServer* server) {
  server_process_ = process;
  server_ = server;
}

SimNetwork::StreamPtr SimNetwork::Find(uint64_t stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? nullptr : found->second;
}

absl::Time SimNetwork::Arrival(Direction* direction, absl::Time partition_until) {
  const absl::Duration delay = scheduler_->Between(absl::Microseconds(50), delay_max_);
  absl::Time arrival = std::max(scheduler_->now() + delay, direction->ready);
  // TCP sends it again when the network is back.
  if (partition_until > scheduler_->now()) arrival = std::max(arrival, partition_until + delay);
  direction->ready = arrival;
  return arrival;
}

void SimNetwork::ToClient(const StreamPtr& stream, absl::Time when, std::function<void(StreamClient*)> event) {
  scheduler_->At(when, [stream, event = std::move(event)] {
    stream->client_process->Run(stream->client_life, [stream, event] {
      if (!stream->client_done) event(stream->client);
    });
  });
}

void SimNetwork::ToServer(const StreamPtr& stream, absl::Time when, std::function<void(StreamServer*)> event) {
  scheduler_->At(when, [this, stream, event = std::move(event)] {
    server_process_->Run(stream->server_life, [this, stream, event] {
      if (!stream->server_done) event(server_);
    });
  });
}

void SimNetwork::EndClient(const StreamPtr& stream, absl::Time when, const absl::Status& status) {
  ToClient(stream, when, [stream, status](StreamClient* client) {
    stream->client_done = true;
    client->OnStreamEnded(stream->id, status);
  });
}

void SimNetwork::EndServer(const StreamPtr& stream, absl::Time when, const std::string& reason) {
  if (stream->server_life == 0) return;
  ToServer(stream, when, [stream, reason](StreamServer* server) {
    stream->server_done = true;
    server->OnGone(stream->id, reason);
  });
}

uint64_t SimNetwork::Connect(Process* process, StreamClient* client, const std::string& bridge) {
  auto stream = std::make_shared<Stream>();
  stream->id = ++last_id_;
  stream->bridge = bridge;
  stream->client_process = process;
  stream->client = client;
  stream->client_life = process->life();
  streams_[stream->id] = stream;
  const absl::Time now = scheduler_->now();
  if (up_partition_until_ > now || down_partition_until_ > now) {
    if (scheduler_->Chance(0.5)) return stream->id;  // nobody answers
    EndClient(stream, now + scheduler_->Between(absl::Milliseconds(1), absl::Seconds(3)),
              absl::UnavailableError("no route"));
    return stream->id;
  }
  const absl::Time arrival = Arrival(&stream->up, up_partition_until_);
  scheduler_->At(arrival, [this, stream] {
    if (scheduler_->now() >= stream->up.cut) return;
    if (!server_process_->up()) {
      return EndClient(stream, Arrival(&stream->down, down_partition_until_), absl::UnavailableError("refused"));
    }
    stream->server_life = server_process_->life();
    ToServer(stream, scheduler_->now(),
             [stream](StreamServer* server) { server->OnStream(stream->id, stream->bridge); });
    const absl::Time answered = Arrival(&stream->down, down_partition_until_);
    ToClient(stream, answered, [this, stream](StreamClient* c) {
      if (scheduler_->now() < stream->down.cut) c->OnConnected(stream->id);
    });
  });
  return stream->id;
}

void SimNetwork::Write(uint64_t id, std::shared_ptr<const pb::SyncRequest> request) {
  const StreamPtr stream = Find(id);
  if (stream == nullptr) return;
  const absl::Time arrival = Arrival(&stream->up, up_partition_until_);
  ToServer(stream, arrival, [this, stream, request](StreamServer* server) {
    if (scheduler_->now() < stream->up.cut) server->OnRequest(stream->id, *request);
  });
  if (duplicate_next_ && request->has_frames()) {
    duplicate_next_ = false;
    scheduler_->Trace("network delivers a message twice");
    ToServer(stream, Arrival(&stream->up, up_partition_until_), [this, stream, request](StreamServer* server) {
      if (scheduler_->now() < stream->up.cut) server->OnRequest(stream->id, *request);
    });
  }
  // The write is done when the transport has taken the bytes, which says nothing of their arrival.
  ToClient(stream, scheduler_->now() + scheduler_->Between(absl::Microseconds(10), delay_max_),
           [stream](StreamClient* client) { client->OnWriteDone(stream->id); });
}

void SimNetwork::Cancel(uint64_t id) {
  const StreamPtr stream = Find(id);
  if (stream == nullptr) return;
  EndClient(stream, scheduler_->now() + absl::Microseconds(scheduler_->Pick(1000)), absl::CancelledError("closed"));
  stream->down.cut = scheduler_->now();
  // The reset may overtake the server's reads, or come after everything that is under way.
  const absl::Time told = Arrival(&stream->up, up_partition_until_);
  if (scheduler_->Chance(0.4)) stream->up.cut = std::min(stream->up.cut, scheduler_->now());
  EndServer(stream, told, "cancelled by the peer");
}

void SimNetwork::Send(uint64_t id, std::shared_ptr<const pb::SyncResponse> response) {
  const StreamPtr stream = Find(id);
  if (stream == nullptr) return;
  if (lose_next_response_ && !response->has_welcome()) {
    lose_next_response_ = false;
    scheduler_->Trace("network loses a response");
    return;
  }
  const absl::Time arrival = Arrival(&stream->down, down_partition_until_);
  ToClient(stream, arrival, [this, stream, response](StreamClient* client) {
    if (scheduler_->now() < stream->down.cut) client->OnResponse(stream->id, *response);
  });
}

void SimNetwork::Finish(uint64_t id, const absl::Status& status) {
  const StreamPtr stream = Find(id);
  if (stream == nullptr) return;
  const absl::Time arrival = Arrival(&stream->down, down_partition_until_);
  if (arrival < stream->down.cut) EndClient(stream, arrival, status);
  stream->up.cut = std::min(stream->up.cut, scheduler_->now());
  EndServer(stream, scheduler_->now() + absl::Microseconds(scheduler_->Pick(500)), "finished");
}

void SimNetwork::Cut(const StreamPtr& stream) {
  if (stream->client_done && stream->server_done) return;
  const absl::Time now = scheduler_->now();
  stream->up.cut = std::min(stream->up.cut, now + scheduler_->Between(absl::ZeroDuration(), delay_max_));
  stream->down.cut = std::min(stream->down.cut, now + scheduler_->Between(absl::ZeroDuration(), delay_max_));
  // One that is not told finds out by itself: the bridge as nothing is committed, the gateway as keepalives fail.
  if (scheduler_->Chance(0.8)) {
    EndClient(stream, now + scheduler_->Between(delay_max_, absl::Seconds(2)), absl::UnavailableError("reset"));
  }
  EndServer(stream, now + scheduler_->Between(delay_max_, absl::Seconds(scheduler_->Chance(0.5) ? 1 : 40)), "reset");
}

void SimNetwork::OnCrash(const Process* process) {
  for (const auto& [id, stream] : streams_) {
    if (process == server_process_ || process == stream->client_process) Cut(stream);
  }
}

void SimNetwork::CutAll() {
  scheduler_->Trace("network cuts every stream");
  for (const auto& [id, stream] : streams_) Cut(stream);
}

void SimNetwork::Swallow(bool up) {
  scheduler_->Trace("network swallows everything ", up ? "up" : "down");
  for (const auto& [id, stream] : streams_) {
    Direction& direction = up ? stream->up : stream->down;
    direction.cut = std::min(direction.cut, scheduler_->now());
    // Keepalive.
    EndServer(stream, scheduler_->now() + absl::Seconds(40), "keepalive timed out");
  }
}

void SimNetwork::Partition(bool up, bool down, absl::Duration duration) {
  scheduler_->Trace("network partition ", up ? "up " : "", down ? "down " : "", "for ", absl::FormatDuration(duration));
  const absl::Time until = scheduler_->now() + duration;
  if (up) up_partition_until_ = std::max(up_partition_until_, until);
  if (down) down_partition_until_ = std::max(down_partition_until_, until);
}

void SimNetwork::Heal() { up_partition_until_ = down_partition_until_ = scheduler_->now(); }

}  // namespace mvmd
