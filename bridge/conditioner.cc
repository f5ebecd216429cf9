#include "bridge/conditioner.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

// Spellings of one unit, in one line. Single letters and symbols are compared as they are (`mW` and `MW` differ), words
// in lower case.
const std::vector<std::vector<absl::string_view>>& Spellings() {
  static const auto* const spellings = new std::vector<std::vector<absl::string_view>>{
      {"C", "°C", "Cel", "degC", "celsius", "degree celsius", "degrees celsius"},
      {"F", "°F", "degF", "fahrenheit"},
      {"K", "kelvin"},
      {"%", "percent", "%RH", "rh"},
      {"V", "volt", "volts"},
      {"mV", "millivolt", "millivolts"},
      {"A", "ampere", "amperes", "amp", "amps"},
      {"mA", "milliampere", "milliamperes"},
      {"W", "watt", "watts"},
      {"kW", "kilowatt", "kilowatts"},
      {"Wh", "watthour", "watt-hour"},
      {"kWh", "kilowatthour", "kilowatt-hour"},
      {"Pa", "pascal", "pascals"},
      {"hPa", "hectopascal", "mbar", "millibar"},
      {"kPa", "kilopascal"},
      {"MPa", "megapascal"},
      {"bar", "bars"},
      {"psi", "PSI"},
      {"Hz", "hertz"},
      {"rpm", "RPM", "r/min", "revolutions per minute"},
      {"°", "deg", "degree", "degrees"},
      {"rad", "radian", "radians"},
      {"m", "meter", "metre", "meters", "metres"},
      {"mm", "millimeter", "millimetre", "millimeters", "millimetres"},
      {"cm", "centimeter", "centimetre", "centimeters", "centimetres"},
      {"m/s", "meter per second", "meters per second"},
      {"mm/s", "millimeter per second", "millimeters per second"},
      {"N", "newton", "newtons"},
      {"Nm", "N·m", "N.m", "newton-meter", "newton-meters", "newton meter", "newton meters"},
      {"s", "second", "seconds"},
      {"ms", "millisecond", "milliseconds"},
      {"kg", "kilogram", "kilograms"},
      {"l", "L", "liter", "litre", "liters", "litres"},
      {"dB", "decibel", "decibels"},
  };
  return *spellings;
}

// Number of the unit's line; -1 when it is in none.
int SpellingOf(absl::string_view unit) {
  static const auto* const exact = [] {
    auto* map = new absl::flat_hash_map<std::string, int>;
    for (size_t i = 0; i < Spellings().size(); ++i) {
      for (absl::string_view spelling : Spellings()[i]) map->emplace(std::string(spelling), static_cast<int>(i));
    }
    return map;
  }();
  if (auto it = exact->find(unit); it != exact->end()) return it->second;
  if (auto it = exact->find(absl::AsciiStrToLower(unit)); unit.size() > 4 && it != exact->end()) return it->second;
  return -1;
}

}  // namespace

bool SameUnit(absl::string_view a, absl::string_view b) {
  a = absl::StripAsciiWhitespace(a);
  b = absl::StripAsciiWhitespace(b);
  if (a == b) return true;
  const int spelling = SpellingOf(a);
  return spelling >= 0 && spelling == SpellingOf(b);
}

ConditionResult Condition(Reading reading, int64_t arrival_unix_ns, const LocalSensor* local, Sample* sample) {
  if (const double* number = std::get_if<double>(&reading.value); number != nullptr && !std::isfinite(*number)) {
    return {ConditionResult::Code::kNotFinite, "expected a finite number, got NaN or infinity"};
  }
  if (const std::string* text = std::get_if<std::string>(&reading.value);
      text != nullptr && text->size() > kSampleTextBytesMax) {
    return {ConditionResult::Code::kTextTooLong,
            absl::StrCat("expected text of at most ", kSampleTextBytesMax, " bytes, got ", text->size())};
  }
  if (local != nullptr && !reading.unit.empty() && !local->unit.empty() && reading.unit != local->unit &&
      !SameUnit(reading.unit, local->unit)) {
    return {ConditionResult::Code::kUnitMismatch,
            absl::StrCat("expected unit `", local->unit, "` (the document's), got `", reading.unit.substr(0, 40), "`")};
  }
  sample->time_unix_ns = reading.time_unix_ns.value_or(arrival_unix_ns);
  sample->value = std::move(reading.value);
  sample->quality = reading.quality;
  return {};
}

}  // namespace mvmd
