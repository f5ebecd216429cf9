#include "twin/data_integrity.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "twin/base58.h"
#include "twin/canonical.h"
#include "twin/time.h"

namespace mvmd {
namespace {

constexpr char kProofType[] = "DataIntegrityProof";
constexpr char kCryptosuite[] = "eddsa-jcs-2022";
constexpr char kProofPurpose[] = "assertionMethod";
// Has all terms of kDataIntegrityContext.
constexpr char kCredentialsContext[] = "https://www.w3.org/ns/credentials/v2";
// Of a member's value in messages.
constexpr size_t kToldBytesMax = 100;
constexpr int64_t kSecondNs = 1'000'000'000;

// `@context` as a list; a single one is a list of one.
std::vector<Json> ContextsOf(const Json& context) {
  return context.is_array() ? context.elements() : std::vector<Json>{context};
}

bool IsText(const Json& value, absl::string_view text) { return value.is_string() && value.string() == text; }

void InjectContext(Json* document) {
  const Json* const context = document->Find("@context");
  if (context == nullptr) {
    document->Set("@context", Json::String(kDataIntegrityContext));
    return;
  }
  std::vector<Json> contexts = ContextsOf(*context);
  const bool has_terms = std::any_of(contexts.begin(), contexts.end(), [](const Json& entry) {
    return IsText(entry, kDataIntegrityContext) || IsText(entry, kCredentialsContext);
  });
  if (has_terms) return;
  contexts.push_back(Json::String(kDataIntegrityContext));
  Json injected = Json::Array();
  injected.elements() = std::move(contexts);
  document->Set("@context", std::move(injected));
}

// EdDSA Cryptosuites, section 3.3.4. `options`: the proof without proofValue; `document`: without proof.
std::string HashData(const Json& options, const Json& document) {
  return absl::StrCat(Sha256(Canonicalize(options)), Sha256(Canonicalize(document)));
}

absl::string_view TypeName(const Json& value) {
  switch (value.type()) {
    case Json::Type::kNull:
      return "null";
    case Json::Type::kBool:
      return "a boolean";
    case Json::Type::kNumber:
      return "a number";
    case Json::Type::kString:
      return "a text";
    case Json::Type::kArray:
      return "an array";
    case Json::Type::kObject:
      break;
  }
  return "an object";
}

std::string Told(const Json& value) {
  if (!value.is_string()) return std::string(TypeName(value));
  return absl::StrCat("\"", absl::string_view(value.string()).substr(0, kToldBytesMax), "\"");
}

absl::Status Unexpected(absl::string_view member, absl::string_view expected, const Json* got) {
  return absl::InvalidArgumentError(
      absl::StrCat(member, ": expected ", expected, ", got ", got == nullptr ? "nothing" : Told(*got)));
}

// Text of a member; empty when there is none.
std::string TextOf(const Json& proof, absl::string_view member) {
  const Json* const value = proof.Find(member);
  return value != nullptr && value->is_string() ? value->string() : "";
}

absl::Status CheckTime(const Json& proof, absl::string_view member, std::optional<InstantRange>* time) {
  const Json* const value = proof.Find(member);
  if (value == nullptr) return absl::OkStatus();
  if (value->is_string()) *time = ParseTimestampRange(value->string());
  return time->has_value() ? absl::OkStatus() : Unexpected(member, "a timestamp with its zone", value);
}

// Members that need not be there, and are signed like the others.
absl::Status CheckTextMembers(const Json& proof) {
  for (const char* member : {"id", "challenge", "nonce"}) {
    const Json* const value = proof.Find(member);
    if (value != nullptr && !value->is_string()) return Unexpected(member, "a text", value);
  }
  const Json* const domain = proof.Find("domain");
  if (domain == nullptr || domain->is_string()) return absl::OkStatus();
  const bool is_texts = domain->is_array() && std::all_of(domain->elements().begin(), domain->elements().end(),
                                                          [](const Json& element) { return element.is_string(); });
  return is_texts ? absl::OkStatus() : Unexpected("domain", "a text, or an array of texts", domain);
}

absl::StatusOr<std::string> SignatureOf(const Json& proof) {
  const Json* const value = proof.Find("proofValue");
  if (value == nullptr || !value->is_string() || !absl::StartsWith(value->string(), "z")) {
    return Unexpected("proofValue", "base58btc, which begins with z", value);
  }
  std::optional<std::string> signature = DecodeBase58(absl::string_view(value->string()).substr(1));
  if (!signature.has_value() || signature->size() != kEd25519SignatureBytes) {
    return Unexpected("proofValue", absl::StrCat("base58btc of ", kEd25519SignatureBytes, " bytes"), value);
  }
  return *std::move(signature);
}

// Type, suite and purpose: is this a proof that can be checked here?
absl::Status CheckKind(const Json& proof) {
  const Json* const type = proof.Find("type");
  if (type == nullptr || !type->is_string()) return Unexpected("type", kProofType, type);
  if (!IsText(*type, kProofType)) {
    return absl::UnimplementedError(absl::StrCat("type: only ", kProofType, " is known here, got ", Told(*type)));
  }
  const Json* const suite = proof.Find("cryptosuite");
  if (suite == nullptr || !suite->is_string()) return Unexpected("cryptosuite", kCryptosuite, suite);
  if (!IsText(*suite, kCryptosuite)) {
    return absl::UnimplementedError(
        absl::StrCat("cryptosuite: only ", kCryptosuite, " is known here, got ", Told(*suite)));
  }
  const Json* const purpose = proof.Find("proofPurpose");
  if (purpose == nullptr || !IsText(*purpose, kProofPurpose)) return Unexpected("proofPurpose", kProofPurpose, purpose);
  if (proof.Find("previousProof") != nullptr) {
    return absl::UnimplementedError("previousProof: chains of proofs are not known here");
  }
  return absl::OkStatus();
}

// Section 3.3.2, step 4: the document's contexts begin with those of the proof, and are these in what was signed.
absl::Status TakeContext(const Json& proof, Json* document, size_t* not_covered) {
  const Json* const context = proof.Find("@context");
  if (context == nullptr) return absl::OkStatus();
  const Json* const own = document->Find("@context");
  if (own == nullptr) return absl::InvalidArgumentError("@context: the proof has one, and the document has none");
  const std::vector<Json> signed_contexts = ContextsOf(*context);
  const std::vector<Json> contexts = ContextsOf(*own);
  if (signed_contexts.size() > contexts.size() ||
      !std::equal(signed_contexts.begin(), signed_contexts.end(), contexts.begin())) {
    return absl::InvalidArgumentError("@context: the document's does not begin with that of the proof");
  }
  *not_covered = contexts.size() - signed_contexts.size();
  document->Set("@context", *context);
  return absl::OkStatus();
}

// `unsecured`: the document without proofs.
absl::Status CheckProof(const Json& proof, const Json& unsecured, int64_t now_unix_ns, ProofVerdict* verdict) {
  if (absl::Status kind = CheckKind(proof); !kind.ok()) return kind;
  const Json* const method = proof.Find("verificationMethod");
  if (method == nullptr || !method->is_string()) return Unexpected("verificationMethod", "the URL of a key", method);
  const absl::StatusOr<Ed25519PublicKey> key = Ed25519PublicKey::FromVerificationMethod(method->string());
  if (!key.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("verificationMethod: ", key.status().message()));
  }
  verdict->key = *key;
  std::optional<InstantRange> created;
  if (absl::Status status = CheckTime(proof, "created", &created); !status.ok()) return status;
  std::optional<InstantRange> expires;
  if (absl::Status status = CheckTime(proof, "expires", &expires); !status.ok()) return status;
  if (absl::Status status = CheckTextMembers(proof); !status.ok()) return status;
  const absl::StatusOr<std::string> signature = SignatureOf(proof);
  if (!signature.ok()) return signature.status();

  Json document = unsecured;
  if (absl::Status status = TakeContext(proof, &document, &verdict->contexts_not_covered); !status.ok()) return status;
  Json options = proof;
  options.Remove("proofValue");
  if (!key->Verifies(HashData(options, document), *signature)) {
    return absl::InvalidArgumentError(
        "proofValue: is no signature of this document by this key; one of the three was changed");
  }
  if (expires.has_value() && expires->last_unix_ns < now_unix_ns) {
    return absl::InvalidArgumentError(absl::StrCat("expires: the proof has expired at ", TextOf(proof, "expires")));
  }
  return absl::OkStatus();
}

absl::Status At(absl::string_view where, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(where, "/", status.message()));
}

}  // namespace

absl::StatusOr<Json> AddProof(Json document, const Ed25519PublicKey& key, int64_t created_unix_ns, Signer sign) {
  document.Remove("proof");
  InjectContext(&document);
  Json proof = Json::Object();
  proof.Set("type", Json::String(kProofType));
  proof.Set("cryptosuite", Json::String(kCryptosuite));
  proof.Set("created", Json::String(FormatTimestamp(created_unix_ns / kSecondNs * kSecondNs)));
  proof.Set("verificationMethod", Json::String(key.VerificationMethod()));
  proof.Set("proofPurpose", Json::String(kProofPurpose));
  // Section 3.3.1, step 2: others may add proofs, and contexts for them.
  proof.Set("@context", *document.Find("@context"));
  const absl::StatusOr<std::string> signature = sign(HashData(proof, document));
  if (!signature.ok()) return signature.status();
  proof.Set("proofValue", Json::String(absl::StrCat("z", EncodeBase58(*signature))));
  document.Set("proof", std::move(proof));
  return document;
}

ProofVerdicts VerifyProofs(const Json& document, const Ed25519PublicKey* expected, int64_t now_unix_ns) {
  ProofVerdicts verdicts;
  const auto refuse = [&verdicts](absl::Status status) {
    if (verdicts.status.ok()) verdicts.status = std::move(status);
  };
  if (!document.is_object()) {
    refuse(absl::InvalidArgumentError(absl::StrCat("expected a document (an object), got ", TypeName(document))));
    return verdicts;
  }
  const Json* const proof = document.Find("proof");
  if (proof == nullptr) {
    refuse(absl::InvalidArgumentError("/proof: the document has none, nobody has signed it"));
    return verdicts;
  }
  const bool is_set = proof->is_array();
  if ((!is_set && !proof->is_object()) || (is_set && proof->elements().empty())) {
    refuse(absl::InvalidArgumentError(absl::StrCat("/proof: expected an object, or an array of one or more, got ",
                                                   is_set ? "an empty array" : TypeName(*proof))));
    return verdicts;
  }
  const size_t count = is_set ? proof->elements().size() : 1;
  if (count > kProofsMax) {
    refuse(absl::InvalidArgumentError(absl::StrCat("/proof: expected at most ", kProofsMax, ", got ", count)));
    return verdicts;
  }
  Json unsecured = document;
  unsecured.Remove("proof");
  bool is_by_expected = expected == nullptr;
  for (size_t i = 0; i < count; ++i) {
    const Json& one = is_set ? proof->elements()[i] : *proof;
    const std::string where = is_set ? absl::StrCat("/proof/", i) : "/proof";
    ProofVerdict& verdict = verdicts.proofs.emplace_back();
    if (one.is_object()) {
      verdict.type = TextOf(one, "type");
      verdict.cryptosuite = TextOf(one, "cryptosuite");
      verdict.created = TextOf(one, "created");
      verdict.verification_method = TextOf(one, "verificationMethod");
      const absl::Status status = CheckProof(one, unsecured, now_unix_ns, &verdict);
      if (!status.ok()) verdict.status = At(where, status);
    } else {
      verdict.status = absl::InvalidArgumentError(absl::StrCat(where, ": expected an object, got ", TypeName(one)));
    }
    if (!verdict.status.ok()) refuse(verdict.status);
    if (verdict.status.ok() && expected != nullptr && *verdict.key == *expected) is_by_expected = true;
  }
  if (!is_by_expected) {
    refuse(absl::InvalidArgumentError(absl::StrCat("/proof: expected one by ", expected->Did(), ", got none")));
  }
  return verdicts;
}

}  // namespace mvmd
