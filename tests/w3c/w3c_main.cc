// mvmd-w3c KIND FOLDER [--manifest FILE]
//
// Runs W3C's tests of KIND (expand, toRdf, rdf-canon) from FOLDER, the folder `tests` of a copy of json-ld-api or
// rdf-canon. With --manifest FILE only the tests that FILE names have to pass, else all.
#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/w3c/suite.h"

namespace mvmd {

namespace {

// A test's name a line, and comments.
absl::StatusOr<std::set<std::string>> ReadManifest(const std::string& path) {
  std::ifstream file(path);
  std::set<std::string> ids;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') ids.insert(line);
  }
  if (ids.empty()) return absl::NotFoundError(absl::StrCat("no tests in ", path));
  return ids;
}

absl::StatusOr<std::vector<W3cResult>> RunTests(absl::string_view kind, const W3cFolder& folder) {
  if (kind == "expand") return RunExpandTests(folder);
  if (kind == "toRdf") return RunToRdfTests(folder);
  if (kind == "rdf-canon") return RunRdfCanonTests(folder);
  return absl::InvalidArgumentError("expected expand, toRdf or rdf-canon");
}

// How many tests failed that had to pass.
int Report(const std::vector<W3cResult>& results, const std::set<std::string>* required) {
  std::set<std::string> passed;
  for (const W3cResult& result : results) {
    std::cout << (result.status.ok() ? "passed " : "failed ") << result.id << " " << result.name << "\n";
    if (result.status.ok()) {
      passed.insert(result.id);
    } else {
      std::cout << "  " << result.status.message() << "\n";
    }
  }
  std::cout << passed.size() << " of " << results.size() << " passed\n";
  if (required == nullptr) return static_cast<int>(results.size() - passed.size());
  int failed = 0;
  for (const std::string& id : *required) {
    if (passed.contains(id)) continue;
    std::cout << "expected " << id << " to pass, as the manifest says\n";
    ++failed;
  }
  for (const std::string& id : passed) {
    if (!required->contains(id)) std::cout << "not in the manifest, but passes: " << id << "\n";
  }
  return failed;
}

int Main(const std::vector<std::string>& arguments) {
  const bool has_manifest = arguments.size() == 4 && arguments[2] == "--manifest";
  if (arguments.size() != 2 && !has_manifest) {
    std::cerr << "usage: mvmd-w3c expand|toRdf|rdf-canon FOLDER [--manifest FILE]\n";
    return 2;
  }
  const absl::StatusOr<std::vector<W3cResult>> results = RunTests(arguments[0], W3cFolder(arguments[1]));
  if (!results.ok()) {
    std::cerr << results.status().message() << "\n";
    return 2;
  }
  if (!has_manifest) return Report(*results, nullptr) == 0 ? 0 : 1;
  const absl::StatusOr<std::set<std::string>> required = ReadManifest(arguments[3]);
  if (!required.ok()) {
    std::cerr << required.status().message() << "\n";
    return 2;
  }
  return Report(*results, &*required) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) { return mvmd::Main(std::vector<std::string>(argv + 1, argv + argc)); }
