// get: one twin.
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "twin/json.h"
#include "twinctl/command.h"
#include "twinctl/whole_number.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

std::string TextAt(const Json& document, absl::string_view pointer) {
  const Json* value = FindPointer(document, pointer);
  if (value == nullptr || value->is_null()) return "-";
  return value->is_string() ? value->string() : CompactJson(*value);
}

void PrintField(CommandContext& context, absl::string_view name, absl::string_view value) {
  context.out() << context.console().Paint(Colour::kDim, absl::StrCat(name, std::string(12 - name.size(), ' ')))
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
    command->add_option("TWIN", twin_, "Id of the twin")->required();
    auto* raw = command->add_flag("--raw,--canonical", raw_, "Exactly the canonical bytes, nothing else");
    auto* typed = command->add_flag("--typed", typed_, "The typed view, as protobuf JSON")->excludes(raw);
    auto* nquads = command->add_flag("--nquads", nquads_, "Its canonical graph (C2, RDFC-1.0), as N-Quads");
    nquads->excludes(raw)->excludes(typed);
    command
        ->add_option("--fields", fields_,
                     "Only these fields of TwinDocument, as protobuf JSON: `etag`, `twin.sensors`, ..., or `*`")
        ->type_name("FIELD,...")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->excludes(raw)
        ->excludes(typed)
        ->excludes(nquads);
    command->add_flag("--proof", proof_, "Signed by the gateway, see twinctl verify")
        ->excludes(typed)
        ->excludes(nquads)
        ->excludes("--fields");
    command->add_flag("--definition", definition_, "The document without live values");
    command->add_flag("--lossless", lossless_, "Its lossless variant, whose context keeps order and types in RDF");
    command
        ->add_option("--if-none-match", if_none_match_,
                     "Print nothing when the document still has this etag; that is no failure")
        ->type_name("ETAG")
        // An empty one would be no condition, and is most likely a variable that is not set.
        ->check(CLI::Validator(
            [](const std::string& text) { return text.empty() ? std::string("expected an etag, got nothing") : ""; },
            ""));
    command->add_option("--min-revision", min_revision_, "Wait for a state that has applied this revision")
        ->type_name("REVISION")
        ->check(WholeNumberFrom(0));
    command->add_option("--revision", revision_, "The twin as it was when this revision was applied")
        ->type_name("REVISION")
        ->check(WholeNumberFrom(1))
        ->excludes("--min-revision");
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    const auto response = (*connection)->Call(&Connection::Stub::GetTwin, Request());
    if (!response.ok()) return response.status();
    const pb::TwinDocument& twin = response->twin();
    if (response->not_modified()) {
      context.console().err() << Printable(twin_) << ": not modified\n";
      return ExitCode::kFine;
    }
    if (nquads_) return PrintGraph(context, twin.linked_data());
    if (!fields_.empty()) return PrintMessage(context, twin);
    if (typed_) return PrintMessage(context, twin.twin());
    if (raw_) {
      context.out() << twin.canonical();
      return ExitCode::kFine;
    }
    return PrintDocument(context, twin);
  }

 private:
  pb::GetTwinRequest Request() const {
    pb::GetTwinRequest request;
    request.set_twin_id(twin_);
    request.set_min_revision(min_revision_);
    request.set_revision(revision_);
    request.set_include_proof(proof_);
    request.set_definition_only(definition_);
    request.set_lossless(lossless_);
    request.set_if_none_match(if_none_match_);
    if (nquads_) {
      request.mutable_read_mask()->add_paths("linked_data");
    } else if (!fields_.empty()) {
      for (const std::string& field : fields_) request.mutable_read_mask()->add_paths(field);
    } else {
      request.set_view(typed_ ? pb::TWIN_VIEW_TYPED : pb::TWIN_VIEW_CANONICAL);
    }
    return request;
  }

  absl::StatusOr<ExitCode> PrintGraph(CommandContext& context, const pb::LinkedData& graph) const {
    context.out() << graph.nquads();
    if (graph.lossy()) {
      context.console().err() << Printable(twin_) << ": lossy: RDF does not hold all that this document says\n";
    }
    return ExitCode::kFine;
  }

  absl::StatusOr<ExitCode> PrintDocument(CommandContext& context, const pb::TwinDocument& twin) const {
    if (context.output() == OutputFormat::kJsonLines) {
      context.out() << twin.canonical() << "\n";
      return ExitCode::kFine;
    }
    const auto document = ParseJson(twin.canonical());
    if (!document.ok()) {
      return absl::DataLossError(
          absl::StrCat("the gateway's document of ", twin_, " is no JSON: ", document.status().message()));
    }
    if (context.output() == OutputFormat::kJson) {
      context.out() << PrettyJson(*document) << "\n";
    } else {
      PrintSummary(context, twin, *document);
    }
    return ExitCode::kFine;
  }

  static absl::StatusOr<ExitCode> PrintMessage(CommandContext& context, const google::protobuf::Message& message) {
    google::protobuf::util::JsonPrintOptions options;
    options.add_whitespace = context.output() != OutputFormat::kJsonLines;
    std::string json;
    const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
    if (!status.ok()) return absl::InternalError(absl::StrCat("the answer has no JSON form: ", status.ToString()));
    context.out() << json << (options.add_whitespace ? "" : "\n");
    return ExitCode::kFine;
  }

  std::string twin_;
  bool raw_ = false;
  bool typed_ = false;
  bool nquads_ = false;
  std::vector<std::string> fields_;
  bool definition_ = false;
  bool lossless_ = false;
  std::string if_none_match_;
  bool proof_ = false;
  uint64_t min_revision_ = 0;
  uint64_t revision_ = 0;
};

}  // namespace

void AddGetCommand(CommandList* commands) { commands->push_back(std::make_unique<GetCommand>()); }

}  // namespace mvmd
