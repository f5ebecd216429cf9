#include "runtime/file_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace mvmd {
namespace {

// As the kernel's own limit.
constexpr int kLinksMax = 40;
constexpr int kSettleTimes = 5;
// A file may be written in place, renamed over, linked anew, or only get other rights.
constexpr uint32_t kEvents =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

}  // namespace

std::map<std::string, std::set<std::string>> FoldersOfPath(const std::string& path) {
  namespace fs = std::filesystem;
  std::map<std::string, std::set<std::string>> folders;
  std::error_code error;
  fs::path rest = fs::absolute(path, error);
  fs::path done = "/";
  rest = rest.relative_path();
  int links = 0;
  while (!rest.empty() && links < kLinksMax) {
    const fs::path name = *rest.begin();
    rest = fs::path(rest.native().substr(std::min(name.native().size() + 1, rest.native().size()))).relative_path();
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      done = done.parent_path();
      continue;
    }
    const fs::path here = done / name;
    if (fs::is_symlink(fs::symlink_status(here, error))) {
      folders[done.native()].insert(name.native());
      const fs::path target = fs::read_symlink(here, error);
      if (error) break;
      ++links;
      if (target.is_absolute()) done = "/";
      rest = target.relative_path() / rest;
      continue;
    }
    if (rest.empty()) folders[done.native()].insert(name.native());
    done = here;
  }
  return folders;
}

absl::StatusOr<std::unique_ptr<FileWatch>> FileWatch::Start(const std::vector<std::string>& paths,
                                                            const FileWatchOptions& options,
                                                            std::function<void()> on_change) {
  std::vector<std::string> named;
  std::copy_if(paths.begin(), paths.end(), std::back_inserter(named),
               [](const std::string& path) { return !path.empty(); });
  std::unique_ptr<FileWatch> watch(new FileWatch(std::move(named), options, std::move(on_change)));
  watch->inotify_fd_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  watch->stop_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (watch->inotify_fd_ < 0 || watch->stop_fd_ < 0) {
    return absl::UnavailableError(absl::StrCat("cannot watch files: ", strerror(errno)));
  }
  watch->Arm();
  watch->thread_ = std::thread([raw = watch.get()] { raw->Run(); });
  return watch;
}

FileWatch::FileWatch(std::vector<std::string> paths, const FileWatchOptions& options, std::function<void()> on_change)
    : paths_(std::move(paths)), options_(options), on_change_(std::move(on_change)) {}

FileWatch::~FileWatch() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(stop_fd_, &one, sizeof one);
    thread_.join();
  }
  if (inotify_fd_ >= 0) close(inotify_fd_);
  if (stop_fd_ >= 0) close(stop_fd_);
}

void FileWatch::Arm() {
  std::map<std::string, std::set<std::string>> folders;
  for (const std::string& path : paths_) {
    for (auto& [folder, names] : FoldersOfPath(path)) folders[folder].merge(names);
  }
  std::map<int, std::set<std::string>> watched;
  for (auto& [folder, names] : folders) {
    // The same folder gives the same descriptor again.
    const int watch = inotify_add_watch(inotify_fd_, folder.c_str(), kEvents | IN_ONLYDIR);
    if (watch >= 0) watched[watch].merge(names);
  }
  for (const auto& [watch, names] : names_) {
    if (watched.count(watch) == 0) inotify_rm_watch(inotify_fd_, watch);
  }
  names_ = std::move(watched);
}

bool FileWatch::TakeEvents() {
  bool ours = false;
  alignas(inotify_event) char buffer[16384];
  ssize_t size = 0;
  while ((size = read(inotify_fd_, buffer, sizeof buffer)) > 0) {
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      std::memcpy(&event, buffer + at, sizeof event);
      const char* const name = buffer + at + sizeof event;
      const auto found = names_.find(event.wd);
      // Lost events may have been ours; a folder's own end is one without a name.
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        ours = true;
      } else if (found != names_.end()) {
        ours |= event.len == 0 || found->second.count(name) > 0;
      }
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
  }
  return ours;
}

bool FileWatch::Wait(absl::Duration timeout, bool* has_events) {
  pollfd fds[2] = {{stop_fd_, POLLIN, 0}, {inotify_fd_, POLLIN, 0}};
  const timespec wait = absl::ToTimespec(std::max(timeout, absl::ZeroDuration()));
  ppoll(fds, 2, &wait, nullptr);
  *has_events = (fds[1].revents & POLLIN) != 0;
  return fds[0].revents == 0;
}

void FileWatch::Run() {
  absl::Time look_at = absl::Now() + options_.interval;
  bool has_events = false;
  while (Wait(std::min(look_at - absl::Now(), options_.interval), &has_events)) {
    if (has_events && TakeEvents()) {
      // Until it is quiet.
      for (int i = 0; i < kSettleTimes; ++i) {
        if (!Wait(options_.settle, &has_events)) return;
        if (!has_events || !TakeEvents()) break;
      }
    } else if (absl::Now() < look_at && look_at - absl::Now() <= options_.interval) {
      continue;  // nothing of ours, and not time yet
    }
    Arm();
    on_change_();
    look_at = absl::Now() + options_.interval;
  }
}

}  // namespace mvmd
