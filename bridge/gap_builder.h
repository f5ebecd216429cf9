// Gap builder: what a group of messages could not give -> rows of the outbox.
#ifndef MVMD_BRIDGE_GAP_BUILDER_H_
#define MVMD_BRIDGE_GAP_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "bridge/outbox.h"
#include "mvmd/twin/v1alpha1/block.pb.h"

namespace mvmd {

// One Gap a sensor and group, with how many messages or readings and between which arrivals. Durable together with the
// receipts of the messages: what is PUBACKed and gave no sample is told. Not thread-safe.
class GapBuilder {
 public:
  // Beyond it, what is lost of further sensors is told of their twins; beyond twice of it, of the whole bridge.
  static constexpr size_t kPlacesMax = 512;

  // `sensor` may be empty: every one of the twin.
  void Add(absl::string_view twin, absl::string_view sensor, int64_t arrival_unix_ns, uint64_t count = 1);
  bool empty() const { return gaps_.empty(); }
  // Appends a row each, the first with `seq`; the builder is then empty.
  void Finish(uint64_t seq, std::vector<OutboxBatch::Row>* rows);

 private:
  std::map<std::pair<std::string, std::string>, mvmd::twin::v1alpha1::Gap> gaps_;
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_GAP_BUILDER_H_
