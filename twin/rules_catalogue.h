// The rule catalogue as data, and references to its rows that are checked when compiled.
#ifndef MVMD_TWIN_RULES_CATALOGUE_H_
#define MVMD_TWIN_RULES_CATALOGUE_H_

#include <cstddef>

#include "absl/strings/string_view.h"
#include "twin/rules.h"

namespace mvmd {
namespace rules_internal {

constexpr Severity E = Severity::kError;
constexpr Severity W = Severity::kWarning;

// Id, severity in lenient and in strict mode, message; sorted by id. What each one means is in docs/validation.md.
inline constexpr Rule kRules[] = {
    {"BAS-01", E, E, "Required property 'name' is missing"},
    {"BAS-02", E, E, "Property 'name' must be a non-empty string"},
    {"BAS-03", E, E, "Property 'name' is longer than 100 characters"},
    {"BAS-04", E, E, "Required property 'description' is missing"},
    {"BAS-05", E, E, "Property 'description' must be a non-empty string"},
    {"BAS-06", E, E, "Property 'description' is longer than 1000 characters"},
    {"BAS-07", E, E, "Required property 'identifier' is missing"},
    {"BAS-08", E, E, "Property 'identifier' must be an object"},
    {"BAS-09", E, E, "Property 'identifier.propertyID' must be a non-empty string"},
    {"BAS-10", E, E, "Property 'identifier.value' must be a non-empty string"},
    {"BAS-11", W, E, "Type of 'identifier' should be PropertyValue"},
    {"BAS-12", W, W, "Identifier should use propertyID 'MVMD-ID'"},
    {"BAS-13", W, W, "Recommended property 'creator' is missing"},
    {"BAS-14", E, E, "Property 'creator' must be an object with a name"},
    {"BAS-15", E, E, "Creator url must be an absolute http(s) URL"},
    {"BAS-16", W, W, "Recommended property 'dateCreated' is missing"},
    {"BAS-17", E, E, "Date must be an ISO 8601 date or timestamp"},
    {"BAS-18", W, E, "dateModified is earlier than dateCreated"},
    {"BAS-19", W, W, "Recommended property 'license' is missing"},
    {"BAS-20", E, E, "Property 'license' must be an absolute http(s) URL"},
    {"CTX-01", E, E, "Required property '@context' is missing"},
    {"CTX-02", E, E, "Property '@context' must be an object, a string or an array of these"},
    {"CTX-03", E, E, "Context must use the Schema.org vocabulary"},
    {"CTX-04", W, E, "Schema.org should be declared as @vocab https://schema.org/"},
    {"CTX-05", W, E, "Remote context is not dereferenced"},
    {"CTX-06", E, E, "Prefix 'mvmd' must map to https://mvmd.org/v1/"},
    {"CTX-07", E, E, "Prefix 'mvmd' is used but not declared"},
    {"CTX-08", W, W, "Prefix 'mvmd' is not declared"},
    {"CTX-09", W, E, "Context redefines a profile term"},
    {"CTX-10", W, E, "Nested @context may change the meaning of profile terms"},
    {"DOC-01", E, E, "Document is not well-formed JSON"},
    {"DOC-02", E, E, "Duplicate member name"},
    {"DOC-03", E, E, "String contains an unpaired surrogate"},
    {"DOC-04", E, E, "Number is out of range"},
    {"DOC-05", W, E, "Integer is outside the interoperable range"},
    {"DOC-06", E, E, "Document root must be an object"},
    {"DOC-07", E, E, "Document is nested too deeply"},
    {"ENT-01", E, E, "Required property 'subjectOf' is missing"},
    {"ENT-02", E, E, "Property 'subjectOf' must be an object"},
    {"ENT-03", W, E, "Recommended property 'subjectOf.@type' is missing"},
    {"ENT-04", E, E, "Property 'subjectOf.@type' must be a string or an array of strings"},
    {"ENT-05", E, E, "Property 'subjectOf.name' must be a non-empty string"},
    {"ENT-06", E, E, "Physical entity has no serialNumber or identifier"},
    {"ENT-07", E, E, "Property must be a non-empty string"},
    {"ENT-08", E, E, "Manufacturer must be a string or an object with a name"},
    {"ENT-09", W, W, "Recommended property 'subjectOf.manufacturer' is missing"},
    {"ENT-10", E, E, "Date must be an ISO 8601 date or timestamp"},
    {"ENT-11", W, E, "installDate is earlier than productionDate"},
    {"ENT-12", W, W, "Recommended property 'subjectOf.installDate' is missing"},
    {"ENT-13", W, W, "Recommended property 'subjectOf.location' is missing"},
    {"ENT-14", E, E, "Property 'subjectOf.location' must be a Place with a name, an address or geo"},
    {"ENT-15", W, E, "Recommended property 'subjectOf.location.@type' is missing"},
    {"ENT-16", E, E, "Address is not valid"},
    {"ENT-17", E, E, "Geo needs numeric latitude and longitude"},
    {"ENT-18", E, E, "Coordinate is out of range"},
    {"ENT-19", E, E, "Property must be a non-empty string"},
    {"LD-01", W, E, "Unknown keyword is ignored by JSON-LD"},
    {"LD-02", W, E, "Keyword is not used in this profile"},
    {"LD-03", W, E, "Member name cannot form an IRI"},
    {"LD-04", W, E, "Prefix is not declared"},
    {"LD-05", W, E, "Relative @id is lost without a base"},
    {"LD-06", W, W, "Null value is ignored"},
    {"MED-01", E, E, "Property 'associatedMedia' must be media objects"},
    {"MED-02", W, E, "Media object has no type"},
    {"MED-03", E, E, "Media object needs a name"},
    {"MED-04", E, E, "Property 'contentUrl' must be an absolute URL"},
    {"MED-05", E, E, "Property 'encodingFormat' must be a media type"},
    {"MNT-01", E, E, "Required property 'maintenance' is missing"},
    {"MNT-02", E, E, "Property 'maintenance' must be an object"},
    {"MNT-03", E, E, "Maintenance needs history, schedule or predictedIssues"},
    {"MNT-04", W, W, "Recommended property 'maintenance.history' is missing"},
    {"MNT-05", W, E, "Recommended property 'maintenance.schedule' is missing"},
    {"MNT-06", E, E, "Maintenance history must be an array of objects"},
    {"MNT-07", E, E, "Date must be an ISO 8601 date or timestamp"},
    {"MNT-08", E, E, "Maintenance type must be a non-empty string"},
    {"MNT-09", W, E, "Maintenance description is missing"},
    {"MNT-10", E, E, "Property must be a string"},
    {"MNT-11", E, E, "Property 'maintenance.schedule' must be an object"},
    {"MNT-12", E, E, "Date must be an ISO 8601 date or timestamp"},
    {"MNT-13", E, E, "Property must be a non-empty string"},
    {"MNT-14", E, E, "Predicted issues must be an array of objects"},
    {"MNT-15", E, E, "Predicted issue needs a component"},
    {"MNT-16", E, E, "Probability must be between 0 and 1"},
    {"MNT-17", E, E, "Duration is not valid"},
    {"MNT-18", E, E, "Property must be a string"},
    {"MNT-19", W, W, "Next maintenance is before the last one"},
    {"PRF-01", E, E, "Property 'performance' must be an object"},
    {"PRF-02", E, E, "Uptime must be a percentage from 0% to 100%"},
    {"PRF-03", E, E, "Productivity must be an array of objects"},
    {"PRF-04", E, E, "Productivity metric must be a non-empty string"},
    {"PRF-05", E, E, "Productivity value must be a number"},
    {"PRF-06", E, E, "Duration is not valid"},
    {"PRF-07", E, E, "Property must be a non-empty string"},
    {"PRF-08", E, E, "Alerts must be an array of objects"},
    {"PRF-09", E, E, "Timestamp is not valid"},
    {"PRF-10", E, E, "Alert type must be a non-empty string"},
    {"PRF-11", E, E, "Alert message must be a non-empty string"},
    {"PRF-12", E, E, "Property must be a non-empty string"},
    {"PRF-13", W, E, "Alert source is not a known sensor"},
    {"PRF-14", E, E, "Alert value must be a number, a string or a boolean"},
    {"SEN-01", E, E, "Required property 'sensors' is missing"},
    {"SEN-02", E, E, "Property 'sensors' must be an array"},
    {"SEN-03", E, E, "Property 'sensors' must not be empty"},
    {"SEN-04", E, E, "Sensor must be an object"},
    {"SEN-05", E, E, "Sensor id must be a non-empty string"},
    {"SEN-06", E, E, "Sensor id is not unique"},
    {"SEN-07", E, E, "Sensor name must be a non-empty string"},
    {"SEN-08", E, E, "Sensor type must be a non-empty string"},
    {"SEN-09", E, E, "Sensor unit must be a non-empty string"},
    {"SEN-10", W, E, "Sensor location is missing"},
    {"SEN-11", E, E, "Sensor location must be a non-empty string"},
    {"SEN-12", E, E, "Sensor updateFrequency is missing"},
    {"SEN-13", E, E, "Update frequency is not valid"},
    {"SEN-14", W, E, "Sensor has no current value"},
    {"SEN-15", E, E, "Current value must be a number, a string or a boolean"},
    {"SEN-16", E, E, "Sensor with a range needs a numeric current value"},
    {"SEN-17", E, E, "Current value has no timestamp"},
    {"SEN-18", E, E, "Timestamp is not valid"},
    {"SEN-19", W, W, "Sensor range is missing"},
    {"SEN-20", E, E, "Range must be two numbers"},
    {"SEN-21", E, E, "Range is reversed"},
    {"SEN-22", W, E, "Range is empty"},
    {"SEN-23", W, E, "Normal and critical range overlap"},
    {"SEN-24", E, E, "Accuracy must be a number that is not negative"},
    {"SEN-25", W, E, "Temperature is below absolute zero"},
    {"STO-01", E, E, "Required property 'dataStorage' is missing"},
    {"STO-02", E, E, "Property 'dataStorage' must be an object"},
    {"STO-03", E, E, "Required property 'dataStorage.historicalData' is missing"},
    {"STO-04", E, E, "Property 'dataStorage.historicalData' must be an object"},
    {"STO-05", E, E, "Required property 'dataStorage.historicalData.retentionPeriod' is missing"},
    {"STO-06", E, E, "Duration is not valid"},
    {"STO-07", W, E, "Recommended property 'dataStorage.historicalData.samplingRate' is missing"},
    {"STO-08", E, E, "Duration is not valid"},
    {"STO-09", W, E, "Recommended property 'dataStorage.historicalData.storageLocation' is missing"},
    {"STO-10", E, E, "Property 'dataStorage.historicalData.storageLocation' must be a non-empty string"},
    {"STO-11", W, W, "Recommended property 'dataStorage.historicalData.compressionLevel' is missing"},
    {"STO-12", E, E, "Property 'dataStorage.historicalData.compressionLevel' must be a non-empty string"},
    {"STO-13", W, E, "Sampling rate is not shorter than the retention period"},
    {"STO-14", E, E, "Property 'dataStorage.analytics' must be an object"},
    {"STO-15", E, E, "Prediction models must be an array of strings"},
    {"STO-16", W, W, "Prediction model is repeated"},
    {"STO-17", E, E, "Alert thresholds must be numbers by sensor type"},
    {"STO-18", W, E, "Alert threshold has no sensor of that type"},
    {"SYN-01", E, E, "Required property 'synchronization' is missing"},
    {"SYN-02", E, E, "Property 'synchronization' must be an object"},
    {"SYN-03", E, E, "Property 'synchronization.mechanism' must be a non-empty string"},
    {"SYN-04", W, W, "Synchronization mechanism is not known"},
    {"SYN-05", E, E, "Property 'synchronization.endpoint' must be a string"},
    {"SYN-06", E, E, "Endpoint must be an absolute URI with a host"},
    {"SYN-07", W, E, "Endpoint scheme does not fit the mechanism"},
    {"SYN-08", W, W, "Endpoint is not protected by TLS"},
    {"SYN-09", W, E, "Endpoint must not carry credentials"},
    {"SYN-10", E, E, "Required property 'synchronization.updateFrequency' is missing"},
    {"SYN-11", E, E, "Update frequency is not valid"},
    {"SYN-12", W, E, "Recommended property 'synchronization.lastSynced' is missing"},
    {"SYN-13", E, E, "Timestamp is not valid"},
    {"SYN-14", W, E, "Recommended property 'synchronization.connectionStatus' is missing"},
    {"SYN-15", E, E, "Property 'synchronization.connectionStatus' must be a non-empty string"},
    {"SYN-16", W, W, "Connection status is not known"},
    {"SYN-17", E, E, "Latency must be a number that is not negative"},
    {"TYP-01", E, E, "Required property '@type' is missing"},
    {"TYP-02", E, E, "Property '@type' must be a string or an array of strings"},
    {"TYP-03", W, W, "Type is typically 'DigitalDocument' or 'Dataset'"},
    {"TYP-04", E, E, "Type is not a valid term or IRI"},
};

}  // namespace rules_internal

// A rule by its id; an id that is not in the catalogue does not compile.
//
//   checker->Report("SEN-09", unit);
class RuleRef {
 public:
  template <size_t kSize>
  consteval RuleRef(const char (&id)[kSize]) : rule_(Lookup(id)) {}  // NOLINT(google-explicit-constructor)
  explicit RuleRef(const Rule* rule) : rule_(rule) {}

  const Rule* get() const { return rule_; }

 private:
  static constexpr bool Equal(const char* a, const char* b) {
    while (*a != '\0' && *a == *b) {
      ++a;
      ++b;
    }
    return *a == *b;
  }
  static consteval const Rule* Lookup(const char* id) {
    for (const Rule& rule : rules_internal::kRules) {
      if (Equal(rule.id, id)) return &rule;
    }
    throw "no such rule";  // not a constant expression: the compiler stops here
  }

  const Rule* rule_;
};

}  // namespace mvmd

#endif  // MVMD_TWIN_RULES_CATALOGUE_H_
