// Drives an Uplink in tests: an outbox in memory, a clock, and what the core did.
#ifndef MVMD_TESTS_BRIDGE_UPLINK_FIXTURE_H_
#define MVMD_TESTS_BRIDGE_UPLINK_FIXTURE_H_

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bridge/uplink.h"
#include "gtest/gtest.h"
#include "twin/block.h"
#include "twin/frame_group.h"

namespace mvmd {

namespace pb = mvmd::twin::v1alpha1;

class FakeOutbox final : public OutboxReader {
 public:
  void Add(uint64_t seq, size_t bytes = 20, bool declaration = false) {
    pb::Frame frame;
    frame.set_seq(seq);
    frame.mutable_command_result()->set_message(std::string(bytes, 'x'));
    rows_[seq] = {seq, false, frame.SerializeAsString()};
    if (declaration) declarations_.push_back(seq);
    last_ = std::max(last_, seq);
  }
  void AddBlock(uint64_t seq, const std::vector<Sample>& samples) {
    pb::Frame frame;
    frame.set_seq(seq);
    EncodeBlock(samples, frame.mutable_block());
    rows_[seq] = {seq, false, frame.SerializeAsString()};
    last_ = std::max(last_, seq);
  }
  void AddFrame(const pb::Frame& frame) {
    rows_[frame.seq()] = {frame.seq(), false, frame.SerializeAsString()};
    last_ = std::max(last_, frame.seq());
  }
  void AddUpTo(uint64_t last) {
    while (last_ < last) Add(last_ + 1);
  }
  void Erase(uint64_t seq) { rows_.erase(seq); }
  void Damage(uint64_t seq) { rows_[seq] = {seq, true, ""}; }
  void Clear() {
    rows_.clear();
    declarations_.clear();
    last_ = 0;
  }

  IntervalSet::Closed Extent() const override {
    return rows_.empty() ? IntervalSet::Closed{0, 0} : IntervalSet::Closed{rows_.begin()->first, rows_.rbegin()->first};
  }
  absl::StatusOr<uint64_t> Read(uint64_t first, uint64_t last, size_t bytes_max,
                                std::vector<OutboxRow>* rows) const override {
    if (!error.ok()) return error;
    rows->clear();
    size_t bytes = 0;
    for (auto it = rows_.lower_bound(first); it != rows_.end() && it->first <= last; ++it) {
      if (!rows->empty() && bytes >= bytes_max) return rows->back().seq;
      rows->push_back(it->second);
      bytes += it->second.frame.size();
    }
    return last;
  }
  uint64_t kept_bytes() const override {
    uint64_t bytes = 0;
    for (const auto& [seq, row] : rows_) bytes += row.frame.size();
    return bytes;
  }
  absl::StatusOr<std::vector<uint64_t>> DeclarationSeqs(uint64_t first, uint64_t last) const override {
    std::vector<uint64_t> seqs;
    for (uint64_t seq : declarations_) {
      if (seq >= first && seq <= last) seqs.push_back(seq);
    }
    return seqs;
  }

  IntervalSet Covered() const override { return covered; }

  absl::Status error;
  IntervalSet covered;

 private:
  std::map<uint64_t, OutboxRow> rows_;
  std::vector<uint64_t> declarations_;
  uint64_t last_ = 0;
};

// Drives the core as the stream would, and keeps what it did.
class UplinkTest : public ::testing::Test {
 protected:
  UplinkOptions Options() {
    UplinkOptions options;
    options.epoch = 17;
    options.outbox_id = "0123456789abcdef";
    options.linger = absl::ZeroDuration();
    options.last_seq_at_start = outbox_.Extent().last;
    return options;
  }
  void Make() { Make(Options()); }
  void Make(UplinkOptions options) {
    uplink_ = std::make_unique<Uplink>(std::move(options), &outbox_, [this] { return wall_ns_; });
    Do(uplink_->Start(now_));
  }
  void Do(UplinkActions actions) {
    for (UplinkAction& action : actions) {
      if (std::holds_alternative<UplinkConnect>(action)) ++connects_;
      if (auto* write = std::get_if<UplinkWrite>(&action)) {
        ASSERT_FALSE(written_.has_value()) << "two writes outstanding";
        written_ = *write->request;
      }
      if (auto* close = std::get_if<UplinkClose>(&action)) closed_ = close->why;
      if (auto* forget = std::get_if<UplinkForgetRows>(&action)) forgotten_.AddAll(forget->seqs);
      if (auto* epoch = std::get_if<UplinkStartNewEpoch>(&action)) new_epoch_ = *epoch;
      if (auto* timer = std::get_if<UplinkSetTimer>(&action)) timer_ = timer->when;
      if (auto* row = std::get_if<UplinkRowDamaged>(&action)) damaged_.push_back(row->seq);
      if (auto* row = std::get_if<UplinkRowRejected>(&action)) rejected_.push_back(row->seq);
      if (auto* document = std::get_if<UplinkSendDocument>(&action)) documents_.push_back(document->twin);
      if (auto* command = std::get_if<UplinkCommand>(&action)) commands_.push_back(command->command.command_id());
    }
  }
  // The write that is outstanding ends; its message.
  pb::SyncRequest TakeWrite() {
    EXPECT_TRUE(written_.has_value()) << "nothing was written";
    pb::SyncRequest request = written_.value_or(pb::SyncRequest());
    written_.reset();
    Do(uplink_->OnWriteDone(now_));
    return request;
  }
  // Seqs of the frames that are being written; takes probes and reports on the way.
  std::vector<uint64_t> TakeSeqs(pb::Lane* lane = nullptr) {
    while (written_.has_value() && (written_->has_clock_probe() || written_->has_report())) TakeWrite();
    if (!written_.has_value()) return {};
    const pb::SyncRequest request = TakeWrite();
    if (lane != nullptr) *lane = request.frames().lane();
    last_group_bytes_ = request.frames().data().size();
    std::vector<uint64_t> seqs;
    for (const pb::Frame& frame : Frames(request)) seqs.push_back(frame.seq());
    return seqs;
  }
  std::vector<pb::Frame> Frames(const pb::SyncRequest& request) {
    FrameGroupCodec codec;
    std::string text;
    EXPECT_TRUE(codec.Decode(request.frames(), 8 << 20, &text).ok());
    pb::FrameBatch batch;
    EXPECT_TRUE(batch.ParseFromString(text));
    return {batch.frames().begin(), batch.frames().end()};
  }
  std::vector<uint64_t> TakeAll() {
    std::vector<uint64_t> all;
    for (std::vector<uint64_t> seqs = TakeSeqs(); !seqs.empty(); seqs = TakeSeqs()) {
      all.insert(all.end(), seqs.begin(), seqs.end());
    }
    return all;
  }
  void Welcome(std::vector<IntervalSet::Closed> applied = {}, uint64_t credit = 4 << 20) {
    pb::SyncResponse response;
    pb::Welcome* welcome = response.mutable_welcome();
    welcome->set_session(5);
    for (const auto& interval : applied) {
      welcome->add_applied()->set_first(interval.first);
      welcome->mutable_applied(welcome->applied_size() - 1)->set_last(interval.last);
    }
    welcome->set_max_frame_bytes(1 << 20);
    welcome->set_credit_bytes(credit);
    welcome->add_codecs(pb::CODEC_ZSTD);
    Do(uplink_->OnResponse(now_, response));
  }
  void Connect(std::vector<IntervalSet::Closed> applied = {}, uint64_t credit = 4 << 20) {
    Do(uplink_->OnConnected(now_));
    EXPECT_TRUE(TakeWrite().has_hello());
    Welcome(std::move(applied), credit);
  }
  void Commit(uint64_t first, uint64_t last) {
    pb::SyncResponse response;
    pb::Interval* interval = response.mutable_commit()->add_seqs();
    interval->set_first(first);
    interval->set_last(last);
    Do(uplink_->OnResponse(now_, response));
  }
  void Rows(uint64_t last) {
    outbox_.AddUpTo(last);
    Do(uplink_->OnRowsAvailable(now_, last, 20));
  }
  void Advance(absl::Duration by) {
    now_ += by;
    if (now_ >= timer_) Do(uplink_->OnTimer(now_));
  }
  void End(absl::Status status = absl::UnavailableError("gone")) {
    written_.reset();
    Do(uplink_->OnStreamEnded(now_, status));
  }
  std::string Respond(const pb::SyncResponse& response) {
    closed_.reset();
    Do(uplink_->OnResponse(now_, response));
    return closed_.value_or("");
  }

  FakeOutbox outbox_;
  absl::Time now_ = absl::UnixEpoch() + absl::Hours(1);
  int64_t wall_ns_ = 1000;
  std::unique_ptr<Uplink> uplink_;
  int connects_ = 0;
  std::optional<pb::SyncRequest> written_;
  size_t last_group_bytes_ = 0;
  std::optional<std::string> closed_;
  IntervalSet forgotten_;
  std::optional<UplinkStartNewEpoch> new_epoch_;
  absl::Time timer_ = absl::InfiniteFuture();
  std::vector<uint64_t> damaged_, rejected_;
  std::vector<std::string> documents_, commands_;
};

}  // namespace mvmd

#endif  // MVMD_TESTS_BRIDGE_UPLINK_FIXTURE_H_
