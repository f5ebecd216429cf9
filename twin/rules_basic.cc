// BAS, ENT and MED: what the twin is called, the machine, its media.
#include <algorithm>
#include <optional>

#include "twin/rule_checker.h"
#include "twin/time.h"
#include "twin/value_kinds.h"

namespace mvmd {
namespace {

using absl::string_view;

bool IsWebAddressValue(const Json& value) { return value.is_string() && IsWebAddress(value.string()); }

bool HasTextName(const Json& value) { return value.is_object() && !TextOf(value.Find("name")).empty(); }

// The members' instants, when both are valid.
bool IsCertainlyBefore(const Json& object, string_view earlier, string_view later) {
  const Json* a = Present(object, earlier);
  const Json* b = Present(object, later);
  if (a == nullptr || b == nullptr || !a->is_string() || !b->is_string()) return false;
  const std::optional<InstantRange> first = ParseDateOrTimestamp(a->string());
  const std::optional<InstantRange> second = ParseDateOrTimestamp(b->string());
  return first && second && first->IsCertainlyBefore(*second);
}

// `missing`, then `not_text`, then `too_long`: one of them at most.
void CheckBoundedText(const Json& document, string_view name, size_t code_points_max, RuleRef missing, RuleRef not_text,
                      RuleRef too_long, RuleChecker* checker) {
  const JsonPath root;
  const MemberAt text(document, root, name);
  if (text.value == nullptr) {
    checker->Report(missing, text.path);
  } else if (!IsText(*text.value)) {
    checker->Report(not_text, text.path);
  } else if (CountCodePoints(text.value->string()) > code_points_max) {
    checker->Report(too_long, text.path);
  }
}

bool HoldsPropertyValue(const Json& type) {
  auto matches = [](const Json& value) { return value.is_string() && value.string() == "PropertyValue"; };
  if (!type.is_array()) return matches(type);
  return std::any_of(type.elements().begin(), type.elements().end(), matches);
}

void CheckIdentifier(const Json& document, RuleChecker* checker) {
  const JsonPath root;
  const MemberAt identifier(document, root, "identifier");
  if (identifier.value == nullptr) return checker->Report("BAS-07", identifier.path);
  if (!identifier.value->is_object()) return checker->Report("BAS-08", identifier.path);
  const Json& object = *identifier.value;
  RequireMember(object, identifier.path, "propertyID", IsText, "BAS-09", checker);
  RequireMember(object, identifier.path, "value", IsText, "BAS-10", checker);
  RequireMember(object, identifier.path, "@type", HoldsPropertyValue, "BAS-11", checker);
  const string_view property_id = TextOf(object.Find("propertyID"));
  if (!property_id.empty() && property_id != "MVMD-ID") {
    checker->Report("BAS-12", identifier.path.Member("propertyID"));
  }
}

void CheckOneCreator(const Json& creator, const JsonPath& at, RuleChecker* checker) {
  if (!HasTextName(creator)) checker->Report("BAS-14", at);
  ExpectMember(creator, at, "url", IsWebAddressValue, "BAS-15", checker);
}

void CheckCreators(const Json& document, RuleChecker* checker) {
  const JsonPath root;
  const MemberAt creator(document, root, "creator");
  if (creator.value == nullptr) return checker->Report("BAS-13", creator.path);
  if (!creator.value->is_array()) return CheckOneCreator(*creator.value, creator.path, checker);
  const std::vector<Json>& creators = creator.value->elements();
  if (creators.empty()) checker->Report("BAS-14", creator.path);
  for (size_t i = 0; i < creators.size(); ++i) CheckOneCreator(creators[i], creator.path.Element(i), checker);
}

void CheckAddress(const Json& location, const JsonPath& at, RuleChecker* checker) {
  const MemberAt address(location, at, "address");
  if (address.value == nullptr || IsText(*address.value)) return;
  if (!address.value->is_object()) return checker->Report("ENT-16", address.path);
  for (string_view name : {"streetAddress", "addressLocality", "addressRegion", "postalCode", "addressCountry"}) {
    ExpectMember(*address.value, address.path, name, IsText, "ENT-16", checker);
  }
}

void CheckCoordinate(const Json& geo, const JsonPath& at, string_view name, double limit, RuleChecker* checker) {
  const MemberAt coordinate(geo, at, name);
  if (coordinate.value == nullptr || !coordinate.value->is_number()) {
    checker->Report("ENT-17", coordinate.path);
  } else if (coordinate.value->number() < -limit || coordinate.value->number() > limit) {
    checker->Report("ENT-18", coordinate.path);
  }
}

void CheckPlace(const Json& entity, const JsonPath& at, RuleChecker* checker) {
  const MemberAt location(entity, at, "location");
  if (location.value == nullptr) return checker->Report("ENT-13", location.path);
  if (!location.value->is_object()) return checker->Report("ENT-14", location.path);
  const Json& place = *location.value;
  const MemberAt geo(place, location.path, "geo");
  if (Present(place, "name") == nullptr && Present(place, "address") == nullptr && geo.value == nullptr) {
    checker->Report("ENT-14", location.path);
  }
  ExpectPresent(place, location.path, "@type", "ENT-15", checker);
  ExpectMember(place, location.path, "name", IsText, "ENT-19", checker);
  CheckAddress(place, location.path, checker);
  if (geo.value == nullptr) return;
  if (!geo.value->is_object()) return checker->Report("ENT-17", geo.path);
  CheckCoordinate(*geo.value, geo.path, "latitude", 90, checker);
  CheckCoordinate(*geo.value, geo.path, "longitude", 180, checker);
}

void CheckEntityType(const Json& entity, const JsonPath& at, RuleChecker* checker) {
  ExpectPresent(entity, at, "@type", "ENT-03", checker);
  ExpectMember(entity, at, "@type", IsTypeList, "ENT-04", checker);
}

void CheckOneMedia(const Json& media, const JsonPath& at, RuleChecker* checker) {
  if (!media.is_object()) return checker->Report("MED-01", at);
  RequireMember(media, at, "@type", IsTypeList, "MED-02", checker);
  RequireMember(media, at, "name", IsText, "MED-03", checker);
  RequireMember(
      media, at, "contentUrl", [](const Json& value) { return value.is_string() && IsAbsoluteIri(value.string()); },
      "MED-04", checker);
  RequireMember(
      media, at, "encodingFormat", [](const Json& value) { return value.is_string() && IsMediaType(value.string()); },
      "MED-05", checker);
}

}  // namespace

void CheckBasics(const Json& document, RuleChecker* checker) {
  const JsonPath root;
  CheckBoundedText(document, "name", 100, "BAS-01", "BAS-02", "BAS-03", checker);
  CheckBoundedText(document, "description", 1000, "BAS-04", "BAS-05", "BAS-06", checker);
  CheckIdentifier(document, checker);
  CheckCreators(document, checker);
  ExpectPresent(document, root, "dateCreated", "BAS-16", checker);
  ExpectMember(document, root, "dateCreated", IsDateOrTimestamp, "BAS-17", checker);
  ExpectMember(document, root, "dateModified", IsDateOrTimestamp, "BAS-17", checker);
  if (IsCertainlyBefore(document, "dateModified", "dateCreated")) {
    checker->Report("BAS-18", root.Member("dateModified"));
  }
  ExpectPresent(document, root, "license", "BAS-19", checker);
  ExpectMember(document, root, "license", IsWebAddressValue, "BAS-20", checker);
}

void CheckEntity(const Json& document, RuleChecker* checker) {
  const JsonPath root;
  const MemberAt subject(document, root, "subjectOf");
  if (subject.value == nullptr) return checker->Report("ENT-01", subject.path);
  if (!subject.value->is_object()) return checker->Report("ENT-02", subject.path);
  const Json& entity = *subject.value;
  const JsonPath& at = subject.path;
  CheckEntityType(entity, at, checker);
  RequireMember(entity, at, "name", IsText, "ENT-05", checker);
  if (Present(entity, "serialNumber") == nullptr && Present(entity, "identifier") == nullptr) {
    checker->Report("ENT-06", at.Member("serialNumber"));
  }
  for (string_view name : {"serialNumber", "model", "productionLine"}) {
    ExpectMember(entity, at, name, IsText, "ENT-07", checker);
  }
  auto is_manufacturer = [](const Json& value) { return IsText(value) || HasTextName(value); };
  ExpectMember(entity, at, "manufacturer", is_manufacturer, "ENT-08", checker);
  ExpectPresent(entity, at, "manufacturer", "ENT-09", checker);
  ExpectMember(entity, at, "productionDate", IsDateOrTimestamp, "ENT-10", checker);
  ExpectMember(entity, at, "installDate", IsDateOrTimestamp, "ENT-10", checker);
  if (IsCertainlyBefore(entity, "installDate", "productionDate")) {
    checker->Report("ENT-11", at.Member("installDate"));
  }
  ExpectPresent(entity, at, "installDate", "ENT-12", checker);
  CheckPlace(entity, at, checker);
}

void CheckMedia(const Json& document, RuleChecker* checker) {
  const JsonPath root;
  const MemberAt media(document, root, "associatedMedia");
  if (media.value == nullptr) return;
  if (!media.value->is_array()) return CheckOneMedia(*media.value, media.path, checker);
  const std::vector<Json>& elements = media.value->elements();
  for (size_t i = 0; i < elements.size(); ++i) CheckOneMedia(elements[i], media.path.Element(i), checker);
}

}  // namespace mvmd
