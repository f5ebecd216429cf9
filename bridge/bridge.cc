#include "bridge/bridge.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bridge/version.h"
#include "certs/credentials.h"
#include "runtime/log.h"
#include "twin/gap.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// A group waits for company at most so long, and never when latency was asked for (linger 0).
constexpr absl::Duration kGroupWindowMax = absl::Milliseconds(20);
constexpr int kUnimplemented = 12;  // grpc::StatusCode

OutboxOptions OutboxOptionsOf(const pb::OutboxConfig& config) {
  OutboxOptions options;
  options.path = config.path();
  options.max_bytes = config.max_bytes();
  options.drop_oldest = config.when_full() == "drop_oldest";
  if (const absl::Duration max_age = ToAbslDuration(config.max_age()); max_age > absl::ZeroDuration()) {
    options.max_age = max_age;
  }
  options.reserve_bytes = config.reserve_bytes();
  return options;
}

double UnixSeconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

Metrics::ReadSamples One(std::function<double()> read) {
  return [read = std::move(read)]() -> std::vector<Metrics::CallbackSample> { return {{{}, read()}}; };
}

}  // namespace

Bridge::Bridge(std::unique_ptr<BridgeSetup> setup, std::function<void()> on_fatal)
    : setup_(std::move(setup)),
      on_fatal_(std::move(on_fatal)),
      metrics_("mvmd_bridge_"),
      issues_(&SystemClock::Get()) {}

absl::StatusOr<std::unique_ptr<Bridge>> Bridge::Start(std::unique_ptr<BridgeSetup> setup,
                                                      std::function<void()> on_fatal) {
  std::unique_ptr<Bridge> bridge(new Bridge(std::move(setup), std::move(on_fatal)));
  if (absl::Status status = bridge->Init(); !status.ok()) return status;
  return bridge;
}

Bridge::~Bridge() { Stop(absl::ZeroDuration()).IgnoreError(); }

absl::Status Bridge::Init() {
  const pb::BridgeConfig& config = setup_->config;
  if (absl::Status status = EnsureTls13Only(); !status.ok()) return status;
  absl::StatusOr<std::shared_ptr<RotatingCertificateSource>> certificates =
      RotatingCertificateSource::Start(config.uplink().tls(), {});
  if (!certificates.ok()) return certificates.status();
  certificates_ = *std::move(certificates);

  absl::StatusOr<std::unique_ptr<Outbox>> outbox = Outbox::Open(OutboxOptionsOf(config.outbox()));
  if (!outbox.ok()) return outbox.status();
  outbox_ = *std::move(outbox);
  if (!outbox_->damaged_path().empty()) {
    Log(LogLevel::kError, "the outbox was damaged and has been set aside; a new one was made",
        {{"kept_as", outbox_->damaged_path()}});
  }
  Log(LogLevel::kInfo, "outbox opened",
      {{"path", config.outbox().path()}, {"epoch", outbox_->epoch()}, {"rows", outbox_->kept_rows()}});

  UplinkOptions core;
  core.epoch = outbox_->epoch();
  core.outbox_id = outbox_->outbox_id();
  core.software_version = absl::StrCat("mvmd-bridge ", kVersion);
  core.last_seq_at_start = outbox_->last_seq();
  core.nonce = outbox_->nonce();
  core.nonce_seq = outbox_->nonce_seq();
  core.linger = ToAbslDuration(config.uplink().linger());
  core.max_message_bytes = config.uplink().max_message_bytes();
  core.stall_timeout = ToAbslDuration(config.uplink().stall_timeout());
  core.backoff_min = ToAbslDuration(config.uplink().backoff_min());
  core.backoff_max = ToAbslDuration(config.uplink().backoff_max());
  core.connect_timeout = ToAbslDuration(config.uplink().connect_timeout());
  core.compression_level = config.uplink().compression_level();
  core.backfill_bytes_per_second = config.uplink().backfill_bytes_per_second();
  core.seed = std::random_device()();
  uplink_ = std::make_unique<UplinkStream>(
      UplinkStreamOptions{.target = config.uplink().target(),
                          .credentials = MakeChannelCredentials(certificates_, config.uplink().server_name()),
                          .report_interval = ToAbslDuration(config.uplink().report_interval())},
      std::move(core), outbox_.get(), static_cast<UplinkHost*>(this));

  absl::StatusOr<std::unique_ptr<SensorRouter>> router = SensorRouter::Make(config.routes(), &setup_->catalog);
  if (!router.ok()) return router.status();
  intake_ = std::make_unique<Intake>(
      IntakeOptions{.max_payload_bytes = config.mqtt().max_payload_bytes()}, *std::move(router), &setup_->catalog,
      outbox_.get(), &issues_, [this](uint64_t last_seq, size_t bytes) { uplink_->OnRowsAvailable(last_seq, bytes); },
      [this](uint64_t epoch, std::string outbox_id, uint64_t last_seq) {
        uplink_->OnNewEpoch(epoch, std::move(outbox_id), last_seq);
      },
      [this](uint64_t epoch, std::string nonce) { uplink_->OnNonceKept(epoch, std::move(nonce)); });

  absl::StatusOr<std::unique_ptr<MqttSource>> source =
      MqttSource::Make({.config = config.mqtt(),
                        .password = setup_->mqtt_password,
                        .group_window = std::min(ToAbslDuration(config.uplink().linger()) / 2, kGroupWindowMax),
                        .on_session = [this](MqttSession session) { OnMqttSession(session); }},
                       intake_.get());
  if (!source.ok()) return source.status();
  source_ = *std::move(source);

  OnMqttSession(MqttSession::kDown);
  AddMetrics();
  absl::StatusOr<std::unique_ptr<OpsServer>> ops = OpsServer::Start(config.ops().address(), &health_, &metrics_);
  if (!ops.ok()) return ops.status();
  ops_ = *std::move(ops);

  if (absl::Status status = intake_->Start(); !status.ok()) return status;
  uplink_->Start();
  intake_thread_ = std::thread([this] { RunIntake(); });
  return absl::OkStatus();
}

// An uplink that is down is no reason: taking in and keeping is what the bridge is there for then.
void Bridge::OnMqttSession(MqttSession session) {
  switch (session) {
    case MqttSession::kDown:
      return health_.SetNotReady("mqtt", "not connected to the broker");
    case MqttSession::kSubscribing:
      return health_.SetNotReady("mqtt", "the broker has not granted all subscriptions yet");
    case MqttSession::kRefused:
      return health_.SetNotReady("mqtt", "the broker refuses a subscription; the log names it");
    case MqttSession::kReady:
      return health_.SetReady("mqtt");
  }
}

void Bridge::RunIntake() {
  absl::Status status = source_->Run();
  if (status.ok()) return;
  Log(LogLevel::kError, "the bridge stops: what it receives can no longer be made durable", {{"error", status}});
  health_.SetDead(status.ToString());
  {
    absl::MutexLock lock(&mutex_);
    fatal_ = status;
  }
  on_fatal_();
}

absl::Status Bridge::Stop(absl::Duration flush) {
  health_.SetNotReady("shutdown", "shutting down");
  if (intake_thread_.joinable()) {
    source_->Stop();
    intake_thread_.join();
    const bool flushed = uplink_->Stop(flush);
    Log(LogLevel::kInfo, "bridge stopped",
        {{"rows_left", outbox_->kept_rows()}, {"all_committed", flushed}, {"last_seq", outbox_->last_seq()}});
  }
  absl::MutexLock lock(&mutex_);
  return fatal_;
}

void Bridge::ForgetRows(const IntervalSet& seqs) { outbox_->Forget(seqs); }

void Bridge::SendDocument(const std::string& twin) {
  intake_->SendDocument(twin);
  source_->Wake();
}

void Bridge::StartNewEpoch(IntervalSet applied, IntervalSet lost) {
  intake_->StartNewEpoch(std::move(applied), std::move(lost));
  source_->Wake();
}

void Bridge::KeepNonce(uint64_t epoch, std::string nonce) {
  intake_->KeepNonce(epoch, std::move(nonce));
  source_->Wake();
}

void Bridge::OnCommand(const pb::Command& command) {
  pb::CommandResult result;
  result.set_command_id(command.command_id());
  result.set_code(kUnimplemented);
  result.set_message("this bridge carries out no commands");
  intake_->SendCommandResult(std::move(result));
  source_->Wake();
}

void Bridge::OnRowRejected(uint64_t seq, const std::string& message) {
  issues_.Add(kIssueRowRejected, absl::StrCat("row ", seq, ": ", message), {});
  LogEvery(absl::Seconds(5), "rejected", LogLevel::kWarning, "a row was refused for good",
           {{"seq", seq}, {"why", message}});
}

void Bridge::OnRowDamaged(uint64_t seq) {
  issues_.Add(kIssueRowDamaged, absl::StrCat("row ", seq, " of the outbox fails its checksum; a gap was recorded"), {});
  Log(LogLevel::kError, "a row of the outbox is damaged; a gap is recorded in its place", {{"seq", seq}});
  intake_->Quarantine(seq);
  source_->Wake();
}

pb::BridgeReport Bridge::MakeReport() {
  pb::BridgeReport report;
  report.set_outbox_rows(outbox_->kept_rows());
  // The newest row stays after its commit.
  report.set_outbox_bytes(report.outbox_rows() == 0 ? 0 : outbox_->kept_bytes());
  report.set_messages_received(intake_->stats().messages);
  report.set_samples_accepted(intake_->stats().samples);
  report.set_mqtt_connected(source_->stats().connected);
  issues_.Report(&report);
  return report;
}

void Bridge::AddMetrics() {
  auto counter = [this](const std::string& name, const std::string& help, std::function<double()> read) {
    callbacks_.push_back(metrics_.AddCounterCallback(name, help, One(std::move(read))));
  };
  auto gauge = [this](const std::string& name, const std::string& help, std::function<double()> read) {
    callbacks_.push_back(metrics_.AddGaugeCallback(name, help, One(std::move(read))));
  };
  auto number = [](const auto& atomic) { return [&atomic] { return static_cast<double>(atomic.load()); }; };
  auto seconds = [](const auto& atomic) { return [&atomic] { return static_cast<double>(atomic.load()) / 1e9; }; };

  const IntakeStats& intake = intake_->stats();
  counter("messages_total", "MQTT messages received.", number(intake.messages));
  counter("messages_qos0_total", "Of these with QoS 0, outside of every promise.", number(intake.messages_qos0));
  counter("redeliveries_total", "MQTT messages that came again and were recognised.", number(intake.redeliveries));
  counter("retained_ignored_total", "Retained messages that were no new sample.", number(intake.retained_ignored));
  counter("samples_total", "Samples taken into the outbox.", number(intake.samples));
  counter("commits_total", "Transactions of the outbox, one a group of messages.", number(intake.commits));
  counter("commit_seconds_total", "Time spent in these, fsync included.", seconds(intake.commit_ns_sum));
  callbacks_.push_back(metrics_.AddCounterCallback(
      "issues_total", "What was refused, by reason.", [this]() -> std::vector<Metrics::CallbackSample> {
        std::vector<Metrics::CallbackSample> samples;
        for (const auto& [reason, count] : issues_.CountsByReason()) {
          samples.push_back({{{"reason", reason}}, static_cast<double>(count)});
        }
        return samples;
      }));

  const MqttSourceStats& mqtt = source_->stats();
  gauge("mqtt_connected", "1 while the broker's session is up.", number(mqtt.connected));
  counter("mqtt_connects_total", "Connections to the broker.", number(mqtt.connects));
  counter("mqtt_pauses_total", "How often reading stopped because the outbox was full.", number(mqtt.pauses));
  counter("puback_groups_total", "Groups of messages acknowledged.", number(mqtt.groups));
  counter("puback_latency_seconds_total", "From the first message of a group to its PUBACKs, summed.",
          seconds(mqtt.puback_latency_ns_sum));
  gauge("puback_latency_seconds_max", "The longest of these.", seconds(mqtt.puback_latency_ns_max));

  gauge("outbox_rows", "Rows that the gateway has not committed.",
        [this] { return static_cast<double>(outbox_->kept_rows()); });
  gauge("outbox_bytes", "Bytes of rows in the outbox.", [this] { return static_cast<double>(outbox_->kept_bytes()); });
  gauge("outbox_bytes_max", "Bytes at which reading stops.",
        [this] { return static_cast<double>(setup_->config.outbox().max_bytes()); });
  counter("samples_dropped_total", "Samples that gave way because the outbox was full, or they were too old.",
          [this] { return static_cast<double>(outbox_->samples_dropped()); });
  callbacks_.push_back(metrics_.AddCounterCallback(
      "gaps_total", "Gaps recorded, by reason.", [this]() -> std::vector<Metrics::CallbackSample> {
        std::vector<Metrics::CallbackSample> samples;
        for (int i = 0; i < pb::Gap::Reason_ARRAYSIZE; ++i) {
          const auto reason = static_cast<pb::Gap::Reason>(i);
          const uint64_t count = outbox_->gap_counts().count(reason);
          if (count > 0) samples.push_back({{{"reason", std::string(GapReason(reason))}}, static_cast<double>(count)});
        }
        return samples;
      }));
  counter("outbox_disk_reads_total", "Reads of the uplink that memory could not serve.",
          [this] { return static_cast<double>(outbox_->reads_from_disk()); });

  gauge("uplink_streaming", "1 while a session with the gateway is open.",
        [this] { return uplink_->state() == Uplink::State::kStreaming ? 1.0 : 0.0; });
  gauge("uplink_rows_in_flight", "Rows sent and not committed.",
        [this] { return static_cast<double>(uplink_->rows_in_flight()); });
  auto uplink = [this](uint64_t UplinkStats::*member) {
    return [this, member] { return static_cast<double>(uplink_->stats().*member); };
  };
  counter("uplink_messages_total", "Frame groups sent.", uplink(&UplinkStats::messages_sent));
  counter("uplink_bytes_total", "Bytes of these, compressed.", uplink(&UplinkStats::bytes_sent));
  counter("uplink_rows_sent_total", "Rows sent, repeats included.", uplink(&UplinkStats::rows_sent));
  counter("uplink_rows_committed_total", "Rows that the gateway committed.", uplink(&UplinkStats::rows_committed));
  counter("uplink_rows_rejected_total", "Rows that the gateway refused for good.", uplink(&UplinkStats::rows_rejected));
  counter("uplink_connects_total", "Streams begun.", uplink(&UplinkStats::connects));
  counter("uplink_stalls_total", "Streams given up for lack of commits.", uplink(&UplinkStats::stalls));
  counter("uplink_protocol_errors_total", "Streams given up because the gateway broke the protocol.",
          uplink(&UplinkStats::protocol_errors));
  counter("uplink_new_epochs_total", "Epochs begun because outbox and gateway did not fit.",
          uplink(&UplinkStats::new_epochs));
  auto certificate = [this](auto read) {
    return [this, read = std::move(read)] { return static_cast<double>(read(certificates_->stats())); };
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
  gauge("uplink_round_trip_seconds", "Of the last clock probe.",
        [this] { return static_cast<double>(uplink_->stats().round_trip_ns) / 1e9; });
  gauge("clock_offset_seconds", "The gateway's clock against this one, from the last clock probe.",
        [this] { return static_cast<double>(uplink_->stats().clock_offset_ns) / 1e9; });
}

}  // namespace mvmd
