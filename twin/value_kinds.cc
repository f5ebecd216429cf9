#include "twin/value_kinds.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "twin/time.h"

namespace mvmd {
namespace {

using absl::string_view;

bool IsAlpha(char c) { return absl::ascii_isalpha(static_cast<unsigned char>(c)); }
bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }
bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }
bool IsHex(char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); }

bool Contains(string_view set, char c) { return set.find(c) != string_view::npos; }

size_t CountLeadingDigits(string_view text) {
  return static_cast<size_t>(std::find_if_not(text.begin(), text.end(), IsDigit) - text.begin());
}

// 1 to 9 digits, optionally a point and 1 to 9 digits: taken off the front. False when they are not there or all zero.
bool TakePositiveDecimal(string_view* text) {
  const string_view start = *text;
  const size_t whole = CountLeadingDigits(*text);
  if (whole < 1 || whole > 9) return false;
  text->remove_prefix(whole);
  if (absl::StartsWith(*text, ".")) {
    const size_t decimals = CountLeadingDigits(text->substr(1));
    if (decimals < 1 || decimals > 9) return false;
    text->remove_prefix(1 + decimals);
  }
  const string_view number = start.substr(0, start.size() - text->size());
  return number.find_first_of("123456789") != string_view::npos;
}

bool IsRate(string_view text) {
  if (!TakePositiveDecimal(&text)) return false;
  absl::ConsumePrefix(&text, " ");
  return text == "Hz" || text == "mHz" || text == "kHz";
}

// RFC 6838, section 4.2.
bool IsRegistrationName(string_view name) {
  return !name.empty() && name.size() <= 127 && IsAlnum(name[0]) &&
         std::all_of(name.begin(), name.end(), [](char c) { return IsAlnum(c) || Contains("!#$&-^_.+", c); });
}

// RFC 9110, section 5.6.2.
bool IsToken(string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return IsAlnum(c) || Contains("!#$%&'*+-.^_`|~", c); });
}

// RFC 9110, section 5.6.4: taken off the front.
bool TakeQuotedString(string_view* text) {
  if (!absl::ConsumePrefix(text, "\"")) return false;
  while (!text->empty() && (*text)[0] != '"') {
    if ((*text)[0] == '\\') text->remove_prefix(1);
    if (text->empty()) return false;
    const auto c = static_cast<unsigned char>((*text)[0]);
    if ((c < 0x20 && c != '\t') || c == 0x7F) return false;
    text->remove_prefix(1);
  }
  return absl::ConsumePrefix(text, "\"");
}

void SkipBlanks(string_view* text) { text->remove_prefix(std::min(text->find_first_not_of(" \t"), text->size())); }

// `; name=value`, taken off the front.
bool TakeParameter(string_view* text) {
  SkipBlanks(text);
  if (!absl::ConsumePrefix(text, ";")) return false;
  SkipBlanks(text);
  const size_t equals = text->find('=');
  if (equals == string_view::npos || !IsToken(text->substr(0, equals))) return false;
  text->remove_prefix(equals + 1);
  if (absl::StartsWith(*text, "\"")) return TakeQuotedString(text);
  const string_view value = text->substr(0, text->find_first_of(" \t;"));
  if (!IsToken(value)) return false;
  text->remove_prefix(value.size());
  return true;
}

// RFC 3986, section 3.1: bytes of the scheme before the first `:`; 0 when there is none.
size_t SchemeLength(string_view text) {
  const size_t colon = text.find(':');
  if (colon == string_view::npos || colon == 0 || !IsAlpha(text[0])) return 0;
  const string_view scheme = text.substr(0, colon);
  return std::all_of(scheme.begin(), scheme.end(), [](char c) { return IsAlnum(c) || Contains("+.-", c); }) ? colon : 0;
}

bool IsUnreserved(char c) { return IsAlnum(c) || Contains("-._~", c); }
bool IsSubDelim(char c) { return Contains("!$&'()*+,;=", c); }

// Unreserved, sub-delims, percent-encoded, and `extra`.
bool IsUriPart(string_view text, string_view extra) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size() || !IsHex(text[i + 1]) || !IsHex(text[i + 2])) return false;
      i += 2;
    } else if (!IsUnreserved(text[i]) && !IsSubDelim(text[i]) && !Contains(extra, text[i])) {
      return false;
    }
  }
  return true;
}

bool IsIpv4(string_view text) {
  int parts = 0;
  for (bool more = true; more; ++parts) {
    const size_t length = CountLeadingDigits(text);
    if (length < 1 || length > 3 || (length > 1 && text[0] == '0')) return false;
    int value = 0;
    for (char c : text.substr(0, length)) value = value * 10 + (c - '0');
    if (value > 255) return false;
    text.remove_prefix(length);
    more = absl::ConsumePrefix(&text, ".");
  }
  return parts == 4 && text.empty();
}

// Groups of `part`, a run of 16-bit groups between colons, the last two possibly as an IPv4 address; -1 when it is
// none.
int CountIpv6Groups(string_view part, bool may_end_in_ipv4) {
  int groups = 0;
  while (!part.empty()) {
    const size_t colon = part.find(':');
    const string_view group = part.substr(0, colon);
    const bool last = colon == string_view::npos;
    if (last && may_end_in_ipv4 && Contains(group, '.')) return IsIpv4(group) ? groups + 2 : -1;
    if (group.empty() || group.size() > 4 || !std::all_of(group.begin(), group.end(), IsHex)) return -1;
    ++groups;
    part.remove_prefix(last ? part.size() : colon + 1);
    if (!last && part.empty()) return -1;
  }
  return groups;
}

// RFC 4291, section 2.2; no zone.
bool IsIpv6(string_view text) {
  const size_t gap = text.find("::");
  if (gap == string_view::npos) return CountIpv6Groups(text, true) == 8;
  const int before = CountIpv6Groups(text.substr(0, gap), false);
  const int after = CountIpv6Groups(text.substr(gap + 2), true);
  return before >= 0 && after >= 0 && before + after <= 7;
}

// RFC 3986, section 3.2.2.
bool IsIpvFuture(string_view text) {
  if (text.empty() || (text[0] != 'v' && text[0] != 'V')) return false;
  const size_t point = text.find('.');
  if (point == string_view::npos || point < 2 || point + 1 == text.size()) return false;
  const string_view version = text.substr(1, point - 1);
  const string_view rest = text.substr(point + 1);
  return std::all_of(version.begin(), version.end(), IsHex) &&
         std::all_of(rest.begin(), rest.end(), [](char c) { return IsUnreserved(c) || IsSubDelim(c) || c == ':'; });
}

bool IsPort(string_view text) {
  if (!std::all_of(text.begin(), text.end(), IsDigit)) return false;
  if (text.empty()) return true;
  int value = 0;
  for (char c : text) value = std::min(value * 10 + (c - '0'), 65536);
  return value >= 1 && value <= 65535;
}

// Host and port of an authority, without user information.
bool IsHostPort(string_view text) {
  string_view host = text.substr(0, text.find(':'));
  if (absl::StartsWith(text, "[")) {
    const size_t close = text.find(']');
    if (close == string_view::npos) return false;
    host = text.substr(0, close + 1);
    const string_view literal = text.substr(1, close - 1);
    if (!IsIpv6(literal) && !IsIpvFuture(literal)) return false;
  } else if (host.empty() || !IsUriPart(host, "")) {
    return false;
  }
  text.remove_prefix(host.size());
  if (text.empty()) return true;
  return text[0] == ':' && IsPort(text.substr(1));
}

// Splits `text` at the first of `delimiters`: what is before is returned, the rest stays.
string_view TakeUntil(string_view* text, string_view delimiters) {
  const string_view part = text->substr(0, text->find_first_of(delimiters));
  text->remove_prefix(part.size());
  return part;
}

// What is between the brackets at the front of `text`.
string_view InBrackets(string_view text) {
  text.remove_prefix(1);
  return text.substr(0, text.find(']'));
}

// The host within what follows `//`; empty when there is none.
string_view HostOf(string_view rest) {
  string_view authority = TakeUntil(&rest, "/?#");
  if (const size_t at = authority.rfind('@'); at != string_view::npos) authority.remove_prefix(at + 1);
  if (absl::StartsWith(authority, "[")) return InBrackets(authority);
  return authority.substr(0, authority.find(':'));
}

// Characters of RFC 3986, or above U+009F; `%` with two hex digits.
bool HasIriCharacters(string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '%') {
      if (i + 2 >= text.size() || !IsHex(text[i + 1]) || !IsHex(text[i + 2])) return false;
      i += 2;
    } else if (c < 0x80) {
      if (!IsUnreserved(text[i]) && !IsSubDelim(text[i]) && !Contains(":/?#[]@", text[i])) return false;
    } else if (c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) {
      return false;  // U+0080 to U+009F
    }
  }
  return true;
}

// Bytes of the white space character at the front of `text` (Unicode White_Space, and U+FEFF as ECMAScript has it); 0
// when there is none.
size_t WhiteSpaceLength(string_view text) {
  if (absl::ascii_isspace(static_cast<unsigned char>(text[0]))) return 1;
  constexpr string_view kWide[] = {"\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003",
                                   "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a",
                                   "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff"};
  for (string_view space : kWide) {
    if (absl::StartsWith(text, space)) return space.size();
  }
  return 0;
}

bool HasWhiteSpace(string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (WhiteSpaceLength(text.substr(i)) != 0) return true;
  }
  return false;
}

}  // namespace

bool HasText(string_view value) { return value.find_first_not_of("\t\n\r ") != string_view::npos; }

size_t CountCodePoints(string_view value) {
  return static_cast<size_t>(
      std::count_if(value.begin(), value.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool IsUpdateFrequency(string_view value) {
  return value == "realtime" || value == "on-change" || value == "on-demand" || IsRate(value) ||
         ParseDurationPicoseconds(value).has_value();
}

bool IsPercentage(string_view value) {
  const size_t whole = CountLeadingDigits(value);
  const string_view number = value.substr(0, whole);
  if (whole < 1 || whole > 3 || (whole == 3 && number != "100")) return false;
  value.remove_prefix(whole);
  if (absl::ConsumePrefix(&value, ".")) {
    const size_t decimals = CountLeadingDigits(value);
    const string_view fraction = value.substr(0, decimals);
    if (decimals == 0 || (whole == 3 && fraction.find_first_not_of('0') != string_view::npos)) return false;
    value.remove_prefix(decimals);
  }
  return value == "%";
}

bool IsMediaType(string_view value) {
  const string_view name = TakeUntil(&value, "; \t");
  const size_t slash = name.find('/');
  if (slash == string_view::npos || !IsRegistrationName(name.substr(0, slash)) ||
      !IsRegistrationName(name.substr(slash + 1))) {
    return false;
  }
  while (!value.empty()) {
    if (!TakeParameter(&value)) return false;
  }
  return true;
}

bool IsTypeName(string_view value) {
  const bool term = !value.empty() &&
                    std::all_of(value.begin(), value.end(), [](char c) { return IsAlnum(c) || c == '_' || c == '-'; });
  if (term) return true;
  const size_t scheme = SchemeLength(value);
  return scheme != 0 && scheme + 1 < value.size() && !HasWhiteSpace(value.substr(scheme + 1));
}

bool IsAbsoluteIri(string_view value) {
  const size_t scheme = SchemeLength(value);
  if (scheme == 0 || scheme + 1 == value.size()) return false;
  string_view rest = value.substr(scheme + 1);
  if (!HasIriCharacters(rest)) return false;
  if (!absl::ConsumePrefix(&rest, "//")) return true;
  return !HostOf(rest).empty() || absl::EqualsIgnoreCase(value.substr(0, scheme), "file");
}

bool IsWebAddress(string_view value) {
  const string_view scheme = value.substr(0, SchemeLength(value));
  if (!absl::EqualsIgnoreCase(scheme, "http") && !absl::EqualsIgnoreCase(scheme, "https")) return false;
  return absl::StartsWith(value.substr(scheme.size()), "://") && IsAbsoluteIri(value);
}

std::optional<EndpointUri> ParseEndpointUri(string_view value) {
  const size_t scheme = SchemeLength(value);
  if (scheme == 0) return std::nullopt;
  EndpointUri endpoint;
  endpoint.scheme = absl::AsciiStrToLower(value.substr(0, scheme));
  string_view rest = value.substr(scheme + 1);
  if (!absl::ConsumePrefix(&rest, "//")) return std::nullopt;
  string_view authority = TakeUntil(&rest, "/?#");
  if (const size_t at = authority.find('@'); at != string_view::npos) {
    endpoint.has_user_info = true;
    if (!IsUriPart(authority.substr(0, at), ":")) return std::nullopt;
    authority.remove_prefix(at + 1);
  }
  if (!IsHostPort(authority)) return std::nullopt;
  if (!IsUriPart(TakeUntil(&rest, "?#"), ":@/")) return std::nullopt;
  if (absl::ConsumePrefix(&rest, "?") && !IsUriPart(TakeUntil(&rest, "#"), ":@/?")) return std::nullopt;
  if (absl::ConsumePrefix(&rest, "#") && !IsUriPart(rest, ":@/?")) return std::nullopt;
  return endpoint;
}

}  // namespace mvmd
