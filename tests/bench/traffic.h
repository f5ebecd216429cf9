// What the bench publishes: topics of a plant and JSON payloads that a sink can check.
#ifndef MVMD_TESTS_BENCH_TRAFFIC_H_
#define MVMD_TESTS_BENCH_TRAFFIC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mvmd {

int64_t UnixNanos();

// `plant/line3/robot-42/temp-1`; different for every index.
std::string BenchTopic(uint32_t index);

enum class PayloadKind {
  // {"value":42.37,"timestamp":"2024-03-15T14:30:00.123Z"}: a value that walks by at most 0.10, as a sensor's does.
  kPlain,
  // The same with ,"seq":N,"ns":SENT. SENT is UnixNanos().
  kFull,
  // {"value":N,"timestamp":"2024-03-15T14:30:00.123456789Z"}: the number in place of the value, and the time at which
  // it
  // was sent, for systems that keep only these two.
  kPacked,
};
std::optional<PayloadKind> ParsePayloadKind(absl::string_view name);

// Writes payloads. Not thread-safe.
class PayloadWriter {
 public:
  PayloadWriter(PayloadKind kind, uint32_t topics);

  // Payload of message `n` of topic `topic`; overwrites `out`.
  void Write(uint32_t topic, uint64_t n, int64_t sent_unix_ns, std::string* out);

 private:
  struct Walk {
    uint32_t random;
    int32_t hundredths;
  };
  void AppendTime(int64_t unix_ns, int digits, std::string* out);

  const PayloadKind kind_;
  std::vector<Walk> walks_;
  int64_t second_ = -1;
  std::string second_text_;  // of `second_`, without fraction
};

// The number and the time of a `full` or `packed` payload.
struct PayloadMark {
  uint64_t n;
  int64_t sent_unix_ns;
};
std::optional<PayloadMark> ParsePayload(absl::string_view payload);

}  // namespace mvmd

#endif  // MVMD_TESTS_BENCH_TRAFFIC_H_
