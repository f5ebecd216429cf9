#include "bridge/mqtt_source.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/config.h"
#include "runtime/log.h"

namespace mvmd {
namespace {

// A group ends at the first of these, so that neither memory nor the wait for a PUBACK grows with the rate.
constexpr size_t kGroupMessagesMax = 2000;
constexpr size_t kGroupBytesMax = size_t{256} << 10;
constexpr absl::Duration kGroupTimeMax = absl::Milliseconds(5);
// OnIdle is called at least so often.
constexpr absl::Duration kRoundMax = absl::Milliseconds(200);
constexpr absl::Duration kCommitRetry = absl::Milliseconds(50);
constexpr absl::Duration kConnectTimeout = absl::Seconds(10);
// A connection that held so long was a good one.
constexpr absl::Duration kLinkProven = absl::Seconds(10);
constexpr absl::Duration kDisconnectTimeout = absl::Seconds(1);
constexpr int kConnectPollMs = 20;
constexpr int kReceiveMaximum = 65535;
// Nobody subscribes to it; see the class comment.
constexpr char kKeepaliveFilter[] = "mvmd/bridge/keepalive";
constexpr int kSessionPresent = 1;

absl::Status MosquittoError(absl::string_view what, int rc) {
  return absl::FailedPreconditionError(absl::StrCat("mqtt: ", what, ": ", mosquitto_strerror(rc)));
}

bool IsRetryable(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

// Keeps the kernel from sending each PUBACK in a segment of its own.
void SetCork(int fd, bool on) {
  const int value = on ? 1 : 0;
  setsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
}

}  // namespace

MqttSource::MqttSource(MqttSourceOptions options, MqttSink* sink)
    : options_(std::move(options)),
      sink_(sink),
      backoff_(ToAbslDuration(options_.config.reconnect_delay_min()),
               ToAbslDuration(options_.config.reconnect_delay_max()), RandomUnit()) {}

absl::StatusOr<std::unique_ptr<MqttSource>> MqttSource::Make(MqttSourceOptions options, MqttSink* sink) {
  std::unique_ptr<MqttSource> source(new MqttSource(std::move(options), sink));
  if (absl::Status status = source->Init(); !status.ok()) return status;
  return source;
}

MqttSource::~MqttSource() {
  if (client_ != nullptr) mosquitto_destroy(client_);
  if (wake_fd_ >= 0) close(wake_fd_);
}

absl::Status MqttSource::Init() {
  static std::once_flag once;
  std::call_once(once, [] { mosquitto_lib_init(); });
  wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_fd_ < 0) return absl::UnavailableError(absl::StrCat("mqtt: eventfd: ", strerror(errno)));

  const auto& config = options_.config;
  const bool version5 = config.version() == "5";
  // The session outlives the connection: clean_session (clean start in MQTT 5) is false.
  client_ = mosquitto_new(config.client_id().c_str(), /*clean_session=*/false, this);
  if (client_ == nullptr) return absl::FailedPreconditionError(absl::StrCat("mqtt: new client: ", strerror(errno)));
  // No thread is started; this only makes libmosquitto leave writing to us. See the class comment.
  mosquitto_threaded_set(client_, true);
  mosquitto_connect_with_flags_callback_set(client_, HandleConnect);
  mosquitto_disconnect_callback_set(client_, HandleDisconnect);
  mosquitto_message_callback_set(client_, HandleMessage);
  mosquitto_subscribe_callback_set(client_, HandleSubscribe);
  int rc = mosquitto_int_option(client_, MOSQ_OPT_PROTOCOL_VERSION, version5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311);
  if (rc == MOSQ_ERR_SUCCESS) rc = mosquitto_int_option(client_, MOSQ_OPT_TCP_NODELAY, 1);
  if (rc == MOSQ_ERR_SUCCESS) rc = mosquitto_int_option(client_, MOSQ_OPT_RECEIVE_MAXIMUM, kReceiveMaximum);
  if (rc != MOSQ_ERR_SUCCESS) return MosquittoError("options", rc);
  if (!config.username().empty()) {
    rc = mosquitto_username_pw_set(client_, config.username().c_str(),
                                   options_.password.empty() ? nullptr : options_.password.c_str());
    if (rc != MOSQ_ERR_SUCCESS) return MosquittoError("user name and password", rc);
  }
  if (config.has_tls()) {
    const auto& tls = config.tls();
    rc = mosquitto_tls_set(client_, tls.ca_file().c_str(), nullptr,
                           tls.certificate_file().empty() ? nullptr : tls.certificate_file().c_str(),
                           tls.key_file().empty() ? nullptr : tls.key_file().c_str(), nullptr);
    if (rc != MOSQ_ERR_SUCCESS) return MosquittoError("TLS files", rc);
  }
  if (version5) {
    mosquitto_property* properties = nullptr;
    const int64_t expiry = config.session_expiry().seconds();
    rc = mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL, static_cast<uint32_t>(expiry));
    if (rc != MOSQ_ERR_SUCCESS) return MosquittoError("session expiry", rc);
    // 2.0 has no asynchronous connect with properties. This one keeps them before it refuses the missing host, and
    // mosquitto_connect_async then sends them.
    mosquitto_connect_bind_v5(client_, nullptr, 0, 60, nullptr, properties);
    mosquitto_property_free_all(&properties);
  }
  return absl::OkStatus();
}

void MqttSource::Stop() {
  stopping_ = true;
  Wake();
}

void MqttSource::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
}

absl::Status MqttSource::Run() {
  while (!stopping_) {
    now_ = absl::FromUnixNanos(options_.clock->MonotonicNanos());
    if (absl::Status status = Round(); !status.ok()) return status;
  }
  // What was read is committed and acknowledged; what was not is still the broker's.
  if (group_messages_ > 0) {
    absl::Status status = sink_->Commit();
    if (!status.ok() && !IsRetryable(status)) return status;
    if (!status.ok()) {
      // Not acknowledged, so not lost: without a DISCONNECT the broker sends it again.
      Log(LogLevel::kWarning, "the last messages were not committed and stay with the broker",
          {{"messages", group_messages_}, {"error", status}});
      link_ = Link::kDown;
    }
    group_messages_ = 0;
  }
  if (link_ == Link::kUp) {
    Flush();
    mosquitto_disconnect(client_);
    const absl::Time deadline = absl::FromUnixNanos(options_.clock->MonotonicNanos()) + kDisconnectTimeout;
    while (mosquitto_socket(client_) >= 0 && mosquitto_want_write(client_) &&
           absl::FromUnixNanos(options_.clock->MonotonicNanos()) < deadline) {
      short events = 0;
      Poll(absl::Milliseconds(100), /*want_read=*/false, &events);
      mosquitto_loop_write(client_, 1);
    }
  }
  link_ = Link::kDown;
  stats_.connected = false;
  return absl::OkStatus();
}

bool MqttSource::StartConnect() {
  const auto& config = options_.config;
  link_ = Link::kConnecting;
  connect_deadline_ = now_ + kConnectTimeout;
  const int rc = mosquitto_connect_async(client_, config.host().c_str(), static_cast<int>(config.port()),
                                         static_cast<int>(config.keepalive().seconds()));
  if (rc != MOSQ_ERR_SUCCESS) {
    Disconnected(rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc));
    return false;
  }
  return true;
}

void MqttSource::Disconnected(std::string why) {
  if (link_ == Link::kDown) return;
  const bool was_up = link_ == Link::kUp;
  link_ = Link::kDown;
  stats_.connected = false;
  paused_ = false;
  // Two clients with one id throw each other out as soon as they are in; that must not become a race.
  if (was_up && now_ - link_up_since_ >= kLinkProven) backoff_.Reset();
  next_connect_ = now_ + backoff_.Next();
  LogEvery(absl::Seconds(10), was_up ? "mqtt:down" : "mqtt:connect", LogLevel::kWarning,
           was_up ? "mqtt connection lost" : "mqtt connect failed",
           {{"host", options_.config.host()}, {"port", options_.config.port()}, {"why", why}});
  if (!was_up) return;
  sink_->OnDisconnected(why);
  TellSession();
}

void MqttSource::Poll(absl::Duration timeout, bool want_read, short* events) {
  const int fd = link_ == Link::kDown ? -1 : mosquitto_socket(client_);
  pollfd fds[2] = {{wake_fd_, POLLIN, 0}, {fd, POLLRDHUP, 0}};
  if (want_read) fds[1].events |= POLLIN;
  const bool may_write = group_messages_ == 0;
  // In a TLS handshake it is not known whether the socket is connected already; being writable says so.
  if (may_write && (mosquitto_want_write(client_) || link_ == Link::kConnecting)) fds[1].events |= POLLOUT;
  const timespec wait = absl::ToTimespec(std::clamp(timeout, absl::ZeroDuration(), kRoundMax));
  ppoll(fds, fd >= 0 ? 2 : 1, &wait, nullptr);
  if (fds[0].revents != 0) {
    uint64_t count;
    [[maybe_unused]] const ssize_t got = read(wake_fd_, &count, sizeof(count));
  }
  *events = fd >= 0 ? fds[1].revents : 0;
}

absl::Status MqttSource::Round() {
  if (group_messages_ == 0) {
    // Work of the sink that cannot be done now will be tried again in the next round.
    absl::Status status = sink_->OnIdle();
    if (!status.ok() && !IsRetryable(status)) return status;
    if (link_ == Link::kDown && now_ >= next_connect_ && !StartConnect()) return absl::OkStatus();
  }
  const bool failing = group_messages_ > 0 && now_ < retry_commit_at_;
  const bool want_more = !failing && sink_->WantsMore();
  if (link_ == Link::kUp && !want_more && !paused_ && !failing) {
    ++stats_.pauses;
    last_paused_packet_ = now_;
  }
  paused_ = link_ == Link::kUp && !want_more;

  absl::Duration timeout = kRoundMax;
  if (link_ == Link::kDown) timeout = std::min(timeout, next_connect_ - now_);
  if (failing) {
    timeout = std::min(timeout, retry_commit_at_ - now_);
  } else if (group_messages_ > 0) {
    timeout = std::min(timeout, group_since_ + options_.group_window - now_);
  }
  short events = 0;
  Poll(timeout, want_more || link_ == Link::kConnecting, &events);
  now_ = absl::FromUnixNanos(options_.clock->MonotonicNanos());

  if (link_ == Link::kConnecting) {
    DriveConnect(events);
    return absl::OkStatus();
  }
  if (link_ == Link::kUp) {
    if (!want_more && (events & (POLLHUP | POLLERR | POLLRDHUP)) != 0) {
      // What may still be in the socket is not read: it was not acknowledged, and comes again.
      Disconnected("the connection broke while reading was paused");
    } else if (want_more && (events & (POLLIN | POLLHUP | POLLERR | POLLRDHUP)) != 0) {
      ReadGroup();
    }
  }
  // Also when the connection is gone: what was read is ours, and the receipts tell the redeliveries.
  if (group_messages_ > 0 && now_ >= retry_commit_at_) {
    const bool complete = group_messages_ >= GroupTarget() || group_bytes_ >= kGroupBytesMax ||
                          now_ >= group_since_ + options_.group_window || link_ != Link::kUp || stopping_;
    if (complete) {
      if (absl::Status status = CommitGroup(); !status.ok()) return status;
    }
  }
  if (link_ == Link::kUp && group_messages_ == 0) {
    if (mosquitto_want_write(client_)) Flush();
    KeepAlive();
  }
  if (flags_wanted_ && !sink_->WantsDuplicateFlags()) {
    flags_wanted_ = false;
    mosquitto_log_callback_set(client_, nullptr);
  }
  return absl::OkStatus();
}

void MqttSource::DriveConnect(short events) {
  if (now_ >= connect_deadline_) {
    return Disconnected(absl::StrCat("no CONNACK within ", absl::FormatDuration(kConnectTimeout)));
  }
  if (events == 0) return;
  mosquitto_loop_read(client_, 1);  // also drives the TLS handshake
  if (link_ == Link::kConnecting && mosquitto_socket(client_) >= 0) Flush();
  if (link_ != Link::kConnecting) return;
  // A peer that hangs up in a TLS handshake is not noticed by libmosquitto.
  if ((events & (POLLHUP | POLLERR | POLLRDHUP)) != 0) {
    return Disconnected("the broker refused the connection or hung up during the handshake");
  }
  // Written and waiting for the answer: not to spin on a writable socket.
  if ((events & POLLIN) == 0 && !mosquitto_want_write(client_)) {
    pollfd fd = {mosquitto_socket(client_), POLLIN | POLLRDHUP, 0};
    poll(&fd, 1, kConnectPollMs);
  }
}

void MqttSource::ReadGroup() {
  const absl::Time until = now_ + kGroupTimeMax;
  size_t reads = 0;
  while (link_ == Link::kUp && group_messages_ < kGroupMessagesMax && group_bytes_ < kGroupBytesMax) {
    const size_t before = group_messages_;
    mosquitto_loop_read(client_, 1);
    // Nothing whole was there. (Also after a packet that is no message; the next poll comes back for more.)
    if (group_messages_ == before) break;
    if (++reads % 64 == 0 && absl::FromUnixNanos(options_.clock->MonotonicNanos()) >= until) break;
  }
}

// So many messages had come without a PUBACK before, so the broker does not stop for want of one before that. Three
// quarters of it are waited for.
size_t MqttSource::GroupTarget() const { return std::max(options_.group_messages, largest_group_ * 3 / 4); }

absl::Status MqttSource::CommitGroup() {
  absl::Status status = sink_->Commit();
  if (IsRetryable(status)) {
    retry_commit_at_ = now_ + kCommitRetry;
    LogEvery(absl::Seconds(10), "mqtt:commit", LogLevel::kWarning, "commit failed, no PUBACK until it succeeds",
             {{"messages", group_messages_}, {"error", status}});
    return absl::OkStatus();
  }
  if (!status.ok()) return status;
  retry_commit_at_ = absl::InfinitePast();
  largest_group_ = std::max(largest_group_, group_messages_);
  group_messages_ = 0;
  group_bytes_ = 0;
  if (link_ == Link::kUp) Flush();
  ++stats_.groups;
  const int64_t took_ns =
      absl::ToInt64Nanoseconds(absl::FromUnixNanos(options_.clock->MonotonicNanos()) - group_since_);
  stats_.puback_latency_ns_sum += static_cast<uint64_t>(took_ns);
  if (static_cast<uint64_t>(took_ns) > stats_.puback_latency_ns_max) {
    stats_.puback_latency_ns_max = static_cast<uint64_t>(took_ns);
  }
  return absl::OkStatus();
}

// The only place that writes to the socket. Never with messages that wait for their commit.
void MqttSource::Flush() {
  if (group_messages_ > 0) return;
  const int fd = mosquitto_socket(client_);
  if (fd < 0) return;
  const bool cork = link_ == Link::kUp;
  if (cork) SetCork(fd, true);
  mosquitto_loop_write(client_, 1);
  // The call may have closed it.
  if (cork && mosquitto_socket(client_) == fd) SetCork(fd, false);
}

void MqttSource::KeepAlive() {
  if (!paused_) {
    mosquitto_loop_misc(client_);
    return;
  }
  if (now_ < last_paused_packet_ + absl::Seconds(options_.config.keepalive().seconds()) / 2) return;
  last_paused_packet_ = now_;
  mosquitto_unsubscribe(client_, nullptr, kKeepaliveFilter);
}

void MqttSource::HandleConnect(mosquitto* client, void* self, int code, int flags) {
  MqttSource& source = *static_cast<MqttSource*>(self);
  if (code != 0) {
    source.Disconnected(absl::StrCat("the broker refused: ", source.options_.config.version() == "5"
                                                                 ? mosquitto_reason_string(code)
                                                                 : mosquitto_connack_string(code)));
    return;
  }
  source.link_ = Link::kUp;
  source.link_up_since_ = source.now_;
  source.largest_group_ = 0;
  source.stats_.connected = true;
  ++source.stats_.connects;
  source.subscribes_pending_.clear();
  source.subscribe_refused_ = false;
  const bool session_present = (flags & kSessionPresent) != 0;
  Log(LogLevel::kInfo, "mqtt connected",
      {{"host", source.options_.config.host()}, {"session_present", session_present}});
  const MqttSink::Subscriptions wanted = source.sink_->OnConnected(session_present);
  source.duplicate_.reset();
  source.flags_wanted_ = source.sink_->WantsDuplicateFlags();
  mosquitto_log_callback_set(client, source.flags_wanted_ ? HandleLog : nullptr);
  for (const std::string& filter : wanted.unsubscribe) mosquitto_unsubscribe(client, nullptr, filter.c_str());
  for (const SensorRouter::Subscription& subscription : wanted.subscribe) {
    int packet_id = 0;
    int rc;
    if (source.options_.config.version() == "5") {
      const int retain = subscription.accept_retained ? MQTT_SUB_OPT_SEND_RETAIN_NEW : MQTT_SUB_OPT_SEND_RETAIN_NEVER;
      rc = mosquitto_subscribe_v5(client, &packet_id, subscription.filter.c_str(), subscription.qos, retain, nullptr);
    } else {
      rc = mosquitto_subscribe(client, &packet_id, subscription.filter.c_str(), subscription.qos);
    }
    if (rc != MOSQ_ERR_SUCCESS) {
      source.subscribe_refused_ = true;
      source.sink_->OnSubscriptionRefused(subscription.filter);
    } else {
      source.subscribes_pending_.emplace_back(packet_id, subscription.filter);
    }
  }
  source.TellSession();
}

void MqttSource::TellSession() {
  if (link_ != Link::kUp) return options_.on_session(MqttSession::kDown);
  if (subscribe_refused_) return options_.on_session(MqttSession::kRefused);
  options_.on_session(subscribes_pending_.empty() ? MqttSession::kReady : MqttSession::kSubscribing);
}

void MqttSource::HandleSubscribe(mosquitto*, void* self, int packet_id, int count, const int* granted) {
  MqttSource& source = *static_cast<MqttSource*>(self);
  auto it = std::find_if(source.subscribes_pending_.begin(), source.subscribes_pending_.end(),
                         [packet_id](const auto& pending) { return pending.first == packet_id; });
  if (it == source.subscribes_pending_.end()) return;
  if (count < 1 || granted[0] >= 0x80) {
    source.subscribe_refused_ = true;
    source.sink_->OnSubscriptionRefused(it->second);
  }
  source.subscribes_pending_.erase(it);
  if (source.subscribes_pending_.empty() && !source.subscribe_refused_) source.sink_->OnSubscribed();
  source.TellSession();
}

void MqttSource::HandleDisconnect(mosquitto*, void* self, int code) {
  MqttSource& source = *static_cast<MqttSource*>(self);
  if (code == MOSQ_ERR_SUCCESS) return;  // our own DISCONNECT
  source.Disconnected(code == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(code));
}

// `Client <id> received PUBLISH (d1, q1, r0, m7, '<topic>', ... (50 bytes))`: the only way that libmosquitto 2.0 tells
// the DUP flag. It comes right before the message.
void MqttSource::HandleLog(mosquitto*, void* self, int level, const char* text) {
  MqttSource& source = *static_cast<MqttSource*>(self);
  if (level != MOSQ_LOG_DEBUG) return;
  absl::string_view line = text;
  if (!absl::ConsumePrefix(&line, "Client ") || !absl::ConsumePrefix(&line, source.options_.config.client_id()) ||
      !absl::ConsumePrefix(&line, " received PUBLISH (d")) {
    return;
  }
  if (absl::StartsWith(line, "0,")) source.duplicate_ = false;
  if (absl::StartsWith(line, "1,")) source.duplicate_ = true;
}

void MqttSource::HandleMessage(mosquitto*, void* self, const mosquitto_message* message) {
  MqttSource& source = *static_cast<MqttSource*>(self);
  const size_t payload_bytes = static_cast<size_t>(message->payloadlen);
  if (source.group_messages_ == 0) {
    source.group_since_ = absl::FromUnixNanos(source.options_.clock->MonotonicNanos());
  }
  ++source.group_messages_;
  source.group_bytes_ += payload_bytes + strlen(message->topic);
  source.sink_->OnMessage({.topic = message->topic,
                           .payload = absl::string_view(static_cast<const char*>(message->payload), payload_bytes),
                           .qos = message->qos,
                           .retained = message->retain,
                           .packet_id = static_cast<uint16_t>(message->mid),
                           .duplicate = std::exchange(source.duplicate_, std::nullopt)});
}

}  // namespace mvmd
