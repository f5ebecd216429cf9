#include "twin/json.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

#include "absl/strings/ascii.h"

namespace mvmd {
namespace {

// From here on a sorted index beats looking each name up.
constexpr size_t kSmallObject = 16;

// Positions of `members` in the order of their names.
std::vector<size_t> OrderByName(const std::vector<Json::Member>& members) {
  std::vector<size_t> order(members.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return members[a].first < members[b].first; });
  return order;
}

bool SameMembers(const Json& a, const Json& b) {
  if (a.members().size() != b.members().size()) return false;
  if (a.members().size() <= kSmallObject) {
    return std::all_of(a.members().begin(), a.members().end(), [&](const Json::Member& member) {
      const Json* other = b.Find(member.first);
      return other != nullptr && *other == member.second;
    });
  }
  const std::vector<size_t> order_a = OrderByName(a.members());
  const std::vector<size_t> order_b = OrderByName(b.members());
  for (size_t i = 0; i < order_a.size(); ++i) {
    if (a.members()[order_a[i]] != b.members()[order_b[i]]) return false;
  }
  return true;
}

// RFC 6901, section 4: no sign, no leading zero. Nothing for `-`, which names no element that is there.
bool ParseIndex(absl::string_view token, size_t* index) {
  if (token.empty() || token.size() > 9 || (token.size() > 1 && token[0] == '0')) return false;
  *index = 0;
  for (char c : token) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return false;
    *index = *index * 10 + static_cast<size_t>(c - '0');
  }
  return true;
}

// False when a tilde is not followed by 0 or 1.
bool UnescapeToken(absl::string_view token, std::string* name) {
  name->clear();
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '~') {
      name->push_back(token[i]);
      continue;
    }
    if (++i == token.size() || (token[i] != '0' && token[i] != '1')) return false;
    name->push_back(token[i] == '0' ? '~' : '/');
  }
  return true;
}

}  // namespace

Json Json::Bool(bool value) {
  Json json;
  json.type_ = Type::kBool;
  json.number_ = value ? 1 : 0;
  return json;
}

Json Json::Number(double value) {
  assert(std::isfinite(value));
  Json json;
  json.type_ = Type::kNumber;
  json.number_ = value;
  return json;
}

Json Json::String(absl::string_view value) {
  Json json;
  new (&json.string_) std::string(value.data(), value.size());
  json.type_ = Type::kString;
  return json;
}

Json Json::String(std::string&& value) {
  Json json;
  new (&json.string_) std::string(std::move(value));
  json.type_ = Type::kString;
  return json;
}

Json Json::Array() {
  Json json;
  new (&json.elements_) std::vector<Json>();
  json.type_ = Type::kArray;
  return json;
}

Json Json::Object() {
  Json json;
  new (&json.members_) std::vector<Member>();
  json.type_ = Type::kObject;
  return json;
}

Json::Json(const Json& other) {
  switch (other.type_) {
    case Type::kNull:
      return;
    case Type::kBool:
    case Type::kNumber:
      number_ = other.number_;
      break;
    case Type::kString:
      new (&string_) std::string(other.string_);
      break;
    case Type::kArray:
      new (&elements_) std::vector<Json>(other.elements_);
      break;
    case Type::kObject:
      new (&members_) std::vector<Member>(other.members_);
      break;
  }
  type_ = other.type_;
}

// By way of a copy: `other` may be a part of this value.
Json& Json::operator=(const Json& other) {
  if (this != &other) *this = Json(other);
  return *this;
}

const Json* Json::Find(absl::string_view name) const {
  if (!is_object()) return nullptr;
  for (const Member& member : members_) {
    if (member.first == name) return &member.second;
  }
  return nullptr;
}

Json* Json::Find(absl::string_view name) { return const_cast<Json*>(static_cast<const Json*>(this)->Find(name)); }

Json& Json::Set(absl::string_view name, Json value) {
  assert(is_object());
  if (Json* found = Find(name); found != nullptr) return *found = std::move(value);
  members_.emplace_back(std::string(name), std::move(value));
  return members_.back().second;
}

bool Json::Remove(absl::string_view name) {
  if (!is_object()) return false;
  auto found =
      std::find_if(members_.begin(), members_.end(), [&](const Member& member) { return member.first == name; });
  if (found == members_.end()) return false;
  members_.erase(found);
  return true;
}

Json& Json::Append(Json value) {
  assert(is_array());
  elements_.push_back(std::move(value));
  return elements_.back();
}

bool operator==(const Json& a, const Json& b) {
  if (a.type_ != b.type_) return false;
  switch (a.type_) {
    case Json::Type::kNull:
      return true;
    case Json::Type::kBool:
    case Json::Type::kNumber:
      return a.number_ == b.number_;
    case Json::Type::kString:
      return a.string_ == b.string_;
    case Json::Type::kArray:
      return a.elements_ == b.elements_;
    case Json::Type::kObject:
      return SameMembers(a, b);
  }
  return false;
}

const Json* FindPointer(const Json& root, absl::string_view pointer) {
  const Json* value = &root;
  std::string name;
  while (!pointer.empty() && value != nullptr) {
    if (pointer[0] != '/') return nullptr;
    pointer.remove_prefix(1);
    const absl::string_view token = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(token.size());
    if (!UnescapeToken(token, &name)) return nullptr;
    if (value->is_array()) {
      size_t index = 0;
      if (!ParseIndex(name, &index) || index >= value->elements().size()) return nullptr;
      value = &value->elements()[index];
    } else {
      value = value->Find(name);
    }
  }
  return value;
}

void AppendPointerToken(std::string* pointer, absl::string_view token) {
  pointer->push_back('/');
  for (char c : token) {
    if (c == '~') {
      pointer->append("~0");
    } else if (c == '/') {
      pointer->append("~1");
    } else {
      pointer->push_back(c);
    }
  }
}

}  // namespace mvmd
