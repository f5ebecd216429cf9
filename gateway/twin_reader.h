// Answers GetTwin.
#ifndef MVMD_GATEWAY_TWIN_READER_H_
#define MVMD_GATEWAY_TWIN_READER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "gateway/call.h"
#include "gateway/committer.h"
#include "gateway/document_signer.h"
#include "gateway/gateway_metrics.h"
#include "gateway/linked_data_maker.h"
#include "gateway/past_twins.h"
#include "gateway/request_errors.h"
#include "gateway/twin_answer.h"
#include "gateway/twin_fields.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"
#include "runtime/executor.h"

namespace mvmd {

// From a request that is checked and allowed to the end of its call. Thread-safe.
//
// Threads: canonical bytes are rendered where Get is called; what goes through a tree (typed view, lossless variant,
// proof) is made on `readers`, linked data on the thread of its maker. Of the past everything but linked data is made
// where Get is called, which must be a thread that may be held for a second.
class TwinReader {
 public:
  // All outlive the reader.
  TwinReader(Committer* committer, const PastTwins* past, Executor* readers, const DocumentSigner* signer,
             const LinkedDataOptions& linked_data, GatewayMetrics* metrics);

  // Checks all but the twin's id.
  static TwinFields CheckRequest(const mvmd::twin::v1alpha1::GetTwinRequest& request, RequestErrors* errors);

  // Ends the call. The request has been checked, `fields` are of it; both messages are of the call.
  void Get(const CallPtr& call, const mvmd::twin::v1alpha1::GetTwinRequest& request, const TwinFields& fields,
           mvmd::twin::v1alpha1::GetTwinResponse* response);

 private:
  void GetPast(const CallPtr& call, const mvmd::twin::v1alpha1::GetTwinRequest& request, const TwinFields& fields,
               mvmd::twin::v1alpha1::GetTwinResponse* response);
  void Answer(const CallPtr& call, const mvmd::twin::v1alpha1::GetTwinRequest& request,
              const std::shared_ptr<TwinAnswer>& answer, mvmd::twin::v1alpha1::GetTwinResponse* response);

  Committer* const committer_;
  const PastTwins* const past_;
  Executor* const readers_;
  const DocumentSigner* const signer_;
  LinkedDataMaker linked_data_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_TWIN_READER_H_
