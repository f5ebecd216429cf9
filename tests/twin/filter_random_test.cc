// Random filters over random documents against a naive evaluation of the same tree on the document as it is served
// (ApplyLive). A failure prints the filter and the document.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/twin/test_data.h"
#include "twin/canonical.h"
#include "twin/filter.h"
#include "twin/order_by.h"

namespace mvmd {
namespace {

constexpr const char* kNames[] = {"a", "b", "name", "sensors", "synchronization", "lastSynced", "id", "dateModified"};
constexpr const char* kTexts[] = {"x", "xy", "yx", "", "true", "5", "2024-03-15", "2024-03-15T12:00:00Z", "60s", "1m"};
constexpr const char* kOperators[] = {"=", "!=", "<", "<=", ">", ">=", ":"};

// A filter as a tree.
struct Tree {
  enum class Kind { kAnd, kOr, kNot, kRestriction, kText } kind;
  std::vector<std::unique_ptr<Tree>> children;
  std::vector<std::string> path;
  std::string op;
  std::string literal;
  bool is_quoted = false;
};

class Random {
 public:
  explicit Random(uint64_t seed) : random_(seed) {}

  size_t Below(size_t count) { return static_cast<size_t>(random_() % count); }
  template <size_t n>
  std::string Of(const char* const (&texts)[n]) {
    return texts[Below(n)];
  }

  Json Value(int depth) {
    switch (Below(depth > 0 ? 8 : 5)) {
      case 0:
        return Json();
      case 1:
        return Json::Bool(Below(2) == 0);
      case 2:
        return Json::Number(static_cast<double>(Below(7)));
      case 3:
      case 4:
        return Json::String(Of(kTexts));
      case 5: {
        Json array = Json::Array();
        for (size_t i = Below(3); i > 0; --i) array.Append(Value(depth - 1));
        return array;
      }
      default:
        return Object(depth - 1);
    }
  }
  Json Object(int depth) {
    Json object = Json::Object();
    for (size_t i = Below(4); i > 0; --i) object.Set(Of(kNames), Value(depth));
    return object;
  }
  Json Document() {
    Json document = Object(3);
    if (Below(3) > 0) document.Set("synchronization", Object(1));
    if (Below(3) > 0) {
      Json sensors = Json::Array();
      for (size_t i = Below(4); i > 0; --i) {
        Json sensor = Object(1);
        if (Below(4) > 0) sensor.Set("id", Json::String(Of(kNames)));
        if (Below(2) > 0) sensor.Set("currentValue", Value(0));
        sensors.Append(std::move(sensor));
      }
      document.Set("sensors", std::move(sensors));
    }
    return document;
  }
  LiveView Live() {
    LiveView live;
    for (size_t i = Below(4); i > 0; --i) {
      const SampleValue values[] = {static_cast<double>(Below(7)), Below(2) == 0, Of(kTexts)};
      live.sensors.push_back({Of(kNames), values[Below(3)], Time()});
    }
    if (Below(2) == 0) live.last_synced_unix_ns = Time();
    if (Below(2) == 0) live.connection_status = Of(kTexts);
    if (Below(2) == 0) live.latency_ms = static_cast<double>(Below(7));
    if (Below(2) == 0) live.date_modified_unix_ns = Time();
    return live;
  }
  int64_t Time() { return 1'710'504'000'000'000'000 + static_cast<int64_t>(Below(3)) * 3'600'000'000'000; }

  std::unique_ptr<Tree> Filter(int depth) {
    auto tree = std::make_unique<Tree>();
    const size_t choice = Below(depth > 0 ? 8 : 4);
    if (choice < 4) {
      tree->kind = choice == 0 && Below(4) == 0 ? Tree::Kind::kText : Tree::Kind::kRestriction;
      tree->is_quoted = Below(2) == 0;
      tree->literal = Literal(tree->is_quoted);
      // A time may stand without quotes, but not with a star.
      tree->is_quoted |= absl::StrContains(tree->literal, ":") && absl::StrContains(tree->literal, "*");
      if (tree->kind == Tree::Kind::kText) return tree;
      tree->op = Of(kOperators);
      do {
        tree->path.push_back(Below(8) == 0 ? "currentValue" : Of(kNames));
      } while (tree->path.size() < 4 && Below(2) == 0);
      return tree;
    }
    tree->kind = choice == 4 ? Tree::Kind::kNot : choice < 7 ? Tree::Kind::kAnd : Tree::Kind::kOr;
    for (size_t i = choice == 4 ? 1 : 2 + Below(2); i > 0; --i) tree->children.push_back(Filter(depth - 1));
    return tree;
  }

 private:
  std::string Literal(bool is_quoted) {
    const size_t choice = Below(8);
    if (choice < 2) return absl::StrCat(Below(7));
    if (choice == 2 && !is_quoted) return "null";
    if (choice == 3) return "*";
    std::string text = Of(kTexts);
    if (text.empty() && !is_quoted) return "x";
    if (choice == 4) text.insert(0, "*");
    if (choice == 5) text.push_back('*');
    return text;
  }

  std::mt19937_64 random_;
};

std::string TextOf(const Tree& tree, Random* random);

// In parentheses where they are needed, and at random.
std::string OperandOf(const Tree& tree, bool needs_parentheses, Random* random) {
  const std::string text = TextOf(tree, random);
  return needs_parentheses || random->Below(4) == 0 ? absl::StrCat("(", text, ")") : text;
}

std::string TextOf(const Tree& tree, Random* random) {
  const std::string literal = tree.is_quoted ? absl::StrCat("\"", tree.literal, "\"") : tree.literal;
  std::string text;
  switch (tree.kind) {
    case Tree::Kind::kText:
      return absl::StartsWith(tree.literal, "2024") ? absl::StrCat("\"", tree.literal, "\"") : literal;
    case Tree::Kind::kRestriction:
      for (const std::string& name : tree.path) {
        // A first name in quotes is never short for another path.
        const bool is_quoted = text.empty() ? false : random->Below(2) == 0;
        absl::StrAppend(&text, text.empty() ? "" : ".", is_quoted ? absl::StrCat("'", name, "'") : name);
      }
      return absl::StrCat(text, random->Below(2) == 0 ? " " : "", tree.op, random->Below(2) == 0 ? " " : "", literal);
    case Tree::Kind::kNot: {
      const Tree& child = *tree.children[0];
      const bool is_group = child.kind != Tree::Kind::kRestriction && child.kind != Tree::Kind::kText;
      return absl::StrCat(random->Below(2) == 0 ? "-" : "NOT ", OperandOf(child, is_group, random));
    }
    case Tree::Kind::kAnd:
      for (const auto& child : tree.children) {
        if (!text.empty()) absl::StrAppend(&text, random->Below(2) == 0 ? " AND " : "  ");
        absl::StrAppend(&text, OperandOf(*child, false, random));
      }
      return text;
    case Tree::Kind::kOr:
      for (const auto& child : tree.children) {
        const bool is_loose = child->kind == Tree::Kind::kAnd || child->kind == Tree::Kind::kOr;
        absl::StrAppend(&text, text.empty() ? "" : " OR ", OperandOf(*child, is_loose, random));
      }
      return text;
  }
  return text;
}

// The rules of docs/protocol.md, Filters, on a JSON tree.
class NaiveFilter {
 public:
  explicit NaiveFilter(const Json& document) : document_(document) {}

  bool Matches(const Tree& tree) const {
    const auto matches = [this](const std::unique_ptr<Tree>& child) { return Matches(*child); };
    switch (tree.kind) {
      case Tree::Kind::kAnd:
        return std::all_of(tree.children.begin(), tree.children.end(), matches);
      case Tree::Kind::kOr:
        return std::any_of(tree.children.begin(), tree.children.end(), matches);
      case Tree::Kind::kNot:
        return !Matches(*tree.children[0]);
      case Tree::Kind::kText:
        return FindsText(document_, tree);
      case Tree::Kind::kRestriction:
        break;
    }
    std::vector<std::string> path = tree.path;
    if (path[0] == "lastSynced") path.insert(path.begin(), "synchronization");
    if (path[0] == "id") path.insert(path.begin(), "identifier"), path[1] = "value";
    if (tree.op == ":") return Has(&document_, path, 0, tree);
    const Json* value = &document_;
    for (size_t i = 0; i < path.size() && value != nullptr; ++i) {
      value = i == 1 && path[0] == "sensors" && value->is_array() ? SensorOf(*value, path[1]) : value->Find(path[i]);
    }
    if (tree.op == "=") return Equals(value, tree);
    if (tree.op == "!=") return !Equals(value, tree);
    int order = 0;
    if (!Compares(value, tree, &order)) return false;
    return tree.op == "<" ? order < 0 : tree.op == "<=" ? order <= 0 : tree.op == ">" ? order > 0 : order >= 0;
  }

 private:
  static const Json* SensorOf(const Json& sensors, const std::string& id) {
    for (const Json& sensor : sensors.elements()) {
      const Json* found = sensor.Find("id");
      if (found != nullptr && *found == Json::String(id)) return &sensor;
    }
    return nullptr;
  }

  static bool IsDigits(const std::string& text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  }

  static bool IsStar(const Tree& tree) { return tree.literal == "*"; }

  // Both a kind of their own; no text of this test is anything else.
  static bool ComparesTyped(const std::string& a, const std::string& b, int* order) {
    const auto instants_a = ParseDateOrTimestamp(a);
    const auto instants_b = ParseDateOrTimestamp(b);
    if (instants_a && instants_b) {
      *order = instants_a->last_unix_ns < instants_b->first_unix_ns   ? -1
               : instants_b->last_unix_ns < instants_a->first_unix_ns ? 1
                                                                      : 0;
      return true;
    }
    const auto duration_a = ParseProfileDuration(a);
    const auto duration_b = ParseProfileDuration(b);
    if (!duration_a || !duration_b) return false;
    *order = *duration_a < *duration_b ? -1 : *duration_a > *duration_b ? 1 : 0;
    return true;
  }

  static bool Equals(const Json* value, const Tree& tree) {
    const std::string& literal = tree.literal;
    if (value == nullptr || value->is_null()) return literal == "null" && !tree.is_quoted;
    if (value->is_bool()) return literal == (value->boolean() ? "true" : "false");
    if (value->is_number()) return IsDigits(literal) && std::stod(literal) == value->number();
    if (value->is_object()) {
      const Json* name = value->Find("name");
      return name != nullptr && name->is_string() && Equals(name, tree);
    }
    if (value->is_array()) return false;
    const std::string& text = value->string();
    const bool begins = !literal.empty() && literal.front() == '*';
    const bool ends = !literal.empty() && literal.back() == '*';
    if (IsStar(tree)) return true;
    if (begins) return absl::EndsWith(text, literal.substr(1));
    if (ends) return absl::StartsWith(text, literal.substr(0, literal.size() - 1));
    int order = 0;
    return text == literal || (ComparesTyped(text, literal, &order) && order == 0);
  }

  static bool Compares(const Json* value, const Tree& tree, int* order) {
    if (value == nullptr) return false;
    if (value->is_number()) {
      if (!IsDigits(tree.literal)) return false;
      const double number = std::stod(tree.literal);
      *order = value->number() < number ? -1 : value->number() > number ? 1 : 0;
      return true;
    }
    if (value->is_object()) {
      const Json* name = value->Find("name");
      return name != nullptr && name->is_string() && Compares(name, tree, order);
    }
    if (!value->is_string()) return false;
    if (ComparesTyped(value->string(), tree.literal, order)) return true;
    if (IsDigits(tree.literal) && !tree.is_quoted) return false;
    *order = value->string().compare(tree.literal);
    return true;
  }

  bool Has(const Json* value, const std::vector<std::string>& path, size_t index, const Tree& tree) const {
    if (value == nullptr || value->is_null()) return false;
    if (index == path.size()) return HasValue(*value, tree);
    if (!value->is_array()) return Has(value->Find(path[index]), path, index + 1, tree);
    if (value == document_.Find("sensors") && Has(SensorOf(*value, path[index]), path, index + 1, tree)) return true;
    return std::any_of(value->elements().begin(), value->elements().end(),
                       [&](const Json& element) { return Has(&element, path, index, tree); });
  }

  bool HasValue(const Json& value, const Tree& tree) const {
    if (value.is_null()) return false;
    if (value.is_array()) {
      return std::any_of(value.elements().begin(), value.elements().end(), [&](const Json& element) {
        const Json* sensors = document_.Find("sensors");
        const bool is_sensor = &value == sensors && element.is_object();
        const Json* id = is_sensor ? element.Find("id") : nullptr;
        return HasValue(element, tree) || (id != nullptr && id->is_string() && Equals(id, tree));
      });
    }
    if (IsStar(tree)) return true;
    if (Equals(&value, tree)) return true;
    const Json* member = value.Find(tree.literal);
    return member != nullptr && !member->is_null();
  }

  static bool FindsText(const Json& value, const Tree& tree) {
    if (value.is_null()) return false;
    if (value.is_array()) {
      return std::any_of(value.elements().begin(), value.elements().end(),
                         [&](const Json& element) { return FindsText(element, tree); });
    }
    if (value.is_object()) {
      return std::any_of(value.members().begin(), value.members().end(), [&](const Json::Member& member) {
        return member.first != "@context" && FindsText(member.second, tree);
      });
    }
    if (!value.is_string()) return IsStar(tree) || Equals(&value, tree);
    std::string stem = tree.literal;
    if (!stem.empty() && stem.front() == '*') stem.erase(0, 1);
    if (!stem.empty() && stem.back() == '*') stem.pop_back();
    return absl::StrContains(absl::AsciiStrToLower(value.string()), absl::AsciiStrToLower(stem));
  }

  const Json& document_;
};

TEST(FilterRandomTest, IsWhatANaiveEvaluationSays) {
  size_t matched = 0;
  constexpr uint64_t kRuns = 40000;
  for (uint64_t seed = 1; seed <= kRuns; ++seed) {
    Random random(seed);
    const std::unique_ptr<Tree> tree = random.Filter(3);
    const std::string text = TextOf(*tree, &random);
    const absl::StatusOr<Filter> filter = Filter::Parse(text);
    if (!filter.ok() && absl::StrContains(filter.status().message(), "at most 8 values without a path")) continue;
    ASSERT_TRUE(filter.ok()) << text << ": " << filter.status() << ", seed " << seed;
    const Json definition = random.Document();
    const LiveView live = random.Live();
    const Json served = ApplyLive(definition, live);
    const bool expected = NaiveFilter(served).Matches(*tree);
    matched += expected ? 1 : 0;
    ASSERT_EQ(filter->Matches(ServedValue(definition, live)), expected) << text << "\n"
                                                                        << Canonicalize(served) << "\nseed " << seed;
  }
  EXPECT_GT(matched, kRuns / 5);
  EXPECT_LT(matched, kRuns * 4 / 5);
}

// Whatever the bytes are, parsing ends and evaluating what was parsed does too.
TEST(FilterRandomTest, SurvivesBrokenTexts) {
  const Json definition = ParseProfile("twin-complete.jsonld");
  size_t parsed = 0;
  for (uint64_t seed = 1; seed <= 20000; ++seed) {
    Random random(seed);
    std::string text = TextOf(*random.Filter(3), &random);
    for (size_t i = 1 + random.Below(3); i > 0 && !text.empty(); --i) {
      constexpr const char* kParts[] = {"(", ")", "\"", "'",    "\\",   " AND ", " OR ", "NOT ",    "-", ".",
                                        ":", "=", "*",  "\xc3", "\xa9", ",",     "!",    "\\u00e9", ""};
      text.replace(random.Below(text.size()), random.Below(3), random.Of(kParts));
    }
    const absl::StatusOr<Filter> filter = Filter::Parse(text);
    if (!filter.ok()) continue;
    ++parsed;
    filter->Matches(ServedValue(definition, LiveView()));
  }
  EXPECT_GT(parsed, 1000u);
}

}  // namespace
}  // namespace mvmd
