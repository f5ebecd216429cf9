#include "bridge/block_builder.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/types/span.h"
#include "twin/block.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// A sample's share of every column, at worst: raw double, time difference, binding, count, kind, quality.
constexpr size_t kSampleBytesMax = 40;
constexpr int kBindingsPerRow = 1000;

}  // namespace

void BlockBuilder::Add(Sample sample) {
  size_t bytes = kSampleBytesMax;
  if (const std::string* text = std::get_if<std::string>(&sample.value); text != nullptr) bytes += text->size();
  const size_t begin = ends_.empty() ? 0 : ends_.back();
  const size_t open_samples = samples_.size() - begin;
  if (open_samples > 0 && (block_bytes_ + bytes > kRowBytesAim || open_samples >= kBlockSamplesMax)) {
    ends_.push_back(samples_.size());
    block_bytes_ = 0;
  }
  block_bytes_ += bytes;
  samples_.push_back(std::move(sample));
}

void BlockBuilder::Finish(uint64_t seq, std::vector<OutboxBatch::Row>* rows) {
  if (samples_.empty()) return;
  ends_.push_back(samples_.size());
  size_t begin = 0;
  for (size_t end : ends_) {
    frame_.set_seq(seq++);
    EncodeBlock(absl::MakeConstSpan(samples_).subspan(begin, end - begin), frame_.mutable_block());
    rows->push_back({RowKind::kBlock, frame_.SerializeAsString()});
    begin = end;
  }
  samples_.clear();
  ends_.clear();
  block_bytes_ = 0;
}

void AppendBindingRows(const std::vector<pb::Binding>& bindings, uint64_t seq, std::vector<OutboxBatch::Row>* rows) {
  std::map<std::string, std::vector<const pb::Binding*>> by_twin;
  for (const pb::Binding& binding : bindings) by_twin[binding.twin()].push_back(&binding);
  for (const auto& [twin, of_twin] : by_twin) {
    pb::Frame frame;
    auto flush = [&] {
      frame.set_seq(seq++);
      rows->push_back({RowKind::kBindings, frame.SerializeAsString()});
      frame.mutable_bindings()->Clear();
    };
    for (const pb::Binding* binding : of_twin) {
      *frame.mutable_bindings()->add_bindings() = *binding;
      if (frame.bindings().bindings_size() >= kBindingsPerRow) flush();
    }
    if (frame.bindings().bindings_size() > 0) flush();
  }
}

void AppendDocumentRows(const LocalTwin& twin, uint64_t seq, std::vector<OutboxBatch::Row>* rows) {
  for (size_t offset = 0; offset < twin.document.size(); offset += kRowBytesAim) {
    pb::Frame frame;
    frame.set_seq(seq++);
    pb::DocumentChunk* chunk = frame.mutable_document_chunk();
    chunk->set_twin(twin.id);
    chunk->set_sha256(twin.sha256);
    chunk->set_total_bytes(twin.document.size());
    chunk->set_offset_bytes(offset);
    chunk->set_data(twin.document.substr(offset, kRowBytesAim));
    rows->push_back({RowKind::kDocumentChunk, frame.SerializeAsString()});
  }
}

}  // namespace mvmd
