// The least MQTT 3.1.1 client: many packets a write, many a read, so that the load generator and the sink cost little
// beside what they measure.
#ifndef MVMD_TESTS_BENCH_MQTT_CLIENT_H_
#define MVMD_TESTS_BENCH_MQTT_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mvmd {

// One connection to a broker on this machine. Not thread-safe. Packets are queued by Publish() and the like, and leave
// with Flush(). After an error, Connect() begins anew with empty queues.
class MqttClient {
 public:
  MqttClient() = default;
  ~MqttClient();
  MqttClient(const MqttClient&) = delete;
  MqttClient& operator=(const MqttClient&) = delete;

  // Blocks until CONNACK, at most 3 s. UNAVAILABLE when the broker is not there or refuses.
  absl::Status Connect(uint16_t port, absl::string_view client_id, bool clean_session);

  void Subscribe(absl::string_view filter, int qos);
  // `packet_id` is not used at QoS 0.
  void Publish(absl::string_view topic, absl::string_view payload, int qos, uint16_t packet_id, bool duplicate);
  void PubAck(uint16_t packet_id);

  // Writes what the socket takes now. UNAVAILABLE when the connection is gone.
  absl::Status Flush();
  size_t unsent_bytes() const { return out_.size() - out_begin_; }

  struct Message {
    absl::string_view topic;
    absl::string_view payload;
    int qos;
    uint16_t packet_id;
  };
  // Takes what has arrived, without blocking. UNAVAILABLE when the connection is gone, INVALID_ARGUMENT on bytes that
  // are no MQTT. SUBACK is passed over.
  absl::Status Receive(absl::FunctionRef<void(const Message&)> on_message,
                       absl::FunctionRef<void(uint16_t packet_id)> on_puback);

  // Until there is something to read, or to write while bytes are unsent.
  void Wait(absl::Duration timeout);

 private:
  void PutByte(int value) { out_.push_back(static_cast<uint8_t>(value)); }
  void PutUint16(size_t value);
  void PutString(absl::string_view text);
  void PutRemainingLength(size_t length);
  void Close();
  absl::Status AwaitConnAck();

  int fd_ = -1;
  std::vector<uint8_t> in_ = std::vector<uint8_t>(256 * 1024);
  size_t in_size_ = 0;
  std::vector<uint8_t> out_;
  size_t out_begin_ = 0;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_BENCH_MQTT_CLIENT_H_
