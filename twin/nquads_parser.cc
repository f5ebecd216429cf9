// The reader behind ParseNQuads: line by line, after the grammar of https://www.w3.org/TR/n-quads/.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "twin/rdf.h"
#include "twin/utf8.h"

namespace mvmd {
namespace {

using absl::string_view;

struct Range {
  uint32_t first;
  uint32_t last;
};

// PN_CHARS_BASE beyond ASCII.
constexpr Range kNameRanges[] = {{0xC0, 0xD6},     {0xD8, 0xF6},     {0xF8, 0x2FF},    {0x370, 0x37D},
                                 {0x37F, 0x1FFF},  {0x200C, 0x200D}, {0x2070, 0x218F}, {0x2C00, 0x2FEF},
                                 {0x3001, 0xD7FF}, {0xF900, 0xFDCF}, {0xFDF0, 0xFFFD}, {0x10000, 0xEFFFF}};

bool IsAlpha(uint32_t c) { return c < 0x80 && absl::ascii_isalpha(static_cast<unsigned char>(c)); }
bool IsDigit(uint32_t c) { return c >= '0' && c <= '9'; }

// PN_CHARS_U, or a digit: what a label starts with.
bool StartsLabel(uint32_t c) {
  if (c < 0x80) return IsAlpha(c) || IsDigit(c) || c == '_' || c == ':';
  return std::any_of(std::begin(kNameRanges), std::end(kNameRanges),
                     [c](Range range) { return c >= range.first && c <= range.last; });
}

// PN_CHARS, or a dot.
bool ContinuesLabel(uint32_t c) {
  return StartsLabel(c) || c == '-' || c == '.' || c == 0xB7 || (c >= 0x300 && c <= 0x36F) || c == 0x203F ||
         c == 0x2040;
}

bool IsIriCharacter(uint32_t c) {
  constexpr string_view kExcluded = "<>\"{}|^`\\";
  return c > 0x20 && (c >= 0x80 || kExcluded.find(static_cast<char>(c)) == string_view::npos);
}

// Reads one line. Each Read* leaves the position after what it read; the first failure is kept and ends the reading.
class LineReader {
 public:
  explicit LineReader(string_view line) : p_(line.data()), end_(line.data() + line.size()) {}

  // False when the line holds no statement.
  bool Read(RdfQuad* quad) {
    SkipSpace();
    if (AtEnd()) return false;
    quad->subject = ReadNode("subject");
    quad->predicate = ReadPredicate();
    quad->object = Peek() == '"' ? ReadLiteral() : ReadNode("object");
    SkipSpace();
    if (Peek() == '<' || Peek() == '_') quad->graph = ReadNode("graph label");
    SkipSpace();
    Expect('.', "the final dot");
    SkipSpace();
    if (!AtEnd()) Fail("the end of the line");
    return true;
  }

  const std::string& failure() const { return failure_; }

 private:
  // The next byte; 0 at the end, and once something has failed.
  char Peek() const { return failure_.empty() && p_ != end_ ? *p_ : '\0'; }
  bool AtEnd() const { return p_ == end_ || *p_ == '#' || !failure_.empty(); }

  void SkipSpace() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\t')) ++p_;
  }

  void Fail(string_view expected) {
    if (failure_.empty()) failure_ = absl::StrCat("expected ", expected);
    p_ = end_;
  }

  void Expect(char c, string_view what) {
    if (Peek() != c) return Fail(what);
    ++p_;
  }

  // One character; 0 after a failure.
  uint32_t NextCharacter() {
    if (p_ == end_) {
      Fail("more characters");
      return 0;
    }
    const size_t length = static_cast<unsigned char>(*p_) < 0x80 ? 1 : Utf8SequenceLength(p_, end_);
    if (length == 0) {
      Fail("UTF-8");
      return 0;
    }
    const uint32_t c = DecodeUtf8(p_, length);
    p_ += length;
    return c;
  }

  // After `\`: the code point of UCHAR, or with `echar` of ECHAR.
  uint32_t ReadEscape(bool echar) {
    constexpr string_view kNames = "tbnrf\"'\\";
    constexpr string_view kValues = "\t\b\n\r\f\"'\\";
    const char kind = Peek();
    if (p_ != end_) ++p_;
    if (kind == 'u' || kind == 'U') return ReadHex(kind == 'u' ? 4 : 8);
    const size_t at = kNames.find(kind);
    if (!echar || at == string_view::npos || kind == '\0') {
      Fail("an escape");
      return 0;
    }
    return static_cast<unsigned char>(kValues[at]);
  }

  uint32_t ReadHex(int digits) {
    uint32_t value = 0;
    for (int i = 0; i < digits; ++i) {
      const char c = Peek();
      if (!absl::ascii_isxdigit(static_cast<unsigned char>(c))) {
        Fail("a hexadecimal digit");
        return 0;
      }
      value = value << 4 | static_cast<uint32_t>(IsDigit(static_cast<uint32_t>(c)) ? c - '0' : (c | 0x20) - 'a' + 10);
      ++p_;
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) Fail("a code point");
    return value;
  }

  // After `<`.
  std::string ReadIri() {
    std::string iri;
    ++p_;
    while (Peek() != '>') {
      uint32_t c = NextCharacter();
      if (c == '\\') {
        c = ReadEscape(false);
        if (!IsIriCharacter(c)) Fail("a character of an IRI");
      } else if (!IsIriCharacter(c)) {
        Fail("a character of an IRI");
      }
      if (!failure_.empty()) return {};
      AppendUtf8(c, &iri);
    }
    ++p_;
    // Relative ones are no N-Quads.
    const size_t colon = iri.find(':');
    if (colon == std::string::npos || colon == 0 || !IsAlpha(static_cast<unsigned char>(iri[0])))
      Fail("an absolute IRI");
    return iri;
  }

  // After `_`.
  std::string ReadLabel() {
    ++p_;
    Expect(':', "_: and a label");
    const char* const start = p_;
    if (!failure_.empty() || !StartsLabel(NextCharacter())) {
      Fail("a label");
      return {};
    }
    const char* label_end = p_;  // a final dot belongs to the line
    while (p_ != end_) {
      const char* const before = p_;
      const uint32_t c = NextCharacter();
      if (!ContinuesLabel(c)) {
        if (failure_.empty()) p_ = before;
        break;
      }
      if (c != '.') label_end = p_;
    }
    if (!failure_.empty()) return {};
    p_ = label_end;
    return std::string(start, label_end);
  }

  RdfTerm ReadNode(string_view what) {
    SkipSpace();
    if (Peek() == '<') return RdfTerm::Iri(ReadIri());
    if (Peek() == '_') return RdfTerm::Blank(ReadLabel());
    Fail(what);
    return {};
  }

  std::string ReadPredicate() {
    SkipSpace();
    if (Peek() == '<') {
      std::string iri = ReadIri();
      SkipSpace();
      return iri;
    }
    Fail("a predicate");
    return {};
  }

  RdfTerm ReadLiteral() {
    std::string text;
    ++p_;
    while (Peek() != '"') {
      uint32_t c = NextCharacter();
      if (c == '\\') c = ReadEscape(true);
      if (!failure_.empty()) return {};
      AppendUtf8(c, &text);
    }
    ++p_;
    if (Peek() == '@') return RdfTerm::LanguageString(text, ReadLanguage());
    if (Peek() != '^') return RdfTerm::Literal(text);
    ++p_;
    Expect('^', "^^ and a datatype");
    if (Peek() != '<') {
      Fail("a datatype");
      return {};
    }
    return RdfTerm::Literal(text, ReadIri());
  }

  // LANGTAG, after `@`.
  std::string ReadLanguage() {
    const char* const start = ++p_;
    bool first = true;  // only letters there
    size_t length = 0;  // of the subtag
    for (; p_ != end_; ++p_) {
      const auto c = static_cast<unsigned char>(*p_);
      if (c == '-' && length > 0) {
        first = false;
        length = 0;
      } else if (first ? absl::ascii_isalpha(c) : absl::ascii_isalnum(c)) {
        ++length;
      } else {
        break;
      }
    }
    if (length == 0) Fail("a language tag");
    return length == 0 ? std::string() : std::string(start, p_);
  }

  const char* p_;
  const char* const end_;
  std::string failure_;
};

}  // namespace

absl::StatusOr<std::vector<RdfQuad>> ParseNQuads(string_view text) {
  std::vector<RdfQuad> quads;
  for (size_t line_number = 1; !text.empty(); ++line_number) {
    const size_t line_end = std::min(text.find_first_of("\r\n"), text.size());
    LineReader reader(text.substr(0, line_end));
    RdfQuad quad;
    const bool has_quad = reader.Read(&quad);
    if (!reader.failure().empty()) {
      return absl::InvalidArgumentError(absl::StrCat("N-Quads, line ", line_number, ": ", reader.failure()));
    }
    if (has_quad) quads.push_back(std::move(quad));
    const bool crlf = text.substr(line_end, 2) == "\r\n";
    text.remove_prefix(std::min(line_end + (crlf ? 2 : 1), text.size()));
  }
  return quads;
}

}  // namespace mvmd
