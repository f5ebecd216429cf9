#include "test_pki.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "absl/strings/str_cat.h"
#include "certs/x509.h"
#include "gtest/gtest.h"

// c-ares, by which gRPC resolves names, loses a few bytes for each channel. Read by LeakSanitizer alone.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libcares"; }

namespace mvmd {
namespace {

void AddExtension(int nid, const std::string& value, X509* certificate) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

void WriteKey(const std::string& path, EVP_PKEY* key) {
  FILE* const file = std::fopen(path.c_str(), "w");
  fchmod(fileno(file), 0600);
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
}

}  // namespace

TestPki::TestPki(const std::string& options) {
  std::string pattern = ::testing::TempDir() + "/mvmd_pki.XXXXXX";
  dir_ = mkdtemp(pattern.data());
  std::string output;
  EXPECT_EQ(Run(absl::StrCat("--bridges robots,press --clients viewer --days 30 ", options), &output), 0) << output;
}

TestPki::~TestPki() { std::filesystem::remove_all(dir_); }

const TestPki& TestPki::Shared() {
  static const TestPki pki;
  return pki;
}

mvmd::twin::v1alpha1::TlsFiles TestPki::Files(const std::string& name) const {
  mvmd::twin::v1alpha1::TlsFiles files;
  files.set_ca_file(Path("ca.crt"));
  files.set_certificate_file(Path(name + ".crt"));
  files.set_key_file(Path(name + ".key"));
  files.set_crl_file(Path("ca.crl"));
  return files;
}

TlsMaterial TestPki::Material(const std::string& name) const {
  TlsMaterial material;
  material.ca_pem = ReadFile(Path("ca.crt"));
  material.certificate_pem = ReadFile(Path(name + ".crt"));
  material.key_pem = ReadFile(Path(name + ".key"));
  material.crl_pem = ReadFile(Path("ca.crl"));
  return material;
}

int TestPki::Run(const std::string& arguments, std::string* output) const {
  const std::string command = absl::StrCat(MVMD_MAKE_DEV_PKI " '", dir_, "' ", arguments, " 2>&1");
  FILE* const pipe = popen(command.c_str(), "r");
  char buffer[4096];
  std::string text;
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  if (output != nullptr) *output = text;
  const int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string TestPki::Issue(const std::string& name, const Leaf& leaf) const {
  const std::vector<CertificatePtr> ca = *ReadCertificates(ReadFile(Path("ca.crt")));
  const KeyPtr ca_key = *ReadPrivateKey(ReadFile(Path("ca.key")));
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr certificate(X509_new());
  X509* const x = certificate.get();
  X509_set_version(x, X509_VERSION_3);
  uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1);
  ASN1_TIME_set(X509_getm_notBefore(x), absl::ToTimeT(leaf.not_before));
  ASN1_TIME_set(X509_getm_notAfter(x), absl::ToTimeT(leaf.not_after));
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(x, X509_get_subject_name(ca.front().get()));
  X509_set_pubkey(x, key.get());
  AddExtension(NID_basic_constraints, leaf.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE", x);
  if (!leaf.usage.empty()) AddExtension(NID_ext_key_usage, leaf.usage, x);
  if (!leaf.sans.empty()) AddExtension(NID_subject_alt_name, leaf.sans, x);
  EXPECT_GT(X509_sign(x, ca_key.get(), EVP_sha256()), 0);

  WriteKey(Path(name + ".key"), key.get());
  FILE* const file = std::fopen(Path(name + ".crt").c_str(), "w");
  PEM_write_X509(file, x);
  std::fclose(file);
  return name;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

void WriteFile(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

}  // namespace mvmd
