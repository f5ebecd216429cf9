#include "twinctl/console.h"

#include <sstream>

#include "gtest/gtest.h"

namespace mvmd {
namespace {

TEST(TableTest, AlignsColumnsAndTrimsLines) {
  Table table({"ID", "VALUE"});
  table.AddRow({"temp-1", "42.3"});
  table.AddRow({"\u00b5", ""});
  EXPECT_EQ(table.Render(), "ID      VALUE\ntemp-1  42.3\n\u00b5\n");
}

TEST(TableTest, DrainsPageByPageWithOneHeader) {
  Table table({"ID", "VALUE"});
  table.AddRow({"temp-1", "1"});
  EXPECT_EQ(table.Drain(), "ID      VALUE\ntemp-1  1\n");
  table.AddRow({"a", "2"});
  EXPECT_EQ(table.Drain(), "a       2\n");
  EXPECT_EQ(table.Drain(), "");
}

TEST(PrintableTest, EscapesWhatDrivesTerminals) {
  EXPECT_EQ(Printable("a\x1b[31mb\n\x7f"), "a\\x1b[31mb\\x0a\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "\\x9b31m");
  EXPECT_EQ(Printable("\u00b0C \u65e5"), "\u00b0C \u65e5");
}

TEST(ConsoleTest, PaintsOnlyWhereColourIsAllowed) {
  std::ostringstream out;
  EXPECT_EQ(Console(out, out, false, false).Paint(Colour::kRed, "x"), "x");
  EXPECT_EQ(Console(out, out, true, true).Paint(Colour::kRed, "x"), "\x1b[31mx\x1b[0m");
}

TEST(JsonTextTest, KeepsTheOrderOfMembers) {
  const Json value = ParseJson(R"({"b":[1,{}],"a":"\u0007"})").value();
  EXPECT_EQ(CompactJson(value), R"({"b":[1,{}],"a":"\u0007"})");
  EXPECT_EQ(PrettyJson(value), "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"a\": \"\\u0007\"\n}");
}

TEST(ValueTextTest, WritesEachKind) {
  EXPECT_EQ(ValueText(SampleValue(0.1)), "0.1");
  EXPECT_EQ(ValueText(SampleValue(true)), "true");
  EXPECT_EQ(ValueText(SampleValue(std::string("on"))), "on");
}

}  // namespace
}  // namespace mvmd
