#include "gateway/live_twin.h"

#include <algorithm>
#include <limits>

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

int64_t AgeNs(int64_t now_unix_ns, int64_t earlier_unix_ns) {
  if (earlier_unix_ns >= now_unix_ns) return 0;
  constexpr uint64_t kAgeMaxNs = std::numeric_limits<int64_t>::max() / 2;
  const uint64_t age = static_cast<uint64_t>(now_unix_ns) - static_cast<uint64_t>(earlier_unix_ns);
  return static_cast<int64_t>(std::min(age, kAgeMaxNs));
}

LiveValue::Times LiveValue::Take(const DecodedBlock& block, const DecodedBlock::Run& run, bool is_backfill) {
  const int64_t* const times = block.times_unix_ns.data() + run.begin;
  int64_t oldest = times[0];
  int64_t newest = times[0];
  uint32_t newest_index = 0;
  for (uint32_t i = 1; i < run.count; ++i) {
    oldest = std::min(oldest, times[i]);
    if (times[i] >= newest) {
      newest = times[i];
      newest_index = i;
    }
  }
  if (!has_value_ || newest > time_unix_ns_ || (newest == time_unix_ns_ && !is_backfill)) {
    const uint32_t at = run.begin + newest_index;
    has_value_ = true;
    time_unix_ns_ = newest;
    kind_ = run.kind;
    if (run.kind == DecodedBlock::Kind::kText) {
      text_ = block.texts[block.text_index[at]];
    } else {
      number_ = block.numbers[at];
    }
  }
  return {oldest, newest};
}

void LiveValue::Clear() {
  has_value_ = false;
  text_.clear();
}

SampleValue LiveValue::Value() const {
  switch (kind_) {
    case DecodedBlock::Kind::kNumber:
      return number_;
    case DecodedBlock::Kind::kBoolean:
      return number_ != 0;
    case DecodedBlock::Kind::kText:
      return text_;
  }
  return number_;
}

void LiveValue::ToProto(pb::TwinLive::Value* out) const {
  out->set_time_unix_ns(time_unix_ns_);
  switch (kind_) {
    case DecodedBlock::Kind::kNumber:
      out->set_number(number_);
      break;
    case DecodedBlock::Kind::kBoolean:
      out->set_boolean(number_ != 0);
      break;
    case DecodedBlock::Kind::kText:
      out->set_text(text_);
      break;
  }
}

bool LiveValue::FromProto(const pb::TwinLive::Value& in) {
  switch (in.value_case()) {
    case pb::TwinLive::Value::kNumber:
      kind_ = DecodedBlock::Kind::kNumber;
      number_ = in.number();
      break;
    case pb::TwinLive::Value::kBoolean:
      kind_ = DecodedBlock::Kind::kBoolean;
      number_ = in.boolean() ? 1 : 0;
      break;
    case pb::TwinLive::Value::kText:
      kind_ = DecodedBlock::Kind::kText;
      text_ = in.text();
      break;
    case pb::TwinLive::Value::VALUE_NOT_SET:
      return false;
  }
  has_value_ = true;
  time_unix_ns_ = in.time_unix_ns();
  return true;
}

void LiveTwin::OnSamples(int64_t entry_time_unix_ns, int64_t newest_sample_unix_ns, bool is_backfill) {
  last_synced_unix_ns = entry_time_unix_ns;
  if (is_backfill) return;
  // A clock that is ahead makes no negative latency.
  const int64_t age_ns = AgeNs(entry_time_unix_ns, newest_sample_unix_ns);
  latency_ns = latency_ns.has_value() ? *latency_ns + (age_ns - *latency_ns) / 8 : age_ns;
}

void LiveTwin::AddTo(std::optional<bool> is_connected, std::optional<int64_t> definition_modified_unix_ns,
                     LiveView* view) const {
  view->last_synced_unix_ns = last_synced_unix_ns;
  if (is_connected.has_value()) view->connection_status = *is_connected ? "active" : "inactive";
  if (latency_ns.has_value()) view->latency_ms = static_cast<double>((*latency_ns + 500'000) / 1'000'000);
  // An empty optional is less than any time.
  view->date_modified_unix_ns = std::max(definition_modified_unix_ns, last_synced_unix_ns);
}

void LiveTwin::ToProto(pb::TwinLive* out) const {
  if (last_synced_unix_ns.has_value()) out->set_last_synced_unix_ns(*last_synced_unix_ns);
  if (latency_ns.has_value()) out->set_latency_ns(*latency_ns);
}

void LiveTwin::FromProto(const pb::TwinLive& in) {
  if (in.has_last_synced_unix_ns()) last_synced_unix_ns = in.last_synced_unix_ns();
  if (in.has_latency_ns()) latency_ns = in.latency_ns();
}

}  // namespace mvmd
