#include "twin/rdf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/match.h"
#include "tests/twin/test_data.h"

namespace mvmd {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string LiteralText(absl::string_view value) {
  std::string out;
  AppendNQuadsTerm(RdfTerm::Literal(value), &out);
  return out;
}

// The one quad of a text.
RdfQuad ParseOne(absl::string_view text) {
  absl::StatusOr<std::vector<RdfQuad>> quads = ParseNQuads(text);
  EXPECT_TRUE(quads.ok()) << quads.status() << "\n" << text;
  EXPECT_THAT(*quads, SizeIs(1)) << text;
  return quads.ok() && quads->size() == 1 ? (*quads)[0] : RdfQuad();
}

TEST(AppendNQuadTest, WritesEveryKindOfTerm) {
  RdfQuad quad{RdfTerm::Iri("urn:s"), "urn:p", RdfTerm::Blank("b0"), {}};
  EXPECT_EQ(NQuadsLine(quad), "<urn:s> <urn:p> _:b0 .\n");
  quad.object = RdfTerm::Literal("1", kXsdInteger);
  quad.graph = RdfTerm::Blank("g");
  EXPECT_EQ(NQuadsLine(quad), "<urn:s> <urn:p> \"1\"^^<http://www.w3.org/2001/XMLSchema#integer> _:g .\n");
  quad.object = RdfTerm::LanguageString("chat", "fr-BE");
  EXPECT_EQ(NQuadsLine(quad), "<urn:s> <urn:p> \"chat\"@fr-BE _:g .\n");
}

TEST(AppendNQuadTest, LeavesOutTheDatatypeOfStrings) {
  EXPECT_EQ(RdfTerm::Literal("a", kXsdString), RdfTerm::Literal("a"));
  EXPECT_EQ(LiteralText("a"), "\"a\"");
}

TEST(AppendNQuadTest, EscapesWhatTheCanonicalFormEscapesAndNothingElse) {
  EXPECT_EQ(LiteralText("\b\t\n\f\r\"\\"), R"("\b\t\n\f\r\"\\")");
  EXPECT_EQ(LiteralText(absl::string_view("\0\x01\x0b\x1f\x7f", 5)), R"("\u0000\u0001\u000B\u001F\u007F")");
  EXPECT_EQ(LiteralText("\uFFFE\uFFFF"), R"("\uFFFE\uFFFF")");
  EXPECT_EQ(LiteralText("\uFFFDa\uFFFEb\uF8FF"), "\"\uFFFDa\\uFFFEb\uF8FF\"");
  EXPECT_EQ(LiteralText("'/\u0080\u2028\U0001FFFE\U0010FFFF"), "\"'/\u0080\u2028\U0001FFFE\U0010FFFF\"");
}

TEST(ParseNQuadsTest, ReadsBackWhatIsWritten) {
  std::string text;
  for (int c = 0; c < 0x3000; ++c) {
    std::string value;
    if (c < 0x80) {
      value.push_back(static_cast<char>(c));
    } else {
      continue;
    }
    const RdfQuad quad{RdfTerm::Blank("a.b-c"), "urn:p", RdfTerm::Literal(value, "urn:d"), RdfTerm::Iri("urn:\u00e9")};
    EXPECT_EQ(ParseOne(NQuadsLine(quad)), quad) << c;
  }
}

TEST(ParseNQuadsTest, ReadsTheProfilesGraphs) {
  for (const char* name : {"twin-complete.nq", "twin-complete.lossless.nq"}) {
    const std::string text = ReadProfile(name);
    const absl::StatusOr<std::vector<RdfQuad>> quads = ParseNQuads(text);
    ASSERT_TRUE(quads.ok()) << quads.status();
    std::string written;
    for (const RdfQuad& quad : *quads) AppendNQuad(quad, &written);
    EXPECT_EQ(written, text);
  }
}

TEST(ParseNQuadsTest, ReadsFormsThatAreNotCanonical) {
  EXPECT_EQ(NQuadsLine(ParseOne("  # a comment\r\n\r\n<urn:\\u0061>\t<urn:p>\"\\u00e9\\U0001F600\\'\". # more")),
            "<urn:a> <urn:p> \"\u00e9\U0001F600'\" .\n");
  EXPECT_EQ(ParseOne("_:x.y<urn:p>_:x<urn:g>.").object, RdfTerm::Blank("x"));
}

TEST(ParseNQuadsTest, RefusesMalformedLines) {
  for (const char* line : {
           "x",
           "<urn:s>",
           "<urn:s> <urn:p>",
           "<urn:s> <urn:p> <urn:o>",
           "<urn:s> <urn:p> <urn:o> <urn:g>",
           "<urn:s> <urn:p> <urn:o> . <urn:x>",
           "<s> <urn:p> <urn:o> .",
           "<:s> <urn:p> <urn:o> .",
           "<urn: s> <urn:p> <urn:o> .",
           "<urn:\\u0020> <urn:p> <urn:o> .",
           "<urn:\\n> <urn:p> <urn:o> .",
           "<urn:s> _:p <urn:o> .",
           "\"s\" <urn:p> <urn:o> .",
           "<urn:s> <urn:p> <urn:o> \"g\" .",
           "<urn:s <urn:p> .",
           "_: <urn:p> <urn:o> .",
           "_:-a <urn:p> <urn:o> .",
           "_a <urn:p> <urn:o> .",
           "<urn:s> <urn:p> \"o .",
           "<urn:s> <urn:p> \"\\x\" .",
           "<urn:s> <urn:p> \"\\u12\" .",
           "<urn:s> <urn:p> \"\\uD800\" .",
           "<urn:s> <urn:p> \"\\U00110000\" .",
           "<urn:s> <urn:p> \"o\"^<urn:d> .",
           "<urn:s> <urn:p> \"o\"^^d .",
           "<urn:s> <urn:p> \"o\"@ .",
           "<urn:s> <urn:p> \"o\"@1 .",
           "<urn:s> <urn:p> \"o\"@en- .",
           "<urn:s> <urn:p> \"\xff\" .",
           "<urn:s> <urn:p> \"\xed\xa0\x80\" .",
       }) {
    const absl::StatusOr<std::vector<RdfQuad>> quads = ParseNQuads(std::string("\n") + line + "\n");
    EXPECT_EQ(quads.status().code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_THAT(std::string(quads.status().message()), HasSubstr("line 2: expected ")) << line;
  }
}

TEST(XsdIntegerTextTest, GivesAllDigits) {
  EXPECT_EQ(XsdIntegerText(0), "0");
  EXPECT_EQ(XsdIntegerText(-0.0), "0");
  EXPECT_EQ(XsdIntegerText(-42), "-42");
  EXPECT_EQ(XsdIntegerText(123456789012345680000.0), "123456789012345683968");
  EXPECT_EQ(XsdIntegerText(999999999999999868928.0), "999999999999999868928");
}

TEST(XsdDoubleTextTest, GivesTheCanonicalForm) {
  EXPECT_EQ(XsdDoubleText(45.2), "4.52E1");
  EXPECT_EQ(XsdDoubleText(1e-7), "1.0E-7");
  EXPECT_EQ(XsdDoubleText(1e21), "1.0E21");
  EXPECT_EQ(XsdDoubleText(-0.5), "-5.0E-1");
  EXPECT_EQ(XsdDoubleText(0), "0.0E0");
  EXPECT_EQ(XsdDoubleText(5.3), "5.3E0");
  EXPECT_EQ(XsdDoubleText(0.30000000000000004), "3.0E-1");  // 16 digits
  EXPECT_EQ(XsdDoubleText(std::numeric_limits<double>::max()), "1.797693134862316E308");
  EXPECT_EQ(XsdDoubleText(std::numeric_limits<double>::denorm_min()), "4.940656458412465E-324");
}

}  // namespace
}  // namespace mvmd
