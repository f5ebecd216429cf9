#include "tests/fuzz/mutator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

TEST(ParseDictionaryTest, ReadsWordsAndEscapes) {
  EXPECT_THAT(ParseDictionary("# words\n\"null\"\nquote=\"\\\"\\\\\"\n\n  \"\\x00\\xfF\"\n"),
              Optional(ElementsAre("null", "\"\\", std::string("\0\xff", 2))));
}

TEST(ParseDictionaryTest, RefusesWhatIsNoWord) {
  for (const char* text : {"null", "\"null", "\"\\x0\"", "\"\\n\"", "\"\\", "\""}) {
    EXPECT_EQ(ParseDictionary(text), std::nullopt) << text;
  }
}

TEST(MutatorTest, SameSeedSameInputs) {
  const std::vector<std::string> corpus = {"abcdefgh", "0123456789"};
  const std::vector<std::string> words = {"null"};
  Mutator a(7, &corpus, &words, 64);
  Mutator b(7, &corpus, &words, 64);
  Mutator c(8, &corpus, &words, 64);
  bool differs = false;
  for (int i = 0; i < 1000; ++i) {
    const std::string input = a.Next();
    EXPECT_EQ(input, b.Next());
    differs |= input != c.Next();
  }
  EXPECT_TRUE(differs);
}

TEST(MutatorTest, ChangesMostInputsAndKeepsTheBound) {
  const std::vector<std::string> corpus = {"abcdefgh", ""};
  const std::vector<std::string> words;
  Mutator mutator(1, &corpus, &words, 12);
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string input = mutator.Next();
    EXPECT_LE(input.size(), 12u);
    seen.insert(input);
  }
  EXPECT_GT(seen.size(), 600u);
}

}  // namespace
}  // namespace mvmd
