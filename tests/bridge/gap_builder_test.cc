#include "bridge/gap_builder.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::SizeIs;

pb::Gap GapOf(const OutboxBatch::Row& row) {
  pb::Frame frame;
  EXPECT_TRUE(frame.ParseFromString(row.frame));
  EXPECT_EQ(row.kind, RowKind::kGap);
  return frame.gap();
}

TEST(GapBuilderTest, CountsBySensor) {
  GapBuilder builder;
  EXPECT_TRUE(builder.empty());
  builder.Add("robot", "temp", 30);
  builder.Add("robot", "temp", 10);
  builder.Add("robot", "", 20);
  std::vector<OutboxBatch::Row> rows;
  builder.Finish(7, &rows);
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(GapOf(rows[0]).sensor(), "");
  EXPECT_EQ(GapOf(rows[0]).first_seq(), 7u);
  EXPECT_EQ(GapOf(rows[1]).sensor(), "temp");
  EXPECT_EQ(GapOf(rows[1]).count(), 2u);
  EXPECT_EQ(GapOf(rows[1]).start_time_unix_ns(), 10);
  EXPECT_EQ(GapOf(rows[1]).end_time_unix_ns(), 30);
  EXPECT_EQ(GapOf(rows[1]).last_seq(), 8u);
  EXPECT_EQ(GapOf(rows[1]).reason(), pb::Gap::REASON_UNREADABLE);
  EXPECT_TRUE(builder.empty());
}

TEST(GapBuilderTest, IsBoundedAndLosesNoCount) {
  GapBuilder builder;
  const size_t places = 5 * GapBuilder::kPlacesMax;
  for (size_t i = 0; i < places; ++i) builder.Add("twin-" + std::to_string(i), "s", 1);
  std::vector<OutboxBatch::Row> rows;
  builder.Finish(1, &rows);
  EXPECT_LE(rows.size(), 2 * GapBuilder::kPlacesMax + 1);
  uint64_t count = 0;
  for (const OutboxBatch::Row& row : rows) count += GapOf(row).count();
  EXPECT_EQ(count, places);
}

}  // namespace
}  // namespace mvmd
