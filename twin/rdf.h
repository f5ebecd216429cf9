// RDF 1.1 datasets: terms, quads, and N-Quads in and out.
#ifndef MVMD_TWIN_RDF_H_
#define MVMD_TWIN_RDF_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mvmd {

inline constexpr char kXsdBoolean[] = "http://www.w3.org/2001/XMLSchema#boolean";
inline constexpr char kXsdDouble[] = "http://www.w3.org/2001/XMLSchema#double";
inline constexpr char kXsdInteger[] = "http://www.w3.org/2001/XMLSchema#integer";
inline constexpr char kXsdString[] = "http://www.w3.org/2001/XMLSchema#string";
inline constexpr char kRdfFirst[] = "http://www.w3.org/1999/02/22-rdf-syntax-ns#first";
inline constexpr char kRdfJson[] = "http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON";
inline constexpr char kRdfNil[] = "http://www.w3.org/1999/02/22-rdf-syntax-ns#nil";
inline constexpr char kRdfRest[] = "http://www.w3.org/1999/02/22-rdf-syntax-ns#rest";
inline constexpr char kRdfType[] = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type";

// An IRI, a blank node or a literal; or, in a quad's graph only, the default graph.
//
//   RdfTerm::Iri("https://schema.org/name");
//   RdfTerm::Blank("b0");                      // without `_:`
//   RdfTerm::Literal("42", kXsdInteger);
struct RdfTerm {
  enum class Kind : uint8_t { kDefaultGraph, kIri, kBlank, kLiteral };

  Kind kind = Kind::kDefaultGraph;
  std::string value;     // the IRI, the label, or the literal's lexical form; UTF-8
  std::string datatype;  // literals: empty for xsd:string, and for rdf:langString, which has a language
  std::string language;

  static RdfTerm Iri(absl::string_view iri) { return {Kind::kIri, std::string(iri), {}, {}}; }
  static RdfTerm Blank(absl::string_view label) { return {Kind::kBlank, std::string(label), {}, {}}; }
  static RdfTerm Literal(absl::string_view text, absl::string_view datatype = {}) {
    return {Kind::kLiteral, std::string(text), std::string(datatype == kXsdString ? "" : datatype), {}};
  }
  static RdfTerm LanguageString(absl::string_view text, absl::string_view language) {
    return {Kind::kLiteral, std::string(text), {}, std::string(language)};
  }

  bool is_iri() const { return kind == Kind::kIri; }
  bool is_blank() const { return kind == Kind::kBlank; }
  bool is_literal() const { return kind == Kind::kLiteral; }
  bool is_default_graph() const { return kind == Kind::kDefaultGraph; }
  friend bool operator==(const RdfTerm&, const RdfTerm&) = default;
};

// `subject` is an IRI or a blank node, `graph` one of these or the default graph.
struct RdfQuad {
  RdfTerm subject;
  std::string predicate;  // an IRI
  RdfTerm object;
  RdfTerm graph;

  friend bool operator==(const RdfQuad&, const RdfQuad&) = default;
};

// Canonical N-Quads (RDFC-1.0, appendix "A Canonical Form of N-Quads"): one term, and one line with its line feed.
// IRIs are written as they are: they have none of the characters that N-Quads excludes.
void AppendNQuadsTerm(const RdfTerm& term, std::string* out);
void AppendNQuad(const RdfQuad& quad, std::string* out);
std::string NQuadsLine(const RdfQuad& quad);
// The line, with labels of blank nodes as `label_of(term)` gives them, without `_:`.
template <typename LabelOf>
void AppendNQuad(const RdfQuad& quad, LabelOf label_of, std::string* out);

// Reads N-Quads 1.1 (https://www.w3.org/TR/n-quads/), not only canonical ones. Labels are kept; repetitions too. Size
// is limited by the caller. INVALID_ARGUMENT with the first malformed line's number.
absl::StatusOr<std::vector<RdfQuad>> ParseNQuads(absl::string_view text);

// Canonical lexical forms of JSON numbers. JSON-LD 1.1 API, "Data Round Tripping".
// All digits of the binary64, which has no fraction; -0 is `0`.
std::string XsdIntegerText(double value);
// `4.52E1`, `1.0E-7`: up to 15 decimals, at least one.
std::string XsdDoubleText(double value);

template <typename LabelOf>
void AppendNQuad(const RdfQuad& quad, LabelOf label_of, std::string* out) {
  auto append = [&](const RdfTerm& term) {
    if (term.is_blank()) {
      out->append("_:");
      const auto& label = label_of(term);
      out->append(label.data(), label.size());
    } else {
      AppendNQuadsTerm(term, out);
    }
    out->push_back(' ');
  };
  append(quad.subject);
  out->push_back('<');
  out->append(quad.predicate);
  out->append("> ");
  append(quad.object);
  if (!quad.graph.is_default_graph()) append(quad.graph);
  out->append(".\n");
}

}  // namespace mvmd

#endif  // MVMD_TWIN_RDF_H_
