// Data Integrity proofs of documents: cryptosuite eddsa-jcs-2022.
//
// Verifiable Credential Data Integrity 1.0 and Data Integrity EdDSA Cryptosuites 1.0, section 3.3. A proof signs
// SHA-256(C1 of the proof without proofValue) followed by SHA-256(C1 of the document without its proof).
#ifndef MVMD_TWIN_DATA_INTEGRITY_H_
#define MVMD_TWIN_DATA_INTEGRITY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "twin/ed25519.h"
#include "twin/json.h"

namespace mvmd {

inline constexpr char kDataIntegrityContext[] = "https://w3id.org/security/data-integrity/v2";
// Each hashes the whole document anew.
inline constexpr size_t kProofsMax = 16;

// Gives the 64 bytes of a signature.
using Signer = absl::FunctionRef<absl::StatusOr<std::string>(absl::string_view message)>;

// `document` with a proof by `key`, in the place of what it had as `proof`, and with kDataIntegrityContext at the end
// of its
// `@context`, unless it, or a context that contains it, is there. `document` is an object, `sign` signs with the key's
// secret half. `created` is told to the second. Errors are those of `sign`.
absl::StatusOr<Json> AddProof(Json document, const Ed25519PublicKey& key, int64_t created_unix_ns, Signer sign);

// What became of one proof.
struct ProofVerdict {
  // OK; or INVALID_ARGUMENT when the proof is malformed, expired, or its signature is not one of this document;
  // UNIMPLEMENTED for another type or suite, by name, and for a chain of proofs.
  absl::Status status;
  // What the proof says, as far as it is a text; of a proof that does not verify it means nothing.
  std::string type;
  std::string cryptosuite;
  std::string created;
  std::string verification_method;
  // Who made it; not set when that cannot be told.
  std::optional<Ed25519PublicKey> key;
  // Entries at the end of the document's `@context` that the proof does not cover. It may be so in a proof set; the
  // document that was signed does not have them.
  size_t contexts_not_covered = 0;
};

struct ProofVerdicts {
  // OK when there is a proof, all of them verify, and one at least is by the key that was expected.
  absl::Status status;
  // In the order of the document.
  std::vector<ProofVerdict> proofs;
};

// Checks all proofs of a document. `expected` is the key that must have signed it; null: any. `now` is for `expires`.
// Nothing is fetched. Thread-safe.
ProofVerdicts VerifyProofs(const Json& document, const Ed25519PublicKey* expected, int64_t now_unix_ns);

}  // namespace mvmd

#endif  // MVMD_TWIN_DATA_INTEGRITY_H_
