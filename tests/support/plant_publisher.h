// The plant's MQTT client: QoS 1, at most so many messages on the way, nothing lost or doubled of its own making.
#ifndef MVMD_TESTS_SUPPORT_PLANT_PUBLISHER_H_
#define MVMD_TESTS_SUPPORT_PLANT_PUBLISHER_H_

#include <mosquitto.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mvmd {

struct PlantBroker {
  std::string host = "127.0.0.1";
  int port = 0;
  std::string client_id = "mvmd-plant";
  std::string ca_file;  // empty: plain TCP
  std::string certificate_file;
  std::string key_file;
};

// Messages wait here while the broker is away; those that were sent without a PUBACK are sent again by libmosquitto
// when the session is resumed. Driven by one thread, which calls RunOnce.
class PlantPublisher {
 public:
  // `on_ack` gets the ticket of a message when its PUBACK came.
  static absl::StatusOr<std::unique_ptr<PlantPublisher>> Create(PlantBroker broker,
                                                                std::function<void(uint64_t ticket)> on_ack);
  ~PlantPublisher();
  PlantPublisher(const PlantPublisher&) = delete;
  PlantPublisher& operator=(const PlantPublisher&) = delete;

  // Never blocks.
  void Publish(std::string topic, std::string payload, uint64_t ticket);
  // Sends and receives; returns after `wait` at the latest, or when something happened. Connects as needed.
  void RunOnce(absl::Duration wait);

  // Without a PUBACK yet.
  size_t pending() const { return waiting_.size() + in_flight_.size(); }
  // For people; empty when connected.
  const std::string& trouble() const { return trouble_; }

 private:
  struct Message {
    std::string topic;
    std::string payload;
    uint64_t ticket;
  };

  PlantPublisher(PlantBroker broker, std::function<void(uint64_t)> on_ack);
  absl::Status SetUp();
  void Connect();
  void SendWaiting();
  static void OnConnect(mosquitto* client, void* self, int code);
  static void OnDisconnect(mosquitto* client, void* self, int code);
  static void OnPublish(mosquitto* client, void* self, int message_id);

  const PlantBroker broker_;
  const std::function<void(uint64_t)> on_ack_;
  mosquitto* client_ = nullptr;
  bool connected_ = false;
  bool tried_ = false;
  absl::Time next_try_ = absl::InfinitePast();
  std::string trouble_;
  std::deque<Message> waiting_;
  std::unordered_map<int, uint64_t> in_flight_;  // message id -> ticket
};

}  // namespace mvmd

#endif  // MVMD_TESTS_SUPPORT_PLANT_PUBLISHER_H_
