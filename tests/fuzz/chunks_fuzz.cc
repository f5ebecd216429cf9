// Documents in chunks, in any order, damaged, interleaved, replaced half-way: a document is there whole or not at all.
//
// Input: steps of 4 bytes: which document, which chunk, what is wrong with it, how many bytes a chunk has.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/fuzz/fold.h"
#include "tests/fuzz/fuzz.h"
#include "twin/canonical.h"
#include "twin/frame_group.h"

namespace mvmd {
namespace {

using mvmd::twin::v1alpha1::DocumentChunk;
using mvmd::twin::v1alpha1::Frame;
using mvmd::twin::v1alpha1::LogEntry;

// The least that the fold takes for a twin's document, and different for each `version`.
std::string DocumentText(int twin, int version) {
  const std::string filler(static_cast<size_t>(40 + 30 * version), 'x');
  return absl::StrCat(R"({"@type":"Dataset","description":")", filler, R"(","identifier":{"value":"twin-)", twin,
                      R"("},"name":"v)", version, R"("})");
}

Frame ChunkOf(uint64_t seq, uint8_t document, uint8_t index, uint8_t wrong, size_t chunk_bytes) {
  const int twin = document % 3;
  const std::string text = DocumentText(twin, document / 3 % 3);
  const size_t count = (text.size() + chunk_bytes - 1) / chunk_bytes;
  const size_t offset = index % count * chunk_bytes;
  Frame frame;
  frame.set_seq(seq);
  DocumentChunk* chunk = frame.mutable_document_chunk();
  chunk->set_twin(absl::StrCat("twin-", twin));
  chunk->set_sha256(Sha256(text));
  chunk->set_total_bytes(text.size());
  chunk->set_offset_bytes(offset);
  chunk->set_data(text.substr(offset, chunk_bytes));
  switch (wrong % 16) {
    case 0:
      chunk->set_total_bytes(text.size() + wrong);
      break;
    case 1:
      chunk->set_offset_bytes(offset + wrong);
      break;
    case 2:
      chunk->mutable_data()->append("y");
      break;
    case 3:
      chunk->mutable_sha256()->pop_back();
      break;
    case 4:
      chunk->set_offset_bytes(~uint64_t{0} - wrong);
      break;
    case 5:
      chunk->set_total_bytes(~uint64_t{0});
      break;
    case 6:
      chunk->mutable_data()->front() = '?';
      break;
    default:
      break;
  }
  return frame;
}

LogEntry Received(const Frame& frame) {
  std::string batch;
  AppendFrame(frame.SerializeAsString(), &batch);
  LogEntry entry;
  entry.mutable_frames_received()->set_session(1);
  FrameGroupCodec().Encode(batch, mvmd::twin::v1alpha1::LANE_LIVE, 1, entry.mutable_frames_received()->mutable_group());
  return entry;
}

}  // namespace
}  // namespace mvmd

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  FuzzInput input(data, size);
  FuzzFold fold;
  LogEntry opened;
  opened.mutable_session_opened()->set_bridge("spiffe://plant.example/bridge/robots");
  opened.mutable_session_opened()->set_epoch(1);
  opened.mutable_session_opened()->set_outbox_id("0123456789abcdef");
  fold.Apply(opened);
  while (!input.done() && fold.size() < 64) {
    const uint8_t document = input.Byte();
    const uint8_t index = input.Byte();
    const uint8_t wrong = input.Byte();
    const size_t chunk_bytes = 16 + input.Byte() % 64;
    fold.Apply(Received(ChunkOf(fold.size(), document, index, wrong, chunk_bytes)));
  }
  fold.Check();
  // Whatever came: what is served is one of the documents, whole.
  for (const TwinSnapshot& snapshot : fold.state().ListTwins("", "", 100)) {
    const Json* name = snapshot.definition->tree.Find("name");
    const Json* description = snapshot.definition->tree.Find("description");
    Ensure(name != nullptr && description != nullptr);
    Ensure(description->string().find_first_not_of('x') == std::string::npos);
    Ensure(description->string().size() == 40 + 30 * static_cast<size_t>(name->string().back() - '0'));
  }
  return 0;
}
