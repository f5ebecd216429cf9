// A document as it is served, value by value, without making it.
#ifndef MVMD_TWIN_SERVED_DOCUMENT_H_
#define MVMD_TWIN_SERVED_DOCUMENT_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "twin/document.h"
#include "twin/json.h"

namespace mvmd {

// A value of ApplyLive(definition, live), found without copying anything: what filters and orders look at. Both parts
// outlive it. Cheap to copy, thread-compatible.
//
//   ServedValue root(definition, live);
//   root.Member("synchronization").Member("connectionStatus").text();
//   root.Member("sensors").Sensor("temp-1").Member("currentValue").number();
//
// A member that is null is missing, as docs/validation.md has it.
class ServedValue {
 public:
  // kTime: a live time, in the document an RFC 3339 text.
  enum class Kind { kMissing, kBool, kNumber, kText, kTime, kArray, kObject };

  ServedValue() = default;  // missing
  ServedValue(const Json& definition, const LiveView& live);

  Kind kind() const { return kind_; }
  bool is_missing() const { return kind_ == Kind::kMissing; }

  // Each needs a value of its kind.
  bool boolean() const { return number_ != 0; }
  double number() const { return number_; }
  absl::string_view text() const { return text_; }
  int64_t time_unix_ns() const { return time_unix_ns_; }

  // Missing when this is no object.
  ServedValue Member(absl::string_view name) const;
  // Of the root's `sensors`: the first one with this id, which is the one with live values. Missing elsewhere.
  ServedValue Sensor(absl::string_view id) const;
  // An element of the root's `sensors`.
  bool is_sensor() const { return place_ == Place::kSensor; }
  // The root's `sensors`.
  bool is_sensors() const { return place_ == Place::kSensors; }

  // Goes through an array or an object, each member once, until `visit` returns true; false when it never did.
  bool AnyElement(absl::FunctionRef<bool(const ServedValue& element)> visit) const;
  bool AnyMember(absl::FunctionRef<bool(absl::string_view name, const ServedValue& value)> visit) const;

 private:
  // Where live values go.
  enum class Place { kElsewhere, kRoot, kSynchronization, kSensors, kSensor };

  explicit ServedValue(const Json* node);
  static ServedValue OfTime(int64_t unix_ns);
  static ServedValue OfText(absl::string_view text);
  static ServedValue OfNumber(double number);
  static ServedValue OfSample(const SampleValue& value);
  // `live` null: it has none.
  ServedValue SensorAt(const Json& element, const LiveSensor* live) const;
  // Missing: the definition decides.
  ServedValue LiveMember(absl::string_view name) const;

  Kind kind_ = Kind::kMissing;
  Place place_ = Place::kElsewhere;
  union {
    double number_ = 0;  // kBool too: 0 or 1
    int64_t time_unix_ns_;
  };
  absl::string_view text_;
  const Json* node_ = nullptr;
  const LiveView* live_ = nullptr;           // at kRoot, kSynchronization, kSensors
  const LiveSensor* live_sensor_ = nullptr;  // at kSensor; null: no live value
};

}  // namespace mvmd

#endif  // MVMD_TWIN_SERVED_DOCUMENT_H_
