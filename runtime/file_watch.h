// Tells when files may have changed, however they are exchanged.
#ifndef MVMD_RUNTIME_FILE_WATCH_H_
#define MVMD_RUNTIME_FILE_WATCH_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mvmd {

// Where a path leads: each folder on the way in which a name decides, with these names. Beside the file itself these
// are the symbolic links that lead to it, such as `..data`, which Kubernetes exchanges as a whole.
//
//   /etc/tls/tls.crt -> ..data/tls.crt, ..data -> ..2024_01   gives   /etc/tls: {tls.crt, ..data}, /etc/tls/..2024_01:
//   {tls.crt}
std::map<std::string, std::set<std::string>> FoldersOfPath(const std::string& path);

struct FileWatchOptions {
  // Looked at so often in any case: not every file system tells of changes.
  absl::Duration interval = absl::Seconds(10);
  // A change is told when so long nothing more has happened, at most five times this after the first event: files of
  // one set are rarely written in one instant.
  absl::Duration settle = absl::Milliseconds(200);
};

// One thread that waits for inotify, and for the interval.
//
//   auto watch = FileWatch::Start({config.tls().certificate_file(), ...}, {}, [&] { source->Reload(); });
//
// `on_change` runs on that thread, never twice at once. It is also called when nothing has changed, and must look for
// itself. Files and folders that are not there yet are waited for by the interval. Thread-safe.
class FileWatch {
 public:
  // Empty paths are passed over. UNAVAILABLE: the system has no inotify instance or thread left.
  static absl::StatusOr<std::unique_ptr<FileWatch>> Start(const std::vector<std::string>& paths,
                                                          const FileWatchOptions& options,
                                                          std::function<void()> on_change);
  // `on_change` is not running and is not called again when it returns.
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

 private:
  FileWatch(std::vector<std::string> paths, const FileWatchOptions& options, std::function<void()> on_change);

  void Run();
  // Watches what the paths lead to now.
  void Arm();
  // Takes the events that are there; true when one is of ours.
  bool TakeEvents();
  // False: it is time to stop.
  bool Wait(absl::Duration timeout, bool* has_events);

  const std::vector<std::string> paths_;
  const FileWatchOptions options_;
  const std::function<void()> on_change_;
  int inotify_fd_ = -1;
  int stop_fd_ = -1;
  std::map<int, std::set<std::string>> names_;  // by watch descriptor
  std::thread thread_;
};

}  // namespace mvmd

#endif  // MVMD_RUNTIME_FILE_WATCH_H_
