// canonicalize: a local command on document texts.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "twin/canonical.h"
#include "twin/json.h"
#include "twin/linked_data.h"
#include "twinctl/command.h"

namespace mvmd {
namespace {

class CanonicalizeCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("canonicalize", "Print the canonical bytes (C1, RFC 8785) of a document");
    command->add_option("FILE", file_, "JSON text, or - for standard input")->required();
    command->add_flag("--nquads", nquads_, "Print its canonical graph (C2, RDFC-1.0) instead, as N-Quads");
    command->add_flag("--lossless", lossless_, "Take its lossless variant, whose context keeps order and types in RDF");
    command->add_flag("--digest", digest_, "Print the SHA-256 of the bytes, in hex, instead");
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    const absl::StatusOr<std::string> text = ReadInput(file_);
    if (!text.ok()) return text.status();
    if (nquads_ || lossless_) return PrintOfTree(*text, context);
    const absl::StatusOr<std::string> canonical = CanonicalizeText(*text);
    if (!canonical.ok()) return NotIJson(ParseIJson(*text), context);
    Print(*canonical, context);
    return ExitCode::kFine;
  }

 private:
  absl::Status NotIJson(const JsonParseResult& parsed, CommandContext& context) const {
    for (const JsonProblem& problem : parsed.problems) {
      context.console().err() << Printable(file_) << ":" << problem.line << ":" << problem.column << ": "
                              << Printable(problem.message) << " [" << problem.rule << "]\n";
    }
    return absl::InvalidArgumentError(absl::StrCat(file_, ": is no I-JSON (RFC 7493), so it has no canonical form"));
  }

  void Print(const std::string& canonical, CommandContext& context) const {
    if (digest_) {
      context.out() << Sha256Hex(canonical) << "\n";
    } else {
      context.out() << canonical;
    }
  }

  absl::StatusOr<ExitCode> PrintOfTree(const std::string& text, CommandContext& context) const {
    JsonParseResult parsed = ParseIJson(text);
    if (!parsed.ok) return NotIJson(parsed, context);
    if (lossless_) {
      if (!parsed.value.is_object()) return absl::InvalidArgumentError(absl::StrCat(file_, ": expected an object"));
      parsed.value = LosslessDocument(parsed.value);
    }
    if (nquads_) return PrintGraph(parsed.value, context);
    Print(Canonicalize(parsed.value), context);
    return ExitCode::kFine;
  }

  absl::StatusOr<ExitCode> PrintGraph(const Json& document, CommandContext& context) const {
    const absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(document);
    if (!graph.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(file_, ": has no canonical graph: ", graph.status().message()));
    }
    if (digest_) {
      context.out() << graph->sha256 << "\n";
    } else {
      context.out() << graph->nquads;
    }
    if (graph->lossy) {
      context.console().err() << Printable(file_) << ": lossy: RDF does not hold all that this document says\n";
    }
    return ExitCode::kFine;
  }

  std::string file_;
  bool nquads_ = false;
  bool lossless_ = false;
  bool digest_ = false;
};

}  // namespace

void AddDocumentCommands(CommandList* commands) { commands->push_back(std::make_unique<CanonicalizeCommand>()); }

}  // namespace mvmd
