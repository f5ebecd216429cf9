// SPIFFE ids of certificates: refused, or the parts of exactly that text.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "certs/identity.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  const absl::string_view uri = FuzzText(data, size);
  const absl::StatusOr<PeerIdentity> peer = ParseSpiffeId(uri);
  if (!peer.ok()) {
    Ensure(peer.status().code() == absl::StatusCode::kInvalidArgument);
    return 0;
  }
  Ensure(uri.size() <= 2048 && peer->spiffe_id == uri);
  Ensure(absl::StrCat("spiffe://", peer->trust_domain, peer->path) == uri);
  Ensure(!absl::StrContains(peer->path, "//") && !absl::StrContains(peer->path, "/../"));
  Ensure(!peer->name().empty());
  return 0;
}
