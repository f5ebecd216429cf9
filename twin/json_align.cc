#include "twin/json_align.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace mvmd {
namespace {

using Positions = absl::flat_hash_map<absl::string_view, size_t>;

// Of each id. False: see AlignById.
bool PositionsOf(const std::vector<Json>& elements, Positions* positions) {
  for (size_t i = 0; i < elements.size(); ++i) {
    const Json* const id = elements[i].Find("id");
    if (id == nullptr || !id->is_string()) return false;
    if (!positions->emplace(id->string(), i).second) return false;
  }
  return true;
}

// Indices of a longest row of growing values. The smallest last value of each length is kept, by its index.
std::vector<size_t> LongestGrowing(const std::vector<size_t>& values) {
  std::vector<size_t> last;
  std::vector<size_t> before(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const auto place =
        std::lower_bound(last.begin(), last.end(), i, [&](size_t a, size_t b) { return values[a] < values[b]; });
    before[i] = place == last.begin() ? values.size() : *(place - 1);
    if (place == last.end()) {
      last.push_back(i);
    } else {
      *place = i;
    }
  }
  std::vector<size_t> row(last.size());
  size_t at = last.empty() ? 0 : last.back();
  for (size_t i = row.size(); i-- > 0; at = before[at]) row[i] = at;
  return row;
}

// What is before the next pair that stays together, and that pair.
void AddGap(size_t from_end, size_t to_end, bool by_position, size_t* from, size_t* to,
            std::vector<JsonAlignStep>* steps) {
  while (by_position && *from < from_end && *to < to_end) steps->push_back({(*from)++, (*to)++});
  while (*from < from_end) steps->push_back({(*from)++, JsonAlignStep::kNone});
  while (*to < to_end) steps->push_back({JsonAlignStep::kNone, (*to)++});
}

// Equal elements get one number.
class Numbers {
 public:
  explicit Numbers(JsonEquality* equality) : equality_(equality) {}
  uint32_t Of(const Json& value) {
    std::vector<std::pair<const Json*, uint32_t>>& alike = by_hash_[equality_->HashOf(value)];
    for (const auto& [other, number] : alike) {
      if (*other == value) return number;
    }
    alike.emplace_back(&value, next_);
    return next_++;
  }

 private:
  JsonEquality* const equality_;
  absl::flat_hash_map<size_t, std::vector<std::pair<const Json*, uint32_t>>> by_hash_;
  uint32_t next_ = 0;
};

// Pairs of a longest common row of two rows: the table has the length of that of what is left from (i, j) on.
std::vector<std::pair<size_t, size_t>> LongestCommon(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  const size_t width = b.size() + 1;
  std::vector<uint32_t> length((a.size() + 1) * width);
  for (size_t i = a.size(); i-- > 0;) {
    for (size_t j = b.size(); j-- > 0;) {
      length[i * width + j] = a[i] == b[j] ? length[(i + 1) * width + j + 1] + 1
                                           : std::max(length[(i + 1) * width + j], length[i * width + j + 1]);
    }
  }
  std::vector<std::pair<size_t, size_t>> pairs;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i] == b[j]) {
      pairs.emplace_back(i++, j++);
    } else if (length[(i + 1) * width + j] >= length[i * width + j + 1]) {
      ++i;
    } else {
      ++j;
    }
  }
  return pairs;
}

}  // namespace

size_t JsonEquality::HashOf(const Json& value) {
  switch (value.type()) {
    case Json::Type::kNull:
      return 0;
    case Json::Type::kBool:
      return value.boolean() ? 1 : 2;
    case Json::Type::kNumber:
      return absl::HashOf(value.number());
    case Json::Type::kString:
      return absl::HashOf(value.string());
    case Json::Type::kArray:
    case Json::Type::kObject:
      break;
  }
  if (const auto found = hashes_.find(&value); found != hashes_.end()) return found->second;
  size_t hash = value.is_array() ? 3 : 4;
  if (value.is_array()) {
    for (const Json& element : value.elements()) hash = absl::HashOf(hash, HashOf(element));
  } else {
    // The order of members does not count.
    for (const auto& [name, member] : value.members()) hash += absl::HashOf(name, HashOf(member));
  }
  hashes_.emplace(&value, hash);
  return hash;
}

bool AlignById(const std::vector<Json>& from, const std::vector<Json>& to, std::vector<JsonAlignStep>* steps) {
  Positions before;
  Positions after;
  if (!PositionsOf(from, &before) || !PositionsOf(to, &after)) return false;
  // Of those that are in both, in the new order: where they were, and are.
  std::vector<size_t> old_places;
  std::vector<size_t> new_places;
  for (size_t i = 0; i < to.size(); ++i) {
    const auto found = before.find(to[i].Find("id")->string());
    if (found == before.end()) continue;
    old_places.push_back(found->second);
    new_places.push_back(i);
  }
  size_t at_from = 0;
  size_t at_to = 0;
  for (const size_t i : LongestGrowing(old_places)) {
    AddGap(old_places[i], new_places[i], /*by_position=*/false, &at_from, &at_to, steps);
    steps->push_back({at_from++, at_to++});
  }
  AddGap(from.size(), to.size(), /*by_position=*/false, &at_from, &at_to, steps);
  return true;
}

std::vector<JsonAlignStep> AlignByValue(const std::vector<Json>& from, const std::vector<Json>& to,
                                        JsonEquality* equality, size_t* pairs_left) {
  size_t begin = 0;
  size_t from_end = from.size();
  size_t to_end = to.size();
  while (begin < from_end && begin < to_end && equality->Same(from[begin], to[begin])) ++begin;
  while (from_end > begin && to_end > begin && equality->Same(from[from_end - 1], to[to_end - 1])) {
    --from_end;
    --to_end;
  }
  std::vector<JsonAlignStep> steps;
  steps.reserve(std::max(from.size(), to.size()));
  size_t at_from = 0;
  size_t at_to = 0;
  AddGap(begin, begin, /*by_position=*/true, &at_from, &at_to, &steps);
  // Division: the product may be larger than any number.
  const size_t rows = from_end - begin;
  const size_t columns = to_end - begin;
  if (rows > 0 && columns > 0 && rows <= *pairs_left / columns) {
    *pairs_left -= rows * columns;
    Numbers numbers(equality);
    std::vector<uint32_t> a;
    std::vector<uint32_t> b;
    for (size_t i = begin; i < from_end; ++i) a.push_back(numbers.Of(from[i]));
    for (size_t i = begin; i < to_end; ++i) b.push_back(numbers.Of(to[i]));
    for (const auto& [i, j] : LongestCommon(a, b)) {
      AddGap(begin + i, begin + j, /*by_position=*/true, &at_from, &at_to, &steps);
      steps.push_back({at_from++, at_to++});
    }
  }
  AddGap(from_end, to_end, /*by_position=*/true, &at_from, &at_to, &steps);
  AddGap(from.size(), to.size(), /*by_position=*/true, &at_from, &at_to, &steps);
  return steps;
}

}  // namespace mvmd
