// quarantine: documents of bridges that the gateway refused.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/status_proto.h"
#include "twin/json.h"
#include "twinctl/command.h"
#include "twinctl/findings.h"
#include "twinctl/sample_text.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

using Stub = Connection::QuarantineStub;

Json DocumentJson(const pb::QuarantinedDocument& document) {
  Json row = Json::Object();
  row.Set("bridge", Json::String(document.bridge()));
  row.Set("twin", Json::String(document.twin_id()));
  row.Set("revision", Json::Number(static_cast<double>(document.revision())));
  row.Set("time", Json::String(TimeText(document.time())));
  row.Set("reason", Json::String(document.reason()));
  row.Set("message", Json::String(document.message()));
  row.Set("errors", Json::Number(static_cast<double>(document.error_count())));
  row.Set("warnings", Json::Number(static_cast<double>(document.warning_count())));
  row.Set("bytes", Json::Number(static_cast<double>(document.size_bytes())));
  row.Set("sha256", Json::String(document.sha256()));
  row.Set("redrives", Json::Number(static_cast<double>(document.redrive_count())));
  if (document.has_last_redrive()) row.Set("lastRedrive", Json::String(TimeText(document.last_redrive())));
  return row;
}

void PrintField(CommandContext& context, absl::string_view name, absl::string_view value) {
  context.out() << context.console().Paint(Colour::kDim, absl::StrCat(name, std::string(10 - name.size(), ' ')))
                << Printable(value) << "\n";
}

class QuarantineCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command = app.add_subcommand(
        "quarantine", "Documents that bridges sent and the gateway refused: list, read, re-drive, discard");
    command->require_subcommand(1);
    list_ = command->add_subcommand("list", "List them: the newest refused document of each bridge and twin");
    list_->add_option("--bridge", bridge_, "Only those of this bridge (SPIFFE URI)");
    list_->add_option("--prefix", prefix_, "Only twins whose id starts so");
    get_ = command->add_subcommand("get", "Show one: why it was refused, and what the rules say of it now");
    AddTarget(get_)->required();
    get_->add_flag("--raw", raw_, "Exactly the bytes that the bridge sent, nothing else");
    redrive_ = command->add_subcommand(
        "redrive", "Decide again, with the rules, the policy and the overlay of now: take it, or keep it");
    discard_ = command->add_subcommand("discard", "Forget one; the bridge is not told");
    for (CLI::App* change : {redrive_, discard_}) {
      CLI::Option* twin = AddTarget(change);
      change->add_flag("--all", all_, "All of them, or all of --bridge")->excludes(twin);
    }
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    if (list_->parsed()) return List(context);
    if (get_->parsed()) return Get(context);
    return Change(context);
  }

 private:
  CLI::Option* AddTarget(CLI::App* command) {
    command->add_option("--bridge", bridge_, "Bridge that sent it (SPIFFE URI); needed when several did");
    return command->add_option("TWIN", twin_, "Id of the twin");
  }

  static absl::StatusOr<std::vector<pb::QuarantinedDocument>> ReadAll(Connection* connection, const std::string& bridge,
                                                                      const std::string& prefix) {
    std::vector<pb::QuarantinedDocument> all;
    pb::ListQuarantinedDocumentsRequest request;
    request.set_bridge(bridge);
    request.set_prefix(prefix);
    request.set_page_size(1000);
    do {
      auto page = connection->Call(&Stub::ListQuarantinedDocuments, request);
      if (!page.ok()) return page.status();
      for (pb::QuarantinedDocument& document : *page->mutable_documents()) all.push_back(std::move(document));
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return all;
  }

  // The one that is meant.
  absl::StatusOr<pb::QuarantinedDocument> Find(Connection* connection) const {
    auto listed = ReadAll(connection, bridge_, twin_);
    if (!listed.ok()) return listed.status();
    std::vector<pb::QuarantinedDocument> found;
    for (pb::QuarantinedDocument& document : *listed) {
      if (document.twin_id() == twin_) found.push_back(std::move(document));
    }
    if (found.empty()) {
      return absl::NotFoundError(absl::StrCat("there is no document of ", twin_, bridge_.empty() ? "" : " from ",
                                              bridge_, " in quarantine; see twinctl quarantine list"));
    }
    if (found.size() == 1) return std::move(found.front());
    std::string message = absl::StrCat("documents of ", twin_, " came from ", found.size(), " bridges; say --bridge:");
    for (const pb::QuarantinedDocument& document : found) absl::StrAppend(&message, " ", document.bridge());
    return absl::InvalidArgumentError(message);
  }

  absl::StatusOr<ExitCode> List(CommandContext& context) {
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    const auto documents = ReadAll(*connection, bridge_, prefix_);
    if (!documents.ok()) return documents.status();
    Table table({"TWIN", "BRIDGE", "REVISION", "TIME", "BYTES", "ERRORS", "REASON", "MESSAGE"});
    Json all = Json::Array();
    for (const pb::QuarantinedDocument& document : *documents) {
      if (context.output() == OutputFormat::kTable) {
        table.AddRow({document.twin_id(), document.bridge(), absl::StrCat(document.revision()),
                      TimeText(document.time()), absl::StrCat(document.size_bytes()),
                      absl::StrCat(document.error_count()), document.reason(), document.message()});
      } else if (context.output() == OutputFormat::kJsonLines) {
        context.out() << CompactJson(DocumentJson(document)) << "\n";
      } else {
        all.Append(DocumentJson(document));
      }
    }
    if (context.output() == OutputFormat::kTable) context.out() << table.Render();
    if (context.output() == OutputFormat::kJson) context.out() << PrettyJson(all) << "\n";
    return ExitCode::kFine;
  }

  absl::StatusOr<ExitCode> Get(CommandContext& context) {
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    const auto found = Find(*connection);
    if (!found.ok()) return found.status();
    pb::GetQuarantinedDocumentRequest request;
    request.set_bridge(found->bridge());
    request.set_twin_id(twin_);
    const auto response = (*connection)->Call(&Stub::GetQuarantinedDocument, request);
    if (!response.ok()) return response.status();
    const pb::QuarantinedDocument& document = response->document();
    if (raw_) {
      context.out() << response->content();
      return ExitCode::kFine;
    }
    if (context.output() == OutputFormat::kTable) {
      PrintField(context, "twin", document.twin_id());
      PrintField(context, "bridge", document.bridge());
      PrintField(context, "revision", absl::StrCat(document.revision()));
      PrintField(context, "time", TimeText(document.time()));
      PrintField(context, "bytes", absl::StrCat(document.size_bytes()));
      PrintField(context, "sha256", document.sha256());
      PrintField(context, "redrives",
                 absl::StrCat(document.redrive_count(), document.has_last_redrive() ? ", last " : "",
                              document.has_last_redrive() ? TimeText(document.last_redrive()) : ""));
      PrintField(context, "reason", document.reason());
      PrintField(context, "message", document.message());
      const pb::ValidationResult& now = response->current_result();
      context.out() << "\nthe rules now: " << now.errors_size() << " errors, " << now.warnings_size() << " warnings\n"
                    << FindingsText(now, context.console());
      return ExitCode::kFine;
    }
    Json row = DocumentJson(document);
    if (response->has_refused_result()) row.Set("refusedResult", ResultJson(response->refused_result()));
    row.Set("currentResult", ResultJson(response->current_result()));
    context.out() << (context.output() == OutputFormat::kJson ? PrettyJson(row) : CompactJson(row)) << "\n";
    return ExitCode::kFine;
  }

  absl::StatusOr<ExitCode> Change(CommandContext& context) {
    if (twin_.empty() && !all_) return absl::InvalidArgumentError("expected the id of a twin, or --all");
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    if (!all_) {
      const auto found = Find(*connection);
      if (!found.ok()) return found.status();
      if (absl::Status status = ChangeOne(context, *connection, *found); !status.ok()) return status;
      return ExitCode::kFine;
    }
    const auto documents = ReadAll(*connection, bridge_, "");
    if (!documents.ok()) return documents.status();
    // One that is refused again does not stop the others.
    ExitCode code = ExitCode::kFine;
    for (const pb::QuarantinedDocument& document : *documents) {
      const absl::Status status = ChangeOne(context, *connection, document);
      if (status.ok()) continue;
      const std::string reason = ReasonOf(status);
      if (reason != "DOCUMENT_INVALID" && reason != "DOCUMENT_TOO_LARGE" && reason != "QUARANTINE_CHANGED" &&
          reason != "QUARANTINE_EMPTY" && reason != "NOT_AUTHORIZED") {
        return status;
      }
      code = ExitCode::kInvalidInput;
      context.console().err() << "twinctl quarantine: " << Printable(document.twin_id()) << ": "
                              << Printable(status.message()) << "\n";
    }
    return code;
  }

  // What was listed, or nothing: another document may have come meanwhile.
  absl::Status ChangeOne(CommandContext& context, Connection* connection, const pb::QuarantinedDocument& document) {
    uint64_t revision = 0;
    std::string etag;
    if (redrive_->parsed()) {
      pb::RedriveDocumentRequest request;
      request.set_bridge(document.bridge());
      request.set_twin_id(document.twin_id());
      request.set_revision(document.revision());
      const auto response = connection->Call(&Stub::RedriveDocument, request);
      if (!response.ok()) return response.status();
      revision = response->revision();
      etag = response->definition_etag();
    } else {
      pb::DiscardDocumentRequest request;
      request.set_bridge(document.bridge());
      request.set_twin_id(document.twin_id());
      request.set_revision(document.revision());
      const auto response = connection->Call(&Stub::DiscardDocument, request);
      if (!response.ok()) return response.status();
      revision = response->revision();
    }
    const absl::string_view verb = redrive_->parsed() ? "taken" : "discarded";
    if (context.output() == OutputFormat::kTable) {
      context.out() << verb << " " << Printable(document.twin_id()) << " from " << Printable(document.bridge())
                    << " at revision " << revision << "\n";
      return absl::OkStatus();
    }
    Json row = Json::Object();
    row.Set("bridge", Json::String(document.bridge()));
    row.Set("twin", Json::String(document.twin_id()));
    row.Set("result", Json::String(verb));
    row.Set("revision", Json::Number(static_cast<double>(revision)));
    if (!etag.empty()) row.Set("definitionEtag", Json::String(etag));
    // Of --all a line each, whatever is asked: what was done is told as it is done.
    const bool pretty = context.output() == OutputFormat::kJson && !all_;
    context.out() << (pretty ? PrettyJson(row) : CompactJson(row)) << "\n";
    return absl::OkStatus();
  }

  CLI::App* list_ = nullptr;
  CLI::App* get_ = nullptr;
  CLI::App* redrive_ = nullptr;
  CLI::App* discard_ = nullptr;
  std::string bridge_;
  std::string prefix_;
  std::string twin_;
  bool raw_ = false;
  bool all_ = false;
};

}  // namespace

void AddQuarantineCommand(CommandList* commands) { commands->push_back(std::make_unique<QuarantineCommand>()); }

}  // namespace mvmd
