#include "runtime/file_watch.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class FileWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/mvmd_watch.XXXXXX";
    dir_ = fs::canonical(mkdtemp(pattern.data()));
  }
  void TearDown() override {
    watch_.reset();
    fs::remove_all(dir_);
  }

  // With an interval so long that only inotify can tell.
  void Watch(const std::string& name, absl::Duration interval = absl::Hours(1)) {
    FileWatchOptions options;
    options.interval = interval;
    options.settle = absl::Milliseconds(1);
    auto watch = FileWatch::Start({Path(name), ""}, options, [this] {
      absl::MutexLock lock(&mutex_);
      ++calls_;
    });
    ASSERT_TRUE(watch.ok()) << watch.status();
    watch_ = *std::move(watch);
  }
  std::string Path(const std::string& name) const { return dir_ + "/" + name; }
  void Write(const std::string& name, const std::string& text) const { std::ofstream(Path(name)) << text; }
  // Was it told since the last time?
  bool Told() {
    absl::MutexLock lock(&mutex_);
    const auto more = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return calls_ > seen_; };
    const bool told = mutex_.AwaitWithTimeout(absl::Condition(&more), absl::Seconds(20));
    seen_ = calls_;
    return told;
  }
  int calls() {
    absl::MutexLock lock(&mutex_);
    return calls_;
  }

  std::string dir_;
  absl::Mutex mutex_;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
  int seen_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<FileWatch> watch_;
};

TEST_F(FileWatchTest, TellsOfAWriteInPlace) {
  Write("a", "1");
  Watch("a");
  Write("a", "2");
  EXPECT_TRUE(Told());
}

TEST_F(FileWatchTest, TellsOfARename) {
  Write("a", "1");
  Watch("a");
  Write("b", "2");
  fs::rename(Path("b"), Path("a"));
  EXPECT_TRUE(Told());
  // The new file is watched as the old one was.
  Write("a", "3");
  EXPECT_TRUE(Told());
}

TEST_F(FileWatchTest, TellsOfOtherRightsAndOfTheEnd) {
  Write("a", "1");
  Watch("a");
  chmod(Path("a").c_str(), 0600);
  EXPECT_TRUE(Told());
  fs::remove(Path("a"));
  EXPECT_TRUE(Told());
  Write("a", "2");
  EXPECT_TRUE(Told());
}

// As the kubelet does it.
TEST_F(FileWatchTest, TellsOfAnExchangedFolder) {
  fs::create_directory(Path("..1"));
  Write("..1/tls.crt", "1");
  fs::create_symlink("..1", Path("..data"));
  fs::create_symlink("..data/tls.crt", Path("tls.crt"));
  Watch("tls.crt");
  for (const char* version : {"..2", "..3"}) {
    fs::create_directory(Path(version));
    Write(std::string(version) + "/tls.crt", version);
    fs::create_symlink(version, Path("..data_tmp"));
    fs::rename(Path("..data_tmp"), Path("..data"));
    EXPECT_TRUE(Told()) << version;
  }
  Write("..3/tls.crt", "4");
  EXPECT_TRUE(Told()) << "what it leads to now is watched";
}

TEST_F(FileWatchTest, OtherFilesOfTheFolderAreNoEvent) {
  Write("a", "1");
  Watch("a");
  Write("b", "1");
  Write("a", "2");
  EXPECT_TRUE(Told());
  EXPECT_EQ(calls(), 1);
}

TEST_F(FileWatchTest, LooksByItselfWhereThereIsNoFolderYet) {
  Watch("later/a", absl::Milliseconds(20));
  EXPECT_TRUE(Told());
  fs::create_directory(Path("later"));
  Write("later/a", "1");
  EXPECT_TRUE(Told());
}

TEST_F(FileWatchTest, FoldersOfAPathAreThoseWithADecision) {
  fs::create_directories(Path("real/deep"));
  fs::create_symlink(Path("real"), Path("link"));
  Write("real/deep/a", "1");
  fs::create_symlink("../deep/a", Path("real/deep/b"));
  EXPECT_THAT(FoldersOfPath(Path("link/./deep/b")),
              UnorderedElementsAre(Pair(dir_, ElementsAre("link")), Pair(Path("real/deep"), ElementsAre("a", "b"))));
  EXPECT_THAT(FoldersOfPath(Path("real/none")), ElementsAre(Pair(Path("real"), ElementsAre("none"))));
}

TEST_F(FileWatchTest, LinksInACircleEnd) {
  fs::create_symlink("y", Path("x"));
  fs::create_symlink("x", Path("y"));
  EXPECT_THAT(FoldersOfPath(Path("x")), ElementsAre(Pair(dir_, ElementsAre("x", "y"))));
}

}  // namespace
}  // namespace mvmd
