#include "tests/bench/traffic.h"

#include <ctime>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace mvmd {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr absl::string_view kValuePrefix = "{\"value\":";
constexpr absl::string_view kTimePrefix = ",\"timestamp\":\"";
constexpr absl::string_view kSeqPrefix = ",\"seq\":";
constexpr absl::string_view kSentPrefix = ",\"ns\":";

// Takes digits off the front of `text`.
template <typename Int>
bool ConsumeInt(absl::string_view* text, Int* value) {
  size_t length = 0;
  while (length < text->size() && absl::ascii_isdigit(static_cast<unsigned char>((*text)[length]))) ++length;
  if (!absl::SimpleAtoi(text->substr(0, length), value)) return false;
  text->remove_prefix(length);
  return true;
}

}  // namespace

int64_t UnixNanos() { return absl::GetCurrentTimeNanos(); }

std::string BenchTopic(uint32_t index) {
  return absl::StrFormat("plant/line%d/robot-%d/temp-%d", index % 8, index / 8 % 64, index / 512);
}

std::optional<PayloadKind> ParsePayloadKind(absl::string_view name) {
  if (name == "plain") return PayloadKind::kPlain;
  if (name == "full") return PayloadKind::kFull;
  if (name == "packed") return PayloadKind::kPacked;
  return std::nullopt;
}

PayloadWriter::PayloadWriter(PayloadKind kind, uint32_t topics) : kind_(kind) {
  walks_.reserve(topics);
  for (uint32_t i = 0; i < topics; ++i) {
    walks_.push_back({i * 2654435761u + 1, static_cast<int32_t>(2000 + i * 37 % 6000)});
  }
}

void PayloadWriter::Write(uint32_t topic, uint64_t n, int64_t sent_unix_ns, std::string* out) {
  out->assign(kValuePrefix.data(), kValuePrefix.size());
  if (kind_ == PayloadKind::kPacked) {
    absl::StrAppend(out, n, kTimePrefix);
    AppendTime(sent_unix_ns, 9, out);
    out->append("\"}");
    return;
  }
  Walk& walk = walks_[topic];
  walk.random = walk.random * 1664525u + 1013904223u;
  walk.hundredths += static_cast<int32_t>((walk.random >> 24) % 21) - 10;
  const int32_t magnitude = walk.hundredths < 0 ? -walk.hundredths : walk.hundredths;
  absl::StrAppend(out, walk.hundredths < 0 ? "-" : "", magnitude / 100, ".",
                  absl::Dec(magnitude % 100, absl::kZeroPad2), kTimePrefix);
  AppendTime(sent_unix_ns, 3, out);
  out->push_back('"');
  if (kind_ == PayloadKind::kFull) absl::StrAppend(out, kSeqPrefix, n, kSentPrefix, sent_unix_ns);
  out->push_back('}');
}

void PayloadWriter::AppendTime(int64_t unix_ns, int digits, std::string* out) {
  const int64_t second = unix_ns / kNanosPerSecond;
  if (second != second_) {
    second_ = second;
    second_text_ = absl::FormatTime("%Y-%m-%dT%H:%M:%S", absl::FromUnixSeconds(second), absl::UTCTimeZone());
  }
  int64_t fraction = unix_ns % kNanosPerSecond;
  char text[9];
  for (int i = 8; i >= 0; --i, fraction /= 10) text[i] = static_cast<char>('0' + fraction % 10);
  absl::StrAppend(out, second_text_, ".", absl::string_view(text, static_cast<size_t>(digits)), "Z");
}

std::optional<PayloadMark> ParsePayload(absl::string_view payload) {
  PayloadMark mark;
  if (const size_t seq = payload.find(kSeqPrefix); seq != absl::string_view::npos) {
    payload.remove_prefix(seq + kSeqPrefix.size());
    if (ConsumeInt(&payload, &mark.n) && absl::ConsumePrefix(&payload, kSentPrefix) &&
        ConsumeInt(&payload, &mark.sent_unix_ns)) {
      return mark;
    }
    return std::nullopt;
  }
  // YYYY-MM-DDThh:mm:ss.nnnnnnnnnZ is 30 characters.
  if (!absl::ConsumePrefix(&payload, kValuePrefix) || !ConsumeInt(&payload, &mark.n) ||
      !absl::ConsumePrefix(&payload, kTimePrefix) || payload.size() != 32 || payload[29] != 'Z') {
    return std::nullopt;
  }
  const auto number = [&payload](size_t at, size_t length) {
    int value = 0;
    for (char c : payload.substr(at, length)) value = value * 10 + (c - '0');
    return value;
  };
  std::tm utc{};
  utc.tm_year = number(0, 4) - 1900;
  utc.tm_mon = number(5, 2) - 1;
  utc.tm_mday = number(8, 2);
  utc.tm_hour = number(11, 2);
  utc.tm_min = number(14, 2);
  utc.tm_sec = number(17, 2);
  mark.sent_unix_ns = static_cast<int64_t>(timegm(&utc)) * kNanosPerSecond + number(20, 9);
  return mark;
}

}  // namespace mvmd
