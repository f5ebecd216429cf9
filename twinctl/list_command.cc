// list: twins as they are now, found by what is in them.
#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "twin/json.h"
#include "twinctl/command.h"
#include "twinctl/whole_number.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr uint64_t kPageTwinsMax = 1000;

constexpr char kHelp[] =
    "A filter compares what a document has when it is served (AIP-160; OR binds tighter than AND):\n"
    "  connectionStatus = \"active\" AND sensors.temp-1.currentValue > 60\n"
    "  subjectOf.manufacturer = \"Acme*\" lastSynced < 2024-03-15T00:00:00Z\n"
    "  sensors.type:temperature -maintenance:schedule\n"
    "Paths go from the document's root; connectionStatus, lastSynced, latency, mechanism, endpoint and "
    "updateFrequency\n"
    "are those of synchronization, and id is identifier.value. A value without a path is looked for everywhere.\n"
    "docs/protocol.md has all of it.";

class ListCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("list", "List twins, all or those that match a filter");
    command->add_option("--prefix", prefix_, "Only twins whose id starts so");
    command->add_option("--filter", filter_, "Only twins that match, see below");
    command
        ->add_option("--order-by", order_by_, "Paths, each with `desc` or not: \"lastSynced desc, name\" (default: id)")
        ->type_name("PATHS");
    command->add_option("--limit", limit_, "At most so many; 0 is all (default: 0)")->check(WholeNumberFrom(0));
    command->add_flag("--total", total_, "Also how many match, whatever the limit");
    command->add_option("--min-revision", min_revision_, "Wait for a state that has applied this revision")
        ->type_name("REVISION")
        ->check(WholeNumberFrom(0));
    command->footer(kHelp);
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    pb::ListTwinsRequest request;
    request.set_prefix(prefix_);
    request.set_filter(filter_);
    request.set_order_by(order_by_);
    request.set_min_revision(min_revision_);
    request.set_view(pb::TWIN_VIEW_BASIC);
    request.set_include_total_size(total_);
    uint64_t count = 0;
    int32_t total = 0;
    do {
      request.set_page_size(
          static_cast<int32_t>(limit_ == 0 ? kPageTwinsMax : std::min(kPageTwinsMax, limit_ - count)));
      auto page = (*connection)->Call(&Connection::Stub::ListTwins, request);
      if (!page.ok()) return page.status();
      // Once is enough.
      if (request.include_total_size()) total = page->total_size();
      request.set_include_total_size(false);
      for (const pb::TwinDocument& twin : page->twins()) Add(context, twin);
      count += static_cast<uint64_t>(page->twins_size());
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty() && (limit_ == 0 || count < limit_));
    Finish(context, total);
    return ExitCode::kFine;
  }

 private:
  void Add(CommandContext& context, const pb::TwinDocument& twin) {
    if (context.output() == OutputFormat::kTable) {
      table_.AddRow({twin.twin_id(), absl::StrCat(twin.revision()), twin.etag()});
      return;
    }
    Json row = Json::Object();
    row.Set("twin", Json::String(twin.twin_id()));
    row.Set("revision", Json::Number(static_cast<double>(twin.revision())));
    row.Set("etag", Json::String(twin.etag()));
    row.Set("definitionEtag", Json::String(twin.definition_etag()));
    if (context.output() == OutputFormat::kJsonLines) {
      context.out() << CompactJson(row) << "\n";
    } else {
      rows_.Append(std::move(row));
    }
  }

  void Finish(CommandContext& context, int32_t total) {
    Json with_total = Json::Object();
    with_total.Set("total", Json::Number(total));
    switch (context.output()) {
      case OutputFormat::kTable:
        context.out() << table_.Render();
        if (total_) context.out() << "total " << total << "\n";
        return;
      case OutputFormat::kJsonLines:
        if (total_) context.out() << CompactJson(with_total) << "\n";
        return;
      case OutputFormat::kJson:
        if (!total_) {
          context.out() << PrettyJson(rows_) << "\n";
          return;
        }
        with_total.Set("twins", std::move(rows_));
        context.out() << PrettyJson(with_total) << "\n";
        return;
    }
  }

  std::string prefix_;
  std::string filter_;
  std::string order_by_;
  uint64_t limit_ = 0;
  uint64_t min_revision_ = 0;
  bool total_ = false;
  Table table_{{"TWIN", "REVISION", "ETAG"}};
  Json rows_ = Json::Array();
};

}  // namespace

void AddListCommand(CommandList* commands) { commands->push_back(std::make_unique<ListCommand>()); }

}  // namespace mvmd
