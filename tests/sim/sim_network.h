// Streams between bridges and the gateway: in order as TCP is, but slow, cut, and half open.
#ifndef MVMD_TESTS_SIM_SIM_NETWORK_H_
#define MVMD_TESTS_SIM_SIM_NETWORK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "mvmd/twin/v1alpha1/sync.pb.h"
#include "tests/sim/scheduler.h"

namespace mvmd {

// The bridge's end: what a gRPC client reactor tells.
class StreamClient {
 public:
  virtual ~StreamClient() = default;
  virtual void OnConnected(uint64_t stream) = 0;
  virtual void OnWriteDone(uint64_t stream) = 0;
  virtual void OnResponse(uint64_t stream, const mvmd::twin::v1alpha1::SyncResponse& response) = 0;
  virtual void OnStreamEnded(uint64_t stream, const absl::Status& status) = 0;
};

// The gateway's end.
class StreamServer {
 public:
  virtual ~StreamServer() = default;
  virtual void OnStream(uint64_t stream, const std::string& bridge) = 0;
  virtual void OnRequest(uint64_t stream, const mvmd::twin::v1alpha1::SyncRequest& request) = 0;
  virtual void OnGone(uint64_t stream, const std::string& reason) = 0;
};

// Messages of a stream arrive in order or not at all; those of two streams in any order, so that a stream that its
// bridge gave up long ago may still deliver what was under way. Either side may learn late that a stream has ended, or
// never.
class SimNetwork {
 public:
  SimNetwork(Scheduler* scheduler, absl::Duration delay_max) : scheduler_(scheduler), delay_max_(delay_max) {}

  void SetServer(Process* process, StreamServer* server);

  // Client side. OnConnected or OnStreamEnded follows, or nothing at all when the network swallows it.
  uint64_t Connect(Process* process, StreamClient* client, const std::string& bridge);
  void Write(uint64_t stream, std::shared_ptr<const mvmd::twin::v1alpha1::SyncRequest> request);
  // OnStreamEnded(CANCELLED) follows.
  void Cancel(uint64_t stream);

  // Server side.
  void Send(uint64_t stream, std::shared_ptr<const mvmd::twin::v1alpha1::SyncResponse> response);
  // After everything that was sent. OnGone follows.
  void Finish(uint64_t stream, const absl::Status& status);

  // A process has died; its streams go with it.
  void OnCrash(const Process* process);

  // Faults.
  void CutAll();
  // Nothing arrives any more in one direction, and nobody is told.
  void Swallow(bool up);
  // The next frames are delivered twice, as by a peer that sends again without need.
  void DuplicateNext() { duplicate_next_ = true; }
  // The next response but Welcome is lost on the way.
  void LoseNextResponse() { lose_next_response_ = true; }
  void Partition(bool up, bool down, absl::Duration duration);
  void Heal();

 private:
  struct Direction {
    absl::Time ready = absl::InfinitePast();  // nothing arrives before what went before it
    absl::Time cut = absl::InfiniteFuture();  // nothing arrives from then on
  };
  struct Stream {
    uint64_t id = 0;
    std::string bridge;
    Process* client_process = nullptr;
    StreamClient* client = nullptr;
    uint64_t client_life = 0;
    uint64_t server_life = 0;  // 0: the server does not know it yet
    bool client_done = false;  // has been told the end
    bool server_done = false;
    Direction up;
    Direction down;
  };
  using StreamPtr = std::shared_ptr<Stream>;

  StreamPtr Find(uint64_t stream) const;
  absl::Time Arrival(Direction* direction, absl::Time partition_until);
  void ToClient(const StreamPtr& stream, absl::Time when, std::function<void(StreamClient*)> event);
  void ToServer(const StreamPtr& stream, absl::Time when, std::function<void(StreamServer*)> event);
  void EndClient(const StreamPtr& stream, absl::Time when, const absl::Status& status);
  void EndServer(const StreamPtr& stream, absl::Time when, const std::string& reason);
  void Cut(const StreamPtr& stream);

  Scheduler* const scheduler_;
  const absl::Duration delay_max_;
  Process* server_process_ = nullptr;
  StreamServer* server_ = nullptr;
  uint64_t last_id_ = 0;
  std::map<uint64_t, StreamPtr> streams_;
  bool duplicate_next_ = false;
  bool lose_next_response_ = false;
  absl::Time up_partition_until_ = absl::InfinitePast();
  absl::Time down_partition_until_ = absl::InfinitePast();
};

}  // namespace mvmd

#endif  // MVMD_TESTS_SIM_SIM_NETWORK_H_
