// Whole numbers of the command line.
#ifndef MVMD_TWINCTL_WHOLE_NUMBER_H_
#define MVMD_TWINCTL_WHOLE_NUMBER_H_

#include <cstdint>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace mvmd {

// Of 64 bits, from `least` on. CLI11 itself takes -1 as the largest one, and its ranges say what they expect in 300
// digits.
inline CLI::Validator WholeNumberFrom(uint64_t least) {
  return CLI::Validator(
      [least](const std::string& text) {
        uint64_t number = 0;
        const bool is_number = text.find_first_not_of("0123456789") == std::string::npos;
        if (is_number && absl::SimpleAtoi(text, &number) && number >= least) return std::string();
        return absl::StrCat("expected a whole number from ", least, " on, got ", text);
      },
      "");
}

}  // namespace mvmd

#endif  // MVMD_TWINCTL_WHOLE_NUMBER_H_
