// SYN, STO, MNT and PRF: synchronization, storage, maintenance, performance.
#include <algorithm>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/numeric/int128.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "twin/rule_checker.h"
#include "twin/time.h"
#include "twin/value_kinds.h"

namespace mvmd {
namespace {

using absl::string_view;

bool IsString(const Json& value) { return value.is_string(); }
bool IsNumber(const Json& value) { return value.is_number(); }
bool IsNotNegative(const Json& value) { return value.is_number() && value.number() >= 0; }

struct Mechanism {
  string_view name;
  // Schemes between spaces; `*` for any.
  string_view schemes;
};
constexpr Mechanism kMechanisms[] = {
    {"mqtt", " mqtt mqtts ws wss tcp ssl tls "},
    {"websocket", " ws wss "},
    {"websockets", " ws wss "},
    {"http", " http https "},
    {"rest", " http https "},
    {"sse", " http https "},
    {"https", " https "},
    {"amqp", " amqp amqps "},
    {"coap", " coap coaps coap+tcp coaps+tcp coap+ws coaps+ws "},
    {"opcua", " opc.tcp opc.https opc.wss https "},
    {"kafka", " kafka kafkas "},
    {"grpc", " grpc grpcs http https dns "},
    {"nats", " nats tls ws wss "},
    {"dds", "*"},
    {"zenoh", "*"},
};
constexpr string_view kUnprotectedSchemes[] = {"mqtt", "ws", "http", "amqp", "coap", "coap+tcp", "nats", "tcp"};
constexpr string_view kConnectionStatuses[] = {"active",     "inactive", "connected", "disconnected",
                                               "connecting", "degraded", "error",     "offline",
                                               "online",     "paused",   "pending",   "unknown"};

bool IsOneOf(string_view value, absl::Span<const string_view> values) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// Compared in lower case, without anything but letters and digits: `OPC UA` is opcua. Null when it is not known.
const Mechanism* FindMechanism(string_view text) {
  std::string name;
  for (char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)))
      name.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  }
  const auto* found = std::find_if(std::begin(kMechanisms), std::end(kMechanisms),
                                   [&](const Mechanism& mechanism) { return mechanism.name == name; });
  return found == std::end(kMechanisms) ? nullptr : found;
}

bool HasScheme(const Mechanism& mechanism, string_view scheme) {
  if (mechanism.schemes == "*") return true;
  return absl::StrContains(mechanism.schemes, absl::StrCat(" ", scheme, " "));
}

void CheckEndpoint(const Json& sync, const JsonPath& at, const Mechanism* mechanism, RuleChecker* checker) {
  const MemberAt endpoint(sync, at, "endpoint");
  if (endpoint.value == nullptr || !endpoint.value->is_string()) return checker->Report("SYN-05", endpoint.path);
  const std::optional<EndpointUri> uri = ParseEndpointUri(endpoint.value->string());
  if (!uri) return checker->Report("SYN-06", endpoint.path);
  if (mechanism != nullptr && !HasScheme(*mechanism, uri->scheme)) checker->Report("SYN-07", endpoint.path);
  if (IsOneOf(uri->scheme, kUnprotectedSchemes)) checker->Report("SYN-08", endpoint.path);
  if (uri->has_user_info) checker->Report("SYN-09", endpoint.path);
}

void CheckHistoricalData(const Json& storage, const JsonPath& at, RuleChecker* checker) {
  const MemberAt history(storage, at, "historicalData");
  if (history.value == nullptr) return checker->Report("STO-03", history.path);
  if (!history.value->is_object()) return checker->Report("STO-04", history.path);
  const Json& data = *history.value;
  ExpectPresent(data, history.path, "retentionPeriod", "STO-05", checker);
  ExpectMember(data, history.path, "retentionPeriod", IsDuration, "STO-06", checker);
  ExpectPresent(data, history.path, "samplingRate", "STO-07", checker);
  ExpectMember(data, history.path, "samplingRate", IsDuration, "STO-08", checker);
  ExpectPresent(data, history.path, "storageLocation", "STO-09", checker);
  ExpectMember(data, history.path, "storageLocation", IsText, "STO-10", checker);
  ExpectPresent(data, history.path, "compressionLevel", "STO-11", checker);
  ExpectMember(data, history.path, "compressionLevel", IsText, "STO-12", checker);
  auto duration = [&](string_view name) { return ParseDurationPicoseconds(TextOf(data.Find(name))); };
  const std::optional<absl::int128> retention = duration("retentionPeriod");
  const std::optional<absl::int128> sampling = duration("samplingRate");
  if (retention && sampling && *sampling >= *retention) {
    checker->Report("STO-13", history.path.Member("samplingRate"));
  }
}

void CheckPredictionModels(const Json& analytics, const JsonPath& at, RuleChecker* checker) {
  const MemberAt models(analytics, at, "predictionModels");
  if (models.value == nullptr) return;
  if (!models.value->is_array()) return checker->Report("STO-15", models.path);
  absl::flat_hash_set<string_view> seen;
  const std::vector<Json>& elements = models.value->elements();
  for (size_t i = 0; i < elements.size(); ++i) {
    if (!IsText(elements[i])) {
      checker->Report("STO-15", models.path.Element(i));
    } else if (!seen.insert(elements[i].string()).second) {
      checker->Report("STO-16", models.path.Element(i));
    }
  }
}

void CheckAlertThresholds(const Json& document, const Json& analytics, const JsonPath& at, RuleChecker* checker) {
  const MemberAt thresholds(analytics, at, "alertThresholds");
  if (thresholds.value == nullptr) return;
  if (!thresholds.value->is_object()) return checker->Report("STO-17", thresholds.path);
  const SensorTexts types = CollectSensorTexts(document, "type");
  for (const auto& [type, value] : thresholds.value->members()) {
    // No member has a name that a rule knows, so that a null is not a missing one: it is no number.
    if (!value.is_number()) checker->Report("STO-17", thresholds.path.Member(type));
    if (types.has_sensors && !types.Contains(type)) checker->Report("STO-18", thresholds.path.Member(type));
  }
}

// Calls `check(element, path)` for each element that is an object; `rule` where there is something else.
template <typename Check>
void CheckObjects(const Json& parent, const JsonPath& at, string_view name, RuleRef rule, RuleChecker* checker,
                  Check check) {
  const MemberAt array(parent, at, name);
  if (array.value == nullptr) return;
  if (!array.value->is_array()) return checker->Report(rule, array.path);
  const std::vector<Json>& elements = array.value->elements();
  for (size_t i = 0; i < elements.size(); ++i) {
    const JsonPath element_at = array.path.Element(i);
    if (elements[i].is_object()) {
      check(elements[i], element_at);
    } else {
      checker->Report(rule, element_at);
    }
  }
}

// Keeps the latest valid date of the history in `latest`.
void CheckMaintenanceHistory(const Json& maintenance, const JsonPath& at, std::optional<InstantRange>* latest,
                             RuleChecker* checker) {
  CheckObjects(maintenance, at, "history", "MNT-06", checker, [&](const Json& record, const JsonPath& record_at) {
    RequireMember(record, record_at, "date", IsDateOrTimestamp, "MNT-07", checker);
    RequireMember(record, record_at, "type", IsText, "MNT-08", checker);
    ExpectPresent(record, record_at, "description", "MNT-09", checker);
    for (string_view name : {"description", "technician", "findings"}) {
      ExpectMember(record, record_at, name, IsString, "MNT-10", checker);
    }
    const std::optional<InstantRange> date = ParseDateOrTimestamp(TextOf(record.Find("date")));
    if (date && (!*latest || date->first_unix_ns > (*latest)->first_unix_ns)) *latest = date;
  });
}

void CheckSchedule(const Json& maintenance, const JsonPath& at, const std::optional<InstantRange>& latest,
                   RuleChecker* checker) {
  const MemberAt schedule(maintenance, at, "schedule");
  if (schedule.value == nullptr) return;
  if (!schedule.value->is_object()) return checker->Report("MNT-11", schedule.path);
  RequireMember(*schedule.value, schedule.path, "nextMaintenance", IsDateOrTimestamp, "MNT-12", checker);
  ExpectMember(*schedule.value, schedule.path, "type", IsText, "MNT-13", checker);
  ExpectMember(*schedule.value, schedule.path, "description", IsText, "MNT-13", checker);
  const std::optional<InstantRange> next = ParseDateOrTimestamp(TextOf(schedule.value->Find("nextMaintenance")));
  if (next && latest && next->IsCertainlyBefore(*latest)) {
    checker->Report("MNT-19", schedule.path.Member("nextMaintenance"));
  }
}

void CheckPredictedIssues(const Json& maintenance, const JsonPath& at, RuleChecker* checker) {
  auto is_probability = [](const Json& value) {
    return value.is_number() && value.number() >= 0 && value.number() <= 1;
  };
  CheckObjects(maintenance, at, "predictedIssues", "MNT-14", checker, [&](const Json& issue, const JsonPath& issue_at) {
    RequireMember(issue, issue_at, "component", IsText, "MNT-15", checker);
    RequireMember(issue, issue_at, "probability", is_probability, "MNT-16", checker);
    ExpectMember(issue, issue_at, "timeframe", IsDuration, "MNT-17", checker);
    ExpectMember(issue, issue_at, "recommendedAction", IsString, "MNT-18", checker);
  });
}

void CheckProductivity(const Json& performance, const JsonPath& at, RuleChecker* checker) {
  CheckObjects(performance, at, "productivity", "PRF-03", checker, [&](const Json& item, const JsonPath& item_at) {
    RequireMember(item, item_at, "metric", IsText, "PRF-04", checker);
    RequireMember(item, item_at, "value", IsNumber, "PRF-05", checker);
    ExpectMember(item, item_at, "period", IsDuration, "PRF-06", checker);
    ExpectMember(item, item_at, "unit", IsText, "PRF-07", checker);
  });
}

void CheckAlerts(const Json& document, const Json& performance, const JsonPath& at, RuleChecker* checker) {
  const SensorTexts ids = CollectSensorTexts(document, "id");
  CheckObjects(performance, at, "alerts", "PRF-08", checker, [&](const Json& alert, const JsonPath& alert_at) {
    RequireMember(alert, alert_at, "date", IsTimestamp, "PRF-09", checker);
    RequireMember(alert, alert_at, "type", IsText, "PRF-10", checker);
    RequireMember(alert, alert_at, "message", IsText, "PRF-11", checker);
    ExpectMember(alert, alert_at, "source", IsText, "PRF-12", checker);
    ExpectMember(alert, alert_at, "resolution", IsText, "PRF-12", checker);
    const string_view source = TextOf(alert.Find("source"));
    if (!source.empty() && ids.has_sensors && !ids.Contains(source)) {
      checker->Report("PRF-13", alert_at.Member("source"));
    }
    ExpectMember(alert, alert_at, "value", IsReading, "PRF-14", checker);
  });
}

}  // namespace

void CheckSynchronization(const Json& document, RuleChecker* checker) {
  const JsonPath root;
  const MemberAt member(document, root, "synchronization");
  if (member.value == nullptr) return checker->Report("SYN-01", member.path);
  if (!member.value->is_object()) return checker->Report("SYN-02", member.path);
  const Json& sync = *member.value;
  const JsonPath& at = member.path;
  RequireMember(sync, at, "mechanism", IsText, "SYN-03", checker);
  const string_view mechanism_text = TextOf(sync.Find("mechanism"));
  const Mechanism* mechanism = FindMechanism(mechanism_text);
  if (!mechanism_text.empty() && mechanism == nullptr) checker->Report("SYN-04", at.Member("mechanism"));
  CheckEndpoint(sync, at, mechanism, checker);
  ExpectPresent(sync, at, "updateFrequency", "SYN-10", checker);
  ExpectMember(sync, at, "updateFrequency", IsUpdateFrequencyValue, "SYN-11", checker);
  ExpectPresent(sync, at, "lastSynced", "SYN-12", checker);
  ExpectMember(sync, at, "lastSynced", IsTimestamp, "SYN-13", checker);
  ExpectPresent(sync, at, "connectionStatus", "SYN-14", checker);
  ExpectMember(sync, at, "connectionStatus", IsText, "SYN-15", checker);
  const string_view status = TextOf(sync.Find("connectionStatus"));
  if (!status.empty() && !IsOneOf(status, kConnectionStatuses))
    checker->Report("SYN-16", at.Member("connectionStatus"));
  ExpectMember(sync, at, "latency", IsNotNegative, "SYN-17", checker);
}

void CheckDataStorage(const Json& document, RuleChecker* checker) {
  const JsonPath root;
  const MemberAt storage(document, root, "dataStorage");
  if (storage.value == nullptr) return checker->Report("STO-01", storage.path);
  if (!storage.value->is_object()) return checker->Report("STO-02", storage.path);
  CheckHistoricalData(*storage.value, storage.path, checker);
  const MemberAt analytics(*storage.value, storage.path, "analytics");
  if (analytics.value == nullptr) return;
  if (!analytics.value->is_object()) return checker->Report("STO-14", analytics.path);
  CheckPredictionModels(*analytics.value, analytics.path, checker);
  CheckAlertThresholds(document, *analytics.value, analytics.path, checker);
}

void CheckMaintenance(const Json& document, RuleChecker* checker) {
  const JsonPath root;
  const MemberAt member(document, root, "maintenance");
  if (member.value == nullptr) return checker->Report("MNT-01", member.path);
  if (!member.value->is_object()) return checker->Report("MNT-02", member.path);
  const Json& maintenance = *member.value;
  const bool has_history = Present(maintenance, "history") != nullptr;
  const bool has_schedule = Present(maintenance, "schedule") != nullptr;
  if (!has_history && !has_schedule && Present(maintenance, "predictedIssues") == nullptr) {
    return checker->Report("MNT-03", member.path);
  }
  if (!has_history) checker->Report("MNT-04", member.path.Member("history"));
  if (!has_schedule) checker->Report("MNT-05", member.path.Member("schedule"));
  std::optional<InstantRange> latest;
  CheckMaintenanceHistory(maintenance, member.path, &latest, checker);
  CheckSchedule(maintenance, member.path, latest, checker);
  CheckPredictedIssues(maintenance, member.path, checker);
}

void CheckPerformance(const Json& document, RuleChecker* checker) {
  const JsonPath root;
  const MemberAt member(document, root, "performance");
  if (member.value == nullptr) return;
  if (!member.value->is_object()) return checker->Report("PRF-01", member.path);
  const Json& performance = *member.value;
  auto is_percentage = [](const Json& value) { return value.is_string() && IsPercentage(value.string()); };
  ExpectMember(performance, member.path, "uptime", is_percentage, "PRF-02", checker);
  CheckProductivity(performance, member.path, checker);
  CheckAlerts(document, performance, member.path, checker);
}

}  // namespace mvmd
