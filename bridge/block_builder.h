// Block builder: samples of a group -> rows of the outbox.
#ifndef MVMD_BRIDGE_BLOCK_BUILDER_H_
#define MVMD_BRIDGE_BLOCK_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bridge/outbox.h"
#include "bridge/twin_catalog.h"
#include "mvmd/twin/v1alpha1/block.pb.h"
#include "twin/sample.h"

namespace mvmd {

// Rows stay well below the gateway's limit for a frame (1 MiB by default), whatever is in them.
inline constexpr size_t kRowBytesAim = size_t{256} << 10;

// Collects samples in the order of arrival; normally a group becomes one block. Not thread-safe.
class BlockBuilder {
 public:
  void Add(Sample sample);
  bool empty() const { return samples_.empty(); }
  size_t samples() const { return samples_.size(); }

  // Appends one Block row, or more when one would be too large, the first with `seq`; the builder is then empty.
  void Finish(uint64_t seq, std::vector<OutboxBatch::Row>* rows);

 private:
  std::vector<Sample> samples_;
  std::vector<size_t> ends_;  // of full blocks, in samples_
  size_t block_bytes_ = 0;    // of the open block, roughly
  mvmd::twin::v1alpha1::Frame frame_;
};

// Appends Bindings rows, one a twin (more for a very large one), the first with `seq`.
void AppendBindingRows(const std::vector<mvmd::twin::v1alpha1::Binding>& bindings, uint64_t seq,
                       std::vector<OutboxBatch::Row>* rows);

// Appends the document of `twin` in chunks, the first with `seq`.
void AppendDocumentRows(const LocalTwin& twin, uint64_t seq, std::vector<OutboxBatch::Row>* rows);

}  // namespace mvmd

#endif  // MVMD_BRIDGE_BLOCK_BUILDER_H_
