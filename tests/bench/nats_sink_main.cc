// mvmd-bench-nats-sink: sets up the streams of the NATS pair that we compare with, and reads the cloud's.
#include <nats/nats.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "tests/bench/sink_run.h"
#include "tests/bench/traffic.h"

namespace mvmd {
namespace {

constexpr char kEdgeStream[] = "SENSORS";
constexpr char kCloudStream[] = "SENSORS_CLOUD";

// The bench has no use for a half-made peer.
void DieUnlessOk(natsStatus status, const char* what) {
  if (status == NATS_OK) return;
  const char* detail = nats_GetLastError(nullptr);
  absl::FPrintF(stderr, "%s: %s %s\n", what, natsStatus_GetText(status), detail != nullptr ? detail : "");
  std::exit(2);
}

jsCtx* Dial(uint16_t port) {
  natsOptions* options = nullptr;
  DieUnlessOk(natsOptions_Create(&options), "options");
  DieUnlessOk(natsOptions_SetURL(options, absl::StrCat("nats://127.0.0.1:", port).c_str()), "url");
  DieUnlessOk(natsOptions_SetMaxReconnect(options, -1), "reconnect");
  DieUnlessOk(natsOptions_SetReconnectWait(options, 50), "reconnect wait");
  natsConnection* connection = nullptr;
  DieUnlessOk(natsConnection_Connect(&connection, options), "connect");
  natsOptions_Destroy(options);
  jsOptions js_options;
  jsOptions_Init(&js_options);
  js_options.Wait = 10'000;
  jsCtx* jetstream = nullptr;
  DieUnlessOk(natsConnection_JetStream(&jetstream, connection, &js_options), "jetstream");
  return jetstream;
}

void AddStream(jsCtx* jetstream, jsStreamConfig* config) {
  jsErrCode error{};
  jsStreamInfo* info = nullptr;
  DieUnlessOk(js_AddStream(&info, jetstream, config, nullptr, &error), config->Name);
  jsStreamInfo_Destroy(info);
}

// The edge's stream takes what the MQTT listener gets; the cloud's copies it through the leaf link.
void SetUp(uint16_t edge_port, uint16_t cloud_port) {
  jsStreamConfig edge;
  jsStreamConfig_Init(&edge);
  const char* subjects[] = {"plant.>"};
  edge.Name = kEdgeStream;
  edge.Subjects = subjects;
  edge.SubjectsLen = 1;
  edge.Storage = js_FileStorage;
  AddStream(Dial(edge_port), &edge);

  jsExternalStream external;
  jsExternalStream_Init(&external);
  external.APIPrefix = "$JS.edge.API";
  external.DeliverPrefix = "";  // cnats 3.4.1 crashes on NULL
  jsStreamSource source;
  jsStreamSource_Init(&source);
  source.Name = kEdgeStream;
  source.External = &external;
  jsStreamSource* sources[] = {&source};
  jsStreamConfig cloud;
  jsStreamConfig_Init(&cloud);
  cloud.Name = kCloudStream;
  cloud.Storage = js_FileStorage;
  cloud.Sources = sources;
  cloud.SourcesLen = 1;
  AddStream(Dial(cloud_port), &cloud);
}

struct Sink {
  SinkRun run;
  absl::Mutex mutex;  // messages come on a thread of the library
};

void OnMessage(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
  Sink* sink = static_cast<Sink*>(closure);
  const int64_t now = UnixNanos();
  const absl::string_view payload(natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message)));
  {
    absl::MutexLock lock(&sink->mutex);
    if (const auto mark = ParsePayload(payload)) {
      sink->run.arrivals().Add(natsMsg_GetSubject(message), mark->n, mark->sent_unix_ns, now);
    } else {
      sink->run.arrivals().AddUnnumbered(now);
    }
  }
  natsMsg_Destroy(message);
}

int Main(int argc, char** argv) {
  uint16_t edge_port = 0;
  uint16_t cloud_port = 0;
  bool set_up = false;
  static Sink sink;  // outlives the library's threads
  CLI::App app{"Counts what arrives in the cloud's stream"};
  app.add_option("--edge", edge_port)->required();
  app.add_option("--cloud", cloud_port)->required();
  app.add_flag("--set-up", set_up, "make the streams, then end");
  sink.run.AddOptions(&app);
  CLI11_PARSE(app, argc, argv);
  if (set_up) {
    SetUp(edge_port, cloud_port);
    return 0;
  }
  sink.run.Begin();
  jsSubOptions options;
  jsSubOptions_Init(&options);
  options.Stream = kCloudStream;
  options.Ordered = true;
  options.Config.DeliverPolicy = js_DeliverNew;
  natsSubscription* subscription = nullptr;
  jsErrCode error{};
  DieUnlessOk(js_Subscribe(&subscription, Dial(cloud_port), ">", OnMessage, &sink, nullptr, &options, &error),
              "subscribe");
  DieUnlessOk(natsSubscription_SetPendingLimits(subscription, -1, -1), "pending limits");
  sink.run.ReportReady();
  while (true) {
    absl::SleepFor(absl::Milliseconds(10));
    absl::MutexLock lock(&sink.mutex);
    if (sink.run.Done()) break;
  }
  absl::MutexLock lock(&sink.mutex);
  const int code = sink.run.Report();
  std::fflush(stderr);
  std::_Exit(code);  // the library's threads still run
}

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) { return mvmd::Main(argc, argv); }
