// The API for cloud services.
#ifndef MVMD_GATEWAY_TWIN_SERVICE_H_
#define MVMD_GATEWAY_TWIN_SERVICE_H_

#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gateway/call.h"
#include "gateway/caller.h"
#include "gateway/document_signer.h"
#include "gateway/live_bridges.h"
#include "gateway/stream_registry.h"
#include "gateway/twin_differ.h"
#include "gateway/twin_fields.h"
#include "gateway/twin_reader.h"
#include "gateway/twin_writer.h"
#include "gateway/waiting_reactor.h"
#include "gateway/watch_reactor.h"
#include "mvmd/twin/v1alpha1/twin_service.grpc.pb.h"

namespace mvmd {

struct TwinServiceOptions {
  size_t document_bytes_max = 8 << 20;
  // A page ends early beyond this.
  size_t page_bytes_max = 2 << 20;
  // Calls that wait for their `min_revision`; of one client a share. Each batch of the log looks at all of them.
  size_t waiting_max = 1000;
  // Calls that wait to read the past; of one client a share.
  size_t past_waiting_max = 64;
  WatchLimits watch;
  LinkedDataOptions linked_data;
};

// Thread-safe. Every call is checked against the policy: what the caller may not read does not exist in lists and
// watches, and is PERMISSION_DENIED when it is asked for by name.
//
// Threads: the bytes of a single twin are rendered where the call comes in; everything that reads the disk, validates,
// signs, or goes through trees or many twins runs on `readers`. The past is read on a thread of its own, and linked
// data made on another one: both may take a second.
class TwinService final : public mvmd::twin::v1alpha1::TwinService::CallbackService {
 public:
  // All parts, and `callers`, `live` and `signer`, outlive the service.
  TwinService(const WatchParts& parts, const TwinServiceOptions& options, const Callers* callers,
              const LiveBridges* live, const DocumentSigner* signer);

  grpc::ServerUnaryReactor* GetTwin(grpc::CallbackServerContext* context,
                                    const mvmd::twin::v1alpha1::GetTwinRequest* request,
                                    mvmd::twin::v1alpha1::GetTwinResponse* response) override;
  grpc::ServerUnaryReactor* DiffTwin(grpc::CallbackServerContext* context,
                                     const mvmd::twin::v1alpha1::DiffTwinRequest* request,
                                     mvmd::twin::v1alpha1::DiffTwinResponse* response) override;
  grpc::ServerUnaryReactor* ListTwins(grpc::CallbackServerContext* context,
                                      const mvmd::twin::v1alpha1::ListTwinsRequest* request,
                                      mvmd::twin::v1alpha1::ListTwinsResponse* response) override;
  grpc::ServerWriteReactor<mvmd::twin::v1alpha1::WatchTwinsResponse>* WatchTwins(
      grpc::CallbackServerContext* context, const mvmd::twin::v1alpha1::WatchTwinsRequest* request) override;
  grpc::ServerUnaryReactor* ValidateTwin(grpc::CallbackServerContext* context,
                                         const mvmd::twin::v1alpha1::ValidateTwinRequest* request,
                                         mvmd::twin::v1alpha1::ValidateTwinResponse* response) override;
  grpc::ServerUnaryReactor* BatchValidateTwins(grpc::CallbackServerContext* context,
                                               const mvmd::twin::v1alpha1::BatchValidateTwinsRequest* request,
                                               mvmd::twin::v1alpha1::BatchValidateTwinsResponse* response) override;
  grpc::ServerUnaryReactor* PutTwin(grpc::CallbackServerContext* context,
                                    const mvmd::twin::v1alpha1::PutTwinRequest* request,
                                    mvmd::twin::v1alpha1::PutTwinResponse* response) override;
  grpc::ServerUnaryReactor* UpdateTwin(grpc::CallbackServerContext* context,
                                       const mvmd::twin::v1alpha1::UpdateTwinRequest* request,
                                       mvmd::twin::v1alpha1::UpdateTwinResponse* response) override;
  grpc::ServerUnaryReactor* DeleteTwin(grpc::CallbackServerContext* context,
                                       const mvmd::twin::v1alpha1::DeleteTwinRequest* request,
                                       mvmd::twin::v1alpha1::DeleteTwinResponse* response) override;
  grpc::ServerUnaryReactor* ListBridges(grpc::CallbackServerContext* context,
                                        const mvmd::twin::v1alpha1::ListBridgesRequest* request,
                                        mvmd::twin::v1alpha1::ListBridgesResponse* response) override;
  grpc::ServerUnaryReactor* ListSamples(grpc::CallbackServerContext* context,
                                        const mvmd::twin::v1alpha1::ListSamplesRequest* request,
                                        mvmd::twin::v1alpha1::ListSamplesResponse* response) override;
  grpc::ServerUnaryReactor* GetSigningKey(grpc::CallbackServerContext* context,
                                          const mvmd::twin::v1alpha1::GetSigningKeyRequest* request,
                                          mvmd::twin::v1alpha1::GetSigningKeyResponse* response) override;
  grpc::ServerUnaryReactor* ListGaps(grpc::CallbackServerContext* context,
                                     const mvmd::twin::v1alpha1::ListGapsRequest* request,
                                     mvmd::twin::v1alpha1::ListGapsResponse* response) override;

 private:
  using Work = absl::AnyInvocable<absl::Status()>;

  // Null when the caller is not known; the call has been ended then.
  CallPtr Begin(absl::string_view method, grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor);
  // Ends the call with what `work` says, which runs on `readers`.
  void RunOnReaders(const CallPtr& call, Work work);
  // Runs `work`, which ends the call, where reads of the past wait for each other and nobody waits for them.
  void RunOnPast(const CallPtr& call, absl::AnyInvocable<void() &&> work);
  // Runs `work`, which ends the call, once `revision` is applied; ends the call when that does not happen in time, or
  // its client is gone. The policy may have become another one when `work` runs.
  void WhenApplied(const CallPtr& call, WaitingReactor* reactor, uint64_t revision, absl::AnyInvocable<void() &&> work);

  absl::Status FillBridges(const mvmd::twin::v1alpha1::ListBridgesRequest& request, const std::string& after,
                           mvmd::twin::v1alpha1::ListBridgesResponse* response) const;
  absl::Status FillSamples(const mvmd::twin::v1alpha1::ListSamplesRequest& request, History::SamplePosition from,
                           mvmd::twin::v1alpha1::ListSamplesResponse* response) const;
  // What a write made; the twin may have changed or gone since.
  void FillWritten(const Caller& caller, const std::string& twin, const ApplyResult& result,
                   mvmd::twin::v1alpha1::TwinDocument* document) const;

  const WatchParts parts_;
  const TwinServiceOptions options_;
  const Callers* const callers_;
  const LiveBridges* const live_;
  const DocumentSigner* const signer_;
  TwinReader reader_;
  TwinDiffer differ_;
  TwinWriter writer_;
  absl::Mutex mutex_;
  Places waiting_ ABSL_GUARDED_BY(mutex_);
  Places past_waiting_ ABSL_GUARDED_BY(mutex_);
  Executor past_executor_;  // the last one: its tasks use the others
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_TWIN_SERVICE_H_
