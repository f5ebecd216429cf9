// JSON as the twin profile needs it: I-JSON (RFC 7493) with positions, and a tree that keeps every distinction that the
// canonical form sees.
#ifndef MVMD_TWIN_JSON_H_
#define MVMD_TWIN_JSON_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mvmd {

// One JSON value, by value: copying copies the tree. Members keep the order in which they were read or added; names are
// unique. Thread-compatible.
//
//   absl::StatusOr<Json> document = ParseJson(text);
//   const Json* unit = document->Find("sensors") ... ;
class Json {
 public:
  enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };
  using Member = std::pair<std::string, Json>;

  Json() = default;  // null
  static Json Bool(bool value);
  // `value` must be finite.
  static Json Number(double value);
  static Json String(absl::string_view value);
  static Json Array();
  static Json Object();

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::kNull; }
  bool is_bool() const { return type_ == Type::kBool; }
  bool is_number() const { return type_ == Type::kNumber; }
  bool is_string() const { return type_ == Type::kString; }
  bool is_array() const { return type_ == Type::kArray; }
  bool is_object() const { return type_ == Type::kObject; }

  // Each needs a value of its type.
  bool boolean() const { return number_ != 0; }
  double number() const { return number_; }
  const std::string& string() const { return string_; }
  const std::vector<Json>& elements() const { return elements_; }
  std::vector<Json>& elements() { return elements_; }
  const std::vector<Member>& members() const { return members_; }
  std::vector<Member>& members() { return members_; }

  // Member of an object, or null when there is none or this is no object.
  const Json* Find(absl::string_view name) const;
  Json* Find(absl::string_view name);
  // Replaces or appends a member; this must be an object. Returns the member's value.
  Json& Set(absl::string_view name, Json value);
  // Removes a member; false when there is none.
  bool Remove(absl::string_view name);
  // Appends to an array; returns the element.
  Json& Append(Json value);

  // Same value: member order does not count, array order does; numbers by value (-0 equals 0).
  friend bool operator==(const Json& a, const Json& b);
  friend bool operator!=(const Json& a, const Json& b) { return !(a == b); }

 private:
  Type type_ = Type::kNull;
  double number_ = 0;
  std::string string_;
  std::vector<Json> elements_;
  std::vector<Member> members_;
};

// Something that makes a text not I-JSON, as the rules DOC-01 to DOC-07 of docs/validation.md name it.
struct JsonProblem {
  std::string rule;     // "DOC-02"
  std::string pointer;  // RFC 6901
  size_t line = 0;      // from 1
  size_t column = 0;    // from 1, in bytes
  std::string message;  // what was expected and what came
};

struct JsonParseResult {
  // The tree; null value when `problems` has an error that ends validation (all but DOC-05).
  Json value;
  bool ok = false;  // no problem but DOC-05
  std::vector<JsonProblem> problems;
};

// Reads one I-JSON text and reports every problem that can still be told. Depth is limited to 128, size by the caller.
JsonParseResult ParseIJson(absl::string_view text);

// The same as a status: INVALID_ARGUMENT with the first problem's line, column and message.
absl::StatusOr<Json> ParseJson(absl::string_view text);

// RFC 6901. Null when nothing is there or the pointer is malformed.
const Json* FindPointer(const Json& root, absl::string_view pointer);
// Appends one reference token, escaped.
void AppendPointerToken(std::string* pointer, absl::string_view token);

}  // namespace mvmd

#endif  // MVMD_TWIN_JSON_H_
