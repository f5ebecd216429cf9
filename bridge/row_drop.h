// What a full outbox gives up, and what stands in its place. Pure: rows in, rows out.
#ifndef MVMD_BRIDGE_ROW_DROP_H_
#define MVMD_BRIDGE_ROW_DROP_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/block.pb.h"
#include "twin/block.h"
#include "twin/interval_set.h"
#include "twin/sample.h"

namespace mvmd {

// Collects the oldest rows of samples, and the gaps that stand for still older ones, and makes few rows of them:
//
//   rows  10    11    12    13..17   18        19      ->  16          17       18         19
//         gap   gap   old   blocks   bindings  block       newest      gap of   bindings   gap of a twin,
//                                                          samples     a twin              covers 10 to 15
//
// The samples that stay are those that nothing newer of their sensor follows: what is dropped first is superseded.
// Gaps are one a twin, or one of the whole bridge when there would be too many. Each dropped row's number is in the
// `covered` of the last gap: nothing is missing without a record.
class RowDrop {
 public:
  // `reason` of the gaps. `name` gives twin and sensor of a binding; nullopt: nobody knows.
  using Name = std::function<std::optional<std::pair<std::string, std::string>>(uint32_t binding)>;
  RowDrop(mvmd::twin::v1alpha1::Gap::Reason reason, Name name) : reason_(reason), name_(std::move(name)) {}

  // A gap that an earlier drop has left: it can be made one with others.
  static bool IsOfDrop(const mvmd::twin::v1alpha1::Frame& frame);

  // Rows in ascending order, each a frame with a Block, or one that IsOfDrop. False: it is neither; it stays as it is.
  bool Add(const mvmd::twin::v1alpha1::Frame& frame);
  // Bindings with samples in what was added.
  const absl::flat_hash_set<uint32_t>& bindings() const { return bindings_; }
  mvmd::twin::v1alpha1::Gap::Reason reason() const { return reason_; }
  // What was added.
  const IntervalSet& seqs() const { return seqs_; }
  uint64_t last_seq() const { return last_seq_; }

  struct Row {
    bool is_block = false;
    std::string frame;
  };
  struct Plan {
    std::map<uint64_t, Row> rows;  // in the place of some that were added; all others of these are gone
    IntervalSet covered;           // gone, and told by a gap of `rows`
    uint64_t samples = 0;          // that are dropped now

    uint64_t bytes() const;
  };
  // `superseded`: bindings with samples in later rows. Every sample of the others but the last one goes too; the last
  // one only if `keep_newest`. Nullopt: it would not spare a row.
  std::optional<Plan> Make(const absl::flat_hash_set<uint32_t>& superseded, bool keep_newest) const;

 private:
  struct Taken {
    uint64_t seq;
    Sample sample;
  };

  // Of what `stays` does not hold: one a twin and reason.
  std::vector<mvmd::twin::v1alpha1::Gap> GapsWithout(const std::vector<bool>& stays) const;

  const mvmd::twin::v1alpha1::Gap::Reason reason_;
  const Name name_;
  IntervalSet seqs_;  // added
  uint64_t last_seq_ = 0;
  IntervalSet covered_;  // by gaps that were added
  std::vector<Taken> samples_;
  std::vector<mvmd::twin::v1alpha1::Gap> gaps_;
  absl::flat_hash_set<uint32_t> bindings_;
  DecodedBlock block_;
};

}  // namespace mvmd

#endif  // MVMD_BRIDGE_ROW_DROP_H_
