#include "gateway/twin_service.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gateway/gap_page.h"
#include "gateway/page_token.h"
#include "gateway/request_errors.h"
#include "gateway/sample_proto.h"
#include "gateway/twin_lister.h"
#include "runtime/grpc_status.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr size_t kPageSamples = 1000;
constexpr size_t kPageSamplesMax = 10000;
// A wait ends at the deadline of the client, but a client without one does not wait for ever.
constexpr absl::Duration kWaitMax = absl::Minutes(10);

void CheckTwinId(const std::string& twin, RequestErrors* errors) {
  if (twin.empty()) errors->Add("twin_id", "expected a twin's identifier.value, got nothing");
  errors->CheckNameSize("twin_id", twin);
}

void CheckNameSizes(absl::string_view field, const google::protobuf::RepeatedPtrField<std::string>& names,
                    RequestErrors* errors) {
  for (int i = 0; i < names.size(); ++i) {
    if (names[i].size() > kRequestNameBytesMax) errors->CheckNameSize(absl::StrCat(field, "[", i, "]"), names[i]);
  }
}

// Of ListBridges: the last name that was given.
absl::StatusOr<std::string> AfterOf(const google::protobuf::Message& request, const std::string& token) {
  if (token.empty()) return std::string();
  absl::StatusOr<std::vector<std::string>> position =
      DecodeToken("page_token", TokenBinding(request, {"page_token", "page_size"}), token);
  if (!position.ok()) return position.status();
  return position->size() == 1 ? (*position)[0] : std::string();
}

}  // namespace

TwinService::TwinService(const WatchParts& parts, const TwinServiceOptions& options, const Callers* callers,
                         const LiveBridges* live, const DocumentSigner* signer)
    : parts_(parts),
      options_(options),
      callers_(callers),
      live_(live),
      signer_(signer),
      reader_(parts.committer, parts.past, parts.readers, signer, options.linked_data, parts.metrics),
      differ_(parts.committer, parts.past),
      writer_(parts.committer, parts.readers, {.document_bytes_max = options.document_bytes_max}),
      waiting_("OVERLOADED", "calls that wait for their min_revision", options.waiting_max),
      past_waiting_("OVERLOADED", "calls that wait to read the past", options.past_waiting_max),
      past_executor_(/*threads=*/1, /*queue_max=*/options.past_waiting_max) {}

CallPtr TwinService::Begin(absl::string_view method, grpc::CallbackServerContext* context,
                           grpc::ServerUnaryReactor* reactor) {
  return BeginCall(method, context, reactor, *callers_, parts_.metrics);
}

void TwinService::RunOnReaders(const CallPtr& call, Work work) {
  RunOrRefuse(parts_.readers, call, [call, work = std::move(work)]() mutable {
    if (call->is_cancelled()) return call->Finish(absl::CancelledError("the client is gone"));
    call->Finish(work());
  });
}

void TwinService::RunOnPast(const CallPtr& call, absl::AnyInvocable<void() &&> work) {
  absl::Status taken;
  {
    absl::MutexLock lock(&mutex_);
    taken = past_waiting_.Take(call->caller().subject(), ShareOfClient(options_.past_waiting_max));
  }
  if (!taken.ok()) return call->Finish(taken);
  // Never full: a call has a place first, and leaves it when its turn comes.
  RunOrRefuse(&past_executor_, call, [this, call, work = std::move(work)]() mutable {
    {
      absl::MutexLock lock(&mutex_);
      past_waiting_.Leave(call->caller().subject());
    }
    if (call->is_cancelled()) return call->Finish(absl::CancelledError("the client is gone"));
    std::move(work)();
  });
}

void TwinService::WhenApplied(const CallPtr& call, WaitingReactor* reactor, uint64_t revision,
                              absl::AnyInvocable<void() &&> work) {
  if (revision <= parts_.committer->applied_revision()) return std::move(work)();
  absl::Status taken;
  {
    absl::MutexLock lock(&mutex_);
    taken = waiting_.Take(call->caller().subject(), ShareOfClient(options_.waiting_max));
  }
  if (!taken.ok()) return call->Finish(taken);
  using End = WaitingReactor::End;
  reactor->WaitFor(revision, std::min(call->deadline() - absl::Now(), kWaitMax),
                   [this, call, revision, work = std::move(work)](End end) mutable {
                     {
                       absl::MutexLock lock(&mutex_);
                       waiting_.Leave(call->caller().subject());
                     }
                     // The committer's thread has better things to do.
                     if (end == End::kApplied) {
                       const absl::Status still = callers_->Check(call->caller().certificate().get());
                       return still.ok() ? RunOrRefuse(parts_.readers, call, std::move(work)) : call->Finish(still);
                     }
                     if (end == End::kCancelled) return call->Finish(absl::CancelledError("the client is gone"));
                     const uint64_t now = parts_.committer->applied_revision();
                     call->Finish(MakeError(absl::StatusCode::kDeadlineExceeded, "REVISION_NOT_APPLIED",
                                            absl::StrCat("min_revision: expected revision ", revision,
                                                         " to be applied in time, the gateway is at ", now),
                                            {{"applied_revision", absl::StrCat(now)}}));
                   });
}

grpc::ServerUnaryReactor* TwinService::GetTwin(grpc::CallbackServerContext* context, const pb::GetTwinRequest* request,
                                               pb::GetTwinResponse* response) {
  WaitingReactor* const reactor = WaitingReactor::Start(parts_.committer, parts_.timers);
  const CallPtr call = Begin("GetTwin", context, reactor);
  if (call == nullptr) return reactor;
  RequestErrors errors;
  CheckTwinId(request->twin_id(), &errors);
  CheckView(request->view(), &errors);
  const TwinFields fields = TwinReader::CheckRequest(*request, &errors);
  absl::Status status = errors.status();
  if (status.ok()) status = call->caller().Check(Role::kReader, request->twin_id());
  if (status.ok() && request->include_proof()) status = signer_->CheckKey();
  if (!status.ok()) {
    call->Finish(status);
    return reactor;
  }
  auto get = [this, call, request, response, fields] {
    const absl::Status allowed = callers_->Again(call->caller()).Check(Role::kReader, request->twin_id());
    if (!allowed.ok()) return call->Finish(allowed);
    reader_.Get(call, *request, fields, response);
  };
  if (request->revision() != 0) {
    RunOnPast(call, std::move(get));
  } else {
    WhenApplied(call, reactor, request->min_revision(), std::move(get));
  }
  return reactor;
}

grpc::ServerUnaryReactor* TwinService::DiffTwin(grpc::CallbackServerContext* context,
                                                const pb::DiffTwinRequest* request, pb::DiffTwinResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CallPtr call = Begin("DiffTwin", context, reactor);
  if (call == nullptr) return reactor;
  RequestErrors errors;
  CheckTwinId(request->twin_id(), &errors);
  TwinDiffer::CheckRequest(*request, &errors);
  absl::Status status = errors.status();
  if (status.ok()) status = call->caller().Check(Role::kReader, request->twin_id());
  if (!status.ok()) {
    call->Finish(status);
    return reactor;
  }
  RunOnPast(call, [this, call, request, response] { call->Finish(differ_.Fill(*request, response)); });
  return reactor;
}

grpc::ServerUnaryReactor* TwinService::ListTwins(grpc::CallbackServerContext* context,
                                                 const pb::ListTwinsRequest* request, pb::ListTwinsResponse* response) {
  WaitingReactor* const reactor = WaitingReactor::Start(parts_.committer, parts_.timers);
  const CallPtr call = Begin("ListTwins", context, reactor);
  if (call == nullptr) return reactor;
  absl::Status status = call->caller().CheckRole(Role::kReader);
  absl::StatusOr<ListPlan> plan = status.ok() ? MakeListPlan(*request) : status;
  if (!plan.ok()) {
    call->Finish(plan.status());
    return reactor;
  }
  WhenApplied(call, reactor, request->min_revision(), [this, call, response, plan = *std::move(plan)]() mutable {
    RunOrRefuse(parts_.readers, call, [this, call, response, plan = std::move(plan)]() mutable {
      const Caller caller = callers_->Again(call->caller());
      if (absl::Status allowed = caller.CheckRole(Role::kReader); !allowed.ok()) return call->Finish(allowed);
      RunList(
          parts_.readers, call,
          std::make_shared<TwinLister>(*parts_.committer, caller, std::move(plan), options_.page_bytes_max, response));
    });
  });
  return reactor;
}

grpc::ServerWriteReactor<pb::WatchTwinsResponse>* TwinService::WatchTwins(grpc::CallbackServerContext* context,
                                                                          const pb::WatchTwinsRequest* request) {
  RequestErrors errors;
  CheckNameSizes("twin_ids", request->twin_ids(), &errors);
  CheckNameSizes("prefixes", request->prefixes(), &errors);
  CheckNameSizes("sensors", request->sensors(), &errors);
  absl::StatusOr<Caller> caller = callers_->Of(*context);
  if (caller.ok() && !errors.ok()) caller = errors.status();
  return WatchReactor::Start(parts_, options_.watch, caller, *request);
}

void TwinService::FillWritten(const Caller& caller, const std::string& twin, const ApplyResult& result,
                              pb::TwinDocument* document) const {
  const absl::StatusOr<TwinSnapshot> snapshot =
      parts_.committer->Read([&twin](const TwinState& state) { return state.GetTwin(twin); });
  if (snapshot.ok()) {
    // To write is not to read.
    const pb::TwinView view = caller.May(Role::kReader, twin) ? pb::TWIN_VIEW_CANONICAL : pb::TWIN_VIEW_BASIC;
    SetTwinDocument(twin, *snapshot->definition, snapshot->live, snapshot->revision, view, document);
    return;
  }
  document->set_twin_id(twin);
  document->set_revision(result.revision);
  document->set_definition_etag(result.definition_etag);
}

grpc::ServerUnaryReactor* TwinService::PutTwin(grpc::CallbackServerContext* context, const pb::PutTwinRequest* request,
                                               pb::PutTwinResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CallPtr call = Begin("PutTwin", context, reactor);
  if (call == nullptr) return reactor;
  RequestErrors errors;
  errors.CheckNameSize("twin_id", request->twin_id());
  absl::Status status = errors.status();
  // The id may only be in the document; before that is read, the role alone lets the caller in.
  if (status.ok()) {
    status = request->twin_id().empty() ? call->caller().CheckRole(Role::kWriter)
                                        : call->caller().Check(Role::kWriter, request->twin_id());
  }
  if (!status.ok()) {
    call->Finish(status);
    return reactor;
  }
  RunOrRefuse(parts_.readers, call, [this, call, request, response] {
    absl::StatusOr<TwinWriter::CheckedDocument> document =
        writer_.CheckDocument(request->twin_id(), request->document());
    if (!document.ok()) return call->Finish(document.status());
    const std::string twin = document->twin;
    RequestErrors name_errors;
    name_errors.CheckNameSize("document.identifier.value", twin);
    if (!name_errors.ok()) return call->Finish(name_errors.status());
    if (absl::Status allowed = call->caller().Check(Role::kWriter, twin); !allowed.ok()) return call->Finish(allowed);
    writer_.Put(*std::move(document), request->etag(), call->caller().subject(),
                [this, call, response, twin](absl::StatusOr<TwinWriter::Written> written) {
                  if (!written.ok()) return call->Finish(written.status());
                  call->Written(twin, written->applied.revision);
                  FillWritten(callers_->Again(call->caller()), twin, written->applied, response->mutable_twin());
                  response->set_created(written->applied.created);
                  if (written->findings.has_value()) {
                    SetValidationResult(*written->findings, response->mutable_result());
                  }
                  call->Finish(absl::OkStatus());
                });
  });
  return reactor;
}

grpc::ServerUnaryReactor* TwinService::UpdateTwin(grpc::CallbackServerContext* context,
                                                  const pb::UpdateTwinRequest* request,
                                                  pb::UpdateTwinResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CallPtr call = Begin("UpdateTwin", context, reactor);
  if (call == nullptr) return reactor;
  RequestErrors errors;
  CheckTwinId(request->twin_id(), &errors);
  absl::Status status = errors.status();
  if (status.ok()) status = call->caller().Check(Role::kWriter, request->twin_id());
  if (!status.ok()) {
    call->Finish(status);
    return reactor;
  }
  RunOrRefuse(parts_.readers, call, [this, call, request, response] {
    writer_.Update(request->twin_id(), request->merge_patch(), request->etag(), call->caller().subject(),
                   [this, call, request, response](absl::StatusOr<TwinWriter::Written> written) {
                     if (!written.ok()) return call->Finish(written.status());
                     call->Written(request->twin_id(), written->applied.revision);
                     const Caller caller = callers_->Again(call->caller());
                     FillWritten(caller, request->twin_id(), written->applied, response->mutable_twin());
                     // The findings name places of the whole document.
                     if (written->findings.has_value() && caller.May(Role::kReader, request->twin_id())) {
                       SetValidationResult(*written->findings, response->mutable_result());
                     }
                     call->Finish(absl::OkStatus());
                   });
  });
  return reactor;
}

grpc::ServerUnaryReactor* TwinService::DeleteTwin(grpc::CallbackServerContext* context,
                                                  const pb::DeleteTwinRequest* request,
                                                  pb::DeleteTwinResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CallPtr call = Begin("DeleteTwin", context, reactor);
  if (call == nullptr) return reactor;
  RequestErrors errors;
  CheckTwinId(request->twin_id(), &errors);
  absl::Status status = errors.status();
  if (status.ok()) status = call->caller().Check(Role::kWriter, request->twin_id());
  if (!status.ok()) {
    call->Finish(status);
    return reactor;
  }
  writer_.Delete(request->twin_id(), request->etag(), call->caller().subject(),
                 [call, request, response](absl::StatusOr<TwinWriter::Written> written) {
                   if (!written.ok()) return call->Finish(written.status());
                   call->Written(request->twin_id(), written->applied.revision);
                   response->set_revision(written->applied.revision);
                   call->Finish(absl::OkStatus());
                 });
  return reactor;
}

grpc::ServerUnaryReactor* TwinService::ListBridges(grpc::CallbackServerContext* context,
                                                   const pb::ListBridgesRequest* request,
                                                   pb::ListBridgesResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CallPtr call = Begin("ListBridges", context, reactor);
  if (call == nullptr) return reactor;
  RequestErrors errors;
  CheckPageSize(request->page_size(), kPageTwins, kPageTwinsMax, &errors);
  absl::StatusOr<std::string> after = AfterOf(*request, request->page_token());
  absl::Status status = errors.status();
  if (status.ok()) status = call->caller().CheckRole(Role::kOperator);
  if (status.ok()) status = after.status();
  if (!status.ok()) {
    call->Finish(status);
    return reactor;
  }
  RunOnReaders(call,
               [this, request, response, after = *std::move(after)] { return FillBridges(*request, after, response); });
  return reactor;
}

absl::Status TwinService::FillBridges(const pb::ListBridgesRequest& request, const std::string& after,
                                      pb::ListBridgesResponse* response) const {
  RequestErrors unused;
  const size_t page_size = CheckPageSize(request.page_size(), kPageTwins, kPageTwinsMax, &unused);
  std::vector<BridgeSnapshot> bridges = parts_.committer->Read(
      [&](const TwinState& state) { return state.ListBridges(after, page_size + 1, request.include_issues()); });
  size_t bytes = 0;
  size_t given = 0;
  for (; given < bridges.size() && given < page_size && bytes < options_.page_bytes_max; ++given) {
    BridgeSnapshot& bridge = bridges[given];
    pb::Bridge* out = response->add_bridges();
    out->set_name(bridge.name);
    out->set_connected(bridge.connected);
    out->set_epoch(bridge.epoch);
    out->set_session(bridge.session);
    if (bridge.connected_since_unix_ns != 0)
      SetTimestamp(bridge.connected_since_unix_ns, out->mutable_connected_since());
    if (bridge.last_commit_unix_ns != 0) {
      SetTimestamp(bridge.last_commit_unix_ns, out->mutable_last_commit());
      out->mutable_lag()->set_seconds(bridge.lag_ns / 1'000'000'000);
      out->mutable_lag()->set_nanos(static_cast<int32_t>(bridge.lag_ns % 1'000'000'000));
    }
    out->set_samples_committed(bridge.samples_committed);
    out->set_frames_committed(bridge.frames_committed);
    out->set_frames_duplicate(bridge.frames_duplicate);
    out->set_frames_rejected(bridge.frames_rejected);
    out->set_software_version(bridge.software_version);
    out->set_peer(bridge.peer);
    if (const LiveBridges::Report report = live_->ReportOf(bridge.name, bridge.session); report != nullptr) {
      *out->mutable_report() = *report;
      if (!request.include_issues()) out->mutable_report()->clear_issues();
    }
    if (request.include_issues()) {
      for (pb::Issue& issue : bridge.issues) *out->add_issues() = std::move(issue);
    }
    bytes += out->ByteSizeLong();
  }
  if (given < bridges.size()) {
    response->set_next_page_token(
        EncodeToken(TokenBinding(request, {"page_token", "page_size"}), {bridges[given - 1].name}));
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* TwinService::ListSamples(grpc::CallbackServerContext* context,
                                                   const pb::ListSamplesRequest* request,
                                                   pb::ListSamplesResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CallPtr call = Begin("ListSamples", context, reactor);
  if (call == nullptr) return reactor;
  RequestErrors errors;
  CheckTwinId(request->twin_id(), &errors);
  if (request->sensor().empty()) errors.Add("sensor", "expected the id of a sensor, got nothing");
  errors.CheckNameSize("sensor", request->sensor());
  CheckPageSize(request->page_size(), kPageSamples, kPageSamplesMax, &errors);
  if (request->has_start_time() && request->has_end_time() &&
      UnixNanosOf(request->start_time()) > UnixNanosOf(request->end_time())) {
    errors.Add("end_time", "expected it not to be before start_time");
  }
  History::SamplePosition from;
  absl::Status status = errors.status();
  if (status.ok()) status = call->caller().Check(Role::kReader, request->twin_id());
  if (status.ok() && !request->page_token().empty()) {
    const auto position =
        DecodeToken("page_token", TokenBinding(*request, {"page_token", "page_size"}), request->page_token());
    status = position.status();
    if (status.ok() && (position->size() != 4 || !absl::SimpleAtoi((*position)[0], &from.live.revision) ||
                        !absl::SimpleAtoi((*position)[1], &from.live.index) ||
                        !absl::SimpleAtoi((*position)[2], &from.backfill.revision) ||
                        !absl::SimpleAtoi((*position)[3], &from.backfill.index))) {
      errors.Add("page_token", "expected a token of ListSamples, got another one");
      status = errors.status();
    }
  }
  if (!status.ok()) {
    call->Finish(status);
    return reactor;
  }
  RunOnReaders(call, [this, request, response, from] { return FillSamples(*request, from, response); });
  return reactor;
}

grpc::ServerUnaryReactor* TwinService::GetSigningKey(grpc::CallbackServerContext* context,
                                                     const pb::GetSigningKeyRequest* /*request*/,
                                                     pb::GetSigningKeyResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CallPtr call = Begin("GetSigningKey", context, reactor);
  if (call == nullptr) return reactor;
  absl::Status status = call->caller().CheckRole(Role::kReader);
  if (status.ok()) status = signer_->TellKey(response);
  call->Finish(status);
  return reactor;
}

absl::Status TwinService::FillSamples(const pb::ListSamplesRequest& request, History::SamplePosition from,
                                      pb::ListSamplesResponse* response) const {
  // A sensor is known by its samples or by its twin's document.
  const absl::Status known = parts_.committer->Read([&request](const TwinState& state) -> absl::Status {
    if (state.FindSensor(request.twin_id(), request.sensor()) != nullptr) return absl::OkStatus();
    const absl::StatusOr<TwinSnapshot> snapshot = state.GetTwin(request.twin_id());
    if (!snapshot.ok()) return snapshot.status();
    const std::vector<std::string> sensors = SensorIdsOf(snapshot->definition->tree);
    if (std::find(sensors.begin(), sensors.end(), request.sensor()) != sensors.end()) return absl::OkStatus();
    return MakeError(absl::StatusCode::kNotFound, "SENSOR_NOT_FOUND",
                     absl::StrCat("twin \"", request.twin_id(), "\" has no sensor \"", request.sensor(),
                                  "\", and never had samples of one"),
                     {{"twin", request.twin_id()}, {"sensor", request.sensor()}});
  });
  if (!known.ok()) return known;
  RequestErrors unused;
  const size_t page_size = CheckPageSize(request.page_size(), kPageSamples, kPageSamplesMax, &unused);
  const int64_t start_unix_ns = request.has_start_time() ? UnixNanosOf(request.start_time()) : INT64_MIN;
  const int64_t end_unix_ns = request.has_end_time() ? UnixNanosOf(request.end_time()) : INT64_MAX;
  const absl::StatusOr<History::SamplePage> page =
      parts_.history->ListSamples(request.twin_id(), request.sensor(), start_unix_ns, end_unix_ns, page_size, from);
  if (!page.ok()) return page.status();
  for (const History::SamplePage::Row& row : page->rows) {
    pb::Sample* sample = response->add_samples();
    SetSample(row.time_unix_ns, row.value, row.quality, sample);
    sample->set_backfill(row.backfill);
  }
  if (!page->last) {
    const History::SamplePosition& next = page->next;
    response->set_next_page_token(
        EncodeToken(TokenBinding(request, {"page_token", "page_size"}),
                    {absl::StrCat(next.live.revision), absl::StrCat(next.live.index),
                     absl::StrCat(next.backfill.revision), absl::StrCat(next.backfill.index)}));
    return absl::OkStatus();
  }
  for (pb::Gap& gap : parts_.committer->Read(
           [&request](const TwinState& state) { return state.GapsOf(request.twin_id(), request.sensor()); })) {
    if (GapIsInRange(gap, start_unix_ns, end_unix_ns)) *response->add_gaps() = std::move(gap);
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* TwinService::ListGaps(grpc::CallbackServerContext* context,
                                                const pb::ListGapsRequest* request, pb::ListGapsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CallPtr call = Begin("ListGaps", context, reactor);
  if (call == nullptr) return reactor;
  RequestErrors errors;
  const GapPosition from = CheckGapsRequest(*request, &errors);
  absl::Status status = errors.status();
  if (status.ok()) status = call->caller().Check(Role::kReader, request->twin_id());
  // Bounded, and in memory: no work for another thread.
  if (status.ok()) {
    status =
        parts_.committer->Read([&](const TwinState& state) { return FillGapPage(state, *request, from, response); });
  }
  call->Finish(status);
  return reactor;
}

}  // namespace mvmd
