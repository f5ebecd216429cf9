// A set of numbers as closed intervals: which seqs of an epoch are applied, committed or in flight.
#ifndef MVMD_TWIN_INTERVAL_SET_H_
#define MVMD_TWIN_INTERVAL_SET_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "mvmd/twin/v1alpha1/block.pb.h"

namespace mvmd {

// Thread-compatible. O(log n) in the number of intervals, except where one result is many. Adjacent intervals are
// merged, so that a dense set costs one node.
class IntervalSet {
 public:
  struct Closed {
    uint64_t first;
    uint64_t last;
    friend bool operator==(const Closed&, const Closed&) = default;
  };

  // Adds [first, last]; first <= last.
  void Add(uint64_t first, uint64_t last);
  void Add(uint64_t number) { Add(number, number); }
  void AddAll(const IntervalSet& other);
  // Removes [first, last]; first <= last.
  void Remove(uint64_t first, uint64_t last);
  void Clear() { intervals_.clear(); }

  bool Contains(uint64_t number) const;
  bool ContainsAll(uint64_t first, uint64_t last) const;
  bool empty() const { return intervals_.empty(); }
  size_t interval_count() const { return intervals_.size(); }
  // How many numbers; the set of all of them counts as UINT64_MAX.
  uint64_t Count() const;
  // Smallest number >= `from` that is not in the set; UINT64_MAX when there is none.
  uint64_t FirstMissing(uint64_t from) const;
  // Smallest number >= `from` in the set.
  std::optional<uint64_t> FirstPresent(uint64_t from) const;
  // Sorted, disjoint, not adjacent.
  std::vector<Closed> ToVector() const;
  // What of [first, last] is not in the set; first <= last.
  std::vector<Closed> Missing(uint64_t first, uint64_t last) const;

  void ToProto(google::protobuf::RepeatedPtrField<mvmd::twin::v1alpha1::Interval>* out) const;
  // INVALID_ARGUMENT when an interval is reversed. Order and overlap do not matter.
  static absl::StatusOr<IntervalSet> FromProto(
      const google::protobuf::RepeatedPtrField<mvmd::twin::v1alpha1::Interval>& intervals);

  friend bool operator==(const IntervalSet&, const IntervalSet&) = default;

 private:
  std::map<uint64_t, uint64_t> intervals_;  // first -> last
};

}  // namespace mvmd

#endif  // MVMD_TWIN_INTERVAL_SET_H_
