// Which twin and sensor a reading is of.
#ifndef MVMD_BRIDGE_SENSOR_ROUTER_H_
#define MVMD_BRIDGE_SENSOR_ROUTER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bridge/decoder.h"
#include "bridge/topic_pattern.h"
#include "bridge/twin_catalog.h"
#include "mvmd/twin/v1alpha1/config.pb.h"

namespace mvmd {

// Where the readings of one name on one topic go.
struct SensorTarget {
  enum class Problem { kNone, kUnknownTwin, kUnknownSensor, kBadName };
  std::string twin;
  std::string sensor;
  const LocalSensor* local = nullptr;  // what the local document says; null: there is none
  Problem problem = Problem::kNone;
  // Of the binding table, filled by whoever binds; 0: not bound yet.
  uint32_t binding = 0;
};

// A topic that was seen: its route, and the targets found so far.
struct TopicEntry {
  struct NamedTarget {
    std::string reading;
    SensorTarget target;
  };
  int route = -1;  // index into the configuration; -1: none matches
  Decoder* decoder = nullptr;
  bool accept_retained = false;
  std::string topic;
  std::vector<absl::string_view> captures;  // of `topic`
  // One, when the reading's name does not matter.
  std::vector<std::unique_ptr<NamedTarget>> targets;
  absl::flat_hash_map<absl::string_view, SensorTarget*> by_reading;  // used from some number of targets on
  uint32_t last_retained_digest = 0;
  bool has_retained_digest = false;
};

// Not thread-safe. First route that matches wins. A topic is matched once and then found by one hash look-up; at most
// `topics_max` are remembered, then all are forgotten and found anew.
//
//   TopicEntry* entry = router.Find(topic);          // entry->route < 0: unknown topic
//   SensorTarget* target = router.Resolve(entry, reading.name);
class SensorRouter {
 public:
  // `catalog` is not owned. INVALID_ARGUMENT: what is wrong in the first wrong route, with its path.
  static absl::StatusOr<std::unique_ptr<SensorRouter>> Make(
      const google::protobuf::RepeatedPtrField<mvmd::twin::v1alpha1::Route>& routes, const TwinCatalog* catalog,
      size_t topics_max = 65536);

  // Valid until the next Find. Never null.
  TopicEntry* Find(absl::string_view topic);
  // Valid as long as `entry` is. Never null.
  SensorTarget* Resolve(TopicEntry* entry, absl::string_view reading);
  // All bindings that targets remember are void.
  void ForgetBindings();

  struct Subscription {
    std::string filter;
    int qos;
    bool accept_retained;
    friend bool operator==(const Subscription&, const Subscription&) = default;
  };
  // What to subscribe to: without filters that another one covers, so that a broker does not deliver twice.
  std::vector<Subscription> Subscriptions() const;

 private:
  struct CompiledRoute {
    TopicPattern pattern;
    NameTemplate twin;
    NameTemplate sensor;
    std::unique_ptr<Decoder> decoder;
    int qos;
    bool accept_retained;
  };

  SensorRouter(const TwinCatalog* catalog, size_t topics_max) : catalog_(catalog), topics_max_(topics_max) {}
  void FillTarget(const CompiledRoute& route, const TopicEntry& entry, absl::string_view reading, SensorTarget* target);

  const TwinCatalog* const catalog_;
  const size_t topics_max_;
  std::vector<CompiledRoute> routes_;
  absl::flat_hash_map<std::string, std::unique_ptr<TopicEntry>> topics_;
};

// Does every topic that `narrow` matches match `wide` too? Both are MQTT topic filters.
bool FilterCovers(absl::string_view wide, absl::string_view narrow);

}  // namespace mvmd

#endif  // MVMD_BRIDGE_SENSOR_ROUTER_H_
