// JSON as the twin profile needs it: I-JSON (RFC 7493) with positions, and a tree that keeps every distinction that the
// canonical form sees.
#ifndef MVMD_TWIN_JSON_H_
#define MVMD_TWIN_JSON_H_

#include <cstddef>
#include <new>
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

  Json() noexcept {}  // null
  Json(const Json& other);
  Json(Json&& other) noexcept;
  Json& operator=(const Json& other);
  Json& operator=(Json&& other) noexcept;
  ~Json() { Clear(); }
  static Json Bool(bool value);
  // `value` must be finite.
  static Json Number(double value);
  static Json String(absl::string_view value);
  static Json String(std::string&& value);
  static Json String(const char* value) { return String(absl::string_view(value)); }
  static Json Array();
  static Json Object();

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::kNull; }
  bool is_bool() const { return type_ == Type::kBool; }
  bool is_number() const { return type_ == Type::kNumber; }
  bool is_string() const { return type_ == Type::kString; }
  bool is_array() const { return type_ == Type::kArray; }
  bool is_object() const { return type_ == Type::kObject; }

  // Each needs a value of its type: anything else is undefined.
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
  void Clear() noexcept;
  // Takes the value of `other`; this must be null.
  void Steal(Json&& other) noexcept;

  Type type_ = Type::kNull;
  union {
    double number_ = 0;  // kBool too: 0 or 1
    std::string string_;
    std::vector<Json> elements_;
    std::vector<Member> members_;
  };
};

// Something that makes a text not I-JSON, as the rules DOC-01 to DOC-07 of docs/validation.md name it.
struct JsonProblem {
  std::string rule;      // "DOC-02"
  std::string pointer;   // RFC 6901
  size_t line = 0;       // from 1
  size_t column = 0;     // from 1, in bytes
  std::string message;   // what was expected and what came
  std::string property;  // the pointer as MVMD's validator writes it
};

struct JsonParseResult {
  // The tree; null value when `problems` has an error that ends validation (all but DOC-05).
  Json value;
  bool ok = false;  // no problem but DOC-05
  // In the order of the text; the same member may occur more than once.
  std::vector<JsonProblem> problems;
  // The text was read to its end, so that its root is known even where `value` is not kept.
  bool well_formed = false;
  Json::Type root_type = Json::Type::kNull;
  // There were more problems than fit into kJsonProblemBytesMax.
  bool problems_truncated = false;
};

inline constexpr int kJsonDepthMax = 128;
// What one result keeps of problems: their paths and messages. A hostile text has a problem every few bytes, each with
// a path as long as the text.
inline constexpr size_t kJsonProblemBytesMax = size_t{16} << 20;

// Reads one I-JSON text and reports every problem that can still be told: DOC-02 to DOC-05 do not end the reading,
// DOC-01 and DOC-07 do. Size is limited by the caller. DOC-06 is not told here: any value may be a text's root.
JsonParseResult ParseIJson(absl::string_view text, int depth_max = kJsonDepthMax);

// The same as a status: INVALID_ARGUMENT with the first problem's line, column and message.
absl::StatusOr<Json> ParseJson(absl::string_view text, int depth_max = kJsonDepthMax);

// RFC 6901. Null when nothing is there or the pointer is malformed.
const Json* FindPointer(const Json& root, absl::string_view pointer);
// Appends one reference token, escaped.
void AppendPointerToken(std::string* pointer, absl::string_view token);

inline Json::Json(Json&& other) noexcept { Steal(std::move(other)); }

// By way of a third: `other` may be a part of this value.
inline Json& Json::operator=(Json&& other) noexcept {
  if (this != &other) {
    Json taken(std::move(other));
    Clear();
    Steal(std::move(taken));
  }
  return *this;
}

inline void Json::Clear() noexcept {
  if (type_ == Type::kString) string_.~basic_string();
  if (type_ == Type::kArray) elements_.~vector();
  if (type_ == Type::kObject) members_.~vector();
  type_ = Type::kNull;
}

inline void Json::Steal(Json&& other) noexcept {
  switch (other.type_) {
    case Type::kNull:
      return;
    case Type::kBool:
    case Type::kNumber:
      number_ = other.number_;
      break;
    case Type::kString:
      new (&string_) std::string(std::move(other.string_));
      break;
    case Type::kArray:
      new (&elements_) std::vector<Json>(std::move(other.elements_));
      break;
    case Type::kObject:
      new (&members_) std::vector<Member>(std::move(other.members_));
      break;
  }
  type_ = other.type_;
}

}  // namespace mvmd

#endif  // MVMD_TWIN_JSON_H_
