#include "bridge/bridge_config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bridge/decoder.h"
#include "bridge/topic_pattern.h"
#include "certs/tls_files.h"
#include "runtime/log.h"
#include "runtime/ops_server.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr size_t kPasswordBytesMax = 65535;  // MQTT 3.1.1, section 3.1.3.5

void CheckDuration(absl::string_view path, const google::protobuf::Duration& value, absl::Duration min,
                   absl::Duration max, ConfigErrors* errors) {
  if (errors->Has(path)) return;
  const absl::Duration duration = ToAbslDuration(value);
  if (duration < min || duration > max) {
    errors->Add(path, absl::StrCat("expected ", absl::FormatDuration(min), " to ", absl::FormatDuration(max), ", got ",
                                   absl::FormatDuration(duration)));
  }
}

template <typename Number>
void CheckNumber(absl::string_view path, Number value, Number min, Number max, absl::string_view unit,
                 ConfigErrors* errors) {
  if (errors->Has(path)) return;
  if (value < min || value > max) {
    errors->Add(path, absl::StrCat("expected ", min, " to ", max, unit, ", got ", value));
  }
}

void CheckMqtt(const pb::MqttConfig& mqtt, ConfigErrors* errors) {
  if (mqtt.host().empty()) errors->Add("mqtt.host", "expected the broker's host name or address, got nothing");
  CheckNumber<uint64_t>("mqtt.port", mqtt.port(), 1, 65535, "", errors);
  if (mqtt.client_id().empty()) {
    errors->Add("mqtt.client_id",
                "expected a name for the persistent session that no other client of the broker has, got nothing");
  } else if (mqtt.client_id().size() > 256) {
    errors->Add("mqtt.client_id", absl::StrCat("expected at most 256 bytes, got ", mqtt.client_id().size()));
  }
  if (mqtt.version() != "3.1.1" && mqtt.version() != "5") {
    errors->Add("mqtt.version", absl::StrCat("expected `3.1.1` or `5`, got `", mqtt.version(), "`"));
  }
  if (!mqtt.tls().crl_file().empty()) {
    errors->Add("mqtt.tls.crl_file", "expected nothing: the MQTT client library checks no revocation lists");
  }
  if (mqtt.tls().has_crl_max_age()) {
    errors->Add("mqtt.tls.crl_max_age", "expected nothing: the MQTT client library checks no revocation lists");
  }
  if (mqtt.has_tls() && mqtt.tls().ca_file().empty()) {
    errors->Add("mqtt.tls.ca_file", "expected the roots that the broker's certificate leads to, got nothing");
  }
  if (!mqtt.password_file().empty() && mqtt.username().empty()) {
    errors->Add("mqtt.username", "expected a user name beside `password_file`, got nothing");
  }
  // libmosquitto takes whole seconds from 5 on.
  CheckDuration("mqtt.keepalive", mqtt.keepalive(), absl::Seconds(5), absl::Seconds(65535), errors);
  CheckDuration("mqtt.session_expiry", mqtt.session_expiry(), absl::Seconds(60), absl::Hours(24 * 365), errors);
  CheckNumber<uint64_t>("mqtt.max_payload_bytes", mqtt.max_payload_bytes(), 1, 16 * kMiB, " bytes", errors);
  CheckDuration("mqtt.reconnect_delay_min", mqtt.reconnect_delay_min(), absl::Milliseconds(1), absl::Minutes(10),
                errors);
  CheckDuration("mqtt.reconnect_delay_max", mqtt.reconnect_delay_max(), ToAbslDuration(mqtt.reconnect_delay_min()),
                absl::Minutes(10), errors);
}

void CheckOutbox(const pb::OutboxConfig& outbox, ConfigErrors* errors) {
  if (outbox.path().empty()) {
    errors->Add("outbox.path", "expected the file of the outbox, for example /var/lib/mvmd/outbox.db, got nothing");
  }
  CheckNumber<uint64_t>("outbox.max_bytes", outbox.max_bytes(), kMiB, uint64_t{1} << 42, " bytes", errors);
  if (outbox.when_full() != "block" && outbox.when_full() != "drop_oldest") {
    errors->Add("outbox.when_full", absl::StrCat("expected `block` or `drop_oldest`, got `", outbox.when_full(), "`"));
  }
  if (outbox.max_age().seconds() != 0 || outbox.max_age().nanos() != 0) {
    CheckDuration("outbox.max_age", outbox.max_age(), absl::Seconds(10), absl::Hours(24 * 3650), errors);
  }
  CheckNumber<uint64_t>("outbox.reserve_bytes", outbox.reserve_bytes(), 64 * kKiB, uint64_t{1} << 30, " bytes", errors);
}

void CheckUplink(const pb::UplinkConfig& uplink, ConfigErrors* errors) {
  std::string host;
  int port = 0;
  if (uplink.target().empty()) {
    errors->Add("uplink.target", "expected `host:port` of the gateway, got nothing");
  } else if (!ParseHostPort(uplink.target(), &host, &port) || host.empty() || port == 0) {
    errors->Add("uplink.target", absl::StrCat("expected `host:port` of the gateway, got `", uplink.target(), "`"));
  }
  if (!uplink.has_tls()) {
    errors->Add("uplink.tls",
                "expected `ca_file`, `certificate_file` and `key_file`: the gateway knows the bridge by its "
                "certificate; got nothing");
  }
  CheckDuration("uplink.linger", uplink.linger(), absl::ZeroDuration(), absl::Seconds(10), errors);
  CheckNumber<uint64_t>("uplink.max_message_bytes", uplink.max_message_bytes(), 4 * kKiB, kMiB, " bytes", errors);
  CheckDuration("uplink.stall_timeout", uplink.stall_timeout(), absl::Seconds(1), absl::Minutes(10), errors);
  CheckDuration("uplink.backoff_min", uplink.backoff_min(), absl::Milliseconds(10), absl::Minutes(10), errors);
  CheckDuration("uplink.backoff_max", uplink.backoff_max(), ToAbslDuration(uplink.backoff_min()), absl::Minutes(10),
                errors);
  CheckDuration("uplink.connect_timeout", uplink.connect_timeout(), absl::Milliseconds(100), absl::Minutes(10), errors);
  if (uplink.backfill_bytes_per_second() != 0) {
    CheckNumber<uint64_t>("uplink.backfill_bytes_per_second", uplink.backfill_bytes_per_second(), 4 * kKiB,
                          uint64_t{1} << 40, " bytes", errors);
  }
  CheckNumber<int32_t>("uplink.compression_level", uplink.compression_level(), 1, 19, "", errors);
  CheckDuration("uplink.report_interval", uplink.report_interval(), absl::Milliseconds(100), absl::Hours(1), errors);
}

void CheckTemplate(absl::string_view path, absl::string_view text, const std::vector<std::string>& names,
                   ConfigErrors* errors) {
  absl::StatusOr<NameTemplate> parsed = NameTemplate::Parse(text, names);
  if (!parsed.ok()) errors->Add(path, parsed.status().message());
}

void CheckRoute(const std::string& key, const pb::Route& route, ConfigErrors* errors) {
  absl::StatusOr<TopicPattern> pattern = TopicPattern::Parse(route.topic());
  if (!pattern.ok()) {
    errors->Add(absl::StrCat(key, ".topic"), pattern.status().message());
  } else {
    CheckTemplate(absl::StrCat(key, ".twin"), route.twin(), pattern->names(), errors);
    CheckTemplate(absl::StrCat(key, ".sensor"), route.sensor(), pattern->names(), errors);
  }
  if (route.qos() == 2) {
    errors->Add(
        absl::StrCat(key, ".qos"),
        "expected 0 or 1, got 2: with 2 a message would be the bridge's before it is on disk; 1 loses nothing, and "
        "redeliveries are recognised");
  } else if (route.qos() > 2) {
    errors->Add(absl::StrCat(key, ".qos"), absl::StrCat("expected 0 or 1, got ", route.qos()));
  }
  if (route.retained() != "accept" && route.retained() != "ignore") {
    errors->Add(absl::StrCat(key, ".retained"),
                absl::StrCat("expected `accept` or `ignore`, got `", route.retained(), "`"));
  }
  if (absl::StatusOr<std::unique_ptr<Decoder>> decoder = MakeDecoder(route); !decoder.ok()) {
    // `json.readings[0].value: what is wrong`
    const std::string message(decoder.status().message());
    const size_t colon = message.find(": ");
    errors->Add(absl::StrCat(key, ".", message.substr(0, colon)),
                colon == std::string::npos ? message : message.substr(colon + 2));
  }
}

// A route whose names are fixed must name something that there is.
void CheckFixedNames(const pb::BridgeConfig& config, const TwinCatalog& catalog, ConfigErrors* errors) {
  if (catalog.open()) return;
  for (int i = 0; i < config.routes_size(); ++i) {
    const pb::Route& route = config.routes(i);
    if (route.twin().empty() || absl::StrContains(route.twin(), "{")) continue;
    const LocalTwin* twin = catalog.Find(route.twin());
    if (twin == nullptr) {
      if (!errors->Has("twins")) {
        errors->Add(absl::StrCat("routes[", i, "].twin"),
                    absl::StrCat("expected a twin of `twins`, got `", route.twin(), "`"));
      }
      continue;
    }
    const bool fixed = !route.sensor().empty() && !absl::StrContains(route.sensor(), "{");
    if (fixed && twin->has_document && !twin->sensors.contains(route.sensor())) {
      errors->Add(absl::StrCat("routes[", i, "].sensor"), absl::StrCat("expected a sensor of the document of `",
                                                                       route.twin(), "`, got `", route.sensor(), "`"));
    }
  }
}

void ReadPassword(const std::string& path, std::string* password, ConfigErrors* errors) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return errors->Add("mqtt.password_file", absl::StrCat("cannot read ", path, ": ", strerror(errno)));
  }
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return errors->Add("mqtt.password_file",
                       absl::StrCat("expected ", path, " to be readable by its owner only; run: chmod 600 ", path));
  }
  std::ifstream file(path);
  if (!file || !std::getline(file, *password)) {
    return errors->Add("mqtt.password_file", absl::StrCat("expected a password in the first line of ", path));
  }
  while (absl::EndsWith(*password, "\r")) password->pop_back();
  if (password->empty() || password->size() > kPasswordBytesMax) {
    errors->Add("mqtt.password_file",
                absl::StrCat("expected a password of 1 to ", kPasswordBytesMax, " bytes in ", path));
  }
}

void CheckOutboxFolder(const std::string& path, ConfigErrors* errors) {
  if (path.empty()) return;
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  struct stat info {};
  if (stat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    errors->Add("outbox.path", absl::StrCat("expected the folder ", folder, " to exist"));
  } else if (access(folder.c_str(), W_OK) != 0) {
    errors->Add("outbox.path", absl::StrCat("expected the folder ", folder, " to be writable by this user"));
  }
}

}  // namespace

void SetBridgeDefaults(pb::BridgeConfig* config) {
  pb::MqttConfig* mqtt = config->mutable_mqtt();
  if (mqtt->port() == 0) mqtt->set_port(mqtt->has_tls() ? 8883 : 1883);
  if (mqtt->version().empty()) mqtt->set_version("3.1.1");
  if (!mqtt->has_keepalive()) *mqtt->mutable_keepalive() = ToProtoDuration(absl::Seconds(30));
  if (!mqtt->has_session_expiry()) *mqtt->mutable_session_expiry() = ToProtoDuration(absl::Hours(24));
  if (mqtt->max_payload_bytes() == 0) mqtt->set_max_payload_bytes(256 * kKiB);
  if (!mqtt->has_reconnect_delay_min()) *mqtt->mutable_reconnect_delay_min() = ToProtoDuration(absl::Milliseconds(100));
  if (!mqtt->has_reconnect_delay_max()) *mqtt->mutable_reconnect_delay_max() = ToProtoDuration(absl::Seconds(5));

  pb::OutboxConfig* outbox = config->mutable_outbox();
  if (outbox->max_bytes() == 0) outbox->set_max_bytes(1024 * kMiB);
  if (outbox->when_full().empty()) outbox->set_when_full("block");
  if (outbox->reserve_bytes() == 0) outbox->set_reserve_bytes(kMiB);

  pb::UplinkConfig* uplink = config->mutable_uplink();
  if (!uplink->has_linger()) *uplink->mutable_linger() = ToProtoDuration(absl::Milliseconds(50));
  if (uplink->max_message_bytes() == 0) uplink->set_max_message_bytes(256 * kKiB);
  if (!uplink->has_stall_timeout()) *uplink->mutable_stall_timeout() = ToProtoDuration(absl::Seconds(10));
  if (!uplink->has_backoff_min()) *uplink->mutable_backoff_min() = ToProtoDuration(absl::Milliseconds(100));
  // Low, so that current values are back within a second of the link.
  if (!uplink->has_backoff_max()) *uplink->mutable_backoff_max() = ToProtoDuration(absl::Seconds(1));
  if (!uplink->has_connect_timeout()) *uplink->mutable_connect_timeout() = ToProtoDuration(absl::Seconds(10));
  if (uplink->compression_level() == 0) uplink->set_compression_level(3);
  if (!uplink->has_report_interval()) *uplink->mutable_report_interval() = ToProtoDuration(absl::Seconds(5));

  for (pb::Route& route : *config->mutable_routes()) {
    if (!route.has_qos()) route.set_qos(1);
    if (route.retained().empty()) route.set_retained("ignore");
    if (route.decoder_case() == pb::Route::DECODER_NOT_SET) route.mutable_json();
  }
  if (config->ops().address().empty()) config->mutable_ops()->set_address("127.0.0.1:9465");
}

void CheckBridgeConfig(const pb::BridgeConfig& config, ConfigErrors* errors) {
  CheckMqtt(config.mqtt(), errors);
  CheckOutbox(config.outbox(), errors);
  CheckUplink(config.uplink(), errors);
  if (config.routes().empty()) {
    errors->Add("routes", "expected at least one route from topics to sensors, got none");
  }
  for (int i = 0; i < config.routes_size(); ++i) {
    CheckRoute(absl::StrCat("routes[", i, "]"), config.routes(i), errors);
  }
  CheckOpsConfig(config.ops(), errors);
  CheckLogConfig(config.log(), errors);
}

std::unique_ptr<BridgeSetup> LoadBridgeSetup(const std::string& path, ConfigErrors* errors) {
  auto setup = std::make_unique<BridgeSetup>();
  pb::BridgeConfig& config = setup->config;
  LoadYamlConfig(path, &config, errors);
  SetBridgeDefaults(&config);
  CheckBridgeConfig(config, errors);

  config.mutable_outbox()->set_path(ResolvePath(path, config.outbox().path()));
  CheckOutboxFolder(config.outbox().path(), errors);
  if (config.uplink().has_tls()) {
    *config.mutable_uplink()->mutable_tls() = ResolveTlsFiles(path, config.uplink().tls());
    absl::StatusOr<TlsMaterial> material = LoadTlsFiles(config.uplink().tls(), absl::Now());
    if (!material.ok()) errors->Add("uplink.tls", material.status().message());
  }
  if (config.mqtt().has_tls()) {
    *config.mutable_mqtt()->mutable_tls() = ResolveTlsFiles(path, config.mqtt().tls());
    if (!errors->Has("mqtt.tls")) {
      absl::StatusOr<TlsMaterial> material = LoadTlsFiles(config.mqtt().tls(), absl::Now(), TlsIdentity::kOptional);
      if (!material.ok()) errors->Add("mqtt.tls", material.status().message());
    }
  }
  if (!config.mqtt().password_file().empty()) {
    config.mutable_mqtt()->set_password_file(ResolvePath(path, config.mqtt().password_file()));
    ReadPassword(config.mqtt().password_file(), &setup->mqtt_password, errors);
  }
  setup->catalog = TwinCatalog::Load(path, config.twins(), errors);
  CheckFixedNames(config, setup->catalog, errors);
  return setup;
}

}  // namespace mvmd
