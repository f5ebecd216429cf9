// Times, samples and twins as messages.
#ifndef MVMD_GATEWAY_SAMPLE_PROTO_H_
#define MVMD_GATEWAY_SAMPLE_PROTO_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "gateway/twin_state.h"
#include "google/protobuf/timestamp.pb.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "twin/sample.h"

namespace mvmd {

void SetTimestamp(int64_t unix_ns, google::protobuf::Timestamp* out);
// Clamped to what 64 bits of nanoseconds hold.
int64_t UnixNanosOf(const google::protobuf::Timestamp& timestamp);

void SetSample(int64_t time_unix_ns, const SampleValue& value, Quality quality, mvmd::twin::v1alpha1::Sample* out);

// Renders `definition` with `live` as `view` wants it (UNSPECIFIED is CANONICAL). Takes tens of microseconds and more:
// never under a lock.
void SetTwinDocument(absl::string_view twin, const Definition& definition, const LiveView& live, uint64_t revision,
                     mvmd::twin::v1alpha1::TwinView view, mvmd::twin::v1alpha1::TwinDocument* out);

}  // namespace mvmd

#endif  // MVMD_GATEWAY_SAMPLE_PROTO_H_
