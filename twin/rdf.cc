#include "twin/rdf.h"

#include <charconv>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

void AppendUchar(unsigned code_unit, std::string* out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  out->append("\\u");
  for (int shift = 12; shift >= 0; shift -= 4) out->push_back(kHex[code_unit >> shift & 0xF]);
}

// What ECHAR writes the control or quoting character as; 0 when it has no such form.
char EcharOf(unsigned char c) {
  switch (c) {
    case '\b':
      return 'b';
    case '\t':
      return 't';
    case '\n':
      return 'n';
    case '\f':
      return 'f';
    case '\r':
      return 'r';
    case '"':
    case '\\':
      return static_cast<char>(c);
    default:
      return 0;
  }
}

// U+FFFE and U+FFFF: not in the Char production of XML 1.1.
bool IsNonCharacter(absl::string_view text, size_t at) {
  return text.size() - at >= 3 && text[at] == '\xEF' && text[at + 1] == '\xBF' &&
         (text[at + 2] == '\xBE' || text[at + 2] == '\xBF');
}

void AppendStringLiteral(absl::string_view text, std::string* out) {
  out->push_back('"');
  size_t written = 0;  // up to here
  auto flush = [&](size_t end, size_t next) {
    out->append(text.data() + written, end - written);
    written = next;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F && c != 0xEF) continue;
    if (c == 0xEF) {
      if (!IsNonCharacter(text, i)) continue;
      flush(i, i + 3);
      AppendUchar(text[i + 2] == '\xBE' ? 0xFFFE : 0xFFFF, out);
      i += 2;
      continue;
    }
    flush(i, i + 1);
    if (const char escape = EcharOf(c); escape != 0) {
      out->push_back('\\');
      out->push_back(escape);
    } else {
      AppendUchar(c, out);
    }
  }
  flush(text.size(), text.size());
  out->push_back('"');
}

}  // namespace

void AppendNQuadsTerm(const RdfTerm& term, std::string* out) {
  switch (term.kind) {
    case RdfTerm::Kind::kDefaultGraph:
      return;
    case RdfTerm::Kind::kIri:
      out->push_back('<');
      out->append(term.value);
      out->push_back('>');
      return;
    case RdfTerm::Kind::kBlank:
      out->append("_:");
      out->append(term.value);
      return;
    case RdfTerm::Kind::kLiteral:
      AppendStringLiteral(term.value, out);
      if (!term.language.empty()) {
        absl::StrAppend(out, "@", term.language);
      } else if (!term.datatype.empty()) {
        absl::StrAppend(out, "^^<", term.datatype, ">");
      }
  }
}

void AppendNQuad(const RdfQuad& quad, std::string* out) {
  AppendNQuad(
      quad, [](const RdfTerm& term) -> const std::string& { return term.value; }, out);
}

std::string NQuadsLine(const RdfQuad& quad) {
  std::string line;
  AppendNQuad(quad, &line);
  return line;
}

std::string XsdIntegerText(double value) {
  char text[400];  // the largest binary64 has 309 digits
  const double magnitude = value == 0 ? 0 : value;
  return std::string(text, std::to_chars(text, text + sizeof(text), magnitude, std::chars_format::fixed, 0).ptr);
}

std::string XsdDoubleText(double value) {
  // [-]d.ddddddddddddddde[+-]xx
  char text[64];
  const char* end = std::to_chars(text, text + sizeof(text), value, std::chars_format::scientific, 15).ptr;
  const absl::string_view all(text, static_cast<size_t>(end - text));
  const size_t e = all.find('e');
  absl::string_view mantissa = all.substr(0, e);
  while (mantissa.back() == '0' && mantissa[mantissa.size() - 2] != '.') mantissa.remove_suffix(1);
  const char* exponent_at = text + e + (text[e + 1] == '+' ? 2 : 1);
  int exponent = 0;
  std::from_chars(exponent_at, end, exponent);
  return absl::StrCat(mantissa, "E", exponent);
}

}  // namespace mvmd
