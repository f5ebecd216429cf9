#include "gateway/gateway_config.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "certs/policy.h"
#include "certs/signing_key.h"
#include "certs/tls_files.h"
#include "gateway/validation_policy.h"
#include "runtime/log.h"
#include "runtime/ops_server.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

constexpr uint64_t kKiB = 1 << 10;
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = 1 << 30;

class Checker {
 public:
  explicit Checker(ConfigErrors* errors) : errors_(errors) {}

  void Required(absl::string_view path, const std::string& value, absl::string_view what) {
    if (value.empty() && !errors_->Has(path)) errors_->Add(path, absl::StrCat("missing; expected ", what));
  }

  void Address(absl::string_view path, const std::string& value) {
    std::string host;
    int port = 0;
    if (errors_->Has(path) || (ParseHostPort(value, &host, &port) && !host.empty())) return;
    errors_->Add(path, absl::StrCat("expected host:port, got \"", value, "\""));
  }

  // A default for what was left out; 0 cannot be told from it, and means the same.
  template <typename Number>
  Number NumberOr(absl::string_view path, Number value, Number when_not_set, Number min, Number max) {
    if (value == 0) value = when_not_set;
    if ((value < min || value > max) && !errors_->Has(path)) {
      errors_->Add(path, absl::StrCat("expected ", min, " to ", max, ", got ", value));
    }
    return value;
  }

  void Duration(absl::string_view path, bool is_set, google::protobuf::Duration* value, absl::Duration when_not_set,
                absl::Duration min, absl::Duration max) {
    if (!is_set) {
      *value = ToProtoDuration(when_not_set);
      return;
    }
    const absl::Duration duration = ToAbslDuration(*value);
    if ((duration < min || duration > max) && !errors_->Has(path)) {
      errors_->Add(path, absl::StrCat("expected ", absl::FormatDuration(min), " to ", absl::FormatDuration(max),
                                      ", got ", absl::FormatDuration(duration)));
    }
  }

 private:
  ConfigErrors* const errors_;
};

void CompleteStore(pb::StoreConfig* store, Checker* check) {
  check->Required("store.path", store->path(), "the directory of the RocksDB database");
  const bool has_checkpoint = store->has_checkpoint_interval();
  check->Duration("store.checkpoint_interval", has_checkpoint, store->mutable_checkpoint_interval(), absl::Seconds(10),
                  absl::Milliseconds(100), absl::Hours(1));
  const bool has_retention = store->has_log_retention();
  check->Duration("store.log_retention", has_retention, store->mutable_log_retention(), absl::Hours(7 * 24),
                  absl::Minutes(1), absl::Hours(24 * 3650));
}

void CompleteSync(pb::SyncConfig* sync, ConfigErrors* errors, Checker* check) {
  sync->set_max_frame_bytes(
      check->NumberOr<uint64_t>("sync.max_frame_bytes", sync->max_frame_bytes(), kMiB, 4 * kKiB, 8 * kMiB));
  sync->set_max_document_bytes(
      check->NumberOr<uint64_t>("sync.max_document_bytes", sync->max_document_bytes(), 8 * kMiB, 4 * kKiB, 64 * kMiB));
  sync->set_credit_bytes(
      check->NumberOr<uint64_t>("sync.credit_bytes", sync->credit_bytes(), 4 * kMiB, 4 * kKiB, kGiB));
  sync->set_max_pending_bytes(
      check->NumberOr<uint64_t>("sync.max_pending_bytes", sync->max_pending_bytes(), 64 * kMiB, kMiB, 64 * kGiB));
  sync->set_max_sessions(check->NumberOr<uint32_t>("sync.max_sessions", sync->max_sessions(), 1000, 1, 100000));
  const bool has_linger = sync->has_commit_linger();
  check->Duration("sync.commit_linger", has_linger, sync->mutable_commit_linger(), absl::Seconds(1),
                  absl::ZeroDuration(), absl::Seconds(5));
  if (sync->credit_bytes() < sync->max_frame_bytes() && !errors->Has("sync.credit_bytes")) {
    errors->Add("sync.credit_bytes",
                absl::StrCat("expected at least sync.max_frame_bytes (", sync->max_frame_bytes(),
                             "), or a large frame could never be sent; got ", sync->credit_bytes()));
  }
}

}  // namespace

void CompleteGatewayConfig(const std::string& config_path, pb::GatewayConfig* config, ConfigErrors* errors) {
  Checker check(errors);
  if (config->listen().empty()) config->set_listen("127.0.0.1:7443");
  check.Address("listen", config->listen());

  check.Required("tls.ca_file", config->tls().ca_file(), "a PEM file with the roots of bridges and clients");
  check.Required("tls.certificate_file", config->tls().certificate_file(),
                 "a PEM file, the gateway's certificate first");
  check.Required("tls.key_file", config->tls().key_file(), "a PEM file with the certificate's key");
  *config->mutable_tls() = ResolveTlsFiles(config_path, config->tls());
  check.Required("policy_file", config->policy_file(), "a YAML file that says who may do what");
  config->set_policy_file(ResolvePath(config_path, config->policy_file()));
  if (config->has_signing()) {
    check.Required("signing.key_file", config->signing().key_file(), "a PEM file with an Ed25519 key");
    config->mutable_signing()->set_key_file(ResolvePath(config_path, config->signing().key_file()));
  }

  CompleteStore(config->mutable_store(), &check);
  config->mutable_store()->set_path(ResolvePath(config_path, config->store().path()));
  CompleteSync(config->mutable_sync(), errors, &check);
  pb::WatchConfig* watch = config->mutable_watch();
  watch->set_max_watches(check.NumberOr<uint32_t>("watch.max_watches", watch->max_watches(), 1000, 1, 100000));
  watch->set_recent_bytes(
      check.NumberOr<uint64_t>("watch.recent_bytes", watch->recent_bytes(), 64 * kMiB, kMiB, 64 * kGiB));

  pb::LinkedDataConfig* linked_data = config->mutable_linked_data();
  linked_data->set_max_document_bytes(check.NumberOr<uint64_t>(
      "linked_data.max_document_bytes", linked_data->max_document_bytes(), 128 * kKiB, 4 * kKiB, 8 * kMiB));
  CompleteValidationConfig(config->mutable_validation(), errors);

  if (config->ops().address().empty()) config->mutable_ops()->set_address("127.0.0.1:9464");
  CheckOpsConfig(config->ops(), errors);
  CheckLogConfig(config->log(), errors);
  const bool has_age = config->has_max_connection_age();
  check.Duration("max_connection_age", has_age, config->mutable_max_connection_age(), absl::Hours(24),
                 absl::ZeroDuration(), absl::Hours(24 * 365));
  pb::ListenerCheckConfig* listener = config->mutable_listener_check();
  const bool has_interval = listener->has_interval();
  check.Duration("listener_check.interval", has_interval, listener->mutable_interval(), absl::Seconds(10),
                 absl::ZeroDuration(), absl::Hours(1));
  listener->set_attempts(check.NumberOr<uint32_t>("listener_check.attempts", listener->attempts(), 3, 1, 1000));
  const bool has_drain = config->has_drain_timeout();
  check.Duration("drain_timeout", has_drain, config->mutable_drain_timeout(), absl::Seconds(10),
                 absl::Milliseconds(100), absl::Minutes(10));
}

void CheckGatewayFiles(const pb::GatewayConfig& config, ConfigErrors* errors) {
  if (config.listen().empty()) return;  // never completed: there was nothing to read
  if (!errors->Has("tls")) {
    const absl::StatusOr<TlsMaterial> material = LoadTlsFiles(config.tls(), absl::Now());
    if (!material.ok()) errors->Add("tls", material.status().message());
  }
  if (!errors->Has("policy_file")) {
    const absl::StatusOr<Policy> policy = Policy::Load(config.policy_file());
    if (!policy.ok()) errors->Add("policy_file", policy.status().message());
  }
  if (config.has_signing() && !errors->Has("signing.key_file")) {
    const auto key = SigningKey::Load(config.signing().key_file());
    if (!key.ok()) errors->Add("signing.key_file", key.status().message());
  }
}

void ReadGatewayConfig(const std::string& path, pb::GatewayConfig* config, ConfigErrors* errors) {
  LoadYamlConfig(path, config, errors);
  // A file that could not be read says nothing about its keys.
  if (!errors->ok() && config->ByteSizeLong() == 0) return;
  CompleteGatewayConfig(path, config, errors);
}

}  // namespace mvmd
