// Filters of ListTwins: AIP-160 (https://google.aip.dev/160) over a document as it is served.
//
//   connectionStatus = "active" AND subjectOf.manufacturer = "Acme" AND sensors.temp-1.currentValue > 60
//
// docs/protocol.md, Filters, has the language: paths, comparisons, what is missing. The grammar is that of AIP-160:
//
//   filter      : [expression]                         comparable : member | function     (functions are refused)
//   expression  : sequence {WS AND WS sequence}         member     : value {"." field}
//   sequence    : factor {WS factor}                    value      : TEXT | STRING
//   factor      : term {WS OR WS term}                  field      : value | AND | OR | NOT
//   term        : [NOT WS | "-"] simple                 comparator : <= < >= > != = :
//   simple      : restriction | "(" expression ")"      arg        : comparable | "(" expression ")"
//   restriction : comparable [comparator arg]
#ifndef MVMD_TWIN_FILTER_H_
#define MVMD_TWIN_FILTER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "twin/document_path.h"
#include "twin/served_document.h"
#include "twin/text_search.h"
#include "twin/time.h"

namespace mvmd {

// AIP-160, Limitations: what keeps a filter from becoming a query of death.
inline constexpr size_t kFilterBytesMax = 8192;
inline constexpr int kFilterDepthMax = 32;          // parentheses within parentheses
inline constexpr size_t kFilterTermsMax = 64;       // values that something is compared with
inline constexpr size_t kFilterTextsMax = 8;        // of them, values without a path: each goes through whole documents
inline constexpr size_t kFilterTextBytesMax = 256;  // of such a value
inline constexpr size_t kFilterPathNamesMax = 32;   // in one path

// What a path is compared with, and all that its text can stand for.
struct FilterLiteral {
  std::string text;  // without quotes and escapes
  bool is_quoted = false;
  bool is_star = false;  // `*` alone, no escape
  bool is_null = false;  // only without quotes
  // A text that begins or ends with `*`: `stem` is what is left without.
  bool any_prefix = false;
  bool any_suffix = false;
  std::string stem;
  std::optional<double> number;
  std::optional<bool> boolean;
  std::optional<InstantRange> instants;
  std::optional<absl::int128> duration_picoseconds;
};

// Parsed once, asked for many documents. Immutable, thread-safe.
//
//   absl::StatusOr<Filter> filter = Filter::Parse(text);
//   if (filter->Matches(ServedValue(definition, live))) ...
class Filter {
 public:
  // Matches everything.
  Filter() = default;
  // INVALID_ARGUMENT, `position 12: expected ..., got ...`; positions are bytes, from 1.
  static absl::StatusOr<Filter> Parse(absl::string_view text);

  bool Matches(const ServedValue& document) const;
  // Matches everything.
  bool is_empty() const { return nodes_.empty(); }

 private:
  friend class FilterParser;

  enum class Operator { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kHas };
  enum class Kind { kAnd, kOr, kNot, kRestriction, kText };
  struct Node {
    Kind kind;
    std::vector<size_t> children = {};  // kAnd, kOr, kNot
    Operator op = Operator::kEqual;     // kRestriction
    size_t path = 0;                    // kRestriction
    size_t literal = 0;                 // kRestriction, kText
    size_t search = 0;                  // kText
  };

  bool MatchesNode(size_t index, const ServedValue& document) const;
  bool MatchesRestriction(const Node& node, const ServedValue& document) const;

  std::vector<Node> nodes_;  // the root is the last one
  std::vector<DocumentPath> paths_;
  std::vector<FilterLiteral> literals_;
  std::vector<TextSearch> searches_;
};

}  // namespace mvmd

#endif  // MVMD_TWIN_FILTER_H_
