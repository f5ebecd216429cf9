// What a bridge sends on its stream, in any order: the session and the fold behind it keep the protocol's rules.
//
// Input: steps of a kind (1 byte) and what it needs. Kinds, modulo 8: 0 a request as bytes; 1 Hello with an epoch
// (1 byte); 2, 3 frames as bytes of a FrameBatch, uncompressed; 4 the same, compressed; 5 the timer, after some time;
// 6 what was appended is applied; 7 the end: writes done, drain or gone.
#include <deque>
#include <string>
#include <variant>
#include <vector>

#include "gateway/bridge_session.h"
#include "tests/fuzz/fold.h"
#include "tests/fuzz/fuzz.h"
#include "twin/frame_group.h"

namespace mvmd {
namespace {

using mvmd::twin::v1alpha1::FrameGroup;
using mvmd::twin::v1alpha1::SyncRequest;

class FuzzSession {
 public:
  FuzzSession() : session_(Options(), [](absl::string_view twin) { return twin != "forbidden"; }) {
    session_.OnStart(now_, &actions_);
    Act();
  }

  void Step(FuzzInput* input) {
    SyncRequest request;
    switch (input->Byte() % 8) {
      case 0: {
        const absl::string_view bytes = input->Bytes();
        if (request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) Request(request);
        return;
      }
      case 1:
        request.mutable_hello()->set_protocol_version(1);
        request.mutable_hello()->set_epoch(input->Byte());
        request.mutable_hello()->set_outbox_id("0123456789abcdef");
        request.mutable_hello()->add_codecs(mvmd::twin::v1alpha1::CODEC_ZSTD);
        return Request(request);
      case 2:
      case 3:
        return Frames(input->Bytes(), /*level=*/0);
      case 4:
        return Frames(input->Bytes(), /*level=*/1);
      case 5:
        now_ += static_cast<int64_t>(input->Byte()) * 100'000'000;
        session_.OnTimer(now_, &actions_);
        return Act();
      case 6:
        return ApplyOne();
      default:
        return End(input->Byte());
    }
  }

  void Finish() {
    while (!appended_.empty()) ApplyOne();
    session_.OnPeerGone("test", &actions_);
    Act();
    while (!appended_.empty()) ApplyOne();
    fold_.Check();
  }

 private:
  static BridgeSessionOptions Options() {
    BridgeSessionOptions options;
    options.group = {.raw_bytes_max = 1 << 16, .frame_bytes_max = 1 << 12, .frames_max = 256};
    options.credit_bytes = 1 << 14;
    options.bridge = "spiffe://plant.example/bridge/robots";
    options.peer = "ipv4:127.0.0.1:1";
    return options;
  }

  void Frames(absl::string_view batch, int level) {
    SyncRequest request;
    FrameGroup* group = request.mutable_frames();
    if (level > 0) {
      codec_.Encode(batch, mvmd::twin::v1alpha1::LANE_BACKFILL, level, group);
    } else {
      group->set_codec(mvmd::twin::v1alpha1::CODEC_IDENTITY);
      group->set_lane(mvmd::twin::v1alpha1::LANE_LIVE);
      group->set_raw_bytes(static_cast<uint32_t>(batch.size()));
      group->set_data(std::string(batch));
    }
    Request(request);
  }

  void Request(const SyncRequest& request) {
    if (finished_ || ended_) return;  // a reactor reads no more
    session_.OnRequest(request, now_, &actions_);
    Act();
  }

  void End(uint8_t how) {
    if (finished_) return;
    if (how % 3 == 0) {
      ended_ = true;
      session_.OnWritesDone(&actions_);
    } else if (how % 3 == 1) {
      session_.OnDrain(1'000'000'000, &actions_);
    } else {
      session_.OnDrainEnd(&actions_);
    }
    Act();
  }

  void ApplyOne() {
    if (appended_.empty()) return;
    BridgeSession::Append append = std::move(appended_.front());
    appended_.pop_front();
    append.entry.set_time_unix_ns(now_);
    const ApplyResult result = fold_.Apply(append.entry, append.group);
    applied_.AddAll(result.applied);
    session_.OnApplied(append.tag, result, now_, &actions_);
    Act();
  }

  void Act() {
    std::vector<BridgeSession::Action> actions;
    actions.swap(actions_);
    for (BridgeSession::Action& action : actions) {
      if (auto* append = std::get_if<BridgeSession::Append>(&action)) {
        appended_.push_back(std::move(*append));
      } else if (std::holds_alternative<BridgeSession::Finish>(action)) {
        Ensure(!finished_);  // once
        finished_ = true;
      } else if (const auto* send = std::get_if<BridgeSession::Send>(&action)) {
        Ensure(!finished_);
        for (const auto& seqs : send->response.commit().seqs()) {
          Ensure(seqs.first() <= seqs.last() && applied_.ContainsAll(seqs.first(), seqs.last()));
        }
      }
    }
    Ensure(session_.credit_left_bytes() <= (1 << 14));
  }

  BridgeSession session_;
  FuzzFold fold_;
  FrameGroupCodec codec_;
  int64_t now_ = 1'700'000'000'000'000'000;
  std::vector<BridgeSession::Action> actions_;
  std::deque<BridgeSession::Append> appended_;
  IntervalSet applied_;
  bool finished_ = false;
  bool ended_ = false;
};

}  // namespace
}  // namespace mvmd

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mvmd::FuzzInput input(data, size);
  mvmd::FuzzSession session;
  for (int steps = 0; !input.done() && steps < 128; ++steps) session.Step(&input);
  session.Finish();
  return 0;
}
