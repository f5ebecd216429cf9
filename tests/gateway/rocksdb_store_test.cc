// One contract for every home of log and state, then what only a disk can do.
#include "gateway/rocksdb_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/status_proto.h"
#include "tests/support/memory_log.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "mvmd-store-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_ + "/store"; }

 private:
  std::string path_;
};

std::map<std::string, std::string> ReadTree(const std::string& path) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    std::ifstream file(entry.path(), std::ios::binary);
    files[entry.path().filename()] = {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  return files;
}

void WriteTree(const std::string& path, const std::map<std::string, std::string>& files) {
  std::filesystem::remove_all(path);
  std::filesystem::create_directory(path);
  for (const auto& [name, bytes] : files) {
    std::ofstream(std::filesystem::path(path) / name, std::ios::binary) << bytes;
  }
}

class MemoryHome {
 public:
  CommitLog* log() { return disk_.log(); }
  StateStore* state() { return disk_.state(); }
  void CrashAndReopen() { disk_.Crash(); }

 private:
  MemoryDisk disk_;
};

class RocksDbHome {
 public:
  RocksDbHome() { Open(); }
  CommitLog* log() { return store_->log(); }
  StateStore* state() { return store_->state(); }
  // What is on the disk at this moment, as after kill -9.
  void CrashAndReopen() {
    const std::map<std::string, std::string> files = ReadTree(directory_.path());
    store_.reset();
    WriteTree(directory_.path(), files);
    Open();
  }

 private:
  void Open() {
    absl::StatusOr<std::unique_ptr<RocksDbStore>> opened = RocksDbStore::Open(directory_.path());
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  TemporaryDirectory directory_;
  std::unique_ptr<RocksDbStore> store_;
};

template <typename Home>
class StoreContractTest : public ::testing::Test {
 protected:
  std::vector<std::pair<uint64_t, std::string>> ReadAll(uint64_t revision, size_t bytes_max = 1 << 20) {
    std::vector<LogRecord> records;
    const absl::Status status = home_.log()->ReadFrom(revision, bytes_max, &records);
    EXPECT_TRUE(status.ok()) << status;
    std::vector<std::pair<uint64_t, std::string>> read;
    for (const LogRecord& record : records) read.emplace_back(record.revision, record.bytes);
    return read;
  }
  std::map<std::string, std::string> LoadAll(uint64_t* revision = nullptr) {
    std::map<std::string, std::string> values;
    const auto loaded = home_.state()->Load([&](absl::string_view key, absl::string_view value) {
      values[std::string(key)] = std::string(value);
      return absl::OkStatus();
    });
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    if (revision != nullptr) *revision = loaded.value_or(0);
    return values;
  }
  Home home_;
};

using Homes = ::testing::Types<MemoryHome, RocksDbHome>;
TYPED_TEST_SUITE(StoreContractTest, Homes);

TYPED_TEST(StoreContractTest, IsEmptyAtFirst) {
  EXPECT_EQ(this->home_.log()->First(), 1u);
  EXPECT_EQ(this->home_.log()->Last(), 0u);
  EXPECT_THAT(this->ReadAll(1), IsEmpty());
  uint64_t revision = 99;
  EXPECT_THAT(this->LoadAll(&revision), IsEmpty());
  EXPECT_EQ(revision, 0u);
}

TYPED_TEST(StoreContractTest, NumbersEntriesFromOne) {
  EXPECT_EQ(this->home_.log()->Append({"a", "b"}).value(), 1u);
  EXPECT_EQ(this->home_.log()->Append({std::string("c\0d", 3)}).value(), 3u);
  EXPECT_EQ(this->home_.log()->Last(), 3u);
  EXPECT_THAT(this->ReadAll(1), ElementsAre(Pair(1, "a"), Pair(2, "b"), Pair(3, std::string("c\0d", 3))));
  EXPECT_THAT(this->ReadAll(3), ElementsAre(Pair(3, std::string("c\0d", 3))));
  EXPECT_THAT(this->ReadAll(4), IsEmpty());
}

TYPED_TEST(StoreContractTest, ReadsAtMostSoManyBytesButOneEntry) {
  ASSERT_TRUE(this->home_.log()->Append({std::string(10, 'a'), std::string(10, 'b'), std::string(10, 'c')}).ok());
  EXPECT_EQ(this->ReadAll(1, 0).size(), 1u);
  EXPECT_EQ(this->ReadAll(1, 25).size(), 2u);
}

TYPED_TEST(StoreContractTest, KeepsWhatWasAppendedOverACrash) {
  ASSERT_TRUE(this->home_.log()->Append({"a"}).ok());
  this->home_.CrashAndReopen();
  EXPECT_EQ(this->home_.log()->Last(), 1u);
  EXPECT_EQ(this->home_.log()->Append({"b"}).value(), 2u);
  this->home_.CrashAndReopen();
  EXPECT_THAT(this->ReadAll(1), ElementsAre(Pair(1, "a"), Pair(2, "b")));
}

TYPED_TEST(StoreContractTest, TrimsTheOldEnd) {
  ASSERT_TRUE(this->home_.state()->Save({.revision = 5, .changes = {}}).ok());
  ASSERT_TRUE(this->home_.log()->Append({"1", "2", "3", "4", "5", "6"}).ok());
  ASSERT_TRUE(this->home_.log()->TrimBefore(4).ok());
  EXPECT_EQ(this->home_.log()->First(), 4u);
  std::vector<LogRecord> records;
  const absl::Status compacted = this->home_.log()->ReadFrom(3, 100, &records);
  EXPECT_EQ(compacted.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(records, IsEmpty());
  EXPECT_THAT(this->ReadAll(4), ElementsAre(Pair(4, "4"), Pair(5, "5"), Pair(6, "6")));
  ASSERT_TRUE(this->home_.log()->TrimBefore(2).ok());
  EXPECT_EQ(this->home_.log()->First(), 4u);
  this->home_.CrashAndReopen();
  EXPECT_EQ(this->home_.log()->First(), 4u);
  EXPECT_EQ(this->home_.log()->Last(), 6u);
}

TYPED_TEST(StoreContractTest, NeverTrimsTheNewestEntry) {
  ASSERT_TRUE(this->home_.state()->Save({.revision = 2, .changes = {}}).ok());
  ASSERT_TRUE(this->home_.log()->Append({"1", "2"}).ok());
  ASSERT_TRUE(this->home_.log()->TrimBefore(100).ok());
  EXPECT_EQ(this->home_.log()->First(), 2u);
  this->home_.CrashAndReopen();
  EXPECT_EQ(this->home_.log()->Append({"3"}).value(), 3u) << "revisions are never given twice";
}

TYPED_TEST(StoreContractTest, SavesCheckpointsWhole) {
  const std::string odd_key("\0s", 2);
  ASSERT_TRUE(this->home_.log()->Append({"1", "2"}).ok());
  ASSERT_TRUE(this->home_.state()->Save({1, {{"a", "1"}, {"b", "2"}, {odd_key, ""}}}).ok());
  ASSERT_TRUE(this->home_.state()->Save({2, {{"a", "3"}, {"b", std::nullopt}, {"none", std::nullopt}}}).ok());
  uint64_t revision = 0;
  EXPECT_THAT(this->LoadAll(&revision), UnorderedElementsAre(Pair("a", "3"), Pair(odd_key, "")));
  EXPECT_EQ(revision, 2u);
  ASSERT_TRUE(this->home_.log()->Append({"3"}).ok());
  this->home_.CrashAndReopen();
  EXPECT_THAT(this->LoadAll(&revision), UnorderedElementsAre(Pair("a", "3"), Pair(odd_key, "")));
  EXPECT_EQ(revision, 2u) << "durable with the append after it";
}

TYPED_TEST(StoreContractTest, FindsKeyframesNextToARevision) {
  Checkpoint checkpoint{.revision = 1, .changes = {}};
  const auto add = [&checkpoint](absl::string_view twin, uint64_t revision) {
    checkpoint.changes.emplace_back(KeyframeKey(twin, revision), absl::StrCat(twin, " ", revision));
  };
  // One name begins like the other and goes on like a number.
  const std::string longer("a\0", 2);
  for (const uint64_t revision : {10, 20, 300}) add("a", revision);
  add(longer, 15);
  add("b", 7);
  checkpoint.changes.emplace_back("key", "value");
  ASSERT_TRUE(this->home_.state()->Save(checkpoint).ok());
  const auto find = [this](absl::string_view twin, uint64_t revision) {
    const absl::StatusOr<StateStore::Keyframes> found = this->home_.state()->FindKeyframes(twin, revision);
    EXPECT_TRUE(found.ok()) << found.status();
    return absl::StrCat(found->before.value_or("-"), ", ", found->from_on.value_or("-"));
  };
  EXPECT_EQ(find("a", 9), "-, a 10");
  EXPECT_EQ(find("a", 10), "a 10, a 10");
  EXPECT_EQ(find("a", 299), "a 20, a 300");
  EXPECT_EQ(find("a", 301), "a 300, -");
  EXPECT_EQ(find(longer, 1), absl::StrCat("-, ", longer, " 15"));
  EXPECT_EQ(find("b", 7), "b 7, b 7");
  EXPECT_EQ(find("c", 7), "-, -");

  ASSERT_TRUE(this->home_.state()->TrimKeyframes(20).ok());
  EXPECT_EQ(find("a", 19), "-, a 20");
  EXPECT_EQ(find("a", 1000), "a 300, -");
  EXPECT_EQ(find(longer, 15), "-, -");
  EXPECT_EQ(find("b", 7), "-, -");
  EXPECT_EQ(this->LoadAll()["key"], "value");
}

TYPED_TEST(StoreContractTest, LoadEndsWithTheErrorOfItsCaller) {
  ASSERT_TRUE(this->home_.log()->Append({"1"}).ok());
  ASSERT_TRUE(this->home_.state()->Save({1, {{"a", "1"}}}).ok());
  const auto loaded =
      this->home_.state()->Load([](absl::string_view, absl::string_view) { return absl::DataLossError("bad"); });
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kDataLoss);
}

// Disk only

class RocksDbStoreTest : public ::testing::Test {
 protected:
  absl::Status TryOpen() {
    absl::StatusOr<std::unique_ptr<RocksDbStore>> opened = RocksDbStore::Open(directory_.path());
    if (opened.ok()) store_ = *std::move(opened);
    return opened.status();
  }
  void Open() {
    const absl::Status status = TryOpen();
    ASSERT_TRUE(status.ok()) << status;
  }
  // The files as a kill -9 leaves them now.
  std::map<std::string, std::string> Kill() {
    std::map<std::string, std::string> files = ReadTree(directory_.path());
    store_.reset();
    return files;
  }
  // The WAL that has entries.
  static std::string WalOf(const std::map<std::string, std::string>& files) {
    std::string name;
    for (const auto& [file, bytes] : files) {
      if (absl::EndsWith(file, ".log") && (name.empty() || bytes.size() > files.at(name).size())) name = file;
    }
    return name;
  }
  // A store with ten entries, in the WAL only.
  std::map<std::string, std::string> TenEntries() {
    Open();
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(store_->log()->Append({absl::StrCat("entry ", i, std::string(100, 'x'))}).ok());
    }
    return Kill();
  }
  std::string path() const { return directory_.path(); }

  TemporaryDirectory directory_;
  std::unique_ptr<RocksDbStore> store_;
};

TEST_F(RocksDbStoreTest, IsForOneProcess) {
  Open();
  const absl::StatusOr<std::unique_ptr<RocksDbStore>> second = RocksDbStore::Open(path());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(second.status()), "STORE_LOCKED");
}

TEST_F(RocksDbStoreTest, SaysWhatIsWrongWithThePath) {
  EXPECT_THAT(std::string(RocksDbStore::Open("/nowhere/at/all").status().message()), HasSubstr("/nowhere/at/all"));
}

// FAULTS 10: one byte of the WAL flipped, wherever it is.
TEST_F(RocksDbStoreTest, RefusesAWalWithAFlippedByte) {
  const std::map<std::string, std::string> files = TenEntries();
  const std::string wal = WalOf(files);
  ASSERT_FALSE(wal.empty());
  int refused = 0;
  for (size_t at = 3; at < files.at(wal).size(); at += 37) {
    std::map<std::string, std::string> damaged = files;
    damaged[wal][at] = static_cast<char>(damaged[wal][at] ^ 0x20);
    WriteTree(path(), damaged);
    const absl::Status status = TryOpen();
    if (status.ok()) {
      EXPECT_EQ(store_->log()->Last(), 10u) << "byte " << at;
      store_.reset();
      continue;
    }
    ++refused;
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(wal)) << "names the file";
    EXPECT_THAT(std::string(status.message()), HasSubstr("ACCEPT_LOSS")) << "and the way out";
    EXPECT_EQ(ReadTree(path()).at(wal), damaged[wal]) << "and leaves the evidence";
  }
  EXPECT_GT(refused, 20);
}

TEST_F(RocksDbStoreTest, RefusesAWalThatIsShorterThanWhatWasDurable) {
  const std::map<std::string, std::string> files = TenEntries();
  const std::string wal = WalOf(files);
  std::map<std::string, std::string> damaged = files;
  damaged[wal].resize(damaged[wal].size() - 40);
  WriteTree(path(), damaged);
  const absl::Status status = TryOpen();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("expected the log to go up to revision 10"));
}

// FAULTS 11: an append that the crash cut, nobody was told of it.
TEST_F(RocksDbStoreTest, DropsATornTail) {
  Open();
  ASSERT_TRUE(store_->log()->Append({"durable"}).ok());
  const std::map<std::string, std::string> before = ReadTree(path());
  ASSERT_TRUE(store_->log()->Append({std::string(100'000, 'x')}).ok());
  const std::map<std::string, std::string> after = Kill();
  const std::string wal = WalOf(after);
  for (size_t size = before.at(wal).size(); size < after.at(wal).size(); size += 14'999) {
    // Cut short, as after kill -9; or with zeros where the disk had not written yet, as after a power loss.
    for (const bool zeros : {false, true}) {
      std::map<std::string, std::string> torn = after;
      torn["DURABLE"] = before.at("DURABLE");
      torn[wal].resize(size);
      if (zeros) torn[wal] += std::string(after.at(wal).size() - size, '\0');
      WriteTree(path(), torn);
      const absl::Status status = TryOpen();
      ASSERT_TRUE(status.ok()) << size << (zeros ? " zeros: " : ": ") << status;
      EXPECT_EQ(store_->log()->Last(), 1u);
      EXPECT_EQ(store_->log()->Append({"next"}).value(), 2u);
      store_.reset();
    }
  }
}

// A power loss may keep later pages of an unfinished write and lose earlier ones.
TEST_F(RocksDbStoreTest, DropsATailWithAHole) {
  Open();
  ASSERT_TRUE(store_->log()->Append({"durable"}).ok());
  const std::map<std::string, std::string> before = ReadTree(path());
  ASSERT_TRUE(store_->log()->Append({std::string(100'000, 'x')}).ok());
  const std::map<std::string, std::string> after = Kill();
  const std::string wal = WalOf(after);
  std::map<std::string, std::string> torn = after;
  torn["DURABLE"] = before.at("DURABLE");
  torn[wal].replace(40'960, 4096, std::string(4096, '\0'));
  WriteTree(path(), torn);
  Open();
  EXPECT_EQ(store_->log()->Last(), 1u);
  EXPECT_EQ(store_->log()->Append({"next"}).value(), 2u);
}

TEST_F(RocksDbStoreTest, GoesOnWithWhatIsLeftWhenAnOperatorAcceptsTheLoss) {
  std::map<std::string, std::string> files = TenEntries();
  const std::string wal = WalOf(files);
  files[wal][files[wal].size() / 2] ^= 0x20;
  files["ACCEPT_LOSS"] = "";
  WriteTree(path(), files);
  Open();
  const uint64_t last = store_->log()->Last();
  EXPECT_GT(last, 2u);
  EXPECT_LT(last, 8u);
  EXPECT_EQ(store_->log()->Append({"next"}).value(), last + 1);
  store_.reset();
  EXPECT_FALSE(std::filesystem::exists(path() + "/ACCEPT_LOSS")) << "once only";
  Open();
  EXPECT_EQ(store_->log()->Last(), last + 1);
}

TEST_F(RocksDbStoreTest, TakesALogWithoutAMarkAsItIs) {
  std::map<std::string, std::string> files = TenEntries();
  files.erase("DURABLE");
  WriteTree(path(), files);
  Open();
  EXPECT_EQ(store_->log()->Last(), 10u);
}

TEST_F(RocksDbStoreTest, RefusesACheckpointThatIsAheadOfTheLog) {
  Open();
  ASSERT_TRUE(store_->log()->Append({"1"}).ok());
  ASSERT_TRUE(store_->state()->Save({7, {}}).ok());
  store_.reset();
  EXPECT_EQ(TryOpen().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RocksDbStoreTest, SaysThatTheDiskIsFullAndReadsOn) {
  absl::StatusOr<std::unique_ptr<RocksDbStore>> opened = RocksDbStore::Open(path());
  ASSERT_TRUE(opened.ok());
  ASSERT_TRUE((*opened)->log()->Append({"1"}).ok());
  opened->reset();
  // Nobody has so much.
  opened = RocksDbStore::Open(path(), {.free_bytes_min = UINT64_MAX, .free_part_min = 1.0});
  ASSERT_TRUE(opened.ok());
  const absl::Status full = (*opened)->log()->Append({"2"}).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ((*opened)->state()->Save({1, {}}).code(), absl::StatusCode::kResourceExhausted);
  std::vector<LogRecord> records;
  EXPECT_TRUE((*opened)->log()->ReadFrom(1, 100, &records).ok());
  EXPECT_EQ(records.size(), 1u);
  EXPECT_EQ((*opened)->log()->Last(), 1u);
}

// RocksDB aborts the process when it cannot begin a file.
TEST_F(RocksDbStoreTest, RefusesToRecoverWithoutRoom) {
  const std::map<std::string, std::string> files = TenEntries();
  WriteTree(path(), files);
  const auto opened = RocksDbStore::Open(path(), {.open_free_bytes_min = UINT64_MAX, .open_free_part_min = 1.0});
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(opened.status()), "DISK_FULL");
  const std::string message(opened.status().message());
  EXPECT_THAT(message, HasSubstr(path()));
  EXPECT_THAT(message, ::testing::ContainsRegex("expected at least [0-9]+ free bytes, got [0-9]+"));
  EXPECT_THAT(message, HasSubstr("free some space on the volume"));
  EXPECT_EQ(ReadTree(path()), files) << "nothing was touched";
  Open();
  EXPECT_EQ(store_->log()->Last(), 10u);
}

constexpr char kChildPath[] = "MVMD_STORE_TEST_PATH";
constexpr int kChildPipe = 3;

// The process that KeepsEverythingAcknowledgedOverKills kills: appends, and tells what is acknowledged. RocksDB's
// threads do not survive a fork, so that it is this program once more.
TEST(RocksDbStoreChildTest, DISABLED_AppendsUntilKilled) {
  absl::StatusOr<std::unique_ptr<RocksDbStore>> opened = RocksDbStore::Open(getenv(kChildPath));
  if (!opened.ok()) _exit(1);
  while (true) {
    const absl::StatusOr<uint64_t> revision = (*opened)->log()->Append({"x", std::string(2000, 'y')});
    if (!revision.ok()) _exit(2);
    const uint64_t last = *revision + 1;
    if (write(kChildPipe, &last, sizeof(last)) != sizeof(last)) _exit(3);
    if (last % 20 == 0 && !(*opened)->state()->Save({last, {{"k", "v"}}}).ok()) _exit(4);
  }
}

// FAULTS 2: kill -9, at a random point, again and again.
TEST_F(RocksDbStoreTest, KeepsEverythingAcknowledgedOverKills) {
  uint64_t acknowledged = 0;
  setenv(kChildPath, path().c_str(), 1);
  for (int round = 0; round < 5; ++round) {
    int told[2];
    ASSERT_EQ(pipe2(told, O_CLOEXEC), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      if (dup2(told[1], kChildPipe) != kChildPipe) _exit(5);
      execl("/proc/self/exe", "child", "--gtest_also_run_disabled_tests",
            "--gtest_filter=RocksDbStoreChildTest.DISABLED_AppendsUntilKilled", nullptr);
      _exit(6);
    }
    close(told[1]);
    uint64_t last = 0;
    for (int i = 0; i < 30 + 17 * round && read(told[0], &last, sizeof(last)) == sizeof(last); ++i) acknowledged = last;
    kill(child, SIGKILL);
    while (read(told[0], &last, sizeof(last)) == sizeof(last)) acknowledged = last;
    close(told[0]);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
    Open();
    EXPECT_GE(store_->log()->Last(), acknowledged);
    acknowledged = store_->log()->Last();
    store_.reset();
  }
  EXPECT_GT(acknowledged, 100u);
}

}  // namespace
}  // namespace mvmd
