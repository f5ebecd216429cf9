#include "twin/iri.h"

#include <gtest/gtest.h>

namespace mvmd {
namespace {

TEST(ParseIriTest, TakesReferencesApart) {
  const IriParts all = ParseIri("foo://u@example.com:8042/over/there?name=a?b#nose#x");
  EXPECT_EQ(all.scheme, "foo");
  EXPECT_EQ(all.authority, "u@example.com:8042");
  EXPECT_EQ(all.path, "/over/there");
  EXPECT_EQ(all.query, "name=a?b");
  EXPECT_EQ(all.fragment, "nose#x");
  const IriParts urn = ParseIri("urn:example:a/b");
  EXPECT_EQ(urn.scheme, "urn");
  EXPECT_EQ(urn.authority, std::nullopt);
  EXPECT_EQ(urn.path, "example:a/b");
  EXPECT_EQ(ParseIri("").path, "");
  EXPECT_EQ(ParseIri("//").authority, "");
  EXPECT_EQ(ParseIri("?#").query, "");
}

TEST(ParseIriTest, DoesNotTakeEveryColonForASchemes) {
  for (const char* text : {"1a:b", ":b", "a b:c", "./a:b", "\u00e9:b", "a/b:c"}) {
    EXPECT_EQ(ParseIri(text).scheme, std::nullopt) << text;
    EXPECT_FALSE(HasIriScheme(text)) << text;
  }
  EXPECT_TRUE(HasIriScheme("a+-.9:"));
}

// RFC 3986, sections 5.4.1 and 5.4.2.
TEST(ResolveIriTest, GivesTheExamplesOfRfc3986) {
  constexpr char kBase[] = "http://a/b/c/d;p?q";
  const std::pair<const char*, const char*> examples[] = {
      {"g:h", "g:h"},
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q#s"},
      {"g#s", "http://a/b/c/g#s"},
      {"g?y#s", "http://a/b/c/g?y#s"},
      {";x", "http://a/b/c/;x"},
      {"g;x", "http://a/b/c/g;x"},
      {"g;x?y#s", "http://a/b/c/g;x?y#s"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"./", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../..", "http://a/"},
      {"../../", "http://a/"},
      {"../../g", "http://a/g"},
      {"../../../g", "http://a/g"},
      {"../../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."},
      {".g", "http://a/b/c/.g"},
      {"g..", "http://a/b/c/g.."},
      {"..g", "http://a/b/c/..g"},
      {"./../g", "http://a/b/g"},
      {"./g/.", "http://a/b/c/g/"},
      {"g/./h", "http://a/b/c/g/h"},
      {"g/../h", "http://a/b/c/h"},
      {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
      {"g;x=1/../y", "http://a/b/c/y"},
      {"g?y/./x", "http://a/b/c/g?y/./x"},
      {"g#s/../x", "http://a/b/c/g#s/../x"},
      {"http:g", "http:g"},
  };
  for (const auto& [reference, expected] : examples) EXPECT_EQ(ResolveIri(kBase, reference), expected) << reference;
}

TEST(ResolveIriTest, ResolvesAgainstBasesWithoutAPath) {
  EXPECT_EQ(ResolveIri("http://a", "b"), "http://a/b");
  EXPECT_EQ(ResolveIri("http://a?q", "?"), "http://a?");
  EXPECT_EQ(ResolveIri("urn:a:b", "c"), "urn:c");
  EXPECT_EQ(ResolveIri("urn:a:b", "#c"), "urn:a:b#c");
  EXPECT_EQ(ResolveIri("tag:a/b", "../../c"), "tag:/c");
}

TEST(IsRdfIriTest, RefusesWhatNQuadsCannotHold) {
  for (const char* text : {"urn:a", "https://schema.org/", "http:///x", "a:\u00e9", "mvmd:%zz"}) {
    EXPECT_TRUE(IsRdfIri(text)) << text;
  }
  for (const char* text : {"", "a", "/a", "//a/b", "_:b", "urn:a b", "urn:a<", "urn:a>", "urn:\"", "urn:{", "urn:}",
                           "urn:|", "urn:\\", "urn:^", "urn:`", "urn:\n", "urn:a#b#c"}) {
    EXPECT_FALSE(IsRdfIri(text)) << text;
  }
}

}  // namespace
}  // namespace mvmd
