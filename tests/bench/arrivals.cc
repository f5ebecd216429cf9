#include "tests/bench/arrivals.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace mvmd {

void Arrivals::Add(absl::string_view name, uint64_t n, int64_t sent_unix_ns, int64_t seen_unix_ns) {
  if (n < first_n_) return;
  auto it = sensors_.find(name);
  if (it == sensors_.end()) it = sensors_.emplace(std::string(name), Sensor()).first;
  Sensor& sensor = it->second;
  Touch(seen_unix_ns);
  if (link_back_unix_ns_ != 0 && !sensor.fresh && sent_unix_ns >= link_back_unix_ns_) {
    sensor.fresh = true;
    if (stale_ > 0 && --stale_ == 0) fresh_after_ns_ = seen_unix_ns - link_back_unix_ns_;
  }
  const uint64_t index = n - first_n_;
  if (index >= sensor.seen.size()) sensor.seen.resize(std::max<size_t>(1024, index * 2 + 1));
  if (sensor.seen[index]) {
    ++duplicated_;
    return;
  }
  sensor.seen[index] = true;
  ++unique_;
  if (index < sensor.next) ++out_of_order_;
  sensor.next = std::max(sensor.next, index + 1);
  latencies_ns_.push_back(std::max<int64_t>(0, seen_unix_ns - sent_unix_ns));
}

void Arrivals::AddUnnumbered(int64_t seen_unix_ns) {
  Touch(seen_unix_ns);
  ++unnumbered_;
}

void Arrivals::Touch(int64_t seen_unix_ns) {
  if (first_seen_unix_ns_ == 0) first_seen_unix_ns_ = seen_unix_ns;
  last_seen_unix_ns_ = seen_unix_ns;
}

void Arrivals::MarkLinkBack(int64_t now_unix_ns) {
  link_back_unix_ns_ = now_unix_ns;
  stale_ = sensors_.size();
  fresh_after_ns_.reset();
  for (auto& [name, sensor] : sensors_) sensor.fresh = false;
}

double Arrivals::LatencyMs(double quantile) {
  if (latencies_ns_.empty()) return 0;
  const size_t rank =
      std::min(latencies_ns_.size() - 1, static_cast<size_t>(quantile * static_cast<double>(latencies_ns_.size())));
  std::nth_element(latencies_ns_.begin(), latencies_ns_.begin() + static_cast<std::ptrdiff_t>(rank),
                   latencies_ns_.end());
  return static_cast<double>(latencies_ns_[rank]) / 1e6;
}

std::string Arrivals::ToJson() {
  const double seconds = static_cast<double>(last_seen_unix_ns_ - first_seen_unix_ns_) / 1e9;
  std::string json = absl::StrFormat(
      "{\"received\":%d,\"duplicated\":%d,\"out_of_order\":%d,\"unnumbered\":%d,\"sensors\":%d,\"seconds\":%.3f,"
      "\"rate\":%.0f,\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f",
      count(), duplicated_, out_of_order_, unnumbered_, sensors_.size(), seconds,
      seconds > 0 ? static_cast<double>(count()) / seconds : 0, LatencyMs(0.5), LatencyMs(0.9), LatencyMs(0.99),
      LatencyMs(1));
  if (fresh_after_ns_.has_value()) {
    absl::StrAppendFormat(&json, ",\"fresh_s\":%.3f", static_cast<double>(*fresh_after_ns_) / 1e9);
  }
  json.push_back('}');
  return json;
}

}  // namespace mvmd
