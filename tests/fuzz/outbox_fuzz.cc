// Outbox files that somebody damaged: opened, set aside or refused, and what is read is a row or says that it is none.
//
// Input: steps that change a file with a few rows. A kind (1 byte), then, modulo 4: 0 to 2 a place (3 bytes) and what
// to write there (length, bytes); 3 a size (3 bytes) to cut the file to. Kinds from 0xC0 on change the mark beside
// the file instead.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bridge/outbox.h"
#include "mvmd/twin/v1alpha1/block.pb.h"
#include "tests/fuzz/fuzz.h"
#include "twin/block.h"

namespace mvmd {
namespace {

namespace fs = std::filesystem;

// In memory where there is such a file system: every open and commit waits for fsyncs.
fs::path MakeFolder() {
  const fs::path memory = "/dev/shm";
  std::string name = ((fs::is_directory(memory) ? memory : fs::temp_directory_path()) / "mvmd-fuzz-XXXXXX").string();
  Ensure(mkdtemp(name.data()) != nullptr);
  return name;
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

// Removed when the process ends well.
class Folder {
 public:
  Folder() : path_(MakeFolder()) {
    OutboxOptions options;
    options.path = file();
    options.reserve_bytes = 0;
    auto outbox = Outbox::Open(options);
    Ensure(outbox.ok());
    for (int i = 0; i < 8; ++i) Ensure((*outbox)->Commit(Batch((*outbox)->next_seq())).ok());
    outbox->reset();
    for (const auto& entry : fs::directory_iterator(path_)) {
      files_.emplace_back(entry.path().filename().string(), ReadFile(entry.path()));
    }
  }
  ~Folder() { fs::remove_all(path_); }

  std::string file() const { return (path_ / "outbox.db").string(); }

  // As it was after the commits.
  void Reset() const {
    for (const auto& entry : fs::directory_iterator(path_)) fs::remove_all(entry.path());
    for (const auto& [name, bytes] : files_) std::ofstream(path_ / name, std::ios::binary) << bytes;
  }

 private:
  static OutboxBatch Batch(uint64_t seq) {
    mvmd::twin::v1alpha1::Frame frame;
    frame.set_seq(seq);
    EncodeBlock(std::vector<Sample>{{.binding = 1, .time_unix_ns = 1700000000000000000, .value = 42.5}},
                frame.mutable_block());
    OutboxBatch batch;
    batch.rows.push_back({RowKind::kBlock, frame.SerializeAsString()});
    if (seq == 1) {
      mvmd::twin::v1alpha1::Binding binding;
      binding.set_id(1);
      binding.set_twin("twin-2024-001");
      binding.set_sensor("temp-1");
      batch.bindings.push_back(binding);
      batch.settings.emplace_back("note", "x");
    }
    return batch;
  }

  const fs::path path_;
  std::vector<std::pair<std::string, std::string>> files_;
};

void Damage(FuzzInput* input, const Folder& folder) {
  for (int steps = 0; !input->done() && steps < 16; ++steps) {
    const uint8_t kind = input->Byte();
    const fs::path path = kind >= 0xC0 ? folder.file() + ".durable" : folder.file();
    if (!fs::exists(path)) continue;
    const uint64_t size = fs::file_size(path);
    const uint64_t place = input->Number(3) % (size + 1);
    if (kind % 4 == 3) {
      fs::resize_file(path, place);
      continue;
    }
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(place));
    file << std::string(input->Bytes());
  }
}

void Use(const std::string& path) {
  OutboxOptions options;
  options.path = path;
  options.reserve_bytes = 0;
  auto opened = Outbox::Open(options);
  if (!opened.ok()) {
    Ensure(!opened.status().message().empty());
    return;
  }
  Outbox& outbox = **opened;
  outbox.TakeBindings();
  outbox.TakeReceipts();
  const IntervalSet::Closed extent = outbox.Extent();
  std::vector<OutboxRow> rows;
  if (outbox.Read(extent.first, extent.last, 1 << 20, &rows).ok()) {
    for (const OutboxRow& row : rows) Ensure(row.seq >= extent.first && row.seq <= extent.last);
  }
  outbox.DeclarationSeqs(extent.first, extent.last).status().IgnoreError();
  OutboxBatch batch;
  mvmd::twin::v1alpha1::Frame frame;
  frame.set_seq(outbox.next_seq());
  frame.mutable_gap()->set_count(1);
  batch.rows.push_back({RowKind::kGap, frame.SerializeAsString()});
  outbox.Commit(batch).IgnoreError();
}

}  // namespace
}  // namespace mvmd

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  static const Folder folder;
  folder.Reset();
  FuzzInput input(data, size);
  Damage(&input, folder);
  Use(folder.file());
  Use(folder.file());
  return 0;
}
