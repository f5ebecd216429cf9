// The stream against a gateway of the test's own, over a real connection.
#include "bridge/uplink_stream.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "bridge/outbox.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "tests/bridge/test_dir.h"
#include "twin/frame_group.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr absl::Duration kDeadline = absl::Seconds(20);

// Applies every frame and says so. A stream can be told to end, or to say nothing more.
class FakeGateway final : public pb::SyncService::Service {
 public:
  FakeGateway() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeGateway() override { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string target() const { return absl::StrCat("127.0.0.1:", port_); }
  // Streams end after so many groups.
  void EndStreamsAfter(int groups) {
    absl::MutexLock lock(&mutex_);
    groups_a_stream_ = groups;
  }
  void BeSilent(bool silent) {
    absl::MutexLock lock(&mutex_);
    silent_ = silent;
  }
  bool WaitForApplied(uint64_t first, uint64_t last) {
    auto done = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return applied_.ContainsAll(first, last); };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&done), kDeadline);
  }
  int streams() {
    absl::MutexLock lock(&mutex_);
    return streams_;
  }
  int duplicates() {
    absl::MutexLock lock(&mutex_);
    return duplicates_;
  }
  bool WaitForReport() {
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&got_report_), kDeadline);
  }
  int clean_ends() {
    absl::MutexLock lock(&mutex_);
    return clean_ends_;
  }

 private:
  grpc::Status Sync(grpc::ServerContext*,
                    grpc::ServerReaderWriter<pb::SyncResponse, pb::SyncRequest>* stream) override {
    pb::SyncRequest request;
    if (!stream->Read(&request) || !request.has_hello()) return {grpc::StatusCode::INVALID_ARGUMENT, "no hello"};
    pb::SyncResponse response;
    int groups = 0;
    {
      absl::MutexLock lock(&mutex_);
      ++streams_;
      pb::Welcome* welcome = response.mutable_welcome();
      welcome->set_session(static_cast<uint64_t>(streams_));
      welcome->set_max_frame_bytes(1 << 20);
      welcome->set_credit_bytes(1 << 20);
      welcome->add_codecs(pb::CODEC_ZSTD);
      applied_.ToProto(welcome->mutable_applied());
    }
    stream->Write(response);
    FrameGroupCodec codec;
    while (stream->Read(&request)) {
      response.Clear();
      absl::MutexLock lock(&mutex_);
      if (request.has_report()) got_report_ = true;
      if (!request.has_frames() || silent_) continue;
      std::string text;
      EXPECT_TRUE(codec.Decode(request.frames(), 8 << 20, &text).ok());
      pb::FrameBatch batch;
      EXPECT_TRUE(batch.ParseFromString(text));
      for (const pb::Frame& frame : batch.frames()) {
        if (applied_.Contains(frame.seq())) ++duplicates_;
        applied_.Add(frame.seq());
        pb::Interval* interval = response.mutable_commit()->add_seqs();
        interval->set_first(frame.seq());
        interval->set_last(frame.seq());
      }
      // Ended after it was applied and before it was told.
      if (++groups == groups_a_stream_) return {grpc::StatusCode::UNAVAILABLE, "moving"};
      stream->Write(response);
    }
    absl::MutexLock lock(&mutex_);
    ++clean_ends_;
    return grpc::Status::OK;
  }

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  absl::Mutex mutex_;
  IntervalSet applied_ ABSL_GUARDED_BY(mutex_);
  int groups_a_stream_ ABSL_GUARDED_BY(mutex_) = -1;
  bool silent_ ABSL_GUARDED_BY(mutex_) = false;
  int streams_ ABSL_GUARDED_BY(mutex_) = 0;
  int duplicates_ ABSL_GUARDED_BY(mutex_) = 0;
  int clean_ends_ ABSL_GUARDED_BY(mutex_) = 0;
  bool got_report_ ABSL_GUARDED_BY(mutex_) = false;
};

class UplinkStreamTest : public ::testing::Test, public UplinkHost {
 protected:
  UplinkStreamTest() {
    outbox_ = *Outbox::Open({.path = dir_.File("outbox.db")});
    core_.epoch = outbox_->epoch();
    core_.outbox_id = outbox_->outbox_id();
    core_.linger = absl::ZeroDuration();
    core_.backoff_min = absl::Milliseconds(5);
    core_.backoff_max = absl::Milliseconds(50);
    core_.stall_timeout = absl::Milliseconds(300);
  }
  void Start(const std::string& target) {
    core_.last_seq_at_start = outbox_->last_seq();
    stream_ = std::make_unique<UplinkStream>(UplinkStreamOptions{.target = target,
                                                                 .credentials = grpc::InsecureChannelCredentials(),
                                                                 .report_interval = absl::Milliseconds(50)},
                                             core_, outbox_.get(), static_cast<UplinkHost*>(this));
    stream_->Start();
  }
  void Append(int rows) {
    for (int i = 0; i < rows; ++i) {
      OutboxBatch batch;
      pb::Frame frame;
      frame.set_seq(outbox_->next_seq());
      frame.mutable_gap()->set_count(1);
      batch.rows.push_back({RowKind::kGap, frame.SerializeAsString()});
      ASSERT_TRUE(outbox_->Commit(batch).ok());
      if (stream_ != nullptr) stream_->OnRowsAvailable(outbox_->last_seq(), batch.rows[0].frame.size());
    }
  }

  void ForgetRows(const IntervalSet& seqs) override { outbox_->Forget(seqs); }
  void SendDocument(const std::string&) override {}
  void StartNewEpoch(IntervalSet, IntervalSet) override { ADD_FAILURE() << "no new epoch is needed"; }
  void KeepNonce(uint64_t epoch, std::string nonce) override {
    ASSERT_TRUE(outbox_->KeepNonce(nonce).ok());
    stream_->OnNonceKept(epoch, std::move(nonce));
  }
  void OnCommand(const pb::Command&) override {}
  void OnRowRejected(uint64_t, const std::string&) override {}
  void OnRowDamaged(uint64_t) override {}
  pb::BridgeReport MakeReport() override { return {}; }

  TestDir dir_;
  FakeGateway gateway_;
  std::unique_ptr<Outbox> outbox_;
  UplinkOptions core_;
  std::unique_ptr<UplinkStream> stream_;
};

TEST_F(UplinkStreamTest, SendsABacklogAndWhatIsNew) {
  Append(10);
  Start(gateway_.target());
  EXPECT_TRUE(gateway_.WaitForApplied(1, 10));
  Append(200);
  EXPECT_TRUE(gateway_.WaitForApplied(11, 210));
  EXPECT_TRUE(gateway_.WaitForReport());
  EXPECT_TRUE(stream_->Stop(kDeadline));
  EXPECT_EQ(outbox_->kept_rows(), 0u);
  EXPECT_EQ(gateway_.streams(), 1);
  EXPECT_EQ(gateway_.clean_ends(), 1);
}

TEST_F(UplinkStreamTest, GoesOnAfterEveryEndOfTheStream) {
  gateway_.EndStreamsAfter(2);
  Start(gateway_.target());
  for (int i = 0; i < 30; ++i) Append(5);
  EXPECT_TRUE(gateway_.WaitForApplied(1, 150));
  gateway_.EndStreamsAfter(-1);
  EXPECT_TRUE(stream_->Stop(kDeadline));
  EXPECT_GT(gateway_.streams(), 1);
  EXPECT_EQ(gateway_.duplicates(), 0);
}

TEST_F(UplinkStreamTest, LeavesAGatewayThatSaysNothing) {
  gateway_.BeSilent(true);
  Start(gateway_.target());
  Append(1);
  const absl::Time deadline = absl::Now() + kDeadline;
  while (stream_->stats().stalls == 0 && absl::Now() < deadline) std::this_thread::yield();
  EXPECT_GE(stream_->stats().stalls, 1u);
  gateway_.BeSilent(false);
  EXPECT_TRUE(gateway_.WaitForApplied(1, 1));
  EXPECT_TRUE(stream_->Stop(kDeadline));
}

TEST_F(UplinkStreamTest, StopsWithoutAGateway) {
  Append(3);
  Start("127.0.0.1:1");
  EXPECT_FALSE(stream_->Stop(absl::Milliseconds(50)));
  EXPECT_EQ(outbox_->kept_rows(), 3u);
}

}  // namespace
}  // namespace mvmd
