// Twins as they were: the document of a twin at a past revision.
#ifndef MVMD_GATEWAY_PAST_TWINS_H_
#define MVMD_GATEWAY_PAST_TWINS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gateway/commit_log.h"
#include "gateway/committer.h"
#include "gateway/state_store.h"
#include "gateway/twin_state.h"

namespace mvmd {

// What At gives, renders to the same bytes as what TwinState::GetTwin gave when that revision was applied, live values
// included. It is folded from the log again, for that twin alone and from its keyframe before the revision on, with the
// code that the fold uses (LiveTwin). The definition, connections, and owners by documents are looked up in the state.
//
// What a read costs is bounded by how far keyframes are apart (TwinStateLimits::keyframe_*), and parts of the log
// without samples of the twin are passed over. Memory: a megabyte of the log at a time, and the twin.
//
// Thread-safe. Reads the disk: call it from an executor, never from a reactor.
class PastTwins {
 public:
  // All outlive it. `store` is that of the committer.
  PastTwins(const CommitLog* log, const StateStore* store, const Committer* committer);

  // OUT_OF_RANGE: REVISION_AHEAD (metadata applied_revision); REVISION_COMPACTED (metadata twin, oldest_revision: of
  // this twin): trimmed, or from before this version of the gateway. NOT_FOUND (TWIN_NOT_FOUND): there was no such twin
  // at that revision. INTERNAL, DATA_LOSS: the disk.
  absl::StatusOr<TwinSnapshot> At(absl::string_view twin, uint64_t revision) const;

 private:
  struct Beginning;
  absl::StatusOr<Beginning> FindBeginning(absl::string_view twin, uint64_t revision, const PastTwin& past) const;
  // OUT_OF_RANGE with the oldest revision of this twin from `oldest_revision` on that can be read.
  absl::Status Forgotten(absl::string_view twin, uint64_t revision, uint64_t oldest_revision) const;

  const CommitLog* const log_;
  const StateStore* const store_;
  const Committer* const committer_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_PAST_TWINS_H_
