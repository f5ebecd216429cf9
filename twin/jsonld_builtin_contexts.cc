// Contexts that the program holds whole. A test compares the digest of each with that of the published one.
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "twin/jsonld_context.h"

namespace mvmd {
namespace {

// Verifiable Credential Data Integrity 1.0, section 2.4. The term tables there, as one context.
constexpr char kDataIntegrityV2[] = R"({"@context": {
  "id": "@id", "type": "@type", "@protected": true,
  "proof": {"@id": "https://w3id.org/security#proof", "@type": "@id", "@container": "@graph"},
  "DataIntegrityProof": {"@id": "https://w3id.org/security#DataIntegrityProof", "@context": {
    "@protected": true, "id": "@id", "type": "@type",
    "challenge": "https://w3id.org/security#challenge",
    "created": {"@id": "http://purl.org/dc/terms/created", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"},
    "domain": "https://w3id.org/security#domain",
    "expires": {"@id": "https://w3id.org/security#expiration", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"},
    "nonce": "https://w3id.org/security#nonce",
    "previousProof": {"@id": "https://w3id.org/security#previousProof", "@type": "@id"},
    "proofPurpose": {"@id": "https://w3id.org/security#proofPurpose", "@type": "@vocab", "@context": {
      "@protected": true, "id": "@id", "type": "@type",
      "assertionMethod":
        {"@id": "https://w3id.org/security#assertionMethod", "@type": "@id", "@container": "@set"},
      "authentication":
        {"@id": "https://w3id.org/security#authenticationMethod", "@type": "@id", "@container": "@set"},
      "capabilityInvocation":
        {"@id": "https://w3id.org/security#capabilityInvocationMethod", "@type": "@id", "@container": "@set"},
      "capabilityDelegation":
        {"@id": "https://w3id.org/security#capabilityDelegationMethod", "@type": "@id", "@container": "@set"},
      "keyAgreement":
        {"@id": "https://w3id.org/security#keyAgreementMethod", "@type": "@id", "@container": "@set"}}},
    "cryptosuite":
      {"@id": "https://w3id.org/security#cryptosuite", "@type": "https://w3id.org/security#cryptosuiteString"},
    "proofValue": {"@id": "https://w3id.org/security#proofValue", "@type": "https://w3id.org/security#multibase"},
    "verificationMethod": {"@id": "https://w3id.org/security#verificationMethod", "@type": "@id"}}}}})";

const Json& DataIntegrityV2() {
  static const Json* const kContext = [] {
    absl::StatusOr<Json> parsed = ParseJson(kDataIntegrityV2);
    if (!parsed.ok()) std::abort();  // the text above is malformed
    return new Json(*std::move(parsed));
  }();
  return *kContext;
}

}  // namespace

const Json* BuiltInJsonLdContext(absl::string_view url) {
  return url == "https://w3id.org/security/data-integrity/v2" ? &DataIntegrityV2() : nullptr;
}

}  // namespace mvmd
