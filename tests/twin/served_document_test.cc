#include "twin/served_document.h"

#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "tests/twin/test_data.h"
#include "twin/time.h"

namespace mvmd {
namespace {

using Kind = ServedValue::Kind;

// The document that the values make; null members are left out.
Json ToJson(const ServedValue& value) {
  switch (value.kind()) {
    case Kind::kMissing:
      return Json();
    case Kind::kBool:
      return Json::Bool(value.boolean());
    case Kind::kNumber:
      return Json::Number(value.number());
    case Kind::kText:
      return Json::String(value.text());
    case Kind::kTime:
      return Json::String(FormatTimestamp(value.time_unix_ns()));
    case Kind::kArray: {
      Json array = Json::Array();
      value.AnyElement([&array](const ServedValue& element) {
        array.Append(ToJson(element));
        return false;
      });
      return array;
    }
    case Kind::kObject: {
      Json object = Json::Object();
      value.AnyMember([&object, &value](absl::string_view name, const ServedValue& member) {
        EXPECT_EQ(object.Find(name), nullptr) << name << " is there twice";
        EXPECT_EQ(member.kind(), value.Member(name).kind()) << name;
        if (!member.is_missing()) object.Set(name, ToJson(member));
        return false;
      });
      return object;
    }
  }
  return Json();
}

void RemoveNulls(Json* value) {
  if (value->is_array()) {
    for (Json& element : value->elements()) RemoveNulls(&element);
  } else if (value->is_object()) {
    std::vector<Json::Member> kept;
    for (Json::Member& member : value->members()) {
      if (member.second.is_null()) continue;
      RemoveNulls(&member.second);
      kept.push_back(std::move(member));
    }
    value->members() = std::move(kept);
  }
}

LiveView AllLive() {
  LiveView live;
  live.sensors.push_back({"a", 1.5, 1'000'000'000});
  live.sensors.push_back({"b", true, 2'000'000'000});
  live.sensors.push_back({"c", std::string("text"), 3'000'000'000});
  live.sensors.push_back({"a", 2.5, 4'000'000'000});  // wins
  live.last_synced_unix_ns = 5'000'000'000;
  live.connection_status = "active";
  live.latency_ms = 12;
  live.date_modified_unix_ns = 6'000'000'000;
  return live;
}

void ExpectAsServed(const Json& definition, const LiveView& live) {
  Json served = ApplyLive(definition, live);
  RemoveNulls(&served);
  const ServedValue root(definition, live);
  EXPECT_EQ(ToJson(root), served);
  const ServedValue sensors = root.Member("sensors");
  for (const std::string& id : SensorIdsOf(definition)) {
    const Json* first = nullptr;
    for (const Json& sensor : served.Find("sensors")->elements()) {
      const Json* sensor_id = sensor.Find("id");
      if (first == nullptr && sensor_id != nullptr && *sensor_id == Json::String(id)) first = &sensor;
    }
    ASSERT_NE(first, nullptr) << id;
    EXPECT_EQ(ToJson(sensors.Sensor(id)), *first) << id;
  }
}

TEST(ServedValueTest, IsWhatIsServed) {
  constexpr const char* kDefinitions[] = {
      R"({})",
      R"({"synchronization": {}, "sensors": []})",
      R"({"synchronization": {"lastSynced": "x", "latency": null}, "dateModified": 1, "name": null})",
      R"({"synchronization": [1], "sensors": {"a": {"currentValue": 1}}})",
      R"({"sensors": [{"id": "a"}, {"id": "a", "currentValue": 9}, {"id": "b", "timestamp": "t"}, {"id": "d", "x": 1}]})",
      R"({"sensors": [null, 1, "a", {"id": 1}, {}, [{"id": "a"}], {"id": "c", "currentValue": {"deep": [1, 2]}}]})",
      R"({"nested": {"synchronization": {"latency": 1}, "sensors": [{"id": "a"}], "dateModified": 2}})",
  };
  for (const char* text : kDefinitions) {
    SCOPED_TRACE(text);
    ExpectAsServed(ParseOrFail(text), AllLive());
    ExpectAsServed(ParseOrFail(text), LiveView());
  }
  ExpectAsServed(ParseProfile("twin-complete.jsonld"), AllLive());
}

TEST(ServedValueTest, HasNoMembersWhereThereIsNoObject) {
  const Json definition = ParseOrFail("[1]");
  const LiveView live = AllLive();
  const ServedValue root(definition, live);
  EXPECT_TRUE(root.Member("dateModified").is_missing());
  EXPECT_TRUE(root.Sensor("a").is_missing());
  EXPECT_TRUE(ServedValue().Member("a").is_missing());
}

TEST(ServedValueTest, StopsWhenItIsToldTo) {
  const Json definition = ParseOrFail(R"({"a": [1, 2, 3], "b": 1})");
  const LiveView live;
  const ServedValue root(definition, live);
  int seen = 0;
  EXPECT_TRUE(root.Member("a").AnyElement([&](const ServedValue&) { return ++seen == 2; }));
  EXPECT_EQ(seen, 2);
  EXPECT_TRUE(root.AnyMember([&](absl::string_view name, const ServedValue&) { return name == "a" && ++seen > 0; }));
  EXPECT_EQ(seen, 3);
  EXPECT_FALSE(root.AnyElement([](const ServedValue&) { return true; })) << "an object has no elements";
}

}  // namespace
}  // namespace mvmd
