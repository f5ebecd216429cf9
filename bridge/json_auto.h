// Readings of a JSON payload that nobody configured.
#ifndef MVMD_BRIDGE_JSON_AUTO_H_
#define MVMD_BRIDGE_JSON_AUTO_H_

#include <deque>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "bridge/decoder.h"

namespace simdjson::dom {
class element;
}

namespace mvmd {

// Every number and boolean is a reading named by its member path, joined with dots. Beyond that:
//
//  1. A member that is a time by name (`timestamp`, `time`, `ts`, `timestamp_ms`, `last_seen`, ...) and by value is the
//     time of its object and of what is below it. Without a zone it is UTC.
//  2. `{"value": x}` is one reading with the topic's name; `unit` and `quality` beside it are its own. Text counts
//  here.
//  3. `{"id": s, "currentValue": x}`, a sensor of the MVMD profile, is one reading named `s`; also in an array, or in
//  an
//     array `sensors`.
//  4. Envelopes are opened: Shelly (`method`, `params`), The Things Stack (`uplink_message.decoded_payload`),
//  ChirpStack
//     (`deviceInfo`, `object`), Neuron (`values`).
//  5. `id` in any spelling is no reading; nor is `online` when it is all that the object says.
//  6. Units: Tasmota's `TempUnit` and `PressureUnit` beside the values, `tC` / `tF`, and the ending `_C` / `_F`.
//
// Bad readings: a sensor of the profile whose value is no scalar or whose `timestamp` is no time, or one of several
// without an `id`; and what is nested too deeply.
//
// `names` keeps made-up names alive; it, `readings` and `bad` are appended to. Errors as of Decoder::Decode.
absl::Status DecodeJsonAuto(const simdjson::dom::element& root, absl::string_view topic, std::deque<std::string>* names,
                            std::vector<Reading>* readings, BadReadings* bad);

}  // namespace mvmd

#endif  // MVMD_BRIDGE_JSON_AUTO_H_
