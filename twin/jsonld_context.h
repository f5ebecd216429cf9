// JSON-LD contexts: what names mean at a place of a document.
#ifndef MVMD_TWIN_JSONLD_CONTEXT_H_
#define MVMD_TWIN_JSONLD_CONTEXT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "twin/json.h"
#include "twin/jsonld.h"

namespace mvmd {

// A container mapping is a set of these.
enum JsonLdContainer : uint8_t {
  kContainerGraph = 1,
  kContainerId = 2,
  kContainerIndex = 4,
  kContainerLanguage = 8,
  kContainerList = 16,
  kContainerSet = 32,
  kContainerType = 64,
};

// A term definition.
struct JsonLdTerm {
  // An IRI, a blank node identifier or a keyword; none when the term stands for nothing and is to be ignored.
  std::optional<std::string> iri;
  JsonLdKeyword keyword = JsonLdKeyword::kNone;  // when `iri` is one
  bool is_prefix = false;
  bool is_protected = false;
  bool is_reverse = false;
  uint8_t containers = 0;
  std::optional<std::string> type;  // an IRI, `@id`, `@vocab`, `@json` or `@none`
  // Not set: the context's default; set to nothing: none.
  std::optional<std::optional<std::string>> language;
  std::optional<std::optional<std::string>> direction;
  std::optional<std::string> index;
  std::optional<std::string> nest;
  const Json* context = nullptr;  // scoped context; part of a document or context that outlives the term
  std::string base_url;           // of that context
};

// An active context. Never changed once others can see it.
struct JsonLdContext {
  absl::flat_hash_map<std::string, std::shared_ptr<const JsonLdTerm>> terms;
  std::optional<std::string> base;
  std::optional<std::string> vocab;
  std::optional<std::string> language;
  std::optional<std::string> direction;
  std::shared_ptr<const JsonLdContext> previous;  // where a context that does not propagate goes back to

  bool HasProtectedTerm() const;
  // Null when there is no such term.
  const JsonLdTerm* Find(absl::string_view term) const {
    const auto found = terms.find(term);
    return found == terms.end() ? nullptr : found->second.get();
  }
};
using JsonLdContextPtr = std::shared_ptr<const JsonLdContext>;

// The keyword that a member name stands for: itself, or as an alias.
JsonLdKeyword KeywordOfName(const JsonLdContext& context, absl::string_view name);

struct IriExpansion {
  bool document_relative = false;
  bool vocab = true;
};
// IRI expansion of a text that is no part of a context being read. Nothing when the text is to be ignored.
std::optional<std::string> ExpandIri(const JsonLdContext& context, absl::string_view value, IriExpansion how,
                                     JsonLdBudget* budget);

// Makes active contexts of local ones. Used for one document, which it has to outlive, as do `options` and `budget`.
//
//   JsonLdContextProcessor processor(options, &budget);
//   const Json& local = *document.Find("@context");
//   absl::StatusOr<JsonLdContextPtr> context = processor.Process(processor.Initial(), local, options.base);
class JsonLdContextProcessor {
 public:
  struct Scope {
    bool override_protected = false;
    bool propagate = true;
  };

  JsonLdContextProcessor(const JsonLdOptions& options, JsonLdBudget* budget) : options_(options), budget_(budget) {}

  JsonLdContextPtr Initial() const;
  // `base_url` resolves references to contexts; empty when there is none.
  absl::StatusOr<JsonLdContextPtr> Process(const JsonLdContextPtr& active, const Json& local,
                                           absl::string_view base_url, Scope scope) {
    return Apply(active, local, base_url, scope, Inclusion());
  }
  absl::StatusOr<JsonLdContextPtr> Process(const JsonLdContextPtr& active, const Json& local,
                                           absl::string_view base_url) {
    return Process(active, local, base_url, Scope());
  }

 private:
  // How a local context came to be read.
  struct Inclusion {
    std::vector<std::string> remote;  // contexts being read, outermost first
    bool validates_scoped = true;     // false: only to see whether a scoped context can be read at all
  };

  absl::StatusOr<std::shared_ptr<JsonLdContext>> Apply(const JsonLdContextPtr& active, const Json& local,
                                                       absl::string_view base_url, Scope scope,
                                                       const Inclusion& inclusion);
  absl::StatusOr<std::shared_ptr<JsonLdContext>> ApplyEntries(const JsonLdContextPtr& active, const Json& local,
                                                              absl::string_view base_url, Scope scope,
                                                              const Inclusion& inclusion);
  absl::StatusOr<std::shared_ptr<JsonLdContext>> Include(std::shared_ptr<JsonLdContext> result, absl::string_view url,
                                                         absl::string_view base_url, const Inclusion& inclusion);
  absl::Status Define(const Json& definition, absl::string_view base_url, const Scope& scope,
                      const Inclusion& inclusion, std::shared_ptr<JsonLdContext>* result);
  absl::Status ReadDefaults(const Json& definition, const Inclusion& inclusion, JsonLdContext* result);
  absl::Status ReadBase(const Json& value, JsonLdContext* result);
  absl::Status ReadVocab(const Json& value, JsonLdContext* result);
  absl::StatusOr<const Json*> Import(const Json& definition, const Json& url, absl::string_view base_url);
  // The `@context` of a context document.
  absl::StatusOr<const Json*> Load(absl::string_view url) const;
  std::shared_ptr<JsonLdContext> Clone(const JsonLdContext& context) const;

  const JsonLdOptions& options_;
  JsonLdBudget* const budget_;
  int depth_ = 0;  // of contexts in contexts and of terms that need terms: both use the stack
  // Definitions with what they import, by definition; their terms may have scoped contexts.
  std::map<const Json*, Json> imported_;
};

// Contexts that the program holds whole, by URL: https://w3id.org/security/data-integrity/v2. Null for any other.
const Json* BuiltInJsonLdContext(absl::string_view url);

}  // namespace mvmd

#endif  // MVMD_TWIN_JSONLD_CONTEXT_H_
