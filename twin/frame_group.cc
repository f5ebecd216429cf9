#include "twin/frame_group.h"

#include <zstd.h>

#include <cassert>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

struct FrameGroupCodec::Contexts {
  struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> compress;    // made at the first Encode
  std::unique_ptr<ZSTD_DCtx, Free> decompress;  // made at the first Decode
};

void AppendFrame(absl::string_view frame, std::string* batch) {
  // FrameBatch.frames: field 1, wire type 2.
  constexpr char kTag = (1 << 3) | 2;
  batch->push_back(kTag);
  size_t length = frame.size();
  while (length >= 0x80) {
    batch->push_back(static_cast<char>((length & 0x7f) | 0x80));
    length >>= 7;
  }
  batch->push_back(static_cast<char>(length));
  batch->append(frame.data(), frame.size());
}

FrameGroupCodec::FrameGroupCodec() : contexts_(std::make_unique<Contexts>()) {}
FrameGroupCodec::~FrameGroupCodec() = default;

void FrameGroupCodec::Encode(absl::string_view batch, pb::Lane lane, int level, pb::FrameGroup* group) {
  assert(batch.size() <= std::numeric_limits<uint32_t>::max());
  group->set_lane(lane);
  group->set_raw_bytes(static_cast<uint32_t>(batch.size()));
  if (contexts_->compress == nullptr) contexts_->compress.reset(ZSTD_createCCtx());
  std::string* data = group->mutable_data();
  data->resize(ZSTD_compressBound(batch.size()));
  const size_t size =
      contexts_->compress == nullptr
          ? batch.size()
          : ZSTD_compressCCtx(contexts_->compress.get(), data->data(), data->size(), batch.data(), batch.size(), level);
  if (!ZSTD_isError(size) && size < batch.size()) {
    data->resize(size);
    group->set_codec(pb::CODEC_ZSTD);
    return;
  }
  data->assign(batch.data(), batch.size());
  group->set_codec(pb::CODEC_IDENTITY);
}

absl::Status FrameGroupCodec::Decode(const pb::FrameGroup& group, size_t raw_bytes_max, std::string* batch) {
  const size_t raw_bytes = group.raw_bytes();
  if (raw_bytes > raw_bytes_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("frame group: raw_bytes: expected at most ", raw_bytes_max, ", got ", raw_bytes));
  }
  const std::string& data = group.data();
  switch (group.codec()) {
    case pb::CODEC_IDENTITY:
      if (data.size() != raw_bytes) {
        return absl::InvalidArgumentError(
            absl::StrCat("frame group: data: expected raw_bytes = ", raw_bytes, " bytes, got ", data.size()));
      }
      *batch = data;
      return absl::OkStatus();
    case pb::CODEC_ZSTD:
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("frame group: codec: expected 1 (identity) or 2 (zstd), got ", static_cast<int>(group.codec())));
  }
  // One zstd frame that states its content size, and nothing after it: what is allocated is known before it is
  // inflated.
  const uint64_t content = ZSTD_getFrameContentSize(data.data(), data.size());
  if (content == ZSTD_CONTENTSIZE_ERROR || content == ZSTD_CONTENTSIZE_UNKNOWN) {
    return absl::InvalidArgumentError("frame group: data: expected a zstd frame with its content size");
  }
  if (content != raw_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("frame group: data: expected a content size of raw_bytes = ", raw_bytes, ", got ", content));
  }
  if (ZSTD_findFrameCompressedSize(data.data(), data.size()) != data.size()) {
    return absl::InvalidArgumentError(absl::StrCat("frame group: data: expected one zstd frame of ", data.size(),
                                                   " bytes; it is cut or bytes follow"));
  }
  if (contexts_->decompress == nullptr) contexts_->decompress.reset(ZSTD_createDCtx());
  if (contexts_->decompress == nullptr) return absl::ResourceExhaustedError("frame group: no memory for zstd");
  batch->resize(raw_bytes);
  const size_t size =
      ZSTD_decompressDCtx(contexts_->decompress.get(), batch->data(), batch->size(), data.data(), data.size());
  if (ZSTD_isError(size)) {
    return absl::InvalidArgumentError(absl::StrCat("frame group: data: zstd: ", ZSTD_getErrorName(size)));
  }
  if (size != raw_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("frame group: data: expected to inflate to ", raw_bytes, " bytes, got ", size));
  }
  return absl::OkStatus();
}

}  // namespace mvmd
