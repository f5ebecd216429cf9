#include "runtime/config.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "google/protobuf/struct.pb.h"
#include "gtest/gtest.h"
#include "mvmd/twin/v1alpha1/block.pb.h"
#include "mvmd/twin/v1alpha1/config.pb.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Lines of all errors.
std::vector<std::string> ErrorsOf(absl::string_view yaml) {
  pb::BridgeConfig config;
  ConfigErrors errors;
  ParseYamlConfig(yaml, "b.yaml", &config, &errors);
  if (errors.ok()) return {};
  return absl::StrSplit(errors.ToString(), '\n');
}

TEST(YamlConfigTest, FillsEveryKindOfField) {
  pb::BridgeConfig config;
  ASSERT_EQ(ParseYamlConfig(R"(# a bridge
mqtt:
  host: localhost
  port: 8883
  version: 5
  username: yes
  keepalive: 1h30m
  max_payload_bytes: 64KiB
  tls: {ca_file: ca.crt}
uplink:
  linger: 0
  compression_level: -3
  max_message_bytes: 1000
twins:
  - id: "twin-1"
    document_file: twin.jsonld
  - {id: twin-2}
routes:
  - topic: plant/{cell}/#
    qos: 1
    json:
      readings:
        - {value: /v}
        - value: /w
  - topic: x
    scalar: {}
)",
                            "b.yaml", &config),
            absl::OkStatus());
  EXPECT_EQ(config.mqtt().port(), 8883U);
  EXPECT_EQ(config.mqtt().version(), "5");
  EXPECT_EQ(config.mqtt().username(), "yes");
  EXPECT_EQ(ToAbslDuration(config.mqtt().keepalive()), absl::Minutes(90));
  EXPECT_EQ(config.mqtt().max_payload_bytes(), 65536U);
  EXPECT_EQ(config.mqtt().tls().ca_file(), "ca.crt");
  EXPECT_TRUE(config.uplink().has_linger());
  EXPECT_FALSE(config.uplink().has_stall_timeout());
  EXPECT_EQ(config.uplink().compression_level(), -3);
  EXPECT_EQ(config.uplink().max_message_bytes(), 1000U);
  EXPECT_EQ(config.twins(1).id(), "twin-2");
  EXPECT_EQ(config.routes(0).json().readings(1).value(), "/w");
  EXPECT_TRUE(config.routes(1).has_scalar());
}

TEST(YamlConfigTest, EmptyFileIsAllDefaults) {
  EXPECT_THAT(ErrorsOf(""), ElementsAre());
  EXPECT_THAT(ErrorsOf("# nothing\n"), ElementsAre());
  EXPECT_THAT(ErrorsOf("---\n"), ElementsAre());
  EXPECT_THAT(ErrorsOf("{}"), ElementsAre());
}

TEST(YamlConfigTest, CollectsAllErrorsWithTheirLines) {
  EXPECT_THAT(
      ErrorsOf(R"(mqtt:
  port: 70000000000
  hots: localhost
uplink:
  linger: soon
  max_message_bytes: 1 GiB
  tls: nothing
twins:
  id: a
)"),
      ElementsAre("b.yaml:2: mqtt.port: expected a number from 0 to 4294967295, got \"70000000000\"",
                  "b.yaml:3: mqtt: unknown key \"hots\", did you mean host?",
                  "b.yaml:5: uplink.linger: expected a duration such as 50ms, got \"soon\"",
                  "b.yaml:6: uplink.max_message_bytes: expected a size in bytes such as 65536 or 64KiB, got \"1 GiB\"",
                  "b.yaml:7: uplink.tls: expected a mapping, got \"nothing\"",
                  "b.yaml:9: twins: expected a sequence, got a mapping"));
}

TEST(YamlConfigTest, KeepsWhatIsRight) {
  pb::BridgeConfig config;
  ConfigErrors errors;
  EXPECT_FALSE(ParseYamlConfig("mqtt: {host: a, port: x}\noutbox: {path: p}\n", "b.yaml", &config, &errors));
  EXPECT_EQ(config.mqtt().host(), "a");
  EXPECT_EQ(config.outbox().path(), "p");
}

TEST(YamlConfigTest, RefusesWhatDoesNotFit) {
  struct Case {
    const char* yaml;
    const char* error;
  };
  const Case cases[] = {
      {"mqtt: {port: -1}", "b.yaml:1: mqtt.port: expected a number from 0 to 4294967295, got \"-1\""},
      {"mqtt: {port: 0x10}", "got \"0x10\""},
      {"mqtt: {port: 010}", "got \"010\""},
      {"mqtt: {port: 1.5}", "got \"1.5\""},
      {"mqtt: {port: }", "got nothing"},
      {"mqtt: {port: [1]}", "got a sequence"},
      {"mqtt: {host: {a: b}}", "b.yaml:1: mqtt.host: expected a text, got a mapping"},
      {"mqtt: {host: ~}", "b.yaml:1: mqtt.host: expected a text, got nothing"},
      {"mqtt:\n", "b.yaml:1: mqtt: expected a mapping ({} for all defaults), got nothing"},
      {"mqtt: {keepalive: -1s}", "expected a duration such as 50ms, got \"-1s\""},
      {"mqtt: {keepalive: 10}", "got \"10\""},
      {"mqtt: {max_payload_bytes: -1}", "got \"-1\""},
      {"mqtt: {max_payload_bytes: 99999999999TiB}", "expected a size in bytes"},
      {"mqtt: {host: a, host: b}", "b.yaml:1: mqtt.host: duplicate key, first on line 1"},
      {"mqtt: {host: a}\nmqtt: {host: b}", "b.yaml:2: mqtt: duplicate key, first on line 1"},
      {"routes:\n  - json: {}\n    scalar: {}",
       "b.yaml:3: routes[0].scalar: expected one decoder only, got this beside json"},
      {"routes: [{topic: x}, y]", "b.yaml:1: routes[1]: expected a mapping, got \"y\""},
      {"mqtt: {clientId: x}", "mqtt: unknown key \"clientId\", did you mean client_id?"},
      {"mqtt: {client-id: x}", "did you mean client_id?"},
      {"outbox: {frobnicate: 1}", "outbox: unknown key \"frobnicate\", expected one of path, max_bytes"},
      {"[1, 2]: x", "expected a key, got a sequence"},
      {"- a", "b.yaml:1: expected a mapping, got a sequence"},
      {"just text", "b.yaml:1: expected a mapping, got \"just text\""},
      {"mqtt: &a {host: x}", "got an anchor"},
      {"mqtt: &a {host: x}\nops: *a", "b.yaml:2: expected a value, got an alias"},
      {"mqtt: {host: !!str x}", "got the tag"},
      {"mqtt: {<<: {host: x}}", "unknown key \"<<\""},
      {"mqtt: {}\n---\nmqtt: {}", "expected one document"},
      {"mqtt: [", "b.yaml:1: not YAML"},
      {"mqtt: {host: \"x}", "not YAML"},
      {"\tmqtt: x", "not YAML"},
      {"a: *unknown", "not YAML"},
  };
  for (const Case& c : cases) {
    const std::vector<std::string> errors = ErrorsOf(c.yaml);
    ASSERT_FALSE(errors.empty()) << c.yaml;
    EXPECT_THAT(absl::StrCat(errors[0], errors.size() > 1 ? errors[1] : ""), HasSubstr(c.error)) << c.yaml;
  }
}

TEST(YamlConfigTest, ReadsEnumsNumbersAndBooleans) {
  pb::FrameGroup group;
  EXPECT_EQ(ParseYamlConfig("{codec: zstd, lane: LANE_LIVE}", "g", &group), absl::OkStatus());
  EXPECT_EQ(group.codec(), pb::CODEC_ZSTD);
  EXPECT_EQ(group.lane(), pb::LANE_LIVE);
  EXPECT_EQ(ParseYamlConfig("codec: gzip", "g", &group).message(),
            "g:1: codec: expected one of identity, zstd, got \"gzip\"");

  pb::Block block;
  EXPECT_EQ(ParseYamlConfig("{doubles: [1, -2.5e3], booleans: [true, false], base_time: -9, texts: [a]}", "g", &block),
            absl::OkStatus());
  EXPECT_THAT(block.doubles(), ElementsAre(1, -2500));
  EXPECT_THAT(block.booleans(), ElementsAre(true, false));
  EXPECT_EQ(block.base_time(), -9);
  for (const char* bad : {"doubles: [nan]", "doubles: [inf]", "doubles: [0x1p3]", "doubles: [1e999]", "booleans: [yes]",
                          "booleans: [1]", "base_time: 9223372036854775808", "doubles: ['']"}) {
    EXPECT_FALSE(ParseYamlConfig(bad, "g", &block).ok()) << bad;
  }
}

TEST(YamlConfigTest, IsBoundedInSizeDepthAndErrors) {
  EXPECT_THAT(ErrorsOf(std::string(kConfigBytesMax + 1, '#')),
              ElementsAre(HasSubstr("expected at most 1048576 bytes")));
  EXPECT_THAT(ErrorsOf(std::string(100'000, '[')), ElementsAre(HasSubstr("not YAML")));
  std::string many = "mqtt:\n";
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&many, "  unknown", i, ": x\n");
  const std::vector<std::string> errors = ErrorsOf(many);
  EXPECT_EQ(errors.size(), 101U);
  EXPECT_THAT(errors.back(), HasSubstr("more errors are not shown"));
}

TEST(ConfigErrorsTest, ChecksOfMeaningGetTheLinesOfTheirKeys) {
  pb::BridgeConfig config;
  ConfigErrors errors;
  ASSERT_TRUE(ParseYamlConfig("mqtt:\n  host: x\n  port: 0\nroutes:\n  - topic: a\n  - topic: b\n", "b.yaml", &config,
                              &errors));
  errors.Add("routes[1].topic", "overlaps");
  errors.Add("routes[1].twin", "missing");
  errors.Add("mqtt.port", "expected 1 to 65535, got 0");
  errors.Add("uplink.target", "missing");
  EXPECT_FALSE(errors.ok());
  EXPECT_TRUE(errors.Has("mqtt.port"));
  EXPECT_TRUE(errors.Has("mqtt"));
  EXPECT_TRUE(errors.Has("routes"));
  EXPECT_FALSE(errors.Has("mqtt.host"));
  EXPECT_FALSE(errors.Has("mqt"));
  EXPECT_EQ(errors.ToString(),
            "b.yaml:3: mqtt.port: expected 1 to 65535, got 0\n"
            "b.yaml:6: routes[1].topic: overlaps\n"
            "b.yaml:6: routes[1].twin: missing\n"
            "b.yaml: uplink.target: missing");
  EXPECT_EQ(errors.ToStatus().code(), absl::StatusCode::kInvalidArgument);
}

TEST(LoadYamlConfigTest, NamesFilesThatCannotBeRead) {
  pb::BridgeConfig config;
  const absl::Status missing = LoadYamlConfig("/nonexistent/b.yaml", &config);
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()),
              HasSubstr("/nonexistent/b.yaml: expected a readable file, got: No such file"));
  EXPECT_THAT(std::string(LoadYamlConfig("/tmp", &config).message()), HasSubstr("/tmp: expected a regular file"));
  ConfigErrors errors;
  EXPECT_FALSE(LoadYamlConfig("/nonexistent/b.yaml", &config, &errors));
  EXPECT_THAT(errors.ToString(), HasSubstr("/nonexistent/b.yaml: expected a readable file"));
}

TEST(LoadYamlConfigTest, ReadsAFile) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/config_test.", getpid(), ".yaml");
  std::ofstream(path) << "ops: {address: off}\n";
  pb::BridgeConfig config;
  EXPECT_EQ(LoadYamlConfig(path, &config), absl::OkStatus());
  EXPECT_EQ(config.ops().address(), "off");
  std::filesystem::remove(path);
}

TEST(ResolvePathTest, IsRelativeToTheConfigsFolder) {
  EXPECT_EQ(ResolvePath("/etc/mvmd/bridge.yaml", "ca.crt"), "/etc/mvmd/ca.crt");
  EXPECT_EQ(ResolvePath("/etc/mvmd/bridge.yaml", "/x/ca.crt"), "/x/ca.crt");
  EXPECT_EQ(ResolvePath("conf/bridge.yaml", "../ca.crt"), "conf/../ca.crt");
  EXPECT_EQ(ResolvePath("bridge.yaml", "ca.crt"), "ca.crt");
  EXPECT_EQ(ResolvePath("/bridge.yaml", "ca.crt"), "/ca.crt");
  EXPECT_EQ(ResolvePath("/etc/bridge.yaml", ""), "");
}

TEST(ParseConfigDurationTest, Reads) {
  const std::pair<const char*, absl::Duration> cases[] = {
      {"0", absl::ZeroDuration()},
      {"0s", absl::ZeroDuration()},
      {"50ms", absl::Milliseconds(50)},
      {"1h30m", absl::Minutes(90)},
      {"2.5s", absl::Milliseconds(2500)},
      {"7d", absl::Hours(168)},
      {"1us", absl::Microseconds(1)},
      {"3ns", absl::Nanoseconds(3)},
      {"1d2h3m4s5ms", absl::Hours(26) + absl::Minutes(3) + absl::Seconds(4) + absl::Milliseconds(5)}};
  for (const auto& [text, expected] : cases) {
    absl::Duration duration;
    EXPECT_TRUE(ParseConfigDuration(text, &duration)) << text;
    EXPECT_EQ(duration, expected) << text;
  }
  for (const char* bad : {"", "s", "1", "-1s", "+1s", "1 s", "1S", "1sec", "30m1h", "1s1s", "1.s", ".5s", "1..5s",
                          "1e3s", "inf", "99999999999999999999s", "40000d", "1s2", "0x1s"}) {
    absl::Duration duration;
    EXPECT_FALSE(ParseConfigDuration(bad, &duration)) << bad;
  }
}

TEST(ParseConfigBytesTest, Reads) {
  const std::pair<const char*, uint64_t> cases[] = {{"0", 0},
                                                    {"65536", 65536},
                                                    {"5B", 5},
                                                    {"1KB", 1000},
                                                    {"64KiB", 65536},
                                                    {"1GiB", 1U << 30},
                                                    {"2TiB", uint64_t{2} << 40},
                                                    {"18446744073709551615", UINT64_MAX}};
  for (const auto& [text, expected] : cases) {
    uint64_t bytes = 0;
    EXPECT_TRUE(ParseConfigBytes(text, &bytes)) << text;
    EXPECT_EQ(bytes, expected) << text;
  }
  for (const char* bad :
       {"", "KiB", "-1", "1.5MiB", "1 KiB", "1kib", "1K", "18446744073709551616", "16777216TiB", "01"}) {
    uint64_t bytes = 0;
    EXPECT_FALSE(ParseConfigBytes(bad, &bytes)) << bad;
  }
}

TEST(ParseHostPortTest, Reads) {
  std::string host;
  int port = -1;
  EXPECT_TRUE(ParseHostPort("127.0.0.1:9464", &host, &port));
  EXPECT_EQ(host, "127.0.0.1");
  EXPECT_EQ(port, 9464);
  EXPECT_TRUE(ParseHostPort("[::1]:0", &host, &port));
  EXPECT_EQ(host, "::1");
  EXPECT_TRUE(ParseHostPort(":1", &host, &port));
  EXPECT_EQ(host, "");
  for (const char* bad :
       {"", "x", "x:", "x:y", "x:65536", "x:-1", "::1:5", "[x]:1", "[]:1", "a b:1", "x/y:1", "x:01"}) {
    EXPECT_FALSE(ParseHostPort(bad, &host, &port)) << bad;
  }
}

TEST(ProtoDurationTest, RoundTrips) {
  for (const absl::Duration d :
       {absl::ZeroDuration(), absl::Nanoseconds(1), absl::Milliseconds(1500), absl::Hours(24)}) {
    EXPECT_EQ(ToAbslDuration(ToProtoDuration(d)), d);
  }
}

}  // namespace
}  // namespace mvmd
