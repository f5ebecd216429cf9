#include "tests/support/plant_publisher.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace mvmd {
namespace {

constexpr size_t kInFlightMax = 1000;
constexpr absl::Duration kRetryDelay = absl::Milliseconds(300);

std::string ErrorText(int code) { return code == MOSQ_ERR_ERRNO ? std::strerror(errno) : mosquitto_strerror(code); }

}  // namespace

absl::StatusOr<std::unique_ptr<PlantPublisher>> PlantPublisher::Create(PlantBroker broker,
                                                                       std::function<void(uint64_t)> on_ack) {
  std::unique_ptr<PlantPublisher> publisher(new PlantPublisher(std::move(broker), std::move(on_ack)));
  if (absl::Status set_up = publisher->SetUp(); !set_up.ok()) return set_up;
  return publisher;
}

PlantPublisher::PlantPublisher(PlantBroker broker, std::function<void(uint64_t)> on_ack)
    : broker_(std::move(broker)), on_ack_(std::move(on_ack)) {
  mosquitto_lib_init();
}

PlantPublisher::~PlantPublisher() {
  if (client_ != nullptr) {
    mosquitto_disconnect(client_);
    mosquitto_destroy(client_);
  }
  mosquitto_lib_cleanup();
}

absl::Status PlantPublisher::SetUp() {
  // A session that the broker keeps: libmosquitto then sends what is in flight again after a reconnect.
  client_ = mosquitto_new(broker_.client_id.c_str(), /*clean_session=*/false, this);
  if (client_ == nullptr) return absl::InternalError("mosquitto_new failed");
  mosquitto_connect_callback_set(client_, &PlantPublisher::OnConnect);
  mosquitto_disconnect_callback_set(client_, &PlantPublisher::OnDisconnect);
  mosquitto_publish_callback_set(client_, &PlantPublisher::OnPublish);
  mosquitto_max_inflight_messages_set(client_, 0);
  if (broker_.ca_file.empty()) return absl::OkStatus();
  const auto optional = [](const std::string& file) { return file.empty() ? nullptr : file.c_str(); };
  int code = mosquitto_tls_set(client_, broker_.ca_file.c_str(), nullptr, optional(broker_.certificate_file),
                               optional(broker_.key_file), nullptr);
  if (code == MOSQ_ERR_SUCCESS) code = mosquitto_tls_opts_set(client_, 1, "tlsv1.3", nullptr);
  if (code != MOSQ_ERR_SUCCESS) {
    return absl::InvalidArgumentError(absl::StrCat("TLS files of the plant: ", ErrorText(code)));
  }
  return absl::OkStatus();
}

void PlantPublisher::Publish(std::string topic, std::string payload, uint64_t ticket) {
  waiting_.push_back({std::move(topic), std::move(payload), ticket});
}

void PlantPublisher::RunOnce(absl::Duration wait) {
  if (absl::Now() >= next_try_) Connect();
  SendWaiting();
  const auto wait_ms = static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1))));
  if (mosquitto_socket(client_) < 0) {
    absl::SleepFor(wait);
    return;
  }
  const int code = mosquitto_loop(client_, wait_ms, 1);
  if (code == MOSQ_ERR_SUCCESS) return;
  connected_ = false;
  trouble_ = ErrorText(code);
  next_try_ = absl::Now() + kRetryDelay;
}

void PlantPublisher::Connect() {
  next_try_ = absl::InfiniteFuture();
  const int code = tried_ ? mosquitto_reconnect(client_)
                          : mosquitto_connect(client_, broker_.host.c_str(), broker_.port, /*keepalive=*/20);
  if (code == MOSQ_ERR_SUCCESS) {
    tried_ = true;
    return;
  }
  // mosquitto_reconnect needs a connect that got as far as taking the host's name in.
  tried_ = tried_ || code == MOSQ_ERR_ERRNO;
  trouble_ = ErrorText(code);
  next_try_ = absl::Now() + kRetryDelay;
}

void PlantPublisher::SendWaiting() {
  while (connected_ && !waiting_.empty() && in_flight_.size() < kInFlightMax) {
    const Message& message = waiting_.front();
    int message_id = 0;
    const int code = mosquitto_publish(client_, &message_id, message.topic.c_str(),
                                       static_cast<int>(message.payload.size()), message.payload.data(), /*qos=*/1,
                                       /*retain=*/false);
    // These are reported before the message is taken; every other error is one of sending, and the message is in
    // libmosquitto's keeping, which sends it again.
    if (code == MOSQ_ERR_NOMEM || code == MOSQ_ERR_INVAL) {
      trouble_ = ErrorText(code);
      return;
    }
    in_flight_[message_id] = message.ticket;
    waiting_.pop_front();
    if (code != MOSQ_ERR_SUCCESS) return;
  }
}

void PlantPublisher::OnConnect(mosquitto* /*client*/, void* self, int code) {
  auto* publisher = static_cast<PlantPublisher*>(self);
  publisher->connected_ = code == 0;
  publisher->trouble_ = code == 0 ? "" : mosquitto_connack_string(code);
}

void PlantPublisher::OnDisconnect(mosquitto* /*client*/, void* self, int code) {
  auto* publisher = static_cast<PlantPublisher*>(self);
  publisher->connected_ = false;
  publisher->trouble_ = ErrorText(code);
  publisher->next_try_ = absl::Now() + kRetryDelay;
}

void PlantPublisher::OnPublish(mosquitto* /*client*/, void* self, int message_id) {
  auto* publisher = static_cast<PlantPublisher*>(self);
  const auto at = publisher->in_flight_.find(message_id);
  if (at == publisher->in_flight_.end()) return;
  const uint64_t ticket = at->second;
  publisher->in_flight_.erase(at);
  publisher->on_ack_(ticket);
}

}  // namespace mvmd
