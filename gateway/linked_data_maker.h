// Makes C2 of documents for clients, and keeps what was made last.
#ifndef MVMD_GATEWAY_LINKED_DATA_MAKER_H_
#define MVMD_GATEWAY_LINKED_DATA_MAKER_H_

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "gateway/gateway_metrics.h"
#include "gateway/stream_registry.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "runtime/executor.h"
#include "twin/json.h"

namespace mvmd {

struct LinkedDataOptions {
  // Of C1. Time and memory for C2 are a multiple, see docs/linked-data.md.
  size_t document_bytes_max = 128 << 10;
  // Documents that wait; of one client a share.
  size_t waiting_max = 64;
  // Answers kept, the N-Quads of them together.
  size_t kept_bytes_max = 16 << 20;
};

// C2 takes a thousand times as long as the rest of an answer, and documents can be written for which it takes longer
// still. It has one thread of its own, so that only those wait for it who ask for it. An answer is kept by the
// document's etag, errors too. Thread-safe.
//
//   maker.Make({.client = subject, .etag = etag, .document_bytes = canonical.size(), .tree = [..] { .. },
//               .is_cancelled = [call] { return call->is_cancelled(); }, .done = [..](const LinkedDataMaker::Answer& a)
//               { .. }});
class LinkedDataMaker {
 public:
  // FAILED_PRECONDITION: LINKED_DATA_TOO_LARGE (metadata `bytes`, `max_bytes`), or LINKED_DATA_UNAVAILABLE with the
  // error of docs/linked-data.md as metadata `name`. RESOURCE_EXHAUSTED (OVERLOADED): too many wait, metadata `limit`.
  // CANCELLED.
  using Answer = absl::StatusOr<std::shared_ptr<const mvmd::twin::v1alpha1::LinkedData>>;

  struct Job {
    std::string client;
    std::string etag;           // of C1 of the document
    size_t document_bytes = 0;  // of C1
    // Called on the maker's thread, or not at all.
    absl::AnyInvocable<Json()> tree;
    absl::AnyInvocable<bool()> is_cancelled;
    // Once: on the maker's thread, or at once, when the answer is kept or there is none to be had.
    absl::AnyInvocable<void(const Answer& answer) &&> done;
  };

  // `metrics` outlives it.
  LinkedDataMaker(const LinkedDataOptions& options, GatewayMetrics* metrics);

  // Does not block.
  void Make(Job job);

 private:
  struct Kept {
    std::string etag;
    Answer answer;
    size_t bytes;
  };

  // On the maker's thread.
  void Work(Job job);
  Answer AnswerOf(const Json& document) const;
  // Not known: null.
  std::unique_ptr<Answer> Find(absl::string_view etag);
  void Keep(const std::string& etag, const Answer& answer);

  const LinkedDataOptions options_;
  GatewayMetrics* const metrics_;
  absl::Mutex mutex_;
  Places waiting_ ABSL_GUARDED_BY(mutex_);
  std::list<Kept> kept_ ABSL_GUARDED_BY(mutex_);  // the last one used first
  absl::flat_hash_map<std::string, std::list<Kept>::iterator> kept_by_etag_ ABSL_GUARDED_BY(mutex_);
  size_t kept_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  Executor executor_;  // ends first
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_LINKED_DATA_MAKER_H_
