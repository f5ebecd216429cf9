#include "gateway/quarantine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

QuarantinedDocument Document(const std::string& bridge, const std::string& twin, uint64_t revision, size_t bytes = 1) {
  QuarantinedDocument document;
  document.bridge = bridge;
  document.twin = twin;
  document.revision = revision;
  document.document = std::string(bytes, 'x');
  return document;
}

std::vector<std::string> Names(const std::vector<Quarantine::Document>& documents) {
  std::vector<std::string> names;
  for (const Quarantine::Document& document : documents) {
    names.push_back(absl::StrCat(document->bridge, "/", document->twin, "@", document->revision));
  }
  return names;
}

TEST(QuarantineTest, KeepsTheNewestOfEachBridgeAndTwin) {
  Quarantine quarantine({});
  EXPECT_THAT(quarantine.Put(Document("b1", "t", 1, 10)), IsEmpty());
  EXPECT_THAT(quarantine.Put(Document("b2", "t", 2, 10)), IsEmpty());
  EXPECT_THAT(quarantine.Put(Document("b1", "t", 3, 4)), IsEmpty());
  EXPECT_EQ(quarantine.count(), 2u);
  EXPECT_EQ(quarantine.bytes(), 14u);
  EXPECT_EQ(quarantine.Find("b1", "t")->revision, 3u);
  EXPECT_TRUE(quarantine.Erase("b1", "t"));
  EXPECT_FALSE(quarantine.Erase("b1", "t"));
  EXPECT_EQ(quarantine.Find("b1", "t"), nullptr);
  EXPECT_EQ(quarantine.bytes(), 10u);
}

TEST(QuarantineTest, LetsTheOldestOfABridgeGo) {
  Quarantine quarantine({.documents_a_bridge_max = 2, .bytes_a_bridge_max = 100});
  quarantine.Put(Document("a", "old", 1));
  quarantine.Put(Document("b", "z", 2));
  quarantine.Put(Document("b", "a", 3));
  EXPECT_THAT(Names(quarantine.Put(Document("b", "m", 4))), ElementsAre("b/z@2"));
  EXPECT_THAT(Names(quarantine.Put(Document("b", "n", 5, 100))), ElementsAre("b/a@3", "b/m@4"));
  EXPECT_EQ(quarantine.count(), 2u);
}

TEST(QuarantineTest, LetsTheOldestOfAllGo) {
  Quarantine quarantine({.documents_max = 3, .bytes_max = 10});
  quarantine.Put(Document("a", "1", 1));
  quarantine.Put(Document("b", "2", 2));
  quarantine.Put(Document("c", "3", 3));
  EXPECT_THAT(Names(quarantine.Put(Document("b", "4", 4))), ElementsAre("a/1@1"));
  EXPECT_THAT(Names(quarantine.Put(Document("d", "5", 5, 9))), ElementsAre("b/2@2", "c/3@3"));
  EXPECT_EQ(quarantine.bytes(), 10u);
}

TEST(QuarantineTest, KeepsOneThatIsLargerThanAllThatIsKept) {
  Quarantine quarantine({.bytes_a_bridge_max = 5, .bytes_max = 5});
  quarantine.Put(Document("a", "1", 1, 5));
  EXPECT_THAT(Names(quarantine.Put(Document("a", "2", 2, 50))), ElementsAre("a/1@1"));
  EXPECT_EQ(quarantine.count(), 1u);
}

TEST(QuarantineTest, TellsTheOrderWithinAnEntry) {
  Quarantine quarantine({.documents_max = 1});
  QuarantinedDocument first = Document("a", "z", 1);
  first.frame = 1;
  QuarantinedDocument second = Document("a", "b", 1);
  second.frame = 2;
  quarantine.Restore(second);
  quarantine.Restore(first);
  EXPECT_EQ(quarantine.count(), 2u) << "as it was kept";
  EXPECT_THAT(Names(quarantine.Put(Document("c", "c", 2))), ElementsAre("a/z@1", "a/b@1"));
}

TEST(QuarantineTest, ListsInPages) {
  Quarantine quarantine({});
  for (const char* bridge : {"a", "b"}) {
    for (const char* twin : {"x-1", "x-2", "y"}) quarantine.Put(Document(bridge, twin, 1));
  }
  EXPECT_THAT(Names(quarantine.List({}, "", "", 4)), ElementsAre("a/x-1@1", "a/x-2@1", "a/y@1", "b/x-1@1"));
  EXPECT_THAT(Names(quarantine.List({"b", "x-1"}, "", "", 4)), ElementsAre("b/x-2@1", "b/y@1"));
  EXPECT_THAT(Names(quarantine.List({}, "", "x", 9)), ElementsAre("a/x-1@1", "a/x-2@1", "b/x-1@1", "b/x-2@1"));
  EXPECT_THAT(Names(quarantine.List({}, "b", "x", 9)), ElementsAre("b/x-1@1", "b/x-2@1"));
  EXPECT_THAT(Names(quarantine.List({"b", "x-1"}, "b", "x", 9)), ElementsAre("b/x-2@1"));
  EXPECT_THAT(quarantine.List({"b", "y"}, "", "", 9), IsEmpty());
  EXPECT_THAT(quarantine.List({}, "c", "", 9), IsEmpty());
}

}  // namespace
}  // namespace mvmd
