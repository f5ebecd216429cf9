#include "gateway/gateway_config.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using ::testing::HasSubstr;

constexpr char kMinimal[] = R"(
tls: {ca_file: ca.crt, certificate_file: gateway.crt, key_file: /keys/gateway.key}
policy_file: policy.yaml
store: {path: data}
)";

ConfigErrors Complete(const std::string& yaml, pb::GatewayConfig* config) {
  ConfigErrors errors;
  ParseYamlConfig(yaml, "/etc/mvmd/gateway.yaml", config, &errors);
  CompleteGatewayConfig("/etc/mvmd/gateway.yaml", config, &errors);
  return errors;
}

TEST(GatewayConfigTest, CompletesAMinimalOne) {
  pb::GatewayConfig config;
  const ConfigErrors errors = Complete(kMinimal, &config);
  EXPECT_TRUE(errors.ok()) << errors.ToString();
  EXPECT_EQ(config.listen(), "127.0.0.1:7443");
  EXPECT_EQ(config.tls().ca_file(), "/etc/mvmd/ca.crt");
  EXPECT_EQ(config.tls().key_file(), "/keys/gateway.key");
  EXPECT_EQ(config.tls().crl_file(), "");
  EXPECT_EQ(config.policy_file(), "/etc/mvmd/policy.yaml");
  EXPECT_EQ(config.store().path(), "/etc/mvmd/data");
  EXPECT_EQ(ToAbslDuration(config.store().checkpoint_interval()), absl::Seconds(10));
  EXPECT_EQ(ToAbslDuration(config.store().log_retention()), absl::Hours(168));
  EXPECT_EQ(config.sync().max_frame_bytes(), 1u << 20);
  EXPECT_EQ(config.sync().max_document_bytes(), 8u << 20);
  EXPECT_EQ(config.sync().credit_bytes(), 4u << 20);
  EXPECT_EQ(ToAbslDuration(config.sync().commit_linger()), absl::Seconds(1));
  EXPECT_EQ(config.sync().max_pending_bytes(), 64u << 20);
  EXPECT_EQ(config.sync().max_sessions(), 1000u);
  EXPECT_EQ(config.watch().max_watches(), 1000u);
  EXPECT_EQ(config.watch().recent_bytes(), 64u << 20);
  EXPECT_EQ(config.linked_data().max_document_bytes(), 128u << 10);
  EXPECT_EQ(config.ops().address(), "127.0.0.1:9464");
  EXPECT_EQ(ToAbslDuration(config.drain_timeout()), absl::Seconds(10));
  EXPECT_FALSE(config.reflection());
  EXPECT_EQ(config.validation().mode(), "enforce");
}

TEST(GatewayConfigTest, ChecksThePolicyOfValidation) {
  pb::GatewayConfig config;
  EXPECT_TRUE(
      Complete(std::string(kMinimal) + "validation: {mode: off, overrides: [{prefix: a, mode: warn}]}\n", &config)
          .ok());
  EXPECT_EQ(config.validation().mode(), "off");
  config.Clear();
  EXPECT_TRUE(Complete(std::string(kMinimal) + "validation: {mode: lax}\n", &config).Has("validation.mode"));
}

TEST(GatewayConfigTest, KeepsWhatIsSet) {
  pb::GatewayConfig config;
  const ConfigErrors errors = Complete(std::string(kMinimal) + R"(
listen: "[::]:8443"
sync: {commit_linger: 0, credit_bytes: 2MiB, max_sessions: 5}
linked_data: {max_document_bytes: 64KiB}
ops: {address: "off"}
drain_timeout: 2s
reflection: true
log: {level: debug, format: json}
)",
                                       &config);
  EXPECT_TRUE(errors.ok()) << errors.ToString();
  EXPECT_EQ(config.listen(), "[::]:8443");
  EXPECT_EQ(ToAbslDuration(config.sync().commit_linger()), absl::ZeroDuration());
  EXPECT_EQ(config.sync().credit_bytes(), 2u << 20);
  EXPECT_EQ(config.linked_data().max_document_bytes(), 64u << 10);
  EXPECT_EQ(config.ops().address(), "off");
  EXPECT_TRUE(config.reflection());
}

TEST(GatewayConfigTest, NamesEverythingThatIsMissing) {
  pb::GatewayConfig config;
  const ConfigErrors errors = Complete("listen: 127.0.0.1:1\n", &config);
  for (const char* path : {"tls.ca_file", "tls.certificate_file", "tls.key_file", "policy_file", "store.path"}) {
    EXPECT_TRUE(errors.Has(path)) << path;
  }
  EXPECT_EQ(errors.errors().size(), 5u);
}

struct BadValue {
  const char* name;
  const char* yaml;
  const char* path;
  const char* message;
};

class GatewayConfigValueTest : public ::testing::TestWithParam<BadValue> {};

TEST_P(GatewayConfigValueTest, IsRefusedWithItsPath) {
  pb::GatewayConfig config;
  const ConfigErrors errors = Complete(std::string(kMinimal) + GetParam().yaml, &config);
  ASSERT_EQ(errors.errors().size(), 1u) << errors.ToString();
  EXPECT_EQ(errors.errors()[0].path, GetParam().path);
  EXPECT_THAT(errors.errors()[0].message, HasSubstr(GetParam().message));
  EXPECT_GT(errors.errors()[0].line, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Values, GatewayConfigValueTest,
    ::testing::Values(
        BadValue{"Listen", "listen: gateway\n", "listen", "expected host:port"},
        BadValue{"ListenEverywhere", "listen: \":7443\"\n", "listen", "expected host:port"},
        BadValue{"Ops", "ops: {address: 9464}\n", "ops.address", "expected host:port"},
        BadValue{"Frame", "sync: {max_frame_bytes: 9MiB, credit_bytes: 64MiB}\n", "sync.max_frame_bytes", "8388608"},
        BadValue{"SmallFrame", "sync: {max_frame_bytes: 1}\n", "sync.max_frame_bytes", "expected 4096"},
        BadValue{"Document", "sync: {max_document_bytes: 1GiB}\n", "sync.max_document_bytes", "expected"},
        BadValue{"CreditBelowFrame", "sync: {credit_bytes: 64KiB}\n", "sync.credit_bytes", "max_frame_bytes"},
        BadValue{"Linger", "sync: {commit_linger: 1m}\n", "sync.commit_linger", "expected 0 to 5s, got 1m"},
        BadValue{"Pending", "sync: {max_pending_bytes: 1KiB}\n", "sync.max_pending_bytes", "expected"},
        BadValue{"Sessions", "sync: {max_sessions: 1000000}\n", "sync.max_sessions", "expected 1 to 100000"},
        BadValue{"Watches", "watch: {max_watches: 1000000}\n", "watch.max_watches", "expected 1 to 100000"},
        BadValue{"Recent", "watch: {recent_bytes: 1KiB}\n", "watch.recent_bytes", "expected"},
        BadValue{"Drain", "drain_timeout: 1h\n", "drain_timeout", "expected 100ms to 10m"},
        BadValue{"Level", "log: {level: loud}\n", "log.level", "expected debug, info, warning or error"},
        BadValue{"Format", "log: {format: xml}\n", "log.format", "expected text or json"},
        BadValue{"UnknownKey", "listn: x\n", "", "listen"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(GatewayConfigTest, GoesOnCheckingWhenOneKeyIsUnknown) {
  pb::GatewayConfig config;
  const ConfigErrors errors = Complete(std::string(kMinimal) + "listn: x\ndrain_timeout: 1h\n", &config);
  EXPECT_EQ(errors.errors().size(), 2u) << errors.ToString();
}

TEST(GatewayConfigTest, ReportsAFileThatIsNotThereOnce) {
  pb::GatewayConfig config;
  ConfigErrors errors;
  ReadGatewayConfig("/nonexistent/gateway.yaml", &config, &errors);
  CheckGatewayFiles(config, &errors);
  EXPECT_EQ(errors.errors().size(), 1u) << errors.ToString();
}

TEST(GatewayConfigTest, ReportsFilesThatCannotBeRead) {
  pb::GatewayConfig config;
  ConfigErrors errors = Complete(kMinimal, &config);
  CheckGatewayFiles(config, &errors);
  EXPECT_TRUE(errors.Has("tls")) << errors.ToString();
  EXPECT_TRUE(errors.Has("policy_file")) << errors.ToString();
}

}  // namespace
}  // namespace mvmd
