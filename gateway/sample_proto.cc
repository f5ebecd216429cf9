#include "gateway/sample_proto.h"

#include <algorithm>
#include <string>
#include <utility>

#include "twin/canonical.h"
#include "twin/document.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr int64_t kSecondNs = 1'000'000'000;

}  // namespace

void SetTimestamp(int64_t unix_ns, google::protobuf::Timestamp* out) {
  int64_t seconds = unix_ns / kSecondNs;
  int64_t nanos = unix_ns % kSecondNs;
  if (nanos < 0) {
    nanos += kSecondNs;
    --seconds;
  }
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(nanos));
}

int64_t UnixNanosOf(const google::protobuf::Timestamp& timestamp) {
  constexpr int64_t kSecondsMax = INT64_MAX / kSecondNs - 1;
  if (timestamp.seconds() > kSecondsMax) return INT64_MAX;
  if (timestamp.seconds() < -kSecondsMax) return INT64_MIN;
  return timestamp.seconds() * kSecondNs + std::clamp<int64_t>(timestamp.nanos(), 0, kSecondNs - 1);
}

void SetSample(int64_t time_unix_ns, const SampleValue& value, Quality quality, pb::Sample* out) {
  SetTimestamp(time_unix_ns, out->mutable_time());
  if (const auto* number = std::get_if<double>(&value)) {
    out->set_number(*number);
  } else if (const auto* boolean = std::get_if<bool>(&value)) {
    out->set_boolean(*boolean);
  } else {
    out->set_text(std::get<std::string>(value));
  }
  if (quality != pb::QUALITY_GOOD) out->set_quality(quality);
}

void SetTwinDocument(absl::string_view twin, const Definition& definition, const LiveView& live, uint64_t revision,
                     pb::TwinView view, pb::TwinDocument* out) {
  std::string canonical = definition.form.Render(live);
  out->set_twin_id(std::string(twin));
  out->set_etag(Sha256Hex(canonical));
  out->set_revision(revision);
  out->set_definition_etag(definition.form.definition_etag());
  if (view == pb::TWIN_VIEW_TYPED || view == pb::TWIN_VIEW_BOTH) {
    ToTypedView(ApplyLive(definition.tree, live), out->mutable_twin());
  }
  if (view != pb::TWIN_VIEW_TYPED && view != pb::TWIN_VIEW_BASIC) out->set_canonical(std::move(canonical));
}

}  // namespace mvmd
