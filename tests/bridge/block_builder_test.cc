#include "bridge/block_builder.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "twin/block.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

pb::Frame Parse(const OutboxBatch::Row& row) {
  pb::Frame frame;
  EXPECT_TRUE(frame.ParseFromString(row.frame));
  return frame;
}

TEST(BlockBuilderTest, MakesOneBlockOfAGroup) {
  BlockBuilder builder;
  for (uint32_t i = 0; i < 10; ++i) builder.Add({.binding = 1 + i % 2, .time_unix_ns = i, .value = double(i)});
  EXPECT_EQ(builder.samples(), 10u);
  std::vector<OutboxBatch::Row> rows;
  builder.Finish(5, &rows);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].kind, RowKind::kBlock);
  const pb::Frame frame = Parse(rows[0]);
  EXPECT_EQ(frame.seq(), 5u);
  DecodedBlock block;
  ASSERT_TRUE(DecodeBlock(frame.block(), &block).ok());
  ASSERT_EQ(block.runs.size(), 2u);
  EXPECT_EQ(block.runs[0].count, 5u);
  EXPECT_EQ(block.numbers[1], 2.0);
  EXPECT_TRUE(builder.empty());
  builder.Finish(6, &rows);
  EXPECT_EQ(rows.size(), 1u);
}

TEST(BlockBuilderTest, SplitsWhatIsTooLarge) {
  BlockBuilder builder;
  for (int i = 0; i < 200; ++i) builder.Add({.binding = 1, .time_unix_ns = i, .value = std::string(4096, 'a')});
  std::vector<OutboxBatch::Row> rows;
  builder.Finish(1, &rows);
  ASSERT_GT(rows.size(), 2u);
  uint32_t samples = 0;
  uint64_t seq = 1;
  for (const OutboxBatch::Row& row : rows) {
    EXPECT_LE(row.frame.size(), kRowBytesAim + 4096);
    const pb::Frame frame = Parse(row);
    EXPECT_EQ(frame.seq(), seq++);
    samples += frame.block().count();
  }
  EXPECT_EQ(samples, 200u);
}

TEST(BlockBuilderTest, DeclaresOneTwinARow) {
  std::vector<pb::Binding> bindings;
  for (uint32_t i = 1; i <= 5; ++i) {
    pb::Binding& binding = bindings.emplace_back();
    binding.set_id(i);
    binding.set_twin(i % 2 == 0 ? "even" : "odd");
    binding.set_sensor("s" + std::to_string(i));
  }
  std::vector<OutboxBatch::Row> rows;
  AppendBindingRows(bindings, 3, &rows);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(Parse(rows[0]).seq(), 3u);
  EXPECT_EQ(Parse(rows[0]).bindings().bindings_size(), 2);
  EXPECT_EQ(Parse(rows[1]).seq(), 4u);
  EXPECT_EQ(Parse(rows[1]).bindings().bindings(2).id(), 5u);
}

TEST(BlockBuilderTest, CutsDocuments) {
  LocalTwin twin;
  twin.id = "t";
  twin.document = std::string(kRowBytesAim * 2 + 10, 'd');
  twin.sha256 = Sha256(twin.document);
  std::vector<OutboxBatch::Row> rows;
  AppendDocumentRows(twin, 1, &rows);
  ASSERT_EQ(rows.size(), 3u);
  std::string whole;
  for (const OutboxBatch::Row& row : rows) {
    const pb::Frame frame = Parse(row);
    EXPECT_EQ(frame.document_chunk().offset_bytes(), whole.size());
    EXPECT_EQ(frame.document_chunk().total_bytes(), twin.document.size());
    EXPECT_EQ(frame.document_chunk().sha256(), twin.sha256);
    whole += frame.document_chunk().data();
  }
  EXPECT_EQ(whole, twin.document);
}

}  // namespace
}  // namespace mvmd
