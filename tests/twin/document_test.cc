#include "twin/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "tests/twin/test_data.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

using ::testing::ElementsAre;

std::string Merged(absl::string_view target, absl::string_view patch) {
  return Canonicalize(MergePatch(ParseOrFail(target), ParseOrFail(patch)));
}

TEST(TwinIdOfTest, ReadsTheIdentifiersValue) {
  EXPECT_EQ(*TwinIdOf(ParseProfile("twin-complete.jsonld")), "twin-2024-001");
  for (absl::string_view text :
       {"{}", "[]", "5", R"({"identifier":"x"})", R"({"identifier":{}})", R"({"identifier":{"value":5}})",
        R"({"identifier":{"value":null}})", R"({"identifier":{"value":" "}})"}) {
    EXPECT_EQ(TwinIdOf(ParseOrFail(text)).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(SensorIdsOfTest, KeepsTheDocumentsOrder) {
  EXPECT_THAT(SensorIdsOf(ParseProfile("twin-complete.jsonld")), ElementsAre("temp-1", "motion-1", "pressure-1"));
  EXPECT_THAT(SensorIdsOf(ParseOrFail(R"({"sensors":[{"id":"b"},5,{"id":5},{},{"id":"a"}]})")), ElementsAre("b", "a"));
  EXPECT_TRUE(SensorIdsOf(ParseOrFail("[]")).empty());
}

TEST(MergePatchTest, GivesTheExamplesOfRfc7396) {
  EXPECT_EQ(Merged(R"({"a":"b"})", R"({"a":"c"})"), R"({"a":"c"})");
  EXPECT_EQ(Merged(R"({"a":"b"})", R"({"b":"c"})"), R"({"a":"b","b":"c"})");
  EXPECT_EQ(Merged(R"({"a":"b"})", R"({"a":null})"), "{}");
  EXPECT_EQ(Merged(R"({"a":"b","b":"c"})", R"({"a":null})"), R"({"b":"c"})");
  EXPECT_EQ(Merged(R"({"a":["b"]})", R"({"a":"c"})"), R"({"a":"c"})");
  EXPECT_EQ(Merged(R"({"a":"c"})", R"({"a":["b"]})"), R"({"a":["b"]})");
  EXPECT_EQ(Merged(R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})"), R"({"a":{"b":"d"}})");
  EXPECT_EQ(Merged(R"({"a":[{"b":"c"}]})", R"({"a":[1]})"), R"({"a":[1]})");
  EXPECT_EQ(Merged(R"({"a":"foo"})", "null"), "null");
  EXPECT_EQ(Merged(R"({"a":"foo"})", R"("bar")"), R"("bar")");
  EXPECT_EQ(Merged(R"({"e":null})", R"({"a":1})"), R"({"a":1,"e":null})");
  EXPECT_EQ(Merged("[1,2]", R"({"a":"b","c":null})"), R"({"a":"b"})");
  EXPECT_EQ(Merged("{}", R"({"a":{"bb":{"ccc":null}}})"), R"({"a":{"bb":{}}})");
}

TEST(MergePatchTest, MergesSensorsById) {
  const absl::string_view target = R"({"sensors":[{"id":"a","unit":"x","o":{"p":1,"q":2}},{"id":"b"}]})";
  EXPECT_EQ(Merged(target, R"({"sensors":[{"id":"c","n":null,"m":1},{"id":"a","unit":null,"o":{"q":null,"r":3}}]})"),
            R"({"sensors":[{"id":"a","o":{"p":1,"r":3}},{"id":"b"},{"id":"c","m":1}]})");
  EXPECT_EQ(Merged(target, R"({"sensors":[]})"), Canonicalize(ParseOrFail(target)));
  // Below the root it is an array like any other.
  EXPECT_EQ(Merged(R"({"x":{"sensors":[{"id":"a","k":1}]}})", R"({"x":{"sensors":[{"id":"a"}]}})"),
            R"({"x":{"sensors":[{"id":"a"}]}})");
}

TEST(MergePatchTest, ReplacesSensorsThatHaveNoIds) {
  EXPECT_EQ(Merged(R"({"sensors":[{"id":"a"}]})", R"({"sensors":[{"name":"x"}]})"), R"({"sensors":[{"name":"x"}]})");
  EXPECT_EQ(Merged(R"({"sensors":[{"id":"a"}]})", R"({"sensors":[{"id":" "}]})"), R"({"sensors":[{"id":" "}]})");
  EXPECT_EQ(Merged(R"({"sensors":[{"id":"a"}]})", R"({"sensors":null})"), "{}");
  EXPECT_EQ(Merged(R"({"sensors":5})", R"({"sensors":[{"id":"a","x":null}]})"), R"({"sensors":[{"id":"a"}]})");
  EXPECT_EQ(Merged("{}", R"({"sensors":[{"id":"a"},{"id":"a","x":1}]})"), R"({"sensors":[{"id":"a","x":1}]})");
}

TEST(MergePatchTest, HandlesLargeObjects) {
  Json target = Json::Object();
  Json patch = Json::Object();
  for (int i = 0; i < 1000; ++i) target.Set(absl::StrCat("k", i), Json::Number(i));
  for (int i = 500; i < 1500; ++i) patch.Set(absl::StrCat("k", i), i % 2 == 0 ? Json() : Json::Number(-i));
  const Json merged = MergePatch(target, patch);
  EXPECT_EQ(merged.members().size(), 1000);
  EXPECT_EQ(merged.Find("k500"), nullptr);
  EXPECT_EQ(merged.Find("k499")->number(), 499);
  EXPECT_EQ(merged.Find("k1499")->number(), -1499);
}

TEST(ComposeOverlayTest, KeepsNullsAndLaterValues) {
  auto composed = [](absl::string_view a, absl::string_view b) {
    return Canonicalize(ComposeOverlay(ParseOrFail(a), ParseOrFail(b)));
  };
  EXPECT_EQ(composed("{}", R"({"a":1,"b":null})"), R"({"a":1,"b":null})");
  EXPECT_EQ(composed(R"({"a":1,"b":{"c":1}})", R"({"a":null,"b":{"d":null}})"), R"({"a":null,"b":{"c":1,"d":null}})");
  EXPECT_EQ(composed(R"({"sensors":[{"id":"a","x":1}]})", R"({"sensors":[{"id":"b"},{"id":"a","x":null}]})"),
            R"({"sensors":[{"id":"a","x":null},{"id":"b"}]})");
  // An object in place of something else: no single patch says so.
  EXPECT_EQ(composed(R"({"a":5,"z":1})", R"({"a":{"b":1,"c":null}})"), R"([{"a":null},{"a":{"b":1},"z":1}])");
  EXPECT_EQ(composed(R"([{"a":null},{"a":{"b":1},"z":1}])", R"({"a":null})"), R"({"a":null,"z":1})");
  EXPECT_EQ(composed("[]", "[]"), "[]");
}

// Small documents and patches that meet often: few names, few ids, all kinds of values.
class RandomJson {
 public:
  explicit RandomJson(uint64_t seed) : random_(seed) {}

  Json Value(int depth, bool at_root) {
    const uint64_t kind = Below(at_root ? 12 : 8);
    if (kind >= 6 && depth > 0) return Object(depth, at_root);
    switch (kind) {
      case 0:
        return Json();
      case 1:
        return Json::Bool(Below(2) == 0);
      case 2:
        return Array(depth);
      case 3:
        return Json::String(absl::StrCat("s", Below(3)));
      default:
        return Json::Number(static_cast<double>(Below(4)));
    }
  }

  Json Object(int depth, bool at_root) {
    Json object = Json::Object();
    for (const char* name : {"a", "b", "c"}) {
      if (Below(3) == 0) object.Set(name, Value(depth - 1, false));
    }
    if (at_root ? Below(3) != 0 : Below(8) == 0)
      object.Set("sensors", Below(4) == 0 ? Value(depth - 1, false) : Sensors(depth));
    return object;
  }

  uint64_t Below(uint64_t n) { return random_() % n; }

 private:
  Json Array(int depth) {
    Json array = Json::Array();
    for (uint64_t i = Below(3); i > 0 && depth > 0; --i) array.Append(Value(depth - 1, false));
    return array;
  }

  Json Sensors(int depth) {
    Json sensors = Json::Array();
    for (uint64_t i = Below(5); i > 0; --i) {
      Json sensor = depth > 1 ? Object(depth - 1, false) : Json::Object();
      if (Below(20) != 0) sensor.Set("id", Json::String(absl::StrCat("id", Below(4))));
      sensors.Append(std::move(sensor));
    }
    return sensors;
  }

  std::mt19937_64 random_;
};

TEST(ComposeOverlayTest, EqualsOnePatchAfterTheOther) {
  int series = 0;
  for (uint64_t seed = 1; seed <= 30000; ++seed) {
    RandomJson random(seed);
    const Json document = random.Value(4, true);
    Json step_by_step = document;
    Json overlay = random.Below(2) == 0 ? Json::Object() : Json::Array();
    if (overlay.is_object() && !document.is_object()) step_by_step = MergePatch(document, overlay);
    for (uint64_t i = 2 + random.Below(4); i > 0; --i) {
      const Json patch = random.Value(4, true);
      step_by_step = MergePatch(step_by_step, patch);
      overlay = ComposeOverlay(overlay, patch);
    }
    // The overlay survives being stored.
    const Json stored = ParseOrFail(Canonicalize(overlay));
    ASSERT_EQ(Canonicalize(MergePatch(document, stored)), Canonicalize(step_by_step)) << "seed " << seed << "\n"
                                                                                      << Canonicalize(document) << "\n"
                                                                                      << Canonicalize(overlay);
    series += overlay.is_array() ? 1 : 0;
  }
  EXPECT_GT(series, 1000);
}

TEST(ComposeOverlayTest, DoesNotGrowWithTheNumberOfPatches) {
  Json overlay = Json::Object();
  const Json five = ParseOrFail(R"({"a":5,"sensors":[{"id":"x","m":5}]})");
  const Json object = ParseOrFail(R"({"a":{"b":1},"sensors":[{"id":"x","m":{"n":1}}]})");
  for (int i = 0; i < 1000; ++i) overlay = ComposeOverlay(ComposeOverlay(overlay, five), object);
  EXPECT_LT(Canonicalize(overlay).size(), 200);
}

TEST(ComposeOverlayTest, IsReadBackAtItsDepth) {
  std::string deep = "1";
  for (int i = 0; i < 126; ++i) deep = "[" + deep + "]";
  const Json overlay = ComposeOverlay(ParseOrFail(R"({"a":5})"), ParseOrFail(R"({"a":{"b":)" + deep + "}}"));
  ASSERT_TRUE(overlay.is_array());
  EXPECT_FALSE(ParseJson(Canonicalize(overlay)).ok());
  EXPECT_TRUE(ParseJson(Canonicalize(overlay), kOverlayDepthMax).ok());
}

SampleValue RandomSampleValue(RandomJson* random) {
  switch (random->Below(3)) {
    case 0:
      return static_cast<double>(random->Below(1000)) / 10;
    case 1:
      return random->Below(2) == 0;
    default:
      return std::string("on \"air\"\n");
  }
}

LiveView RandomLiveView(RandomJson* random) {
  LiveView live;
  for (uint64_t i = random->Below(5); i > 0; --i) {
    live.sensors.push_back({absl::StrCat("id", random->Below(6)), RandomSampleValue(random),
                            static_cast<int64_t>(random->Below(2000000000)) * 1000000000});
  }
  if (random->Below(2) == 0) live.last_synced_unix_ns = 1710513000123000000;
  if (random->Below(2) == 0) live.connection_status = "active";
  if (random->Below(2) == 0) live.latency_ms = 12.5;
  if (random->Below(2) == 0) live.date_modified_unix_ns = 1710513000000000000;
  return live;
}

// Some or none of the members that live values replace, among neighbours before, between and after them.
Json RandomMembers(RandomJson* random, std::initializer_list<const char*> names) {
  Json object = Json::Object();
  for (const char* name : names) {
    if (random->Below(3) == 0) object.Set(name, random->Value(2, false));
  }
  return object;
}

TEST(DocumentTemplateTest, RendersWhatApplyLiveGives) {
  for (uint64_t seed = 1; seed <= 20000; ++seed) {
    RandomJson random(seed);
    Json definition = RandomMembers(&random, {"dateModified", "zz", "aa", "\U0001F600"});
    if (random.Below(4) != 0) {
      definition.Set("synchronization",
                     random.Below(5) == 0
                         ? random.Value(2, false)
                         : RandomMembers(&random, {"latency", "lastSynced", "aa", "connectionStatus", "lb", "zz"}));
    }
    Json& sensors = definition.Set("sensors", random.Below(9) == 0 ? random.Value(2, false) : Json::Array());
    for (uint64_t i = random.Below(5); i > 0 && sensors.is_array(); --i) {
      Json sensor = RandomMembers(&random, {"timestamp", "currentValue", "aa", "zz", "location"});
      if (random.Below(9) != 0) sensor.Set("id", Json::String(absl::StrCat("id", random.Below(4))));
      sensors.Append(random.Below(9) == 0 ? random.Value(2, false) : std::move(sensor));
    }
    if (random.Below(50) == 0) definition = random.Value(2, false);
    const LiveView live = RandomLiveView(&random);
    const DocumentTemplate form(definition);
    ASSERT_EQ(form.definition(), Canonicalize(definition)) << seed;
    ASSERT_EQ(form.definition_etag(), Sha256Hex(form.definition())) << seed;
    ASSERT_EQ(form.Render(live), Canonicalize(ApplyLive(definition, live))) << seed << "\n" << form.definition();
  }
}

TEST(DocumentTemplateTest, PutsLiveValuesIntoTheCompleteExample) {
  const DocumentTemplate form(ParseProfile("twin-complete.jsonld"));
  EXPECT_EQ(form.Render({}), ReadProfile("twin-complete.jcs.json"));
  LiveView live;
  live.sensors.push_back({"temp-1", 1.0, 0});
  live.sensors.push_back({"temp-1", 42.123456789, 1710513060250000000});
  live.sensors.push_back({"unknown", 1.0, 0});
  live.connection_status = "disconnected";
  const Json rendered = ParseOrFail(form.Render(live));
  const Json& sensor = rendered.Find("sensors")->elements()[0];
  EXPECT_EQ(sensor.Find("currentValue")->number(), 42.123456789);
  EXPECT_EQ(sensor.Find("timestamp")->string(), "2024-03-15T14:31:00.25Z");
  EXPECT_EQ(rendered.Find("synchronization")->Find("connectionStatus")->string(), "disconnected");
  EXPECT_EQ(rendered.Find("sensors")->elements().size(), 3);
}

TEST(ApplyLiveTest, SetsTheFirstSensorWithTheId) {
  LiveView live;
  live.sensors.push_back({"a", true, 0});
  EXPECT_EQ(Canonicalize(ApplyLive(ParseOrFail(R"({"sensors":[{"id":"b"},{"id":"a"},{"id":"a"}]})"), live)),
            R"({"sensors":[{"id":"b"},{"currentValue":true,"id":"a","timestamp":"1970-01-01T00:00:00Z"},{"id":"a"}]})");
}

TEST(ToTypedViewTest, ShowsTheCompleteExample) {
  mvmd::twin::v1alpha1::Twin view;
  ToTypedView(ParseProfile("twin-complete.jsonld"), &view);
  EXPECT_EQ(view.context().struct_value().fields().at("@vocab").string_value(), "https://schema.org/");
  EXPECT_THAT(view.types(), ElementsAre("DigitalDocument"));
  EXPECT_EQ(view.identifier().value(), "twin-2024-001");
  EXPECT_EQ(view.creators(0).url(), "https://example.com/digital-twins");
  EXPECT_EQ(view.subject_of().manufacturer().name(), "Industrial Robotics Inc.");
  EXPECT_EQ(view.subject_of().location().address().postal_code(), "12345");
  EXPECT_EQ(view.subject_of().location().geo().longitude(), -122.4194);
  EXPECT_EQ(view.associated_media(1).encoding_format(), "image/jpeg");
  EXPECT_EQ(view.synchronization().update_frequency().string_value(), "realtime");
  EXPECT_EQ(view.synchronization().latency(), 120);
  ASSERT_EQ(view.sensors_size(), 3);
  EXPECT_EQ(view.sensors(0).current_value().number_value(), 42.3);
  EXPECT_THAT(view.sensors(0).normal_range(), ElementsAre(30, 65));
  EXPECT_EQ(view.sensors(1).accuracy(), 0.1);
  EXPECT_FALSE(view.sensors(2).has_accuracy());
  EXPECT_EQ(view.data_storage().historical_data().sampling_rate(), "1m");
  EXPECT_EQ(view.data_storage().analytics().alert_thresholds().at("pressure"), 1700);
  EXPECT_THAT(view.data_storage().analytics().prediction_models(),
              ElementsAre("failure_prediction", "maintenance_scheduling"));
  EXPECT_EQ(view.maintenance().history(0).technician(), "J. Smith");
  EXPECT_EQ(view.maintenance().schedule().next_maintenance(), "2024-04-15");
  EXPECT_EQ(view.maintenance().predicted_issues(0).probability(), 0.23);
  EXPECT_EQ(view.performance().uptime(), "99.7%");
  EXPECT_EQ(view.performance().productivity(1).unit(), "seconds");
  EXPECT_EQ(view.performance().alerts(0).value().number_value(), 68.5);
}

TEST(ToTypedViewTest, LeavesOutWhatHasAnotherType) {
  mvmd::twin::v1alpha1::Twin view;
  view.set_name("before");
  ToTypedView(
      ParseOrFail(R"({"name":5,"@type":[1,"Dataset"],"sensors":[5,{"id":7,"normalRange":[1,"2"],"currentValue":{}}],
                              "subjectOf":[],"creator":"me","synchronization":{"latency":"1"}})"),
      &view);
  EXPECT_EQ(view.name(), "");
  EXPECT_THAT(view.types(), ElementsAre("Dataset"));
  ASSERT_EQ(view.sensors_size(), 1);
  EXPECT_EQ(view.sensors(0).normal_range_size(), 0);
  EXPECT_FALSE(view.sensors(0).has_current_value());
  EXPECT_FALSE(view.has_subject_of());
  EXPECT_EQ(view.creators_size(), 0);
  EXPECT_FALSE(view.synchronization().has_latency());
}

TEST(ToTypedViewTest, StaysWithinTheReadersRecursionLimit) {
  auto document = [](int depth) {
    std::string context = "1";
    for (int i = 1; i < depth; ++i) context = "{\"a\":" + context + "}";
    return ParseOrFail("{\"@context\":" + context + "}");
  };
  mvmd::twin::v1alpha1::Twin view;
  ToTypedView(document(kTypedValueDepthMax), &view);
  EXPECT_TRUE(view.has_context());
  mvmd::twin::v1alpha1::Twin read;
  EXPECT_TRUE(read.ParseFromString(view.SerializeAsString()));
  ToTypedView(document(kTypedValueDepthMax + 1), &view);
  EXPECT_FALSE(view.has_context());
}

}  // namespace
}  // namespace mvmd
