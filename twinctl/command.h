// What a command of twinctl is.
#ifndef MVMD_TWINCTL_COMMAND_H_
#define MVMD_TWINCTL_COMMAND_H_

#include <memory>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "twinctl/connection.h"
#include "twinctl/console.h"

namespace mvmd {

enum class ExitCode { kFine = 0, kFailed = 1, kInvalidInput = 2 };

// Largest document, patch or payload that is read.
inline constexpr size_t kInputBytesMax = 8 << 20;

// Options that every command has.
struct GlobalOptions {
  OutputFormat output = OutputFormat::kTable;
  std::string config_path;
  double timeout_seconds = 10;
};

// What a command runs with. Local commands never ask for the connection, and so never touch the network.
class CommandContext {
 public:
  CommandContext(Console& console, const GlobalOptions& options) : console_(console), options_(options) {}

  Console& console() { return console_; }
  std::ostream& out() { return console_.out(); }
  OutputFormat output() const { return options_.output; }
  // Opened at the first call.
  absl::StatusOr<Connection*> connection();

 private:
  Console& console_;
  const GlobalOptions& options_;
  std::unique_ptr<Connection> connection_;
};

// One subcommand: declares its flags, then runs. An error that it returns is printed by the caller, with exit code 2
// for INVALID_ARGUMENT and 1 for the rest; what it returns as an exit code has been printed.
class Command {
 public:
  virtual ~Command() = default;
  // Once; the options' values live in the command.
  virtual CLI::App* Register(CLI::App& app) = 0;
  virtual absl::StatusOr<ExitCode> Run(CommandContext& context) = 0;
};

// Each file of commands adds its own.
using CommandList = std::vector<std::unique_ptr<Command>>;
void AddGetCommand(CommandList* commands);         // get
void AddDiffCommand(CommandList* commands);        // diff
void AddListCommand(CommandList* commands);        // list
void AddWatchCommand(CommandList* commands);       // watch
void AddSamplesCommand(CommandList* commands);     // samples
void AddGapsCommand(CommandList* commands);        // gaps
void AddWriteCommands(CommandList* commands);      // put, patch, delete
void AddBridgesCommand(CommandList* commands);     // bridges
void AddDocumentCommands(CommandList* commands);   // canonicalize
void AddProofCommands(CommandList* commands);      // verify, signing-key
void AddRuleCommands(CommandList* commands);       // validate, rules
void AddQuarantineCommand(CommandList* commands);  // quarantine
void AddDecodeCommand(CommandList* commands);      // decode

// The whole program, for main and tests.
int RunTwinctl(int argc, const char* const* argv, Console& console);

// A file, or standard input for `-`. NOT_FOUND; INVALID_ARGUMENT when it is larger than kInputBytesMax.
absl::StatusOr<std::string> ReadInput(const std::string& path);

}  // namespace mvmd

#endif  // MVMD_TWINCTL_COMMAND_H_
