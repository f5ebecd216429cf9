#include "tests/bench/ledger.h"

#include <fstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mvmd {

absl::Status WriteLedger(const Ledger& ledger, const std::string& path) {
  std::ofstream file(path);
  for (const auto& [topic, numbers] : ledger) {
    file << topic;
    for (size_t i = 0; i < numbers.size();) {
      size_t end = i + 1;
      while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
      file << ' ' << numbers[i] << '-' << numbers[end - 1];
      i = end;
    }
    file << '\n';
  }
  file.close();
  if (!file) return absl::UnavailableError(absl::StrCat(path, ": cannot write the ledger"));
  return absl::OkStatus();
}

absl::StatusOr<Ledger> ReadLedger(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot open the ledger"));
  Ledger ledger;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    std::vector<uint64_t>& numbers = ledger[words[0]];
    for (size_t i = 1; i < words.size(); ++i) {
      const std::pair<std::string, std::string> ends = absl::StrSplit(words[i], absl::MaxSplits('-', 1));
      uint64_t first, last;
      if (!absl::SimpleAtoi(ends.first, &first) || !absl::SimpleAtoi(ends.second, &last) || first > last) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, ":", number, ": expected `first-last`, got `", words[i], "`"));
      }
      for (uint64_t n = first; n <= last; ++n) numbers.push_back(n);
    }
  }
  return ledger;
}

}  // namespace mvmd
