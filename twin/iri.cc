#include "twin/iri.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

using absl::string_view;

bool IsSchemeCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '-' || c == '.';
}

// Length of the scheme before `:`; npos when the text has none.
size_t SchemeLength(string_view text) {
  if (text.empty() || !absl::ascii_isalpha(static_cast<unsigned char>(text[0]))) return string_view::npos;
  size_t length = 1;
  while (length < text.size() && IsSchemeCharacter(text[length])) ++length;
  return length < text.size() && text[length] == ':' ? length : string_view::npos;
}

// Takes what `text` has after the first `mark` off its end.
std::optional<string_view> TakeAfter(char mark, string_view* text) {
  const size_t at = text->find(mark);
  if (at == string_view::npos) return std::nullopt;
  const string_view after = text->substr(at + 1);
  *text = text->substr(0, at);
  return after;
}

// RFC 3986, section 5.2.4.
std::string RemoveDotSegments(string_view input) {
  std::string output;
  auto drop_segment = [&output] {
    const size_t slash = output.rfind('/');
    output.resize(slash == std::string::npos ? 0 : slash);
  };
  while (!input.empty()) {
    if (absl::StartsWith(input, "../")) {
      input.remove_prefix(3);
    } else if (absl::StartsWith(input, "./") || absl::StartsWith(input, "/./")) {
      input.remove_prefix(2);
    } else if (input == "/.") {
      input = "/";
    } else if (absl::StartsWith(input, "/../")) {
      input.remove_prefix(3);
      drop_segment();
    } else if (input == "/..") {
      input = "/";
      drop_segment();
    } else if (input == "." || input == "..") {
      input = {};
    } else {
      const size_t end = std::min(input.find('/', 1), input.size());
      output.append(input.data(), end);
      input.remove_prefix(end);
    }
  }
  return output;
}

// RFC 3986, section 5.2.3.
std::string MergePaths(const IriParts& base, string_view path) {
  if (base.authority.has_value() && base.path.empty()) return absl::StrCat("/", path);
  const size_t slash = base.path.rfind('/');
  return absl::StrCat(slash == string_view::npos ? string_view() : base.path.substr(0, slash + 1), path);
}

}  // namespace

IriParts ParseIri(string_view text) {
  IriParts parts;
  if (const size_t length = SchemeLength(text); length != string_view::npos) {
    parts.scheme = text.substr(0, length);
    text.remove_prefix(length + 1);
  }
  parts.fragment = TakeAfter('#', &text);
  parts.query = TakeAfter('?', &text);
  if (absl::StartsWith(text, "//")) {
    text.remove_prefix(2);
    const size_t end = std::min(text.find('/'), text.size());
    parts.authority = text.substr(0, end);
    text.remove_prefix(end);
  }
  parts.path = text;
  return parts;
}

std::string ResolveIri(string_view base_text, string_view reference_text) {
  const IriParts base = ParseIri(base_text);
  const IriParts reference = ParseIri(reference_text);
  IriParts target = reference;
  std::string path;
  if (reference.scheme.has_value() || reference.authority.has_value()) {
    path = RemoveDotSegments(reference.path);
    if (!reference.scheme.has_value()) target.scheme = base.scheme;
  } else {
    target.scheme = base.scheme;
    target.authority = base.authority;
    if (reference.path.empty()) {
      path = std::string(base.path);
      if (!reference.query.has_value()) target.query = base.query;
    } else if (reference.path[0] == '/') {
      path = RemoveDotSegments(reference.path);
    } else {
      path = RemoveDotSegments(MergePaths(base, reference.path));
    }
  }
  // RFC 3986, section 5.3.
  std::string out;
  if (target.scheme.has_value()) absl::StrAppend(&out, *target.scheme, ":");
  if (target.authority.has_value()) absl::StrAppend(&out, "//", *target.authority);
  absl::StrAppend(&out, path);
  if (target.query.has_value()) absl::StrAppend(&out, "?", *target.query);
  if (target.fragment.has_value()) absl::StrAppend(&out, "#", *target.fragment);
  return out;
}

bool HasIriScheme(string_view text) { return SchemeLength(text) != string_view::npos; }

bool IsRdfIri(string_view text) {
  bool in_fragment = false;
  for (const char c : text) {
    constexpr string_view kExcluded = "<>\"{}|\\^`";
    if (static_cast<unsigned char>(c) <= 0x20 || kExcluded.find(c) != string_view::npos) return false;
    if (c == '#' && in_fragment) return false;
    in_fragment |= c == '#';
  }
  return HasIriScheme(text);
}

}  // namespace mvmd
