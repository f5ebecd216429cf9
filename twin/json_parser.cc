// The I-JSON reader behind ParseIJson (RFC 8259, RFC 7493): one pass, recursive down to the depth limit. Unpaired
// surrogates are kept as their three-byte form while reading, so that names can still be compared; such a tree is never
// handed out.
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "twin/byte_scan.h"
#include "twin/json.h"
#include "twin/json_path.h"
#include "twin/utf8.h"

namespace mvmd {
namespace {

// From here on names are hashed.
constexpr size_t kSmallObject = 12;
constexpr absl::string_view kIntegerMax = "9007199254740991";  // 2^53 - 1
constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

void ReplaceSurrogates(std::string* text) {
  for (size_t i = 0; i + 2 < text->size(); ++i) {
    if ((*text)[i] == '\xED' && static_cast<unsigned char>((*text)[i + 1]) >= 0xA0) {
      text->replace(i, 3, kReplacement.data(), kReplacement.size());
    }
  }
}

// What from_chars calls out of range, split: is the number too large (and not just next to zero)? Its decimal exponent
// tells: there is nothing near 1 among them.
bool IsOverflow(const char* p, const char* end) {
  if (*p == '-') ++p;
  const char* exponent_at = std::find_if(p, end, [](char c) { return c == 'e' || c == 'E'; });
  const char* point = std::find(p, exponent_at, '.');
  const char* digit = std::find_if(p, exponent_at, [](char c) { return c >= '1' && c <= '9'; });
  const int64_t magnitude = digit < point ? point - digit : point - digit + 1;
  int64_t exponent = 0;
  if (exponent_at != end) {
    const char* e = exponent_at + 1;
    const bool negative = *e == '-';
    if (negative || *e == '+') ++e;
    for (; e != end && exponent < (int64_t{1} << 48); ++e) exponent = exponent * 10 + (*e - '0');
    if (negative) exponent = -exponent;
  }
  return magnitude + exponent > 0;
}

// The names of one object so far.
class RepeatedNames {
 public:
  // Whether `name` is among the `count` members read before it. To be called for each name in turn.
  bool Add(const std::string& name, const Json::Member* members, size_t count) {
    if (count >= kSmallObject) return AddToLarge(name, members, count);
    // A name whose mark nobody has is new; few are compared.
    const size_t first = name.empty() ? 0 : static_cast<unsigned char>(name.front());
    const size_t last = name.empty() ? 0 : static_cast<unsigned char>(name.back());
    const uint64_t mark = uint64_t{1} << ((name.size() * 7 + first * 5 + last) % 64);
    const bool may_repeat = (marks_ & mark) != 0;
    marks_ |= mark;
    return may_repeat && std::any_of(members, members + count, [&](const auto& m) { return m.first == name; });
  }

 private:
  bool AddToLarge(const std::string& name, const Json::Member* members, size_t count) {
    if (names_.empty()) {
      for (size_t i = 0; i < count; ++i) names_.insert(members[i].first);
    }
    return !names_.insert(name).second;
  }

  uint64_t marks_ = 0;
  absl::flat_hash_set<std::string> names_;
};

class IJsonReader {
 public:
  IJsonReader(absl::string_view text, int depth_max)
      : begin_(text.data()), p_(text.data()), end_(text.data() + text.size()), depth_max_(depth_max) {}

  JsonParseResult Read() {
    if (end_ - p_ >= 3 && std::memcmp(p_, "\xEF\xBB\xBF", 3) == 0) {
      Malformed("expected JSON, got a byte order mark");
    } else {
      ReadRoot();
    }
    result_.ok = !failed_;
    if (failed_) result_.value = Json();
    return std::move(result_);
  }

 private:
  void ReadRoot() {
    const JsonPath root;
    SkipSpace();
    if (!ReadValue(root, 1, &result_.value)) return;
    SkipSpace();
    if (p_ != end_) {
      Malformed(absl::StrCat("expected the end of the text, got ", Here()));
      return;
    }
    result_.well_formed = true;
    result_.root_type = result_.value.type();
  }

  // False when reading cannot go on. The readers below start at their first byte and end behind their last one.
  bool ReadValue(const JsonPath& at, int depth, Json* out) {
    if (p_ == end_) return Malformed("expected a value, got the end of the text");
    switch (*p_) {
      case '{':
        return depth <= depth_max_ ? ReadObject(at, depth, out) : TooDeep();
      case '[':
        return depth <= depth_max_ ? ReadArray(at, depth, out) : TooDeep();
      case '"':
        return ReadStringValue(at, out);
      case 't':
        *out = Json::Bool(true);
        return ReadLiteral("true");
      case 'f':
        *out = Json::Bool(false);
        return ReadLiteral("false");
      case 'n':
        return ReadLiteral("null");
      default:
        if (*p_ == '-' || IsDigit(*p_)) return ReadNumber(at, out);
        return Malformed(absl::StrCat("expected a value, got ", Here()));
    }
  }

  // Members and elements are gathered on one stack and moved into a vector of their number at the end of their parent.
  // What has a path lives in the frames of these two functions, which stay where they are.
  bool ReadObject(const JsonPath& at, int depth, Json* out) {
    const size_t base = member_stack_.size();
    RepeatedNames names;
    ++p_;
    SkipSpace();
    if (p_ != end_ && *p_ == '}') {
      *out = Json::Object();
      return Advance();
    }
    for (;;) {
      if (p_ == end_ || *p_ != '"') return Malformed(absl::StrCat("expected a member name, got ", Here()));
      const char* name_at = p_;
      std::string name;
      bool paired = true;
      if (!ReadString(&name, &paired)) return false;
      const JsonPath member_at = at.Member(name);
      if (!paired) Add("DOC-03", at, name_at, "expected surrogates in pairs, got a name with an unpaired one");
      if (names.Add(name, member_stack_.data() + base, member_stack_.size() - base)) {
        Add("DOC-02", member_at, name_at, "expected each name once in an object, got it again");
      }
      SkipSpace();
      if (p_ == end_ || *p_ != ':') return Malformed(absl::StrCat("expected ':' after a member name, got ", Here()));
      ++p_;
      SkipSpace();
      Json value;
      if (!ReadValue(member_at, depth + 1, &value)) return false;
      member_stack_.emplace_back(std::move(name), std::move(value));
      SkipSpace();
      if (p_ == end_ || (*p_ != ',' && *p_ != '}')) {
        return Malformed(absl::StrCat("expected ',' or '}' after a member, got ", Here()));
      }
      if (*p_ == '}') break;
      ++p_;
      SkipSpace();
    }
    *out = Json::Object();
    Unstack(base, &member_stack_, &out->members());
    return Advance();
  }

  bool ReadArray(const JsonPath& at, int depth, Json* out) {
    const size_t base = element_stack_.size();
    ++p_;
    SkipSpace();
    if (p_ != end_ && *p_ == ']') {
      *out = Json::Array();
      return Advance();
    }
    for (;;) {
      Json value;
      if (!ReadValue(at.Element(element_stack_.size() - base), depth + 1, &value)) return false;
      element_stack_.push_back(std::move(value));
      SkipSpace();
      if (p_ == end_ || (*p_ != ',' && *p_ != ']')) {
        return Malformed(absl::StrCat("expected ',' or ']' after an element, got ", Here()));
      }
      if (*p_ == ']') break;
      ++p_;
      SkipSpace();
    }
    *out = Json::Array();
    Unstack(base, &element_stack_, &out->elements());
    return Advance();
  }

  template <typename T>
  static void Unstack(size_t base, std::vector<T>* stack, std::vector<T>* out) {
    const auto begin = stack->begin() + static_cast<std::ptrdiff_t>(base);
    out->assign(std::make_move_iterator(begin), std::make_move_iterator(stack->end()));
    stack->erase(begin, stack->end());
  }

  bool ReadStringValue(const JsonPath& at, Json* out) {
    const char* start = p_;
    std::string text;
    bool paired = true;
    if (!ReadString(&text, &paired)) return false;
    if (!paired) Add("DOC-03", at, start, "expected surrogates in pairs, got a string with an unpaired one");
    *out = Json::String(std::move(text));
    return true;
  }

  // `out` is empty.
  bool ReadString(std::string* out, bool* paired) {
    const char* start = ++p_;
    p_ = FindStringSpecial<true>(p_, end_);
    out->assign(start, static_cast<size_t>(p_ - start));
    if (p_ != end_ && *p_ == '"') return Advance();  // as nearly all are
    for (;;) {
      const char* run = p_;
      p_ = FindStringSpecial<true>(p_, end_);
      out->append(run, static_cast<size_t>(p_ - run));
      if (p_ == end_) return Malformed("expected '\"' at the end of a string, got the end of the text");
      const auto c = static_cast<unsigned char>(*p_);
      if (c == '"') return Advance();
      if (c == '\\') {
        if (!ReadEscape(out, paired)) return false;
      } else if (c < 0x20) {
        return Malformed(absl::StrCat("expected control characters to be escaped, got ", Here()));
      } else {
        if (!ReadMultiByte(out)) return false;
      }
    }
  }

  bool ReadMultiByte(std::string* out) {
    const char* run = p_;
    while (p_ != end_ && static_cast<unsigned char>(*p_) >= 0x80) {
      const size_t length = Utf8SequenceLength(p_, end_);
      if (length == 0) return Malformed(absl::StrCat("expected UTF-8, got ", Here()));
      p_ += length;
    }
    out->append(run, static_cast<size_t>(p_ - run));
    return true;
  }

  bool ReadEscape(std::string* out, bool* paired) {
    constexpr absl::string_view kLetters = "\"\\/bfnrt";
    constexpr absl::string_view kMeanings = "\"\\/\b\f\n\r\t";
    ++p_;
    if (p_ == end_) return Malformed("expected an escape, got the end of the text");
    if (*p_ == 'u') return ReadUnicodeEscape(out, paired);
    const size_t which = kLetters.find(*p_);
    if (which == absl::string_view::npos) return Malformed(absl::StrCat("expected an escape, got ", Here()));
    out->push_back(kMeanings[which]);
    return Advance();
  }

  bool ReadUnicodeEscape(std::string* out, bool* paired) {
    uint32_t unit = 0;
    if (!ReadHex4(&unit)) return false;
    if (unit >= 0xD800 && unit < 0xDC00 && end_ - p_ >= 2 && p_[0] == '\\' && p_[1] == 'u') {
      ++p_;
      uint32_t low = 0;
      const char* low_at = p_;
      if (!ReadHex4(&low)) return false;
      if (low >= 0xDC00 && low < 0xE000) {
        AppendUtf8(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), out);
        return true;
      }
      p_ = low_at - 1;  // it is an escape of its own
    }
    if (unit >= 0xD800 && unit < 0xE000) *paired = false;
    AppendUtf8(unit, out);
    return true;
  }

  // From the `u` on.
  bool ReadHex4(uint32_t* unit) {
    ++p_;
    for (int i = 0; i < 4; ++i, ++p_) {
      if (p_ == end_ || !absl::ascii_isxdigit(static_cast<unsigned char>(*p_))) {
        return Malformed(absl::StrCat("expected four hexadecimal digits after \\u, got ", Here()));
      }
      const char c = absl::ascii_tolower(static_cast<unsigned char>(*p_));
      *unit = *unit * 16 + static_cast<uint32_t>(IsDigit(c) ? c - '0' : c - 'a' + 10);
    }
    return true;
  }

  bool ReadNumber(const JsonPath& at, Json* out) {
    const char* start = p_;
    if (*p_ == '-') ++p_;
    const char* digits = p_;
    if (!SkipDigits()) return false;
    if (*digits == '0' && p_ - digits > 1) {
      p_ = digits + 1;
      return Malformed("expected no digit after a leading zero, got one");
    }
    const char* point = p_;
    if (p_ != end_ && *p_ == '.') {
      ++p_;
      if (!SkipDigits()) return false;
    }
    const char* exponent = p_;
    if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
      ++p_;
      if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
      if (!SkipDigits()) return false;
    }
    const bool is_short = p_ == exponent && p_ - digits <= (p_ == point ? 15 : 16);
    *out = Json::Number(is_short ? ConvertShort(*start == '-', digits, point)
                                 : ConvertNumber(at, start, digits, /*integer=*/p_ == point));
    return true;
  }

  // At most 15 digits, with or without a point: whole number and power of ten are exact, so that their quotient is
  // rounded once, as it has to be.
  double ConvertShort(bool negative, const char* digits, const char* point) {
    constexpr double kPowers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    int64_t whole = 0;
    for (const char* c = digits; c != p_; ++c) {
      if (c != point) whole = whole * 10 + (*c - '0');
    }
    const double value = static_cast<double>(whole) / kPowers[point == p_ ? 0 : p_ - point - 1];
    return negative ? -value : value;
  }

  // The text from `start` to p_ follows the grammar. 0 when it is out of range.
  double ConvertNumber(const JsonPath& at, const char* start, const char* digits, bool integer) {
    double value = 0;
    const std::from_chars_result read = std::from_chars(start, p_, value);
    if (read.ec == std::errc::result_out_of_range) {
      if (IsOverflow(start, p_)) Add("DOC-04", at, start, "expected a number that binary64 can hold, got a larger one");
      return 0;
    }
    if (integer) {
      const absl::string_view text(digits, static_cast<size_t>(p_ - digits));
      if (text.size() > kIntegerMax.size() || (text.size() == kIntegerMax.size() && text > kIntegerMax)) {
        Add("DOC-05", at, start, "expected an integer of at most 9007199254740991, got a larger one");
      }
    }
    return value;
  }

  bool SkipDigits() {
    if (p_ == end_ || !IsDigit(*p_)) return Malformed(absl::StrCat("expected a digit, got ", Here()));
    while (p_ != end_ && IsDigit(*p_)) ++p_;
    return true;
  }

  bool ReadLiteral(absl::string_view literal) {
    for (char c : literal) {
      if (p_ == end_ || *p_ != c) return Malformed(absl::StrCat("expected '", literal, "', got ", Here()));
      ++p_;
    }
    return true;
  }

  void SkipSpace() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
  }

  bool Advance() {
    ++p_;
    return true;
  }

  // The byte at hand, for messages. At most that: what a document says stays out of them.
  std::string Here() const {
    if (p_ == end_) return "the end of the text";
    if (absl::ascii_isprint(static_cast<unsigned char>(*p_))) return absl::StrFormat("'%c'", *p_);
    return absl::StrFormat("byte 0x%02x", static_cast<unsigned char>(*p_));
  }

  bool Malformed(absl::string_view message) {
    Add("DOC-01", JsonPath(), p_, message);
    return false;
  }

  bool TooDeep() {
    Add("DOC-07", JsonPath(), p_, absl::StrCat("expected at most ", depth_max_, " levels, got more"));
    return false;
  }

  void Add(absl::string_view rule, const JsonPath& at, const char* where, absl::string_view message) {
    const bool severe = rule != "DOC-05";
    failed_ |= severe;
    const bool ends_reading = rule == "DOC-01" || rule == "DOC-07";
    if (result_.problems_truncated && !ends_reading) return;
    JsonProblem problem;
    problem.rule = std::string(rule);
    problem.pointer = at.Pointer();
    problem.property = at.Property();
    problem.message = std::string(message);
    ReplaceSurrogates(&problem.pointer);
    ReplaceSurrogates(&problem.property);
    problem_bytes_ += problem.pointer.size() + problem.property.size() + 128;
    if (problem_bytes_ > kJsonProblemBytesMax && !ends_reading) {
      result_.problems_truncated = true;
      return;
    }
    Locate(where);
    problem.line = line_;
    problem.column = static_cast<size_t>(where - line_start_) + 1;
    result_.problems.push_back(std::move(problem));
  }

  // Problems come in the order of the text, so that lines are counted once.
  void Locate(const char* where) {
    for (; located_ < where; ++located_) {
      if (*located_ != '\n') continue;
      ++line_;
      line_start_ = located_ + 1;
    }
  }

  const char* const begin_;
  const char* p_;
  const char* const end_;
  const int depth_max_;
  std::vector<Json::Member> member_stack_;
  std::vector<Json> element_stack_;
  JsonParseResult result_;
  bool failed_ = false;
  size_t problem_bytes_ = 0;
  const char* located_ = begin_;
  const char* line_start_ = begin_;
  size_t line_ = 1;
};

}  // namespace

JsonParseResult ParseIJson(absl::string_view text, int depth_max) { return IJsonReader(text, depth_max).Read(); }

absl::StatusOr<Json> ParseJson(absl::string_view text, int depth_max) {
  JsonParseResult result = ParseIJson(text, depth_max);
  if (result.ok) return std::move(result.value);
  const auto problem = std::find_if(result.problems.begin(), result.problems.end(),
                                    [](const JsonProblem& p) { return p.rule != "DOC-05"; });
  if (problem == result.problems.end()) return absl::InvalidArgumentError("JSON: too many problems to list");
  return absl::InvalidArgumentError(absl::StrCat("JSON, line ", problem->line, ", column ", problem->column,
                                                 problem->pointer.empty() ? "" : ", at ", problem->pointer, ": ",
                                                 problem->message));
}

}  // namespace mvmd
