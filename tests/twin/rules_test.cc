#include "twin/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/twin/test_data.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Lines = std::vector<std::string>;

// "rule pointer" of every finding, errors and warnings, in the order of the result.
Lines FindingsOf(const RuleResult& result) {
  Lines lines;
  for (const auto* list : {&result.errors, &result.warnings}) {
    for (const RuleFinding& finding : *list) lines.push_back(absl::StrCat(finding.rule->id, " ", finding.pointer));
  }
  return lines;
}

Lines Sorted(Lines lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

// The Complete Example without its four warnings.
Json CleanDocument() {
  Json document = ParseProfile("twin-complete.jsonld");
  document.Set("license", Json::String("https://example.com/license"));
  document.Find("synchronization")->Set("endpoint", Json::String("mqtts://example.com/twins/robot-42"));
  Json& motion = document.Find("sensors")->elements()[1];
  motion.Set("normalRange", ParseOrFail("[-90,90]"));
  motion.Set("criticalRange", ParseOrFail("[100,180]"));
  return document;
}

// One change of a document: the value at `pointer` becomes `json`, or goes when that is empty.
struct Change {
  std::string pointer;
  std::string json;
};

void Apply(const Change& change, Json* document) {
  const size_t slash = change.pointer.rfind('/');
  auto* parent = const_cast<Json*>(FindPointer(*document, change.pointer.substr(0, slash)));
  ASSERT_NE(parent, nullptr) << change.pointer;
  std::string name = change.pointer.substr(slash + 1);
  for (size_t at = name.find("~1"); at != std::string::npos; at = name.find("~1")) name.replace(at, 2, "/");
  if (parent->is_array()) {
    const size_t index = std::stoul(name);
    if (index == parent->elements().size()) parent->Append(Json());
    parent->elements()[index] = ParseOrFail(change.json);
  } else if (change.json.empty()) {
    EXPECT_TRUE(parent->Remove(name)) << change.pointer;
  } else {
    parent->Set(name, ParseOrFail(change.json));
  }
}

struct Case {
  std::vector<Change> changes;
  Lines findings;  // all of them
};

const std::vector<Case>& ContextCases() {
  static const auto* const kCases = new std::vector<Case>{
      {{{"/@context", ""}}, {"CTX-01 /@context"}},
      {{{"/@context", "null"}}, {"CTX-01 /@context"}},
      {{{"/@context", "5"}}, {"CTX-02 /@context"}},
      {{{"/@context", "\"\""}}, {"CTX-02 /@context"}},
      {{{"/@context", "[]"}}, {"CTX-02 /@context"}},
      {{{"/@context", "[{}, null]"}}, {"CTX-02 /@context"}},
      // Which names could be prefixes is not known then.
      {{{"/@context", "5"}, {"/foo:bar", "1"}}, {"CTX-02 /@context"}},
      {{{"/@context/@vocab", ""}}, {"CTX-03 /@context"}},
      {{{"/@context/@vocab", "null"}}, {"CTX-03 /@context"}},
      {{{"/@context/@vocab", "\"https://schema.org\""}}, {"CTX-03 /@context"}},
      {{{"/@context/@vocab", "\"http://schema.org/\""}}, {"CTX-04 /@context/@vocab"}},
      {{{"/@context", "\"https://schema.org\""}}, {"CTX-04 /@context", "CTX-08 /@context"}},
      {{{"/@context", "[\"http://schema.org/\", {\"mvmd\": \"https://mvmd.org/v1/\"}]"}}, {"CTX-04 /@context/0"}},
      {{{"/@context", R"(["https://schema.org", {"@vocab": null, "mvmd": "https://mvmd.org/v1/"}])"}},
       {"CTX-03 /@context"}},
      {{{"/@context", R"([{"@vocab": "x:"}, {"@vocab": "https://schema.org/", "mvmd": "https://mvmd.org/v1/"}])"}}, {}},
      {{{"/@context",
         R"([{"@vocab": "https://schema.org/", "mvmd": "https://mvmd.org/v1/"}, "https://example.com/c"])"},
        {"/foo:bar", "1"}},
       {"CTX-05 /@context/1"}},
      {{{"/@context/mvmd", "\"https://mvmd.org/v2/\""}}, {"CTX-06 /@context/mvmd"}},
      {{{"/@context/mvmd", R"({"@id": "https://mvmd.org/v1/", "@prefix": true})"}}, {}},
      {{{"/@context/mvmd", "{}"}}, {"CTX-06 /@context/mvmd"}},
      {{{"/@context/mvmd", ""}, {"/sensors/0/mvmd:x", "1"}, {"/mvmd:y", "1"}}, {"CTX-07 /@context"}},
      {{{"/@context/mvmd", ""}}, {"CTX-08 /@context"}},
      {{{"/@context/mvmd", "null"}}, {"CTX-08 /@context"}},
      {{{"/@context/sensors", "null"}}, {"CTX-09 /@context/sensors"}},
      {{{"/@context/name", "\"https://schema.org/title\""}}, {"CTX-09 /@context/name"}},
      {{{"/@context/temperature", "{\"@id\": \"mvmd:t\"}"}}, {"CTX-09 /@context/temperature"}},
      {{{"/@context/name", "\"https://schema.org/name\""},
        {"/@context/url", R"({"@id": "https://schema.org/url", "@type": "@id"})"},
        {"/@context/license", "{\"@type\": \"@id\"}"},
        {"/@context/other", "null"}},
       {}},
      {{{"/sensors/0/@context", "{\"x\": \"https://x.example/\"}"}, {"/sensors/0/x:y", "1"}},
       {"CTX-10 /sensors/0/@context"}},
      {{{"/sensors/0/@context", "null"}}, {"CTX-10 /sensors/0/@context"}},
  };
  return *kCases;
}

const std::vector<Case>& TypeCases() {
  static const auto* const kCases = new std::vector<Case>{
      {{{"/@type", ""}}, {"TYP-01 /@type"}},
      {{{"/@type", "\"\""}}, {"TYP-02 /@type"}},
      {{{"/@type", "[]"}}, {"TYP-02 /@type"}},
      {{{"/@type", "[\"Dataset\", 5]"}}, {"TYP-02 /@type"}},
      {{{"/@type", "\"Thing\""}}, {"TYP-03 /@type"}},
      {{{"/@type", "\"https://schema.org/Dataset\""}}, {}},
      {{{"/@type", "[\"Dataset\", \"mvmd:Robot\", \"3DModel\"]"}}, {}},
      {{{"/@type", "\"a b\""}}, {"TYP-03 /@type", "TYP-04 /@type"}},
      {{{"/@type", "[\"Dataset\", \"x:\", \"x:y z\", \"1x:y\", \"x:y\\u00a0\"]"}},
       {"TYP-04 /@type/1", "TYP-04 /@type/2", "TYP-04 /@type/3", "TYP-04 /@type/4"}},
  };
  return *kCases;
}

const std::vector<Case>& BasicCases() {
  static const auto* const kCases = new std::vector<Case>{
      {{{"/name", ""}}, {"BAS-01 /name"}},
      {{{"/name", "null"}}, {"BAS-01 /name", "LD-06 /name"}},
      {{{"/name", "\" \\t\\n\\r\""}}, {"BAS-02 /name"}},
      {{{"/name", "7"}}, {"BAS-02 /name"}},
      {{{"/name", absl::StrCat("\"", std::string(101, 'x'), "\"")}}, {"BAS-03 /name"}},
      {{{"/name", absl::StrCat("\"", std::string(99, 'x'), "\U0001F600\"")}}, {}},
      {{{"/description", ""}}, {"BAS-04 /description"}},
      {{{"/description", "[]"}}, {"BAS-05 /description"}},
      {{{"/description", absl::StrCat("\"", std::string(1001, 'x'), "\"")}}, {"BAS-06 /description"}},
      {{{"/identifier", ""}}, {"BAS-07 /identifier"}},
      {{{"/identifier", "\"twin\""}}, {"BAS-08 /identifier"}},
      {{{"/identifier/propertyID", ""}}, {"BAS-09 /identifier/propertyID"}},
      {{{"/identifier/value", "5"}}, {"BAS-10 /identifier/value"}},
      {{{"/identifier/@type", ""}}, {"BAS-11 /identifier/@type"}},
      {{{"/identifier/@type", "[\"Thing\"]"}}, {"BAS-11 /identifier/@type"}},
      {{{"/identifier/@type", "[\"Thing\", \"PropertyValue\"]"}}, {}},
      {{{"/identifier/propertyID", "\"serial\""}}, {"BAS-12 /identifier/propertyID"}},
      {{{"/creator", ""}}, {"BAS-13 /creator"}},
      {{{"/creator", "\"me\""}}, {"BAS-14 /creator"}},
      {{{"/creator", "[]"}}, {"BAS-14 /creator"}},
      {{{"/creator", R"([{"name": "A"}, {"url": "x"}, null])"}},
       {"BAS-14 /creator/1", "BAS-14 /creator/2", "BAS-15 /creator/1/url", "LD-06 /creator/2"}},
      {{{"/creator/url", "\"ftp://example.com\""}}, {"BAS-15 /creator/url"}},
      {{{"/dateCreated", ""}}, {"BAS-16 /dateCreated"}},
      {{{"/dateCreated", "\"2024-02-30\""}, {"/dateModified", "5"}}, {"BAS-17 /dateCreated", "BAS-17 /dateModified"}},
      {{{"/dateModified", "\"2024-01-14\""}}, {"BAS-18 /dateModified"}},
      {{{"/dateModified", "\"2024-01-15T00:00:00Z\""}}, {}},
      {{{"/license", ""}}, {"BAS-19 /license"}},
      {{{"/license", "\"MIT\""}}, {"BAS-20 /license"}},
  };
  return *kCases;
}

const std::vector<Case>& EntityCases() {
  static const auto* const kCases = new std::vector<Case>{
      {{{"/subjectOf", ""}}, {"ENT-01 /subjectOf"}},
      {{{"/subjectOf", "[]"}}, {"ENT-02 /subjectOf"}},
      {{{"/subjectOf/@type", ""}}, {"ENT-03 /subjectOf/@type"}},
      {{{"/subjectOf/@type", "[]"}}, {"ENT-04 /subjectOf/@type"}},
      {{{"/subjectOf/name", ""}}, {"ENT-05 /subjectOf/name"}},
      {{{"/subjectOf/serialNumber", ""}}, {"ENT-06 /subjectOf/serialNumber"}},
      {{{"/subjectOf/serialNumber", ""}, {"/subjectOf/identifier", "5"}}, {}},
      {{{"/subjectOf/serialNumber", "5"}, {"/subjectOf/model", "\"\""}, {"/subjectOf/productionLine", "[]"}},
       {"ENT-07 /subjectOf/model", "ENT-07 /subjectOf/productionLine", "ENT-07 /subjectOf/serialNumber"}},
      {{{"/subjectOf/manufacturer", "{}"}}, {"ENT-08 /subjectOf/manufacturer"}},
      {{{"/subjectOf/manufacturer", "{\"name\": \"X\"}"}}, {}},
      {{{"/subjectOf/manufacturer", ""}}, {"ENT-09 /subjectOf/manufacturer"}},
      {{{"/subjectOf/productionDate", "\"2024\""}, {"/subjectOf/installDate", "true"}},
       {"ENT-10 /subjectOf/installDate", "ENT-10 /subjectOf/productionDate"}},
      {{{"/subjectOf/installDate", "\"2024-01-09T23:59:59Z\""}}, {"ENT-11 /subjectOf/installDate"}},
      {{{"/subjectOf/installDate", ""}}, {"ENT-12 /subjectOf/installDate"}},
      {{{"/subjectOf/location", ""}}, {"ENT-13 /subjectOf/location"}},
      {{{"/subjectOf/location", "\"here\""}}, {"ENT-14 /subjectOf/location"}},
      {{{"/subjectOf/location", "{}"}}, {"ENT-14 /subjectOf/location", "ENT-15 /subjectOf/location/@type"}},
      {{{"/subjectOf/location/@type", ""}}, {"ENT-15 /subjectOf/location/@type"}},
      {{{"/subjectOf/location/address", "5"}}, {"ENT-16 /subjectOf/location/address"}},
      {{{"/subjectOf/location/address", "\"1 Way\""}}, {}},
      {{{"/subjectOf/location/address/postalCode", "12345"}}, {"ENT-16 /subjectOf/location/address/postalCode"}},
      {{{"/subjectOf/location/geo", "[1,2]"}}, {"ENT-17 /subjectOf/location/geo"}},
      {{{"/subjectOf/location/geo/latitude", ""}, {"/subjectOf/location/geo/longitude", "\"1\""}},
       {"ENT-17 /subjectOf/location/geo/latitude", "ENT-17 /subjectOf/location/geo/longitude"}},
      {{{"/subjectOf/location/geo/latitude", "90.1"}, {"/subjectOf/location/geo/longitude", "-180"}},
       {"ENT-18 /subjectOf/location/geo/latitude"}},
      {{{"/subjectOf/location/name", "\"\""}}, {"ENT-19 /subjectOf/location/name"}},
      {{{"/associatedMedia", "5"}}, {"MED-01 /associatedMedia"}},
      {{{"/associatedMedia", "[]"}}, {}},
      {{{"/associatedMedia", ""}}, {}},
      {{{"/associatedMedia/1", "\"x\""}}, {"MED-01 /associatedMedia/1"}},
      {{{"/associatedMedia", "{}"}},
       {"MED-02 /associatedMedia/@type", "MED-03 /associatedMedia/name", "MED-04 /associatedMedia/contentUrl",
        "MED-05 /associatedMedia/encodingFormat"}},
      {{{"/associatedMedia/0/contentUrl", "\"/robot.glb\""}, {"/associatedMedia/0/encodingFormat", "\"glb\""}},
       {"MED-04 /associatedMedia/0/contentUrl", "MED-05 /associatedMedia/0/encodingFormat"}},
  };
  return *kCases;
}

const std::vector<Case>& SynchronizationCases() {
  static const auto* const kCases = new std::vector<Case>{
      {{{"/synchronization", ""}}, {"SYN-01 /synchronization"}},
      {{{"/synchronization", "\"MQTT\""}}, {"SYN-02 /synchronization"}},
      {{{"/synchronization/mechanism", ""}}, {"SYN-03 /synchronization/mechanism"}},
      {{{"/synchronization/mechanism", "\"pigeon\""}}, {"SYN-04 /synchronization/mechanism"}},
      {{{"/synchronization/mechanism", "\"OPC-UA\""}}, {"SYN-07 /synchronization/endpoint"}},
      {{{"/synchronization/mechanism", "\"DDS\""}}, {}},
      {{{"/synchronization/endpoint", ""}}, {"SYN-05 /synchronization/endpoint"}},
      {{{"/synchronization/endpoint", "\"\""}}, {"SYN-06 /synchronization/endpoint"}},
      {{{"/synchronization/endpoint", "\"mqtts:broker\""}}, {"SYN-06 /synchronization/endpoint"}},
      {{{"/synchronization/endpoint", "\"https://example.com\""}}, {"SYN-07 /synchronization/endpoint"}},
      {{{"/synchronization/endpoint", "\"MQTT://example.com\""}}, {"SYN-08 /synchronization/endpoint"}},
      {{{"/synchronization/endpoint", "\"mqtts://u:p@example.com\""}}, {"SYN-09 /synchronization/endpoint"}},
      {{{"/synchronization/updateFrequency", ""}}, {"SYN-10 /synchronization/updateFrequency"}},
      {{{"/synchronization/updateFrequency", "0"}}, {"SYN-11 /synchronization/updateFrequency"}},
      {{{"/synchronization/lastSynced", ""}}, {"SYN-12 /synchronization/lastSynced"}},
      {{{"/synchronization/lastSynced", "\"2024-03-15\""}}, {"SYN-13 /synchronization/lastSynced"}},
      {{{"/synchronization/connectionStatus", ""}}, {"SYN-14 /synchronization/connectionStatus"}},
      {{{"/synchronization/connectionStatus", "\"\""}}, {"SYN-15 /synchronization/connectionStatus"}},
      {{{"/synchronization/connectionStatus", "\"Active\""}}, {"SYN-16 /synchronization/connectionStatus"}},
      {{{"/synchronization/latency", "-0.1"}}, {"SYN-17 /synchronization/latency"}},
      {{{"/synchronization/latency", "\"120\""}}, {"SYN-17 /synchronization/latency"}},
  };
  return *kCases;
}

const std::vector<Case>& SensorCases() {
  // Thresholds and alerts name sensors, so those go where the sensors do; rules that need sensors are then skipped.
  static const auto* const kCases = new std::vector<Case>{
      {{{"/sensors", ""}}, {"SEN-01 /sensors"}},
      {{{"/sensors", "{}"}}, {"SEN-02 /sensors"}},
      {{{"/sensors", "[]"}}, {"SEN-03 /sensors"}},
      {{{"/sensors/1", "\"motion\""}}, {"SEN-04 /sensors/1"}},
      {{{"/sensors/1/id", ""}}, {"SEN-05 /sensors/1/id"}},
      {{{"/sensors/1/id", "\"temp-1\""}}, {"SEN-06 /sensors/1/id"}},
      {{{"/sensors/1/name", "5"}, {"/sensors/1/type", ""}, {"/sensors/1/unit", "\"\""}},
       {"SEN-07 /sensors/1/name", "SEN-08 /sensors/1/type", "SEN-09 /sensors/1/unit"}},
      {{{"/sensors/1/location", ""}}, {"SEN-10 /sensors/1/location"}},
      {{{"/sensors/1/location", "{}"}}, {"SEN-11 /sensors/1/location"}},
      {{{"/sensors/1/updateFrequency", ""}}, {"SEN-12 /sensors/1/updateFrequency"}},
      {{{"/sensors/1/updateFrequency", "\"often\""}}, {"SEN-13 /sensors/1/updateFrequency"}},
      {{{"/sensors/1/currentValue", ""}}, {"SEN-14 /sensors/1/currentValue"}},
      {{{"/sensors/1/currentValue", "[1]"}}, {"SEN-15 /sensors/1/currentValue"}},
      {{{"/sensors/1/currentValue", "true"}}, {"SEN-16 /sensors/1/currentValue"}},
      {{{"/sensors/1/currentValue", "\"on\""}, {"/sensors/1/normalRange", ""}, {"/sensors/1/criticalRange", ""}}, {}},
      {{{"/sensors/1/timestamp", ""}}, {"SEN-17 /sensors/1/timestamp"}},
      {{{"/sensors/1/timestamp", "\"2024-03-15T14:30:00\""}}, {"SEN-18 /sensors/1/timestamp"}},
      {{{"/sensors/1/normalRange", ""}}, {"SEN-19 /sensors/1/normalRange"}},
      {{{"/sensors/1/normalRange", "[1]"}, {"/sensors/1/criticalRange", "[1,\"2\"]"}},
       {"SEN-20 /sensors/1/criticalRange", "SEN-20 /sensors/1/normalRange"}},
      {{{"/sensors/1/normalRange", "[2,1]"}}, {"SEN-21 /sensors/1/normalRange"}},
      {{{"/sensors/1/normalRange", "[2,2]"}}, {"SEN-22 /sensors/1/normalRange"}},
      {{{"/sensors/1/criticalRange", "[80,100]"}}, {"SEN-23 /sensors/1/criticalRange"}},
      {{{"/sensors/1/criticalRange", "[90,100]"}}, {}},
      {{{"/sensors/1/criticalRange", "[-100,-90]"}}, {}},
      {{{"/sensors/1/accuracy", "-1"}}, {"SEN-24 /sensors/1/accuracy"}},
      {{{"/sensors/0/currentValue", "-273.16"}}, {"SEN-25 /sensors/0/currentValue"}},
      {{{"/sensors/0/currentValue", "-273.15"}}, {}},
      {{{"/sensors/0/unit", "\"\\u00b0F\""}, {"/sensors/0/currentValue", "-459.68"}},
       {"SEN-25 /sensors/0/currentValue"}},
      {{{"/sensors/0/unit", "\"K\""}, {"/sensors/0/currentValue", "-1e-9"}}, {"SEN-25 /sensors/0/currentValue"}},
  };
  return *kCases;
}

const std::vector<Case>& StorageCases() {
  static const auto* const kCases = new std::vector<Case>{
      {{{"/dataStorage", ""}}, {"STO-01 /dataStorage"}},
      {{{"/dataStorage", "5"}}, {"STO-02 /dataStorage"}},
      {{{"/dataStorage/historicalData", ""}}, {"STO-03 /dataStorage/historicalData"}},
      {{{"/dataStorage/historicalData", "\"90d\""}}, {"STO-04 /dataStorage/historicalData"}},
      {{{"/dataStorage/historicalData", "{}"}},
       {"STO-05 /dataStorage/historicalData/retentionPeriod", "STO-07 /dataStorage/historicalData/samplingRate",
        "STO-09 /dataStorage/historicalData/storageLocation", "STO-11 /dataStorage/historicalData/compressionLevel"}},
      {{{"/dataStorage/historicalData",
         R"({"retentionPeriod": "90", "samplingRate": 60, "storageLocation": "", "compressionLevel": 9})"}},
       {"STO-06 /dataStorage/historicalData/retentionPeriod", "STO-08 /dataStorage/historicalData/samplingRate",
        "STO-10 /dataStorage/historicalData/storageLocation", "STO-12 /dataStorage/historicalData/compressionLevel"}},
      {{{"/dataStorage/historicalData/samplingRate", "\"P3M\""}}, {"STO-13 /dataStorage/historicalData/samplingRate"}},
      {{{"/dataStorage/analytics", "[]"}}, {"STO-14 /dataStorage/analytics"}},
      {{{"/dataStorage/analytics/predictionModels", "\"x\""}}, {"STO-15 /dataStorage/analytics/predictionModels"}},
      {{{"/dataStorage/analytics/predictionModels", "[\"x\", 5, \"x\"]"}},
       {"STO-15 /dataStorage/analytics/predictionModels/1", "STO-16 /dataStorage/analytics/predictionModels/2"}},
      {{{"/dataStorage/analytics/alertThresholds", "[]"}}, {"STO-17 /dataStorage/analytics/alertThresholds"}},
      {{{"/dataStorage/analytics/alertThresholds/pressure", "\"high\""}},
       {"STO-17 /dataStorage/analytics/alertThresholds/pressure"}},
      {{{"/dataStorage/analytics/alertThresholds/Pressure", "1"}},
       {"STO-18 /dataStorage/analytics/alertThresholds/Pressure"}},
      {{{"/dataStorage/analytics/alertThresholds/pressure", "null"}},
       {"STO-17 /dataStorage/analytics/alertThresholds/pressure",
        "LD-06 /dataStorage/analytics/alertThresholds/pressure"}},
      {{{"/dataStorage/analytics/alertThresholds/none", "null"}},
       {"STO-17 /dataStorage/analytics/alertThresholds/none", "STO-18 /dataStorage/analytics/alertThresholds/none",
        "LD-06 /dataStorage/analytics/alertThresholds/none"}},
  };
  return *kCases;
}

const std::vector<Case>& MaintenanceCases() {
  static const auto* const kCases = new std::vector<Case>{
      {{{"/maintenance", ""}}, {"MNT-01 /maintenance"}},
      {{{"/maintenance", "[]"}}, {"MNT-02 /maintenance"}},
      {{{"/maintenance", "{}"}}, {"MNT-03 /maintenance"}},
      {{{"/maintenance", "{\"predictedIssues\": []}"}},
       {"MNT-04 /maintenance/history", "MNT-05 /maintenance/schedule"}},
      {{{"/maintenance/history", "{}"}}, {"MNT-06 /maintenance/history"}},
      {{{"/maintenance/history", "[]"}}, {}},
      {{{"/maintenance/history/1", "\"x\""}}, {"MNT-06 /maintenance/history/1"}},
      {{{"/maintenance/history/0", "{\"technician\": 5, \"findings\": \"\"}"}},
       {"MNT-07 /maintenance/history/0/date", "MNT-08 /maintenance/history/0/type",
        "MNT-09 /maintenance/history/0/description", "MNT-10 /maintenance/history/0/technician"}},
      {{{"/maintenance/schedule", "\"soon\""}}, {"MNT-11 /maintenance/schedule"}},
      {{{"/maintenance/schedule", "{\"type\": \"\", \"description\": 1}"}},
       {"MNT-12 /maintenance/schedule/nextMaintenance", "MNT-13 /maintenance/schedule/description",
        "MNT-13 /maintenance/schedule/type"}},
      {{{"/maintenance/predictedIssues", "{}"}}, {"MNT-14 /maintenance/predictedIssues"}},
      {{{"/maintenance/predictedIssues/0", "{\"timeframe\": \"soon\", \"recommendedAction\": 5}"}},
       {"MNT-15 /maintenance/predictedIssues/0/component", "MNT-16 /maintenance/predictedIssues/0/probability",
        "MNT-17 /maintenance/predictedIssues/0/timeframe", "MNT-18 /maintenance/predictedIssues/0/recommendedAction"}},
      {{{"/maintenance/predictedIssues/0/probability", "1.01"}}, {"MNT-16 /maintenance/predictedIssues/0/probability"}},
      {{{"/maintenance/schedule/nextMaintenance", "\"2024-02-14\""}}, {"MNT-19 /maintenance/schedule/nextMaintenance"}},
      {{{"/maintenance/schedule/nextMaintenance", "\"2024-02-15T00:00:00Z\""}}, {}},
  };
  return *kCases;
}

const std::vector<Case>& PerformanceCases() {
  static const auto* const kCases = new std::vector<Case>{
      {{{"/performance", ""}}, {}},
      {{{"/performance", "[]"}}, {"PRF-01 /performance"}},
      {{{"/performance/uptime", "99.7"}}, {"PRF-02 /performance/uptime"}},
      {{{"/performance/productivity", "{}"}}, {"PRF-03 /performance/productivity"}},
      {{{"/performance/productivity/0", "{\"period\": \"month\", \"unit\": \"\"}"}},
       {"PRF-04 /performance/productivity/0/metric", "PRF-05 /performance/productivity/0/value",
        "PRF-06 /performance/productivity/0/period", "PRF-07 /performance/productivity/0/unit"}},
      {{{"/performance/alerts/0", "null"}}, {"LD-06 /performance/alerts/0", "PRF-08 /performance/alerts/0"}},
      {{{"/performance/alerts/0", "{\"date\": \"2024-03-10\", \"resolution\": 5, \"value\": {}}"}},
       {"PRF-09 /performance/alerts/0/date", "PRF-10 /performance/alerts/0/type",
        "PRF-11 /performance/alerts/0/message", "PRF-12 /performance/alerts/0/resolution",
        "PRF-14 /performance/alerts/0/value"}},
      {{{"/performance/alerts/0/source", "\"temp-2\""}}, {"PRF-13 /performance/alerts/0/source"}},
      {{{"/performance/alerts/0/source", "5"}}, {"PRF-12 /performance/alerts/0/source"}},
  };
  return *kCases;
}

const std::vector<Case>& LinkedDataCases() {
  static const auto* const kCases = new std::vector<Case>{
      {{{"/@foo", "1"}, {"/sensors/0/@Type", "1"}}, {"LD-01 /@foo", "LD-01 /sensors/0/@Type"}},
      {{{"/@graph", "[]"}, {"/sensors/0/@value", "1"}}, {"LD-02 /@graph", "LD-02 /sensors/0/@value"}},
      {{{"/mvmd:x", R"([{"@value": 1, "deep": {"@list": []}}])"}}, {}},
      {{{"/a b", "1"}, {"/<x>", "1"}, {"/a\\\\b", "1"}, {"/a`b", "1"}, {"/_:b", "1"}, {"/@ ", "1"}},
       {"LD-03 /<x>", "LD-03 /@ ", "LD-03 /_:b", "LD-03 /a b", "LD-03 /a\\\\b", "LD-03 /a`b"}},
      {{{"/foo:bar", "1"}, {"/http:~1~1x.example", "1"}, {"/urn:x", "1"}, {"/mvmd:x", "1"}, {"/:x", "1"}},
       {"LD-04 /foo:bar"}},
      {{{"/@context/foo", "\"https://foo.example/\""}, {"/sensors/0/foo:bar", "1"}}, {}},
      {{{"/@id", "\"twin\""}, {"/sensors/0/@id", "5"}, {"/sensors/1/@id", "\"_:b\""}, {"/sensors/2/@id", "\"mvmd:x\""}},
       {"LD-05 /@id", "LD-05 /sensors/0/@id"}},
      {{{"/@id", "null"}}, {"LD-06 /@id"}},
      {{{"/extra", R"({"a": null, "b": [null, [null]]})"}},
       {"LD-06 /extra/a", "LD-06 /extra/b/0", "LD-06 /extra/b/1/0"}},
      {{{"/@context/other", "null"}}, {}},
  };
  return *kCases;
}

std::vector<Case> AllCases() {
  std::vector<Case> all;
  for (const auto* cases :
       {&ContextCases(), &TypeCases(), &BasicCases(), &EntityCases(), &SynchronizationCases(), &SensorCases(),
        &StorageCases(), &MaintenanceCases(), &PerformanceCases(), &LinkedDataCases()}) {
    all.insert(all.end(), cases->begin(), cases->end());
  }
  return all;
}

struct TextCase {
  std::string text;
  Lines findings;
};

const std::vector<TextCase>& TextCases() {
  static const auto* const kCases = new std::vector<TextCase>{
      {"{", {"DOC-01 "}},
      {"\xEF\xBB\xBF{}", {"DOC-01 "}},
      {R"({"a":1,"a":2,"a":3,"b":{"c~/":1,"c~/":2}})", {"DOC-02 /a", "DOC-02 /b/c~0~1"}},
      {R"({"a":"\ud800"})", {"DOC-03 /a"}},
      {R"({"a":[1e400]})", {"DOC-04 /a/0"}},
      {"[]", {"DOC-06 "}},
      {"9007199254740992", {"DOC-05 ", "DOC-06 "}},
      {R"([{"a":1,"a":2}])", {"DOC-02 /0/a", "DOC-06 "}},
      {std::string(129, '['), {"DOC-07 "}},
  };
  return *kCases;
}

TEST(ValidateDocumentTest, FindsNothingInACleanDocument) {
  EXPECT_THAT(FindingsOf(ValidateDocument(CleanDocument(), true)), IsEmpty());
}

TEST(ValidateDocumentTest, FindsExactlyWhatIsWrong) {
  for (const Case& test : AllCases()) {
    Json document = CleanDocument();
    for (const Change& change : test.changes) Apply(change, &document);
    for (bool strict : {false, true}) {
      const RuleResult result = ValidateDocument(document, strict);
      EXPECT_EQ(Sorted(FindingsOf(result)), Sorted(test.findings)) << Canonicalize(document);
      EXPECT_EQ(result.valid, result.errors.empty());
      for (const RuleFinding& finding : result.errors) EXPECT_EQ(finding.severity, Severity::kError);
      for (const RuleFinding& finding : result.warnings) EXPECT_EQ(finding.severity, Severity::kWarning);
    }
  }
}

TEST(ValidateTextTest, FindsExactlyWhatIsWrong) {
  for (const TextCase& test : TextCases()) {
    EXPECT_EQ(Sorted(FindingsOf(ValidateText(test.text, false))), Sorted(test.findings)) << test.text;
    EXPECT_FALSE(ValidateText(test.text, false).valid);
  }
}

TEST(ValidateTextTest, ReportsLargeIntegersWithTheOtherGroups) {
  std::string text = Canonicalize(CleanDocument());
  text.insert(1, "\"extra\":9007199254740992,");
  EXPECT_THAT(FindingsOf(ValidateText(text, false)), ElementsAre("DOC-05 /extra"));
  EXPECT_TRUE(ValidateText(text, false).valid);
  EXPECT_FALSE(ValidateText(text, true).valid);
}

TEST(ValidateTextTest, WritesPropertiesOfTextsThatAreNotKept) {
  const RuleResult result = ValidateText(R"({"a b":[{"x":1e999}],"q\"":{"q":1,"q":2}})", false);
  ASSERT_EQ(result.errors.size(), 2);
  EXPECT_EQ(result.errors[0].property, "[\"a b\"][0].x");
  EXPECT_EQ(result.errors[1].property, "[\"q\\\"\"].q");
}

TEST(ValidateTextTest, GivesTheKnownVerdicts) {
  const Json expected = ParseProfile("expected.json");
  for (const auto& [name, facts] : expected.members()) {
    for (bool strict : {false, true}) {
      const Json result = ResultToJson(ValidateText(ReadProfile(name), strict));
      EXPECT_EQ(Canonicalize(result), Canonicalize(*facts.Find(strict ? "strict" : "lenient"))) << name;
    }
  }
}

TEST(ValidateTextTest, BoundsWhatItKeeps) {
  std::string text = "{\"" + std::string(1 << 20, 'n') + "\":[";
  for (int i = 0; i < 1000; ++i) text += "null,";
  text += "0]}";
  const RuleResult result = ValidateText(text, false);
  EXPECT_FALSE(result.valid);
  EXPECT_TRUE(result.truncated);
  EXPECT_LT(result.warnings.size(), 40);
}

TEST(RuleCatalogueTest, EveryRuleHasACase) {
  std::set<std::string> seen;
  for (const Case& test : AllCases()) {
    for (const std::string& line : test.findings) seen.insert(line.substr(0, line.find(' ')));
  }
  for (const TextCase& test : TextCases()) {
    for (const std::string& line : test.findings) seen.insert(line.substr(0, line.find(' ')));
  }
  for (const Rule& rule : RuleCatalogue()) EXPECT_TRUE(seen.count(rule.id)) << rule.id;
}

TEST(RuleCatalogueTest, IsTheProfilesCatalogue) {
  const Json profile = ParseProfile("rules.json");
  const std::vector<Json>& rules = profile.Find("rules")->elements();
  ASSERT_EQ(rules.size(), RuleCatalogue().size());
  for (const Json& expected : rules) {
    const Rule* rule = FindRule(expected.Find("id")->string());
    ASSERT_NE(rule, nullptr) << expected.Find("id")->string();
    EXPECT_EQ(rule->lenient == Severity::kError, expected.Find("lenient")->string() == "error") << rule->id;
    EXPECT_EQ(rule->strict == Severity::kError, expected.Find("strict")->string() == "error") << rule->id;
    EXPECT_EQ(rule->message, expected.Find("message")->string());
  }
  EXPECT_EQ(profile.Find("profile")->string(), kProfileName);
  EXPECT_EQ(profile.Find("validatedAgainst")->string(), kValidatedAgainst);
}

TEST(RuleCatalogueTest, IsSortedById) {
  const absl::Span<const Rule> rules = RuleCatalogue();
  for (size_t i = 1; i < rules.size(); ++i)
    EXPECT_LT(absl::string_view(rules[i - 1].id), absl::string_view(rules[i].id));
  EXPECT_EQ(FindRule("SEN-99"), nullptr);
  EXPECT_EQ(FindRule(""), nullptr);
}

TEST(RuleCatalogueTest, IsTheOneThatTheManualShows) {
  // | SEN-09 | E/E | pointer | reported when | message |
  std::map<std::string, std::pair<std::string, std::string>> rows;
  for (absl::string_view line : absl::StrSplit(ReadFileText(MVMD_SOURCE_DIR "/docs/validation.md"), '\n')) {
    if (!absl::ConsumePrefix(&line, "| ") || !absl::ConsumeSuffix(&line, " |")) continue;
    const std::vector<std::string> cells = absl::StrSplit(line, " | ");
    if (cells.size() != 5 || !absl::StrContains(cells[0], '-') || cells[1].size() != 3) continue;
    EXPECT_TRUE(rows.emplace(cells[0], std::make_pair(cells[1], cells[4])).second) << cells[0] << " twice";
  }
  EXPECT_EQ(rows.size(), RuleCatalogue().size());
  auto letter = [](Severity severity) { return severity == Severity::kError ? "E" : "W"; };
  for (const Rule& rule : RuleCatalogue()) {
    EXPECT_EQ(rows[rule.id].first, absl::StrCat(letter(rule.lenient), "/", letter(rule.strict))) << rule.id;
    EXPECT_EQ(rows[rule.id].second, rule.message) << rule.id;
  }
}

TEST(ResultToJsonTest, WritesMembersInTheDocumentedOrder) {
  Json document = CleanDocument();
  document.Find("sensors")->elements()[0].Remove("unit");
  const Json result = ResultToJson(ValidateDocument(document, false));
  Lines names;
  for (const Json::Member& member : result.members()) names.push_back(member.first);
  EXPECT_THAT(names, ElementsAre("valid", "errors", "warnings", "profile", "validatedAgainst", "strict"));
  names.clear();
  const Json& error = result.Find("errors")->elements()[0];
  for (const Json::Member& member : error.members()) names.push_back(member.first);
  EXPECT_THAT(names, ElementsAre("property", "message", "severity", "rule", "pointer"));
  EXPECT_EQ(Canonicalize(error), R"({"message":"Sensor unit must be a non-empty string","pointer":"/sensors/0/unit",)"
                                 R"("property":"sensors[0].unit","rule":"SEN-09","severity":"error"})");
}

TEST(PropertyPathTest, WritesNamesAndElements) {
  const Json document = ParseOrFail(R"({"sensors":[{"unit":1}],"o":{"0":{"x":1}},"a b":{"c~/d":1},"":1})");
  EXPECT_EQ(PropertyPath(document, ""), "");
  EXPECT_EQ(PropertyPath(document, "/sensors/0/unit"), "sensors[0].unit");
  EXPECT_EQ(PropertyPath(document, "/sensors/0/missing"), "sensors[0].missing");
  EXPECT_EQ(PropertyPath(document, "/o/0/x"), "o.0.x");
  EXPECT_EQ(PropertyPath(document, "/a b/c~0~1d"), "[\"a b\"][\"c~/d\"]");
  EXPECT_EQ(PropertyPath(document, "/@context/mvmd:x"), "@context.mvmd:x");
  EXPECT_EQ(PropertyPath(document, "/"), "[\"\"]");
}

}  // namespace
}  // namespace mvmd
