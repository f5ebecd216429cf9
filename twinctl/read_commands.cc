// get, list: twins as they are now.
#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "twin/json.h"
#include "twinctl/command.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

std::string TextAt(const Json& document, absl::string_view pointer) {
  const Json* value = FindPointer(document, pointer);
  if (value == nullptr || value->is_null()) return "-";
  return value->is_string() ? value->string() : CompactJson(*value);
}

void PrintField(CommandContext& context, absl::string_view name, absl::string_view value) {
  context.out() << context.console().Paint(Colour::kDim, absl::StrCat(name, std::string(10 - name.size(), ' ')))
                << Printable(value) << "\n";
}

// Says so when the value of a sensor is outside of its `normalRange`.
std::string RangeText(const Json& sensor) {
  const Json* value = sensor.Find("currentValue");
  const Json* range = sensor.Find("normalRange");
  if (value == nullptr || !value->is_number() || range == nullptr || !range->is_array()) return "";
  if (range->elements().size() != 2 || !range->elements()[0].is_number() || !range->elements()[1].is_number())
    return "";
  const bool inside =
      value->number() >= range->elements()[0].number() && value->number() <= range->elements()[1].number();
  return inside ? "" : "outside of its normal range";
}

void PrintSummary(CommandContext& context, const pb::TwinDocument& twin, const Json& document) {
  PrintField(context, "twin", twin.twin_id());
  PrintField(context, "name", TextAt(document, "/name"));
  PrintField(context, "entity", TextAt(document, "/subjectOf/name"));
  PrintField(context, "revision", absl::StrCat(twin.revision()));
  PrintField(context, "etag", twin.etag());
  PrintField(context, "definition", twin.definition_etag());
  PrintField(context, "modified", TextAt(document, "/dateModified"));
  PrintField(context, "status", TextAt(document, "/synchronization/connectionStatus"));
  PrintField(context, "synced", TextAt(document, "/synchronization/lastSynced"));
  if (document.Find("proof") != nullptr) PrintField(context, "proof", TextAt(document, "/proof/verificationMethod"));
  const Json* sensors = document.Find("sensors");
  if (sensors == nullptr || !sensors->is_array()) return;
  Table table({"SENSOR", "VALUE", "UNIT", "TIME", "NAME", ""});
  for (const Json& sensor : sensors->elements()) {
    table.AddRow({TextAt(sensor, "/id"), TextAt(sensor, "/currentValue"), TextAt(sensor, "/unit"),
                  TextAt(sensor, "/timestamp"), TextAt(sensor, "/name"), RangeText(sensor)});
  }
  context.out() << "\n" << table.Render();
}

class GetCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("get", "Show a twin: a summary, or with -o json its document");
    command->add_option("TWIN", request_twin_, "Id of the twin")->required();
    auto* raw = command->add_flag("--raw,--canonical", raw_, "Exactly the canonical bytes, nothing else");
    auto* proof = command->add_flag("--proof", proof_, "Signed by the gateway, see twinctl verify");
    command->add_flag("--typed", typed_, "The typed view, as protobuf JSON")->excludes(raw)->excludes(proof);
    command->add_option("--min-revision", min_revision_, "Wait for a state that has applied this revision")
        ->type_name("REVISION");
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    pb::GetTwinRequest request;
    request.set_twin_id(request_twin_);
    request.set_view(typed_ ? pb::TWIN_VIEW_TYPED : pb::TWIN_VIEW_CANONICAL);
    request.set_min_revision(min_revision_);
    request.set_include_proof(proof_);
    auto response = (*connection)->Call(&Connection::Stub::GetTwin, request);
    if (!response.ok()) return response.status();
    const pb::TwinDocument& twin = response->twin();
    if (raw_) {
      context.out() << twin.canonical();
      return ExitCode::kFine;
    }
    if (typed_) return PrintTyped(context, twin);
    if (context.output() == OutputFormat::kJsonLines) {
      context.out() << twin.canonical() << "\n";
      return ExitCode::kFine;
    }
    const auto document = ParseJson(twin.canonical());
    if (!document.ok()) {
      return absl::DataLossError(
          absl::StrCat("the gateway's document of ", request_twin_, " is no JSON: ", document.status().message()));
    }
    if (context.output() == OutputFormat::kJson) {
      context.out() << PrettyJson(*document) << "\n";
    } else {
      PrintSummary(context, twin, *document);
    }
    return ExitCode::kFine;
  }

 private:
  static absl::StatusOr<ExitCode> PrintTyped(CommandContext& context, const pb::TwinDocument& twin) {
    google::protobuf::util::JsonPrintOptions options;
    options.add_whitespace = context.output() != OutputFormat::kJsonLines;
    std::string json;
    const auto status = google::protobuf::util::MessageToJsonString(twin.twin(), &json, options);
    if (!status.ok()) return absl::InternalError(absl::StrCat("the typed view has no JSON form: ", status.ToString()));
    context.out() << json << (options.add_whitespace ? "" : "\n");
    return ExitCode::kFine;
  }

  std::string request_twin_;
  bool raw_ = false;
  bool typed_ = false;
  bool proof_ = false;
  uint64_t min_revision_ = 0;
};

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

void AddReadCommands(CommandList* commands) {
  commands->push_back(std::make_unique<GetCommand>());
  commands->push_back(std::make_unique<ListCommand>());
}

}  // namespace mvmd
