#include "bridge/sensor_router.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bridge/utf8.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// From so many on a hash look-up beats looking through all.
constexpr size_t kTargetsLinearMax = 8;
// Names of readings remembered a topic; later ones are resolved each time in the last place.
constexpr size_t kTargetsMax = kReadingsMax;
constexpr size_t kNameBytesMax = 512;

}  // namespace

bool FilterCovers(absl::string_view wide, absl::string_view narrow) {
  // `+/a` and `#` do not match `$SYS/a`, which a narrow filter may name.
  if (!wide.empty() && (wide[0] == '+' || wide[0] == '#') && !narrow.empty() && narrow[0] == '$') return false;
  const std::vector<absl::string_view> w = absl::StrSplit(wide, '/');
  const std::vector<absl::string_view> n = absl::StrSplit(narrow, '/');
  size_t i = 0;
  for (; i < w.size() && i < n.size(); ++i) {
    if (w[i] == "#") return true;
    if (n[i] == "#") return false;
    if (w[i] == "+") continue;
    if (w[i] != n[i]) return false;
  }
  if (i == w.size() && i == n.size()) return true;
  return i == n.size() && i + 1 == w.size() && w[i] == "#";
}

absl::StatusOr<std::unique_ptr<SensorRouter>> SensorRouter::Make(
    const google::protobuf::RepeatedPtrField<pb::Route>& routes, const TwinCatalog* catalog, size_t topics_max) {
  std::unique_ptr<SensorRouter> router(new SensorRouter(catalog, topics_max));
  for (int i = 0; i < routes.size(); ++i) {
    const pb::Route& route = routes[i];
    auto wrong = [i](absl::string_view key, const absl::Status& status) {
      return absl::InvalidArgumentError(absl::StrCat("routes[", i, "].", key, ": ", status.message()));
    };
    absl::StatusOr<TopicPattern> pattern = TopicPattern::Parse(route.topic());
    if (!pattern.ok()) return wrong("topic", pattern.status());
    absl::StatusOr<NameTemplate> twin = NameTemplate::Parse(route.twin(), pattern->names());
    if (!twin.ok()) return wrong("twin", twin.status());
    absl::StatusOr<NameTemplate> sensor = NameTemplate::Parse(route.sensor(), pattern->names());
    if (!sensor.ok()) return wrong("sensor", sensor.status());
    absl::StatusOr<std::unique_ptr<Decoder>> decoder = MakeDecoder(route);
    if (!decoder.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("routes[", i, "].", decoder.status().message()));
    }
    router->routes_.push_back({*std::move(pattern), *std::move(twin), *std::move(sensor), *std::move(decoder),
                               static_cast<int>(route.qos()), route.retained() == "accept"});
  }
  return router;
}

TopicEntry* SensorRouter::Find(absl::string_view topic) {
  if (auto it = topics_.find(topic); it != topics_.end()) return it->second.get();
  if (topics_.size() >= topics_max_) topics_.clear();
  auto entry = std::make_unique<TopicEntry>();
  entry->topic = std::string(topic);
  for (size_t i = 0; i < routes_.size(); ++i) {
    if (!routes_[i].pattern.Match(entry->topic, &entry->captures)) continue;
    entry->route = static_cast<int>(i);
    entry->decoder = routes_[i].decoder.get();
    entry->accept_retained = routes_[i].accept_retained;
    break;
  }
  TopicEntry* result = entry.get();
  topics_.emplace(topic, std::move(entry));
  return result;
}

SensorTarget* SensorRouter::Resolve(TopicEntry* entry, absl::string_view reading) {
  const CompiledRoute& route = routes_[static_cast<size_t>(entry->route)];
  const bool name_matters = route.twin.uses_reading() || route.sensor.uses_reading();
  if (!name_matters) {
    if (!entry->targets.empty()) return &entry->targets.front()->target;
  } else if (entry->targets.size() <= kTargetsLinearMax) {
    for (const auto& named : entry->targets) {
      if (named->reading == reading) return &named->target;
    }
  } else if (auto it = entry->by_reading.find(reading); it != entry->by_reading.end()) {
    return it->second;
  }
  if (entry->targets.size() >= kTargetsMax) {
    entry->by_reading.clear();
    entry->targets.clear();
  }
  auto named = std::make_unique<TopicEntry::NamedTarget>();
  named->reading = std::string(reading);
  FillTarget(route, *entry, reading, &named->target);
  SensorTarget* target = &named->target;
  entry->targets.push_back(std::move(named));
  if (name_matters && entry->targets.size() > kTargetsLinearMax) {
    if (entry->by_reading.empty()) {
      for (const auto& each : entry->targets) entry->by_reading[each->reading] = &each->target;
    } else {
      entry->by_reading[entry->targets.back()->reading] = target;
    }
  }
  return target;
}

void SensorRouter::FillTarget(const CompiledRoute& route, const TopicEntry& entry, absl::string_view reading,
                              SensorTarget* target) {
  route.twin.Fill(entry.captures, reading, &target->twin);
  route.sensor.Fill(entry.captures, reading, &target->sensor);
  for (const std::string* name : {&target->twin, &target->sensor}) {
    if (name->empty() || name->size() > kNameBytesMax || !IsUtf8(*name)) {
      target->problem = SensorTarget::Problem::kBadName;
      return;
    }
  }
  if (catalog_->open()) return;
  const LocalTwin* twin = catalog_->Find(target->twin);
  if (twin == nullptr) {
    target->problem = SensorTarget::Problem::kUnknownTwin;
    return;
  }
  if (!twin->has_document) return;
  auto it = twin->sensors.find(target->sensor);
  if (it == twin->sensors.end()) {
    target->problem = SensorTarget::Problem::kUnknownSensor;
    return;
  }
  target->local = &it->second;
}

void SensorRouter::ForgetBindings() {
  for (auto& [topic, entry] : topics_) {
    for (auto& named : entry->targets) named->target.binding = 0;
  }
}

std::vector<SensorRouter::Subscription> SensorRouter::Subscriptions() const {
  std::vector<Subscription> all;
  for (const CompiledRoute& route : routes_) {
    all.push_back({route.pattern.filter(), route.qos, route.accept_retained});
  }
  std::vector<Subscription> result;
  for (size_t i = 0; i < all.size(); ++i) {
    bool covered = false;
    for (size_t k = 0; k < all.size() && !covered; ++k) {
      if (k == i || !FilterCovers(all[k].filter, all[i].filter)) continue;
      // Of two that cover each other (they are the same) the first stays.
      covered = !FilterCovers(all[i].filter, all[k].filter) || k < i;
    }
    if (covered) continue;
    Subscription subscription = all[i];
    for (const Subscription& other : all) {
      if (!FilterCovers(subscription.filter, other.filter)) continue;
      subscription.qos = std::max(subscription.qos, other.qos);
      subscription.accept_retained = subscription.accept_retained || other.accept_retained;
    }
    result.push_back(std::move(subscription));
  }
  return result;
}

}  // namespace mvmd
