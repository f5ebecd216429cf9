#include "runtime/log.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "runtime/clock.h"
#include "runtime/status_proto.h"
#include "spdlog/logger.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace mvmd {
namespace {

constexpr char kHex[] = "0123456789abcdef";

// Length of the UTF-8 character at the front (RFC 3629), 0 when there is none.
size_t CharacterLength(absl::string_view text) {
  const auto at = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, beyond U+10FFFF.
  if ((first == 0xE0 && at(1) < 0xA0) || (first == 0xED && at(1) > 0x9F) || (first == 0xF0 && at(1) < 0x90) ||
      (first == 0xF4 && at(1) > 0x8F)) {
    return 0;
  }
  return length;
}

bool IsControl(absl::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  // U+0080 to U+009F: some terminals obey them.
  return first == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0;
}

absl::string_view Cut(absl::string_view text, bool* cut) {
  *cut = text.size() > kLogTextBytesMax;
  if (!*cut) return text;
  size_t end = kLogTextBytesMax;
  while (end > kLogTextBytesMax - 4 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

void AppendJsonString(absl::string_view text, std::string* line) {
  bool cut = false;
  text = Cut(text, &cut);
  line->push_back('"');
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    if (length == 0) {
      line->append("\xEF\xBF\xBD");
      text.remove_prefix(1);
      continue;
    }
    const absl::string_view character = text.substr(0, length);
    if (character == "\"" || character == "\\") {
      absl::StrAppend(line, "\\", character);
    } else if (IsControl(character)) {
      const unsigned code =
          length == 1 ? static_cast<unsigned char>(character[0]) : static_cast<unsigned char>(character[1]);
      line->append("\\u00");
      line->push_back(kHex[code >> 4]);
      line->push_back(kHex[code & 15]);
    } else {
      absl::StrAppend(line, character);
    }
    text.remove_prefix(length);
  }
  line->append(cut ? "...\"" : "\"");
}

void AppendEscaped(absl::string_view text, bool quoted, std::string* line) {
  bool cut = false;
  text = Cut(text, &cut);
  while (!text.empty()) {
    const size_t length = std::max<size_t>(CharacterLength(text), 1);
    const absl::string_view character = text.substr(0, length);
    if (quoted && (character == "\"" || character == "\\")) {
      absl::StrAppend(line, "\\", character);
    } else if (character == "\n") {
      line->append("\\n");
    } else if (CharacterLength(text) == 0 || IsControl(character)) {
      for (const char c : character) {
        line->append("\\x");
        line->push_back(kHex[static_cast<unsigned char>(c) >> 4]);
        line->push_back(kHex[static_cast<unsigned char>(c) & 15]);
      }
    } else {
      absl::StrAppend(line, character);
    }
    text.remove_prefix(length);
  }
  if (cut) line->append("...");
}

void AppendPlainText(absl::string_view text, std::string* line) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '"' && c != '=' && c != '\\';
  });
  if (plain && text.size() <= kLogTextBytesMax) {
    absl::StrAppend(line, text);
    return;
  }
  line->push_back('"');
  AppendEscaped(text, /*quoted=*/true, line);
  line->push_back('"');
}

// Shortest form that reads back as the same number.
std::string NumberText(double number) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, number);
  return std::string(buffer, result.ptr);
}

void AppendValue(LogFormat format, const LogValue& value, std::string* line) {
  const auto text = [format, line](absl::string_view t) {
    if (format == LogFormat::kJson) {
      AppendJsonString(t, line);
    } else {
      AppendPlainText(t, line);
    }
  };
  std::visit(
      [&](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>) {
          line->append(v ? "true" : "false");
        } else if constexpr (std::is_same_v<T, double>) {
          // JSON has no name for what is not finite.
          if (std::isfinite(v)) {
            line->append(NumberText(v));
          } else {
            text(NumberText(v));
          }
        } else if constexpr (std::is_integral_v<T>) {
          absl::StrAppend(line, v);
        } else {
          text(v);
        }
      },
      value.value());
}

// RFC 3339, UTC, milliseconds.
std::string TimeText(absl::Time time) {
  const auto civil = absl::UTCTimeZone().At(time);
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", civil.cs.year(), civil.cs.month(), civil.cs.day(),
                         civil.cs.hour(), civil.cs.minute(), civil.cs.second(),
                         absl::ToInt64Milliseconds(civil.subsecond));
}

struct LevelText {
  const char* json;
  const char* text;
};

LevelText TextOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return {"debug", "DEBUG"};
    case LogLevel::kInfo:
      return {"info", "INFO "};
    case LogLevel::kWarning:
      return {"warning", "WARN "};
    case LogLevel::kError:
      break;
  }
  return {"error", "ERROR"};
}

// Settings of the process. Leaked: threads may log until the very end.
struct Logger {
  std::atomic<LogLevel> level{LogLevel::kInfo};
  std::atomic<LogFormat> format{LogFormat::kText};
  absl::Mutex mutex;
  std::string program ABSL_GUARDED_BY(mutex);
  std::shared_ptr<std::function<void(absl::string_view)>> sink ABSL_GUARDED_BY(mutex);
  absl::Mutex limiter_mutex;
  LogLimiter limiter ABSL_GUARDED_BY(limiter_mutex);
  // The line is formatted here, so that both formats escape alike; spdlog brings it to stderr in one write.
  spdlog::logger stderr_logger{"", std::make_shared<spdlog::sinks::stderr_sink_mt>()};

  Logger() {
    stderr_logger.set_pattern("%v");
    stderr_logger.set_level(spdlog::level::trace);
  }
};

Logger& TheLogger() {
  static Logger* const logger = new Logger();
  return *logger;
}

void Write(LogLevel level, absl::string_view event, absl::Span<const LogField> fields) {
  Logger& logger = TheLogger();
  std::string program;
  std::shared_ptr<std::function<void(absl::string_view)>> sink;
  {
    absl::MutexLock lock(&logger.mutex);
    program = logger.program;
    sink = logger.sink;
  }
  const std::string line = FormatLogLine(logger.format.load(std::memory_order_relaxed), program,
                                         absl::FromUnixNanos(SystemClock::Get().UnixNanos()), level, event, fields);
  if (sink != nullptr) {
    (*sink)(line);
  } else {
    logger.stderr_logger.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }
}

std::optional<LogLevel> LevelNamed(absl::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return std::nullopt;
}

}  // namespace

LogValue::LogValue(const absl::Status& status) {
  std::string text = status.ToString(absl::StatusToStringMode::kWithNoExtraData);
  if (const std::string reason = ReasonOf(status); !reason.empty()) absl::StrAppend(&text, " (", reason, ")");
  value_ = std::move(text);
}

void CheckLogConfig(const mvmd::twin::v1alpha1::LogConfig& config, ConfigErrors* errors) {
  if (!config.level().empty() && !LevelNamed(config.level()).has_value() && !errors->Has("log.level")) {
    errors->Add("log.level", absl::StrCat("expected debug, info, warning or error, got \"", config.level(), "\""));
  }
  if (!config.format().empty() && config.format() != "text" && config.format() != "json" &&
      !errors->Has("log.format")) {
    errors->Add("log.format", absl::StrCat("expected text or json, got \"", config.format(), "\""));
  }
}

absl::Status InitLogging(const mvmd::twin::v1alpha1::LogConfig& config, absl::string_view program) {
  ConfigErrors errors;
  CheckLogConfig(config, &errors);
  if (!errors.ok()) return absl::InvalidArgumentError(errors.ToString());
  const LogLevel level = LevelNamed(config.level()).value_or(LogLevel::kInfo);
  Logger& logger = TheLogger();
  logger.level = level;
  logger.format = config.format() == "json" ? LogFormat::kJson : LogFormat::kText;
  absl::MutexLock lock(&logger.mutex);
  logger.program = std::string(program);
  return absl::OkStatus();
}

bool LogEnabled(LogLevel level) { return level >= TheLogger().level.load(std::memory_order_relaxed); }

void Log(LogLevel level, absl::string_view event, std::initializer_list<LogField> fields) {
  if (LogEnabled(level)) Write(level, event, absl::MakeConstSpan(fields.begin(), fields.size()));
}

bool LogLimiter::Allow(absl::string_view key, absl::Duration interval, int64_t monotonic_ns, uint64_t* suppressed) {
  auto it = entries_.find(key);
  if (it != entries_.end()) {
    Entry& entry = it->second;
    entry.used_ns = monotonic_ns;
    if (monotonic_ns - entry.allowed_ns < absl::ToInt64Nanoseconds(interval)) {
      ++entry.suppressed;
      return false;
    }
    *suppressed = std::exchange(entry.suppressed, 0);
    entry.allowed_ns = monotonic_ns;
    return true;
  }
  if (entries_.size() >= kKeysMax) {
    entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                    [](const auto& a, const auto& b) { return a.second.used_ns < b.second.used_ns; }));
  }
  entries_[std::string(key)] = {monotonic_ns, monotonic_ns, 0};
  *suppressed = 0;
  return true;
}

void LogEvery(absl::Duration interval, absl::string_view key, LogLevel level, absl::string_view event,
              std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  Logger& logger = TheLogger();
  uint64_t suppressed = 0;
  {
    absl::MutexLock lock(&logger.limiter_mutex);
    if (!logger.limiter.Allow(key, interval, SystemClock::Get().MonotonicNanos(), &suppressed)) return;
  }
  std::vector<LogField> all(fields);
  if (suppressed > 0) all.push_back({"suppressed", suppressed});
  Write(level, event, all);
}

std::string FormatLogLine(LogFormat format, absl::string_view program, absl::Time time, LogLevel level,
                          absl::string_view event, absl::Span<const LogField> fields) {
  std::string line;
  if (format == LogFormat::kText) {
    absl::StrAppend(&line, TimeText(time), " ", TextOf(level).text, " ");
    AppendEscaped(event, /*quoted=*/false, &line);
    for (const LogField& field : fields) {
      absl::StrAppend(&line, " ", field.key, "=");
      AppendValue(format, field.value, &line);
    }
    return line;
  }
  absl::StrAppend(&line, "{\"time\":\"", TimeText(time), "\",\"level\":\"", TextOf(level).json, "\",\"program\":");
  AppendJsonString(program, &line);
  line.append(",\"message\":");
  AppendJsonString(event, &line);
  for (const LogField& field : fields) {
    line.push_back(',');
    AppendJsonString(field.key, &line);
    line.push_back(':');
    AppendValue(format, field.value, &line);
  }
  line.push_back('}');
  return line;
}

void SetLogSink(std::function<void(absl::string_view line)> sink) {
  Logger& logger = TheLogger();
  absl::MutexLock lock(&logger.mutex);
  logger.sink = sink == nullptr ? nullptr : std::make_shared<std::function<void(absl::string_view)>>(std::move(sink));
}

}  // namespace mvmd
