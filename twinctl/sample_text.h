// Samples of the wire, as twinctl prints them.
#ifndef MVMD_TWINCTL_SAMPLE_TEXT_H_
#define MVMD_TWINCTL_SAMPLE_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/timestamp.pb.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "twin/json.h"

namespace mvmd {

int64_t UnixNanosOf(const google::protobuf::Timestamp& time);
// Of a flag such as `--from`. INVALID_ARGUMENT when the text is no RFC 3339 time.
absl::Status SetTimeFlag(const std::string& text, const char* flag, google::protobuf::Timestamp* time);
std::string TimeText(const google::protobuf::Timestamp& time);
// Of a sample that has no value: null.
Json SampleValueJson(const mvmd::twin::v1alpha1::Sample& sample);
// As a person reads it.
std::string SampleValueText(const mvmd::twin::v1alpha1::Sample& sample);
// `good`, `uncertain`, `bad`.
absl::string_view QualityText(const mvmd::twin::v1alpha1::Sample& sample);
// {"twin":..,"sensor":..,"timestamp":..,"value":..}, and "quality" when it is not good.
Json SampleJson(absl::string_view twin, absl::string_view sensor, const mvmd::twin::v1alpha1::Sample& sample);
// {"twin":..,"sensor":..,"reason":..,"count":..,"firstSeq":..,"lastSeq":..,"startTime":..,"endTime":..}; what is not
// known is left out.
Json GapJson(absl::string_view twin, absl::string_view sensor, const mvmd::twin::v1alpha1::Gap& gap);

}  // namespace mvmd

#endif  // MVMD_TWINCTL_SAMPLE_TEXT_H_
