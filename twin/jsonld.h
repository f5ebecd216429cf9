// What the JSON-LD 1.1 code shares: keywords, errors, options, and the bound on its work.
//
// twin/jsonld_context.h reads contexts, twin/jsonld_expand.h expands documents, twin/jsonld_to_rdf.h makes quads of
// what was expanded; all after https://www.w3.org/TR/json-ld11-api/, in processing mode json-ld-1.1.
#ifndef MVMD_TWIN_JSONLD_H_
#define MVMD_TWIN_JSONLD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "twin/json.h"

namespace mvmd {

enum class JsonLdKeyword : uint8_t {
  kNone,  // no keyword
  kBase,
  kContainer,
  kContext,
  kDirection,
  kGraph,
  kId,
  kImport,
  kIncluded,
  kIndex,
  kJson,
  kLanguage,
  kList,
  kNest,
  kNoneValue,  // `@none`
  kPrefix,
  kPropagate,
  kProtected,
  kReverse,
  kSet,
  kType,
  kValue,
  kVersion,
  kVocab,
};

JsonLdKeyword KeywordOf(absl::string_view text);
// Of any but kNone.
absl::string_view TextOf(JsonLdKeyword keyword);
inline bool IsJsonLdKeyword(absl::string_view text) { return KeywordOf(text) != JsonLdKeyword::kNone; }
// "@" 1*ALPHA: reserved for keywords to come; JSON-LD ignores what is called so.
bool HasFormOfKeyword(absl::string_view text);

// INVALID_ARGUMENT. `code` is an error code of the specification in its words, see docs/linked-data.md; the message is
// the code, a colon and the detail.
absl::Status JsonLdError(absl::string_view code, absl::string_view detail);
// Text of a document, for a detail: in quotes, escaped, cut when it is long.
std::string QuoteForError(absl::string_view text);

// The document of a context, with its `@context` member, or null when there is none to be had. Nothing is fetched: what
// the function does not know is an error. The document outlives the processing.
using JsonLdContextLookup = std::function<const Json*(absl::string_view url)>;

struct JsonLdOptions {
  std::string base;                      // an IRI; empty: there is none, relative IRIs stay relative
  const Json* expand_context = nullptr;  // processed before the document's own
  JsonLdContextLookup contexts;          // empty: BuiltInJsonLdContext
  // Bytes of text written, and 128 more for every value made, quad component made, term copied and name looked at:
  // about what the memory for it takes. A document of ordinary form takes fifty times its size.
  size_t work_max = size_t{256} << 20;
};

// Bounds the work of one expansion or conversion: a small document can ask for a lot, for example with a long `@vocab`
// and many short names. Once spent it stays so; work goes on to the next place that asks.
class JsonLdBudget {
 public:
  explicit JsonLdBudget(size_t work_max) : left_(work_max), work_max_(work_max) {}

  void SpendBytes(size_t bytes) { left_ = bytes < left_ ? left_ - bytes : 0; }
  void SpendItems(size_t items) { SpendBytes(items * 128); }
  bool ok() const { return left_ > 0; }
  // OK, or an error with the name `limit exceeded`.
  absl::Status status() const;

 private:
  size_t left_;
  size_t work_max_;
};

// Values, contexts and terms nest at most this deep; documents of ParseIJson nest less.
inline constexpr int kJsonLdDepthMax = 256;
absl::Status JsonLdTooDeep();

}  // namespace mvmd

#endif  // MVMD_TWIN_JSONLD_H_
