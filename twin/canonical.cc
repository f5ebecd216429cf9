#include "twin/canonical.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "absl/container/inlined_vector.h"
#include "absl/strings/escaping.h"
#include "twin/byte_scan.h"

namespace mvmd {
namespace {

// Characters that RFC 8785 escapes: quote, backslash and the controls; the others stay as they are.
void AppendEscape(unsigned char c, std::string* out) {
  switch (c) {
    case '"':
      out->append("\\\"");
      return;
    case '\\':
      out->append("\\\\");
      return;
    case '\b':
      out->append("\\b");
      return;
    case '\t':
      out->append("\\t");
      return;
    case '\n':
      out->append("\\n");
      return;
    case '\f':
      out->append("\\f");
      return;
    case '\r':
      out->append("\\r");
      return;
    default:
      out->append("\\u00");
      out->push_back("0123456789abcdef"[c >> 4]);
      out->push_back("0123456789abcdef"[c & 15]);
  }
}

void AppendInteger(int64_t value, std::string* out) {
  char text[24];
  out->append(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

// `digits` times 10^-scale, scale from 1 to 3; the last digit is not zero.
void AppendScaled(int64_t digits, int scale, std::string* out) {
  char text[24];
  char* end = text + sizeof(text);
  char* p = end;
  auto rest = static_cast<uint64_t>(std::llabs(digits));
  for (int i = 0; rest != 0 || i <= scale; ++i) {
    if (i == scale) *--p = '.';
    *--p = static_cast<char>('0' + rest % 10);
    rest /= 10;
  }
  if (digits < 0) *--p = '-';
  out->append(p, end);
}

// Most readings have a few decimals. When digits / 10^scale gives the value back and has at most 15 digits, no other
// decimal of up to 15 digits does, so the smallest such scale has the shortest digits.
bool AppendShortDecimal(double value, std::string* out) {
  double power = 10;
  if (std::fabs(value) >= 1e11 || std::fabs(value) < 1e-3) return false;
  for (int scale = 1; scale <= 3; ++scale, power *= 10) {
    const double digits = std::nearbyint(value * power);
    if (digits / power != value) continue;
    AppendScaled(static_cast<int64_t>(digits), scale, out);
    return true;
  }
  return false;
}

// ECMA-262, Number::toString: `digits` (k of them, no point) stand for 0.digits times 10^point.
void AppendEcmaScript(absl::string_view digits, int point, std::string* out) {
  const int k = static_cast<int>(digits.size());
  auto append = [out](absl::string_view part) { out->append(part.data(), part.size()); };
  if (k <= point && point <= 21) {
    append(digits);
    out->append(static_cast<size_t>(point - k), '0');
  } else if (0 < point && point <= 21) {
    append(digits.substr(0, static_cast<size_t>(point)));
    out->push_back('.');
    append(digits.substr(static_cast<size_t>(point)));
  } else if (-6 < point && point <= 0) {
    out->append("0.");
    out->append(static_cast<size_t>(-point), '0');
    append(digits);
  } else {
    out->push_back(digits[0]);
    if (k > 1) {
      out->push_back('.');
      append(digits.substr(1));
    }
    out->append(point > 0 ? "e+" : "e-");
    AppendInteger(std::abs(point - 1), out);
  }
}

// UTF-8 keeps the order of code points. UTF-16 has those above U+FFFF as surrogates (0xD800 on), before U+E000 to
// U+FFFF. Only first bytes of characters are that large, so that it is enough to rank them anew.
unsigned char RankOf(unsigned char byte) {
  if (byte < 0xEE) return byte;
  return byte >= 0xF0 ? static_cast<unsigned char>(byte - 2) : static_cast<unsigned char>(byte + 5);
}

struct OrderedMember {
  uint64_t key;
  const Json::Member* member;

  friend bool operator<(const OrderedMember& a, const OrderedMember& b) {
    return a.key != b.key ? a.key < b.key : CompareCanonicalNames(a.member->first, b.member->first) < 0;
  }
};

void AppendObject(const Json& object, std::string* out) {
  const std::vector<Json::Member>& members = object.members();
  absl::InlinedVector<OrderedMember, 16> order;
  order.reserve(members.size());
  for (const Json::Member& member : members) order.push_back({CanonicalSortKey(member.first), &member});
  std::sort(order.begin(), order.end());
  char separator = '{';
  for (const OrderedMember& entry : order) {
    out->push_back(separator);
    separator = ',';
    AppendCanonicalString(entry.member->first, out);
    out->push_back(':');
    AppendCanonical(entry.member->second, out);
  }
  if (order.empty()) out->push_back('{');
  out->push_back('}');
}

// Fetched once: looking an algorithm up costs as much as hashing a small document.
const EVP_MD* Sha256Method() {
  static const EVP_MD* const kMethod = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kMethod;
}

class DigestContext {
 public:
  DigestContext() : context_(EVP_MD_CTX_new()) {}
  ~DigestContext() { EVP_MD_CTX_free(context_); }
  DigestContext(const DigestContext&) = delete;
  DigestContext& operator=(const DigestContext&) = delete;
  EVP_MD_CTX* get() { return context_; }

 private:
  EVP_MD_CTX* context_;
};

}  // namespace

void AppendCanonical(const Json& value, std::string* out) {
  switch (value.type()) {
    case Json::Type::kNull:
      out->append("null");
      return;
    case Json::Type::kBool:
      out->append(value.boolean() ? "true" : "false");
      return;
    case Json::Type::kNumber:
      AppendCanonicalNumber(value.number(), out);
      return;
    case Json::Type::kString:
      AppendCanonicalString(value.string(), out);
      return;
    case Json::Type::kArray: {
      out->push_back('[');
      bool first = true;
      for (const Json& element : value.elements()) {
        if (!first) out->push_back(',');
        first = false;
        AppendCanonical(element, out);
      }
      out->push_back(']');
      return;
    }
    case Json::Type::kObject:
      AppendObject(value, out);
      return;
  }
}

std::string Canonicalize(const Json& value) {
  std::string out;
  AppendCanonical(value, &out);
  return out;
}

void AppendCanonicalString(absl::string_view text, std::string* out) {
  out->push_back('"');
  const char* p = text.data();
  const char* const end = p + text.size();
  for (;;) {
    const char* run = p;
    p = FindStringSpecial<false>(p, end);
    out->append(run, static_cast<size_t>(p - run));
    if (p == end) break;
    AppendEscape(static_cast<unsigned char>(*p), out);
    ++p;
  }
  out->push_back('"');
}

void AppendCanonicalNumber(double value, std::string* out) {
  if (!std::isfinite(value)) {  // no tree holds one; a writer that slips must still not print what is no JSON
    out->append("null");
    return;
  }
  if (std::fabs(value) < 1e15) {
    const auto integer = static_cast<int64_t>(value);
    if (static_cast<double>(integer) == value) return AppendInteger(integer, out);
    if (AppendShortDecimal(value, out)) return;
  }
  // d.ddde[+-]xx, shortest digits that read back.
  char text[40];
  const char* end = std::to_chars(text, text + sizeof(text), value, std::chars_format::scientific).ptr;
  const char* p = text;
  if (*p == '-') out->push_back(*p++);
  const char* exponent_at = std::find(p, end, 'e');
  char digits[24];
  char* digits_end = std::remove_copy(p, exponent_at, digits, '.');
  int exponent = 0;
  const char* exponent_digits = exponent_at[1] == '+' ? exponent_at + 2 : exponent_at + 1;
  std::from_chars(exponent_digits, end, exponent);
  AppendEcmaScript(absl::string_view(digits, static_cast<size_t>(digits_end - digits)), exponent + 1, out);
}

int CompareCanonicalNames(absl::string_view a, absl::string_view b) {
  const size_t common = std::min(a.size(), b.size());
  size_t i = 0;
  while (i < common && a[i] == b[i]) ++i;
  if (i == common) return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
  return RankOf(static_cast<unsigned char>(a[i])) < RankOf(static_cast<unsigned char>(b[i])) ? -1 : 1;
}

uint64_t CanonicalSortKey(absl::string_view name) {
  uint64_t key = 0;
  const size_t length = std::min<size_t>(name.size(), 8);
  for (size_t i = 0; i < 8; ++i) key = key << 8 | (i < length ? RankOf(static_cast<unsigned char>(name[i])) : 0);
  return key;
}

std::string Sha256(absl::string_view bytes) {
  thread_local DigestContext context;
  std::string digest(32, '\0');
  unsigned int length = 0;
  const bool done = EVP_DigestInit_ex2(context.get(), Sha256Method(), nullptr) == 1 &&
                    EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1 &&
                    EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), &length) == 1;
  // An OpenSSL without SHA-256 cannot be worked with; going on would give equal etags to unequal documents.
  if (!done || length != digest.size()) std::abort();
  return digest;
}

std::string Sha256Hex(absl::string_view bytes) { return absl::BytesToHexString(Sha256(bytes)); }

}  // namespace mvmd
