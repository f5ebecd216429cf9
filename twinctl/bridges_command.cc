// bridges: what the operator wants to know of the plants' ends.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/util/json_util.h"
#include "runtime/config.h"
#include "twin/time.h"
#include "twinctl/command.h"
#include "twinctl/sample_text.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

std::string BytesText(uint64_t bytes) {
  if (bytes >= (1u << 20)) return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1u << 20));
  if (bytes >= 1024) return absl::StrFormat("%.1f KiB", static_cast<double>(bytes) / 1024);
  return absl::StrCat(bytes, " B");
}

// Thousandths of a second are enough for a person.
std::string ShortTime(int64_t unix_ns) { return FormatTimestamp(unix_ns / 1'000'000 * 1'000'000); }

std::string LagText(const pb::Bridge& bridge) {
  if (!bridge.has_lag()) return "-";
  return absl::StrFormat("%.3f s", absl::ToDoubleSeconds(ToAbslDuration(bridge.lag())));
}

std::string OutboxText(const pb::Bridge& bridge) {
  if (!bridge.has_report()) return "-";
  return absl::StrCat(bridge.report().outbox_rows(), " rows, ", BytesText(bridge.report().outbox_bytes()));
}

void PrintIssue(CommandContext& context, absl::string_view side, const pb::Issue& issue) {
  std::string where;
  const auto add = [&where](absl::string_view name, const std::string& value) {
    if (!value.empty()) absl::StrAppend(&where, ", ", name, " ", value);
  };
  add("topic", issue.topic());
  add("twin", issue.twin());
  add("sensor", issue.sensor());
  context.out() << "  " << context.console().Paint(Colour::kYellow, Printable(issue.reason())) << " x" << issue.count()
                << ", " << side << ", last " << ShortTime(issue.time_unix_ns()) << Printable(where) << ": "
                << Printable(issue.message()) << "\n";
}

class BridgesCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("bridges", "List bridges: connection, lag, outbox, and what was refused");
    command->add_flag("--issues", issues_, "List the last things that were refused, on both sides");
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    pb::ListBridgesResponse all;
    pb::ListBridgesRequest request;
    request.set_page_size(1000);
    request.set_include_issues(issues_);
    do {
      auto page = (*connection)->Call(&Connection::Stub::ListBridges, request);
      if (!page.ok()) return page.status();
      all.mutable_bridges()->MergeFrom(page->bridges());
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    if (context.output() == OutputFormat::kTable) {
      PrintTable(context, all);
      return ExitCode::kFine;
    }
    return PrintJson(context, all);
  }

 private:
  void PrintTable(CommandContext& context, const pb::ListBridgesResponse& all) {
    Table table({"BRIDGE", "STATE", "MQTT", "LAG", "OUTBOX", "SAMPLES", "DUPLICATE", "REJECTED", "LAST COMMIT"});
    for (const pb::Bridge& bridge : all.bridges()) {
      const bool mqtt = bridge.has_report() && bridge.report().mqtt_connected();
      table.AddRow({bridge.name(), bridge.connected() ? "connected" : "away",
                    bridge.has_report() ? (mqtt ? "connected" : "away") : "-", LagText(bridge), OutboxText(bridge),
                    absl::StrCat(bridge.samples_committed()), absl::StrCat(bridge.frames_duplicate()),
                    absl::StrCat(bridge.frames_rejected()),
                    bridge.has_last_commit() ? ShortTime(UnixNanosOf(bridge.last_commit())) : "-"});
    }
    context.out() << table.Render();
    if (!issues_) return;
    for (const pb::Bridge& bridge : all.bridges()) {
      context.out() << "\nissues of " << Printable(bridge.name()) << ":\n";
      for (const pb::Issue& issue : bridge.report().issues()) PrintIssue(context, "at the bridge", issue);
      for (const pb::Issue& issue : bridge.issues()) PrintIssue(context, "at the gateway", issue);
      if (bridge.report().issues().empty() && bridge.issues().empty()) context.out() << "  none\n";
    }
  }

  static absl::StatusOr<ExitCode> PrintJson(CommandContext& context, const pb::ListBridgesResponse& all) {
    google::protobuf::util::JsonPrintOptions options;
    options.always_print_primitive_fields = true;
    std::string text;
    if (context.output() == OutputFormat::kJson) {
      options.add_whitespace = true;
      const auto status = google::protobuf::util::MessageToJsonString(all, &text, options);
      if (!status.ok()) return absl::InternalError(status.ToString());
    }
    for (const pb::Bridge& bridge : all.bridges()) {
      if (context.output() == OutputFormat::kJson) break;
      const auto status = google::protobuf::util::MessageToJsonString(bridge, &text, options);
      if (!status.ok()) return absl::InternalError(status.ToString());
      text += "\n";
    }
    context.out() << text;
    return ExitCode::kFine;
  }

  bool issues_ = false;
};

}  // namespace

void AddBridgesCommand(CommandList* commands) { commands->push_back(std::make_unique<BridgesCommand>()); }

}  // namespace mvmd
