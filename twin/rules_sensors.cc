// SEN: the sensors.
#include <algorithm>
#include <iterator>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "twin/rule_checker.h"

namespace mvmd {
namespace {

using absl::string_view;

struct Range {
  double low;
  double high;
};

bool IsStringOrBool(const Json* value) { return value != nullptr && (value->is_string() || value->is_bool()); }

struct AbsoluteZero {
  string_view unit;  // lower case
  double value;
};
constexpr AbsoluteZero kAbsoluteZeros[] = {
    {"celsius", -273.15},    {"°c", -273.15}, {"c", -273.15}, {"cel", -273.15}, {"kelvin", 0}, {"k", 0},
    {"fahrenheit", -459.67}, {"°f", -459.67}, {"f", -459.67},
};

bool IsBelowAbsoluteZero(const Json& sensor) {
  const Json* type = Present(sensor, "type");
  const Json* unit = Present(sensor, "unit");
  const Json* value = Present(sensor, "currentValue");
  if (type == nullptr || unit == nullptr || value == nullptr) return false;
  if (!type->is_string() || !unit->is_string() || !value->is_number()) return false;
  if (!absl::EqualsIgnoreCase(type->string(), "temperature")) return false;
  const auto* zero = std::find_if(std::begin(kAbsoluteZeros), std::end(kAbsoluteZeros), [&](const AbsoluteZero& row) {
    return absl::EqualsIgnoreCase(row.unit, unit->string());
  });
  return zero != std::end(kAbsoluteZeros) && value->number() < zero->value;
}

// One sensor that is an object.
class SensorRules {
 public:
  SensorRules(const Json& sensor, const JsonPath& at, RuleChecker* checker)
      : sensor_(sensor), at_(at), checker_(checker) {}

  void Check() {
    RequireMember(sensor_, at_, "name", IsText, "SEN-07", checker_);
    RequireMember(sensor_, at_, "type", IsText, "SEN-08", checker_);
    RequireMember(sensor_, at_, "unit", IsText, "SEN-09", checker_);
    ExpectPresent(sensor_, at_, "location", "SEN-10", checker_);
    ExpectMember(sensor_, at_, "location", IsText, "SEN-11", checker_);
    ExpectPresent(sensor_, at_, "updateFrequency", "SEN-12", checker_);
    ExpectMember(sensor_, at_, "updateFrequency", IsUpdateFrequencyValue, "SEN-13", checker_);
    CheckReading();
    CheckRanges();
    auto is_accuracy = [](const Json& value) { return value.is_number() && value.number() >= 0; };
    ExpectMember(sensor_, at_, "accuracy", is_accuracy, "SEN-24", checker_);
  }

 private:
  void CheckReading() {
    const MemberAt value(sensor_, at_, "currentValue");
    const bool has_range = Present(sensor_, "normalRange") != nullptr || Present(sensor_, "criticalRange") != nullptr;
    if (value.value == nullptr) {
      checker_->Report("SEN-14", value.path);
    } else {
      if (!IsReading(*value.value)) checker_->Report("SEN-15", value.path);
      if (IsStringOrBool(value.value) && has_range) checker_->Report("SEN-16", value.path);
      ExpectPresent(sensor_, at_, "timestamp", "SEN-17", checker_);
    }
    ExpectMember(sensor_, at_, "timestamp", IsTimestamp, "SEN-18", checker_);
    if (IsBelowAbsoluteZero(sensor_)) checker_->Report("SEN-25", value.path);
  }

  void CheckRanges() {
    const std::optional<Range> normal = CheckRange("normalRange");
    const std::optional<Range> critical = CheckRange("criticalRange");
    if (!normal || !critical) return;
    // Ranges that touch are as they should be.
    if (std::max(normal->low, critical->low) < std::min(normal->high, critical->high)) {
      checker_->Report("SEN-23", at_.Member("criticalRange"));
    }
  }

  // The range when it is one, and not reversed.
  std::optional<Range> CheckRange(string_view name) {
    const MemberAt range(sensor_, at_, name);
    if (range.value == nullptr) {
      if (!IsStringOrBool(Present(sensor_, "currentValue"))) checker_->Report("SEN-19", range.path);
      return std::nullopt;
    }
    if (!range.value->is_array() || range.value->elements().size() != 2 || !range.value->elements()[0].is_number() ||
        !range.value->elements()[1].is_number()) {
      checker_->Report("SEN-20", range.path);
      return std::nullopt;
    }
    const Range ends{range.value->elements()[0].number(), range.value->elements()[1].number()};
    if (ends.low > ends.high) {
      checker_->Report("SEN-21", range.path);
      return std::nullopt;
    }
    if (ends.low == ends.high) checker_->Report("SEN-22", range.path);
    return ends;
  }

  const Json& sensor_;
  const JsonPath& at_;
  RuleChecker* const checker_;
};

}  // namespace

void CheckSensors(const Json& document, RuleChecker* checker) {
  const JsonPath root;
  const MemberAt sensors(document, root, "sensors");
  if (sensors.value == nullptr) return checker->Report("SEN-01", sensors.path);
  if (!sensors.value->is_array()) return checker->Report("SEN-02", sensors.path);
  const std::vector<Json>& elements = sensors.value->elements();
  if (elements.empty()) return checker->Report("SEN-03", sensors.path);
  absl::flat_hash_set<string_view> ids;
  for (size_t i = 0; i < elements.size(); ++i) {
    const JsonPath at = sensors.path.Element(i);
    if (!elements[i].is_object()) {
      checker->Report("SEN-04", at);
      continue;
    }
    const string_view id = TextOf(elements[i].Find("id"));
    if (id.empty()) {
      checker->Report("SEN-05", at.Member("id"));
    } else if (!ids.insert(id).second) {
      checker->Report("SEN-06", at.Member("id"));
    }
    SensorRules(elements[i], at, checker).Check();
  }
}

}  // namespace mvmd
