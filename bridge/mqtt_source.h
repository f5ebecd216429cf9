// MQTT source: libmosquitto with a loop of our own, so that no PUBACK leaves before the commit.
#ifndef MVMD_BRIDGE_MQTT_SOURCE_H_
#define MVMD_BRIDGE_MQTT_SOURCE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bridge/sensor_router.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "runtime/backoff.h"
#include "runtime/clock.h"

struct mosquitto;
struct mosquitto_message;

namespace mvmd {

// Views hold during the call only.
struct MqttMessage {
  absl::string_view topic;
  absl::string_view payload;
  int qos = 0;
  bool retained = false;
  uint16_t packet_id = 0;         // QoS 1
  std::optional<bool> duplicate;  // DUP, as long as the sink wants to know
};

// What takes the messages in. Called on the source's thread only.
class MqttSink {
 public:
  virtual ~MqttSink() = default;

  struct Subscriptions {
    std::vector<SensorRouter::Subscription> subscribe;
    std::vector<std::string> unsubscribe;
  };
  // CONNACK. What to subscribe to now, and what no longer.
  virtual Subscriptions OnConnected(bool session_present) = 0;
  // All of that was granted.
  virtual void OnSubscribed() = 0;
  virtual void OnSubscriptionRefused(absl::string_view filter) = 0;
  virtual void OnDisconnected(absl::string_view why) = 0;

  virtual void OnMessage(const MqttMessage& message) = 0;
  // Makes everything since the last one durable. UNAVAILABLE, RESOURCE_EXHAUSTED: called again soon. Else fatal.
  virtual absl::Status Commit() = 0;
  // False: do not read on for now.
  virtual bool WantsMore() = 0;
  virtual bool WantsDuplicateFlags() = 0;
  // After each round, when nothing waits for a commit: work of its own. Errors as of Commit. At least 5 times a second.
  virtual absl::Status OnIdle() = 0;
};

enum class MqttSession {
  kDown,
  kSubscribing,  // connected, and the broker has not granted all subscriptions yet
  kReady,
  kRefused,  // connected, and a subscription is refused
};

struct MqttSourceOptions {
  mvmd::twin::v1alpha1::MqttConfig config;  // whole and checked; files resolved
  std::string password;
  // A small group waits so long for company; 0: never. Small is less than `group_messages`, or less than most of the
  // largest group of this connection. `group_messages` must be well below what brokers keep in flight (20 by default),
  // or the wait would be for messages that cannot come.
  absl::Duration group_window;
  size_t group_messages = 10;
  // At each change. On the source's thread.
  std::function<void(MqttSession)> on_session = [](MqttSession) {};
  const Clock* clock = &SystemClock::Get();
};

struct MqttSourceStats {
  std::atomic<bool> connected{false};
  std::atomic<uint64_t> connects{0};
  std::atomic<uint64_t> groups{0};
  std::atomic<uint64_t> pauses{0};
  // From the first message of a group to its PUBACKs, sum over groups; nanoseconds.
  std::atomic<uint64_t> puback_latency_ns_sum{0};
  std::atomic<uint64_t> puback_latency_ns_max{0};
};

// One client. Run() is its thread:
//
//   connect -> { poll -> mosquitto_loop_read until nothing is readable -> sink->Commit() -> mosquitto_loop_write } ...
//
// PUBACK only after the commit. libmosquitto queues a PUBACK before it calls back with the message. In threaded mode
// (mosquitto_threaded_set; no thread of its own is started) packet__queue() writes nothing to the socket: only
// mosquitto_loop_write does, and that is called here only while no message waits for its commit. Keepalive packets
// queue behind the PUBACKs and wait likewise. (Read in libmosquitto 2.0.11, and pinned by a test with a broker.)
//
// While the sink wants no more, the socket is not read, so PUBACKs and with them the broker's delivery stop. A PINGRESP
// could not be read either, so instead of PINGREQ the broker is kept content with UNSUBSCRIBE of a filter that was
// never subscribed.
class MqttSource {
 public:
  // FAILED_PRECONDITION: libmosquitto refuses the options. `sink` is not owned.
  static absl::StatusOr<std::unique_ptr<MqttSource>> Make(MqttSourceOptions options, MqttSink* sink);
  ~MqttSource();
  MqttSource(const MqttSource&) = delete;
  MqttSource& operator=(const MqttSource&) = delete;

  // Until Stop: OK after a last commit, its PUBACKs and DISCONNECT. Or the sink's fatal error: then nothing more is
  // acknowledged.
  absl::Status Run();

  // Any thread.
  void Stop();
  // Lets Run call OnIdle now.
  void Wake();
  const MqttSourceStats& stats() const { return stats_; }

 private:
  MqttSource(MqttSourceOptions options, MqttSink* sink);
  absl::Status Init();
  bool StartConnect();
  // Poll and I/O of one round.
  absl::Status Round();
  void DriveConnect(short events);
  void TellSession();
  void ReadGroup();
  absl::Status CommitGroup();
  size_t GroupTarget() const;
  void Flush();
  void KeepAlive();
  void Poll(absl::Duration timeout, bool want_read, short* events);
  void Disconnected(std::string why);

  static void HandleConnect(mosquitto* client, void* self, int code, int flags);
  static void HandleDisconnect(mosquitto* client, void* self, int code);
  static void HandleMessage(mosquitto* client, void* self, const mosquitto_message* message);
  static void HandleSubscribe(mosquitto* client, void* self, int packet_id, int count, const int* granted);
  static void HandleLog(mosquitto* client, void* self, int level, const char* text);

  const MqttSourceOptions options_;
  MqttSink* const sink_;
  mosquitto* client_ = nullptr;
  int wake_fd_ = -1;
  std::atomic<bool> stopping_{false};

  enum class Link { kDown, kConnecting, kUp };
  Link link_ = Link::kDown;
  absl::Time now_;
  absl::Time next_connect_ = absl::InfinitePast();
  absl::Time connect_deadline_;
  absl::Time link_up_since_;
  absl::Time last_paused_packet_;
  Backoff backoff_;
  bool flags_wanted_ = false;
  std::optional<bool> duplicate_;
  bool paused_ = false;
  std::vector<std::pair<int, std::string>> subscribes_pending_;  // packet id, filter
  bool subscribe_refused_ = false;

  size_t group_messages_ = 0;  // read and not committed
  size_t group_bytes_ = 0;
  size_t largest_group_ = 0;  // of this connection
  absl::Time group_since_;
  absl::Time retry_commit_at_ = absl::InfinitePast();
  MqttSourceStats stats_;
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_MQTT_SOURCE_H_
