// samples: the history of a sensor, from the log.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "twinctl/command.h"
#include "twinctl/sample_text.h"
#include "twinctl/whole_number.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr uint64_t kPageSize = 10000;

class SamplesCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command =
        app.add_subcommand("samples", "Print the raw samples of a sensor, in the order of their arrival");
    command->add_option("TWIN", twin_, "Id of the twin")->required();
    command->add_option("SENSOR", sensor_, "Id of the sensor")->required();
    command->add_option("--from", from_, "Not before this time (RFC 3339)")->type_name("TIME");
    command->add_option("--to", to_, "Before this time (RFC 3339)")->type_name("TIME");
    command->add_option("--limit", limit_, "At most so many; 0 is all (default: 0)")->check(WholeNumberFrom(0));
    return command;
  }

  // Prints each page as it comes, so that a long history needs no memory; only -o json is collected.
  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    pb::ListSamplesRequest request;
    request.set_twin_id(twin_);
    request.set_sensor(sensor_);
    if (!from_.empty()) {
      if (absl::Status set = SetTimeFlag(from_, "--from", request.mutable_start_time()); !set.ok()) return set;
    }
    if (!to_.empty()) {
      if (absl::Status set = SetTimeFlag(to_, "--to", request.mutable_end_time()); !set.ok()) return set;
    }
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    Json samples = Json::Array();
    Json gaps = Json::Array();
    uint64_t left = limit_ == 0 ? UINT64_MAX : limit_;
    do {
      request.set_page_size(static_cast<int32_t>(std::min(left, kPageSize)));
      auto page = (*connection)->Call(&Connection::Stub::ListSamples, request);
      if (!page.ok()) return page.status();
      PrintPage(context, *page, &samples);
      for (const pb::Gap& gap : page->gaps()) gaps.Append(GapJson(twin_, sensor_, gap));
      left -= std::min(left, static_cast<uint64_t>(page->samples_size()));
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty() && left > 0);
    PrintEnd(context, std::move(samples), std::move(gaps));
    return ExitCode::kFine;
  }

 private:
  void PrintPage(CommandContext& context, const pb::ListSamplesResponse& page, Json* samples) {
    for (const pb::Sample& sample : page.samples()) {
      switch (context.output()) {
        case OutputFormat::kTable:
          table_.AddRow({TimeText(sample.time()), SampleValueText(sample),
                         absl::StrCat(QualityText(sample), sample.backfill() ? " (backfill)" : "")});
          break;
        case OutputFormat::kJson:
          samples->Append(SampleJson(twin_, sensor_, sample));
          break;
        case OutputFormat::kJsonLines:
          context.out() << CompactJson(SampleJson(twin_, sensor_, sample)) << "\n";
          break;
      }
    }
    if (context.output() == OutputFormat::kTable) context.out() << table_.Drain();
  }

  void PrintEnd(CommandContext& context, Json samples, Json gaps) {
    if (context.output() == OutputFormat::kJson) {
      Json all = Json::Object();
      all.Set("samples", std::move(samples));
      all.Set("gaps", std::move(gaps));
      context.out() << PrettyJson(all) << "\n";
      return;
    }
    for (const Json& gap : gaps.elements()) {
      if (context.output() == OutputFormat::kJsonLines) {
        Json line = Json::Object();
        line.Set("gap", gap);
        context.out() << CompactJson(line) << "\n";
      } else {
        context.out() << context.console().Paint(Colour::kYellow, absl::StrCat("gap: ", Printable(CompactJson(gap))))
                      << "\n";
      }
    }
  }

  std::string twin_;
  std::string sensor_;
  std::string from_;
  std::string to_;
  uint64_t limit_ = 0;
  Table table_{{"TIME", "VALUE", "QUALITY"}};
};

}  // namespace

void AddSamplesCommand(CommandList* commands) { commands->push_back(std::make_unique<SamplesCommand>()); }

}  // namespace mvmd
