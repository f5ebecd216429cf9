// Create Term Definition: the part of context processing that reads terms.
#ifndef MVMD_TWIN_JSONLD_TERM_H_
#define MVMD_TWIN_JSONLD_TERM_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "twin/json.h"
#include "twin/jsonld.h"
#include "twin/jsonld_context.h"

namespace mvmd {

// Defines the terms of one context definition in `result`. A term may need others, which are then defined first. Part
// of JsonLdContextProcessor; used once.
class JsonLdTermMaker {
 public:
  // Whether a scoped context can be processed.
  using Validate = std::function<absl::Status(const Json& scoped)>;

  // `depth` counts how deep terms and contexts nest, this one's included.
  JsonLdTermMaker(const Json& definition, absl::string_view base_url, bool is_protected, bool override_protected,
                  Validate validate, int* depth, JsonLdBudget* budget, JsonLdContext* result);

  absl::Status DefineAll();

 private:
  enum class State { kUndefined, kBeingDefined, kDefined };
  struct Entry {
    const Json* value;
    State state = State::kUndefined;
  };

  // Of an entry of the definition, unless it is defined already.
  absl::Status Define(absl::string_view name);
  absl::Status DefineAs(absl::string_view name, const Json& value);
  // The parts of a definition, by the members they read. Each leaves `term` unset where there is nothing.
  absl::Status ReadType(const Json& value, JsonLdTerm* term);
  absl::Status ReadReverse(absl::string_view name, const Json& value, const Json& reverse, JsonLdTerm* term);
  absl::Status ReadId(absl::string_view name, const Json& id, bool is_simple, JsonLdTerm* term);
  absl::Status ReadName(absl::string_view name, JsonLdTerm* term);
  absl::Status ReadContainer(const Json& container, JsonLdTerm* term);
  absl::Status ReadIndex(const Json& index, JsonLdTerm* term);
  absl::Status ReadContext(const Json& context, JsonLdTerm* term);
  absl::Status ReadLanguage(const Json& value, JsonLdTerm* term);
  absl::Status ReadNest(const Json& nest, JsonLdTerm* term);
  absl::Status ReadPrefix(absl::string_view name, const Json& prefix, JsonLdTerm* term);
  absl::Status ReadRest(absl::string_view name, const Json& value, JsonLdTerm* term);
  absl::Status Store(absl::string_view name, std::shared_ptr<const JsonLdTerm> previous,
                     std::shared_ptr<JsonLdTerm> term);

  // IRI expansion, which defines what it needs.
  absl::StatusOr<std::optional<std::string>> Expand(absl::string_view value);
  bool IsUndefined(absl::string_view name) const;

  const absl::string_view base_url_;
  const bool is_protected_;
  const bool override_protected_;
  const Validate validate_;
  int* const depth_;
  JsonLdBudget* const budget_;
  JsonLdContext* const result_;
  const Json& definition_;
  absl::flat_hash_map<absl::string_view, Entry> entries_;
};

}  // namespace mvmd

#endif  // MVMD_TWIN_JSONLD_TERM_H_
