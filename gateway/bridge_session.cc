#include "gateway/bridge_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/status_proto.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr uint32_t kProtocolVersion = 1;
constexpr size_t kOutboxIdBytes = 16;
constexpr size_t kNonceBytes = 16;
constexpr size_t kSoftwareVersionBytesMax = 256;
constexpr int kReportIssuesMax = 64;
constexpr size_t kReportBytesMax = 64 << 10;

// `violation` says which rule, for programs; clients need not know the list.
absl::Status ProtocolError(absl::string_view violation, absl::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "PROTOCOL_VIOLATION", message,
                   {{"violation", std::string(violation)}});
}

absl::Status GroupError(absl::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, "GROUP_INVALID", message);
}

bool IsReadable(int codec) { return codec == pb::CODEC_IDENTITY || codec == pb::CODEC_ZSTD; }

absl::Status CheckHello(const pb::Hello& hello) {
  if (hello.protocol_version() != kProtocolVersion) {
    return ProtocolError("PROTOCOL_VERSION_UNSUPPORTED",
                         absl::StrCat("hello.protocol_version: expected ", kProtocolVersion, ", got ",
                                      hello.protocol_version(), "; use a bridge of this gateway's version"));
  }
  if (hello.epoch() == 0) return ProtocolError("HELLO_INVALID", "hello.epoch: expected a number above 0, got 0");
  if (hello.outbox_id().size() != kOutboxIdBytes) {
    return ProtocolError("HELLO_INVALID", absl::StrCat("hello.outbox_id: expected ", kOutboxIdBytes, " bytes, got ",
                                                       hello.outbox_id().size()));
  }
  const uint64_t first = hello.seqs().first();
  const uint64_t last = hello.seqs().last();
  const bool empty = first == 0 && last == 0;
  if (!empty && (first == 0 || first > last)) {
    return ProtocolError("HELLO_INVALID", absl::StrCat("hello.seqs: expected 0 and 0, or 1 <= first <= last, got ",
                                                       first, " and ", last));
  }
  if (std::none_of(hello.codecs().begin(), hello.codecs().end(), IsReadable)) {
    return ProtocolError("HELLO_INVALID",
                         "hello.codecs: expected CODEC_IDENTITY or CODEC_ZSTD among them, got neither");
  }
  if (!hello.nonce().empty() && hello.nonce().size() != kNonceBytes) {
    return ProtocolError("HELLO_INVALID", absl::StrCat("hello.nonce: expected 0 or ", kNonceBytes, " bytes, got ",
                                                       hello.nonce().size()));
  }
  if (hello.software_version().size() > kSoftwareVersionBytesMax) {
    return ProtocolError("HELLO_INVALID",
                         absl::StrCat("hello.software_version: expected at most ", kSoftwareVersionBytesMax,
                                      " bytes, got ", hello.software_version().size()));
  }
  return absl::OkStatus();
}

}  // namespace

BridgeSession::BridgeSession(const BridgeSessionOptions& options, Authorize authorize)
    : options_(options), authorize_(std::move(authorize)) {}

void BridgeSession::Enter(State state) { state_ = state; }

void BridgeSession::OnStart(int64_t now_unix_ns, std::vector<Action>* actions) {
  actions->push_back(SetTimer{now_unix_ns + kHelloTimeoutNs});
}

void BridgeSession::OnRequest(const pb::SyncRequest& request, int64_t now_unix_ns, std::vector<Action>* actions) {
  if (state_ == State::kClosed) return;
  if (request.message_case() == pb::SyncRequest::MESSAGE_NOT_SET) {
    return Fail(ProtocolError("MESSAGE_UNKNOWN",
                              "expected a SyncRequest with hello, frames, clock_probe or report, got one with none of "
                              "these"),
                actions);
  }
  if (request.has_hello()) {
    if (state_ != State::kWaitingHello) {
      return Fail(ProtocolError("HELLO_REPEATED", "expected one hello, as the first request, got another one"),
                  actions);
    }
    return OnHello(request.hello(), actions);
  }
  if (state_ == State::kWaitingHello) {
    return Fail(ProtocolError("HELLO_EXPECTED", "expected hello as the first request, got another message"), actions);
  }
  if (state_ == State::kOpening) {
    return Fail(
        ProtocolError("WELCOME_NOT_AWAITED",
                      "expected nothing between hello and welcome, got another message: wait for welcome first"),
        actions);
  }
  switch (request.message_case()) {
    case pb::SyncRequest::kFrames:
      return OnFrames(request.frames(), actions);
    case pb::SyncRequest::kClockProbe: {
      Send send;
      pb::ClockReply* reply = send.response.mutable_clock_reply();
      reply->set_bridge_time_unix_ns(request.clock_probe().bridge_time_unix_ns());
      reply->set_gateway_time_unix_ns(now_unix_ns);
      actions->push_back(std::move(send));
      return;
    }
    case pb::SyncRequest::kReport: {
      // For people only, so a report that is too long is cut and not refused.
      report_ = std::make_unique<pb::BridgeReport>(request.report());
      auto* issues = report_->mutable_issues();
      if (issues->size() > kReportIssuesMax) issues->DeleteSubrange(0, issues->size() - kReportIssuesMax);
      if (report_->ByteSizeLong() > kReportBytesMax) issues->Clear();
      return;
    }
    case pb::SyncRequest::kHello:
    case pb::SyncRequest::MESSAGE_NOT_SET:
      return;
  }
}

void BridgeSession::OnHello(const pb::Hello& hello, std::vector<Action>* actions) {
  if (absl::Status status = CheckHello(hello); !status.ok()) return Fail(std::move(status), actions);
  Append append{.tag = ++last_tag_, .entry = {}, .group = nullptr};
  pb::SessionOpened* opened = append.entry.mutable_session_opened();
  opened->set_bridge(options_.bridge);
  opened->set_epoch(hello.epoch());
  opened->set_outbox_id(hello.outbox_id());
  opened->set_software_version(hello.software_version());
  *opened->mutable_seqs() = hello.seqs();
  opened->set_peer(options_.peer);
  opened->set_presented_nonce(hello.nonce());
  if (hello.keeps_nonce()) opened->set_next_nonce(options_.nonce);
  keeps_nonce_ = hello.keeps_nonce();
  pending_[append.tag].opening = true;
  Enter(State::kOpening);
  actions->push_back(std::move(append));
}

absl::Status BridgeSession::CheckTwin(absl::string_view twin) const {
  return authorize_(twin) ? absl::OkStatus() : TwinNotAllowed(twin, options_.bridge);
}

void BridgeSession::CheckBindings(const std::vector<std::pair<uint32_t, const SensorRef*>>& bindings) {
  absl::string_view twin;
  bool is_allowed = true;
  for (const auto& [binding, sensor] : bindings) {
    // Bindings of a twin stand together.
    if (sensor->twin != twin) is_allowed = authorize_(sensor->twin);
    twin = sensor->twin;
    if (!is_allowed) forbidden_bindings_.insert(binding);
  }
}

absl::Status BridgeSession::CheckFrame(const ParsedGroup::Frame& frame) const {
  if (!frame.status.ok()) return frame.status;
  switch (frame.frame->payload_case()) {
    case pb::Frame::kDocumentChunk:
      return CheckTwin(frame.frame->document_chunk().twin());
    case pb::Frame::kGap:
      // Without a twin: those of the bridge, which were checked when they were bound.
      return frame.frame->gap().twin().empty() ? absl::OkStatus() : CheckTwin(frame.frame->gap().twin());
    case pb::Frame::kBindings:  // see FindForbidden
    case pb::Frame::kBlock:
    case pb::Frame::kCommandResult:
    case pb::Frame::PAYLOAD_NOT_SET:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

// A twin that is not allowed must not harm others in the same frame, and may be allowed later without being declared
// again: so these frames are not refused, the fold is told what of them to leave out.
void BridgeSession::FindForbidden(const ParsedGroup::Frame& frame, std::set<uint32_t>* found) {
  if (!frame.status.ok()) return;
  for (const pb::Binding& binding : frame.frame->bindings().bindings()) {
    if (authorize_(binding.twin())) continue;
    forbidden_bindings_.insert(binding.id());
    found->insert(binding.id());
  }
  if (frame.block == nullptr || forbidden_bindings_.empty()) return;
  for (const DecodedBlock::Run& run : frame.block->runs) {
    if (forbidden_bindings_.contains(run.binding)) found->insert(run.binding);
  }
}

void BridgeSession::OnFrames(const pb::FrameGroup& group, std::vector<Action>* actions) {
  const uint64_t bytes = group.data().size();
  if (bytes > credit_left_bytes_) {
    return Fail(ProtocolError("CREDIT_EXCEEDED", absl::StrCat("frames.data: expected at most ", credit_left_bytes_,
                                                              " bytes of credit to be used, got ", bytes)),
                actions);
  }
  if (group.lane() != pb::LANE_LIVE && group.lane() != pb::LANE_BACKFILL) {
    return Fail(GroupError(absl::StrCat("frames.lane: expected LANE_LIVE or LANE_BACKFILL, got ",
                                        static_cast<int>(group.lane()))),
                actions);
  }
  absl::StatusOr<std::shared_ptr<const ParsedGroup>> parsed = ParseGroup(group, options_.group, &codec_);
  if (!parsed.ok()) {
    return Fail(GroupError(absl::StrCat("frames: ", parsed.status().message())), actions);
  }
  Append append{.tag = ++last_tag_, .entry = {}, .group = *parsed};
  Pending& pending = pending_[append.tag];
  pending.credit_bytes = bytes;
  pb::FramesReceived* received = append.entry.mutable_frames_received();
  received->set_session(session_);
  *received->mutable_group() = group;
  std::set<uint32_t> forbidden;
  for (const ParsedGroup::Frame& frame : (*parsed)->frames) {
    FindForbidden(frame, &forbidden);
    absl::Status status = CheckFrame(frame);
    if (status.ok()) continue;
    pb::RefusedFrame* refused = received->add_refused();
    refused->set_seq(frame.frame->seq());
    *refused->mutable_status() = ToRpcStatus(status);
    pending.refused.emplace_back(frame.frame->seq(), std::move(status));
  }
  received->mutable_forbidden_bindings()->Assign(forbidden.begin(), forbidden.end());
  credit_left_bytes_ -= bytes;
  actions->push_back(std::move(append));
}

void BridgeSession::OnApplied(uint64_t tag, const ApplyResult& result, int64_t now_unix_ns,
                              std::vector<Action>* actions) {
  auto found = pending_.find(tag);
  if (found == pending_.end()) return;
  const Pending pending = std::move(found->second);
  pending_.erase(found);
  if (pending.opening) return OnOpened(result, now_unix_ns, actions);
  if (state_ == State::kClosed) return;
  OnGroupApplied(pending, result, now_unix_ns, actions);
}

absl::Status BridgeSession::EndFor(const absl::Status& status) const {
  if (status.ok()) return status;
  if (absl::IsAborted(status)) {
    if (!ReasonOf(status).empty()) return status;
    return MakeError(absl::StatusCode::kAborted, "FENCED", status.message(), {{"bridge", options_.bridge}});
  }
  return MakeError(
      absl::StatusCode::kUnavailable, "GATEWAY_CANNOT_WRITE",
      absl::StrCat("the gateway cannot write now: ", status.message(), "; keep the frames and connect again"));
}

void BridgeSession::OnOpened(const ApplyResult& result, int64_t now_unix_ns, std::vector<Action>* actions) {
  if (absl::Status end = EndFor(result.status); !end.ok()) {
    if (state_ != State::kClosed) Fail(std::move(end), actions);
    return;
  }
  session_ = result.revision;
  if (state_ == State::kClosed) {
    // The peer went while its session was being opened: nobody else would ever close it.
    if (!gone_reason_.empty()) AppendClosed(gone_reason_, actions);
    return;
  }
  Enter(State::kOpen);
  CheckBindings(result.bindings);
  credit_left_bytes_ = options_.credit_bytes;
  last_commit_unix_ns_ = now_unix_ns - options_.commit_linger_ns;
  Send send;
  pb::Welcome* welcome = send.response.mutable_welcome();
  welcome->set_session(session_);
  result.applied.ToProto(welcome->mutable_applied());
  welcome->set_max_frame_bytes(static_cast<uint32_t>(std::min<size_t>(options_.group.frame_bytes_max, UINT32_MAX)));
  welcome->set_credit_bytes(credit_left_bytes_);
  welcome->set_time_unix_ns(now_unix_ns);
  welcome->add_codecs(pb::CODEC_ZSTD);
  welcome->add_codecs(pb::CODEC_IDENTITY);
  welcome->set_outbox_is_stale(result.outbox_is_stale);
  if (keeps_nonce_ && !result.outbox_is_stale) welcome->set_nonce(options_.nonce);
  // There is no session to be closed then.
  fenced_ = result.outbox_is_stale;
  actions->push_back(std::move(send));
  FinishWhenIdle(actions);
}

void BridgeSession::OnGroupApplied(const Pending& pending, const ApplyResult& result, int64_t now_unix_ns,
                                   std::vector<Action>* actions) {
  if (absl::Status end = EndFor(result.status); !end.ok()) {
    fenced_ = absl::IsAborted(end);
    return Fail(std::move(end), actions);
  }
  const auto reject = [actions](uint64_t seq, const absl::Status& status) {
    Send send;
    send.response.mutable_rejected()->set_seq(seq);
    *send.response.mutable_rejected()->mutable_status() = ToRpcStatus(status);
    actions->push_back(std::move(send));
  };
  absl::flat_hash_set<uint64_t> told;
  for (const auto& [seq, status] : pending.refused) {
    if (told.insert(seq).second) reject(seq, status);
  }
  for (const auto& [seq, status] : result.rejected) {
    if (told.insert(seq).second) reject(seq, status);
  }
  for (const std::string& twin : result.documents_wanted) {
    if (!documents_wanted_.insert(twin).second) continue;
    Send send;
    send.response.mutable_document_wanted()->set_twin(twin);
    actions->push_back(std::move(send));
  }
  uncommitted_.AddAll(result.applied);
  if (credit_owed_bytes_ == 0) credit_owed_since_unix_ns_ = now_unix_ns;
  credit_owed_bytes_ += pending.credit_bytes;

  const bool half_owed = credit_owed_bytes_ >= std::max<uint64_t>(options_.credit_bytes / 2, 1);
  // A clock that went back must not hold a commit.
  const int64_t since_commit_ns = now_unix_ns - last_commit_unix_ns_;
  if (half_owed || since_commit_ns >= options_.commit_linger_ns || since_commit_ns < 0) {
    if (!uncommitted_.empty()) last_commit_unix_ns_ = now_unix_ns;
    SendCommit(actions);
  }
  if (half_owed) SendCredit(actions);
  FinishWhenIdle(actions);
  ArmTimer(now_unix_ns, actions);
}

void BridgeSession::OnTimer(int64_t now_unix_ns, std::vector<Action>* actions) {
  timer_unix_ns_ = 0;
  if (state_ == State::kWaitingHello) {
    return Fail(MakeError(absl::StatusCode::kDeadlineExceeded, "PROTOCOL_VIOLATION",
                          absl::StrCat("expected hello within ", kHelloTimeoutNs / 1'000'000'000, " s, got nothing"),
                          {{"violation", "HELLO_EXPECTED"}}),
                actions);
  }
  if (state_ != State::kOpen) return;
  if (!uncommitted_.empty()) {
    last_commit_unix_ns_ = now_unix_ns;
    SendCommit(actions);
  }
  const int64_t owed_for_ns = now_unix_ns - credit_owed_since_unix_ns_;
  if (credit_owed_bytes_ > 0 && (owed_for_ns >= kCreditHoldNs || owed_for_ns < 0)) SendCredit(actions);
  ArmTimer(now_unix_ns, actions);
}

void BridgeSession::OnDrain(int64_t grace_ns, std::vector<Action>* actions) {
  if (state_ == State::kClosed) return;
  // Before Welcome nothing is in flight, and Welcome must be the first response.
  if (state_ != State::kOpen) return OnDrainEnd(actions);
  Send send;
  send.response.mutable_drain()->set_grace_ns(grace_ns);
  actions->push_back(std::move(send));
}

void BridgeSession::OnDrainEnd(std::vector<Action>* actions) {
  OnEnd(MakeError(absl::StatusCode::kUnavailable, "DRAINING", "the gateway ends this stream; connect again"), actions);
}

void BridgeSession::OnEnd(absl::Status status, std::vector<Action>* actions) {
  if (state_ == State::kClosed) return;
  SendCommit(actions);
  Fail(std::move(status), actions);
}

void BridgeSession::OnWritesDone(std::vector<Action>* actions) {
  if (state_ == State::kClosed) return;
  writes_done_ = true;
  FinishWhenIdle(actions);
}

void BridgeSession::OnPeerGone(absl::string_view reason, std::vector<Action>* actions) {
  if (!gone_reason_.empty()) return;
  gone_reason_ = reason.empty() ? "gone" : std::string(reason);
  if (session_ != 0 && !fenced_) AppendClosed(gone_reason_, actions);
  Enter(State::kClosed);
}

void BridgeSession::Fail(absl::Status status, std::vector<Action>* actions) {
  Enter(State::kClosed);
  actions->push_back(Finish{std::move(status)});
}

void BridgeSession::AppendClosed(absl::string_view reason, std::vector<Action>* actions) {
  if (closed_appended_) return;
  closed_appended_ = true;
  Append append{.tag = ++last_tag_, .entry = {}, .group = nullptr};
  pb::SessionClosed* closed = append.entry.mutable_session_closed();
  closed->set_bridge(options_.bridge);
  closed->set_session(session_);
  closed->set_reason(std::string(reason));
  actions->push_back(std::move(append));
}

void BridgeSession::FinishWhenIdle(std::vector<Action>* actions) {
  if (!writes_done_ || !pending_.empty()) return;
  SendCommit(actions);
  Fail(absl::OkStatus(), actions);
}

void BridgeSession::SendCommit(std::vector<Action>* actions) {
  if (uncommitted_.empty()) return;
  Send send;
  uncommitted_.ToProto(send.response.mutable_commit()->mutable_seqs());
  uncommitted_.Clear();
  actions->push_back(std::move(send));
}

void BridgeSession::SendCredit(std::vector<Action>* actions) {
  Send send;
  send.response.mutable_credit()->set_bytes(credit_owed_bytes_);
  credit_left_bytes_ += credit_owed_bytes_;
  credit_owed_bytes_ = 0;
  actions->push_back(std::move(send));
}

void BridgeSession::ArmTimer(int64_t now_unix_ns, std::vector<Action>* actions) {
  if (state_ != State::kOpen) return;
  int64_t due = 0;
  if (!uncommitted_.empty()) due = std::min(last_commit_unix_ns_, now_unix_ns) + options_.commit_linger_ns;
  if (credit_owed_bytes_ > 0) {
    const int64_t credit_due = std::min(credit_owed_since_unix_ns_, now_unix_ns) + kCreditHoldNs;
    due = due == 0 ? credit_due : std::min(due, credit_due);
  }
  if (due == 0 || due == timer_unix_ns_) return;
  timer_unix_ns_ = due;
  actions->push_back(SetTimer{due});
}

}  // namespace mvmd
