#include "gateway/linked_data_maker.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "runtime/status_proto.h"
#include "twin/linked_data.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// What an answer takes beside its N-Quads.
constexpr size_t kKeptOverheadBytes = 1024;

// The message begins with the error's name.
absl::Status UnavailableError(const absl::Status& status) {
  const std::string message(status.message());
  return MakeError(absl::StatusCode::kFailedPrecondition, "LINKED_DATA_UNAVAILABLE",
                   absl::StrCat("the document has no linked data: ", message),
                   {{"name", message.substr(0, message.find(": "))}});
}

}  // namespace

LinkedDataMaker::LinkedDataMaker(const LinkedDataOptions& options, GatewayMetrics* metrics)
    : options_(options),
      metrics_(metrics),
      waiting_("OVERLOADED", "documents that wait to be made linked data", options.waiting_max),
      executor_(/*threads=*/1, /*queue_max=*/options.waiting_max) {}

void LinkedDataMaker::Make(Job job) {
  if (job.document_bytes > options_.document_bytes_max) {
    return std::move(job.done)(MakeError(
        absl::StatusCode::kFailedPrecondition, "LINKED_DATA_TOO_LARGE",
        absl::StrCat("linked data is made of documents of at most ", options_.document_bytes_max,
                     " bytes (linked_data.max_document_bytes), this one has ", job.document_bytes,
                     "; twinctl canonicalize --nquads makes it elsewhere"),
        {{"bytes", absl::StrCat(job.document_bytes)}, {"max_bytes", absl::StrCat(options_.document_bytes_max)}}));
  }
  if (const std::unique_ptr<Answer> kept = Find(job.etag)) {
    metrics_->linked_data_kept.Increment();
    return std::move(job.done)(*kept);
  }
  absl::Status taken;
  {
    absl::MutexLock lock(&mutex_);
    taken = waiting_.Take(job.client, ShareOfClient(options_.waiting_max));
  }
  if (!taken.ok()) return std::move(job.done)(taken);
  // Never full: a job has a place first.
  auto shared = std::make_shared<Job>(std::move(job));
  if (executor_.TryRun([this, shared] { Work(std::move(*shared)); })) return;
  {
    absl::MutexLock lock(&mutex_);
    waiting_.Leave(shared->client);
  }
  std::move(shared->done)(
      MakeError(absl::StatusCode::kResourceExhausted, "OVERLOADED", "too many documents wait to be made linked data"));
}

void LinkedDataMaker::Work(Job job) {
  Answer answer = absl::CancelledError("the client is gone");
  if (!job.is_cancelled()) {
    // Others may have asked for the same meanwhile.
    if (const std::unique_ptr<Answer> kept = Find(job.etag)) {
      metrics_->linked_data_kept.Increment();
      answer = *kept;
    } else {
      const absl::Time started = absl::Now();
      answer = AnswerOf(job.tree());
      metrics_->linked_data_seconds.Observe(absl::ToDoubleSeconds(absl::Now() - started));
      Keep(job.etag, answer);
    }
  }
  {
    absl::MutexLock lock(&mutex_);
    waiting_.Leave(job.client);
  }
  std::move(job.done)(answer);
}

LinkedDataMaker::Answer LinkedDataMaker::AnswerOf(const Json& document) const {
  absl::StatusOr<CanonicalGraph> graph = CanonicalizeGraph(document);
  if (!graph.ok()) return UnavailableError(graph.status());
  auto linked_data = std::make_shared<pb::LinkedData>();
  linked_data->set_nquads(std::move(graph->nquads));
  linked_data->set_digest(std::move(graph->sha256));
  linked_data->set_lossy(graph->lossy);
  return linked_data;
}

std::unique_ptr<LinkedDataMaker::Answer> LinkedDataMaker::Find(absl::string_view etag) {
  absl::MutexLock lock(&mutex_);
  const auto found = kept_by_etag_.find(etag);
  if (found == kept_by_etag_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, found->second);
  return std::make_unique<Answer>(found->second->answer);
}

void LinkedDataMaker::Keep(const std::string& etag, const Answer& answer) {
  const size_t bytes = kKeptOverheadBytes + (answer.ok() ? (*answer)->nquads().size() : 0);
  if (bytes > options_.kept_bytes_max) return;
  absl::MutexLock lock(&mutex_);
  while (kept_bytes_ + bytes > options_.kept_bytes_max) {
    kept_bytes_ -= kept_.back().bytes;
    kept_by_etag_.erase(kept_.back().etag);
    kept_.pop_back();
  }
  kept_.push_front({etag, answer, bytes});
  kept_by_etag_.emplace(etag, kept_.begin());
  kept_bytes_ += bytes;
}

}  // namespace mvmd
