#include "bridge/disk_reserve.h"

#include <filesystem>

#include "gtest/gtest.h"
#include "tests/bridge/test_dir.h"

namespace mvmd {
namespace {

TEST(DiskReserveTest, HoldsAndGivesBack) {
  TestDir dir;
  DiskReserve reserve(dir.File("reserve"), 1 << 16);
  ASSERT_TRUE(reserve.Hold().ok());
  EXPECT_TRUE(reserve.held());
  EXPECT_EQ(std::filesystem::file_size(dir.File("reserve")), 1u << 16);
  EXPECT_TRUE(reserve.GiveBack());
  EXPECT_FALSE(std::filesystem::exists(dir.File("reserve")));
  EXPECT_FALSE(reserve.GiveBack());
  EXPECT_TRUE(reserve.Hold().ok()) << "again";
}

TEST(DiskReserveTest, GivesBackWhatAFormerLifeHeld) {
  TestDir dir;
  ASSERT_TRUE(DiskReserve(dir.File("reserve"), 4096).Hold().ok());
  EXPECT_TRUE(DiskReserve(dir.File("reserve"), 4096).GiveBack());
}

TEST(DiskReserveTest, HoldsNothingThatTheDiskDoesNotHave) {
  TestDir dir;
  DiskReserve reserve(dir.File("reserve"), uint64_t{1} << 60);
  EXPECT_FALSE(reserve.Hold().ok());
  EXPECT_FALSE(reserve.held());
  EXPECT_FALSE(std::filesystem::exists(dir.File("reserve")));
  DiskReserve nowhere(dir.File("no/such/folder"), 1);
  EXPECT_FALSE(nowhere.Hold().ok());
  EXPECT_TRUE(DiskReserve(dir.File("reserve"), 0).Hold().ok()) << "nothing is always there";
}

}  // namespace
}  // namespace mvmd
