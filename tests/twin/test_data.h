// Reading the profile's test data.
#ifndef MVMD_TESTS_TWIN_TEST_DATA_H_
#define MVMD_TESTS_TWIN_TEST_DATA_H_

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "twin/json.h"

namespace mvmd {

inline std::string ReadFileText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::string ReadProfile(const std::string& name) {
  return ReadFileText(std::string(MVMD_TEST_DATA "/profile/") + name);
}

inline Json ParseOrFail(absl::string_view text) {
  absl::StatusOr<Json> json = ParseJson(text);
  EXPECT_TRUE(json.ok()) << json.status() << "\n" << text;
  return json.ok() ? *std::move(json) : Json();
}

inline Json ParseProfile(const std::string& name) { return ParseOrFail(ReadProfile(name)); }

inline std::vector<std::string> ReadProfileLines(const std::string& name) {
  std::istringstream text(ReadProfile(name));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

}  // namespace mvmd

#endif  // MVMD_TESTS_TWIN_TEST_DATA_H_
