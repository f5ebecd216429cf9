// Log lines for people and machines, on stderr.
#ifndef MVMD_RUNTIME_LOG_H_
#define MVMD_RUNTIME_LOG_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "runtime/config.h"

namespace mvmd {

inline constexpr size_t kLogTextBytesMax = 4096;

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

// Value of a field; lives as long as the call that it is given to.
class LogValue {
 public:
  template <typename T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, int> = 0>
  LogValue(T number) {  // NOLINT: implicit
    if constexpr (std::is_signed_v<T>) {
      value_ = static_cast<int64_t>(number);
    } else {
      value_ = static_cast<uint64_t>(number);
    }
  }
  LogValue(bool value) : value_(value) {}                                 // NOLINT: implicit
  LogValue(double value) : value_(value) {}                               // NOLINT: implicit
  LogValue(const char* text) : value_(absl::string_view(text)) {}         // NOLINT: implicit
  LogValue(absl::string_view text) : value_(text) {}                      // NOLINT: implicit
  LogValue(const std::string& text) : value_(absl::string_view(text)) {}  // NOLINT: implicit
  // `CODE: message (REASON)`
  LogValue(const absl::Status& status);                                          // NOLINT: implicit
  LogValue(absl::Duration duration) : value_(absl::FormatDuration(duration)) {}  // NOLINT: implicit

  using Value = std::variant<absl::string_view, std::string, int64_t, uint64_t, double, bool>;
  const Value& value() const { return value_; }

 private:
  Value value_;
};

struct LogField {
  absl::string_view key;  // snake_case; not `time`, `level`, `program` or `message`
  LogValue value;
};

// Adds an error for each value that is wrong.
void CheckLogConfig(const mvmd::twin::v1alpha1::LogConfig& config, ConfigErrors* errors);
// Sets level and format for the process; until then: `info`, text. INVALID_ARGUMENT names the value that is wrong;
// empty values are the defaults. Call before threads log.
absl::Status InitLogging(const mvmd::twin::v1alpha1::LogConfig& config, absl::string_view program);

// Writes one line, in one write. `event` is a fixed text, lower case; what varies goes into the fields. Thread-safe.
//
//   Log(LogLevel::kInfo, "session opened", {{"bridge", name}, {"epoch", epoch}});
//
//   text: 2024-01-15T10:30:00.123Z INFO  session opened bridge=robots epoch=17
//   json: {"time":"2024-01-15T10:30:00.123Z","level":"info","program":"mvmd-gateway","message":"session
//   opened","bridge":"robots","epoch":17}
void Log(LogLevel level, absl::string_view event, std::initializer_list<LogField> fields = {});
// Would a line of this level be written?
bool LogEnabled(LogLevel level);

// Decides which repeats of an event are worth a line. Pure; thread-compatible.
class LogLimiter {
 public:
  // True when no line of `key` was allowed in the `interval` before `monotonic_ns`; `suppressed` then gets how many
  // were refused since the last one.
  bool Allow(absl::string_view key, absl::Duration interval, int64_t monotonic_ns, uint64_t* suppressed);

  static constexpr size_t kKeysMax = 1024;
  size_t key_count() const { return entries_.size(); }

 private:
  struct Entry {
    int64_t allowed_ns = 0;
    int64_t used_ns = 0;
    uint64_t suppressed = 0;
  };
  absl::flat_hash_map<std::string, Entry> entries_;
};

// Log, but at most one line an `interval` for a `key` (such as "decode:" + topic); the next one that is written
// says how many were not (`suppressed`). At most 1024 keys are remembered; the one unused the longest is forgotten.
// Thread-safe.
void LogEvery(absl::Duration interval, absl::string_view key, LogLevel level, absl::string_view event,
              std::initializer_list<LogField> fields = {});

// One line without its end, in the given format. Control characters are escaped in both, so that nothing from outside
// can begin a line of its own; bytes that are not UTF-8 become U+FFFD in JSON.
std::string FormatLogLine(LogFormat format, absl::string_view program, absl::Time time, LogLevel level,
                          absl::string_view event, absl::Span<const LogField> fields);

// For tests: lines go to `sink` instead of stderr; nullptr: back to stderr.
void SetLogSink(std::function<void(absl::string_view line)> sink);

}  // namespace mvmd

#endif  // MVMD_RUNTIME_LOG_H_
