// mvmd-bench-twin-sink: a client of the gateway's TwinService. `watch` sees each sample when it is committed; `verify`
// reads the history afterwards and compares it with what the broker PUBACKed.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "mvmd/twin/v1alpha1/twin_service.grpc.pb.h"
#include "tests/bench/ledger.h"
#include "tests/bench/sink_run.h"
#include "tests/bench/traffic.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

struct ClientOptions {
  std::string target;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::unique_ptr<pb::TwinService::Stub> Connect(const ClientOptions& options) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = ReadFile(options.ca_file);
  tls.pem_cert_chain = ReadFile(options.certificate_file);
  tls.pem_private_key = ReadFile(options.key_file);
  grpc::ChannelArguments arguments;
  // The gateway is killed in one of the tests; the default backoff of up to two minutes would be measured instead of
  // it.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  // Despite its name the time that an attempt may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetMaxReceiveMessageSize(-1);
  return pb::TwinService::NewStub(grpc::CreateCustomChannel(options.target, grpc::SslCredentials(tls), arguments));
}

int64_t UnixNanosOf(const google::protobuf::Timestamp& time) { return time.seconds() * 1'000'000'000 + time.nanos(); }

// Feeds SinkRun from a watch of every change, and resumes it where it broke off.
class Watch {
 public:
  Watch(const ClientOptions& options, bool numbered, SinkRun* run)
      : stub_(Connect(options)), numbered_(numbered), run_(run) {}

  int Run() {
    std::thread reader([this] { Read(); });
    while (true) {
      absl::SleepFor(absl::Milliseconds(10));
      absl::MutexLock lock(&mutex_);
      if (run_->Done()) {
        stopped_ = true;
        if (context_ != nullptr) context_->TryCancel();
        break;
      }
    }
    reader.join();
    if (!failure_.empty()) absl::FPrintF(stderr, "watch ended %d times, the last time with: %s\n", failures_, failure_);
    return run_->Report();
  }

 private:
  void Read() {
    std::string resume_token;
    while (true) {
      grpc::ClientContext context;
      {
        absl::MutexLock lock(&mutex_);
        if (stopped_) return;
        context_ = &context;
      }
      // Also keeps this thread polling: nobody else would carry on with a connection that is being made.
      context.set_wait_for_ready(true);
      pb::WatchTwinsRequest request;
      request.set_mode(pb::WATCH_MODE_EVERY_CHANGE);
      request.set_view(pb::TWIN_VIEW_BASIC);
      request.set_resume_token(resume_token);
      auto stream = stub_->WatchTwins(&context, request);
      pb::WatchTwinsResponse response;
      while (stream->Read(&response)) {
        Take(response);
        resume_token = response.resume_token();
      }
      const grpc::Status status = stream->Finish();
      {
        absl::MutexLock lock(&mutex_);
        context_ = nullptr;
        if (stopped_) return;
        failure_ = status.error_message();
        ++failures_;
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
  }

  void Take(const pb::WatchTwinsResponse& response) {
    const int64_t now = UnixNanos();
    absl::MutexLock lock(&mutex_);
    if (!response.snapshot_part()) run_->ReportReady();
    for (const pb::TwinChange& change : response.changes()) {
      if (!change.has_samples()) continue;
      name_.assign(change.twin_id());
      absl::StrAppend(&name_, "/", change.samples().sensor());
      for (const pb::Sample& sample : change.samples().samples()) {
        if (numbered_) {
          run_->arrivals().Add(name_, static_cast<uint64_t>(sample.number()), UnixNanosOf(sample.time()), now);
        } else {
          run_->arrivals().AddUnnumbered(now);
        }
      }
    }
  }

  const std::unique_ptr<pb::TwinService::Stub> stub_;
  const bool numbered_;
  std::string name_;  // only of the reader
  absl::Mutex mutex_;
  SinkRun* const run_ ABSL_PT_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  int failures_ = 0;
  std::string failure_;
};

// Numbers of a sensor's samples in the order of the history.
absl::StatusOr<std::vector<uint64_t>> ReadHistory(pb::TwinService::Stub* stub, const std::string& twin,
                                                  const std::string& sensor) {
  std::vector<uint64_t> numbers;
  pb::ListSamplesRequest request;
  request.set_twin_id(twin);
  request.set_sensor(sensor);
  request.set_page_size(10'000);
  do {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    pb::ListSamplesResponse page;
    const grpc::Status status = stub->ListSamples(&context, request, &page);
    if (!status.ok()) {
      return absl::UnavailableError(absl::StrCat("ListSamples of ", twin, "/", sensor, ": ", status.error_message()));
    }
    for (const pb::Sample& sample : page.samples()) numbers.push_back(static_cast<uint64_t>(sample.number()));
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return numbers;
}

int Verify(const ClientOptions& options, const std::string& ledger_path, uint64_t first_n) {
  absl::StatusOr<Ledger> ledger = ReadLedger(ledger_path);
  if (!ledger.ok()) {
    absl::FPrintF(stderr, "%s\n", ledger.status().message());
    return 2;
  }
  auto stub = Connect(options);
  uint64_t acked = 0, stored = 0, lost = 0, duplicated = 0, out_of_order = 0;
  for (const auto& [topic, expected] : *ledger) {
    // plant/{line}/{machine}/{sensor}, as the bench configures the bridge.
    const std::vector<std::string> levels = absl::StrSplit(topic, '/');
    if (levels.size() != 4) {
      absl::FPrintF(stderr, "%s: expected a topic of four levels, got `%s`\n", ledger_path, topic);
      return 2;
    }
    auto numbers = ReadHistory(stub.get(), absl::StrCat(levels[1], "-", levels[2]), levels[3]);
    if (!numbers.ok()) {
      absl::FPrintF(stderr, "%s\n", numbers.status().message());
      return 1;
    }
    absl::flat_hash_set<uint64_t> seen;
    uint64_t highest = 0;
    for (uint64_t n : *numbers) {
      if (n < first_n) continue;
      ++stored;
      if (!seen.insert(n).second) {
        ++duplicated;
      } else if (n < highest) {
        ++out_of_order;
      }
      highest = std::max(highest, n);
    }
    acked += expected.size();
    for (uint64_t n : expected) lost += seen.contains(n) ? 0 : 1;
  }
  absl::PrintF("{\"acked\":%d,\"stored\":%d,\"lost\":%d,\"duplicated\":%d,\"out_of_order\":%d}\n", acked, stored, lost,
               duplicated, out_of_order);
  return 0;
}

int Main(int argc, char** argv) {
  ClientOptions options;
  SinkRun run;
  std::string ledger_path;
  uint64_t first_n = 0;
  bool unnumbered = false;
  CLI::App app{"Counts what the gateway has committed"};
  app.add_option("--target", options.target, "host:port")->required();
  app.add_option("--ca", options.ca_file)->required();
  app.add_option("--certificate", options.certificate_file)->required();
  app.add_option("--key", options.key_file)->required();
  CLI::App* watch = app.add_subcommand("watch", "counts samples as they are committed");
  watch->add_flag("--unnumbered", unnumbered, "values are not numbers of messages");
  run.AddOptions(watch);
  CLI::App* verify = app.add_subcommand("verify", "compares the history with what was PUBACKed");
  verify->add_option("--ledger", ledger_path)->required();
  verify->add_option("--first-n", first_n, "lower numbers are passed over");
  app.require_subcommand(1);
  CLI11_PARSE(app, argc, argv);
  if (verify->parsed()) return Verify(options, ledger_path, first_n);
  run.Begin();
  return Watch(options, !unnumbered, &run).Run();
}

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) { return mvmd::Main(argc, argv); }
