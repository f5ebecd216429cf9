// mvmd-plant: publishes the sensors of N machines like the one of the profile's example, and checks what became of
// them.
//
//   mvmd-plant --example twin-complete.jsonld --machines 3 --write-documents twins/
//   mvmd-plant --example twin-complete.jsonld --port 8883 --ca ca.crt --cert plant.crt --key plant.key --ledger
//   ledger.json twinctl samples ... -o jsonl | mvmd-plant check-ledger ledger.json
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <queue>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/plant_ledger.h"
#include "tests/support/plant_machine.h"
#include "tests/support/plant_publisher.h"
#include "twin/canonical.h"
#include "twin/json.h"

namespace mvmd {
namespace {

struct PlantOptions {
  std::string example;
  std::string write_documents;
  std::string ledger;
  PlantBroker broker;
  int machines = 1;
  double rate_factor = 1;
  double seconds = 0;
  uint64_t seed = 1;
  double drain_seconds = 30;
};

volatile std::sig_atomic_t g_stop = 0;

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) return absl::NotFoundError("cannot read " + path);
  return text;
}

absl::Status WriteText(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return file ? absl::OkStatus() : absl::UnavailableError("cannot write " + path);
}

absl::StatusOr<std::vector<PlantMachine>> MakeMachines(const PlantOptions& options) {
  auto text = ReadText(options.example);
  if (!text.ok()) return text.status();
  auto example = ParseJson(*text);
  if (!example.ok()) return example.status();
  std::vector<PlantMachine> machines;
  for (int number = 1; number <= options.machines; ++number) {
    auto machine = MakePlantMachine(*example, number);
    if (!machine.ok()) return machine.status();
    machines.push_back(*std::move(machine));
  }
  return machines;
}

absl::Status WriteDocuments(const std::string& folder, const std::vector<PlantMachine>& machines) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  for (const PlantMachine& machine : machines) {
    const std::string path = absl::StrCat(folder, "/", machine.twin, ".jsonld");
    if (absl::Status written = WriteText(path, Canonicalize(machine.document) + "\n"); !written.ok()) return written;
  }
  return absl::OkStatus();
}

// One sensor of one machine, on its way through time.
struct Source {
  const PlantSensor* sensor;
  std::string topic;
  PlantSignal signal;
  absl::Duration period;
  size_t ledger_index;
  int64_t last_time_unix_ns = 0;
};

class Plant {
 public:
  Plant(const PlantOptions& options, const std::vector<PlantMachine>& machines) : options_(options) {
    for (const PlantMachine& machine : machines) {
      for (const PlantSensor& sensor : machine.sensors) {
        const size_t index = ledger_.AddSensor(machine.twin, sensor.id);
        sources_.push_back({&sensor, PlantTopic(machine.twin, sensor.id),
                            PlantSignal(sensor.type, sensor.centre, options.seed * 1'000'003 + index),
                            absl::Seconds(1 / (sensor.rate_hz * options.rate_factor)), index});
      }
    }
  }

  absl::Status Run() {
    auto publisher = PlantPublisher::Create(options_.broker, [this](uint64_t ticket) {
      ledger_.MarkAcked(tickets_[ticket].sensor, tickets_[ticket].entry);
    });
    if (!publisher.ok()) return publisher.status();
    PublishAll(**publisher);
    return Drain(**publisher);
  }

  const PlantLedger& ledger() const { return ledger_; }

 private:
  struct Ticket {
    size_t sensor;
    size_t entry;
  };
  using Due = std::pair<absl::Time, size_t>;  // when, which source

  void PublishAll(PlantPublisher& publisher) {
    const absl::Time start = absl::Now();
    const absl::Time end = options_.seconds > 0 ? start + absl::Seconds(options_.seconds) : absl::InfiniteFuture();
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due;
    for (size_t i = 0; i < sources_.size(); ++i) {
      // Spread over the period, so that machines do not speak all at once.
      due.emplace(start + sources_[i].period * (static_cast<double>(i) / static_cast<double>(sources_.size())), i);
    }
    std::string told;
    while (g_stop == 0 && absl::Now() < end) {
      const absl::Time now = absl::Now();
      while (due.top().first <= now) {
        const auto [when, index] = due.top();
        due.pop();
        Sample(sources_[index], start, when, publisher);
        // What is more than a second late is left out, not made up for.
        due.emplace(std::max(when + sources_[index].period, now - absl::Seconds(1)), index);
      }
      const absl::Duration wait = std::min(due.top().first, end) - absl::Now();
      publisher.RunOnce(std::clamp(wait, absl::ZeroDuration(), absl::Milliseconds(50)));
      if (publisher.trouble() != told) {
        told = publisher.trouble();
        std::cerr << "mvmd-plant: broker: " << (told.empty() ? "connected" : told) << std::endl;
      }
    }
  }

  // As a sensor does, at its time, however late this process is. Times are as coarse as the period allows, and grow.
  void Sample(Source& source, absl::Time start, absl::Time when, PlantPublisher& publisher) {
    const int64_t unit_ns = source.period >= absl::Milliseconds(2) ? 1'000'000 : 1'000;
    const int64_t time_unix_ns =
        std::max(absl::ToUnixNanos(when) / unit_ns * unit_ns, source.last_time_unix_ns + unit_ns);
    source.last_time_unix_ns = time_unix_ns;
    const double value = source.signal.At(absl::ToDoubleSeconds(when - start));
    tickets_.push_back({source.ledger_index, ledger_.AddPublished(source.ledger_index, time_unix_ns, value)});
    publisher.Publish(source.topic, PlantPayload(*source.sensor, value, time_unix_ns), tickets_.size() - 1);
  }

  absl::Status Drain(PlantPublisher& publisher) {
    const absl::Time deadline = absl::Now() + absl::Seconds(options_.drain_seconds);
    while (publisher.pending() > 0) {
      if (absl::Now() >= deadline) {
        return absl::DeadlineExceededError(absl::StrCat(publisher.pending(),
                                                        " messages without the broker's PUBACK after ",
                                                        options_.drain_seconds, " s: ", publisher.trouble()));
      }
      publisher.RunOnce(absl::Milliseconds(20));
    }
    return absl::OkStatus();
  }

  const PlantOptions& options_;
  PlantLedger ledger_;
  std::vector<Source> sources_;
  std::vector<Ticket> tickets_;
};

absl::Status Publish(const PlantOptions& options, const std::vector<PlantMachine>& machines) {
  const auto stop = [](int) { g_stop = 1; };
  std::signal(SIGTERM, stop);
  std::signal(SIGINT, stop);
  Plant plant(options, machines);
  absl::Status status = plant.Run();
  std::cout << "published " << plant.ledger().published() << ", acknowledged by the broker " << plant.ledger().acked()
            << std::endl;
  // The ledger counts also after a failure.
  if (!options.ledger.empty()) status.Update(WriteText(options.ledger, plant.ledger().ToJson()));
  return status;
}

absl::Status RunPlant(const PlantOptions& options) {
  auto machines = MakeMachines(options);
  if (!machines.ok()) return machines.status();
  if (!options.write_documents.empty()) {
    if (absl::Status written = WriteDocuments(options.write_documents, *machines); !written.ok()) return written;
  }
  if (options.broker.port == 0) return absl::OkStatus();
  return Publish(options, *machines);
}

absl::Status RunCheck(const std::string& ledger_file) {
  auto text = ReadText(ledger_file);
  if (!text.ok()) return text.status();
  auto ledger = PlantLedger::FromJson(*text);
  if (!ledger.ok()) return ledger.status();
  auto verdict = CheckLedger(*ledger, std::cin);
  if (!verdict.ok()) return verdict.status();
  std::cout << VerdictText(*verdict) << std::flush;
  return verdict->clean() ? absl::OkStatus()
                          : absl::DataLossError("the gateway does not have what the plant published");
}

int Main(int argc, char** argv) {
  PlantOptions options;
  CLI::App app("A simulated plant: machines like the one of the profile's example, over MQTT.", "mvmd-plant");
  app.add_option("--example", options.example, "Document that the machines are made after");
  app.add_option("--machines", options.machines, "How many machines")->check(CLI::Range(1, 100000));
  app.add_option("--write-documents", options.write_documents, "Folder that gets each machine's document");
  app.add_option("--host", options.broker.host, "Host of the broker");
  app.add_option("--port", options.broker.port, "Port of the broker; without it nothing is published");
  app.add_option("--client-id", options.broker.client_id, "MQTT client id");
  app.add_option("--ca", options.broker.ca_file, "Roots for the broker's certificate; without it plain TCP");
  app.add_option("--cert", options.broker.certificate_file, "Client certificate");
  app.add_option("--key", options.broker.key_file, "Its key");
  app.add_option("--rate-factor", options.rate_factor, "Times the document's rates")->check(CLI::Range(0.001, 10000.0));
  app.add_option("--seconds", options.seconds, "How long; 0 is until SIGTERM");
  app.add_option("--seed", options.seed, "Of the signals");
  app.add_option("--drain-seconds", options.drain_seconds, "How long to wait for the last PUBACKs");
  app.add_option("--ledger", options.ledger, "File that gets everything that was published");
  CLI::App* check =
      app.add_subcommand("check-ledger", "Compare a ledger with `twinctl samples -o jsonl` on standard input");
  std::string ledger_file;
  check->add_option("LEDGER", ledger_file, "File that --ledger wrote")->required();
  CLI11_PARSE(app, argc, argv);

  const absl::Status status = check->parsed() ? RunCheck(ledger_file) : RunPlant(options);
  if (status.ok()) return 0;
  std::cerr << "mvmd-plant: " << status.message() << "\n";
  return 1;
}

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) { return mvmd::Main(argc, argv); }
