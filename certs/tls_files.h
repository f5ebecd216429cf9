// The files of one TLS identity: read, and checked before anything else sees them.
#ifndef MVMD_CERTS_TLS_FILES_H_
#define MVMD_CERTS_TLS_FILES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "mvmd/twin/v1alpha1/config.pb.h"

namespace mvmd {

// PEM texts, whole and consistent with each other.
struct TlsMaterial {
  std::string ca_pem;
  std::string certificate_pem;  // leaf first; empty when there is no certificate
  std::string key_pem;
  std::string crl_pem;  // empty: no file was named
  // How long a list is used after it was made; nullopt: until its own next update.
  std::optional<absl::Duration> crl_max_age;
  absl::Time not_after = absl::InfiniteFuture();        // of the leaf
  absl::Time crl_next_update = absl::InfiniteFuture();  // when the first of the lists is out of date
  // For the log: what is odd but does not keep the identity from working, such as a leaf that does not lead to
  // `ca_pem`, one that expires within three days, or a CRL that is out of date.
  std::vector<std::string> warnings;
};

enum class TlsIdentity { kRequired, kOptional };

// Reads and checks: each file is there, at most 1 MiB and PEM of its kind; the key is readable by its owner only (and
// by `key_group`) and belongs to the certificate; each certificate is valid at `now` and issued by the next one in its
// file; the CRL is signed by one of the roots. With kOptional, certificate and key may both be missing (TLS without a
// client certificate). INVALID_ARGUMENT (NOT_FOUND, PERMISSION_DENIED for a file that cannot be read) names the file,
// what was expected, what came and what to do. Blocking.
absl::StatusOr<TlsMaterial> LoadTlsFiles(const mvmd::twin::v1alpha1::TlsFiles& files, absl::Time now,
                                         TlsIdentity identity = TlsIdentity::kRequired);

// The same with all paths as seen from the folder of `config_path`, see ResolvePath.
mvmd::twin::v1alpha1::TlsFiles ResolveTlsFiles(absl::string_view config_path,
                                               const mvmd::twin::v1alpha1::TlsFiles& files);

}  // namespace mvmd

#endif  // MVMD_CERTS_TLS_FILES_H_
