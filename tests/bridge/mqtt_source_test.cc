// The source against sockets: a broker of our own that sees every byte, and a real mosquitto.
#include "bridge/mqtt_source.h"

#include <arpa/inet.h>
#include <mosquitto.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "bridge/intake.h"
#include "bridge/outbox.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "runtime/config.h"
#include "tests/bridge/test_dir.h"
#include "twin/block.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kDeadline = absl::Seconds(20);

// Listens on a port below the ephemeral ones.
int Listen(int* port) {
  for (int candidate = 20000 + getpid() % 10000;; ++candidate) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(candidate));
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 && listen(fd, 16) == 0) {
      *port = candidate;
      return fd;
    }
    close(fd);
  }
}

// MQTT 3.1.1 as far as these tests need it, with the test's hand on every packet.
class FakeBroker {
 public:
  struct Packet {
    int type;
    std::string body;
  };

  FakeBroker() : listener_(Listen(&port_)) {}
  ~FakeBroker() {
    HangUp();
    close(listener_);
  }
  int port() const { return port_; }

  void Accept(bool session_present) {
    ASSERT_TRUE(Readable(listener_, kDeadline));
    connection_ = accept(listener_, nullptr, nullptr);
    ASSERT_GE(connection_, 0);
    ASSERT_EQ(Receive().type, 1);  // CONNECT
    Send(std::string("\x20\x02", 2) + std::string(1, session_present ? '\1' : '\0') + std::string(1, '\0'));
  }
  void AcceptSubscription() { AnswerSubscription('\x01'); }
  void RefuseSubscription() { AnswerSubscription('\x80'); }
  void HangUp() {
    if (connection_ >= 0) close(connection_);
    connection_ = -1;
  }
  void Publish(uint16_t packet_id, absl::string_view topic, absl::string_view payload, bool duplicate = false) {
    std::string body;
    body += static_cast<char>(topic.size() >> 8);
    body += static_cast<char>(topic.size() & 0xFF);
    absl::StrAppend(&body, topic);
    body += static_cast<char>(packet_id >> 8);
    body += static_cast<char>(packet_id & 0xFF);
    absl::StrAppend(&body, payload);
    ASSERT_LT(body.size(), 128u);
    Send(std::string(1, duplicate ? '\x3A' : '\x32') + std::string(1, static_cast<char>(body.size())) + body);
  }
  bool HasPacket(absl::Duration within) { return Readable(connection_, within); }
  // Packet id of the PUBACK that comes next.
  int ReceivePuback() {
    const Packet packet = Receive();
    EXPECT_EQ(packet.type, 4);
    return packet.body.size() < 2 ? -1
                                  : static_cast<uint8_t>(packet.body[0]) * 256 + static_cast<uint8_t>(packet.body[1]);
  }
  Packet Receive() {
    Packet packet{-1, ""};
    const int head = ReceiveByte();
    const int size = ReceiveByte();
    if (head < 0 || size < 0) return packet;
    packet.type = head >> 4;
    for (int i = 0; i < size; ++i) packet.body += static_cast<char>(ReceiveByte());
    return packet;
  }

 private:
  void AnswerSubscription(char code) {
    const Packet subscribe = Receive();
    ASSERT_EQ(subscribe.type, 8);
    Send("\x90\x03" + subscribe.body.substr(0, 2) + code);
  }
  static bool Readable(int fd, absl::Duration within) {
    pollfd poll_fd{fd, POLLIN, 0};
    return poll(&poll_fd, 1, static_cast<int>(absl::ToInt64Milliseconds(within))) == 1;
  }
  int ReceiveByte() {
    unsigned char byte;
    if (!Readable(connection_, kDeadline) || recv(connection_, &byte, 1, 0) != 1) {
      ADD_FAILURE() << "expected a byte from the bridge";
      return -1;
    }
    return byte;
  }
  void Send(const std::string& bytes) {
    ASSERT_EQ(send(connection_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }

  int port_ = 0;
  int listener_;
  int connection_ = -1;
};

// Outbox, intake and source: a bridge without its uplink.
class HalfBridge {
 public:
  HalfBridge(const std::string& path, int port, uint64_t max_bytes = uint64_t{1} << 30,
             const std::string& version = "3.1.1") {
    outbox_ = *Outbox::Open({.path = path, .max_bytes = max_bytes});
    pb::BridgeConfig config;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        "routes { topic: 'plant/{s}' twin: 't' sensor: '{s}' qos: 1 retained: 'ignore' }", &config));
    intake_ = std::make_unique<Intake>(
        IntakeOptions{}, *SensorRouter::Make(config.routes(), &catalog_), &catalog_, outbox_.get(), &issues_,
        [](uint64_t, size_t) {}, [](uint64_t, std::string, uint64_t) {}, [](uint64_t, std::string) {});
    MqttSourceOptions options;
    options.config.set_host("127.0.0.1");
    options.config.set_port(static_cast<uint32_t>(port));
    options.config.set_client_id("bridge-under-test");
    options.config.set_version(version);
    *options.config.mutable_keepalive() = ToProtoDuration(absl::Seconds(60));
    *options.config.mutable_session_expiry() = ToProtoDuration(absl::Hours(1));
    *options.config.mutable_reconnect_delay_min() = ToProtoDuration(absl::Milliseconds(5));
    *options.config.mutable_reconnect_delay_max() = ToProtoDuration(absl::Milliseconds(20));
    options.on_session = [this](MqttSession session) {
      absl::MutexLock lock(&mutex_);
      session_ = session;
    };
    source_ = *MqttSource::Make(options, intake_.get());
  }
  ~HalfBridge() {
    if (thread_.joinable()) Stop().IgnoreError();
  }
  void Start() {
    thread_ = std::thread([this] { ended_ = source_->Run(); });
  }
  absl::Status Stop() {
    source_->Stop();
    thread_.join();
    return ended_;
  }
  Outbox& outbox() { return *outbox_; }
  MqttSource& source() { return *source_; }
  const IntakeStats& stats() { return intake_->stats(); }
  bool AwaitSession(MqttSession session) {
    const auto is_there = [this, session]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return session_ == session; };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&is_there), kDeadline);
  }

 private:
  TwinCatalog catalog_;
  IssueLog issues_{&SystemClock::Get()};
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<MqttSource> source_;
  std::thread thread_;
  absl::Status ended_;
  absl::Mutex mutex_;
  MqttSession session_ ABSL_GUARDED_BY(mutex_) = MqttSession::kDown;
};

// What is durably in the file: every number of every block, in order.
std::vector<double> NumbersInFile(const std::string& path) {
  std::vector<double> numbers;
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  EXPECT_EQ(sqlite3_prepare_v2(db, "SELECT frame FROM rows ORDER BY seq", -1, &statement, nullptr), SQLITE_OK);
  while (sqlite3_step(statement) == SQLITE_ROW) {
    pb::Frame frame;
    EXPECT_TRUE(frame.ParseFromArray(sqlite3_column_blob(statement, 0), sqlite3_column_bytes(statement, 0)));
    DecodedBlock block;
    if (!frame.has_block() || !DecodeBlock(frame.block(), &block).ok()) continue;
    numbers.insert(numbers.end(), block.numbers.begin(), block.numbers.end());
  }
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return numbers;
}

// Somebody else's write transaction, which keeps commits from succeeding.
class WriteLock {
 public:
  explicit WriteLock(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &db_), SQLITE_OK);
    sqlite3_busy_timeout(db_, 5000);
    EXPECT_EQ(sqlite3_exec(db_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  }
  ~WriteLock() {
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    sqlite3_close(db_);
  }

 private:
  sqlite3* db_ = nullptr;
};

class MqttSourceTest : public ::testing::Test {
 protected:
  void StartBridge(uint64_t max_bytes = uint64_t{1} << 30) {
    bridge_ = std::make_unique<HalfBridge>(path_, broker_.port(), max_bytes);
    bridge_->Start();
    broker_.Accept(/*session_present=*/false);
    broker_.AcceptSubscription();
  }

  TestDir dir_;
  const std::string path_ = dir_.File("outbox.db");
  FakeBroker broker_;
  std::unique_ptr<HalfBridge> bridge_;
};

TEST_F(MqttSourceTest, AcknowledgesOnlyWhatIsCommitted) {
  StartBridge();
  {
    WriteLock lock(path_);
    for (uint16_t id = 1; id <= 5; ++id) broker_.Publish(id, "plant/a", absl::StrCat(id));
    EXPECT_FALSE(broker_.HasPacket(absl::Milliseconds(500)));
    EXPECT_THAT(NumbersInFile(path_), IsEmpty());
  }
  EXPECT_EQ(broker_.ReceivePuback(), 1);
  EXPECT_THAT(NumbersInFile(path_).size(), ::testing::Ge(1u));
  for (int id = 2; id <= 5; ++id) EXPECT_EQ(broker_.ReceivePuback(), id);
  EXPECT_THAT(NumbersInFile(path_), ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(MqttSourceTest, CommitsWhatItReadWhenTheConnectionBreaks) {
  StartBridge();
  broker_.Publish(1, "plant/a", "1");
  broker_.HangUp();
  broker_.Accept(/*session_present=*/true);
  broker_.Publish(1, "plant/a", "1", /*duplicate=*/true);
  broker_.Publish(2, "plant/a", "2");
  EXPECT_EQ(broker_.ReceivePuback(), 1);
  EXPECT_EQ(broker_.ReceivePuback(), 2);
  EXPECT_THAT(NumbersInFile(path_), ElementsAre(1, 2));
}

TEST_F(MqttSourceTest, RecognisesRedeliveries) {
  StartBridge();
  for (uint16_t id = 1; id <= 3; ++id) broker_.Publish(id, "plant/a", "7");
  for (int id = 1; id <= 3; ++id) EXPECT_EQ(broker_.ReceivePuback(), id);
  // The PUBACK of 2 was lost with the connection, says the broker; 3 is used again for an equal value.
  broker_.HangUp();
  broker_.Accept(/*session_present=*/true);
  broker_.Publish(2, "plant/a", "7", /*duplicate=*/true);
  broker_.Publish(3, "plant/a", "7", /*duplicate=*/false);
  EXPECT_EQ(broker_.ReceivePuback(), 2);
  EXPECT_EQ(broker_.ReceivePuback(), 3);
  EXPECT_THAT(NumbersInFile(path_), ElementsAre(7, 7, 7, 7));
  EXPECT_EQ(bridge_->stats().redeliveries, 1u);
  // Also by the next life of the bridge.
  ASSERT_TRUE(bridge_->Stop().ok());
  bridge_.reset();
  broker_.HangUp();
  bridge_ = std::make_unique<HalfBridge>(path_, broker_.port());
  bridge_->Start();
  broker_.Accept(/*session_present=*/true);
  broker_.Publish(3, "plant/a", "7", /*duplicate=*/true);
  EXPECT_EQ(broker_.ReceivePuback(), 3);
  EXPECT_EQ(NumbersInFile(path_).size(), 4u);
}

TEST_F(MqttSourceTest, StopsReadingWhenTheOutboxIsFull) {
  StartBridge(/*max_bytes=*/200);
  uint16_t sent = 0;
  int acknowledged = 0;
  while (!bridge_->outbox().full()) {
    ++sent;
    broker_.Publish(sent, "plant/a", absl::StrCat(sent, ".5"));
    ASSERT_EQ(broker_.ReceivePuback(), ++acknowledged);
  }
  broker_.Publish(++sent, "plant/a", "1");
  EXPECT_FALSE(broker_.HasPacket(absl::Milliseconds(500)));
  EXPECT_GE(bridge_->source().stats().pauses, 1u);
  IntervalSet all;
  all.Add(1, bridge_->outbox().last_seq());
  bridge_->outbox().Forget(all);
  EXPECT_EQ(broker_.ReceivePuback(), sent);
}

TEST_F(MqttSourceTest, IsReadyWhenAllSubscriptionsAreGranted) {
  bridge_ = std::make_unique<HalfBridge>(path_, broker_.port());
  bridge_->Start();
  broker_.Accept(/*session_present=*/false);
  EXPECT_TRUE(bridge_->AwaitSession(MqttSession::kSubscribing));
  broker_.RefuseSubscription();
  EXPECT_TRUE(bridge_->AwaitSession(MqttSession::kRefused));
  broker_.HangUp();
  EXPECT_TRUE(bridge_->AwaitSession(MqttSession::kDown));
  broker_.Accept(/*session_present=*/false);
  broker_.AcceptSubscription();
  EXPECT_TRUE(bridge_->AwaitSession(MqttSession::kReady));
}

TEST_F(MqttSourceTest, SaysGoodbye) {
  StartBridge();
  broker_.Publish(1, "plant/a", "1");
  EXPECT_EQ(broker_.ReceivePuback(), 1);
  ASSERT_TRUE(bridge_->Stop().ok());
  EXPECT_EQ(broker_.Receive().type, 14);
}

// A real mosquitto on a port of its own.
class Mosquitto {
 public:
  Mosquitto(const TestDir& dir, int max_inflight) {
    close(Listen(&port_));
    const std::string config = dir.Write(
        "mosquitto.conf", absl::StrCat("listener ", port_, " 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n",
                                       "max_inflight_messages ", max_inflight, "\nlog_type error\n"));
    pid_ = fork();
    if (pid_ == 0) {
      execlp("mosquitto", "mosquitto", "-c", config.c_str(), nullptr);
      execl("/usr/sbin/mosquitto", "mosquitto", "-c", config.c_str(), nullptr);
      _exit(127);
    }
  }
  ~Mosquitto() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  int port() const { return port_; }

 private:
  int port_ = 0;
  pid_t pid_;
};

// Publishes with QoS 1 and waits for the broker's PUBACKs. No thread.
class Publisher {
 public:
  explicit Publisher(int port) {
    mosquitto_lib_init();
    client_ = mosquitto_new("publisher", true, this);
    mosquitto_publish_callback_set(client_,
                                   [](mosquitto*, void* self, int) { ++static_cast<Publisher*>(self)->done_; });
    const absl::Time deadline = absl::Now() + kDeadline;
    while (mosquitto_connect(client_, "127.0.0.1", port, 60) != MOSQ_ERR_SUCCESS) {
      if (absl::Now() > deadline) {
        ADD_FAILURE() << "mosquitto does not answer";
        return;
      }
      poll(nullptr, 0, 20);
    }
  }
  ~Publisher() { mosquitto_destroy(client_); }
  void Publish(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string payload = absl::StrCat(++sent_);
      mosquitto_publish(client_, nullptr, "plant/a", static_cast<int>(payload.size()), payload.data(), 1, false);
    }
    const absl::Time deadline = absl::Now() + kDeadline;
    while (done_ < sent_ && absl::Now() < deadline) mosquitto_loop(client_, 10, 1);
    EXPECT_EQ(done_, sent_);
  }

 private:
  mosquitto* client_;
  int sent_ = 0;
  int done_ = 0;
};

bool IsSubscribed(const std::string& path) {
  sqlite3* db = nullptr;
  sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READONLY, nullptr);
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(db, "SELECT 1 FROM meta WHERE key = 'subscriptions'", -1, &statement, nullptr);
  const bool found = statement != nullptr && sqlite3_step(statement) == SQLITE_ROW;
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return found;
}

class MqttSourceKillTest : public ::testing::TestWithParam<const char*> {};

// Killed again and again in the middle of everything, the bridge has each published value once, in order: what it
// acknowledged is in the file, and what comes again is recognised.
TEST_P(MqttSourceKillTest, KeepsEachMessageOnce) {
  constexpr int kLives = 12;
  constexpr int kMessagesALife = 300;
  TestDir dir;
  const std::string path = dir.File("outbox.db");
  Mosquitto broker(dir, 50);
  Publisher publisher(broker.port());
  auto start = [&] {
    const pid_t child = fork();
    if (child == 0) {
      HalfBridge bridge(path, broker.port(), uint64_t{1} << 30, GetParam());
      bridge.source().Run().IgnoreError();
      _exit(0);
    }
    return child;
  };
  pid_t child = start();
  const absl::Time deadline = absl::Now() + absl::Seconds(120);
  while (!IsSubscribed(path) && absl::Now() < deadline) poll(nullptr, 0, 10);
  for (int life = 0; life < kLives; ++life) {
    publisher.Publish(kMessagesALife);
    // Not at rest: somewhere in reading, committing or acknowledging these.
    ASSERT_EQ(kill(child, SIGKILL), 0);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    child = start();
  }
  std::vector<double> expected;
  for (int i = 1; i <= kLives * kMessagesALife; ++i) expected.push_back(i);
  std::vector<double> numbers = NumbersInFile(path);
  while (numbers.size() < expected.size() && absl::Now() < deadline) {
    poll(nullptr, 0, 50);
    numbers = NumbersInFile(path);
  }
  kill(child, SIGTERM);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(numbers, expected);
}

INSTANTIATE_TEST_SUITE_P(Versions, MqttSourceKillTest, ::testing::Values("3.1.1", "5"),
                         [](const auto& version) { return std::string(version.param) == "5" ? "V5" : "V311"; });

}  // namespace
}  // namespace mvmd
