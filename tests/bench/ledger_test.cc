#include "tests/bench/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace mvmd {
namespace {

using ::testing::HasSubstr;

std::string TestPath(const std::string& name) { return testing::TempDir() + "/" + name; }

TEST(LedgerTest, ReadsWhatWasWritten) {
  const Ledger ledger = {{"plant/line0/robot-0/temp-0", {20, 21, 22, 30}}, {"plant/line1/robot-0/temp-0", {7}}};
  const std::string path = TestPath("ledger");
  ASSERT_TRUE(WriteLedger(ledger, path).ok());

  const absl::StatusOr<Ledger> read = ReadLedger(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, ledger);
}

TEST(LedgerTest, NamesTheLineThatIsMalformed) {
  for (const char* words : {"3", "3-", "-3", "a-b", "4-3", "1-2-3", "99999999999999999999-99999999999999999999"}) {
    const std::string path = TestPath("malformed");
    std::ofstream(path) << "a 1-2\nb " << words << "\n";
    const absl::StatusOr<Ledger> read = ReadLedger(path);
    ASSERT_FALSE(read.ok()) << words;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr("malformed:2: expected `first-last`")) << words;
  }
}

TEST(LedgerTest, SaysWhenTheFileIsMissing) {
  EXPECT_TRUE(absl::IsNotFound(ReadLedger(TestPath("no-such-ledger")).status()));
}

}  // namespace
}  // namespace mvmd
