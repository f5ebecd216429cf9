// gaps: what of a twin is known to be missing for ever.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "twin/gap.h"
#include "twin/time.h"
#include "twinctl/command.h"
#include "twinctl/sample_text.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr int kPageSize = 1000;

std::string SpanText(const std::string& first, const std::string& last) {
  if (first.empty() && last.empty()) return "?";
  return first == last ? first : absl::StrCat(first, " to ", last);
}

std::string NumberText(uint64_t number) { return number == 0 ? "" : absl::StrCat(number); }
std::string NanosText(int64_t unix_ns) { return unix_ns == 0 ? "" : FormatTimestamp(unix_ns); }

class GapsCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command = app.add_subcommand(
        "gaps", "Print what of a twin will never come: how much, when, which rows of the bridge, and why");
    command->add_option("TWIN", twin_, "Id of the twin")->required();
    command->add_option("SENSOR", sensor_, "Only what concerns this sensor");
    command->add_option("--from", from_, "Not before this time of the samples (RFC 3339)")->type_name("TIME");
    command->add_option("--to", to_, "Before this time of the samples (RFC 3339)")->type_name("TIME");
    command->footer("A gap whose times are not known is in every range. A count of ? is one that nobody knows.");
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    pb::ListGapsRequest request;
    request.set_twin_id(twin_);
    request.set_sensor(sensor_);
    request.set_page_size(kPageSize);
    if (!from_.empty()) {
      if (absl::Status set = SetTimeFlag(from_, "--from", request.mutable_start_time()); !set.ok()) return set;
    }
    if (!to_.empty()) {
      if (absl::Status set = SetTimeFlag(to_, "--to", request.mutable_end_time()); !set.ok()) return set;
    }
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    Json gaps = Json::Array();
    Table table({"RECORDED", "REASON", "SENSOR", "COUNT", "TIME", "ROWS", "BRIDGE"});
    do {
      auto page = (*connection)->Call(&Connection::Stub::ListGaps, request);
      if (!page.ok()) return page.status();
      for (const pb::RecordedGap& gap : page->gaps()) Print(context, gap, &gaps, &table);
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    if (context.output() == OutputFormat::kTable) context.out() << table.Drain();
    if (context.output() == OutputFormat::kJson) context.out() << PrettyJson(gaps) << "\n";
    return ExitCode::kFine;
  }

 private:
  static void Print(CommandContext& context, const pb::RecordedGap& recorded, Json* gaps, Table* table) {
    const pb::Gap& gap = recorded.gap();
    const std::string recorded_time = recorded.has_recorded_time() ? TimeText(recorded.recorded_time()) : "";
    if (context.output() == OutputFormat::kTable) {
      return table->AddRow({recorded_time, std::string(GapReason(gap.reason())),
                            gap.sensor().empty() ? "(all)" : gap.sensor(),
                            gap.count() == 0 ? "?" : absl::StrCat(gap.count()),
                            SpanText(NanosText(gap.start_time_unix_ns()), NanosText(gap.end_time_unix_ns())),
                            SpanText(NumberText(gap.first_seq()), NumberText(gap.last_seq())),
                            recorded.bridge().empty() ? "(several)" : recorded.bridge()});
    }
    Json row = GapJson(gap.twin(), gap.sensor(), gap);
    row.Set("revision", Json::Number(static_cast<double>(recorded.revision())));
    if (!recorded_time.empty()) row.Set("recordedTime", Json::String(recorded_time));
    if (!recorded.bridge().empty()) {
      row.Set("bridge", Json::String(recorded.bridge()));
      row.Set("epoch", Json::Number(static_cast<double>(recorded.epoch())));
    }
    if (context.output() == OutputFormat::kJson) {
      gaps->Append(std::move(row));
    } else {
      context.out() << CompactJson(row) << "\n";
    }
  }

  std::string twin_;
  std::string sensor_;
  std::string from_;
  std::string to_;
};

}  // namespace

void AddGapsCommand(CommandList* commands) { commands->push_back(std::make_unique<GapsCommand>()); }

}  // namespace mvmd
