// A definition's canonical text with holes. The holes are found while the text is written: at every place where a live
// member stands, or would stand in the order of names.
#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "twin/canonical.h"
#include "twin/document.h"
#include "twin/time.h"

namespace mvmd {

// Writes canonical text as AppendCanonical does, for the objects that live members go to; everything below them is left
// to it.
class DocumentTemplateBuilder {
 public:
  explicit DocumentTemplateBuilder(DocumentTemplate* form) : form_(form) {}

  void Build(const Json& definition) {
    if (!definition.is_object()) return AppendCanonical(definition, out());
    constexpr Slot kSlots[] = {Slot::kDateModified};
    AppendObject(definition, kSlots, 0, [this](const Json::Member& member) {
      if (member.first == "sensors" && member.second.is_array()) {
        AppendSensors(member.second);
      } else if (member.first == "synchronization" && member.second.is_object()) {
        constexpr Slot kSyncSlots[] = {Slot::kConnectionStatus, Slot::kLastSynced, Slot::kLatency};
        AppendObject(member.second, kSyncSlots, 0, [this](const Json::Member& m) { AppendCanonical(m.second, out()); });
      } else {
        AppendCanonical(member.second, out());
      }
    });
  }

 private:
  using Slot = DocumentTemplate::Slot;
  using Join = DocumentTemplate::Join;

  std::string* out() { return &form_->definition_; }

  void AppendSensors(const Json& sensors) {
    constexpr Slot kSlots[] = {Slot::kCurrentValue, Slot::kTimestamp};
    out()->push_back('[');
    bool first = true;
    for (const Json& sensor : sensors.elements()) {
      if (!first) out()->push_back(',');
      first = false;
      const Json* id = sensor.Find("id");
      const size_t index = form_->sensors_.size();
      if (id == nullptr || !id->is_string() || !form_->sensors_.emplace(id->string(), index).second) {
        AppendCanonical(sensor, out());
        continue;
      }
      AppendObject(sensor, kSlots, index, [this](const Json::Member& m) { AppendCanonical(m.second, out()); });
    }
    out()->push_back(']');
  }

  // `slots` in the order of their names; `append_value` writes what is behind a member's colon.
  template <typename AppendValue>
  void AppendObject(const Json& object, absl::Span<const Slot> slots, size_t sensor, AppendValue append_value) {
    absl::InlinedVector<const Json::Member*, 32> order;
    for (const Json::Member& member : object.members()) order.push_back(&member);
    std::sort(order.begin(), order.end(), [](const Json::Member* a, const Json::Member* b) {
      return CompareCanonicalNames(a->first, b->first) < 0;
    });
    out()->push_back('{');
    auto slot = slots.begin();
    for (size_t i = 0; i < order.size(); ++i) {
      const Json::Member& member = *order[i];
      for (; slot != slots.end() && CompareNames(*slot, member.first) < 0; ++slot) {
        AddHole(*slot, i == 0 ? Join::kCommaAfter : Join::kCommaBefore, sensor);
      }
      if (i != 0) out()->push_back(',');
      AppendCanonicalString(member.first, out());
      out()->push_back(':');
      const size_t begin = out()->size();
      append_value(member);
      if (slot != slots.end() && CompareNames(*slot, member.first) == 0) {
        form_->holes_.push_back({begin, out()->size(), *slot, Join::kReplace, sensor});
        ++slot;
      }
    }
    for (; slot != slots.end(); ++slot) AddHole(*slot, order.empty() ? Join::kAlone : Join::kCommaBefore, sensor);
    out()->push_back('}');
  }

  static int CompareNames(Slot slot, absl::string_view name) {
    return CompareCanonicalNames(DocumentTemplate::NameOf(slot), name);
  }

  void AddHole(Slot slot, Join join, size_t sensor) {
    form_->holes_.push_back({out()->size(), out()->size(), slot, join, sensor});
  }

  DocumentTemplate* const form_;
};

DocumentTemplate::DocumentTemplate(const Json& definition) {
  DocumentTemplateBuilder(this).Build(definition);
  definition_etag_ = Sha256Hex(definition_);
}

std::string DocumentTemplate::Render(const LiveView& live) const {
  std::string out;
  AppendTo(live, &out);
  return out;
}

void DocumentTemplate::AppendTo(const LiveView& live, std::string* out) const {
  absl::InlinedVector<const LiveSensor*, 32> by_index(sensors_.size(), nullptr);
  for (const LiveSensor& sensor : live.sensors) {
    const auto found = sensors_.find(sensor.sensor);
    if (found != sensors_.end()) by_index[found->second] = &sensor;
  }
  constexpr size_t kGrowth = 128;  // what most live values add
  out->reserve(out->size() + definition_.size() + live.sensors.size() * kGrowth + kGrowth);
  size_t copied = 0;
  for (const Hole& hole : holes_) {
    const bool of_sensor = hole.slot == Slot::kCurrentValue || hole.slot == Slot::kTimestamp;
    const LiveSensor* sensor = of_sensor ? by_index[hole.sensor] : nullptr;
    if (!HasValue(hole.slot, sensor, live)) continue;
    out->append(definition_, copied, hole.begin - copied);
    copied = hole.end;
    AppendHole(hole, sensor, live, out);
  }
  out->append(definition_, copied, definition_.size() - copied);
}

void DocumentTemplate::AppendHole(const Hole& hole, const LiveSensor* sensor, const LiveView& live,
                                  std::string* out) const {
  if (hole.join == Join::kReplace) return AppendValue(hole.slot, sensor, live, out);
  const bool comma = hole.join == Join::kCommaBefore || (hole.join == Join::kAlone && out->back() != '{');
  if (comma) out->push_back(',');
  AppendCanonicalString(NameOf(hole.slot), out);
  out->push_back(':');
  AppendValue(hole.slot, sensor, live, out);
  if (hole.join == Join::kCommaAfter) out->push_back(',');
}

absl::string_view DocumentTemplate::NameOf(Slot slot) {
  switch (slot) {
    case Slot::kCurrentValue:
      return "currentValue";
    case Slot::kTimestamp:
      return "timestamp";
    case Slot::kLastSynced:
      return "lastSynced";
    case Slot::kConnectionStatus:
      return "connectionStatus";
    case Slot::kLatency:
      return "latency";
    case Slot::kDateModified:
      return "dateModified";
  }
  return {};
}

bool DocumentTemplate::HasValue(Slot slot, const LiveSensor* sensor, const LiveView& live) {
  switch (slot) {
    case Slot::kCurrentValue:
    case Slot::kTimestamp:
      return sensor != nullptr;
    case Slot::kLastSynced:
      return live.last_synced_unix_ns.has_value();
    case Slot::kConnectionStatus:
      return live.connection_status.has_value();
    case Slot::kLatency:
      return live.latency_ms.has_value();
    case Slot::kDateModified:
      return live.date_modified_unix_ns.has_value();
  }
  return false;
}

void DocumentTemplate::AppendValue(Slot slot, const LiveSensor* sensor, const LiveView& live, std::string* out) {
  auto append_time = [out](int64_t unix_ns) {
    out->push_back('"');
    AppendTimestamp(unix_ns, out);
    out->push_back('"');
  };
  switch (slot) {
    case Slot::kCurrentValue:
      if (const double* number = std::get_if<double>(&sensor->value)) {
        AppendCanonicalNumber(*number, out);
      } else if (const bool* boolean = std::get_if<bool>(&sensor->value)) {
        out->append(*boolean ? "true" : "false");
      } else {
        AppendCanonicalString(std::get<std::string>(sensor->value), out);
      }
      return;
    case Slot::kTimestamp:
      return append_time(sensor->time_unix_ns);
    case Slot::kLastSynced:
      return append_time(*live.last_synced_unix_ns);
    case Slot::kConnectionStatus:
      return AppendCanonicalString(*live.connection_status, out);
    case Slot::kLatency:
      return AppendCanonicalNumber(*live.latency_ms, out);
    case Slot::kDateModified:
      return append_time(*live.date_modified_unix_ns);
  }
}

}  // namespace mvmd
