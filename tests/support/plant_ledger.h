// The plant's own book of what it published, and the comparison with what can be read back.
#ifndef MVMD_TESTS_SUPPORT_PLANT_LEDGER_H_
#define MVMD_TESTS_SUPPORT_PLANT_LEDGER_H_

#include <cstddef>
#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mvmd {

// Every sample that was published, by sensor, in order. Times within a sensor grow, so that (twin, sensor, time) names
// a sample. Thread-compatible.
class PlantLedger {
 public:
  struct Entry {
    int64_t time_unix_ns = 0;
    double value = 0;
    bool acked = false;  // the broker's PUBACK came
  };
  struct Sensor {
    std::string twin;
    std::string sensor;
    std::vector<Entry> entries;
  };

  // Index of a new sensor.
  size_t AddSensor(const std::string& twin, const std::string& sensor);
  // Index of the entry.
  size_t AddPublished(size_t sensor, int64_t time_unix_ns, double value);
  void MarkAcked(size_t sensor, size_t entry);

  const std::vector<Sensor>& sensors() const { return sensors_; }
  uint64_t published() const { return published_; }
  uint64_t acked() const { return acked_; }

  // {"published":..,"acked":..,"sensors":[{"twin":..,"sensor":..,"published":..,"acked":..,"lastTimestamp":..,
  // "lastValue":..,"samples":[["<time>",<value>,<acked>],..]},..]}
  std::string ToJson() const;
  static absl::StatusOr<PlantLedger> FromJson(absl::string_view text);

 private:
  std::vector<Sensor> sensors_;
  uint64_t published_ = 0;
  uint64_t acked_ = 0;
};

// What became of the samples in a ledger.
struct LedgerVerdict {
  uint64_t published = 0;
  uint64_t acked = 0;
  uint64_t committed = 0;             // different samples that were read back
  uint64_t lost = 0;                  // acked, but not read back
  uint64_t duplicated = 0;            // read back once more than published, each time
  uint64_t wrong = 0;                 // read back, but never published so: other value, time or sensor
  uint64_t disordered = 0;            // read back after a later one of its sensor
  uint64_t gaps = 0;                  // records of samples that will never come
  std::vector<std::string> examples;  // the first few of what is not as it should be

  bool clean() const { return lost == 0 && duplicated == 0 && wrong == 0 && disordered == 0 && gaps == 0; }
};

// `samples`: lines of `twinctl samples -o jsonl`, of all sensors one after the other. INVALID_ARGUMENT with the line
// that cannot be read.
absl::StatusOr<LedgerVerdict> CheckLedger(const PlantLedger& ledger, std::istream& samples);

// A table for people.
std::string VerdictText(const LedgerVerdict& verdict);

}  // namespace mvmd

#endif  // MVMD_TESTS_SUPPORT_PLANT_LEDGER_H_
