#include "gateway/parsed_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/status_proto.h"
#include "tests/gateway/log_entries.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::HasSubstr;

absl::StatusOr<std::shared_ptr<const ParsedGroup>> Parse(const pb::FrameGroup& group, const GroupLimits& limits = {}) {
  FrameGroupCodec codec;
  return ParseGroup(group, limits, &codec);
}

pb::FrameGroup Raw(const std::string& batch) {
  pb::FrameGroup group;
  group.set_codec(pb::CODEC_IDENTITY);
  group.set_lane(pb::LANE_LIVE);
  group.set_raw_bytes(static_cast<uint32_t>(batch.size()));
  group.set_data(batch);
  return group;
}

TEST(ParsedGroupTest, DecodesFramesInOrder) {
  const auto parsed = Parse(GroupOf({BindingsFrame(1, "robot", {{1, "temp-1"}}),
                                     BlockFrame(2, {NumberAt(1, kTestTimeNs, 1.5), NumberAt(1, kTestTimeNs + 1, 2)})},
                                    pb::LANE_BACKFILL));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const ParsedGroup& group = **parsed;
  ASSERT_EQ(group.frames.size(), 2u);
  EXPECT_EQ(group.lane, pb::LANE_BACKFILL);
  EXPECT_EQ(group.sample_count, 2u);
  EXPECT_GT(group.bytes, 0u);
  EXPECT_TRUE(group.frames[0].status.ok());
  EXPECT_EQ(group.frames[0].block, nullptr);
  EXPECT_EQ(group.frames[0].frame->bindings().bindings(0).sensor(), "temp-1");
  ASSERT_NE(group.frames[1].block, nullptr);
  EXPECT_EQ(group.frames[1].frame->seq(), 2u);
  EXPECT_EQ(group.frames[1].block->numbers, (std::vector<double>{1.5, 2}));
}

TEST(ParsedGroupTest, RefusesGroupsThatCannotBeRead) {
  pb::FrameGroup damaged = GroupOf({BlockFrame(1, {NumberAt(1, 1, 1)})});
  damaged.set_codec(pb::CODEC_ZSTD);
  damaged.set_data("not zstd");
  pb::FrameGroup wrong_size = Raw("\x0a\x02\x08\x01");
  wrong_size.set_raw_bytes(3);
  pb::FrameGroup unknown_codec = Raw("\x0a\x02\x08\x01");
  unknown_codec.set_codec(pb::CODEC_UNSPECIFIED);
  const struct {
    const char* what;
    pb::FrameGroup group;
  } kCases[] = {
      {"damaged compression", damaged},
      {"another size", wrong_size},
      {"unknown codec", unknown_codec},
      {"no frames", Raw("")},
      {"another field", Raw(std::string("\x12\x02\x08\x01", 4))},
      {"a varint where frames are", Raw(std::string("\x08\x01", 2))},
      {"cut in the length", Raw(std::string("\x0a\x80", 2))},
      {"longer than the batch", Raw(std::string("\x0a\x05\x08\x01", 4))},
      {"length over 32 bits", Raw(std::string("\x0a\xff\xff\xff\xff\xff\x01\x08", 8))},
      {"zero tag in the middle", Raw(std::string("\x0a\x02\x08\x01\x00\x00", 6))},
  };
  for (const auto& test : kCases) {
    const auto parsed = Parse(test.group);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << test.what << ": " << parsed.status();
  }
}

TEST(ParsedGroupTest, RefusesGroupsThatAreTooLarge) {
  std::vector<pb::Frame> frames;
  for (uint64_t seq = 1; seq <= 5; ++seq) frames.push_back(GapFrame(seq, "robot", ""));
  EXPECT_TRUE(Parse(GroupOf(frames), {.frames_max = 5}).ok());
  EXPECT_EQ(Parse(GroupOf(frames), {.frames_max = 4}).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Parse(GroupOf(frames), {.raw_bytes_max = 20}).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(ParsedGroupTest, KeepsGoodFramesBesideBadOnes) {
  pb::Frame no_payload;
  no_payload.set_seq(3);
  pb::Frame disagreeing = BlockFrame(4, {NumberAt(1, 1, 1)});
  disagreeing.mutable_block()->set_count(2);
  std::string batch;
  AppendFrame(BlockFrame(1, {NumberAt(1, 1, 1)}).SerializeAsString(), &batch);
  AppendFrame(no_payload.SerializeAsString(), &batch);
  AppendFrame(disagreeing.SerializeAsString(), &batch);
  AppendFrame(std::string("\x08\x05\x12\x7f", 4), &batch);  // seq 5, then a block that is cut
  AppendFrame(GapFrame(6, std::string(200, 'x'), "").SerializeAsString(), &batch);
  AppendFrame(GapFrame(7, "robot", "").SerializeAsString(), &batch);
  const auto parsed = Parse(Raw(batch), {.frame_bytes_max = 100});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const auto& frames = (*parsed)->frames;
  ASSERT_EQ(frames.size(), 6u);
  EXPECT_TRUE(frames[0].status.ok());
  EXPECT_EQ(ReasonOf(frames[1].status), "FRAME_MALFORMED");
  EXPECT_EQ(ReasonOf(frames[2].status), "BLOCK_MALFORMED");
  EXPECT_EQ(frames[2].block, nullptr);
  EXPECT_EQ(frames[3].frame->seq(), 5u);
  EXPECT_EQ(ReasonOf(frames[3].status), "FRAME_MALFORMED");
  EXPECT_EQ(frames[4].frame->seq(), 6u);
  EXPECT_EQ(ReasonOf(frames[4].status), "FRAME_TOO_LARGE");
  EXPECT_TRUE(frames[5].status.ok());
}

TEST(ParsedGroupTest, BoundsTheSamplesOfAGroup) {
  // Equal values at equal times: next to no bytes a sample.
  std::vector<Sample> samples(kBlockSamplesMax, NumberAt(1, kTestTimeNs, 1));
  std::vector<pb::Frame> frames;
  for (uint64_t seq = 1; seq <= kGroupSamplesMax / kBlockSamplesMax; ++seq) frames.push_back(BlockFrame(seq, samples));
  EXPECT_TRUE(Parse(GroupOf(frames)).ok());
  frames.push_back(BlockFrame(frames.size() + 1, {NumberAt(1, kTestTimeNs, 1)}));
  const auto parsed = Parse(GroupOf(frames));
  EXPECT_EQ(ReasonOf(parsed.status()), "GROUP_TOO_LARGE") << parsed.status();
}

TEST(ParsedGroupTest, RefusesAGroupWithAFrameThatCannotBeNamed) {
  const auto parsed = Parse(GroupOf({BlockFrame(1, {NumberAt(1, 1, 1)}), GapFrame(0, "robot", "")}));
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("frame 2: expected a seq above 0"));
}

}  // namespace
}  // namespace mvmd
