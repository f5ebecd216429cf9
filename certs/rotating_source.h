// Certificates that are renewed while the process runs.
#ifndef MVMD_CERTS_ROTATING_SOURCE_H_
#define MVMD_CERTS_ROTATING_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "certs/credentials.h"
#include "certs/staged_certificates.h"
#include "certs/tls_files.h"
#include "mvmd/twin/v1alpha1/config.pb.h"
#include "runtime/clock.h"
#include "runtime/file_watch.h"

namespace mvmd {

// What has come of reading the files again.
struct CertificateStats {
  uint64_t reloads = 0;                           // another set was taken
  uint64_t failures = 0;                          // a set was refused
  bool refused = false;                           // what the files hold now
  absl::Time last_reload = absl::InfinitePast();  // of the set that is used
  absl::Time not_after = absl::InfiniteFuture();
  absl::Time crl_next_update = absl::InfiniteFuture();
};

struct RotatingOptions {
  FileWatchOptions watch;
  // Outlives the source.
  const Clock* clock = &SystemClock::Get();
};

// Watches the files of one identity, and exchanges the whole set (key, certificate, chain, roots, revocation list) when
// all of it is good. What is not is logged once, with the reason, and the last good set stays. Open connections are not
// touched; handshakes use the new set a second later at the latest. Thread-safe.
//
//   auto source = RotatingCertificateSource::Start(config.tls(), {});
//   auto credentials = MakeServerCredentials(*source);
class RotatingCertificateSource final : public CertificateSource {
 public:
  // Reads the files; errors as of LoadTlsFiles. Blocking. Warnings go to the log.
  static absl::StatusOr<std::shared_ptr<RotatingCertificateSource>> Start(const mvmd::twin::v1alpha1::TlsFiles& files,
                                                                          const RotatingOptions& options);

  std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider() const override;
  std::shared_ptr<const PeerTrust> trust() const override;
  absl::Time not_after() const override;

  // Reads the files now. OK also when nothing has changed. Blocking.
  absl::Status Reload();

  CertificateStats stats() const;

 private:
  RotatingCertificateSource(const mvmd::twin::v1alpha1::TlsFiles& files, const RotatingOptions& options);

  absl::Status Take(TlsMaterial material) ABSL_EXCLUSIVE_LOCKS_REQUIRED(reload_mutex_);

  const mvmd::twin::v1alpha1::TlsFiles files_;
  const RotatingOptions options_;

  absl::Mutex reload_mutex_;  // one reload at a time
  TlsMaterial current_ ABSL_GUARDED_BY(reload_mutex_);
  std::string refused_files_ ABSL_GUARDED_BY(reload_mutex_);  // what was refused last; empty: nothing
  std::unique_ptr<StagedCertificates> staged_;                // what it is does not change, only what is in it

  mutable absl::Mutex mutex_;
  std::shared_ptr<const PeerTrust> trust_ ABSL_GUARDED_BY(mutex_);
  CertificateStats stats_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<FileWatch> watch_;  // last: its thread uses all the others
};

}  // namespace mvmd

#endif  // MVMD_CERTS_ROTATING_SOURCE_H_
