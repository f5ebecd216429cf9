// W3C's test suites, run from a local copy: https://github.com/w3c/json-ld-api and https://github.com/w3c/rdf-canon.
// Nothing of them is kept here but the names of the tests that pass.
#ifndef MVMD_TESTS_W3C_SUITE_H_
#define MVMD_TESTS_W3C_SUITE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "twin/json.h"

namespace mvmd {

struct W3cResult {
  std::string id;  // "t0001"
  std::string name;
  absl::Status status;  // OK: passed; else what was expected and what came
};

// The suite's folder `tests`, with its manifests.
class W3cFolder {
 public:
  explicit W3cFolder(absl::string_view path) : path_(path) {}

  absl::StatusOr<std::string> ReadText(absl::string_view name) const;
  absl::StatusOr<Json> ReadJson(absl::string_view name) const;

 private:
  const std::string path_;
};

// Of a manifest's entry.
std::string IdOf(const Json& entry);
// The text of a member, or of a member's member; empty when there is none.
std::string TextAt(const Json& object, absl::string_view name);

// Every test of a kind. Tests for other processors (JSON-LD 1.0) are left out.
absl::StatusOr<std::vector<W3cResult>> RunExpandTests(const W3cFolder& folder);
absl::StatusOr<std::vector<W3cResult>> RunToRdfTests(const W3cFolder& folder);
absl::StatusOr<std::vector<W3cResult>> RunRdfCanonTests(const W3cFolder& folder);

}  // namespace mvmd

#endif  // MVMD_TESTS_W3C_SUITE_H_
