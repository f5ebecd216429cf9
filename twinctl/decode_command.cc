// decode: what the bridge would read from one MQTT message. Local.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bridge/decoder.h"
#include "bridge/topic_pattern.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "runtime/config.h"
#include "twin/json.h"
#include "twin/time.h"
#include "twinctl/command.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// The route of a bridge's configuration that takes a topic.
struct TakenRoute {
  const pb::Route* route = nullptr;
  std::vector<std::string> names;
  std::vector<absl::string_view> captures;  // views of the topic
};

absl::StatusOr<TakenRoute> FindRoute(const pb::BridgeConfig& config, const std::string& path,
                                     const std::string& topic) {
  for (int i = 0; i < config.routes_size(); ++i) {
    const auto pattern = TopicPattern::Parse(config.routes(i).topic());
    if (!pattern.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": routes[", i, "].topic: ", pattern.status().message()));
    }
    TakenRoute taken;
    if (!pattern->Match(topic, &taken.captures)) continue;
    taken.route = &config.routes(i);
    taken.names = pattern->names();
    return taken;
  }
  return absl::InvalidArgumentError(absl::StrCat(path, ": no route takes the topic `", topic, "`"));
}

Json ReadingJson(const Reading& reading, absl::string_view sensor) {
  Json line = Json::Object();
  line.Set("sensor", Json::String(sensor));
  line.Set("value", ValueJson(reading.value));
  if (!reading.unit.empty()) line.Set("unit", Json::String(reading.unit));
  if (reading.time_unix_ns.has_value()) line.Set("timestamp", Json::String(FormatTimestamp(*reading.time_unix_ns)));
  if (reading.quality == pb::QUALITY_UNCERTAIN) line.Set("quality", Json::String("uncertain"));
  if (reading.quality == pb::QUALITY_BAD) line.Set("quality", Json::String("bad"));
  return line;
}

class DecodeCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command =
        app.add_subcommand("decode",
                           "Decode an MQTT payload from standard input: readings as JSON lines, bad ones on standard "
                           "error");
    command->add_option("--topic", topic_, "Topic of the message")->required();
    auto* decoder =
        command->add_option("--decoder", decoder_, "json, scalar, scalar:number, scalar:boolean, scalar:text");
    // Hides the --config of all commands, which names the settings of a connection that decode never makes.
    command->add_option("--config", bridge_config_, "Take the decoder, twin and sensor from this bridge.yaml")
        ->excludes(decoder)
        ->type_name("FILE");
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    const absl::StatusOr<std::string> payload = ReadInput("-");
    if (!payload.ok()) return payload.status();
    return bridge_config_.empty() ? DecodeByName(context, *payload) : DecodeByRoute(context, *payload);
  }

 private:
  absl::StatusOr<ExitCode> DecodeByName(CommandContext& context, const std::string& payload) {
    if (decoder_.empty()) return absl::InvalidArgumentError("say how to decode: --decoder or --config");
    const auto decoder = MakeDecoderByName(decoder_);
    if (!decoder.ok()) return decoder.status();
    std::vector<Reading> readings;
    BadReadings bad;
    if (absl::Status decoded = (*decoder)->Decode(topic_, payload, &readings, &bad); !decoded.ok()) return decoded;
    for (const Reading& reading : readings) context.out() << CompactJson(ReadingJson(reading, reading.name)) << "\n";
    return Tell(context, bad);
  }

  absl::StatusOr<ExitCode> DecodeByRoute(CommandContext& context, const std::string& payload) {
    pb::BridgeConfig config;
    if (absl::Status loaded = LoadYamlConfig(bridge_config_, &config); !loaded.ok()) return loaded;
    const auto taken = FindRoute(config, bridge_config_, topic_);
    if (!taken.ok()) return taken.status();
    const auto decoder = MakeDecoder(*taken->route);
    if (!decoder.ok()) return decoder.status();
    const auto twin = NameTemplate::Parse(taken->route->twin(), taken->names);
    if (!twin.ok()) return twin.status();
    const auto sensor = NameTemplate::Parse(taken->route->sensor(), taken->names);
    if (!sensor.ok()) return sensor.status();
    std::vector<Reading> readings;
    BadReadings bad;
    if (absl::Status decoded = (*decoder)->Decode(topic_, payload, &readings, &bad); !decoded.ok()) return decoded;
    for (const Reading& reading : readings) {
      std::string name;
      sensor->Fill(taken->captures, reading.name, &name);
      Json line = ReadingJson(reading, name);
      twin->Fill(taken->captures, reading.name, &name);
      line.Set("twin", Json::String(name));
      context.out() << CompactJson(line) << "\n";
    }
    return Tell(context, bad);
  }

  static ExitCode Tell(CommandContext& context, const BadReadings& bad) {
    for (const BadReading& reading : bad.described()) {
      context.console().err() << "twinctl decode: " << Printable(reading.pointer) << ": " << Printable(reading.message)
                              << "\n";
    }
    if (bad.more() > 0) context.console().err() << "twinctl decode: " << bad.more() << " more bad readings\n";
    return bad.empty() ? ExitCode::kFine : ExitCode::kInvalidInput;
  }

  std::string topic_;
  std::string decoder_;
  std::string bridge_config_;
};

}  // namespace

void AddDecodeCommand(CommandList* commands) { commands->push_back(std::make_unique<DecodeCommand>()); }

}  // namespace mvmd
