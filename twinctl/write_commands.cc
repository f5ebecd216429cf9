// put, patch, delete: what changes a twin.
#include <string>

#include "absl/strings/str_cat.h"
#include "twin/json.h"
#include "twinctl/command.h"
#include "twinctl/findings.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr char kEtagHelp[] =
    "Definition etag that must be current; `*`: the twin must exist; `-`: it must not exist (default: no condition)";

// What a write answers.
void PrintWritten(CommandContext& context, absl::string_view verb, const pb::TwinDocument& twin) {
  if (context.output() == OutputFormat::kTable) {
    context.out() << verb << " " << Printable(twin.twin_id()) << " at revision " << twin.revision()
                  << "\netag             " << twin.etag() << "\ndefinition etag  " << twin.definition_etag() << "\n";
    return;
  }
  Json row = Json::Object();
  row.Set("twin", Json::String(twin.twin_id()));
  row.Set("result", Json::String(verb));
  row.Set("revision", Json::Number(static_cast<double>(twin.revision())));
  row.Set("etag", Json::String(twin.etag()));
  row.Set("definitionEtag", Json::String(twin.definition_etag()));
  context.out() << (context.output() == OutputFormat::kJson ? PrettyJson(row) : CompactJson(row)) << "\n";
}

// Where the gateway's policy takes documents with errors.
void WarnOfErrors(CommandContext& context, const pb::ValidationResult& result) {
  if (result.errors().empty()) return;
  context.console().err() << "taken although it breaks " << result.errors_size()
                          << (result.errors_size() == 1 ? " rule:\n" : " rules:\n")
                          << FindingsText(result, context.console());
}

// An empty one would be no condition, and is most likely a variable that is not set.
void AddEtagOption(CLI::App* command, std::string* etag) {
  command->add_option("--etag", *etag, kEtagHelp)->check([](const std::string& text) {
    return text.empty() ? std::string("expected an etag, * or -, got nothing") : std::string();
  });
}

class PutCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("put", "Store a document as a twin's definition, or create the twin");
    command->add_option("FILE", file_, "Document, or - for standard input")->required();
    AddEtagOption(command, &etag_);
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    auto text = ReadInput(file_);
    if (!text.ok()) return text.status();
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    pb::PutTwinRequest request;
    request.set_document(*std::move(text));
    request.set_etag(etag_);
    auto response = (*connection)->Call(&Connection::Stub::PutTwin, request);
    if (!response.ok()) return response.status();
    PrintWritten(context, response->created() ? "created" : "replaced", response->twin());
    WarnOfErrors(context, response->result());
    return ExitCode::kFine;
  }

 private:
  std::string file_;
  std::string etag_;
};

class PatchCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command = app.add_subcommand(
        "patch", "Change a twin's definition by a JSON merge patch (RFC 7396; sensors are merged by id)");
    command->add_option("TWIN", twin_, "Id of the twin")->required();
    command->add_option("FILE", file_, "Patch, or - for standard input")->required();
    AddEtagOption(command, &etag_);
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    auto text = ReadInput(file_);
    if (!text.ok()) return text.status();
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    pb::UpdateTwinRequest request;
    request.set_twin_id(twin_);
    request.set_merge_patch(*std::move(text));
    request.set_etag(etag_);
    auto response = (*connection)->Call(&Connection::Stub::UpdateTwin, request);
    if (!response.ok()) return response.status();
    PrintWritten(context, "changed", response->twin());
    WarnOfErrors(context, response->result());
    return ExitCode::kFine;
  }

 private:
  std::string twin_;
  std::string file_;
  std::string etag_;
};

class DeleteCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command =
        app.add_subcommand("delete", "Remove a twin; its bridge brings it back only with a new document");
    command->add_option("TWIN", twin_, "Id of the twin")->required();
    AddEtagOption(command, &etag_);
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    pb::DeleteTwinRequest request;
    request.set_twin_id(twin_);
    request.set_etag(etag_);
    auto response = (*connection)->Call(&Connection::Stub::DeleteTwin, request);
    if (!response.ok()) return response.status();
    if (context.output() == OutputFormat::kTable) {
      context.out() << "deleted " << Printable(twin_) << " at revision " << response->revision() << "\n";
    } else {
      Json row = Json::Object();
      row.Set("twin", Json::String(twin_));
      row.Set("result", Json::String("deleted"));
      row.Set("revision", Json::Number(static_cast<double>(response->revision())));
      context.out() << (context.output() == OutputFormat::kJson ? PrettyJson(row) : CompactJson(row)) << "\n";
    }
    return ExitCode::kFine;
  }

 private:
  std::string twin_;
  std::string etag_;
};

}  // namespace

void AddWriteCommands(CommandList* commands) {
  commands->push_back(std::make_unique<PutCommand>());
  commands->push_back(std::make_unique<PatchCommand>());
  commands->push_back(std::make_unique<DeleteCommand>());
}

}  // namespace mvmd
