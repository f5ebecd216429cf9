// What a watch shows: the last value of each sensor, as a table that is drawn again in place.
#ifndef MVMD_TWINCTL_WATCH_VIEW_H_
#define MVMD_TWINCTL_WATCH_VIEW_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "twinctl/console.h"

namespace mvmd {

// State of the live table. Pure; thread-compatible.
//
//   view.Apply(response);
//   console.out() << view.Frame(console, console.rows());
class WatchView {
 public:
  // Takes in one response of WatchTwins.
  void Apply(const mvmd::twin::v1alpha1::WatchTwinsResponse& response);
  // A line about the connection, shown above the table; empty: none.
  void SetNotice(absl::string_view notice) { notice_ = std::string(notice); }

  // The next drawing: moves the cursor back over the last one, and writes at most `rows` - 1 lines.
  std::string Frame(const Console& console, int rows, int columns);

 private:
  struct Row {
    std::string value;
    std::string unit;
    std::string time;
    uint64_t changes = 0;
  };

  void TakeDocument(const std::string& twin, const mvmd::twin::v1alpha1::TwinDocument& document);
  void TakeSamples(const std::string& twin, const mvmd::twin::v1alpha1::SensorSamples& samples);
  void Remove(const std::string& twin);

  std::map<std::pair<std::string, std::string>, Row> rows_;  // by (twin, sensor)
  std::string notice_;
  uint64_t revision_ = 0;
  uint64_t changes_ = 0;
  uint64_t gaps_ = 0;
  int drawn_lines_ = 0;
};

// One change as JSON: {"revision":..,"twin":..,"change":"sample","sensor":..,"timestamp":..,"value":..}; a change of
// several samples is as many lines. Each with its line end.
std::string ChangeLines(uint64_t revision, const mvmd::twin::v1alpha1::TwinChange& change);
// The same for people.
std::string ChangeText(const mvmd::twin::v1alpha1::TwinChange& change);

}  // namespace mvmd

#endif  // MVMD_TWINCTL_WATCH_VIEW_H_
