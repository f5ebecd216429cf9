// Runs fuzz targets without libFuzzer: every seed, then mutations of them that are the same every time. An input that
// breaks a promise is left in a file, which `--input` runs again.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/stubs/logging.h"
#include "runtime/log.h"
#include "tests/fuzz/mutator.h"
#include "tests/fuzz/targets.h"

namespace mvmd {
namespace {

constexpr char kUsage[] =
    "usage: mvmd_fuzz_replay --corpus DIR [--dictionaries DIR] [--data DIR] [--mutations N] [--seed N] [TARGET...]\n"
    "       mvmd_fuzz_replay --input FILE TARGET\n";
constexpr size_t kInputBytesMax = 8192;
constexpr char kCrashFile[] = "fuzz-crash";

struct Arguments {
  std::string corpus;
  std::string dictionaries;
  std::string data;
  std::string input;
  uint64_t mutations = 1500;
  uint64_t seed = 1;
  std::vector<std::string> targets;
};

// What a signal handler may look at.
const uint8_t* running_data = nullptr;
size_t running_size = 0;

void OnCrash(int signal) {
  if (const int fd = open(kCrashFile, O_WRONLY | O_CREAT | O_TRUNC, 0644); fd >= 0) {
    [[maybe_unused]] const ssize_t written = write(fd, running_data, running_size);
    close(fd);
    constexpr char kSaid[] = "crashed; the input is in ./fuzz-crash, run it again with --input fuzz-crash TARGET\n";
    [[maybe_unused]] const ssize_t said = write(STDERR_FILENO, kSaid, sizeof(kSaid) - 1);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

[[noreturn]] void Fail(const std::string& message) {
  std::fprintf(stderr, "mvmd_fuzz_replay: %s\n", message.c_str());
  std::exit(2);
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Fail(absl::StrCat(path.string(), ": cannot be read"));
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

// In the order of their names; none when there is no such folder.
std::vector<std::string> ReadFolder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.is_regular_file()) paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> files;
  for (const auto& path : paths) files.push_back(ReadFile(path));
  return files;
}

Arguments ParseArguments(const std::vector<std::string>& words) {
  Arguments arguments;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!absl::StartsWith(word, "--")) {
      arguments.targets.push_back(word);
      continue;
    }
    if (i + 1 == words.size()) Fail(absl::StrCat(word, ": expected a value\n", kUsage));
    const std::string& value = words[++i];
    bool good = true;
    if (word == "--corpus") {
      arguments.corpus = value;
    } else if (word == "--dictionaries") {
      arguments.dictionaries = value;
    } else if (word == "--data") {
      arguments.data = value;
    } else if (word == "--input") {
      arguments.input = value;
    } else if (word == "--mutations") {
      good = absl::SimpleAtoi(value, &arguments.mutations);
    } else if (word == "--seed") {
      good = absl::SimpleAtoi(value, &arguments.seed);
    } else {
      Fail(absl::StrCat("no option ", word, "\n", kUsage));
    }
    if (!good) Fail(absl::StrCat(word, ": expected a number, got ", value));
  }
  return arguments;
}

void Run(const FuzzTarget& target, const std::string& input) {
  // A copy of exactly that size, so that reading past its end is noticed by sanitizers.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  running_data = bytes.data();
  running_size = bytes.size();
  target.run(bytes.data(), bytes.size());
}

std::vector<std::string> WordsOf(const FuzzTarget& target, const Arguments& arguments) {
  const std::filesystem::path path = std::filesystem::path(arguments.dictionaries) / absl::StrCat(target.name, ".dict");
  if (arguments.dictionaries.empty() || !std::filesystem::exists(path)) return {};
  std::optional<std::vector<std::string>> words = ParseDictionary(ReadFile(path));
  if (!words) Fail(absl::StrCat(path.string(), ": expected lines of \"word\""));
  return *std::move(words);
}

void RunAll(const FuzzTarget& target, const Arguments& arguments) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::string> corpus = ReadFolder(std::filesystem::path(arguments.corpus) / std::string(target.name));
  if (corpus.empty()) Fail(absl::StrCat("expected seeds of ", target.name, " in ", arguments.corpus, ", got none"));
  if (!arguments.data.empty() && (target.name == "document" || target.name == "linked_data")) {
    for (std::string& file : ReadFolder(std::filesystem::path(arguments.data) / "profile")) {
      if (absl::StartsWith(file, "{") && file.size() <= kInputBytesMax) corpus.push_back(std::move(file));
    }
  }
  const std::vector<std::string> words = WordsOf(target, arguments);
  for (const std::string& seed : corpus) Run(target, seed);
  Mutator mutator(arguments.seed, &corpus, &words, kInputBytesMax);
  // Each one opens a database twice.
  const uint64_t mutations = target.name == "outbox" ? arguments.mutations / 10 : arguments.mutations;
  for (uint64_t i = 0; i < mutations; ++i) Run(target, mutator.Next());
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  std::printf("%-12s %4zu seeds, %llu mutations, %lld ms\n", std::string(target.name).c_str(), corpus.size(),
              static_cast<unsigned long long>(mutations), static_cast<long long>(took.count()));
}

int Main(const Arguments& arguments) {
  SetLogSink([](absl::string_view) {});
  google::protobuf::SetLogHandler(nullptr);
  for (int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, OnCrash);
  std::vector<FuzzTarget> targets;
  for (const std::string& name : arguments.targets) {
    const FuzzTarget* target = FindFuzzTarget(name);
    if (target == nullptr) Fail(absl::StrCat("no target ", name));
    targets.push_back(*target);
  }
  if (!arguments.input.empty()) {
    if (targets.size() != 1) Fail(absl::StrCat("--input: expected one target\n", kUsage));
    Run(targets[0], ReadFile(arguments.input));
    return 0;
  }
  if (arguments.corpus.empty()) Fail(kUsage);
  if (targets.empty()) targets.assign(FuzzTargets().begin(), FuzzTargets().end());
  for (const FuzzTarget& target : targets) RunAll(target, arguments);
  return 0;
}

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) {
  return mvmd::Main(mvmd::ParseArguments(std::vector<std::string>(argv + 1, argv + argc)));
}
