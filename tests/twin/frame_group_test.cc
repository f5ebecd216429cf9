#include "twin/frame_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
using ::testing::HasSubstr;

constexpr size_t kRawBytesMax = 1 << 20;

pb::Frame GapFrame(uint64_t seq) {
  pb::Frame frame;
  frame.set_seq(seq);
  frame.mutable_gap()->set_twin("urn:plant:machine:1");
  frame.mutable_gap()->set_count(seq * 3);
  return frame;
}

std::string BatchOf(int frames) {
  std::string batch;
  for (int i = 1; i <= frames; ++i) AppendFrame(GapFrame(static_cast<uint64_t>(i)).SerializeAsString(), &batch);
  return batch;
}

pb::FrameGroup EncodedGroup(absl::string_view batch) {
  FrameGroupCodec codec;
  pb::FrameGroup group;
  codec.Encode(batch, pb::LANE_LIVE, 3, &group);
  return group;
}

void ExpectRefused(const pb::FrameGroup& group, absl::StatusCode code, absl::string_view message) {
  FrameGroupCodec codec;
  std::string batch;
  const absl::Status status = codec.Decode(group, kRawBytesMax, &batch);
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(message)));
}

TEST(AppendFrameTest, IsASerializedFrameBatch) {
  std::string batch;
  pb::FrameBatch expected;
  // Lengths of one, two and three bytes.
  for (const size_t text_bytes : {0u, 100u, 127u, 128u, 20000u}) {
    pb::Frame frame = GapFrame(text_bytes + 1);
    frame.mutable_gap()->set_sensor(std::string(text_bytes, 'x'));
    *expected.add_frames() = frame;
    AppendFrame(frame.SerializeAsString(), &batch);
  }
  EXPECT_EQ(batch, expected.SerializeAsString());
}

TEST(FrameGroupTest, RoundTrip) {
  const std::string batch = BatchOf(50);
  const pb::FrameGroup group = EncodedGroup(batch);
  EXPECT_EQ(group.codec(), pb::CODEC_ZSTD);
  EXPECT_EQ(group.lane(), pb::LANE_LIVE);
  EXPECT_LT(group.data().size(), batch.size());
  FrameGroupCodec codec;
  std::string back = "what was there before";
  ASSERT_TRUE(codec.Decode(group, batch.size(), &back).ok());
  EXPECT_EQ(back, batch);
}

TEST(FrameGroupTest, CodecIsReusable) {
  FrameGroupCodec codec;
  pb::FrameGroup group;
  std::string back;
  for (const int frames : {100, 1, 30}) {
    const std::string batch = BatchOf(frames);
    codec.Encode(batch, pb::LANE_BACKFILL, 1, &group);
    ASSERT_TRUE(codec.Decode(group, kRawBytesMax, &back).ok());
    EXPECT_EQ(back, batch);
  }
}

TEST(FrameGroupTest, DecodesAfterADamagedGroup) {
  FrameGroupCodec codec;
  pb::FrameGroup damaged = EncodedGroup(BatchOf(50));
  damaged.mutable_data()->back() = static_cast<char>(damaged.data().back() ^ 0x55);
  std::string back;
  (void)codec.Decode(damaged, kRawBytesMax, &back);
  ASSERT_TRUE(codec.Decode(EncodedGroup(BatchOf(20)), kRawBytesMax, &back).ok());
  EXPECT_EQ(back, BatchOf(20));
}

TEST(FrameGroupTest, IncompressibleStaysAsItIs) {
  std::mt19937 random(1);
  std::string noise(200, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  const pb::FrameGroup group = EncodedGroup(noise);
  EXPECT_EQ(group.codec(), pb::CODEC_IDENTITY);
  EXPECT_EQ(group.data(), noise);
  FrameGroupCodec codec;
  std::string back;
  ASSERT_TRUE(codec.Decode(group, kRawBytesMax, &back).ok());
  EXPECT_EQ(back, noise);
}

TEST(FrameGroupTest, EmptyBatch) {
  const pb::FrameGroup group = EncodedGroup("");
  FrameGroupCodec codec;
  std::string back = "x";
  ASSERT_TRUE(codec.Decode(group, kRawBytesMax, &back).ok());
  EXPECT_EQ(back, "");
}

TEST(FrameGroupTest, RefusesMoreThanAllowed) {
  const std::string batch = BatchOf(50);
  FrameGroupCodec codec;
  std::string back;
  const absl::Status status = codec.Decode(EncodedGroup(batch), batch.size() - 1, &back);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
}

// A few bytes that would inflate to far more than the group says.
TEST(FrameGroupTest, RefusesBomb) {
  pb::FrameGroup group = EncodedGroup(std::string(64 << 20, '\0'));
  EXPECT_LT(group.data().size(), 16u << 10);
  ExpectRefused(group, absl::StatusCode::kResourceExhausted, "raw_bytes: expected at most 1048576, got 67108864");
  group.set_raw_bytes(1000);
  ExpectRefused(group, absl::StatusCode::kInvalidArgument, "expected a content size of raw_bytes = 1000, got 67108864");
}

TEST(FrameGroupTest, RefusesUnknownCodec) {
  pb::FrameGroup group = EncodedGroup(BatchOf(50));
  group.clear_codec();
  ExpectRefused(group, absl::StatusCode::kInvalidArgument, "codec: expected 1 (identity) or 2 (zstd), got 0");
  group.set_codec(static_cast<pb::Codec>(77));
  ExpectRefused(group, absl::StatusCode::kInvalidArgument, "got 77");
}

TEST(FrameGroupTest, RefusesIdentityOfAnotherSize) {
  pb::FrameGroup group;
  group.set_codec(pb::CODEC_IDENTITY);
  group.set_data("abc");
  group.set_raw_bytes(4);
  ExpectRefused(group, absl::StatusCode::kInvalidArgument, "expected raw_bytes = 4 bytes, got 3");
}

TEST(FrameGroupTest, RefusesRawBytesThatDoNotMatch) {
  pb::FrameGroup group = EncodedGroup(BatchOf(50));
  group.set_raw_bytes(group.raw_bytes() - 1);
  ExpectRefused(group, absl::StatusCode::kInvalidArgument, "content size");
}

TEST(FrameGroupTest, RefusesWhatIsNoZstd) {
  pb::FrameGroup group = EncodedGroup(BatchOf(50));
  group.set_data("this is not a zstd frame");
  ExpectRefused(group, absl::StatusCode::kInvalidArgument, "expected a zstd frame with its content size");
  group.clear_data();
  ExpectRefused(group, absl::StatusCode::kInvalidArgument, "expected a zstd frame with its content size");
}

TEST(FrameGroupTest, RefusesCutData) {
  const pb::FrameGroup whole = EncodedGroup(BatchOf(50));
  for (size_t size = 0; size < whole.data().size(); ++size) {
    pb::FrameGroup group = whole;
    group.mutable_data()->resize(size);
    ExpectRefused(group, absl::StatusCode::kInvalidArgument, "frame group: data:");
  }
}

TEST(FrameGroupTest, RefusesBytesAfterTheFrame) {
  pb::FrameGroup group = EncodedGroup(BatchOf(50));
  group.mutable_data()->append("x");
  ExpectRefused(group, absl::StatusCode::kInvalidArgument, "bytes follow");
}

TEST(FrameGroupTest, RefusesTwoFrames) {
  pb::FrameGroup group = EncodedGroup(BatchOf(50));
  group.mutable_data()->append(std::string(group.data()));
  ExpectRefused(group, absl::StatusCode::kInvalidArgument, "bytes follow");
}

// Whatever a byte is turned into: an error or some bytes of the right length, nothing worse.
TEST(FrameGroupTest, SurvivesDamage) {
  const pb::FrameGroup whole = EncodedGroup(BatchOf(50));
  FrameGroupCodec codec;
  std::string back;
  std::mt19937 random(7);
  for (int round = 0; round < 5000; ++round) {
    pb::FrameGroup group = whole;
    std::string& data = *group.mutable_data();
    for (int i = std::uniform_int_distribution<int>(1, 3)(random); i > 0; --i) {
      data[random() % data.size()] = static_cast<char>(random());
    }
    if (!codec.Decode(group, kRawBytesMax, &back).ok()) continue;
    ASSERT_EQ(back.size(), whole.raw_bytes());
  }
}

}  // namespace
}  // namespace mvmd
