// The expansion algorithm's state; its parts are in jsonld_expand.cc (elements and whole objects),
// jsonld_expand_members.cc (their members) and jsonld_expand_maps.cc (values that are maps by language, index, id,
// type).
#ifndef MVMD_TWIN_JSONLD_EXPANDER_H_
#define MVMD_TWIN_JSONLD_EXPANDER_H_

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "twin/json.h"
#include "twin/jsonld.h"
#include "twin/jsonld_context.h"
#include "twin/jsonld_expand.h"

namespace mvmd {

// An object that is being made. Unlike Json it finds members fast when there are many.
class ExpandedObject {
 public:
  Json* Find(absl::string_view name);
  void Set(absl::string_view name, Json value);
  // Appends to the array `name`, which there is from now on; the elements of an array one by one.
  void Add(absl::string_view name, Json value);
  bool empty() const { return object_.members().empty(); }
  Json Take() && { return std::move(object_); }

 private:
  Json object_ = Json::Object();
  absl::flat_hash_map<std::string, size_t> index_;  // used from kSmallObject members on
};

// Used for one document. Not thread-safe.
class JsonLdExpander {
 public:
  JsonLdExpander(const JsonLdOptions& options, JsonLdBudget* budget)
      : options_(options), budget_(budget), processor_(options, budget) {}

  absl::StatusOr<JsonLdExpansion> Expand(const Json& document);

 private:
  // A member's name; nothing at the top, and where its place is that of the top.
  using Property = std::optional<absl::string_view>;

  // An object on its way from `element` to `result`.
  struct Node {
    Property property;             // what it is the value of
    JsonLdContextPtr type_scoped;  // the context that types are names in
    bool is_json = false;          // its last type is @json
    bool has_reverse = false;      // a member @reverse was read
    ExpandedObject result;
    ExpandedObject reverse;  // the member @reverse of the result
  };

  // jsonld_expand.cc. The value null stands for nothing.
  absl::StatusOr<Json> ExpandElement(const JsonLdContextPtr& context, Property property, const Json& element,
                                     bool from_map = false);
  absl::StatusOr<Json> ExpandScalar(const JsonLdContextPtr& context, Property property, const Json& scalar);
  absl::StatusOr<Json> ExpandArray(const JsonLdContextPtr& context, Property property, const Json& array,
                                   bool from_map);
  absl::StatusOr<Json> ExpandObject(const JsonLdContextPtr& context, Property property, const Json& object,
                                    bool from_map);
  absl::StatusOr<JsonLdContextPtr> EnterObject(const JsonLdContextPtr& context, Property property, const Json& object,
                                               bool from_map);
  absl::StatusOr<JsonLdContextPtr> ApplyTypes(const JsonLdContextPtr& context, const Json& object);
  absl::StatusOr<JsonLdContextPtr> ApplyTerm(const JsonLdContextPtr& context, const JsonLdTerm& term,
                                             JsonLdContextProcessor::Scope scope);
  absl::StatusOr<Json> FinishObject(Node&& node);
  Json ExpandValue(const JsonLdContext& context, absl::string_view property, const Json& value);

  // jsonld_expand_members.cc.
  absl::Status ExpandMembers(const JsonLdContextPtr& context, const Json& object, Node* node);
  absl::Status ExpandNested(const JsonLdContextPtr& context, const Json::Member& member, Node* node);
  absl::Status ExpandKeyword(const JsonLdContextPtr& context, JsonLdKeyword keyword, const Json& value, Node* node);
  absl::Status ExpandId(const JsonLdContext& context, const Json& value, Node* node);
  absl::Status ExpandType(const Json& value, Node* node);
  absl::Status ExpandIncluded(const JsonLdContextPtr& context, const Json& value, Node* node);
  absl::Status ExpandList(const JsonLdContextPtr& context, const Json& value, Node* node);
  absl::Status ExpandReverse(const JsonLdContextPtr& context, const Json& value, Node* node);
  absl::Status ExpandProperty(const JsonLdContextPtr& context, absl::string_view name, absl::string_view iri,
                              const Json& value, Node* node);
  absl::Status AddReversed(absl::string_view iri, Json value, Node* node);

  // jsonld_expand_maps.cc.
  absl::StatusOr<Json> ExpandLanguageMap(const JsonLdContext& context, const JsonLdTerm& term, const Json& map);
  absl::StatusOr<Json> ExpandIndexMap(const JsonLdContextPtr& context, absl::string_view name, const JsonLdTerm& term,
                                      const Json& map);
  absl::StatusOr<JsonLdContextPtr> MapContext(const JsonLdContextPtr& context, const JsonLdTerm& term,
                                              absl::string_view index);
  absl::Status AddIndex(const JsonLdContext& context, const JsonLdTerm& term, absl::string_view index, Json* item);

  const JsonLdOptions& options_;
  JsonLdBudget* const budget_;
  JsonLdContextProcessor processor_;
  size_t dropped_ = 0;
  int depth_ = 0;
};

// Kinds of expanded objects.
inline bool IsValueObject(const Json& value) { return value.Find("@value") != nullptr; }
inline bool IsListObject(const Json& value) { return value.Find("@list") != nullptr; }
// An object with nothing but @graph, and maybe @id and @index.
bool IsGraphObject(const Json& value);
// The value in an array, unless it is one; nothing gives an empty one.
Json AsArray(Json value);
// An object of one member.
Json SingleMember(absl::string_view name, Json value);

}  // namespace mvmd

#endif  // MVMD_TWIN_JSONLD_EXPANDER_H_
