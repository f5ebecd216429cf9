// The live part of one twin: what samples make of it. Pure; used by the fold as entries come, and by the reader of the
// past when it folds a part of the log again, so that the two cannot differ.
#ifndef MVMD_GATEWAY_LIVE_TWIN_H_
#define MVMD_GATEWAY_LIVE_TWIN_H_

#include <cstdint>
#include <optional>
#include <string>

#include "mvmd/twin/v1alpha1/state.pb.h"
#include "twin/block.h"
#include "twin/document.h"
#include "twin/sample.h"

namespace mvmd {

// How long ago `earlier` was; 0 when it is later. Any two times may come.
int64_t AgeNs(int64_t now_unix_ns, int64_t earlier_unix_ns);

// Current value of one sensor: the newest by event time, whatever lane it came by.
class LiveValue {
 public:
  struct Times {
    int64_t oldest_unix_ns = 0;
    int64_t newest_unix_ns = 0;
  };
  // Takes the samples of a run, which is not empty; tells their times. At equal times the later one counts, and of two
  // lanes the live one, because the broker gave it later. Hot path: no allocation, except for text.
  Times Take(const DecodedBlock& block, const DecodedBlock::Run& run, bool is_backfill);
  void Clear();

  bool has_value() const { return has_value_; }
  int64_t time_unix_ns() const { return time_unix_ns_; }
  SampleValue Value() const;

  // Without the sensor; only if there is a value.
  void ToProto(mvmd::twin::v1alpha1::TwinLive::Value* out) const;
  // False: it has no value.
  bool FromProto(const mvmd::twin::v1alpha1::TwinLive::Value& in);

 private:
  bool has_value_ = false;
  DecodedBlock::Kind kind_ = DecodedBlock::Kind::kNumber;
  double number_ = 0;  // booleans as 0 and 1
  int64_t time_unix_ns_ = 0;
  std::string text_;
};

// What is measured of the twin as a whole.
struct LiveTwin {
  std::optional<int64_t> last_synced_unix_ns;
  std::optional<int64_t> latency_ns;

  // An entry of that time brought samples of the twin, the newest of which is of `newest_sample_unix_ns`.
  void OnSamples(int64_t entry_time_unix_ns, int64_t newest_sample_unix_ns, bool is_backfill);
  // Everything but the sensors. `is_connected`: of its owner; nullopt: it has none.
  void AddTo(std::optional<bool> is_connected, std::optional<int64_t> definition_modified_unix_ns,
             LiveView* view) const;

  void ToProto(mvmd::twin::v1alpha1::TwinLive* out) const;
  void FromProto(const mvmd::twin::v1alpha1::TwinLive& in);
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_LIVE_TWIN_H_
