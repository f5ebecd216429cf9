#include "bridge/durable_mark.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/bridge/test_dir.h"

namespace mvmd {
namespace {

constexpr char kId[] = "0123456789abcdef";
constexpr char kOtherId[] = "fedcba9876543210";

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

TEST(DurableMarkTest, RemembersWhatWasWritten) {
  const TestDir dir;
  DurableMark mark(dir.File("mark"));
  ASSERT_TRUE(mark.Read().ok());
  EXPECT_FALSE(mark.record().has_value());
  DurableMark::Record record{.epoch = 1700000000000000, .outbox_id = kId, .last_seq = 7, .last_binding = 3};
  ASSERT_TRUE(mark.Write(record).ok());
  record.previous_id = kOtherId;
  record.last_seq = uint64_t{1} << 40;
  ASSERT_TRUE(mark.Write(record).ok());
  ASSERT_TRUE(mark.Sync().ok());
  DurableMark again(dir.File("mark"));
  ASSERT_TRUE(again.Read().ok());
  EXPECT_EQ(again.record(), record);
  EXPECT_EQ(Contents(dir.File("mark")).size(), 64u);
}

TEST(DurableMarkTest, RefusesWhatIsDamaged) {
  const TestDir dir;
  DurableMark mark(dir.File("mark"));
  ASSERT_TRUE(mark.Write({.epoch = 1, .outbox_id = kId, .last_seq = 7}).ok());
  const std::string whole = Contents(dir.File("mark"));
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string text = whole;
    text[at] = static_cast<char>(text[at] ^ 0x10);
    dir.Write("mark", text);
    EXPECT_EQ(mark.Read().code(), absl::StatusCode::kDataLoss) << at;
    EXPECT_FALSE(mark.record().has_value()) << at;
    dir.Write("mark", whole.substr(0, at));
    EXPECT_EQ(mark.Read().code(), absl::StatusCode::kDataLoss) << at;
  }
  dir.Write("mark", std::string(64, '\0'));
  EXPECT_EQ(mark.Read().code(), absl::StatusCode::kDataLoss);
}

TEST(DurableMarkTest, TriesAgainAfterAnError) {
  const TestDir dir;
  DurableMark mark(dir.File("nowhere/mark"));
  EXPECT_EQ(mark.Write({.epoch = 1, .outbox_id = kId}).code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(mark.record().has_value());
  std::filesystem::create_directory(dir.File("nowhere"));
  EXPECT_TRUE(mark.Write({.epoch = 1, .outbox_id = kId}).ok());
}

}  // namespace
}  // namespace mvmd
