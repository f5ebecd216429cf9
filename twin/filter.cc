#include "twin/filter.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"

namespace mvmd {
namespace {

using Kind = ServedValue::Kind;

// -1, 0, 1. A day holds every instant of itself, so that none of them is before or after it.
int CompareInstants(const InstantRange& a, const InstantRange& b) {
  if (a.IsCertainlyBefore(b)) return -1;
  return b.IsCertainlyBefore(a) ? 1 : 0;
}

int CompareNumbers(double a, double b) { return a < b ? -1 : a > b ? 1 : 0; }

// As what both of them are; nothing when they are only texts.
std::optional<int> CompareTyped(absl::string_view text, const FilterLiteral& literal) {
  if (literal.instants.has_value()) {
    const std::optional<InstantRange> instants = ParseDateOrTimestamp(text);
    if (instants.has_value()) return CompareInstants(*instants, *literal.instants);
  }
  if (literal.duration_picoseconds.has_value()) {
    const std::optional<absl::int128> picoseconds = ParseDurationPicoseconds(text);
    if (!picoseconds.has_value()) return std::nullopt;
    return *picoseconds < *literal.duration_picoseconds ? -1 : *picoseconds > *literal.duration_picoseconds ? 1 : 0;
  }
  return std::nullopt;
}

bool EqualsText(absl::string_view text, const FilterLiteral& literal) {
  if (literal.any_prefix && literal.any_suffix) return absl::StrContains(text, literal.stem);
  if (literal.any_prefix) return absl::EndsWith(text, literal.stem);
  if (literal.any_suffix) return absl::StartsWith(text, literal.stem);
  if (text == literal.text) return true;
  const std::optional<int> order = CompareTyped(text, literal);
  return order.has_value() && *order == 0;
}

// A live time is a text in the document: with what is no time it compares as such.
std::string TextOf(const ServedValue& time) { return FormatTimestamp(time.time_unix_ns()); }

InstantRange InstantOf(const ServedValue& time) { return {time.time_unix_ns(), time.time_unix_ns()}; }

bool Equals(const ServedValue& value, const FilterLiteral& literal) {
  switch (value.kind()) {
    case Kind::kMissing:
      return literal.is_null;
    case Kind::kBool:
      return literal.boolean.has_value() && *literal.boolean == value.boolean();
    case Kind::kNumber:
      return literal.number.has_value() && *literal.number == value.number();
    case Kind::kText:
      return EqualsText(value.text(), literal);
    case Kind::kTime:
      if (literal.instants.has_value()) return CompareInstants(InstantOf(value), *literal.instants) == 0;
      return EqualsText(TextOf(value), literal);
    case Kind::kObject: {
      const ServedValue name = value.Member("name");
      return name.kind() == Kind::kText && EqualsText(name.text(), literal);
    }
    case Kind::kArray:
      return false;
  }
  return false;
}

std::optional<int> OrderText(absl::string_view text, const FilterLiteral& literal) {
  if (const std::optional<int> typed = CompareTyped(text, literal)) return typed;
  // `a < 42`: only numbers are below 42.
  if (literal.number.has_value() && !literal.is_quoted) return std::nullopt;
  return text.compare(literal.text);
}

// Nothing when they have no order.
std::optional<int> Order(const ServedValue& value, const FilterLiteral& literal) {
  switch (value.kind()) {
    case Kind::kNumber:
      if (!literal.number.has_value()) return std::nullopt;
      return CompareNumbers(value.number(), *literal.number);
    case Kind::kText:
      return OrderText(value.text(), literal);
    case Kind::kTime:
      if (literal.instants.has_value()) return CompareInstants(InstantOf(value), *literal.instants);
      return OrderText(TextOf(value), literal);
    case Kind::kObject: {
      const ServedValue name = value.Member("name");
      return name.kind() == Kind::kText ? Order(name, literal) : std::nullopt;
    }
    case Kind::kMissing:
    case Kind::kBool:
    case Kind::kArray:
      return std::nullopt;
  }
  return std::nullopt;
}

bool Has(const ServedValue& value, const FilterLiteral& literal) {
  switch (value.kind()) {
    case Kind::kMissing:
      return false;
    case Kind::kArray:
      return value.AnyElement([&literal](const ServedValue& element) { return Has(element, literal); });
    case Kind::kObject:
      if (literal.is_star || !value.Member(literal.text).is_missing() || Equals(value, literal)) return true;
      // `sensors` has its elements by their ids.
      if (const ServedValue id = value.Member("id"); value.is_sensor() && id.kind() == Kind::kText) {
        return EqualsText(id.text(), literal);
      }
      return false;
    case Kind::kBool:
    case Kind::kNumber:
    case Kind::kText:
    case Kind::kTime:
      return literal.is_star || Equals(value, literal);
  }
  return false;
}

// Anywhere in `value`.
bool HasText(const ServedValue& value, const FilterLiteral& literal, const TextSearch& search) {
  switch (value.kind()) {
    case Kind::kMissing:
      return false;
    case Kind::kBool:
    case Kind::kNumber:
      return literal.is_star || Equals(value, literal);
    case Kind::kText:
      return search.IsIn(value.text());
    case Kind::kTime:
      return search.IsIn(TextOf(value));
    case Kind::kArray:
      return value.AnyElement([&](const ServedValue& element) { return HasText(element, literal, search); });
    case Kind::kObject:
      return value.AnyMember([&](absl::string_view name, const ServedValue& member) {
        return name != "@context" && HasText(member, literal, search);
      });
  }
  return false;
}

}  // namespace

bool Filter::Matches(const ServedValue& document) const {
  return nodes_.empty() || MatchesNode(nodes_.size() - 1, document);
}

bool Filter::MatchesNode(size_t index, const ServedValue& document) const {
  const Node& node = nodes_[index];
  const auto matches = [&](size_t child) { return MatchesNode(child, document); };
  switch (node.kind) {
    case Kind::kAnd:
      return std::all_of(node.children.begin(), node.children.end(), matches);
    case Kind::kOr:
      return std::any_of(node.children.begin(), node.children.end(), matches);
    case Kind::kNot:
      return !matches(node.children[0]);
    case Kind::kText:
      return HasText(document, literals_[node.literal], searches_[node.search]);
    case Kind::kRestriction:
      return MatchesRestriction(node, document);
  }
  return false;
}

bool Filter::MatchesRestriction(const Node& node, const ServedValue& document) const {
  const DocumentPath& path = paths_[node.path];
  const FilterLiteral& literal = literals_[node.literal];
  if (node.op == Operator::kHas) {
    return path.Any(document, [&literal](const ServedValue& value) { return Has(value, literal); });
  }
  const ServedValue value = path.Resolve(document);
  if (node.op == Operator::kEqual) return Equals(value, literal);
  if (node.op == Operator::kNotEqual) return !Equals(value, literal);
  const std::optional<int> order = Order(value, literal);
  if (!order.has_value()) return false;
  switch (node.op) {
    case Operator::kLess:
      return *order < 0;
    case Operator::kLessOrEqual:
      return *order <= 0;
    case Operator::kGreater:
      return *order > 0;
    default:
      return *order >= 0;
  }
}

}  // namespace mvmd
