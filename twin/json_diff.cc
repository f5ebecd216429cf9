// The documents are gone through side by side. Operations are written in the order in which they are applied: when one
// is written, everything before its place is already as in the new document. So its path has the indices of the new
// document, and only what is removed is elsewhere in the old one.
#include "twin/json_diff.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "twin/canonical.h"
#include "twin/json_align.h"

namespace mvmd {
namespace {

using absl::string_view;

constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();
// Changes of a value may take so much more room than the value.
constexpr size_t kRoomFactor = 2;
constexpr size_t kRoomBytes = 4096;

// At least so many bytes of C1, counted once for each array and object.
class Sizes {
 public:
  size_t Of(const Json& value) {
    switch (value.type()) {
      case Json::Type::kNull:
      case Json::Type::kBool:
        return 4;
      case Json::Type::kNumber:
        return 1;
      case Json::Type::kString:
        return value.string().size() + 2;
      case Json::Type::kArray:
      case Json::Type::kObject:
        break;
    }
    if (const auto found = sizes_.find(&value); found != sizes_.end()) return found->second;
    size_t size = 2;
    if (value.is_array()) {
      for (const Json& element : value.elements()) size += Of(element) + 1;
    } else {
      for (const auto& [name, member] : value.members()) size += name.size() + 4 + Of(member);
    }
    sizes_.emplace(&value, size);
    return size;
  }

 private:
  absl::flat_hash_map<const Json*, size_t> sizes_;
};

std::vector<const Json::Member*> SortedMembers(const Json& object) {
  std::vector<const Json::Member*> members;
  members.reserve(object.members().size());
  for (const Json::Member& member : object.members()) members.push_back(&member);
  std::sort(members.begin(), members.end(),
            [](const Json::Member* a, const Json::Member* b) { return CompareCanonicalNames(a->first, b->first) < 0; });
  return members;
}

// One step further along a path, for as long as it lives.
class Step {
 public:
  Step(std::string* pointer, string_view token) : pointer_(pointer), size_(pointer->size()) {
    AppendPointerToken(pointer, token);
  }
  Step(std::string* pointer, size_t index) : pointer_(pointer), size_(pointer->size()) {
    absl::StrAppend(pointer, "/", index);
  }
  ~Step() { pointer_->resize(size_); }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

 private:
  std::string* const pointer_;
  const size_t size_;
};

class Differ {
 public:
  explicit Differ(const JsonDiffLimits& limits) : limits_(limits), pairs_left_(limits.pairs_max) {}

  JsonDiff Run(const Json& from, const Json& to) && {
    diff_.patch = "[";
    if (!equality_.Same(from, to)) Compare(from, to, kNoLimit);
    if (diff_.patch.size() > 1) diff_.patch.pop_back();  // the last comma
    diff_.patch.push_back(']');
    return std::move(diff_);
  }

 private:
  // All of these are false when the patch would be longer than `limit`; what they wrote is to be taken back then.

  // Values that are not the same.
  bool Compare(const Json& from, const Json& to, size_t limit) {
    const bool are_objects = from.is_object() && to.is_object();
    if (!are_objects && !(from.is_array() && to.is_array())) return Replace(from, to, limit);
    const size_t patch_bytes = diff_.patch.size();
    const size_t changes = diff_.changes.size();
    const size_t pointer_bytes = pointer_bytes_;
    const bool truncated = diff_.changes_truncated;
    const size_t room = patch_bytes + kRoomFactor * (sizes_.Of(to) + to_pointer_.size()) + kRoomBytes;
    const size_t room_or_limit = std::min(room, limit);
    if (are_objects ? CompareMembers(from, to, room_or_limit) : CompareElements(from, to, room_or_limit)) return true;
    diff_.patch.resize(patch_bytes);
    diff_.changes.resize(changes);
    pointer_bytes_ = pointer_bytes;
    diff_.changes_truncated = truncated;
    return Replace(from, to, limit);
  }

  bool CompareMembers(const Json& from, const Json& to, size_t limit) {
    const std::vector<const Json::Member*> before = SortedMembers(from);
    const std::vector<const Json::Member*> after = SortedMembers(to);
    for (size_t i = 0, j = 0; i < before.size() || j < after.size();) {
      const int order = i == before.size()  ? 1
                        : j == after.size() ? -1
                                            : CompareCanonicalNames(before[i]->first, after[j]->first);
      const string_view name = order <= 0 ? before[i]->first : after[j]->first;
      const Step from_step(&from_pointer_, name);
      const Step to_step(&to_pointer_, name);
      bool fits = true;
      if (order < 0) {
        fits = Remove(before[i]->second, limit);
      } else if (order > 0) {
        fits = Add(after[j]->second, limit);
      } else if (!equality_.Same(before[i]->second, after[j]->second)) {
        fits = Compare(before[i]->second, after[j]->second, limit);
      }
      if (!fits) return false;
      if (order <= 0) ++i;
      if (order >= 0) ++j;
    }
    return true;
  }

  bool CompareElements(const Json& from, const Json& to, size_t limit) {
    const std::vector<Json>& before = from.elements();
    const std::vector<Json>& after = to.elements();
    std::vector<JsonAlignStep> steps;
    const bool are_sensors = to_pointer_ == "/sensors" && AlignById(before, after, &steps);
    if (!are_sensors) steps = AlignByValue(before, after, &equality_, &pairs_left_);
    size_t at = 0;  // everything before it is as in `to`
    for (const JsonAlignStep& step : steps) {
      const bool is_gone = step.to == JsonAlignStep::kNone;
      const bool is_new = step.from == JsonAlignStep::kNone;
      const Step from_step(&from_pointer_, is_new ? at : step.from);
      const Step to_step(&to_pointer_, at);
      bool fits = true;
      if (is_gone) {
        fits = Remove(before[step.from], limit);
      } else if (is_new) {
        fits = Add(after[step.to], limit);
      } else if (!equality_.Same(before[step.from], after[step.to])) {
        fits = Compare(before[step.from], after[step.to], limit);
      }
      if (!fits) return false;
      if (!is_gone) ++at;
    }
    return true;
  }

  bool Remove(const Json& before, size_t limit) {
    AddChange(from_pointer_, &before, nullptr);
    return Write("remove", nullptr, limit);
  }
  bool Add(const Json& after, size_t limit) {
    AddChange(to_pointer_, nullptr, &after);
    return Write("add", &after, limit);
  }
  bool Replace(const Json& before, const Json& after, size_t limit) {
    AddChange(to_pointer_, &before, &after);
    return Write("replace", &after, limit);
  }

  bool Write(string_view op, const Json* value, size_t limit) {
    std::string& patch = diff_.patch;
    if (value != nullptr && limit != kNoLimit && patch.size() + sizes_.Of(*value) > limit) return false;
    absl::StrAppend(&patch, "{\"op\":\"", op, "\",\"path\":");
    AppendCanonicalString(to_pointer_, &patch);
    if (value != nullptr) {
      patch.append(",\"value\":");
      AppendCanonical(*value, &patch);
    }
    patch.append("},");
    return patch.size() <= limit;
  }

  void AddChange(const std::string& pointer, const Json* before, const Json* after) {
    if (diff_.changes.size() >= limits_.changes_max || pointer_bytes_ + pointer.size() > limits_.pointer_bytes_max) {
      diff_.changes_truncated = true;
    }
    if (diff_.changes_truncated) return;
    pointer_bytes_ += pointer.size();
    diff_.changes.push_back({pointer, before, after});
  }

  const JsonDiffLimits limits_;
  size_t pairs_left_;
  JsonEquality equality_;
  Sizes sizes_;
  std::string from_pointer_;
  std::string to_pointer_;
  JsonDiff diff_;
  size_t pointer_bytes_ = 0;
};

}  // namespace

JsonDiff DiffJson(const Json& from, const Json& to, const JsonDiffLimits& limits) {
  return Differ(limits).Run(from, to);
}

}  // namespace mvmd
