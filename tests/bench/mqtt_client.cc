// Packets: MQTT 3.1.1 (OASIS), section 2.2 for the fixed header, 3.1 to 3.9 for the rest.
#include "tests/bench/mqtt_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

constexpr int kConnAck = 2;
constexpr int kPublish = 3;
constexpr int kPubAck = 4;
constexpr int kConnectTimeoutMs = 3000;
constexpr size_t kKeepaliveSeconds = 600;
constexpr int kReceiveBufferBytes = 4 << 20;

absl::Status ErrnoStatus(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

}  // namespace

MqttClient::~MqttClient() { Close(); }

void MqttClient::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

absl::Status MqttClient::Connect(uint16_t port, absl::string_view client_id, bool clean_session) {
  Close();
  in_size_ = 0;
  out_.clear();
  out_begin_ = 0;
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return ErrnoStatus("socket");
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes, sizeof kReceiveBufferBytes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return ErrnoStatus(absl::StrCat("connect to 127.0.0.1:", port));
  }
  PutByte(0x10);
  PutRemainingLength(10 + 2 + client_id.size());
  PutString("MQTT");
  PutByte(4);
  PutByte(clean_session ? 2 : 0);
  PutUint16(kKeepaliveSeconds);
  PutString(client_id);
  if (absl::Status status = Flush(); !status.ok()) return status;
  if (absl::Status status = AwaitConnAck(); !status.ok()) return status;
  if (fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK) != 0) return ErrnoStatus("fcntl");
  return absl::OkStatus();
}

absl::Status MqttClient::AwaitConnAck() {
  uint8_t packet[4];
  for (size_t got = 0; got < sizeof packet;) {
    pollfd wait{fd_, POLLIN, 0};
    if (poll(&wait, 1, kConnectTimeoutMs) <= 0) return absl::UnavailableError("no CONNACK came within 3 s");
    const ssize_t n = read(fd_, packet + got, sizeof packet - got);
    if (n <= 0) return absl::UnavailableError("the broker closed the connection before CONNACK");
    got += static_cast<size_t>(n);
  }
  if (packet[0] >> 4 != kConnAck || packet[3] != 0) {
    return absl::UnavailableError(absl::StrCat("expected CONNACK with code 0, got packet ", packet[0] >> 4,
                                               " with code ", static_cast<int>(packet[3])));
  }
  return absl::OkStatus();
}

void MqttClient::PutUint16(size_t value) {
  PutByte(static_cast<int>(value >> 8 & 0xff));
  PutByte(static_cast<int>(value & 0xff));
}

void MqttClient::PutString(absl::string_view text) {
  PutUint16(text.size());
  out_.insert(out_.end(), text.begin(), text.end());
}

void MqttClient::PutRemainingLength(size_t length) {
  do {
    const int digit = static_cast<int>(length % 128);
    length /= 128;
    PutByte(length > 0 ? digit | 128 : digit);
  } while (length > 0);
}

void MqttClient::Subscribe(absl::string_view filter, int qos) {
  PutByte(0x82);
  PutRemainingLength(2 + 2 + filter.size() + 1);
  PutUint16(1);
  PutString(filter);
  PutByte(qos);
}

void MqttClient::Publish(absl::string_view topic, absl::string_view payload, int qos, uint16_t packet_id,
                         bool duplicate) {
  PutByte(0x30 | qos << 1 | (duplicate ? 8 : 0));
  PutRemainingLength(2 + topic.size() + (qos > 0 ? 2 : 0) + payload.size());
  PutString(topic);
  if (qos > 0) PutUint16(packet_id);
  out_.insert(out_.end(), payload.begin(), payload.end());
}

void MqttClient::PubAck(uint16_t packet_id) {
  PutByte(0x40);
  PutByte(2);
  PutUint16(packet_id);
}

absl::Status MqttClient::Flush() {
  while (out_begin_ < out_.size()) {
    const ssize_t n = send(fd_, out_.data() + out_begin_, out_.size() - out_begin_, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return absl::OkStatus();
    if (n < 0) return ErrnoStatus("send");
    out_begin_ += static_cast<size_t>(n);
  }
  out_.clear();
  out_begin_ = 0;
  return absl::OkStatus();
}

absl::Status MqttClient::Receive(absl::FunctionRef<void(const Message&)> on_message,
                                 absl::FunctionRef<void(uint16_t packet_id)> on_puback) {
  const ssize_t n = recv(fd_, in_.data() + in_size_, in_.size() - in_size_, MSG_DONTWAIT);
  if (n == 0) return absl::UnavailableError("the broker closed the connection");
  if (n < 0) return errno == EAGAIN ? absl::OkStatus() : ErrnoStatus("recv");
  in_size_ += static_cast<size_t>(n);

  size_t begin = 0;
  while (in_size_ - begin >= 2) {
    size_t length = 0;
    size_t header = 1;
    bool whole = false;
    for (int shift = 0; shift < 28 && begin + header < in_size_; shift += 7) {
      const uint8_t digit = in_[begin + header++];
      length |= static_cast<size_t>(digit & 127) << shift;
      if ((digit & 128) == 0) {
        whole = true;
        break;
      }
    }
    if (header + length > in_.size()) return absl::InvalidArgumentError("packet is larger than the read buffer");
    if (!whole || begin + header + length > in_size_) break;
    const uint8_t* body = in_.data() + begin + header;
    const int type = in_[begin] >> 4;
    const size_t fixed_size = type == kPublish ? 2 : type == kPubAck ? 2 : 0;
    if (length < fixed_size) return absl::InvalidArgumentError(absl::StrCat("packet of type ", type, " is too short"));
    const size_t first_word = fixed_size > 0 ? static_cast<size_t>(body[0]) << 8 | body[1] : 0;
    if (type == kPublish) {
      Message message;
      message.qos = in_[begin] >> 1 & 3;
      message.packet_id = 0;
      size_t at = 2 + first_word;
      if (at + (message.qos > 0 ? 2 : 0) > length)
        return absl::InvalidArgumentError("PUBLISH with a topic beyond its end");
      if (message.qos > 0) {
        message.packet_id = static_cast<uint16_t>(body[at] << 8 | body[at + 1]);
        at += 2;
      }
      const char* text = reinterpret_cast<const char*>(body);
      message.topic = absl::string_view(text + 2, first_word);
      message.payload = absl::string_view(text + at, length - at);
      on_message(message);
    } else if (type == kPubAck) {
      on_puback(static_cast<uint16_t>(first_word));
    }
    begin += header + length;
  }
  std::memmove(in_.data(), in_.data() + begin, in_size_ - begin);
  in_size_ -= begin;
  return absl::OkStatus();
}

void MqttClient::Wait(absl::Duration timeout) {
  pollfd wait{fd_, static_cast<short>(POLLIN | (unsent_bytes() > 0 ? POLLOUT : 0)), 0};
  const timespec limit = absl::ToTimespec(timeout > absl::ZeroDuration() ? timeout : absl::ZeroDuration());
  ppoll(&wait, 1, &limit, nullptr);
}

}  // namespace mvmd
