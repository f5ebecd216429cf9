#include "twin/jsonld.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

// JSON-LD 1.1, section 1.7; sorted, in the order of JsonLdKeyword.
constexpr absl::string_view kKeywords[] = {"@base",   "@container", "@context", "@direction", "@graph",     "@id",
                                           "@import", "@included",  "@index",   "@json",      "@language",  "@list",
                                           "@nest",   "@none",      "@prefix",  "@propagate", "@protected", "@reverse",
                                           "@set",    "@type",      "@value",   "@version",   "@vocab"};
static_assert(std::size(kKeywords) == static_cast<size_t>(JsonLdKeyword::kVocab));

}  // namespace

JsonLdKeyword KeywordOf(absl::string_view text) {
  if (text.size() < 3 || text[0] != '@') return JsonLdKeyword::kNone;
  const auto* const found = std::lower_bound(std::begin(kKeywords), std::end(kKeywords), text);
  if (found == std::end(kKeywords) || *found != text) return JsonLdKeyword::kNone;
  return static_cast<JsonLdKeyword>(found - std::begin(kKeywords) + 1);
}

absl::string_view TextOf(JsonLdKeyword keyword) { return kKeywords[static_cast<size_t>(keyword) - 1]; }

bool HasFormOfKeyword(absl::string_view text) {
  return text.size() > 1 && text[0] == '@' && std::all_of(text.begin() + 1, text.end(), [](char c) {
           return absl::ascii_isalpha(static_cast<unsigned char>(c));
         });
}

absl::Status JsonLdError(absl::string_view code, absl::string_view detail) {
  return absl::InvalidArgumentError(absl::StrCat(code, ": ", detail));
}

std::string QuoteForError(absl::string_view text) {
  constexpr size_t kBytesMax = 80;
  const bool cut = text.size() > kBytesMax;
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, kBytesMax)), cut ? "...'" : "'");
}

absl::Status JsonLdBudget::status() const {
  if (ok()) return absl::OkStatus();
  return JsonLdError("limit exceeded", absl::StrCat("expected at most ", work_max_, " bytes of work"));
}

absl::Status JsonLdTooDeep() {
  return JsonLdError("limit exceeded", absl::StrCat("expected at most ", kJsonLdDepthMax, " levels"));
}

}  // namespace mvmd
