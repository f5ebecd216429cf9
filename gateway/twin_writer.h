// Writes of clients: checks a document, then lets the log decide.
#ifndef MVMD_GATEWAY_TWIN_WRITER_H_
#define MVMD_GATEWAY_TWIN_WRITER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gateway/committer.h"
#include "gateway/document_check.h"
#include "gateway/twin_state.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "runtime/executor.h"
#include "twin/json.h"
#include "twin/rules.h"

namespace mvmd {

// Thread-safe. Work (parsing, merging, validating) is done on the caller's thread, which must not be a reactor's;
// `done` is called on a thread of the executor, or on the caller's when the write was refused before it was logged.
class TwinWriter {
 public:
  // What a write did, and what the rules say of the document that it made; not set where the policy does not ask them.
  struct Written {
    ApplyResult applied;
    std::optional<RuleResult> findings;
  };
  using Done = absl::AnyInvocable<void(absl::StatusOr<Written> written) &&>;

  struct Options {
    size_t document_bytes_max = 8 << 20;
    // Of a write without a condition that others get in the way of.
    int tries = 8;
  };

  // All outlive the writer.
  TwinWriter(Committer* committer, Executor* executor, const Options& options);

  // The twin that `document` says it is. INVALID_ARGUMENT: REQUEST_INVALID (too large), DOCUMENT_INVALID (with the
  // findings; the policy of validation says whether that is asked), or an id that is not `twin` (unless that is empty).
  struct CheckedDocument {
    std::string twin;
    std::string canonical;
    std::optional<RuleResult> findings;
  };
  absl::StatusOr<CheckedDocument> CheckDocument(absl::string_view twin, const std::string& document) const;

  // `etag` as in PutTwinRequest.
  void Put(CheckedDocument document, const std::string& etag, const std::string& principal, Done done);
  // Merges into the definition as it is now, validates that, and appends the patch on the condition that the definition
  // is still the same. When it is not and the client made no condition of its own: again.
  void Update(const std::string& twin, const std::string& merge_patch, const std::string& etag,
              const std::string& principal, Done done);
  void Delete(const std::string& twin, const std::string& etag, const std::string& principal, Done done);

 private:
  struct PendingUpdate {
    std::string twin;
    Json patch;
    std::string etag;
    std::string principal;
    Done done;
    int tries_left = 0;
  };
  void TryUpdate(std::shared_ptr<PendingUpdate> update);
  // INVALID_ARGUMENT or OK: what the merged document looks like.
  absl::Status CheckMerged(const std::string& twin, const Json& merged, std::optional<RuleResult>* findings) const;
  void Append(mvmd::twin::v1alpha1::LogEntry entry, std::optional<RuleResult> findings, Done done);
  mvmd::twin::v1alpha1::ValidationMode ModeOf(const std::string& twin) const;

  Committer* const committer_;
  Executor* const executor_;
  const Options options_;
};

// Appends an entry of a client, and calls `done` with what it did, or why it did nothing: on a thread of the executor,
// or on this one when it was refused before it was logged. Both outlive the call.
void AppendEntry(Committer* committer, Executor* executor, mvmd::twin::v1alpha1::LogEntry entry,
                 absl::AnyInvocable<void(absl::StatusOr<ApplyResult> result) &&> done);

// INVALID_ARGUMENT (reason DOCUMENT_INVALID) with what BadRequest and DocumentRefused can carry of the findings.
absl::Status DocumentInvalidError(absl::string_view field, const RuleResult& result);

}  // namespace mvmd

#endif  // MVMD_GATEWAY_TWIN_WRITER_H_
