#include "twinctl/command.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/status_proto.h"
#include "twinctl/findings.h"
#include "twinctl/settings.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

ExitCode CodeOf(const absl::Status& status) {
  return absl::IsInvalidArgument(status) ? ExitCode::kInvalidInput : ExitCode::kFailed;
}

void PrintError(absl::string_view command, const absl::Status& status, Console& console) {
  console.err() << "twinctl " << command << ": " << Printable(status.message()) << "\n";
  // The findings say everything that the violations do, and more.
  if (pb::DocumentRefused refused; GetDetail(status, &refused)) {
    console.err() << FindingsText(refused.result(), console);
    return;
  }
  for (const auto& violation : FieldViolationsOf(status)) {
    if (absl::StrContains(status.message(), violation.description())) continue;
    console.err() << "  " << Printable(violation.field()) << ": " << Printable(violation.description()) << "\n";
  }
}

}  // namespace

absl::StatusOr<Connection*> CommandContext::connection() {
  if (connection_ == nullptr) {
    auto settings = LoadSettings(options_.config_path, ProcessEnvironment());
    if (!settings.ok()) return settings.status();
    auto connection = Connection::Open(*settings, absl::Seconds(options_.timeout_seconds));
    if (!connection.ok()) return connection.status();
    connection_ = *std::move(connection);
  }
  return connection_.get();
}

absl::StatusOr<std::string> ReadInput(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
  }
  std::istream& input = path == "-" ? std::cin : file;
  std::string text;
  char buffer[65536];
  while (input.read(buffer, sizeof buffer) || input.gcount() > 0) {
    text.append(buffer, static_cast<size_t>(input.gcount()));
    if (text.size() > kInputBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": larger than ", kInputBytesMax, " bytes, which is the limit of a document"));
    }
  }
  if (input.bad()) return absl::UnavailableError(absl::StrCat("cannot read ", path, ": is it a folder?"));
  return text;
}

int RunTwinctl(int argc, const char* const* argv, Console& console) {
  CLI::App app("Digital twins of the MVMD profile, from the command line.", "twinctl");
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", "twinctl " MVMD_VERSION "\n");
  app.footer(
      "The gateway is found through twinctl.yaml (here, or in $XDG_CONFIG_HOME/mvmd), --config, or the environment\n"
      "(MVMD_ADDRESS, MVMD_CA, MVMD_CERT, MVMD_KEY, MVMD_SERVER_NAME). validate, rules, canonicalize, verify and\n"
      "decode need none.\n"
      "Exit codes: 0 fine, 1 failed, 2 invalid input.");

  GlobalOptions options;
  std::string output = "table";
  app.add_option("-o,--output", output, "table, json or jsonl (default: table)")
      ->check(CLI::IsMember({"table", "json", "jsonl"}).description(""))
      ->type_name("FORMAT");
  app.add_option("--config", options.config_path, "Settings file instead of twinctl.yaml")->type_name("FILE");
  app.add_option("--timeout", options.timeout_seconds, "Seconds that a call to the gateway may take (default: 10)")
      ->check(CLI::Range(0.001, 86400.0).description(""))
      ->type_name("SECONDS");

  CommandList commands;
  AddGetCommand(&commands);
  AddDiffCommand(&commands);
  AddListCommand(&commands);
  AddWatchCommand(&commands);
  AddSamplesCommand(&commands);
  AddGapsCommand(&commands);
  AddWriteCommands(&commands);
  AddBridgesCommand(&commands);
  AddQuarantineCommand(&commands);
  AddRuleCommands(&commands);
  AddDocumentCommands(&commands);
  AddProofCommands(&commands);
  AddDecodeCommand(&commands);
  std::vector<std::pair<CLI::App*, Command*>> registered;
  for (auto& command : commands) registered.emplace_back(command->Register(app), command.get());

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (app.get_subcommands().empty() && !app.remaining().empty()) {
      console.err() << "twinctl: there is no command `" << Printable(app.remaining().front())
                    << "`; see twinctl --help\n";
      return static_cast<int>(ExitCode::kInvalidInput);
    }
    const int code = app.exit(error, console.out(), console.err());
    return static_cast<int>(code == 0 ? ExitCode::kFine : ExitCode::kInvalidInput);
  }
  if (output == "json") options.output = OutputFormat::kJson;
  if (output == "jsonl") options.output = OutputFormat::kJsonLines;

  for (const auto& [subcommand, command] : registered) {
    if (!subcommand->parsed()) continue;
    CommandContext context(console, options);
    const absl::StatusOr<ExitCode> outcome = command->Run(context);
    if (!outcome.ok()) {
      console.out().flush();
      PrintError(subcommand->get_name(), outcome.status(), console);
      return static_cast<int>(CodeOf(outcome.status()));
    }
    if (!console.out().flush()) {
      console.err() << "twinctl " << subcommand->get_name() << ": cannot write to standard output\n";
      return static_cast<int>(ExitCode::kFailed);
    }
    return static_cast<int>(*outcome);
  }
  return static_cast<int>(ExitCode::kInvalidInput);
}

}  // namespace mvmd
