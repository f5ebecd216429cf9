#include "gateway/gateway.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "certs/credentials.h"
#include "certs/peer_certificate.h"
#include "certs/policy.h"
#include "certs/rotating_source.h"
#include "certs/signing_key.h"
#include "gateway/caller.h"
#include "gateway/committer.h"
#include "gateway/document_signer.h"
#include "gateway/door_keeper.h"
#include "gateway/gateway_metrics.h"
#include "gateway/history.h"
#include "gateway/listener_check.h"
#include "gateway/live_bridges.h"
#include "gateway/past_twins.h"
#include "gateway/quarantine_service.h"
#include "gateway/rocksdb_store.h"
#include "gateway/stream_registry.h"
#include "gateway/sync_service.h"
#include "gateway/timer_queue.h"
#include "gateway/twin_service.h"
#include "gateway/validation_policy.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "runtime/config.h"
#include "runtime/file_watch.h"
#include "runtime/log.h"
#include "runtime/metrics.h"
#include "runtime/ops_server.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// A bridge that is gone without a word is noticed after at most the sum of both.
constexpr absl::Duration kKeepalive = absl::Seconds(10);
constexpr absl::Duration kKeepaliveTimeout = absl::Seconds(10);
constexpr absl::Duration kHandshakeTimeout = absl::Seconds(10);
// Clients may ping so often.
constexpr absl::Duration kClientPingMin = absl::Seconds(5);
constexpr int kConcurrentStreamsMax = 128;
constexpr int kMetadataBytesMax = 16 << 10;
constexpr size_t kServerMemoryBytes = size_t{1} << 30;
constexpr int kServerThreadsMax = 256;
constexpr int kLookaheadBytes = 1 << 20;
constexpr size_t kMessageMarginBytes = 64 << 10;
constexpr int kEventThreads = 2;
constexpr int kReaderThreads = 2;
constexpr size_t kUnaryQueueMax = 1024;
// After a disk that was full.
constexpr absl::Duration kPolicyRetry = absl::Seconds(1);
constexpr absl::Duration kHealthInterval = absl::Milliseconds(200);
// A group is at most so many times as large as a frame; docs/protocol.md, rule 7.
constexpr size_t kGroupFrames = 8;

double UnixSeconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

int Millis(absl::Duration duration) { return static_cast<int>(absl::ToInt64Milliseconds(duration)); }

GroupLimits GroupLimitsOf(const pb::SyncConfig& sync) {
  GroupLimits limits;
  limits.frame_bytes_max = sync.max_frame_bytes();
  limits.raw_bytes_max = kGroupFrames * sync.max_frame_bytes();
  return limits;
}

TwinStateLimits StateLimitsOf(const pb::SyncConfig& sync) {
  TwinStateLimits limits;
  limits.document_bytes_max = sync.max_document_bytes();
  limits.unfinished_document_bytes_max =
      std::max<size_t>(limits.unfinished_document_bytes_max, sync.max_document_bytes());
  for (size_t* bytes_max : {&limits.quarantine.bytes_a_bridge_max, &limits.quarantine.bytes_max}) {
    *bytes_max = std::max<size_t>(*bytes_max, sync.max_document_bytes());
  }
  return limits;
}

CommitterOptions CommitterOptionsOf(const pb::GatewayConfig& config) {
  CommitterOptions options;
  options.pending_bytes_max = config.sync().max_pending_bytes();
  options.checkpoint_interval = ToAbslDuration(config.store().checkpoint_interval());
  options.log_retention = ToAbslDuration(config.store().log_retention());
  options.recent_bytes_max = config.watch().recent_bytes();
  return options;
}

SyncOptions SyncOptionsOf(const pb::SyncConfig& sync) {
  SyncOptions options;
  options.group = GroupLimitsOf(sync);
  options.credit_bytes = sync.credit_bytes();
  options.commit_linger_ns = absl::ToInt64Nanoseconds(ToAbslDuration(sync.commit_linger()));
  options.pending_bytes_max = sync.max_pending_bytes();
  return options;
}

TwinServiceOptions TwinServiceOptionsOf(const pb::GatewayConfig& config) {
  TwinServiceOptions options;
  options.document_bytes_max = config.sync().max_document_bytes();
  options.linked_data.document_bytes_max = config.linked_data().max_document_bytes();
  return options;
}

void SetServerOptions(const pb::GatewayConfig& config, grpc::ServerBuilder* builder) {
  const size_t message_bytes =
      std::max<size_t>(kGroupFrames * config.sync().max_frame_bytes(), config.sync().max_document_bytes());
  builder->SetMaxReceiveMessageSize(static_cast<int>(message_bytes + kMessageMarginBytes));
  builder->SetMaxSendMessageSize(-1);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(kKeepalive));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(kKeepaliveTimeout));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, Millis(kClientPingMin));
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Millis(kHandshakeTimeout));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kConcurrentStreamsMax);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  // A gzip bomb would be inflated before its size is looked at. Frames have a compression of their own.
  builder->AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  // Two gateways on one port would share the bridges between two logs.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Probing for the bandwidth costs a ping and its answer with every burst; a fixed window is enough for blocks.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kLookaheadBytes);
  grpc::ResourceQuota quota("mvmd-gateway");
  quota.Resize(kServerMemoryBytes).SetMaxThreads(kServerThreadsMax);
  builder->SetResourceQuota(quota);
}

}  // namespace

struct Gateway::Parts {
  pb::GatewayConfig config;
  std::function<void()> on_failure;
  const Clock* clock = &SystemClock::Get();

  // In the order in which they are made; destroyed from the last to the first.
  Metrics registry{"mvmd_gateway_"};
  GatewayMetrics metrics{&registry};
  Health health;
  std::unique_ptr<OpsServer> ops;
  std::unique_ptr<RocksDbStore> store;
  std::unique_ptr<TwinState> state;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<History> history;
  std::unique_ptr<PastTwins> past;
  std::shared_ptr<RotatingCertificateSource> certificates;
  std::unique_ptr<PeerInspector> inspector;
  std::unique_ptr<Callers> callers;
  std::unique_ptr<StreamRegistry> sessions;
  std::unique_ptr<StreamRegistry> watches;
  LiveBridges live;
  std::vector<Metrics::Callback> callbacks;
  std::unique_ptr<TimerQueue> timers;
  std::unique_ptr<Executor> events;
  std::unique_ptr<Executor> readers;
  DocumentSigner signer{clock, &metrics};
  std::unique_ptr<SyncService> sync_service;
  std::unique_ptr<TwinService> twin_service;
  std::unique_ptr<QuarantineService> quarantine_service;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<DoorKeeper> door_keeper;
  std::unique_ptr<FileWatch> policy_watch;
  std::unique_ptr<ListenerCheck> listener_check;
  int port = 0;
  bool drained = false;
  absl::Mutex mutex;
  absl::Status failure ABSL_GUARDED_BY(mutex);
  absl::Mutex policy_mutex;  // one reload at a time
  absl::Status policy_error ABSL_GUARDED_BY(policy_mutex);

  absl::Status OpenStore();
  absl::Status OpenDoor();
  absl::Status ReloadPolicy(bool asked);
  void Fail(const absl::Status& why);
  absl::Status MakeServices();
  // Makes the policy of validation the configured one: an entry of the log, if the state has another. `done` may be
  // null.
  void AppendValidationPolicy(std::function<void()> done);
  absl::Status LoadSigningKey();
  absl::Status Listen();
  void AddCallbacks();
  void WatchHealth();
  void StopServer(absl::Duration timeout);
};

absl::Status Gateway::Parts::OpenStore() {
  absl::StatusOr<std::unique_ptr<RocksDbStore>> opened = RocksDbStore::Open(config.store().path());
  if (!opened.ok()) return opened.status();
  store = *std::move(opened);
  state = std::make_unique<TwinState>(StateLimitsOf(config.sync()));
  const int64_t started_ns = clock->MonotonicNanos();
  if (absl::Status status = Committer::Recover(store->log(), store->state(), state.get()); !status.ok()) return status;
  Log(LogLevel::kInfo, "recovered",
      {{"revision", state->applied_revision()},
       {"twins", state->twin_count()},
       {"took", absl::Nanoseconds(clock->MonotonicNanos() - started_ns)}});
  committer = std::make_unique<Committer>(store->log(), store->state(), state.get(), clock, CommitterOptionsOf(config));
  history = std::make_unique<History>(store->log(), committer.get());
  past = std::make_unique<PastTwins>(store->log(), store->state(), committer.get());
  return absl::OkStatus();
}

// Certificates and policy, and who watches over them.
absl::Status Gateway::Parts::OpenDoor() {
  if (absl::Status status = EnsureTls13Only(); !status.ok()) return status;
  absl::StatusOr<std::shared_ptr<RotatingCertificateSource>> source =
      RotatingCertificateSource::Start(config.tls(), {});
  if (!source.ok()) return source.status();
  certificates = *std::move(source);
  inspector = std::make_unique<PeerInspector>(certificates, clock);
  absl::StatusOr<Policy> policy = Policy::Load(config.policy_file());
  if (!policy.ok()) return policy.status();
  callers = std::make_unique<Callers>(
      [this](const grpc::ServerContextBase& context) -> absl::StatusOr<Peer> {
        const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
        if (auth == nullptr) return absl::UnauthenticatedError("expected a TLS connection, got one without TLS");
        absl::StatusOr<PeerCertificatePtr> peer = inspector->Inspect(*auth);
        if (!peer.ok()) return peer.status();
        return Peer((*peer)->identity().spiffe_id, *peer);
      },
      std::make_shared<const Policy>(*std::move(policy)),
      [this](const PeerCertificate& certificate) { return inspector->Check(certificate); });
  metrics.policy_last_reload_seconds.SetToCurrentTime();
  return absl::OkStatus();
}

absl::Status Gateway::Parts::MakeServices() {
  const size_t sessions_max = config.sync().max_sessions();
  const size_t watches_max = config.watch().max_watches();
  sessions = std::make_unique<StreamRegistry>("TOO_MANY_SESSIONS", "bridge sessions", sessions_max);
  watches = std::make_unique<StreamRegistry>("TOO_MANY_WATCHES", "watches", watches_max);
  timers = std::make_unique<TimerQueue>();
  // A strand has at most one place in the queue, a watch at most one read: neither queue is ever full for them.
  events = std::make_unique<Executor>(kEventThreads, 2 * (sessions_max + watches_max) + kUnaryQueueMax);
  readers = std::make_unique<Executor>(kReaderThreads, watches_max + kUnaryQueueMax);
  const SyncParts sync_parts{.committer = committer.get(),
                             .streams = sessions.get(),
                             .live = &live,
                             .timers = timers.get(),
                             .executor = events.get(),
                             .clock = clock,
                             .metrics = &metrics};
  sync_service = std::make_unique<SyncService>(sync_parts, SyncOptionsOf(config.sync()), callers.get());
  const WatchParts watch_parts{.committer = committer.get(),
                               .history = history.get(),
                               .watches = watches.get(),
                               .timers = timers.get(),
                               .executor = events.get(),
                               .readers = readers.get(),
                               .clock = clock,
                               .metrics = &metrics,
                               .past = past.get()};
  twin_service =
      std::make_unique<TwinService>(watch_parts, TwinServiceOptionsOf(config), callers.get(), &live, &signer);
  quarantine_service = std::make_unique<QuarantineService>(
      QuarantineParts{.committer = committer.get(), .readers = readers.get(), .metrics = &metrics}, callers.get());
  // Before anybody can write.
  absl::Notification decided;
  AppendValidationPolicy([&decided] { decided.Notify(); });
  decided.WaitForNotification();
  return LoadSigningKey();
}

absl::Status Gateway::Parts::LoadSigningKey() {
  if (!config.has_signing()) return absl::OkStatus();
  absl::StatusOr<std::shared_ptr<const SigningKey>> key = SigningKey::Load(config.signing().key_file());
  if (!key.ok()) return key.status();
  Log(LogLevel::kInfo, "documents are signed on request", {{"did", (*key)->public_key().Did()}});
  signer.SetKey(*std::move(key));
  return absl::OkStatus();
}

void Gateway::Parts::AppendValidationPolicy(std::function<void()> done) {
  const pb::ValidationPolicy wanted = PolicyOf(config.validation());
  const pb::ValidationPolicy in_force =
      committer->Read([](const TwinState& current) { return current.validation_policy(); });
  if (in_force.SerializeAsString() == wanted.SerializeAsString()) {
    if (done) done();
    return;
  }
  pb::LogEntry entry;
  *entry.mutable_validation_policy_changed()->mutable_policy() = wanted;
  const auto on_end = [this, now = ValidationPolicyText(in_force), wanted, done = std::move(done)](
                          const absl::Status& status, uint64_t revision) {
    if (status.ok()) {
      Log(LogLevel::kInfo, "validation policy changed",
          {{"revision", revision}, {"from", now}, {"to", ValidationPolicyText(wanted)}});
    } else {
      // Nothing else can be written either.
      LogEvery(absl::Minutes(1), "validation policy", LogLevel::kWarning, "the validation policy cannot be changed yet",
               {{"status", status}, {"in_force", now}});
      timers->Schedule(kPolicyRetry, [this] { AppendValidationPolicy(nullptr); });
    }
    if (done) done();
  };
  const absl::Status queued = committer->Append(
      std::move(entry), nullptr, [on_end](const ApplyResult& result) { on_end(result.status, result.revision); });
  if (!queued.ok()) on_end(queued, 0);
}

absl::Status Gateway::Parts::Listen() {
  CredentialsOptions options;
  options.on_refused = [counter = &metrics.handshakes_refused](absl::string_view peer, absl::string_view reason) {
    counter->Increment();
    // By the reason, so that one peer's do not hide another's.
    LogEvery(absl::Seconds(10), absl::StrCat("peer refused:", reason.substr(0, 128)), LogLevel::kWarning,
             "peer refused", {{"peer", peer}, {"reason", reason}});
  };
  grpc::EnableDefaultHealthCheckService(true);
  if (config.reflection()) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  SetServerOptions(config, &builder);
  builder.RegisterService(sync_service.get());
  builder.RegisterService(twin_service.get());
  builder.RegisterService(quarantine_service.get());
  builder.AddListeningPort(config.listen(), MakeServerCredentials(certificates, std::move(options)), &port);
  server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat("listen: cannot listen on ", config.listen(),
                                               ": is the address of this machine, and is it free?"));
  }
  door_keeper = std::make_unique<DoorKeeper>(
      callers.get(), std::vector<StreamRegistry*>{sessions.get(), watches.get()},
      DoorKeeper::Options{.age_max = ToAbslDuration(config.max_connection_age())}, &metrics);
  absl::StatusOr<std::unique_ptr<FileWatch>> watch =
      FileWatch::Start({config.policy_file()}, {}, [this] { ReloadPolicy(/*asked=*/false).IgnoreError(); });
  if (!watch.ok()) return watch.status();
  policy_watch = *std::move(watch);
  const ListenerCheckOptions check{.interval = ToAbslDuration(config.listener_check().interval()),
                                   .attempts = static_cast<int>(config.listener_check().attempts()),
                                   .on_failure = [this] { metrics.listener_check_failures.Increment(); }};
  if (check.interval == absl::ZeroDuration()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<ListenerCheck>> started =
      ListenerCheck::Start(config.listen(), port, check, [this](const absl::Status& why) { Fail(why); });
  if (!started.ok()) return started.status();
  listener_check = *std::move(started);
  return absl::OkStatus();
}

absl::Status Gateway::Parts::ReloadPolicy(bool asked) {
  absl::MutexLock lock(&policy_mutex);
  absl::StatusOr<Policy> policy = Policy::Load(config.policy_file());
  if (!policy.ok()) {
    metrics.policy_refused.Set(1);
    // The same error of a file that is looked at again and again is one.
    if (!asked && policy.status() == policy_error) return policy.status();
    policy_error = policy.status();
    metrics.policy_failures.Increment();
    Log(LogLevel::kError, "policy not read again, the last good one stays", {{"status", policy.status()}});
    return policy.status();
  }
  policy_error = absl::OkStatus();
  metrics.policy_refused.Set(0);
  if (*policy == *callers->policy()) return absl::OkStatus();
  const size_t rules = policy->rule_count();
  callers->SetPolicy(std::make_shared<const Policy>(*std::move(policy)));
  metrics.policy_reloads.Increment();
  metrics.policy_last_reload_seconds.SetToCurrentTime();
  Log(LogLevel::kInfo, "policy read again", {{"rules", rules}});
  // Those whose rules have changed come back under the new ones, or not at all.
  door_keeper->LookAround();
  return absl::OkStatus();
}

void Gateway::Parts::Fail(const absl::Status& why) {
  {
    absl::MutexLock lock(&mutex);
    if (!failure.ok()) return;
    failure = why;
  }
  health.SetDead(why.message());
  Log(LogLevel::kError, "the gateway cannot go on", {{"status", why}});
  if (on_failure) on_failure();
}

void Gateway::Parts::AddCallbacks() {
  const auto gauge = [this](const std::string& name, const std::string& help, std::function<double()> read) {
    callbacks.push_back(registry.AddGaugeCallback(name, help, [read = std::move(read)] {
      return std::vector<Metrics::CallbackSample>{{{}, read()}};
    }));
  };
  const auto counter = [this](const std::string& name, const std::string& help, std::function<double()> read) {
    callbacks.push_back(registry.AddCounterCallback(name, help, [read = std::move(read)] {
      return std::vector<Metrics::CallbackSample>{{{}, read()}};
    }));
  };
  const auto stat = [this](auto CommitterStats::*member) {
    return [this, member] { return static_cast<double>(committer->stats().*member); };
  };
  gauge("applied_revision", "Revision of the newest log entry that is applied.",
        [this] { return static_cast<double>(committer->applied_revision()); });
  gauge("log_first_revision", "Oldest revision that is in the log.",
        [this] { return static_cast<double>(store->log()->First()); });
  gauge("log_last_revision", "Newest revision that is durable.",
        [this] { return static_cast<double>(store->log()->Last()); });
  gauge("checkpoint_revision", "Revision of the last checkpoint; a restart reads the log from there.",
        stat(&CommitterStats::checkpoint_revision));
  gauge("twins", "Twins that have a document.",
        [this] { return static_cast<double>(committer->Read([](const TwinState& now) { return now.twin_count(); })); });
  const auto of_quarantine = [this](auto Quarantine::*figure) {
    return [this, figure] {
      return static_cast<double>(
          committer->Read([figure](const TwinState& now) { return (now.quarantine().*figure)(); }));
    };
  };
  gauge("quarantined_documents", "Documents of bridges in quarantine.", of_quarantine(&Quarantine::count));
  gauge("quarantined_bytes", "Bytes of these.", of_quarantine(&Quarantine::bytes));
  gauge("pending_entries", "Entries that wait for the disk.", stat(&CommitterStats::pending_entries));
  gauge("pending_bytes", "Memory of the entries that wait for the disk.", stat(&CommitterStats::pending_bytes));
  counter("log_batches_total", "Appends to the log: an fsync each.", stat(&CommitterStats::batches));
  counter("log_entries_total", "Entries appended to the log.", stat(&CommitterStats::entries));
  counter("log_bytes_total", "Bytes appended to the log.", stat(&CommitterStats::bytes));
  counter("log_append_seconds_total", "Time spent in appends; divided by the batches, what an fsync takes.",
          [this] { return static_cast<double>(committer->stats().append_ns) / 1e9; });
  counter("log_entries_refused_total", "Entries that the disk did not take.", stat(&CommitterStats::entries_refused));
  counter("checkpoints_total", "Checkpoints of the state.", stat(&CommitterStats::checkpoints));
  counter("checkpoints_failed_total", "Checkpoints that could not be written.",
          stat(&CommitterStats::checkpoints_failed));
  const auto certificate = [this](auto read) {
    return [this, read = std::move(read)] { return static_cast<double>(read(certificates->stats())); };
  };
  gauge("certificate_expiry_seconds", "When the certificate that is used expires.",
        certificate([](const CertificateStats& s) { return UnixSeconds(s.not_after); }));
  gauge("certificate_last_reload_seconds", "When the certificates that are used were read.",
        certificate([](const CertificateStats& s) { return UnixSeconds(s.last_reload); }));
  gauge("certificate_refused", "1 while the files hold a set that was refused.",
        certificate([](const CertificateStats& s) { return s.refused ? 1.0 : 0.0; }));
  gauge("crl_next_update_seconds", "When the revocation list is out of date; +Inf: there is none, or it does not say.",
        certificate([](const CertificateStats& s) { return UnixSeconds(s.crl_next_update); }));
  counter("certificate_reloads_total", "Sets of certificates that took the place of another.",
          certificate([](const CertificateStats& s) { return s.reloads; }));
  counter("certificate_reload_failures_total", "Sets of certificates that were refused.",
          certificate([](const CertificateStats& s) { return s.failures; }));
}

void Gateway::Parts::WatchHealth() {
  timers->Schedule(kHealthInterval, [this] {
    const absl::Status status = committer->health();
    if (status.ok()) return WatchHealth();
    Fail(status);
  });
}

void Gateway::Parts::StopServer(absl::Duration timeout) {
  if (server == nullptr) return;
  server->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
  server->Wait();
}

Gateway::Gateway(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Start(const pb::GatewayConfig& config,
                                                        std::function<void()> on_failure) {
  std::unique_ptr<Gateway> gateway(new Gateway(std::make_unique<Parts>()));
  Parts& parts = *gateway->parts_;
  parts.config = config;
  parts.on_failure = std::move(on_failure);
  parts.health.SetNotReady("recovery", "reading the log");
  absl::StatusOr<std::unique_ptr<OpsServer>> ops =
      OpsServer::Start(config.ops().address(), &parts.health, &parts.registry);
  if (!ops.ok()) return ops.status();
  parts.ops = *std::move(ops);
  if (absl::Status status = parts.OpenStore(); !status.ok()) return status;
  if (absl::Status status = parts.OpenDoor(); !status.ok()) return status;
  if (absl::Status status = parts.MakeServices(); !status.ok()) return status;
  parts.AddCallbacks();
  if (absl::Status status = parts.Listen(); !status.ok()) return status;
  parts.WatchHealth();
  parts.server->GetHealthCheckService()->SetServingStatus(true);
  parts.server->GetHealthCheckService()->SetServingStatus(pb::TwinService::service_full_name(), true);
  parts.server->GetHealthCheckService()->SetServingStatus(pb::SyncService::service_full_name(), true);
  parts.server->GetHealthCheckService()->SetServingStatus(pb::QuarantineService::service_full_name(), true);
  parts.health.SetReady("recovery");
  Log(LogLevel::kInfo, "serving",
      {{"address", config.listen()}, {"port", parts.port}, {"ops_port", gateway->ops_port()}});
  return gateway;
}

void Gateway::Drain() {
  Parts& parts = *parts_;
  if (parts.drained) return;
  parts.drained = true;
  const absl::Duration timeout = ToAbslDuration(parts.config.drain_timeout());
  const absl::Time started = absl::Now();
  const auto left = [&](double share) {
    return std::max(absl::ZeroDuration(), started + timeout * share - absl::Now());
  };
  // A listener that is closed on purpose is no dead one.
  parts.listener_check.reset();
  Log(LogLevel::kInfo, "draining", {{"sessions", parts.sessions->count()}, {"watches", parts.watches->count()}});
  parts.health.SetNotReady("drain", "the gateway is about to stop");
  parts.server->GetHealthCheckService()->SetServingStatus(false);
  // Half of the time is for the peers to go by themselves; the rest for those who do not.
  const absl::Duration grace = timeout * 0.5;
  parts.watches->BeginDrain(grace);
  parts.sessions->BeginDrain(grace);
  parts.sessions->WaitUntilEmpty(left(0.5));
  parts.watches->WaitUntilEmpty(left(0.5));
  parts.sessions->EndDrain();
  parts.sessions->WaitUntilEmpty(left(0.75));
  parts.StopServer(left(0.9));
  // Their last words (SessionClosed) are on their way to the log.
  parts.sessions->WaitUntilEmpty(left(1.0));
  parts.committer->Stop();
  Log(LogLevel::kInfo, "stopped", {{"revision", parts.committer->applied_revision()}, {"took", absl::Now() - started}});
}

Gateway::~Gateway() {
  Parts& parts = *parts_;
  parts.listener_check.reset();
  parts.policy_watch.reset();
  parts.door_keeper.reset();
  parts.StopServer(absl::ZeroDuration());
  // Streams have ended with the server; what is left of them runs on the executors, and needs the committer.
  if (parts.sessions != nullptr) parts.sessions->WaitUntilEmpty(absl::Seconds(1));
  if (parts.committer != nullptr) parts.committer->Stop();
  parts.server.reset();
  parts.readers.reset();
  parts.events.reset();
  parts.timers.reset();
  parts.ops.reset();
  parts.callbacks.clear();
}

absl::Status Gateway::ReloadPolicy() { return parts_->ReloadPolicy(/*asked=*/true); }

absl::Status Gateway::ReloadSigningKey() { return parts_->LoadSigningKey(); }

absl::Status Gateway::health() const {
  absl::MutexLock lock(&parts_->mutex);
  return parts_->failure;
}

int Gateway::port() const { return parts_->port; }

int Gateway::ops_port() const { return parts_->ops == nullptr ? 0 : parts_->ops->port(); }

}  // namespace mvmd
