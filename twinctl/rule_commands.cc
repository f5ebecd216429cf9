// validate, rules: what the profile asks of a document.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "twin/rules.h"
#include "twinctl/command.h"
#include "twinctl/findings.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// Of one call: the gateway takes as many bytes as one document may have.
constexpr size_t kBatchBytes = 4 << 20;
constexpr int kBatchDocuments = 100;

class ValidateCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("validate", "Check documents against the rules of the profile");
    command->add_option("FILE", files_, "Documents; - is standard input")->required();
    command->add_flag("--strict", strict_, "Strict mode: most warnings are errors");
    command->add_flag("--remote", remote_, "Let the gateway check, with the rules of its version");
    command->footer(
        "Exit code 2 when a document is invalid. JSON of one file is the result object; of several, an array\n"
        "(jsonl: a line each) of result objects that also have the member `file`.");
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    // Each is done before the next one is read, so that many files need no more memory than one.
    for (const std::string& file : files_) {
      absl::StatusOr<std::string> text = ReadInput(file);
      if (!text.ok()) return text.status();
      if (!remote_) {
        const RuleResult result = ValidateText(*text, strict_);
        Tell(
            context, file, result.valid, result.errors.size(), result.warnings.size(), result.truncated,
            [&] { return FindingsText(result, context.console()); }, [&] { return ResultToJson(result); });
        continue;
      }
      if (batch_.requests_size() == kBatchDocuments || batch_bytes_ + text->size() > kBatchBytes) {
        if (absl::Status status = Send(context); !status.ok()) return status;
      }
      batch_files_.push_back(file);
      batch_bytes_ += text->size();
      pb::ValidateTwinRequest* request = batch_.add_requests();
      request->set_document(*std::move(text));
      request->set_strict(strict_);
    }
    if (absl::Status status = Send(context); !status.ok()) return status;
    if (context.output() == OutputFormat::kJson && files_.size() > 1) context.out() << PrettyJson(all_) << "\n";
    return all_valid_ ? ExitCode::kFine : ExitCode::kInvalidInput;
  }

 private:
  absl::Status Send(CommandContext& context) {
    if (batch_.requests().empty()) return absl::OkStatus();
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    const auto response = (*connection)->Call(&Connection::Stub::BatchValidateTwins, batch_);
    if (!response.ok()) return response.status();
    if (response->responses_size() != batch_.requests_size()) {
      return absl::InternalError(absl::StrCat("expected ", batch_.requests_size(), " results of the gateway, got ",
                                              response->responses_size()));
    }
    for (int i = 0; i < response->responses_size(); ++i) {
      const pb::ValidationResult& result = response->responses(i).result();
      Tell(
          context, batch_files_[static_cast<size_t>(i)], result.valid(), static_cast<size_t>(result.errors_size()),
          static_cast<size_t>(result.warnings_size()), result.truncated(),
          [&] { return FindingsText(result, context.console()); }, [&] { return ResultJson(result); });
    }
    batch_.Clear();
    batch_files_.clear();
    batch_bytes_ = 0;
    return absl::OkStatus();
  }

  template <typename Text, typename ToJson>
  void Tell(CommandContext& context, const std::string& file, bool valid, size_t errors, size_t warnings,
            bool truncated, Text text, ToJson to_json) {
    all_valid_ &= valid;
    if (context.output() == OutputFormat::kTable) {
      context.out() << Printable(file) << ": "
                    << (valid ? context.console().Paint(Colour::kGreen, "valid")
                              : context.console().Paint(Colour::kRed, "invalid"))
                    << (strict_ ? " (strict), " : ", ") << errors << " errors, " << warnings << " warnings"
                    << (truncated ? ", and more that were left out\n" : "\n") << text();
      return;
    }
    Json result = to_json();
    if (files_.size() > 1) {
      Json named = Json::Object();
      named.Set("file", Json::String(file));
      for (Json::Member& member : result.members()) named.Set(member.first, std::move(member.second));
      result = std::move(named);
    }
    if (context.output() == OutputFormat::kJsonLines) {
      context.out() << CompactJson(result) << "\n";
    } else if (files_.size() == 1) {
      context.out() << PrettyJson(result) << "\n";
    } else {
      all_.Append(std::move(result));
    }
  }

  std::vector<std::string> files_;
  bool strict_ = false;
  bool remote_ = false;
  bool all_valid_ = true;
  Json all_ = Json::Array();
  pb::BatchValidateTwinsRequest batch_;
  std::vector<std::string> batch_files_;
  size_t batch_bytes_ = 0;
};

class RulesCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("rules", "List the rules of the profile: severity in both modes, message");
    command->add_option("RULE", wanted_, "Ids, or how they begin: SEN-09, SYN (default: all)");
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    for (std::string& prefix : wanted_) absl::AsciiStrToUpper(&prefix);
    for (const std::string& prefix : wanted_) {
      const auto rules = RuleCatalogue();
      if (std::any_of(rules.begin(), rules.end(), [&](const Rule& r) { return absl::StartsWith(r.id, prefix); }))
        continue;
      return absl::InvalidArgumentError(
          absl::StrCat("there is no rule whose id begins with `", prefix, "`; see twinctl rules"));
    }
    Table table({"RULE", "LENIENT", "STRICT", "MESSAGE"});
    Json all = Json::Array();
    for (const Rule& rule : RuleCatalogue()) {
      if (!IsWanted(rule)) continue;
      if (context.output() == OutputFormat::kTable) {
        table.AddRow({rule.id, SeverityName(rule.lenient), SeverityName(rule.strict), rule.message});
        continue;
      }
      Json row = Json::Object();
      row.Set("id", Json::String(rule.id));
      row.Set("lenient", Json::String(SeverityName(rule.lenient)));
      row.Set("strict", Json::String(SeverityName(rule.strict)));
      row.Set("message", Json::String(rule.message));
      if (context.output() == OutputFormat::kJsonLines) {
        context.out() << CompactJson(row) << "\n";
      } else {
        all.Append(std::move(row));
      }
    }
    if (context.output() == OutputFormat::kTable) context.out() << table.Render();
    if (context.output() == OutputFormat::kJson) context.out() << PrettyJson(all) << "\n";
    return ExitCode::kFine;
  }

 private:
  static const char* SeverityName(Severity severity) { return severity == Severity::kError ? "error" : "warning"; }
  bool IsWanted(const Rule& rule) const {
    return wanted_.empty() || std::any_of(wanted_.begin(), wanted_.end(), [&rule](const std::string& prefix) {
             return absl::StartsWith(rule.id, prefix);
           });
  }

  std::vector<std::string> wanted_;
};

}  // namespace

void AddRuleCommands(CommandList* commands) {
  commands->push_back(std::make_unique<ValidateCommand>());
  commands->push_back(std::make_unique<RulesCommand>());
}

}  // namespace mvmd
