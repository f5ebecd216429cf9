// diff: what changed of a twin.
#include <algorithm>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "twin/json.h"
#include "twin/json_diff.h"
#include "twinctl/command.h"
#include "twinctl/whole_number.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// A value may be a whole sensor; a person wants to see that it changed, a program takes the patch.
constexpr size_t kValueBytesMax = 200;

std::string ValueLine(const std::string& canonical) {
  if (canonical.size() <= kValueBytesMax) return Printable(canonical);
  return absl::StrCat(Printable(absl::string_view(canonical).substr(0, kValueBytesMax)), "... (", canonical.size(),
                      " bytes)");
}

class DiffCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command =
        app.add_subcommand("diff", "Show what changed of a twin; with -o json as a JSON Patch (RFC 6902)");
    command->add_option("TWIN", twin_, "Id of the twin")->required();
    command->add_option("FROM", from_, "Revision")->required()->check(WholeNumberFrom(1));
    command->add_option("TO", to_, "Revision (default: as it is now)")->check(WholeNumberFrom(1));
    command->add_flag("--definition", definition_, "Without live values");
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    pb::DiffTwinRequest request;
    request.set_twin_id(twin_);
    request.set_from_revision(from_);
    request.set_to_revision(to_);
    request.set_definition_only(definition_);
    const auto response = (*connection)->Call(&Connection::Stub::DiffTwin, request);
    if (!response.ok()) return response.status();
    if (context.output() == OutputFormat::kTable) {
      PrintChanges(context, *response);
      return ExitCode::kFine;
    }
    if (context.output() == OutputFormat::kJsonLines) {
      context.out() << response->patch() << "\n";
      return ExitCode::kFine;
    }
    const auto patch = ParseJson(response->patch(), kJsonPatchDepthMax);
    if (!patch.ok())
      return absl::DataLossError(absl::StrCat("the gateway's patch is no JSON: ", patch.status().message()));
    context.out() << PrettyJson(*patch) << "\n";
    return ExitCode::kFine;
  }

 private:
  void PrintChanges(CommandContext& context, const pb::DiffTwinResponse& response) const {
    Console& console = context.console();
    const auto side = [this](const pb::TwinDocument& twin, uint64_t revision) {
      return absl::StrCat(Printable(twin_), revision == 0 ? "" : absl::StrCat(" at revision ", revision),
                          " (changed at ", twin.revision(), ", etag ", twin.etag(), ")\n");
    };
    context.out() << console.Paint(Colour::kDim, absl::StrCat("--- ", side(response.from(), from_)))
                  << console.Paint(Colour::kDim, absl::StrCat("+++ ", side(response.to(), to_)));
    for (const pb::DocumentChange& change : response.changes()) {
      context.out() << (change.pointer().empty() ? "(document)" : Printable(change.pointer())) << "\n";
      if (change.has_before()) {
        context.out() << console.Paint(Colour::kRed, absl::StrCat("- ", ValueLine(change.before()))) << "\n";
      }
      if (change.has_after()) {
        context.out() << console.Paint(Colour::kGreen, absl::StrCat("+ ", ValueLine(change.after()))) << "\n";
      }
    }
    if (response.changes_truncated()) {
      console.err() << "twinctl diff: there are more changes; -o json has all of them\n";
    }
  }

  std::string twin_;
  uint64_t from_ = 0;
  uint64_t to_ = 0;
  bool definition_ = false;
};

}  // namespace

void AddDiffCommand(CommandList* commands) { commands->push_back(std::make_unique<DiffCommand>()); }

}  // namespace mvmd
