#include "bridge/uplink.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "runtime/status_proto.h"
#include "twin/block.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr uint32_t kProtocolVersion = 1;
// Less is not worth the time: zstd's own bytes are a tenth of it.
constexpr size_t kCompressBytesMin = 256;
// After a refusal that a quick retry will not change.
constexpr absl::Duration kRefusedWait = absl::Seconds(5);
// A backlog of up to so many full messages is simply sent in order; of a larger one the newest rows go first. As many
// go over a link of 1 Mbit/s in some seconds.
constexpr size_t kSmallBacklogMessages = 4;
constexpr uint64_t kLiveTailRows = 64;
// No sane gateway grants more: beyond it the sum could overflow.
constexpr uint64_t kCreditBytesMax = uint64_t{1} << 40;
// Of a row on the wire beside its Frame: tag and length in the FrameBatch.
constexpr size_t kFrameOverheadBytes = 6;

// The peer said no for a reason that a quick retry will not change.
bool IsLastingRefusal(const absl::Status& status) {
  // Of the connection that was; the next one may have the new certificate.
  if (ReasonOf(status) == "CERTIFICATE_EXPIRED") return false;
  switch (status.code()) {
    case absl::StatusCode::kAborted:  // fenced by another session
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

IntervalSet Intersection(const IntervalSet& a, const IntervalSet& b) {
  IntervalSet result = a;
  for (const IntervalSet::Closed& interval : a.ToVector()) {
    for (const IntervalSet::Closed& missing : b.Missing(interval.first, interval.last)) {
      result.Remove(missing.first, missing.last);
    }
  }
  return result;
}

void RemoveAll(const IntervalSet& what, IntervalSet* from) {
  for (const IntervalSet::Closed& interval : what.ToVector()) from->Remove(interval.first, interval.last);
}

// A Gap that stands for the row `seq`, so that the gateway's applied set has no hole.
std::string GapInPlaceOf(uint64_t seq, pb::Gap::Reason reason) {
  pb::Frame frame;
  frame.set_seq(seq);
  frame.mutable_gap()->set_first_seq(seq);
  frame.mutable_gap()->set_last_seq(seq);
  frame.mutable_gap()->set_reason(reason);
  return frame.SerializeAsString();
}

// Of the block in a serialized Frame of ours; 0 when it has none. A parse would cost more than all the rest.
uint64_t SamplesOf(absl::string_view frame) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(frame.data()),
                                               static_cast<int>(frame.size()));
  uint64_t value = 0;
  uint32_t tag = input.ReadTag();
  if (tag >> 3 == pb::Frame::kSeqFieldNumber && input.ReadVarint64(&value)) tag = input.ReadTag();
  if (tag >> 3 != pb::Frame::kBlockFieldNumber || !input.ReadVarint64(&value)) return 0;
  tag = input.ReadTag();
  return tag >> 3 == pb::Block::kCountFieldNumber && input.ReadVarint64(&value) ? value : 0;
}

// Of a Gap in a serialized Frame of ours.
void AddCovered(absl::string_view text, IntervalSet* seqs) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(text.data()),
                                               static_cast<int>(text.size()));
  uint64_t seq = 0;
  uint32_t tag = input.ReadTag();
  if (tag >> 3 == pb::Frame::kSeqFieldNumber && input.ReadVarint64(&seq)) tag = input.ReadTag();
  pb::Frame frame;
  if (tag >> 3 != pb::Frame::kGapFieldNumber || !frame.ParseFromArray(text.data(), static_cast<int>(text.size()))) {
    return;
  }
  for (const pb::Interval& covered : frame.gap().covered()) {
    if (covered.first() <= covered.last() && covered.last() < seq) seqs->Add(covered.first(), covered.last());
  }
}

}  // namespace

absl::string_view UplinkStateName(Uplink::State state) {
  switch (state) {
    case Uplink::State::kBackoff:
      return "backoff";
    case Uplink::State::kConnecting:
      return "connecting";
    case Uplink::State::kGreeting:
      return "greeting";
    case Uplink::State::kStreaming:
      return "streaming";
    case Uplink::State::kDraining:
      return "draining";
    case Uplink::State::kClosing:
      return "closing";
  }
  return "?";
}

Uplink::Uplink(UplinkOptions options, const OutboxReader* reader, std::function<int64_t()> wall_clock)
    : options_(std::move(options)),
      reader_(reader),
      wall_clock_(std::move(wall_clock)),
      epoch_(options_.epoch),
      outbox_id_(options_.outbox_id),
      last_seq_at_start_(options_.last_seq_at_start),
      nonce_(options_.nonce),
      nonce_seq_(options_.nonce_seq),
      last_seq_(options_.last_seq_at_start),
      backoff_(options_.backoff_min),
      random_(options_.seed) {}

UplinkActions Uplink::Start(absl::Time now) {
  UplinkActions out;
  next_connect_ = now;
  Advance(now, &out);
  return out;
}

UplinkActions Uplink::Stop(absl::Time now) {
  UplinkActions out;
  stopping_ = true;
  Advance(now, &out);
  return out;
}

bool Uplink::idle() const { return !new_epoch_wanted_ && settled_.FirstMissing(1) > last_seq_; }

void Uplink::Enter(State state, absl::string_view why, UplinkActions* out) {
  if (state == state_) return;
  out->push_back(
      UplinkLog{.warning = false,
                .text = absl::StrCat("uplink: ", UplinkStateName(state_), " -> ", UplinkStateName(state), ": ", why)});
  state_ = state;
}

void Uplink::Close(std::string why, UplinkActions* out) {
  Enter(State::kClosing, why, out);
  out->push_back(UplinkClose{std::move(why)});
}

void Uplink::ProtocolError(absl::string_view what, UplinkActions* out) {
  ++stats_.protocol_errors;
  std::string text = absl::StrCat("the gateway broke the protocol: ", what);
  out->push_back(UplinkLog{.warning = true, .text = text});
  Close(std::move(text), out);
}

void Uplink::NewEpoch(IntervalSet lost, absl::string_view why, UplinkActions* out) {
  // Of what the gateway has, only these are rows of ours: in the file before this process, or sent by it.
  IntervalSet ours = ever_sent_;
  if (last_seq_at_start_ > 0) ours.Add(1, last_seq_at_start_);
  IntervalSet applied = Intersection(settled_, ours);
  RemoveAll(lost, &applied);
  StartEpoch(std::move(applied), std::move(lost), why, out);
}

void Uplink::StartEpoch(IntervalSet applied, IntervalSet lost, absl::string_view why, UplinkActions* out) {
  ++stats_.new_epochs;
  new_epoch_wanted_ = true;
  out->push_back(UplinkLog{.warning = true, .text = absl::StrCat("a new epoch is needed: ", why)});
  out->push_back(UplinkStartNewEpoch{std::move(applied), std::move(lost)});
  Close("outbox and gateway do not fit together", out);
}

void Uplink::NewEpochWhenSettled(IntervalSet lost, absl::string_view why, UplinkActions* out) {
  if (in_flight_.empty()) return NewEpoch(std::move(lost), why, out);
  // Which of the rows in flight the gateway has, the next Welcome tells. Numbered anew before, they might be applied
  // twice.
  new_epoch_why_ = std::string(why);
  new_epoch_lost_ = std::move(lost);
  Close(absl::StrCat("a new epoch is needed: ", why), out);
}

UplinkActions Uplink::OnConnected(absl::Time now) {
  UplinkActions out;
  if (state_ != State::kConnecting) return out;
  Enter(State::kGreeting, "stream is open", &out);
  auto request = std::make_unique<SyncRequest>();
  pb::Hello* hello = request->mutable_hello();
  hello->set_protocol_version(kProtocolVersion);
  hello->set_epoch(epoch_);
  hello->set_outbox_id(outbox_id_);
  const IntervalSet::Closed extent = reader_->Extent();
  hello->mutable_seqs()->set_first(extent.first);
  hello->mutable_seqs()->set_last(extent.last);
  hello->add_codecs(pb::CODEC_ZSTD);
  hello->add_codecs(pb::CODEC_IDENTITY);
  hello->set_software_version(options_.software_version);
  hello->set_nonce(nonce_);
  hello->set_keeps_nonce(true);
  Write(std::move(request), &out);
  Advance(now, &out);
  return out;
}

UplinkActions Uplink::OnWriteDone(absl::Time now) {
  UplinkActions out;
  writing_ = false;
  Advance(now, &out);
  return out;
}

UplinkActions Uplink::OnResponse(absl::Time now, const SyncResponse& response) {
  UplinkActions out;
  // What was under way when the stream was given up is still true, and spares a second sending; the rest is void.
  if (state_ == State::kClosing && !response.has_commit() && !response.has_rejected()) return out;
  if (state_ == State::kBackoff || state_ == State::kConnecting) return out;
  if (state_ == State::kGreeting && !response.has_welcome()) {
    ProtocolError(absl::StrCat("expected Welcome first, got message kind ", response.message_case()), &out);
    SetTimer(&out);
    return out;
  }
  switch (response.message_case()) {
    case SyncResponse::kWelcome:
      OnWelcome(now, response.welcome(), &out);
      break;
    case SyncResponse::kCommit:
      OnCommit(now, response.commit(), &out);
      break;
    case SyncResponse::kCredit:
      if (response.credit().bytes() > kCreditBytesMax - credit_bytes_) {
        ProtocolError(absl::StrCat("expected at most ", kCreditBytesMax, " bytes of credit in all, got ",
                                   response.credit().bytes(), " on top of ", credit_bytes_),
                      &out);
      } else {
        credit_bytes_ += response.credit().bytes();
        if (in_flight_.empty()) progress_at_ = now;
      }
      break;
    case SyncResponse::kRejected:
      OnRejected(now, response.rejected(), &out);
      break;
    case SyncResponse::kClockReply:
      OnClockReply(response.clock_reply());
      break;
    case SyncResponse::kCommand:
      out.push_back(UplinkCommand{response.command()});
      break;
    case SyncResponse::kSamplingPlan:
      out.push_back(UplinkLog{.warning = false,
                              .text = absl::StrCat("sampling plan for ", response.sampling_plan().twin(), "/",
                                                   response.sampling_plan().sensor(), " is not followed")});
      break;
    case SyncResponse::kDocumentWanted:
      out.push_back(UplinkSendDocument{response.document_wanted().twin()});
      break;
    case SyncResponse::kDrain:
      if (state_ == State::kStreaming) {
        // Longer than this nobody drains; it also keeps the sum finite.
        const int64_t grace_ns = std::clamp<int64_t>(response.drain().grace_ns(), 0, int64_t{3600} * 1000000000);
        drain_until_ = now + absl::Nanoseconds(grace_ns);
        Enter(State::kDraining, "the gateway is about to stop", &out);
      }
      break;
    case SyncResponse::MESSAGE_NOT_SET:
      // A kind of a later version.
      break;
  }
  Advance(now, &out);
  return out;
}

void Uplink::OnWelcome(absl::Time now, const pb::Welcome& welcome, UplinkActions* out) {
  if (state_ != State::kGreeting) return ProtocolError("expected one Welcome, got a second", out);
  if (welcome.max_frame_bytes() == 0) return ProtocolError("expected max_frame_bytes above 0 in Welcome", out);
  if (welcome.credit_bytes() > kCreditBytesMax) return ProtocolError("credit in Welcome is out of range", out);
  absl::StatusOr<IntervalSet> applied = IntervalSet::FromProto(welcome.applied());
  if (!applied.ok()) return ProtocolError(absl::StrCat("applied set in Welcome: ", applied.status().message()), out);
  if (applied->Contains(0)) return ProtocolError("applied set in Welcome has seq 0", out);

  credit_bytes_ = window_bytes_ = welcome.credit_bytes();
  max_frame_bytes_ = welcome.max_frame_bytes();
  zstd_ = std::find(welcome.codecs().begin(), welcome.codecs().end(), pb::CODEC_ZSTD) != welcome.codecs().end();
  progress_at_ = now;

  if (welcome.outbox_is_stale()) return OnStale(*applied, out);
  // What we were told is committed, or deleted in an earlier life, the gateway must still have.
  const IntervalSet::Closed extent = reader_->Extent();
  IntervalSet lost = settled_;
  if (extent.first > 1) lost.Add(1, extent.first - 1);
  RemoveAll(*applied, &lost);
  RemoveAll(reader_->Covered(), &lost);
  settled_ = *applied;
  if (!lost.empty()) {
    return NewEpoch(lost, absl::StrCat("the gateway lacks ", lost.Count(), " rows that it had committed"), out);
  }
  // What it has of this epoch must be rows that we sent.
  IntervalSet strange = *applied;
  if (last_seq_at_start_ > 0) strange.Remove(1, last_seq_at_start_);
  RemoveAll(ever_sent_, &strange);
  if (!new_epoch_why_.empty()) {
    RemoveAll(settled_, &new_epoch_lost_);
    return NewEpoch(std::exchange(new_epoch_lost_, {}), std::exchange(new_epoch_why_, {}), out);
  }
  if (!strange.empty()) {
    return NewEpoch(
        {},
        absl::StrCat("the gateway has ", strange.Count(), " rows of epoch ", epoch_, " that this outbox never sent"),
        out);
  }

  Enter(State::kStreaming, absl::StrCat("session ", welcome.session()), out);
  welcomed_ = true;
  if (!welcome.nonce().empty()) {
    keeping_nonce_ = true;
    out->push_back(UplinkKeepNonce{epoch_, welcome.nonce()});
  }
  out->push_back(UplinkForgetRows{*std::move(applied)});
  probe_due_ = true;
  if (!Enqueue(extent, out)) return;
  live_waiting_since_ = absl::InfinitePast();  // the backlog has waited long enough
}

void Uplink::OnStale(IntervalSet applied, UplinkActions* out) {
  // A gateway that was restored from a backup does not know the newest nonce either; it lacks rows that it had.
  IntervalSet lost = settled_;
  if (const IntervalSet::Closed extent = reader_->Extent(); extent.first > 1) lost.Add(1, extent.first - 1);
  RemoveAll(applied, &lost);
  RemoveAll(reader_->Covered(), &lost);
  // Which of these rows are ours, and which are of the outbox that this one is a copy of? What this process was told
  // itself, or else what was there before the copies parted.
  if (welcomed_) {
    applied = Intersection(applied, settled_);
  } else if (const std::optional<uint64_t> beyond = applied.FirstPresent(nonce_seq_ + 1); beyond.has_value()) {
    applied.Remove(*beyond, std::numeric_limits<uint64_t>::max());
  }
  settled_ = applied;
  StartEpoch(std::move(applied), lost,
             lost.empty() ? "the outbox is an old copy of one that the gateway has served since; what that one had in "
                            "addition, and has not sent, is lost"
                          : absl::StrCat("the gateway was restored from a backup: it lacks ", lost.Count(),
                                         " rows that it had committed"),
             out);
}

bool Uplink::Enqueue(IntervalSet::Closed extent, UplinkActions* out) {
  declarations_.Clear();
  backfill_.Clear();
  live_.Clear();
  live_waiting_bytes_ = 0;
  const uint64_t first = std::max<uint64_t>(extent.first, 1);
  if (first > last_seq_) return true;
  for (const IntervalSet::Closed& missing : settled_.Missing(first, last_seq_)) {
    live_.Add(missing.first, missing.last);
  }
  // Some of what is kept may only wait for its deletion.
  live_waiting_bytes_ =
      static_cast<size_t>(static_cast<double>(reader_->kept_bytes()) * static_cast<double>(live_.Count()) /
                          static_cast<double>(last_seq_ - first + 1));
  // A stream that ended in the middle of a large backlog has left older rows behind.
  IntervalSet gone_before = settled_;
  RemoveAll(ahead_, &gone_before);
  if (!gone_before.empty() && !DemoteLiveBelow(gone_before.ToVector().back().last, out)) return false;
  return !BacklogIsLarge() || DemoteOldLive(out);
}

bool Uplink::BacklogIsLarge() const {
  return live_waiting_bytes_ > kSmallBacklogMessages * options_.max_message_bytes && live_.Count() > kLiveTailRows;
}

bool Uplink::DemoteOldLive(UplinkActions* out) {
  const std::vector<IntervalSet::Closed> intervals = live_.ToVector();
  uint64_t rows = 0;
  for (auto it = intervals.rbegin();; ++it) {
    const uint64_t count = it->last - it->first + 1;
    if (rows + count >= kLiveTailRows || it + 1 == intervals.rend()) {
      return DemoteLiveBelow(it->last - std::min(count, kLiveTailRows - rows) + 1, out);
    }
    rows += count;
  }
}

bool Uplink::DemoteLiveBelow(uint64_t seq, UplinkActions* out) {
  if (live_.empty()) return true;
  const uint64_t first = *live_.FirstPresent(0);
  if (first >= seq) return true;
  const uint64_t last = live_.ToVector().back().last;
  // Live blocks may use bindings that were declared in what now stays behind: those go first.
  absl::StatusOr<std::vector<uint64_t>> seqs = reader_->DeclarationSeqs(first, last);
  if (!seqs.ok()) {
    out->push_back(UplinkLog{.warning = true, .text = absl::StrCat("outbox: ", seqs.status().message())});
    Close("the outbox cannot be read", out);
    return false;
  }
  for (uint64_t declaration : *seqs) {
    if (!live_.Contains(declaration)) continue;
    declarations_.Add(declaration);
    ahead_.Add(declaration);
    live_.Remove(declaration, declaration);
  }
  IntervalSet newest = live_;
  newest.Remove(first, seq - 1);
  RemoveAll(newest, &live_);
  backfill_.AddAll(live_);
  live_ = std::move(newest);
  live_waiting_bytes_ = std::min(live_waiting_bytes_, options_.max_message_bytes);
  return true;
}

void Uplink::Settle(absl::Time now, const IntervalSet& seqs, UplinkActions* out) {
  stats_.rows_committed += Intersection(in_flight_, seqs).Count();
  settled_.AddAll(seqs);
  RemoveAll(seqs, &in_flight_);
  progress_at_ = now;
  backoff_ = options_.backoff_min;
  out->push_back(UplinkForgetRows{seqs});
}

void Uplink::OnCommit(absl::Time now, const pb::Commit& commit, UplinkActions* out) {
  absl::StatusOr<IntervalSet> seqs = IntervalSet::FromProto(commit.seqs());
  if (!seqs.ok()) return ProtocolError(absl::StrCat("Commit: ", seqs.status().message()), out);
  IntervalSet unknown = *seqs;
  RemoveAll(in_flight_, &unknown);
  RemoveAll(settled_, &unknown);
  if (!unknown.empty()) {
    const uint64_t first = unknown.ToVector().front().first;
    return ProtocolError(absl::StrCat("expected a Commit of rows in flight, got row ", first, " which was not sent"),
                         out);
  }
  Settle(now, *seqs, out);
}

void Uplink::OnRejected(absl::Time now, const pb::Rejected& rejected, UplinkActions* out) {
  if (!in_flight_.Contains(rejected.seq())) {
    if (settled_.Contains(rejected.seq())) return;
    return ProtocolError(absl::StrCat("expected Rejected of a row in flight, got row ", rejected.seq()), out);
  }
  ++stats_.rows_rejected;
  out->push_back(UplinkRowRejected{rejected.seq(), rejected.status().message()});
  IntervalSet seqs;
  seqs.Add(rejected.seq());
  Settle(now, seqs, out);
}

void Uplink::OnClockReply(const pb::ClockReply& reply) {
  const int64_t round_trip_ns = wall_clock_() - reply.bridge_time_unix_ns();
  // A clock that was set in between, or a reply to nobody.
  if (round_trip_ns < 0 || round_trip_ns > int64_t{3600} * 1000000000) return;
  stats_.round_trip_ns = round_trip_ns;
  stats_.clock_offset_ns = static_cast<int64_t>(static_cast<uint64_t>(reply.gateway_time_unix_ns()) -
                                                static_cast<uint64_t>(reply.bridge_time_unix_ns() + round_trip_ns / 2));
}

UplinkActions Uplink::OnStreamEnded(absl::Time now, const absl::Status& status) {
  UplinkActions out;
  const bool drained =
      state_ == State::kDraining || (state_ == State::kClosing && drain_until_ < absl::InfiniteFuture());
  writing_ = false;
  declarations_.Clear();
  backfill_.Clear();
  live_.Clear();
  in_flight_.Clear();
  progress_expected_ = false;
  prepared_.reset();
  credit_bytes_ = 0;
  live_waiting_bytes_ = 0;
  live_waiting_since_ = absl::InfiniteFuture();
  drain_until_ = absl::InfiniteFuture();
  absl::Duration wait = backoff_;
  if (drained) {
    wait = options_.backoff_min;
  } else if (IsLastingRefusal(status)) {
    wait = std::max(options_.backoff_max, kRefusedWait);
    out.push_back(UplinkLog{
        .warning = true,
        .text = absl::StrCat("the gateway refuses: ", status.ToString(absl::StatusToStringMode::kWithNoExtraData))});
  } else {
    backoff_ = std::min(backoff_ * 2, options_.backoff_max);
  }
  next_connect_ = now + wait * std::uniform_real_distribution<double>(0.5, 1.0)(random_);
  Enter(State::kBackoff, absl::StrCat("stream ended: ", status.ToString(absl::StatusToStringMode::kWithNoExtraData)),
        &out);
  Advance(now, &out);
  return out;
}

UplinkActions Uplink::OnRowsAvailable(absl::Time now, uint64_t last_seq, size_t bytes) {
  UplinkActions out;
  if (last_seq <= last_seq_) return out;
  const uint64_t first = last_seq_ + 1;
  last_seq_ = last_seq;
  if (state_ == State::kStreaming || state_ == State::kDraining) {
    if (live_.empty()) live_waiting_since_ = now;
    live_.Add(first, last_seq);
    live_waiting_bytes_ += bytes;
    if (BacklogIsLarge() && !DemoteOldLive(&out)) {
      SetTimer(&out);
      return out;
    }
  }
  Advance(now, &out);
  return out;
}

UplinkActions Uplink::OnNewEpoch(absl::Time now, uint64_t epoch, std::string outbox_id, uint64_t last_seq) {
  UplinkActions out;
  epoch_ = epoch;
  outbox_id_ = std::move(outbox_id);
  last_seq_ = last_seq;
  last_seq_at_start_ = 0;
  settled_.Clear();
  ever_sent_.Clear();
  ahead_.Clear();
  new_epoch_wanted_ = false;
  new_epoch_why_.clear();
  new_epoch_lost_.Clear();
  keeping_nonce_ = false;
  welcomed_ = false;
  nonce_.clear();
  nonce_seq_ = 0;
  Advance(now, &out);
  return out;
}

UplinkActions Uplink::OnNonceKept(absl::Time now, uint64_t epoch, std::string nonce) {
  UplinkActions out;
  if (epoch != epoch_) return out;
  keeping_nonce_ = false;
  nonce_ = std::move(nonce);
  Advance(now, &out);
  return out;
}

UplinkActions Uplink::OnReport(absl::Time now, pb::BridgeReport report) {
  UplinkActions out;
  report_ = std::move(report);
  probe_due_ = true;
  Advance(now, &out);
  return out;
}

UplinkActions Uplink::OnTimer(absl::Time now) {
  UplinkActions out;
  timer_ = absl::InfiniteFuture();
  Advance(now, &out);
  return out;
}

void Uplink::Advance(absl::Time now, UplinkActions* out) {
  advanced_at_ = now;
  CheckDeadlines(now, out);
  if (!writing_) WriteNext(now, out);
  const bool expected = progress_expected_;
  progress_expected_ = !in_flight_.empty() || WaitsForCredit();
  if (progress_expected_ && !expected) progress_at_ = now;
  SetTimer(out);
}

bool Uplink::WaitsForCredit() const {
  if (prepared_.has_value()) return prepared_->request->frames().data().size() > credit_bytes_;
  return credit_bytes_ == 0 && !(declarations_.empty() && backfill_.empty() && live_.empty());
}

void Uplink::CheckDeadlines(absl::Time now, UplinkActions* out) {
  switch (state_) {
    case State::kBackoff:
      if (new_epoch_wanted_ || keeping_nonce_ || now < next_connect_) return;
      ++stats_.connects;
      stream_since_ = now;
      Enter(State::kConnecting, "", out);
      out->push_back(UplinkConnect{});
      return;
    case State::kConnecting:
    case State::kGreeting:
      if (now < stream_since_ + options_.connect_timeout) return;
      Close(absl::StrCat("no Welcome within ", absl::FormatDuration(options_.connect_timeout)), out);
      return;
    case State::kStreaming:
    case State::kDraining:
      if (progress_expected_ && now >= progress_at_ + options_.stall_timeout) {
        ++stats_.stalls;
        std::string why =
            in_flight_.empty()
                ? absl::StrCat("stalled: rows wait and no credit for ", absl::FormatDuration(options_.stall_timeout))
                : absl::StrCat("stalled: ", in_flight_.Count(), " rows in flight and no commit for ",
                               absl::FormatDuration(options_.stall_timeout));
        out->push_back(UplinkLog{.warning = true, .text = why});
        Close(std::move(why), out);
        return;
      }
      if (state_ == State::kDraining && (now >= drain_until_ || (in_flight_.empty() && !writing_))) {
        Close("drained", out);
      }
      return;
    case State::kClosing:
      return;
  }
}

void Uplink::WriteNext(absl::Time now, UplinkActions* out) {
  if (state_ != State::kStreaming) return;
  if (probe_due_) {
    probe_due_ = false;
    auto request = std::make_unique<SyncRequest>();
    request->mutable_clock_probe()->set_bridge_time_unix_ns(wall_clock_());
    return Write(std::move(request), out);
  }
  if (report_.has_value()) {
    auto request = std::make_unique<SyncRequest>();
    *request->mutable_report() = *std::move(report_);
    report_.reset();
    request->mutable_report()->set_round_trip_ns(stats_.round_trip_ns);
    request->mutable_report()->set_clock_offset_ns(stats_.clock_offset_ns);
    return Write(std::move(request), out);
  }
  if (keeping_nonce_) return;
  if (!prepared_.has_value() && !PrepareGroup(now, out)) return;
  const size_t bytes = prepared_->request->frames().data().size();
  if (bytes > credit_bytes_) return;
  credit_bytes_ -= bytes;
  in_flight_.AddAll(prepared_->seqs);
  ever_sent_.AddAll(prepared_->seqs);
  ++stats_.messages_sent;
  stats_.bytes_sent += bytes;
  stats_.rows_sent += prepared_->seqs.Count();
  std::unique_ptr<SyncRequest> request = std::move(prepared_->request);
  prepared_.reset();
  Write(std::move(request), out);
}

bool Uplink::LiveIsDue(absl::Time now) const {
  if (live_.empty()) return false;
  return stopping_ || live_waiting_bytes_ >= options_.max_message_bytes || now >= live_waiting_since_ + options_.linger;
}

bool Uplink::PrepareGroup(absl::Time now, UplinkActions* out) {
  while (true) {
    if (credit_bytes_ == 0) return false;
    IntervalSet* from = nullptr;
    Lane lane = pb::LANE_LIVE;
    // Half of the credit is kept for live rows.
    const bool backfill_allowed =
        !backfill_.empty() && now >= backfill_due_ &&
        (in_flight_.empty() || credit_bytes_ >= window_bytes_ / 2 + options_.max_message_bytes);
    if (!declarations_.empty()) {
      from = &declarations_;
    } else if (LiveIsDue(now) && !(last_was_live_ && backfill_allowed)) {
      from = &live_;
      last_was_live_ = true;
    } else if (backfill_allowed) {
      from = &backfill_;
      lane = pb::LANE_BACKFILL;
      last_was_live_ = false;
    } else {
      return false;
    }
    if (!TakeRows(from, lane, out)) return false;
    if (lane == pb::LANE_BACKFILL && options_.backfill_bytes_per_second > 0) {
      // A quarter of a second may be made up for, no more: a burst is what is to be avoided.
      backfill_due_ =
          std::max(backfill_due_, now - absl::Milliseconds(250)) +
          absl::Seconds(static_cast<double>(batch_.size()) / static_cast<double>(options_.backfill_bytes_per_second));
    }
    if (from == &live_) {
      live_waiting_bytes_ = live_.empty() ? 0 : live_waiting_bytes_ - std::min(live_waiting_bytes_, batch_.size());
      live_waiting_since_ = live_.empty() ? absl::InfiniteFuture() : now;
    }
    if (prepared_.has_value()) return true;
  }
}

bool Uplink::TakeRows(IntervalSet* from, Lane lane, UplinkActions* out) {
  // A message never needs more credit than there can be: compressed, it is not larger than its rows.
  const size_t bytes_max = std::min<uint64_t>(options_.max_message_bytes, std::max<uint64_t>(window_bytes_, 1));
  batch_.clear();
  IntervalSet seqs;
  uint64_t samples = 0;
  while (!from->empty() && batch_.size() < bytes_max && samples < kGroupSamplesMax) {
    IntervalSet::Closed interval;
    interval.first = *from->FirstPresent(0);
    interval.last = from->FirstMissing(interval.first) - 1;
    absl::StatusOr<uint64_t> seen = reader_->Read(interval.first, interval.last, bytes_max - batch_.size(), &rows_);
    if (!seen.ok()) {
      out->push_back(UplinkLog{.warning = true, .text = absl::StrCat("outbox: ", seen.status().message())});
      Close("the outbox cannot be read", out);
      return false;
    }
    uint64_t taken_to = *seen;
    IntervalSet gone;
    gone.Add(interval.first, *seen);
    for (OutboxRow& row : rows_) {
      gone.Remove(row.seq, row.seq);
      if (row.damaged) {
        out->push_back(UplinkRowDamaged{row.seq});
        const absl::StatusOr<std::vector<uint64_t>> declaration = reader_->DeclarationSeqs(row.seq, row.seq);
        if (declaration.ok() && !declaration->empty()) {
          // With a Gap in its place, every later block of its bindings would be refused.
          NewEpochWhenSettled({}, absl::StrCat("row ", row.seq, ", which declares something, is damaged"), out);
          return false;
        }
        row.frame = GapInPlaceOf(row.seq, pb::Gap::REASON_DAMAGED_ROW);
      } else if (row.frame.size() > max_frame_bytes_) {
        out->push_back(
            UplinkRowRejected{row.seq, absl::StrCat("expected a frame of at most ", max_frame_bytes_,
                                                    " bytes (the gateway's limit), got ", row.frame.size())});
        row.frame = GapInPlaceOf(row.seq, pb::Gap::REASON_REJECTED);
      }
      samples += SamplesOf(row.frame);
      if (!seqs.empty() &&
          (batch_.size() + row.frame.size() + kFrameOverheadBytes > bytes_max || samples > kGroupSamplesMax)) {
        taken_to = row.seq - 1;
        break;
      }
      AppendFrame(row.frame, &batch_);
      seqs.Add(row.seq);
      // They are committed with it.
      AddCovered(row.frame, &seqs);
    }
    if (taken_to < *seen) gone.Remove(taken_to + 1, *seen);
    // Dropped by the outbox: the Gap that covers them goes up in its turn.
    if (!gone.empty()) RemoveAll(reader_->Covered(), &gone);
    if (!gone.empty()) {
      NewEpochWhenSettled(gone,
                          absl::StrCat(gone.Count(), " rows from ", gone.ToVector().front().first,
                                       " on are neither in the outbox nor at the gateway"),
                          out);
      return false;
    }
    if (taken_to >= interval.first) from->Remove(interval.first, taken_to);
    if (taken_to < *seen) break;
  }
  if (seqs.empty()) return true;
  Prepared prepared;
  prepared.request = std::make_unique<SyncRequest>();
  pb::FrameGroup* group = prepared.request->mutable_frames();
  if (zstd_ && batch_.size() >= kCompressBytesMin) {
    codec_.Encode(batch_, lane, options_.compression_level, group);
  } else {
    group->set_codec(pb::CODEC_IDENTITY);
    group->set_lane(lane);
    group->set_raw_bytes(static_cast<uint32_t>(batch_.size()));
    group->set_data(batch_);
  }
  prepared.seqs = std::move(seqs);
  prepared_ = std::move(prepared);
  return true;
}

void Uplink::Write(std::unique_ptr<SyncRequest> request, UplinkActions* out) {
  writing_ = true;
  out->push_back(UplinkWrite{std::move(request)});
}

void Uplink::SetTimer(UplinkActions* out) {
  absl::Time when = absl::InfiniteFuture();
  switch (state_) {
    case State::kBackoff:
      if (!new_epoch_wanted_ && !keeping_nonce_) when = next_connect_;
      break;
    case State::kConnecting:
    case State::kGreeting:
      when = stream_since_ + options_.connect_timeout;
      break;
    case State::kStreaming:
    case State::kDraining:
      if (progress_expected_) when = progress_at_ + options_.stall_timeout;
      if (state_ == State::kDraining) when = std::min(when, drain_until_);
      // While a write is under way its end decides; without credit, the credit does.
      if (!writing_ && !keeping_nonce_ && !prepared_.has_value() && !live_.empty() && credit_bytes_ > 0 &&
          state_ == State::kStreaming) {
        when = std::min(when, live_waiting_since_ + options_.linger);
      }
      if (!writing_ && !keeping_nonce_ && !prepared_.has_value() && !backfill_.empty() && credit_bytes_ > 0 &&
          backfill_due_ > advanced_at_ && state_ == State::kStreaming) {
        when = std::min(when, backfill_due_);
      }
      break;
    case State::kClosing:
      break;
  }
  if (when == timer_) return;
  timer_ = when;
  out->push_back(UplinkSetTimer{when});
}

}  // namespace mvmd
