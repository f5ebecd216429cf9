// verify, signing-key: who has signed a document.
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "twin/data_integrity.h"
#include "twin/json.h"
#include "twinctl/command.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr char kNotPinned[] =
    "nobody vouches for this key: anybody can sign with one of their own; pass the DID that you trust with --did";

Json TextOrNull(const std::string& text) { return text.empty() ? Json() : Json::String(text); }

Json VerdictJson(const ProofVerdict& verdict) {
  Json row = Json::Object();
  row.Set("verified", Json::Bool(verdict.status.ok()));
  row.Set("did", verdict.key.has_value() ? Json::String(verdict.key->Did()) : Json());
  row.Set("verificationMethod", TextOrNull(verdict.verification_method));
  row.Set("created", TextOrNull(verdict.created));
  row.Set("type", TextOrNull(verdict.type));
  row.Set("cryptosuite", TextOrNull(verdict.cryptosuite));
  row.Set("contextsNotCovered", Json::Number(static_cast<double>(verdict.contexts_not_covered)));
  row.Set("error", verdict.status.ok() ? Json() : Json::String(verdict.status.message()));
  return row;
}

class VerifyCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("verify", "Check who has signed a document, and that it is what was signed");
    command->add_option("FILE", file_, "Signed JSON document, or - for standard input")->required();
    command->add_option("--did", did_, "The signer that you expect, did:key:z6Mk...")->type_name("DID");
    command->footer("Needs no gateway. Exit codes: 0 verified, 2 not.");
    return command;
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    std::optional<Ed25519PublicKey> expected;
    if (!did_.empty()) {
      const absl::StatusOr<Ed25519PublicKey> key = Ed25519PublicKey::FromDid(did_);
      if (!key.ok()) return absl::InvalidArgumentError(absl::StrCat("--did: ", key.status().message()));
      expected = *key;
    }
    const absl::StatusOr<std::string> text = ReadInput(file_);
    if (!text.ok()) return text.status();
    const JsonParseResult parsed = ParseIJson(*text);
    // An integer that binary64 does not hold is no error, but the digits that others may read are not those that were
    // signed.
    for (const JsonProblem& problem : parsed.problems) {
      context.console().err() << Printable(file_) << ":" << problem.line << ":" << problem.column << ": "
                              << Printable(problem.message) << " [" << problem.rule << "]\n";
    }
    if (!parsed.ok) {
      return absl::InvalidArgumentError(absl::StrCat(file_, ": is no I-JSON (RFC 7493), so nobody can have signed it"));
    }
    const ProofVerdicts verdicts =
        VerifyProofs(parsed.value, expected.has_value() ? &*expected : nullptr, absl::GetCurrentTimeNanos());
    if (context.output() == OutputFormat::kTable) {
      PrintText(verdicts, expected.has_value(), context);
    } else {
      PrintJson(verdicts, expected.has_value(), context);
    }
    return verdicts.status.ok() ? ExitCode::kFine : ExitCode::kInvalidInput;
  }

 private:
  static void PrintField(CommandContext& context, absl::string_view name, absl::string_view value) {
    context.out() << context.console().Paint(Colour::kDim, absl::StrCat(name, std::string(11 - name.size(), ' ')))
                  << Printable(value) << "\n";
  }

  void PrintText(const ProofVerdicts& verdicts, bool is_pinned, CommandContext& context) const {
    const bool fine = verdicts.status.ok();
    context.out() << Printable(file_) << ": "
                  << context.console().Paint(fine ? Colour::kGreen : Colour::kRed, fine ? "verified" : "NOT verified");
    if (!fine) context.out() << ": " << Printable(verdicts.status.message());
    context.out() << "\n";
    for (const ProofVerdict& verdict : verdicts.proofs) {
      context.out() << "\n";
      // What an unverified proof says of itself proves nothing.
      PrintField(context, verdict.status.ok() ? "signed by" : "claims",
                 verdict.key.has_value() ? verdict.key->Did() : verdict.verification_method);
      PrintField(context, "created", verdict.created.empty() ? "-" : verdict.created);
      if (!verdict.status.ok()) PrintField(context, "error", verdict.status.message());
      if (verdict.contexts_not_covered > 0) {
        PrintField(context, "note",
                   absl::StrCat("the last ", verdict.contexts_not_covered,
                                " of the document's contexts are not covered by this proof"));
      }
    }
    if (fine && !is_pinned) context.out() << "\n" << context.console().Paint(Colour::kYellow, kNotPinned) << "\n";
  }

  static void PrintJson(const ProofVerdicts& verdicts, bool is_pinned, CommandContext& context) {
    Json result = Json::Object();
    result.Set("verified", Json::Bool(verdicts.status.ok()));
    result.Set("pinned", Json::Bool(is_pinned));
    result.Set("error", verdicts.status.ok() ? Json() : Json::String(verdicts.status.message()));
    Json& proofs = result.Set("proofs", Json::Array());
    for (const ProofVerdict& verdict : verdicts.proofs) proofs.Append(VerdictJson(verdict));
    context.out() << (context.output() == OutputFormat::kJson ? PrettyJson(result) : CompactJson(result)) << "\n";
  }

  std::string file_;
  std::string did_;
};

class SigningKeyCommand final : public Command {
 public:
  CLI::App* Register(CLI::App& app) override {
    return app.add_subcommand("signing-key", "The key with which the gateway signs documents");
  }

  absl::StatusOr<ExitCode> Run(CommandContext& context) override {
    auto connection = context.connection();
    if (!connection.ok()) return connection.status();
    const auto key = (*connection)->Call(&Connection::Stub::GetSigningKey, pb::GetSigningKeyRequest());
    if (!key.ok()) return key.status();
    if (context.output() == OutputFormat::kTable) {
      context.out() << Printable(key->did()) << "\n";
      return ExitCode::kFine;
    }
    Json result = Json::Object();
    result.Set("did", Json::String(key->did()));
    result.Set("verificationMethod", Json::String(key->verification_method()));
    result.Set("publicKeyMultibase", Json::String(key->public_key_multibase()));
    context.out() << (context.output() == OutputFormat::kJson ? PrettyJson(result) : CompactJson(result)) << "\n";
    return ExitCode::kFine;
  }
};

}  // namespace

void AddProofCommands(CommandList* commands) {
  commands->push_back(std::make_unique<VerifyCommand>());
  commands->push_back(std::make_unique<SigningKeyCommand>());
}

}  // namespace mvmd
