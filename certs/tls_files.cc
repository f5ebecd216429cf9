#include "certs/tls_files.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "certs/peer_trust.h"
#include "certs/pem_file.h"
#include "certs/x509.h"
#include "runtime/config.h"

namespace mvmd {
namespace {

constexpr absl::Duration kExpiryWarning = absl::Hours(72);

std::string Utc(absl::Time time) { return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone()); }

absl::Status At(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

absl::Status Missing(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": expected the file of ", what, ", got nothing"));
}

absl::Status CheckDates(const std::string& path, const X509* certificate, absl::Time now) {
  const absl::Time begin = NotBeforeOf(certificate);
  const absl::Time end = NotAfterOf(certificate);
  if (now >= begin && now <= end) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ": expected a certificate that is valid at ", Utc(now),
                                                 ", got one from ", Utc(begin), " to ", Utc(end),
                                                 now < begin ? "; check the clock" : "; renew it"));
}

// A chain goes out as it stands in the file: each link issued by the next, and all in date.
absl::Status CheckChain(const std::string& path, const std::vector<CertificatePtr>& chain, absl::Time now) {
  for (size_t i = 0; i < chain.size(); ++i) {
    if (absl::Status dates = CheckDates(path, chain[i].get(), now); !dates.ok()) return dates;
    if (i + 1 == chain.size()) break;
    X509* const issuer = chain[i + 1].get();
    const bool issued = X509_check_issued(issuer, chain[i].get()) == X509_V_OK &&
                        X509_verify(chain[i].get(), X509_get0_pubkey(issuer)) == 1;
    TakeOpenSslError();
    if (issued) continue;
    return absl::InvalidArgumentError(absl::StrCat(path,
                                                   ": expected each certificate to be issued by the next one, got ",
                                                   SubjectOf(chain[i].get()), " before ", SubjectOf(issuer)));
  }
  return absl::OkStatus();
}

// Certificate and key: loaded, and one pair.
absl::Status LoadPair(const mvmd::twin::v1alpha1::TlsFiles& files, absl::Time now,
                      const std::vector<CertificatePtr>& roots, TlsMaterial* material) {
  absl::StatusOr<std::string> certificate = ReadPemFile(files.certificate_file(), "a certificate", PemSecrecy::kPublic);
  if (!certificate.ok()) return certificate.status();
  const absl::StatusOr<std::vector<CertificatePtr>> chain = ReadCertificates(*certificate);
  if (!chain.ok()) return At(files.certificate_file(), chain.status());
  X509* const leaf = chain->front().get();

  absl::StatusOr<std::string> key_text =
      ReadPemFile(files.key_file(), "a private key", PemSecrecy::kSecret, files.key_group());
  if (!key_text.ok()) return key_text.status();
  const absl::StatusOr<KeyPtr> key = ReadPrivateKey(*key_text);
  if (!key.ok()) return At(files.key_file(), key.status());
  if (X509_check_private_key(leaf, key->get()) != 1) {
    TakeOpenSslError();
    return absl::InvalidArgumentError(absl::StrCat(files.key_file(), ": expected the key of ", files.certificate_file(),
                                                   " (", SubjectOf(leaf),
                                                   "), got the key of another; is the leaf the first in the file?"));
  }
  if (absl::Status fine = CheckChain(files.certificate_file(), *chain, now); !fine.ok()) return fine;

  material->not_after = NotAfterOf(leaf);
  if (material->not_after - now < kExpiryWarning) {
    material->warnings.push_back(
        absl::StrCat(files.certificate_file(), ": expires at ", Utc(material->not_after), "; renew it"));
  }
  if (const std::string error = ChainError(MakeStore(roots).get(), *chain); !error.empty()) {
    material->warnings.push_back(absl::StrCat(files.certificate_file(), ": does not lead to a root of ",
                                              files.ca_file(), " (", error,
                                              "); peers with the same roots will refuse it"));
  }
  material->certificate_pem = *std::move(certificate);
  material->key_pem = *std::move(key_text);
  return absl::OkStatus();
}

absl::Status LoadCrl(const mvmd::twin::v1alpha1::TlsFiles& files, absl::Time now, TlsMaterial* material) {
  absl::StatusOr<std::string> crl = ReadPemFile(files.crl_file(), "a certificate revocation list", PemSecrecy::kPublic);
  if (!crl.ok()) return crl.status();
  const absl::StatusOr<std::vector<CrlPtr>> lists = ReadCrls(*crl);
  if (!lists.ok()) return At(files.crl_file(), lists.status());
  if (files.has_crl_max_age()) material->crl_max_age = ToAbslDuration(files.crl_max_age());
  if (material->crl_max_age.has_value() && *material->crl_max_age <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("crl_max_age: expected a duration above 0, got none");
  }
  if (const auto trust = PeerTrust::Make(material->ca_pem, *crl, material->crl_max_age); !trust.ok())
    return At(files.crl_file(), trust.status());
  for (const CrlPtr& list : *lists) {
    const absl::Time end = EndOf(list.get(), material->crl_max_age);
    material->crl_next_update = std::min(material->crl_next_update, end);
    if (now < ThisUpdateOf(list.get()) || now >= end) {
      material->warnings.push_back(absl::StrCat(files.crl_file(), ": is out of date, valid from ",
                                                Utc(ThisUpdateOf(list.get())), " to ", Utc(end),
                                                "; every peer of its issuer is refused until it is renewed"));
    }
  }
  material->crl_pem = *std::move(crl);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TlsMaterial> LoadTlsFiles(const mvmd::twin::v1alpha1::TlsFiles& files, absl::Time now,
                                         TlsIdentity identity) {
  TlsMaterial material;
  if (files.ca_file().empty()) return Missing("ca_file", "the roots");
  absl::StatusOr<std::string> ca = ReadPemFile(files.ca_file(), "the roots", PemSecrecy::kPublic);
  if (!ca.ok()) return ca.status();
  const absl::StatusOr<std::vector<CertificatePtr>> roots = ReadCertificates(*ca);
  if (!roots.ok()) return At(files.ca_file(), roots.status());
  for (const CertificatePtr& root : *roots) {
    if (X509_check_ca(root.get()) == 0) {
      material.warnings.push_back(
          absl::StrCat(files.ca_file(), ": ", SubjectOf(root.get()), " is not a CA's certificate"));
    }
    if (now > NotAfterOf(root.get())) {
      material.warnings.push_back(
          absl::StrCat(files.ca_file(), ": ", SubjectOf(root.get()), " has expired at ", Utc(NotAfterOf(root.get()))));
    }
  }
  material.ca_pem = *std::move(ca);

  if (identity == TlsIdentity::kRequired || !files.certificate_file().empty() || !files.key_file().empty()) {
    if (files.certificate_file().empty()) return Missing("certificate_file", "the certificate");
    if (files.key_file().empty()) return Missing("key_file", "the certificate's private key");
    if (absl::Status pair = LoadPair(files, now, *roots, &material); !pair.ok()) return pair;
  }
  if (!files.crl_file().empty()) {
    if (absl::Status crl = LoadCrl(files, now, &material); !crl.ok()) return crl;
  }
  return material;
}

mvmd::twin::v1alpha1::TlsFiles ResolveTlsFiles(absl::string_view config_path,
                                               const mvmd::twin::v1alpha1::TlsFiles& files) {
  mvmd::twin::v1alpha1::TlsFiles resolved = files;
  resolved.set_ca_file(ResolvePath(config_path, files.ca_file()));
  resolved.set_certificate_file(ResolvePath(config_path, files.certificate_file()));
  resolved.set_key_file(ResolvePath(config_path, files.key_file()));
  resolved.set_crl_file(ResolvePath(config_path, files.crl_file()));
  return resolved;
}

}  // namespace mvmd
