// What this folder needs of OpenSSL's X.509, with owners and errors. Internal to certs/.
#ifndef MVMD_CERTS_X509_H_
#define MVMD_CERTS_X509_H_

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mvmd {

struct X509Deleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_CRL* crl) const { X509_CRL_free(crl); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
};
using CertificatePtr = std::unique_ptr<X509, X509Deleter>;
using CrlPtr = std::unique_ptr<X509_CRL, X509Deleter>;
using KeyPtr = std::unique_ptr<EVP_PKEY, X509Deleter>;
using StorePtr = std::unique_ptr<X509_STORE, X509Deleter>;

// At least one of the kind; text around the PEM blocks is passed over, as OpenSSL does. INVALID_ARGUMENT says what
// came.
absl::StatusOr<std::vector<CertificatePtr>> ReadCertificates(absl::string_view pem);
absl::StatusOr<std::vector<CrlPtr>> ReadCrls(absl::string_view pem);
// Without a passphrase.
absl::StatusOr<KeyPtr> ReadPrivateKey(absl::string_view pem);

// `CN=bridge-robots`.
std::string SubjectOf(const X509* certificate);
std::string IssuerOf(const X509* certificate);
std::string IssuerOf(const X509_CRL* crl);
// Upper-case hex.
std::string SerialOf(const X509* certificate);

absl::Time NotBeforeOf(const X509* certificate);
absl::Time NotAfterOf(const X509* certificate);
absl::Time ThisUpdateOf(const X509_CRL* crl);
// InfiniteFuture when the CRL names none.
absl::Time NextUpdateOf(const X509_CRL* crl);
// From when on the list is not used any more: its next update, or when it is older than `max_age`.
absl::Time EndOf(const X509_CRL* crl, std::optional<absl::Duration> max_age);

// URI SANs as they stand. INVALID_ARGUMENT when the SANs cannot be read or a URI has a zero byte in it.
absl::StatusOr<std::vector<std::string>> UriSansOf(const X509* certificate);
// `DNS:localhost, IP:127.0.0.1`, for messages.
std::string NamesOf(const X509* certificate);

// Of roots.
StorePtr MakeStore(const std::vector<CertificatePtr>& roots);
// Empty when the first of `chain` leads to one of `roots`, over the others, else OpenSSL's reason. Dates are not looked
// at. Thread-safe for one store.
std::string ChainError(X509_STORE* roots, const std::vector<CertificatePtr>& chain);

// Takes OpenSSL's error queue of this thread: the first reason, or "unknown error".
std::string TakeOpenSslError();

}  // namespace mvmd

#endif  // MVMD_CERTS_X509_H_
