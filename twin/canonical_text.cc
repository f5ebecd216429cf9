// C1 straight from a text. Every value is written as soon as it is read; when an object ends, its members, which stand
// one after the other in the output, are put in order. Most of the text is copied: a string without escapes and a
// decimal of up to 15 digits are their own canonical form.
//
// Anything else than clean I-JSON ends it, and the reader with positions (ParseIJson) says what is wrong.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "absl/base/optimization.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "twin/byte_scan.h"
#include "twin/canonical.h"
#include "twin/json.h"
#include "twin/utf8.h"

namespace mvmd {
namespace {

// Digits that binary64 gives back whatever they are: DBL_DIG.
constexpr ptrdiff_t kExactDigits = 15;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

class TextCanonicalizer {
 public:
  explicit TextCanonicalizer(absl::string_view text)
      : p_(text.data()), end_(text.data() + text.size()), out_(text.size(), '\0') {
    write_ = out_.data();
  }

  // False: not I-JSON, or something that this reader leaves to the other one.
  bool Run() {
    SkipSpace();
    if (!Value(1)) return false;
    SkipSpace();
    if (p_ != end_) return false;
    out_.resize(Size());
    return true;
  }
  std::string& out() { return out_; }

 private:
  struct Member {
    uint64_t key;  // see CanonicalSortKey
    absl::string_view name;
    size_t begin;  // in the output, from the name's quote on
    size_t size;

    friend bool operator<(const Member& a, const Member& b) {
      return a.key != b.key ? a.key < b.key : CompareCanonicalNames(a.name, b.name) < 0;
    }
  };

  size_t Size() const { return static_cast<size_t>(write_ - out_.data()); }

  // The canonical form is seldom longer than the text: `1e20` is.
  void Reserve(size_t bytes) {
    const size_t size = Size();
    if (ABSL_PREDICT_TRUE(out_.size() - size >= bytes)) return;
    out_.resize(std::max(out_.size() * 2, size + bytes));
    write_ = out_.data() + size;
  }
  void Put(char c) {
    Reserve(1);
    *write_++ = c;
  }
  void Put(const char* from, size_t bytes) {
    Reserve(bytes);
    std::memcpy(write_, from, bytes);
    write_ += bytes;
  }
  void Put(const std::string& text) { Put(text.data(), text.size()); }

  void SkipSpace() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) ++p_;
  }

  bool Literal(absl::string_view literal) {
    if (static_cast<size_t>(end_ - p_) < literal.size() || std::memcmp(p_, literal.data(), literal.size()) != 0) {
      return false;
    }
    Put(p_, literal.size());
    p_ += literal.size();
    return true;
  }

  bool Value(int depth) {
    if (p_ == end_) return false;
    switch (*p_) {
      case '{':
        return depth <= kJsonDepthMax && Object(depth);
      case '[':
        return depth <= kJsonDepthMax && Array(depth);
      case '"': {
        absl::string_view ignored;
        return String(&ignored);
      }
      case 't':
        return Literal("true");
      case 'f':
        return Literal("false");
      case 'n':
        return Literal("null");
      default:
        return Number();
    }
  }

  bool Array(int depth) {
    ++p_;
    Put('[');
    SkipSpace();
    if (p_ != end_ && *p_ == ']') {
      ++p_;
      Put(']');
      return true;
    }
    while (true) {
      if (!Value(depth + 1)) return false;
      SkipSpace();
      if (p_ == end_) return false;
      const char c = *p_++;
      Put(c);
      if (c == ']') return true;
      if (c != ',') return false;
      SkipSpace();
    }
  }

  bool Object(int depth) {
    ++p_;
    Put('{');
    SkipSpace();
    if (p_ != end_ && *p_ == '}') {
      ++p_;
      Put('}');
      return true;
    }
    const size_t first = members_.size();
    const size_t begin = Size();
    while (true) {
      if (p_ == end_ || *p_ != '"') return false;
      Member member;
      member.begin = Size();
      if (!String(&member.name)) return false;
      member.key = CanonicalSortKey(member.name);
      SkipSpace();
      if (p_ == end_ || *p_ != ':') return false;
      ++p_;
      Put(':');
      SkipSpace();
      if (!Value(depth + 1)) return false;
      member.size = Size() - member.begin;
      members_.push_back(member);
      SkipSpace();
      if (p_ == end_) return false;
      const char c = *p_++;
      Put(c);
      if (c == '}') break;
      if (c != ',') return false;
      SkipSpace();
    }
    if (!InOrder(first) && !Sort(first, begin)) return false;
    members_.resize(first);
    return true;
  }

  bool InOrder(size_t first) const {
    for (size_t i = first + 1; i < members_.size(); ++i) {
      if (!(members_[i - 1] < members_[i])) return false;
    }
    return true;
  }

  // Members `first` and following, in the output from `begin` on. False: a name is there twice.
  bool Sort(size_t first, size_t begin) {
    const auto from = members_.begin() + static_cast<ptrdiff_t>(first);
    std::sort(from, members_.end());
    for (auto member = from + 1; member != members_.end(); ++member) {
      if (!(*(member - 1) < *member)) return false;
    }
    const char* const source = out_.data() + begin;
    scratch_.assign(source, Size() - begin);
    char* to = out_.data() + begin;
    for (auto member = from; member != members_.end(); ++member) {
      if (member != from) *to++ = ',';
      std::memcpy(to, scratch_.data() + (member->begin - begin), member->size);
      to += member->size;
    }
    return true;
  }

  // `text` is the string's value; it stays until the end.
  bool String(absl::string_view* text) {
    const char* const start = p_++;
    p_ = FindStringSpecial<true>(p_, end_);
    while (p_ != end_ && static_cast<unsigned char>(*p_) >= 0x80) {
      const size_t length = Utf8SequenceLength(p_, end_);
      if (length == 0) return false;
      p_ += length;
      if (p_ == end_ || static_cast<unsigned char>(*p_) < 0x80) p_ = FindStringSpecial<true>(p_, end_);
    }
    if (p_ == end_) return false;
    if (*p_ != '"') return *p_ == '\\' && EscapedString(start, text);
    ++p_;
    *text = absl::string_view(start + 1, static_cast<size_t>(p_ - start) - 2);
    Put(start, static_cast<size_t>(p_ - start));
    return true;
  }

  // Few strings have escapes: the other reader decodes them.
  bool EscapedString(const char* start, absl::string_view* text) {
    p_ = start + 1;
    while (p_ != end_ && *p_ != '"') p_ += *p_ == '\\' && end_ - p_ > 1 ? 2 : 1;
    if (p_ == end_) return false;
    ++p_;
    const JsonParseResult parsed = ParseIJson(absl::string_view(start, static_cast<size_t>(p_ - start)));
    if (!parsed.ok) return false;
    *text = decoded_.emplace_back(parsed.value.string());
    number_.clear();
    AppendCanonicalString(*text, &number_);
    Put(number_);
    return true;
  }

  bool Number() {
    const char* const start = p_;
    if (p_ != end_ && *p_ == '-') ++p_;
    const char* const digits = p_;
    while (p_ != end_ && IsDigit(*p_)) ++p_;
    const ptrdiff_t whole = p_ - digits;
    if (whole == 0 || (*digits == '0' && whole > 1)) return false;
    ptrdiff_t fraction = 0;
    bool is_plain = true;
    if (p_ != end_ && *p_ == '.') {
      const char* const point = p_++;
      while (p_ != end_ && IsDigit(*p_)) ++p_;
      fraction = p_ - point - 1;
      if (fraction == 0) return false;
      // 1.50 is 1.5; below 1e-6 there is an exponent.
      is_plain = p_[-1] != '0' && (*digits != '0' || fraction < 7 || std::memcmp(point, ".000000", 7) != 0);
    }
    if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
      ++p_;
      if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
      if (p_ == end_ || !IsDigit(*p_)) return false;
      while (p_ != end_ && IsDigit(*p_)) ++p_;
      is_plain = false;
    }
    // Of decimals with so few digits no two are the same binary64, so none is shorter than this one. -0 is 0.
    if (is_plain && whole + fraction <= kExactDigits &&
        !(*start == '-' && whole == 1 && *digits == '0' && fraction == 0)) {
      Put(start, static_cast<size_t>(p_ - start));
      return true;
    }
    double value = 0;
    const std::from_chars_result read = std::from_chars(start, p_, value);
    // Next to zero or out of range: the other reader knows.
    if (read.ec != std::errc()) return false;
    number_.clear();
    AppendCanonicalNumber(value, &number_);
    Put(number_);
    return true;
  }

  const char* p_;
  const char* const end_;
  std::string out_;  // as long as the text at first; what is written ends at write_
  char* write_;
  std::vector<Member> members_;      // of the objects that are open
  std::deque<std::string> decoded_;  // names and strings that had escapes
  std::string number_;
  std::string scratch_;
};

}  // namespace

absl::StatusOr<std::string> CanonicalizeText(absl::string_view text) {
  TextCanonicalizer canonicalizer(text);
  if (canonicalizer.Run()) return std::move(canonicalizer.out());
  absl::StatusOr<Json> tree = ParseJson(text);
  if (!tree.ok()) return tree.status();
  return Canonicalize(*tree);
}

}  // namespace mvmd
