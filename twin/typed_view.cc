// The typed view: a table of members per message. A member of another type than the profile's is left out.
#include <algorithm>
#include <string>

#include "absl/strings/string_view.h"
#include "twin/document.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
using absl::string_view;

// Readers take one member each and leave the field alone when it has another type.

void ReadString(const Json& object, string_view name, std::string* field) {
  const Json* value = object.Find(name);
  if (value != nullptr && value->is_string()) *field = value->string();
}

// A string counts as an array of one.
template <typename Strings>
void ReadStrings(const Json& object, string_view name, Strings* field) {
  const Json* value = object.Find(name);
  if (value == nullptr) return;
  if (value->is_string()) field->Add(std::string(value->string()));
  if (!value->is_array()) return;
  for (const Json& element : value->elements()) {
    if (element.is_string()) field->Add(std::string(element.string()));
  }
}

template <typename Setter>
void ReadNumber(const Json& object, string_view name, Setter set) {
  const Json* value = object.Find(name);
  if (value != nullptr && value->is_number()) set(value->number());
}

// Two numbers, or nothing.
template <typename Numbers>
void ReadRange(const Json& object, string_view name, Numbers* field) {
  const Json* value = object.Find(name);
  if (value == nullptr || !value->is_array() || value->elements().size() != 2) return;
  const std::vector<Json>& ends = value->elements();
  if (!ends[0].is_number() || !ends[1].is_number()) return;
  field->Add(ends[0].number());
  field->Add(ends[1].number());
}

const Json* FindObject(const Json& object, string_view name) {
  const Json* value = object.Find(name);
  return value != nullptr && value->is_object() ? value : nullptr;
}

// Calls `read(element)` for each object of an array; an object counts as an array of one.
template <typename Read>
void ReadObjects(const Json& object, string_view name, Read read) {
  const Json* value = object.Find(name);
  if (value == nullptr) return;
  if (value->is_object()) read(*value);
  if (!value->is_array()) return;
  for (const Json& element : value->elements()) {
    if (element.is_object()) read(element);
  }
}

int DepthOf(const Json& value) {
  int depth = 0;
  if (value.is_array()) {
    for (const Json& element : value.elements()) depth = std::max(depth, DepthOf(element));
  }
  if (value.is_object()) {
    for (const Json::Member& member : value.members()) depth = std::max(depth, DepthOf(member.second));
  }
  return depth + 1;
}

void ConvertValue(const Json& json, google::protobuf::Value* value) {
  switch (json.type()) {
    case Json::Type::kNull:
      value->set_null_value(google::protobuf::NULL_VALUE);
      return;
    case Json::Type::kBool:
      value->set_bool_value(json.boolean());
      return;
    case Json::Type::kNumber:
      value->set_number_value(json.number());
      return;
    case Json::Type::kString:
      value->set_string_value(json.string());
      return;
    case Json::Type::kArray: {
      google::protobuf::ListValue* list = value->mutable_list_value();
      for (const Json& element : json.elements()) ConvertValue(element, list->add_values());
      return;
    }
    case Json::Type::kObject: {
      auto* fields = value->mutable_struct_value()->mutable_fields();
      for (const Json::Member& member : json.members()) ConvertValue(member.second, &(*fields)[member.first]);
      return;
    }
  }
}

// A number, a string or a boolean.
template <typename View>
void ReadScalar(const Json& object, string_view name, View mutable_value) {
  const Json* value = object.Find(name);
  if (value != nullptr && !value->is_null() && !value->is_array() && !value->is_object()) {
    ConvertValue(*value, mutable_value());
  }
}

void ReadOrganization(const Json& json, pb::Organization* view) {
  ReadStrings(json, "@type", view->mutable_types());
  ReadString(json, "name", view->mutable_name());
  ReadString(json, "url", view->mutable_url());
}

void ReadPlace(const Json& json, pb::Place* view) {
  ReadStrings(json, "@type", view->mutable_types());
  ReadString(json, "name", view->mutable_name());
  if (const Json* address = json.Find("address"); address != nullptr && address->is_string()) {
    view->mutable_address()->set_street_address(address->string());
  } else if (address != nullptr && address->is_object()) {
    pb::PostalAddress* to = view->mutable_address();
    ReadStrings(*address, "@type", to->mutable_types());
    ReadString(*address, "streetAddress", to->mutable_street_address());
    ReadString(*address, "addressLocality", to->mutable_address_locality());
    ReadString(*address, "addressRegion", to->mutable_address_region());
    ReadString(*address, "postalCode", to->mutable_postal_code());
    ReadString(*address, "addressCountry", to->mutable_address_country());
  }
  if (const Json* geo = FindObject(json, "geo")) {
    pb::GeoCoordinates* to = view->mutable_geo();
    ReadStrings(*geo, "@type", to->mutable_types());
    ReadNumber(*geo, "latitude", [to](double value) { to->set_latitude(value); });
    ReadNumber(*geo, "longitude", [to](double value) { to->set_longitude(value); });
  }
}

void ReadEntity(const Json& json, pb::PhysicalEntity* view) {
  ReadStrings(json, "@type", view->mutable_types());
  ReadString(json, "name", view->mutable_name());
  if (const Json* maker = json.Find("manufacturer"); maker != nullptr && maker->is_string()) {
    view->mutable_manufacturer()->set_name(maker->string());
  } else if (maker != nullptr && maker->is_object()) {
    ReadOrganization(*maker, view->mutable_manufacturer());
  }
  ReadString(json, "model", view->mutable_model());
  ReadString(json, "serialNumber", view->mutable_serial_number());
  ReadString(json, "productionDate", view->mutable_production_date());
  ReadString(json, "installDate", view->mutable_install_date());
  if (const Json* location = FindObject(json, "location")) ReadPlace(*location, view->mutable_location());
  ReadString(json, "productionLine", view->mutable_production_line());
}

void ReadSynchronization(const Json& json, pb::Synchronization* view) {
  ReadString(json, "mechanism", view->mutable_mechanism());
  ReadString(json, "endpoint", view->mutable_endpoint());
  ReadScalar(json, "updateFrequency", [view] { return view->mutable_update_frequency(); });
  ReadString(json, "lastSynced", view->mutable_last_synced());
  ReadString(json, "connectionStatus", view->mutable_connection_status());
  ReadNumber(json, "latency", [view](double value) { view->set_latency(value); });
}

void ReadSensor(const Json& json, pb::Sensor* view) {
  ReadString(json, "id", view->mutable_id());
  ReadString(json, "name", view->mutable_name());
  ReadString(json, "type", view->mutable_type());
  ReadString(json, "unit", view->mutable_unit());
  ReadString(json, "location", view->mutable_location());
  ReadScalar(json, "updateFrequency", [view] { return view->mutable_update_frequency(); });
  ReadScalar(json, "currentValue", [view] { return view->mutable_current_value(); });
  ReadString(json, "timestamp", view->mutable_timestamp());
  ReadRange(json, "normalRange", view->mutable_normal_range());
  ReadRange(json, "criticalRange", view->mutable_critical_range());
  ReadNumber(json, "accuracy", [view](double value) { view->set_accuracy(value); });
}

void ReadDataStorage(const Json& json, pb::DataStorage* view) {
  if (const Json* history = FindObject(json, "historicalData")) {
    pb::HistoricalData* to = view->mutable_historical_data();
    ReadString(*history, "retentionPeriod", to->mutable_retention_period());
    ReadString(*history, "storageLocation", to->mutable_storage_location());
    ReadString(*history, "samplingRate", to->mutable_sampling_rate());
    ReadString(*history, "compressionLevel", to->mutable_compression_level());
  }
  if (const Json* analytics = FindObject(json, "analytics")) {
    pb::Analytics* to = view->mutable_analytics();
    ReadStrings(*analytics, "predictionModels", to->mutable_prediction_models());
    if (const Json* thresholds = FindObject(*analytics, "alertThresholds")) {
      for (const auto& [type, value] : thresholds->members()) {
        if (value.is_number()) (*to->mutable_alert_thresholds())[type] = value.number();
      }
    }
  }
}

void ReadMaintenance(const Json& json, pb::Maintenance* view) {
  ReadObjects(json, "history", [view](const Json& record) {
    pb::MaintenanceRecord* to = view->add_history();
    ReadString(record, "date", to->mutable_date());
    ReadString(record, "type", to->mutable_type());
    ReadString(record, "description", to->mutable_description());
    ReadString(record, "technician", to->mutable_technician());
    ReadString(record, "findings", to->mutable_findings());
  });
  if (const Json* schedule = FindObject(json, "schedule")) {
    pb::MaintenanceSchedule* to = view->mutable_schedule();
    ReadString(*schedule, "nextMaintenance", to->mutable_next_maintenance());
    ReadString(*schedule, "type", to->mutable_type());
    ReadString(*schedule, "description", to->mutable_description());
  }
  ReadObjects(json, "predictedIssues", [view](const Json& issue) {
    pb::PredictedIssue* to = view->add_predicted_issues();
    ReadString(issue, "component", to->mutable_component());
    ReadNumber(issue, "probability", [to](double value) { to->set_probability(value); });
    ReadString(issue, "timeframe", to->mutable_timeframe());
    ReadString(issue, "recommendedAction", to->mutable_recommended_action());
  });
}

void ReadPerformance(const Json& json, pb::Performance* view) {
  ReadString(json, "uptime", view->mutable_uptime());
  ReadObjects(json, "productivity", [view](const Json& item) {
    pb::Productivity* to = view->add_productivity();
    ReadString(item, "metric", to->mutable_metric());
    ReadNumber(item, "value", [to](double value) { to->set_value(value); });
    ReadString(item, "period", to->mutable_period());
    ReadString(item, "unit", to->mutable_unit());
  });
  ReadObjects(json, "alerts", [view](const Json& alert) {
    pb::Alert* to = view->add_alerts();
    ReadString(alert, "date", to->mutable_date());
    ReadString(alert, "type", to->mutable_type());
    ReadString(alert, "source", to->mutable_source());
    ReadString(alert, "message", to->mutable_message());
    ReadScalar(alert, "value", [to] { return to->mutable_value(); });
    ReadString(alert, "resolution", to->mutable_resolution());
  });
}

void ReadBasics(const Json& json, pb::Twin* view) {
  const Json* context = json.Find("@context");
  if (context != nullptr && DepthOf(*context) <= kTypedValueDepthMax) ConvertValue(*context, view->mutable_context());
  ReadStrings(json, "@type", view->mutable_types());
  ReadString(json, "name", view->mutable_name());
  ReadString(json, "description", view->mutable_description());
  if (const Json* identifier = FindObject(json, "identifier")) {
    pb::Identifier* to = view->mutable_identifier();
    ReadStrings(*identifier, "@type", to->mutable_types());
    ReadString(*identifier, "propertyID", to->mutable_property_id());
    ReadString(*identifier, "value", to->mutable_value());
  }
  ReadObjects(json, "creator", [view](const Json& creator) { ReadOrganization(creator, view->add_creators()); });
  ReadString(json, "dateCreated", view->mutable_date_created());
  ReadString(json, "dateModified", view->mutable_date_modified());
  ReadString(json, "license", view->mutable_license());
}

}  // namespace

void ToTypedView(const Json& document, pb::Twin* view) {
  view->Clear();
  if (!document.is_object()) return;
  ReadBasics(document, view);
  if (const Json* entity = FindObject(document, "subjectOf")) ReadEntity(*entity, view->mutable_subject_of());
  ReadObjects(document, "associatedMedia", [view](const Json& media) {
    pb::MediaObject* to = view->add_associated_media();
    ReadStrings(media, "@type", to->mutable_types());
    ReadString(media, "name", to->mutable_name());
    ReadString(media, "contentUrl", to->mutable_content_url());
    ReadString(media, "encodingFormat", to->mutable_encoding_format());
  });
  if (const Json* sync = FindObject(document, "synchronization")) {
    ReadSynchronization(*sync, view->mutable_synchronization());
  }
  ReadObjects(document, "sensors", [view](const Json& sensor) { ReadSensor(sensor, view->add_sensors()); });
  if (const Json* storage = FindObject(document, "dataStorage"))
    ReadDataStorage(*storage, view->mutable_data_storage());
  if (const Json* maintenance = FindObject(document, "maintenance")) {
    ReadMaintenance(*maintenance, view->mutable_maintenance());
  }
  if (const Json* performance = FindObject(document, "performance")) {
    ReadPerformance(*performance, view->mutable_performance());
  }
}

}  // namespace mvmd
