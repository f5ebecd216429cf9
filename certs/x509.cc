#include "certs/x509.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace mvmd {
namespace {

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using BioPtr = std::unique_ptr<BIO, BioDeleter>;

struct NamesDeleter {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};
using NamesPtr = std::unique_ptr<GENERAL_NAMES, NamesDeleter>;

BioPtr MemoryOf(absl::string_view text) { return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// A file of certificates ends in "no start line"; anything else at its end is damage.
bool EndedWell() {
  const unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

template <typename Ptr, typename Read>
absl::StatusOr<std::vector<Ptr>> ReadAll(absl::string_view pem, absl::string_view kind, Read read) {
  const BioPtr bio = MemoryOf(pem);
  ERR_clear_error();
  std::vector<Ptr> all;
  for (;;) {
    Ptr one(read(bio.get()));
    if (one == nullptr) break;
    all.push_back(std::move(one));
  }
  if (!EndedWell()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected ", kind, " in PEM, got a damaged one (", TakeOpenSslError(), ")"));
  }
  ERR_clear_error();
  if (all.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected ", kind, " in PEM, got ", pem.empty() ? "an empty file" : "none"));
  }
  return all;
}

std::string NameText(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::Time TimeOf(const ASN1_TIME* time, absl::Time otherwise) {
  tm fields{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &fields) != 1) return otherwise;
  return absl::FromTM(fields, absl::UTCTimeZone());
}

absl::string_view TextOf(const ASN1_STRING* text) {
  return absl::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                           static_cast<size_t>(ASN1_STRING_length(text)));
}

// Null and `*broken` false: there are none.
NamesPtr SansOf(const X509* certificate, bool* broken) {
  int critical = 0;
  NamesPtr names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr)));
  // -1: no such extension. -2: several; otherwise it cannot be decoded.
  *broken = names == nullptr && critical != -1;
  return names;
}

std::string IpText(absl::string_view bytes) {
  std::vector<std::string> parts;
  if (bytes.size() == 4) {
    for (const char byte : bytes)
      parts.push_back(absl::StrCat(static_cast<unsigned>(static_cast<unsigned char>(byte))));
    return absl::StrJoin(parts, ".");
  }
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    const unsigned group = (static_cast<unsigned char>(bytes[i]) << 8U) | static_cast<unsigned char>(bytes[i + 1]);
    parts.push_back(absl::StrCat(absl::Hex(group)));
  }
  return absl::StrJoin(parts, ":");
}

}  // namespace

absl::StatusOr<std::vector<CertificatePtr>> ReadCertificates(absl::string_view pem) {
  return ReadAll<CertificatePtr>(pem, "a certificate",
                                 [](BIO* bio) { return PEM_read_bio_X509(bio, nullptr, nullptr, nullptr); });
}

absl::StatusOr<std::vector<CrlPtr>> ReadCrls(absl::string_view pem) {
  return ReadAll<CrlPtr>(pem, "a certificate revocation list",
                         [](BIO* bio) { return PEM_read_bio_X509_CRL(bio, nullptr, nullptr, nullptr); });
}

absl::StatusOr<KeyPtr> ReadPrivateKey(absl::string_view pem) {
  const BioPtr bio = MemoryOf(pem);
  ERR_clear_error();
  // A callback that gives no passphrase: the default one would ask the terminal.
  KeyPtr key(PEM_read_bio_PrivateKey(
      bio.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr));
  if (key == nullptr) {
    // The reason may quote nothing of the key; the queue holds only codes.
    const bool encrypted = absl::StrContains(pem, "ENCRYPTED");
    const std::string error = TakeOpenSslError();
    return absl::InvalidArgumentError(absl::StrCat("expected a private key in PEM without a passphrase, got ",
                                                   encrypted     ? "an encrypted one"
                                                   : pem.empty() ? "an empty file"
                                                                 : absl::StrCat("something else (", error, ")")));
  }
  return key;
}

std::string SubjectOf(const X509* certificate) { return NameText(X509_get_subject_name(certificate)); }

std::string IssuerOf(const X509* certificate) { return NameText(X509_get_issuer_name(certificate)); }

std::string IssuerOf(const X509_CRL* crl) { return NameText(X509_CRL_get_issuer(crl)); }

std::string SerialOf(const X509* certificate) {
  BIGNUM* const number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr);
  char* const hex = number == nullptr ? nullptr : BN_bn2hex(number);
  std::string text = hex == nullptr ? "" : hex;
  OPENSSL_free(hex);
  BN_free(number);
  return text;
}

absl::Time NotBeforeOf(const X509* certificate) {
  return TimeOf(X509_get0_notBefore(certificate), absl::InfiniteFuture());
}

absl::Time NotAfterOf(const X509* certificate) { return TimeOf(X509_get0_notAfter(certificate), absl::InfinitePast()); }

absl::Time ThisUpdateOf(const X509_CRL* crl) { return TimeOf(X509_CRL_get0_lastUpdate(crl), absl::InfiniteFuture()); }

absl::Time NextUpdateOf(const X509_CRL* crl) {
  const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(crl);
  return next == nullptr ? absl::InfiniteFuture() : TimeOf(next, absl::InfinitePast());
}

absl::Time EndOf(const X509_CRL* crl, std::optional<absl::Duration> max_age) {
  return max_age.has_value() ? ThisUpdateOf(crl) + *max_age : NextUpdateOf(crl);
}

absl::StatusOr<std::vector<std::string>> UriSansOf(const X509* certificate) {
  bool broken = false;
  const NamesPtr names = SansOf(certificate, &broken);
  if (broken) return absl::InvalidArgumentError("its subject alternative names cannot be read");
  std::vector<std::string> uris;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const absl::string_view uri = TextOf(name->d.uniformResourceIdentifier);
    // A C string would end there, and be another name.
    if (absl::StrContains(uri, '\0')) return absl::InvalidArgumentError("one of its URIs has a zero byte in it");
    uris.emplace_back(uri);
  }
  return uris;
}

std::string NamesOf(const X509* certificate) {
  bool broken = false;
  const NamesPtr names = SansOf(certificate, &broken);
  std::vector<std::string> texts;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) texts.push_back(absl::StrCat("DNS:", TextOf(name->d.dNSName)));
    if (name->type == GEN_URI) texts.push_back(absl::StrCat("URI:", TextOf(name->d.uniformResourceIdentifier)));
    if (name->type == GEN_IPADD) texts.push_back(absl::StrCat("IP:", IpText(TextOf(name->d.iPAddress))));
  }
  return texts.empty() ? "none" : absl::StrJoin(texts, ", ");
}

StorePtr MakeStore(const std::vector<CertificatePtr>& roots) {
  StorePtr store(X509_STORE_new());
  for (const CertificatePtr& root : roots) X509_STORE_add_cert(store.get(), root.get());
  return store;
}

std::string ChainError(X509_STORE* roots, const std::vector<CertificatePtr>& chain) {
  struct Deleter {
    void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
    // The certificates are owned elsewhere.
    void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
  };
  const std::unique_ptr<STACK_OF(X509), Deleter> untrusted(sk_X509_new_null());
  for (size_t i = 1; i < chain.size(); ++i) sk_X509_push(untrusted.get(), chain[i].get());
  const std::unique_ptr<X509_STORE_CTX, Deleter> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), roots, chain.front().get(), untrusted.get());
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_NO_CHECK_TIME);
  const bool fine = X509_verify_cert(context.get()) == 1;
  const int error = X509_STORE_CTX_get_error(context.get());
  TakeOpenSslError();
  return fine ? "" : X509_verify_cert_error_string(error);
}

std::string TakeOpenSslError() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  const char* const reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  return reason == nullptr ? "unknown error" : reason;
}

}  // namespace mvmd
