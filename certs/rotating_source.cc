#include "certs/rotating_source.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "certs/peer_trust.h"
#include "runtime/log.h"

namespace mvmd {
namespace {

bool IsSame(const TlsMaterial& a, const TlsMaterial& b) {
  return a.ca_pem == b.ca_pem && a.certificate_pem == b.certificate_pem && a.key_pem == b.key_pem &&
         a.crl_pem == b.crl_pem;
}

// Changes when what a path leads to is another file, or was written, or has other rights.
std::string FingerprintOf(const std::string& path) {
  struct stat info {};
  if (path.empty() || stat(path.c_str(), &info) != 0) return "none;";
  return absl::StrCat(info.st_dev, " ", info.st_ino, " ", info.st_size, " ", info.st_mode, " ", info.st_gid, " ",
                      absl::ToUnixNanos(absl::TimeFromTimespec(info.st_mtim)), " ",
                      absl::ToUnixNanos(absl::TimeFromTimespec(info.st_ctim)), ";");
}

}  // namespace

RotatingCertificateSource::RotatingCertificateSource(const mvmd::twin::v1alpha1::TlsFiles& files,
                                                     const RotatingOptions& options)
    : files_(files), options_(options) {}

absl::StatusOr<std::shared_ptr<RotatingCertificateSource>> RotatingCertificateSource::Start(
    const mvmd::twin::v1alpha1::TlsFiles& files, const RotatingOptions& options) {
  const std::shared_ptr<RotatingCertificateSource> source(new RotatingCertificateSource(files, options));
  {
    absl::MutexLock lock(&source->reload_mutex_);
    absl::StatusOr<TlsMaterial> material = LoadTlsFiles(files, absl::FromUnixNanos(options.clock->UnixNanos()));
    if (!material.ok()) return material.status();
    if (absl::Status status = source->Take(*std::move(material)); !status.ok()) return status;
  }
  absl::StatusOr<std::unique_ptr<FileWatch>> watch =
      FileWatch::Start({files.ca_file(), files.certificate_file(), files.key_file(), files.crl_file()}, options.watch,
                       [raw = source.get()] { raw->Reload().IgnoreError(); });
  if (!watch.ok()) return watch.status();
  source->watch_ = *std::move(watch);
  return source;
}

std::shared_ptr<grpc::experimental::CertificateProviderInterface> RotatingCertificateSource::provider() const {
  return staged_->provider();
}

std::shared_ptr<const PeerTrust> RotatingCertificateSource::trust() const {
  absl::MutexLock lock(&mutex_);
  return trust_;
}

absl::Time RotatingCertificateSource::not_after() const { return stats().not_after; }

CertificateStats RotatingCertificateSource::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

absl::Status RotatingCertificateSource::Take(TlsMaterial material) {
  absl::StatusOr<std::shared_ptr<const PeerTrust>> trust =
      PeerTrust::Make(material.ca_pem, material.crl_pem, material.crl_max_age);
  if (!trust.ok()) return trust.status();
  if (staged_ == nullptr) {
    absl::StatusOr<std::unique_ptr<StagedCertificates>> staged = StagedCertificates::Make(material);
    if (!staged.ok()) return staged.status();
    staged_ = *std::move(staged);
  } else if (absl::Status status = staged_->Set(material); !status.ok()) {
    return status;
  }
  for (const std::string& warning : material.warnings) Log(LogLevel::kWarning, "certificate", {{"warning", warning}});
  absl::MutexLock lock(&mutex_);
  trust_ = *std::move(trust);
  stats_.refused = false;
  stats_.last_reload = absl::FromUnixNanos(options_.clock->UnixNanos());
  stats_.not_after = material.not_after;
  stats_.crl_next_update = material.crl_next_update;
  current_ = std::move(material);
  return absl::OkStatus();
}

absl::Status RotatingCertificateSource::Reload() {
  absl::MutexLock lock(&reload_mutex_);
  absl::StatusOr<TlsMaterial> material = LoadTlsFiles(files_, absl::FromUnixNanos(options_.clock->UnixNanos()));
  absl::Status status = material.status();
  const bool is_same = material.ok() && IsSame(*material, current_);
  if (material.ok() && !is_same) status = Take(*std::move(material));
  if (status.ok()) {
    refused_files_.clear();
    absl::MutexLock stats_lock(&mutex_);
    stats_.refused = false;
    if (is_same) return absl::OkStatus();
    ++stats_.reloads;
    Log(LogLevel::kInfo, "certificates read again",
        {{"file", files_.certificate_file()}, {"not_after", absl::FormatTime(stats_.not_after, absl::UTCTimeZone())}});
    return absl::OkStatus();
  }
  // The same files are refused once, however often they are looked at.
  std::string files;
  for (const std::string* path :
       {&files_.ca_file(), &files_.certificate_file(), &files_.key_file(), &files_.crl_file()}) {
    files += FingerprintOf(*path);
  }
  {
    absl::MutexLock stats_lock(&mutex_);
    stats_.refused = true;
    if (files == refused_files_) return status;
    ++stats_.failures;
  }
  refused_files_ = std::move(files);
  Log(LogLevel::kError, "certificates not read again, the last good ones stay", {{"status", status}});
  return status;
}

}  // namespace mvmd
