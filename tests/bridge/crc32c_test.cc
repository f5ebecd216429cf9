#include "bridge/crc32c.h"

#include <string>

#include "gtest/gtest.h"

namespace mvmd {
namespace {

// RFC 3720, appendix B.4.
TEST(Crc32cTest, GivesTheValuesOfTheStandard) {
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending.push_back(c);
  EXPECT_EQ(Crc32c(ascending), 0x46DD794Eu);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Crc32cTest, ContinuesWhereItWas) {
  const std::string text = "a row of the outbox, longer than a word";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Crc32c(absl::string_view(text).substr(cut), Crc32c(absl::string_view(text).substr(0, cut))),
              Crc32c(text));
  }
}

}  // namespace
}  // namespace mvmd
