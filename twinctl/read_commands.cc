// list: twins as they are now.
#include <string>

#include "absl/strings/str_cat.h"
#include "twin/json.h"
#include "twinctl/command.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

class ListCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("list", "List twins in the order of their ids");
    command->add_option("--prefix", prefix_, "Only twins whose id starts so");
    command->add_option("--limit", limit_, "At most so many; 0 is all (default: 0)")->check(CLI::NonNegativeNumber);
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    Table table({"TWIN", "REVISION", "ETAG"});
    Json all = Json::Array();
    pb::ListTwinsRequest request;
    request.set_prefix(prefix_);
    request.set_page_size(1000);
    request.set_view(pb::TWIN_VIEW_BASIC);
    uint64_t count = 0;
    do {
      auto page = (*connection)->Call(&Connection::Stub::ListTwins, request);
      if (!page.ok()) return page.status();
      for (const pb::TwinDocument& twin : page->twins()) {
        if (limit_ != 0 && count == limit_) break;
        ++count;
        Json row = Json::Object();
        row.Set("twin", Json::String(twin.twin_id()));
        row.Set("revision", Json::Number(static_cast<double>(twin.revision())));
        row.Set("etag", Json::String(twin.etag()));
        row.Set("definitionEtag", Json::String(twin.definition_etag()));
        if (context.output() == OutputFormat::kTable) {
          table.AddRow({twin.twin_id(), absl::StrCat(twin.revision()), twin.etag()});
        } else if (context.output() == OutputFormat::kJsonLines) {
          context.out() << CompactJson(row) << "\n";
        } else {
          all.Append(std::move(row));
        }
      }
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty() && (limit_ == 0 || count < limit_));
    if (context.output() == OutputFormat::kTable) context.out() << table.Render();
    if (context.output() == OutputFormat::kJson) context.out() << PrettyJson(all) << "\n";
    return ExitCode::kFine;
  }

 private:
  std::string prefix_;
  uint64_t limit_ = 0;
};

}  // namespace

void AddReadCommands(CommandList* commands) { commands->push_back(std::make_unique<ListCommand>()); }

}  // namespace mvmd
