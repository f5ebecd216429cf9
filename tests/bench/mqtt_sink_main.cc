// mvmd-bench-mqtt-sink: subscribes at the cloud broker of the MQTT bridge that we compare with.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "tests/bench/mqtt_client.h"
#include "tests/bench/sink_run.h"
#include "tests/bench/traffic.h"

namespace mvmd {
namespace {

int Main(int argc, char** argv) {
  uint16_t port = 0;
  int qos = 1;
  SinkRun run;
  CLI::App app{"Counts what arrives at the broker on this machine"};
  app.add_option("--port", port)->required();
  app.add_option("--qos", qos)->check(CLI::Range(0, 1));
  run.AddOptions(&app);
  CLI11_PARSE(app, argc, argv);
  run.Begin();

  MqttClient client;
  bool connected = false;
  while (!run.Done()) {
    if (!connected) {
      // A persistent session: what comes while the broker is away is not lost for our sake.
      if (!client.Connect(port, "bench-sink", /*clean_session=*/false).ok()) {
        absl::SleepFor(absl::Milliseconds(50));
        continue;
      }
      client.Subscribe("plant/#", qos);
      connected = true;
    }
    absl::Status status = client.Flush();
    if (status.ok()) {
      run.ReportReady();
      client.Wait(absl::Milliseconds(50));
      status = client.Receive(
          [&](const MqttClient::Message& message) {
            const int64_t now = UnixNanos();
            if (const auto mark = ParsePayload(message.payload)) {
              run.arrivals().Add(message.topic, mark->n, mark->sent_unix_ns, now);
            } else {
              run.arrivals().AddUnnumbered(now);
            }
            if (message.qos > 0) client.PubAck(message.packet_id);
          },
          [](uint16_t) {});
    }
    if (!status.ok()) connected = false;
  }
  return run.Report();
}

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) { return mvmd::Main(argc, argv); }
