// A directory of a test's own, gone afterwards.
#ifndef MVMD_TESTS_BRIDGE_TEST_DIR_H_
#define MVMD_TESTS_BRIDGE_TEST_DIR_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace mvmd {

class TestDir {
 public:
  TestDir() {
    std::string path = ::testing::TempDir() + "mvmd-bridge-XXXXXX";
    path_ = mkdtemp(path.data());
  }
  ~TestDir() { std::filesystem::remove_all(path_); }
  TestDir(const TestDir&) = delete;
  TestDir& operator=(const TestDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(File(name), std::ios::binary) << text;
    return File(name);
  }

 private:
  std::string path_;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_BRIDGE_TEST_DIR_H_
