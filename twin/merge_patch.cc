// RFC 7396 with sensors by id, and the composition of patches. An overlay is read into edits; a patch amends them. An
// edit that replaces something by an object is what JSON cannot say in one patch, so that it is written as two: clear,
// then merge.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "twin/document.h"
#include "twin/value_kinds.h"

namespace mvmd {
namespace {

// What a value is in the document: only the root and its sensors are special.
enum class Role { kRoot, kSensors, kOther };

Role RoleOfMember(Role parent, absl::string_view name) {
  return parent == Role::kRoot && name == "sensors" ? Role::kSensors : Role::kOther;
}

const std::string& IdOf(const Json& sensor) { return sensor.Find("id")->string(); }

// An array of objects that all have a text `id`.
bool IsSensorList(const Json& value) {
  if (!value.is_array()) return false;
  return std::all_of(value.elements().begin(), value.elements().end(), [](const Json& element) {
    const Json* id = element.Find("id");
    return id != nullptr && id->is_string() && HasText(id->string());
  });
}

// Positions of an object's members by name. The object outlives it and does not change.
class MemberIndex {
 public:
  explicit MemberIndex(const Json& object) : object_(object) {
    constexpr size_t kSmallObject = 16;
    if (object.members().size() <= kSmallObject) return;
    for (size_t i = 0; i < object.members().size(); ++i) positions_.emplace(object.members()[i].first, i);
  }

  // The number of members when there is none of that name.
  size_t Find(absl::string_view name) const {
    const std::vector<Json::Member>& members = object_.members();
    if (!positions_.empty()) {
      const auto found = positions_.find(name);
      return found == positions_.end() ? members.size() : found->second;
    }
    const auto found = std::find_if(members.begin(), members.end(), [&](const auto& m) { return m.first == name; });
    return static_cast<size_t>(found - members.begin());
  }

 private:
  const Json& object_;
  absl::flat_hash_map<absl::string_view, size_t> positions_;
};

Json Merge(const Json& target, const Json& patch, Role role);

Json MergeObject(const Json& target, const Json& patch, Role role) {
  Json merged = Json::Object();
  const MemberIndex index(patch);
  std::vector<bool> used(patch.members().size());
  if (target.is_object()) {
    for (const auto& [name, value] : target.members()) {
      const size_t at = index.Find(name);
      if (at == used.size()) {
        merged.members().emplace_back(name, value);
        continue;
      }
      used[at] = true;
      const Json& change = patch.members()[at].second;
      if (!change.is_null()) merged.members().emplace_back(name, Merge(value, change, RoleOfMember(role, name)));
    }
  }
  for (size_t i = 0; i < used.size(); ++i) {
    const auto& [name, value] = patch.members()[i];
    if (used[i] || value.is_null()) continue;
    merged.members().emplace_back(name, Merge(Json(), value, RoleOfMember(role, name)));
  }
  return merged;
}

Json MergeSensors(const Json& target, const Json& patch) {
  Json merged = IsSensorList(target) ? target : Json::Array();
  absl::flat_hash_map<std::string, size_t> positions;
  for (size_t i = 0; i < merged.elements().size(); ++i) positions.emplace(IdOf(merged.elements()[i]), i);
  for (const Json& sensor : patch.elements()) {
    const auto [position, is_new] = positions.emplace(IdOf(sensor), merged.elements().size());
    if (is_new) merged.Append(Json::Object());
    Json& element = merged.elements()[position->second];
    element = MergeObject(element, sensor, Role::kOther);
  }
  return merged;
}

Json Merge(const Json& target, const Json& patch, Role role) {
  if (role == Role::kSensors && IsSensorList(patch)) return MergeSensors(target, patch);
  return patch.is_object() ? MergeObject(target, patch, role) : patch;
}

// What an overlay does to one value.
class Edit {
 public:
  // Makes this edit followed by `patch` one edit.
  void Amend(const Json& patch, Role role) {
    if (role == Role::kRoot && patch.is_array()) {
      for (const Json& part : patch.elements()) Amend(part, role);
    } else if (role == Role::kSensors && IsSensorList(patch)) {
      AmendSensors(patch);
    } else if (patch.is_object()) {
      AmendObject(patch, role);
    } else {
      // The null of a patch deletes; that of the root replaces: both leave null behind for what comes after.
      Replace(patch);
    }
  }

  bool is_keep() const { return kind_ == Kind::kKeep; }

  // Whether the value has to be cleared before a patch can give it its new value: the patch would merge into the old
  // one.
  bool NeedsClear(Role role) const {
    if (kind_ == Kind::kReplace) return value_.is_object() || (role == Role::kSensors && IsSensorList(value_));
    return std::any_of(children_.begin(), children_.end(),
                       [&](const Child& child) { return child.second.NeedsClear(RoleOfChild(role, child.first)); });
  }

  // The patch that clears. Sensors are all named, so that the new ones are appended in the right order.
  Json ToClearPatch(Role role) const {
    if (kind_ == Kind::kReplace) return Json();
    if (kind_ == Kind::kMergeSensors) {
      Json sensors = Json::Array();
      for (const auto& [id, edit] : children_) {
        Json& sensor = sensors.Append(edit.ToClearPatch(Role::kOther));
        sensor.Set("id", Json::String(id));
      }
      return sensors;
    }
    Json patch = Json::Object();
    for (const auto& [name, edit] : children_) {
      const Role child_role = RoleOfMember(role, name);
      if (edit.NeedsClear(child_role)) patch.members().emplace_back(name, edit.ToClearPatch(child_role));
    }
    return patch;
  }

  // The patch that does the rest.
  Json ToPatch() const {
    if (kind_ == Kind::kReplace) return value_;
    if (kind_ == Kind::kMergeSensors) {
      Json sensors = Json::Array();
      for (const Child& child : children_) sensors.Append(child.second.ToPatch());
      return sensors;
    }
    Json patch = Json::Object();
    for (const auto& [name, edit] : children_) patch.members().emplace_back(name, edit.ToPatch());
    return patch;
  }

 private:
  enum class Kind {
    kKeep,          // does nothing
    kReplace,       // whatever was there becomes value_; null: there is nothing any more
    kMerge,         // children_ by member name
    kMergeSensors,  // children_ by sensor id, in order
  };
  using Child = std::pair<std::string, Edit>;

  Role RoleOfChild(Role role, absl::string_view name) const {
    return kind_ == Kind::kMerge ? RoleOfMember(role, name) : Role::kOther;
  }

  void Replace(Json value) {
    kind_ = Kind::kReplace;
    value_ = std::move(value);
    children_.clear();
    positions_.clear();
  }

  void AmendObject(const Json& patch, Role role) {
    if (kind_ == Kind::kKeep) kind_ = Kind::kMerge;
    if (kind_ != Kind::kMerge) return Replace(MergeObject(value_, patch, role));
    for (const auto& [name, value] : patch.members()) ChildOf(name)->Amend(value, RoleOfMember(role, name));
  }

  void AmendSensors(const Json& patch) {
    if (kind_ == Kind::kKeep) kind_ = Kind::kMergeSensors;
    if (kind_ != Kind::kMergeSensors) return Replace(MergeSensors(value_, patch));
    for (const Json& sensor : patch.elements()) ChildOf(IdOf(sensor))->Amend(sensor, Role::kOther);
  }

  Edit* ChildOf(const std::string& name) {
    const auto [position, is_new] = positions_.emplace(name, children_.size());
    if (is_new) children_.emplace_back(name, Edit());
    return &children_[position->second].second;
  }

  Kind kind_ = Kind::kKeep;
  Json value_;  // null but for kReplace: what merges into another kind of edit finds no old value
  std::vector<Child> children_;
  absl::flat_hash_map<std::string, size_t> positions_;
};

}  // namespace

Json MergePatch(const Json& target, const Json& patch) {
  if (!patch.is_array()) return Merge(target, patch, Role::kRoot);
  Json merged = target;
  for (const Json& part : patch.elements()) merged = MergePatch(merged, part);
  return merged;
}

Json ComposeOverlay(const Json& overlay, const Json& patch) {
  Edit edit;
  edit.Amend(overlay, Role::kRoot);
  edit.Amend(patch, Role::kRoot);
  if (edit.is_keep()) return Json::Array();
  if (!edit.NeedsClear(Role::kRoot)) return edit.ToPatch();
  Json series = Json::Array();
  series.Append(edit.ToClearPatch(Role::kRoot));
  series.Append(edit.ToPatch());
  return series;
}

}  // namespace mvmd
