#include "twin/jsonld_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/match.h"
#include "tests/twin/test_data.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

using ::testing::StartsWith;

// One context after another, as a document would apply them.
class JsonLdContextTest : public ::testing::Test {
 protected:
  JsonLdContextPtr Read(absl::string_view text, JsonLdContextProcessor::Scope scope = {}) {
    documents_.push_back(ParseOrFail(text));
    absl::StatusOr<JsonLdContextPtr> read = processor_.Process(active_, documents_.back(), options_.base, scope);
    EXPECT_TRUE(read.ok()) << read.status() << "\n" << text;
    if (read.ok()) active_ = *std::move(read);
    return active_;
  }

  std::string ErrorOf(absl::string_view text) {
    documents_.push_back(ParseOrFail(text));
    const absl::Status status = processor_.Process(active_, documents_.back(), options_.base).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    return std::string(status.message());
  }

  std::string Expand(absl::string_view value, IriExpansion how = {}) {
    return ExpandIri(*active_, value, how, &budget_).value_or("nothing");
  }

  JsonLdOptions options_;
  JsonLdBudget budget_{1 << 24};
  std::deque<Json> documents_;
  JsonLdContextProcessor processor_{options_, &budget_};
  JsonLdContextPtr active_ = processor_.Initial();
};

TEST_F(JsonLdContextTest, ExpandsNames) {
  Read(R"({"@vocab": "https://schema.org/", "mvmd": "https://mvmd.org/v1/", "id": "@id", "gone": null,
           "long": {"@id": "urn:long"}, "pre": {"@id": "urn:pre", "@prefix": true}})");
  EXPECT_EQ(Expand("name"), "https://schema.org/name");
  EXPECT_EQ(Expand("mvmd:x"), "https://mvmd.org/v1/x");
  EXPECT_EQ(Expand("mvmd"), "https://mvmd.org/v1/");
  EXPECT_EQ(Expand("id"), "@id");
  EXPECT_EQ(Expand("gone"), "nothing");
  EXPECT_EQ(Expand("long:x"), "long:x");  // no prefix: not a simple term that ends with a delimiter
  EXPECT_EQ(Expand("pre:x"), "urn:prex");
  EXPECT_EQ(Expand("mvmd://x"), "mvmd://x");
  EXPECT_EQ(Expand("_:b"), "_:b");
  EXPECT_EQ(Expand("@type"), "@type");
  EXPECT_EQ(Expand("@unknown"), "nothing");
  EXPECT_EQ(Expand("name", {.document_relative = true, .vocab = false}), "name");
}

TEST_F(JsonLdContextTest, ResolvesAgainstItsBase) {
  Read(R"({"@base": "https://example.com/a/b"})");
  EXPECT_EQ(Expand("c", {.document_relative = true, .vocab = false}), "https://example.com/a/c");
  Read(R"({"@base": "../x/"})");
  EXPECT_EQ(Expand("c", {.document_relative = true, .vocab = false}), "https://example.com/x/c");
  Read(R"({"@base": null})");
  EXPECT_EQ(Expand("c", {.document_relative = true, .vocab = false}), "c");
}

TEST_F(JsonLdContextTest, DefinesTermsThatNeedOthersFirst) {
  Read(R"({"b": {"@id": "a:b", "@type": "t:x"}, "a:c": {"@type": "@id"}, "t": "a:t/", "a": "urn:a/"})");
  EXPECT_EQ(Expand("b"), "urn:a/b");
  EXPECT_EQ(active_->Find("b")->type, "urn:a/t/x");
  EXPECT_EQ(active_->Find("a:c")->iri, "urn:a/c");
}

TEST_F(JsonLdContextTest, ForgetsWithNull) {
  Read(R"([{"@vocab": "urn:v:", "a": "urn:a"}, null, {"b": "urn:b"}])");
  EXPECT_EQ(active_->Find("a"), nullptr);
  EXPECT_NE(active_->Find("b"), nullptr);
  EXPECT_EQ(active_->vocab, std::nullopt);
}

TEST_F(JsonLdContextTest, ProtectsTerms) {
  Read(R"({"@protected": true, "a": "urn:a", "b": {"@id": "urn:b", "@protected": false}})");
  Read(R"({"a": "urn:a", "b": "urn:other"})");  // the same meaning; not protected
  EXPECT_TRUE(active_->Find("a")->is_protected);
  EXPECT_THAT(ErrorOf(R"({"a": "urn:other"})"), StartsWith("protected term redefinition: "));
  EXPECT_THAT(ErrorOf("null"), StartsWith("invalid context nullification: "));
  Read(R"({"a": "urn:other"})", {.override_protected = true});
  EXPECT_EQ(active_->Find("a")->iri, "urn:other");
}

TEST_F(JsonLdContextTest, RemembersWhereItDoesNotPropagate) {
  const JsonLdContextPtr outer = Read(R"({"a": "urn:a"})");
  EXPECT_EQ(Read(R"({"@propagate": false, "a": "urn:b"})")->previous, outer);
  EXPECT_EQ(active_->previous->Find("a")->iri, "urn:a");
}

TEST_F(JsonLdContextTest, ReadsContainersAndMappings) {
  Read(R"({"@vocab": "urn:v:", "l": {"@container": "@list"}, "gi": {"@container": ["@graph", "@id", "@set"]},
           "n": {"@language": null, "@direction": "rtl"}, "i": {"@container": "@index", "@index": "l"}})");
  EXPECT_EQ(active_->Find("l")->containers, kContainerList);
  EXPECT_EQ(active_->Find("gi")->containers, kContainerGraph | kContainerId | kContainerSet);
  ASSERT_TRUE(active_->Find("n")->language.has_value());
  EXPECT_FALSE(active_->Find("n")->language->has_value());
  EXPECT_EQ(active_->Find("n")->direction.value_or(std::nullopt), "rtl");
  EXPECT_FALSE(active_->Find("l")->language.has_value());
  EXPECT_EQ(active_->Find("i")->index, "l");
}

TEST_F(JsonLdContextTest, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> errors[] = {
      {"1", "invalid local context"},
      {R"("https://example.com/")", "loading remote context failed"},
      {R"("x")", "loading document failed"},
      {R"({"@version": 1.0})", "invalid @version value"},
      {R"({"@import": 1})", "invalid @import value"},
      {R"({"@base": 1})", "invalid base IRI"},
      {R"({"@vocab": 1})", "invalid vocab mapping"},
      {R"({"@vocab": "x"})", "invalid vocab mapping"},
      {R"({"@language": 1})", "invalid default language"},
      {R"({"@direction": "up"})", "invalid base direction"},
      {R"({"@propagate": 1})", "invalid @propagate value"},
      {R"({"@protected": 1})", "invalid @protected value"},
      {R"({"": "urn:a"})", "invalid term definition"},
      {R"({"a": 1})", "invalid term definition"},
      {R"({"a": {"@id": "urn:a", "x": 1}})", "invalid term definition"},
      {R"({"a": {}})", "invalid IRI mapping"},
      {R"({"a": {"@id": 1}})", "invalid IRI mapping"},
      {R"({"a": "relative"})", "invalid IRI mapping"},
      {R"({"a:b": "urn:other"})", "invalid IRI mapping"},
      {R"({"a": "@context"})", "invalid keyword alias"},
      {R"({"@id": "urn:a"})", "keyword redefinition"},
      {R"({"@type": {"@id": "urn:a"}})", "keyword redefinition"},
      {R"({"a": "b:x", "b": "a:x"})", "cyclic IRI mapping"},
      {R"({"a": {"@id": "urn:a", "@type": 1}})", "invalid type mapping"},
      {R"({"a": {"@id": "urn:a", "@type": "relative"}})", "invalid type mapping"},
      {R"({"a": {"@id": "urn:a", "@container": "@json"}})", "invalid container mapping"},
      {R"({"a": {"@id": "urn:a", "@container": ["@list", "@set"]}})", "invalid container mapping"},
      {R"({"a": {"@id": "urn:a", "@container": "@type", "@type": "@json"}})", "invalid type mapping"},
      {R"({"a": {"@id": "urn:a", "@language": 1}})", "invalid language mapping"},
      {R"({"a": {"@id": "urn:a", "@nest": "@id"}})", "invalid @nest value"},
      {R"({"a": {"@id": "urn:a", "@prefix": 1}})", "invalid @prefix value"},
      {R"({"a": {"@id": "urn:a", "@index": "urn:i"}})", "invalid term definition"},
      {R"({"a": {"@id": "urn:a", "@context": 1}})", "invalid scoped context"},
      {R"({"a": {"@reverse": "urn:a", "@id": "urn:a"}})", "invalid reverse property"},
      {R"({"a": {"@reverse": "urn:a", "@container": "@list"}})", "invalid reverse property"},
      {R"({"a": {"@reverse": "relative"}})", "invalid IRI mapping"},
  };
  for (const auto& [text, code] : errors) EXPECT_THAT(ErrorOf(text), StartsWith(std::string(code) + ": ")) << text;
}

// Contexts come from the look-up only; here from a map.
class RemoteContextTest : public JsonLdContextTest {
 protected:
  RemoteContextTest() {
    options_.base = "https://example.com/document";
    options_.contexts = [this](absl::string_view url) -> const Json* {
      const auto found = contexts_.find(std::string(url));
      return found == contexts_.end() ? nullptr : &found->second;
    };
  }

  void Publish(const std::string& url, absl::string_view text) { contexts_[url] = ParseOrFail(text); }

  std::map<std::string, Json> contexts_;
};

TEST_F(RemoteContextTest, ReadsWhatTheLookUpHas) {
  Publish("https://example.com/c", R"({"@context": [{"a": "urn:a"}, "dir/d"]})");
  Publish("https://example.com/dir/d", R"({"@context": {"@base": "urn:ignored", "@import": "e", "b": "urn:b"}})");
  Publish("https://example.com/dir/e", R"({"@context": {"b": "urn:x", "c": "urn:c"}})");
  Read(R"(["c", {"d": "urn:d"}])");
  EXPECT_EQ(Expand("a") + Expand("b") + Expand("c") + Expand("d"), "urn:aurn:burn:curn:d");
  EXPECT_EQ(active_->base, std::nullopt);  // the context began without one
}

TEST_F(RemoteContextTest, RefusesWhatIsNoContextOrHasNoEnd) {
  Publish("https://example.com/none", "{}");
  Publish("https://example.com/loop", R"({"@context": "loop"})");
  Publish("https://example.com/array", R"({"@context": [{}]})");
  Publish("https://example.com/imports", R"({"@context": {"@import": "none"}})");
  EXPECT_THAT(ErrorOf(R"("none")"), StartsWith("invalid remote context: "));
  EXPECT_THAT(ErrorOf(R"("loop")"), StartsWith("context overflow: "));
  EXPECT_THAT(ErrorOf(R"({"@import": "array"})"), StartsWith("invalid remote context: "));
  EXPECT_THAT(ErrorOf(R"({"@import": "imports"})"), StartsWith("invalid context entry: "));
  EXPECT_THAT(ErrorOf(R"("https://w3id.org/security/data-integrity/v2")"),
              StartsWith("loading remote context failed: "));
}

TEST(BuiltInJsonLdContextTest, HoldsTheDataIntegrityContextWhole) {
  const Json* context = BuiltInJsonLdContext("https://w3id.org/security/data-integrity/v2");
  ASSERT_NE(context, nullptr);
  // The C1 digest of what is published there; its bytes have the digest that the specification gives,
  // 67f21e6e33a6c14e5ccfd2fc7865f7474fb71a04af7e94136cb399dfac8ae8f4.
  EXPECT_EQ(Sha256Hex(Canonicalize(*context)), "7ba3c50acf2689d5e07927267343eb353249c7c22a9f2d00307cc970e855e305");
}

TEST(BuiltInJsonLdContextTest, HoldsNoOther) {
  for (const char* url : {"https://schema.org", "https://schema.org/", "http://schema.org/",
                          "https://w3id.org/security/data-integrity/v1", ""}) {
    EXPECT_EQ(BuiltInJsonLdContext(url), nullptr) << url;
  }
}

}  // namespace
}  // namespace mvmd
