#include "bridge/bridge_config.h"

#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/bridge/test_dir.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr char kMinimal[] = R"(
mqtt: {host: localhost, client_id: bridge-1}
outbox: {path: outbox.db}
uplink: {target: "gateway:7443", tls: {ca_file: a, certificate_file: b, key_file: c}}
routes:
  - {topic: "plant/{machine}/{sensor}", twin: "{machine}", sensor: "{sensor}"}
)";

std::vector<std::string> PathsOf(const ConfigErrors& errors) {
  std::vector<std::string> paths;
  for (const ConfigError& error : errors.errors()) paths.push_back(error.path);
  return paths;
}

// Form and meaning, no files.
ConfigErrors Check(const std::string& yaml, pb::BridgeConfig* config = nullptr) {
  pb::BridgeConfig own;
  if (config == nullptr) config = &own;
  ConfigErrors errors;
  ParseYamlConfig(yaml, "bridge.yaml", config, &errors);
  SetBridgeDefaults(config);
  CheckBridgeConfig(*config, &errors);
  return errors;
}

TEST(BridgeConfigTest, FillsInDefaults) {
  pb::BridgeConfig config;
  const ConfigErrors errors = Check(kMinimal, &config);
  EXPECT_TRUE(errors.ok()) << errors.ToString();
  EXPECT_EQ(config.mqtt().port(), 1883u);
  EXPECT_EQ(config.mqtt().version(), "3.1.1");
  EXPECT_EQ(ToAbslDuration(config.uplink().linger()), absl::Milliseconds(50));
  EXPECT_EQ(ToAbslDuration(config.uplink().stall_timeout()), absl::Seconds(10));
  EXPECT_EQ(config.outbox().max_bytes(), uint64_t{1} << 30);
  EXPECT_EQ(config.routes(0).qos(), 1u);
  EXPECT_EQ(config.routes(0).retained(), "ignore");
  EXPECT_EQ(config.routes(0).decoder_case(), pb::Route::kJson);
  EXPECT_EQ(config.ops().address(), "127.0.0.1:9465");
}

TEST(BridgeConfigTest, KeepsWhatIsSet) {
  pb::BridgeConfig config;
  const std::string yaml =
      absl::StrCat(kMinimal, "  - {topic: a, twin: t, sensor: s, qos: 0, scalar: {type: number}}\n");
  std::string zero = yaml;
  zero.replace(zero.find("target:"), 0, "linger: 0s, ");
  const ConfigErrors errors = Check(zero, &config);
  EXPECT_TRUE(errors.ok()) << errors.ToString();
  EXPECT_EQ(ToAbslDuration(config.uplink().linger()), absl::ZeroDuration());
  EXPECT_EQ(config.outbox().when_full(), "block");
  EXPECT_EQ(config.routes(1).qos(), 0u);
  EXPECT_EQ(config.routes(1).decoder_case(), pb::Route::kScalar);
}

TEST(BridgeConfigTest, NamesEverythingThatIsMissing) {
  EXPECT_THAT(PathsOf(Check("{}")), UnorderedElementsAre("mqtt.host", "mqtt.client_id", "outbox.path", "uplink.target",
                                                         "uplink.tls", "routes"));
}

TEST(BridgeConfigTest, NamesEverythingThatIsWrong) {
  const std::string yaml = R"(
mqtt: {host: h, client_id: c, port: 70000, version: "4", keepalive: 1s, password_file: p, max_payload_bytes: 1GiB,
       reconnect_delay_min: 2s, reconnect_delay_max: 1s, tls: {crl_file: x}}
outbox: {path: o, max_bytes: 10, when_full: stop, max_age: 1s, reserve_bytes: 1}
uplink: {target: gateway, tls: {ca_file: a}, linger: 1h, max_message_bytes: 1, stall_timeout: 1ms,
         compression_level: 20, report_interval: 1ms, backfill_bytes_per_second: 1}
ops: {address: ":9465"}
log: {level: loud, format: xml}
routes:
  - {topic: "a/{m}", twin: "{x}", sensor: "", qos: 2, retained: sometimes}
  - {topic: "a/#/b", twin: t, sensor: s, qos: 7}
  - {topic: a, twin: t, sensor: s, json: {time_format: iso}}
  - {topic: a, twin: t, sensor: s, json: {readings: [{value: x}]}}
  - {topic: a, twin: t, sensor: s, scalar: {type: integer}}
)";
  EXPECT_THAT(
      PathsOf(Check(yaml)),
      UnorderedElementsAre(
          "mqtt.port", "mqtt.version", "mqtt.keepalive", "mqtt.username", "mqtt.max_payload_bytes",
          "mqtt.reconnect_delay_max", "mqtt.tls.crl_file", "mqtt.tls.ca_file", "outbox.max_bytes", "outbox.when_full",
          "outbox.max_age", "outbox.reserve_bytes", "uplink.backfill_bytes_per_second", "uplink.target",
          "uplink.linger", "uplink.max_message_bytes", "uplink.stall_timeout", "uplink.compression_level",
          "uplink.report_interval", "ops.address", "log.level", "log.format", "routes[0].twin", "routes[0].sensor",
          "routes[0].qos", "routes[0].retained", "routes[1].topic", "routes[1].qos", "routes[2].json.time_format",
          "routes[3].json.readings[0].value", "routes[4].scalar.type"));
}

TEST(BridgeConfigTest, RefusesUnknownKeys) {
  EXPECT_THAT(Check(absl::StrCat(kMinimal, "outbux: {}\n")).ToString(), HasSubstr("unknown key \"outbux\""));
}

class BridgeSetupTest : public ::testing::Test {
 protected:
  std::vector<std::string> Load(const std::string& more) {
    errors_ = ConfigErrors();
    setup_ = LoadBridgeSetup(dir_.Write("bridge.yaml", absl::StrCat(kMinimal, more)), &errors_);
    std::vector<std::string> paths;
    for (const std::string& path : PathsOf(errors_)) {
      if (path != "uplink.tls") paths.push_back(path);  // there are no certificates here
    }
    return paths;
  }
  std::string Messages() { return errors_.ToString(); }

  TestDir dir_;
  ConfigErrors errors_;
  std::unique_ptr<BridgeSetup> setup_;
};

TEST_F(BridgeSetupTest, ResolvesFiles) {
  EXPECT_THAT(Load(""), IsEmpty()) << Messages();
  EXPECT_EQ(setup_->config.outbox().path(), dir_.File("outbox.db"));
  EXPECT_THAT(Messages(), HasSubstr("uplink.tls"));
}

TEST_F(BridgeSetupTest, ChecksDocuments) {
  dir_.Write("broken.json", "{\"a\":1,}");
  dir_.Write("empty.json", "{}");
  EXPECT_THAT(Load(R"(
twins:
  - {id: a, document_file: broken.json}
  - {id: b, document_file: empty.json}
  - {id: c, document_file: nowhere.json}
  - {id: d}
  - {id: d}
  - {document_file: empty.json}
)"),
              UnorderedElementsAre("twins[0].document_file", "twins[1].document_file", "twins[2].document_file",
                                   "twins[4].id", "twins[5].id"));
  EXPECT_THAT(Messages(), HasSubstr("not I-JSON"));
  EXPECT_THAT(Messages(), HasSubstr("breaks"));
}

TEST_F(BridgeSetupTest, LeavesRulesToTheGatewayWhereItIsToldTo) {
  dir_.Write("broken.json", "{\"a\":1,}");
  dir_.Write("other.json", R"({"identifier":{"value":"x"}})");
  dir_.Write("invalid.json", R"({"identifier":{"value":"c"},"sensors":[{"id":"s","unit":7}]})");
  EXPECT_THAT(Load(R"(
twins:
  - {id: a, document_file: broken.json, validation: off}
  - {id: b, document_file: other.json, validation: off}
  - {id: c, document_file: invalid.json, validation: off}
  - {id: d, validation: lax}
  - {id: e, validation: enforce}
)"),
              UnorderedElementsAre("twins[0].document_file", "twins[1].document_file", "twins[3].validation"));
  const LocalTwin* twin = setup_->catalog.Find("c");
  ASSERT_NE(twin, nullptr) << Messages();
  EXPECT_TRUE(twin->has_document);
  EXPECT_EQ(twin->sensors.count("s"), 1u);
}

TEST_F(BridgeSetupTest, ChecksNamesAgainstDocuments) {
  const std::string complete = std::string(MVMD_TEST_DATA) + "/profile/twin-complete.jsonld";
  const std::string twins = absl::StrCat("twins:\n  - {id: twin-2024-001, document_file: ", complete, "}\n");
  Load(twins);
  if (setup_->catalog.ids().empty()) GTEST_FAIL() << Messages();
  const std::string id = setup_->catalog.ids()[0];
  EXPECT_THAT(Load(absl::StrCat("  - {topic: a, twin: nobody, sensor: s}\n  - {topic: b, twin: ", id,
                                ", sensor: nothing}\n", twins)),
              UnorderedElementsAre("routes[1].twin", "routes[2].sensor"));
}

TEST_F(BridgeSetupTest, ReadsThePassword) {
  const std::string path = dir_.Write("password", "secret\nsecond line\n");
  std::string yaml = kMinimal;
  yaml.replace(yaml.find("client_id"), 0, "username: u, password_file: password, ");
  chmod(path.c_str(), 0644);
  ConfigErrors errors;
  LoadBridgeSetup(dir_.Write("b.yaml", yaml), &errors);
  EXPECT_TRUE(errors.Has("mqtt.password_file"));
  EXPECT_THAT(errors.ToString(), HasSubstr("chmod 600"));
  EXPECT_THAT(errors.ToString(), ::testing::Not(HasSubstr("secret")));
  chmod(path.c_str(), 0600);
  ConfigErrors none;
  EXPECT_EQ(LoadBridgeSetup(dir_.File("b.yaml"), &none)->mqtt_password, "secret");
  EXPECT_FALSE(none.Has("mqtt.password_file"));
}

TEST_F(BridgeSetupTest, RefusesAFolderThatIsNotThere) {
  std::string yaml = kMinimal;
  yaml.replace(yaml.find("outbox.db"), 9, "nowhere/outbox.db");
  ConfigErrors errors;
  LoadBridgeSetup(dir_.Write("b.yaml", yaml), &errors);
  EXPECT_TRUE(errors.Has("outbox.path"));
}

}  // namespace
}  // namespace mvmd
