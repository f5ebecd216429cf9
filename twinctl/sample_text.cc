#include "twinctl/sample_text.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "twin/gap.h"
#include "twin/time.h"
#include "twinctl/console.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

int64_t UnixNanosOf(const google::protobuf::Timestamp& time) { return time.seconds() * 1'000'000'000 + time.nanos(); }

absl::Status SetTimeFlag(const std::string& text, const char* flag, google::protobuf::Timestamp* time) {
  const std::optional<int64_t> unix_ns = ParseTimestamp(text);
  if (!unix_ns.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": expected a time such as 2024-03-15T14:30:00Z, got `", text, "`"));
  }
  int64_t seconds = *unix_ns / 1'000'000'000;
  int64_t nanos = *unix_ns % 1'000'000'000;
  if (nanos < 0) {
    nanos += 1'000'000'000;
    --seconds;
  }
  time->set_seconds(seconds);
  time->set_nanos(static_cast<int32_t>(nanos));
  return absl::OkStatus();
}

std::string TimeText(const google::protobuf::Timestamp& time) { return FormatTimestamp(UnixNanosOf(time)); }

Json SampleValueJson(const pb::Sample& sample) {
  switch (sample.value_case()) {
    case pb::Sample::kNumber:
      return Json::Number(sample.number());
    case pb::Sample::kText:
      return Json::String(sample.text());
    case pb::Sample::kBoolean:
      return Json::Bool(sample.boolean());
    case pb::Sample::VALUE_NOT_SET:
      break;
  }
  return Json();
}

std::string SampleValueText(const pb::Sample& sample) {
  return sample.has_text() ? sample.text() : CompactJson(SampleValueJson(sample));
}

absl::string_view QualityText(const pb::Sample& sample) {
  switch (sample.quality()) {
    case pb::QUALITY_UNCERTAIN:
      return "uncertain";
    case pb::QUALITY_BAD:
      return "bad";
    default:
      return "good";
  }
}

Json SampleJson(absl::string_view twin, absl::string_view sensor, const pb::Sample& sample) {
  Json row = Json::Object();
  row.Set("twin", Json::String(twin));
  row.Set("sensor", Json::String(sensor));
  row.Set("timestamp", Json::String(TimeText(sample.time())));
  row.Set("value", SampleValueJson(sample));
  if (const absl::string_view quality = QualityText(sample); quality != "good") {
    row.Set("quality", Json::String(quality));
  }
  if (sample.backfill()) row.Set("backfill", Json::Bool(true));
  return row;
}

Json GapJson(absl::string_view twin, absl::string_view sensor, const pb::Gap& gap) {
  Json row = Json::Object();
  row.Set("twin", Json::String(twin));
  if (!sensor.empty()) row.Set("sensor", Json::String(sensor));
  row.Set("reason", Json::String(GapReason(gap.reason())));
  if (gap.count() != 0) row.Set("count", Json::Number(static_cast<double>(gap.count())));
  if (gap.first_seq() != 0) row.Set("firstSeq", Json::Number(static_cast<double>(gap.first_seq())));
  if (gap.last_seq() != 0) row.Set("lastSeq", Json::Number(static_cast<double>(gap.last_seq())));
  if (gap.start_time_unix_ns() != 0) row.Set("startTime", Json::String(FormatTimestamp(gap.start_time_unix_ns())));
  if (gap.end_time_unix_ns() != 0) row.Set("endTime", Json::String(FormatTimestamp(gap.end_time_unix_ns())));
  return row;
}

}  // namespace mvmd
