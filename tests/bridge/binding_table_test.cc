#include "bridge/binding_table.h"

#include "gtest/gtest.h"

namespace mvmd {
namespace {

TEST(BindingTableTest, GivesDenseIds) {
  BindingTable table;
  EXPECT_EQ(table.Bind("t1", "a"), 1u);
  EXPECT_EQ(table.Bind("t1", "b"), 2u);
  EXPECT_EQ(table.Bind("t1", "a"), 1u);
  const auto made = table.TakeNew();
  ASSERT_EQ(made.size(), 2u);
  EXPECT_EQ(made[1].sensor(), "b");
  EXPECT_FALSE(table.has_new());
}

TEST(BindingTableTest, GoesOnAfterARestart) {
  BindingTable table;
  table.Bind("t1", "a");
  table.Bind("t2", "a");
  BindingTable restarted;
  restarted.Load(table.TakeNew());
  EXPECT_EQ(restarted.Bind("t2", "a"), 2u);
  EXPECT_EQ(restarted.Bind("t3", "a"), 3u);
  EXPECT_EQ(restarted.TakeNew().size(), 1u);
}

TEST(BindingTableTest, IsBounded) {
  BindingTable table(2);
  EXPECT_EQ(table.Bind("t", "a"), 1u);
  EXPECT_EQ(table.Bind("t", "b"), 2u);
  EXPECT_EQ(table.Bind("t", "c"), 0u);
  EXPECT_EQ(table.Bind("t", "b"), 2u);
}

TEST(BindingTableTest, DoesNotMixNames) {
  BindingTable table;
  EXPECT_NE(table.Bind("ab", "c"), table.Bind("a", "bc"));
}

}  // namespace
}  // namespace mvmd
