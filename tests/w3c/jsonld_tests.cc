// expand and toRdf of json-ld-api, compared as tests/README.md of that suite says.
#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tests/w3c/suite.h"
#include "twin/canonical.h"
#include "twin/jsonld_context.h"
#include "twin/jsonld_expand.h"
#include "twin/jsonld_to_rdf.h"
#include "twin/rdf_canon.h"

namespace mvmd {
namespace {

using absl::string_view;

// Where the suite stands on the web; its files refer to each other so.
constexpr string_view kSuiteUrl = "https://w3c.github.io/json-ld-api/tests/";

// Same value, where the order of arrays counts in lists only, and case of language tags does not.
bool IsSame(const Json& a, const Json& b, bool in_list = false) {
  if (a.type() != b.type()) return false;
  if (a.is_array()) {
    if (a.elements().size() != b.elements().size()) return false;
    std::vector<const Json*> left;
    for (const Json& element : b.elements()) left.push_back(&element);
    for (const Json& element : a.elements()) {
      const auto end = in_list ? std::min(left.begin() + 1, left.end()) : left.end();
      const auto found = std::find_if(left.begin(), end, [&](const Json* other) { return IsSame(element, *other); });
      if (found == end) return false;
      left.erase(found);
    }
    return true;
  }
  if (!a.is_object()) return a == b;
  return a.members().size() == b.members().size() &&
         std::all_of(a.members().begin(), a.members().end(), [&](const Json::Member& member) {
           const Json* other = b.Find(member.first);
           if (other == nullptr) return false;
           if (member.first == "@language" && member.second.is_string() && other->is_string()) {
             return absl::EqualsIgnoreCase(member.second.string(), other->string());
           }
           return IsSame(member.second, *other, member.first == "@list");
         });
}

// Isomorphic datasets have one canonical form.
absl::StatusOr<std::string> CanonicalForm(std::vector<RdfQuad> quads) {
  for (RdfQuad& quad : quads) absl::AsciiStrToLower(&quad.object.language);
  absl::StatusOr<CanonicalDataset> dataset = CanonicalizeDataset(quads);
  if (!dataset.ok()) return dataset.status();
  return dataset->nquads;
}

absl::Status Expect(bool same, string_view expected, string_view got) {
  if (same) return absl::OkStatus();
  return absl::UnknownError(absl::StrCat("expected\n", expected, "\ngot\n", got));
}

// One of the two kinds of test. Each Check takes what came of the input.
class JsonLdSuite {
 public:
  explicit JsonLdSuite(const W3cFolder& folder) : folder_(folder) {}
  virtual ~JsonLdSuite() = default;

  absl::StatusOr<std::vector<W3cResult>> Run(string_view manifest_name) {
    absl::StatusOr<Json> manifest = folder_.ReadJson(manifest_name);
    if (!manifest.ok()) return manifest.status();
    const Json* sequence = manifest->Find("sequence");
    if (sequence == nullptr || !sequence->is_array()) return absl::NotFoundError("expected a sequence of tests");
    std::vector<W3cResult> results;
    for (const Json& test : sequence->elements()) {
      if (IsForOtherProcessors(test)) continue;
      results.push_back({IdOf(test), TextAt(test, "name"), RunOne(test)});
    }
    return results;
  }

 protected:
  virtual absl::Status Process(const Json& document, const JsonLdOptions& options) = 0;
  virtual absl::Status Compare(const std::string& expected) = 0;

 private:
  static bool IsForOtherProcessors(const Json& test) {
    const Json* option = test.Find("option");
    return option != nullptr &&
           (TextAt(*option, "specVersion") == "json-ld-1.0" || TextAt(*option, "processingMode") == "json-ld-1.0");
  }

  absl::Status RunOne(const Json& test) {
    absl::StatusOr<Json> document = folder_.ReadJson(TextAt(test, "input"));
    if (!document.ok()) return document.status();
    JsonLdOptions options;
    options.base = absl::StrCat(kSuiteUrl, TextAt(test, "input"));
    options.contexts = [this](string_view url) { return FindContext(url); };
    absl::StatusOr<Json> expand_context;
    if (const Json* option = test.Find("option"); option != nullptr) {
      if (option->Find("base") != nullptr) options.base = TextAt(*option, "base");
      if (option->Find("expandContext") != nullptr) {
        expand_context = folder_.ReadJson(TextAt(*option, "expandContext"));
        if (!expand_context.ok()) return expand_context.status();
        options.expand_context = &*expand_context;
      }
      for (const char* name : {"rdfDirection", "produceGeneralizedRdf"}) {
        if (option->Find(name) != nullptr) return absl::UnimplementedError(name);
      }
    }
    const absl::Status processed = Process(*document, options);
    if (const Json* code = test.Find("expectErrorCode"); code != nullptr) {
      return Expect(absl::StartsWith(processed.message(), absl::StrCat(code->string(), ": ")), code->string(),
                    processed.ToString());
    }
    if (!processed.ok() || test.Find("expect") == nullptr) return processed;
    absl::StatusOr<std::string> expected = folder_.ReadText(TextAt(test, "expect"));
    if (!expected.ok()) return expected.status();
    return Compare(*expected);
  }

  const Json* FindContext(string_view url) {
    string_view name = url;
    if (!absl::ConsumePrefix(&name, kSuiteUrl)) return BuiltInJsonLdContext(url);
    const auto found = contexts_.find(std::string(name));
    if (found != contexts_.end()) return &found->second;
    absl::StatusOr<Json> context = folder_.ReadJson(name);
    if (!context.ok()) return nullptr;
    return &contexts_.emplace(name, *std::move(context)).first->second;
  }

  const W3cFolder& folder_;
  std::map<std::string, Json> contexts_;
};

class ExpandSuite final : public JsonLdSuite {
 public:
  using JsonLdSuite::JsonLdSuite;

 private:
  absl::Status Process(const Json& document, const JsonLdOptions& options) override {
    absl::StatusOr<JsonLdExpansion> expansion = ExpandJsonLd(document, options);
    if (!expansion.ok()) return expansion.status();
    expanded_ = std::move(expansion->document);
    return absl::OkStatus();
  }

  absl::Status Compare(const std::string& expected) override {
    absl::StatusOr<Json> tree = ParseJson(expected);
    if (!tree.ok()) return tree.status();
    return Expect(IsSame(*tree, expanded_), Canonicalize(*tree), Canonicalize(expanded_));
  }

  Json expanded_;
};

class ToRdfSuite final : public JsonLdSuite {
 public:
  using JsonLdSuite::JsonLdSuite;

 private:
  absl::Status Process(const Json& document, const JsonLdOptions& options) override {
    absl::StatusOr<JsonLdDataset> dataset = JsonLdToRdf(document, options);
    if (!dataset.ok()) return dataset.status();
    quads_ = std::move(dataset->quads);
    return absl::OkStatus();
  }

  absl::Status Compare(const std::string& expected) override {
    absl::StatusOr<std::vector<RdfQuad>> quads = ParseNQuads(expected);
    if (!quads.ok()) return quads.status();
    absl::StatusOr<std::string> wanted = CanonicalForm(*std::move(quads));
    if (!wanted.ok()) return wanted.status();
    absl::StatusOr<std::string> got = CanonicalForm(std::move(quads_));
    if (!got.ok()) return got.status();
    return Expect(*wanted == *got, *wanted, *got);
  }

  std::vector<RdfQuad> quads_;
};

}  // namespace

absl::StatusOr<std::vector<W3cResult>> RunExpandTests(const W3cFolder& folder) {
  return ExpandSuite(folder).Run("expand-manifest.jsonld");
}

absl::StatusOr<std::vector<W3cResult>> RunToRdfTests(const W3cFolder& folder) {
  return ToRdfSuite(folder).Run("toRdf-manifest.jsonld");
}

}  // namespace mvmd
