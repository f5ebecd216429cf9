// What a sink saw: loss, duplicates, order, rate and latency.
#ifndef MVMD_TESTS_BENCH_ARRIVALS_H_
#define MVMD_TESTS_BENCH_ARRIVALS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace mvmd {

// The same bookkeeping for every system that is compared. Not thread-safe.
class Arrivals {
 public:
  // Numbers below `first_n` are a warm-up and are not counted.
  explicit Arrivals(uint64_t first_n) : first_n_(first_n) {}

  // Message `n` of a sensor (any name that is unique), sent and seen at these times.
  void Add(absl::string_view sensor, uint64_t n, int64_t sent_unix_ns, int64_t seen_unix_ns);
  // A message that carries no number.
  void AddUnnumbered(int64_t seen_unix_ns);

  // The link is back: from now on, how long it takes until every sensor seen so far shows a value sent after now.
  void MarkLinkBack(int64_t now_unix_ns);

  // Different messages, and those without number.
  uint64_t count() const { return unique_ + unnumbered_; }
  // 0: nothing yet.
  int64_t last_seen_unix_ns() const { return last_seen_unix_ns_; }

  // One line of JSON. Latencies in milliseconds.
  std::string ToJson();

 private:
  struct Sensor {
    std::vector<bool> seen;
    uint64_t next = 0;
    bool fresh = false;
  };
  void Touch(int64_t seen_unix_ns);
  double LatencyMs(double quantile);

  const uint64_t first_n_;
  absl::flat_hash_map<std::string, Sensor> sensors_;
  std::vector<int64_t> latencies_ns_;
  uint64_t unique_ = 0;
  uint64_t duplicated_ = 0;
  uint64_t out_of_order_ = 0;
  uint64_t unnumbered_ = 0;
  int64_t first_seen_unix_ns_ = 0;
  int64_t last_seen_unix_ns_ = 0;
  int64_t link_back_unix_ns_ = 0;
  size_t stale_ = 0;
  std::optional<int64_t> fresh_after_ns_;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_BENCH_ARRIVALS_H_
