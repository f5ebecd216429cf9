// Recursive descent, one method a rule of the grammar in filter.h.
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "twin/filter.h"
#include "twin/filter_scanner.h"

namespace mvmd {
namespace {

constexpr absl::string_view kTerm = "a path, a value, NOT, - or (";
constexpr absl::string_view kSimple = "a path, a value or (";

// JSON's numbers, and what people write besides: a plus sign, leading zeros.
std::optional<double> ParseNumber(absl::string_view text) {
  size_t i = 0;
  const auto take_digits = [&] {
    const size_t begin = i;
    while (i < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[i]))) ++i;
    return i > begin;
  };
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  if (!take_digits()) return std::nullopt;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (!take_digits()) return std::nullopt;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (!take_digits()) return std::nullopt;
  }
  double number = 0;
  if (i != text.size() || !absl::SimpleAtod(text, &number)) return std::nullopt;
  return number;  // infinite beyond what binary64 holds, and then still right to compare with
}

FilterLiteral MakeLiteral(QuotedText written, bool is_quoted) {
  FilterLiteral literal;
  literal.text = std::move(written.value);
  literal.is_quoted = is_quoted;
  literal.is_null = !is_quoted && literal.text == "null";
  literal.any_prefix = written.begins_with_star;
  literal.any_suffix = written.ends_with_star;
  literal.is_star = literal.any_prefix && literal.text.size() == 1;
  absl::string_view stem = literal.text;
  if (literal.any_prefix) stem.remove_prefix(1);
  if (literal.any_suffix && !stem.empty()) stem.remove_suffix(1);
  literal.stem = std::string(stem);
  literal.number = ParseNumber(literal.text);
  if (literal.text == "true" || literal.text == "false") literal.boolean = literal.text == "true";
  literal.instants = ParseDateOrTimestamp(literal.text);
  literal.duration_picoseconds = ParseDurationPicoseconds(literal.text);
  return literal;
}

QuotedText AsQuoted(absl::string_view plain) {
  QuotedText text;
  text.value = std::string(plain);
  text.begins_with_star = !plain.empty() && plain.front() == '*';
  text.ends_with_star = !plain.empty() && plain.back() == '*';
  return text;
}

}  // namespace

class FilterParser {
 public:
  explicit FilterParser(absl::string_view text) : scanner_(text) {}

  absl::StatusOr<Filter> Parse() {
    if (absl::Status status = scanner_.CheckText(kFilterBytesMax); !status.ok()) return status;
    scanner_.TakeSpace();
    if (scanner_.at_end()) return Filter();
    if (absl::StatusOr<size_t> root = ParseExpression(); !root.ok()) return root.status();
    if (!scanner_.at_end()) return scanner_.Expected("AND, OR or the end");
    return std::move(filter_);
  }

 private:
  using Kind = Filter::Kind;
  using Operator = Filter::Operator;
  using Parsed = absl::StatusOr<size_t>;  // index of a node

  // Within the parentheses of an argument: what its values are compared with.
  struct Subject {
    Operator op;
    size_t path;
  };

  // expression and sequence: both are a conjunction. Leaves spaces behind it taken.
  Parsed ParseExpression() {
    std::vector<size_t> factors;
    while (true) {
      Parsed factor = ParseFactor();
      if (!factor.ok()) return factor;
      factors.push_back(*factor);
      const bool has_space = scanner_.TakeSpace();
      if (scanner_.at_end() || scanner_.next() == ')') break;
      if (scanner_.NextText() == "AND") {
        if (absl::Status status = TakeOperator("AND", has_space); !status.ok()) return status;
      } else if (!has_space) {
        return scanner_.Expected(depth_ > 0 ? "a space, AND, OR or )" : "a space, AND, OR or the end");
      }
    }
    return AddGroup(Kind::kAnd, std::move(factors));
  }

  // factor
  Parsed ParseFactor() {
    std::vector<size_t> terms;
    while (true) {
      Parsed term = ParseTerm();
      if (!term.ok()) return term;
      terms.push_back(*term);
      const size_t end = scanner_.position();
      const bool has_space = scanner_.TakeSpace();
      if (scanner_.NextText() != "OR") {
        scanner_.GoBackTo(end);
        return AddGroup(Kind::kOr, std::move(terms));
      }
      if (absl::Status status = TakeOperator("OR", has_space); !status.ok()) return status;
    }
  }

  absl::Status TakeOperator(absl::string_view name, bool has_space) {
    if (!has_space) return scanner_.Expected(absl::StrCat("a space before ", name));
    scanner_.TakeText();
    if (!scanner_.TakeSpace() && !scanner_.at_end()) return scanner_.Expected(absl::StrCat("a space after ", name));
    return absl::OkStatus();
  }

  // term
  Parsed ParseTerm() {
    bool is_negated = false;
    if (scanner_.NextText() == "NOT") {
      scanner_.TakeText();
      if (!scanner_.TakeSpace() && !scanner_.at_end()) return scanner_.Expected("a space after NOT");
      is_negated = true;
    } else if (scanner_.next() == '-' && !(subject_.has_value() && AtNegativeNumber())) {
      scanner_.Take("-");
      is_negated = true;
    }
    if (is_negated && scanner_.next() == '-') return scanner_.Expected(kSimple);
    Parsed simple = ParseSimple(is_negated ? kSimple : kTerm);
    if (!simple.ok() || !is_negated) return simple;
    return AddGroup(Kind::kNot, {*simple});
  }

  bool AtNegativeNumber() const {
    const absl::string_view text = scanner_.NextText();
    return text.size() > 1 && absl::ascii_isdigit(static_cast<unsigned char>(text[1]));
  }

  // simple
  Parsed ParseSimple(absl::string_view expected) {
    if (scanner_.next() == '(') return ParseComposite();
    return subject_.has_value() ? ParseArgumentOf(*subject_, "a value, NOT, - or (") : ParseRestriction(expected);
  }

  // composite
  Parsed ParseComposite() {
    if (depth_ == kFilterDepthMax) {
      return scanner_.Expected(absl::StrCat("at most ", kFilterDepthMax, " parentheses within each other"));
    }
    ++depth_;
    scanner_.Take("(");
    scanner_.TakeSpace();
    Parsed expression = ParseExpression();
    if (!expression.ok()) return expression;
    if (!scanner_.Take(")")) return scanner_.Expected("AND, OR or )");
    --depth_;
    return expression;
  }

  // restriction, of a path and an argument or of a value alone
  Parsed ParseRestriction(absl::string_view expected) {
    const size_t begin = scanner_.position();
    const absl::StatusOr<FilterMember> member = scanner_.TakeMember(expected);
    if (!member.ok()) return member.status();
    if (absl::Status status = RefuseFunction(begin, *member); !status.ok()) return status;
    const size_t end = scanner_.position();
    const absl::string_view written = scanner_.TakenSince(begin);
    scanner_.TakeSpace();
    const std::optional<Operator> op = TakeComparator();
    if (!op.has_value()) {
      scanner_.GoBackTo(end);
      return AddText(begin, *member, written);
    }
    if (member->names.size() > kFilterPathNamesMax) {
      return FilterScanner::ErrorAt(begin, absl::StrCat("a path of at most ", kFilterPathNamesMax, " names"),
                                    absl::StrCat(member->names.size()));
    }
    scanner_.TakeSpace();
    filter_.paths_.emplace_back(*member);
    const Subject subject = {*op, filter_.paths_.size() - 1};
    if (scanner_.next() != '(') return ParseArgumentOf(subject, "a value or (");
    subject_ = subject;
    Parsed composite = ParseComposite();
    subject_.reset();
    return composite;
  }

  std::optional<Operator> TakeComparator() {
    constexpr std::pair<absl::string_view, Operator> kComparators[] = {
        {"<=", Operator::kLessOrEqual}, {"<", Operator::kLess},      {">=", Operator::kGreaterOrEqual},
        {">", Operator::kGreater},      {"!=", Operator::kNotEqual}, {"=", Operator::kEqual},
        {":", Operator::kHas}};
    for (const auto& [token, op] : kComparators) {
      if (scanner_.Take(token)) return op;
    }
    return std::nullopt;
  }

  // arg, but for parentheses
  Parsed ParseArgumentOf(const Subject& subject, absl::string_view expected) {
    const size_t begin = scanner_.position();
    const absl::string_view text = scanner_.NextText();
    absl::StatusOr<FilterMember> member = scanner_.TakeMember(expected);
    if (!member.ok()) return member.status();
    if (absl::Status status = RefuseFunction(begin, *member); !status.ok()) return status;
    if (member->is_plain()) {
      const bool is_time = scanner_.TakeRestOfTime(text);
      FilterLiteral literal = MakeLiteral(AsQuoted(scanner_.TakenSince(begin)), false);
      if (is_time && !literal.instants.has_value()) {
        return FilterScanner::ErrorAt(begin, "a time such as 2012-04-21T11:30:00-04:00, or a text in quotes",
                                      ShownInError(literal.text));
      }
      return AddRestriction(begin, subject, std::move(literal));
    }
    if (!member->is_quoted()) {
      return FilterScanner::ErrorAt(begin, "one text, in quotes or without", "a path with a name in quotes");
    }
    return AddRestriction(begin, subject, MakeLiteral(std::move(member->first_quoted), true));
  }

  // A name directly before a parenthesis calls a function, and there are none.
  absl::Status RefuseFunction(size_t begin, const FilterMember& member) {
    if (scanner_.next() != '(' || !member.is_plain()) return absl::OkStatus();
    return FilterScanner::ErrorAt(begin, "a path or a value",
                                  absl::StrCat("the function ", ShownInError(scanner_.TakenSince(begin)),
                                               "; there are no functions, and a space goes before ("));
  }

  Parsed AddRestriction(size_t begin, const Subject& subject, FilterLiteral literal) {
    if (absl::Status status = CountTerm(begin); !status.ok()) return status;
    Filter::Node node{Kind::kRestriction};
    node.op = subject.op;
    node.path = subject.path;
    node.literal = filter_.literals_.size();
    filter_.literals_.push_back(std::move(literal));
    return Add(std::move(node));
  }

  // A value alone.
  Parsed AddText(size_t begin, const FilterMember& member, absl::string_view written) {
    if (!member.is_quoted() && !member.is_plain()) {
      return scanner_.Expected("a comparison: one of = != < <= > >= :");
    }
    if (absl::Status status = CountTerm(begin); !status.ok()) return status;
    if (++texts_ > kFilterTextsMax) {
      return FilterScanner::ErrorAt(begin, absl::StrCat("at most ", kFilterTextsMax, " values without a path"),
                                    "one more");
    }
    FilterLiteral literal =
        member.is_quoted() ? MakeLiteral(member.first_quoted, true) : MakeLiteral(AsQuoted(written), false);
    if (literal.text.size() > kFilterTextBytesMax) {
      return FilterScanner::ErrorAt(begin,
                                    absl::StrCat("at most ", kFilterTextBytesMax, " bytes in a value without a path"),
                                    absl::StrCat(literal.text.size()));
    }
    Filter::Node node{Kind::kText};
    node.search = filter_.searches_.size();
    filter_.searches_.emplace_back(literal.stem);
    node.literal = filter_.literals_.size();
    filter_.literals_.push_back(std::move(literal));
    return Add(std::move(node));
  }

  absl::Status CountTerm(size_t begin) {
    if (filter_.literals_.size() < kFilterTermsMax) return absl::OkStatus();
    return FilterScanner::ErrorAt(begin, absl::StrCat("at most ", kFilterTermsMax, " values"), "one more");
  }

  // One child of a conjunction or disjunction stands for itself.
  Parsed AddGroup(Kind kind, std::vector<size_t> children) {
    if (kind != Kind::kNot && children.size() == 1) return children[0];
    Filter::Node node{kind};
    node.children = std::move(children);
    return Add(std::move(node));
  }

  size_t Add(Filter::Node node) {
    filter_.nodes_.push_back(std::move(node));
    return filter_.nodes_.size() - 1;
  }

  FilterScanner scanner_;
  Filter filter_;
  std::optional<Subject> subject_;
  int depth_ = 0;
  size_t texts_ = 0;
};

absl::StatusOr<Filter> Filter::Parse(absl::string_view text) { return FilterParser(text).Parse(); }

}  // namespace mvmd
