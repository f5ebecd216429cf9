// IRI references, taken apart and resolved: RFC 3986, sections 3 and 5, on text. Nothing is normalized.
#ifndef MVMD_TWIN_IRI_H_
#define MVMD_TWIN_IRI_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace mvmd {

// Views into the text that was parsed.
struct IriParts {
  std::optional<absl::string_view> scheme;     // without `:`
  std::optional<absl::string_view> authority;  // without `//`
  absl::string_view path;
  std::optional<absl::string_view> query;     // without `?`
  std::optional<absl::string_view> fragment;  // without `#`
};

// Every text is a reference (RFC 3986, appendix B); a scheme has to be one: a letter, then letters, digits, `+-.`.
IriParts ParseIri(absl::string_view text);
// RFC 3986, section 5.2.2, strict. `base` has a scheme.
std::string ResolveIri(absl::string_view base, absl::string_view reference);

// Has a scheme: the form in which JSON-LD takes text for an IRI.
bool HasIriScheme(absl::string_view text);
// An IRI that N-Quads can hold: a scheme, and none of U+0000 to U+0020 and <>"{}|\^`. Less strict than RFC 3987, so
// that what the rule LD-03 lets pass is not lost.
bool IsRdfIri(absl::string_view text);

}  // namespace mvmd

#endif  // MVMD_TWIN_IRI_H_
