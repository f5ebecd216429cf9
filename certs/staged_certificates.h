// Certificates that gRPC reads again while it runs.
#ifndef MVMD_CERTS_STAGED_CERTIFICATES_H_
#define MVMD_CERTS_STAGED_CERTIFICATES_H_

#include <ctime>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "certs/tls_files.h"
#include "grpcpp/security/tls_certificate_provider.h"

namespace mvmd {

// gRPC 1.51 has no provider whose content can be set; the one that reads files again every second aborts on a file that
// was cut to nothing, and takes a key and a certificate that do not belong together. So it is given files that only
// this class writes: anonymous ones in memory, by their names under /proc/self/fd. A new content is a new file that
// takes the place of the old one by dup3, in one step. Key and certificate are one file: gRPC reads it twice, and reads
// again when its time has changed in between, which here is another one for each content. The key never gets to a disk.
//
// Not thread-safe, but for gRPC's reading.
class StagedCertificates {
 public:
  // `material` was checked by LoadTlsFiles and has a certificate. UNAVAILABLE: no memory, no file descriptors, no
  // /proc.
  static absl::StatusOr<std::unique_ptr<StagedCertificates>> Make(const TlsMaterial& material);
  // The provider must be gone from all credentials.
  ~StagedCertificates();
  StagedCertificates(const StagedCertificates&) = delete;
  StagedCertificates& operator=(const StagedCertificates&) = delete;

  // What handshakes that begin more than a second later use. On an error the old content stays.
  absl::Status Set(const TlsMaterial& material);

  std::shared_ptr<grpc::experimental::CertificateProviderInterface> provider() const { return provider_; }

 private:
  StagedCertificates() = default;

  int roots_fd_ = -1;
  int identity_fd_ = -1;
  std::time_t time_ = 0;  // of the newest file
  std::shared_ptr<grpc::experimental::FileWatcherCertificateProvider> provider_;
};

}  // namespace mvmd

#endif  // MVMD_CERTS_STAGED_CERTIFICATES_H_
