// Certificates for tests: what make_dev_pki.sh makes, and the odd ones that it would not.
#ifndef MVMD_TESTS_CERTS_TEST_PKI_H_
#define MVMD_TESTS_CERTS_TEST_PKI_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "certs/tls_files.h"
#include "mvmd/twin/v1alpha1/config.pb.h"

namespace mvmd {

// A directory of its own, gone with the object. Bridges robots and press, client viewer.
class TestPki {
 public:
  explicit TestPki(const std::string& options = "");
  ~TestPki();
  TestPki(const TestPki&) = delete;
  TestPki& operator=(const TestPki&) = delete;

  // Made once for the process; tests must not change it.
  static const TestPki& Shared();

  const std::string& dir() const { return dir_; }
  std::string Path(const std::string& file) const { return dir_ + "/" + file; }
  // NAME.crt and NAME.key, ca.crt and ca.crl.
  mvmd::twin::v1alpha1::TlsFiles Files(const std::string& name) const;
  // Read, not checked.
  TlsMaterial Material(const std::string& name) const;

  // Runs the script on the directory; its exit code, and what it printed.
  int Run(const std::string& arguments, std::string* output = nullptr) const;

  struct Leaf {
    std::string sans;  // as in an openssl configuration, `URI:spiffe://...,DNS:localhost`; empty: no extension
    std::string usage = "clientAuth";  // empty: no extension
    absl::Time not_before = absl::Now() - absl::Hours(1);
    absl::Time not_after = absl::Now() + absl::Hours(24);
    bool is_ca = false;
  };
  // A certificate signed by this CA, written as NAME.crt and NAME.key. Returns NAME.
  std::string Issue(const std::string& name, const Leaf& leaf) const;

 private:
  std::string dir_;
};

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& text);

}  // namespace mvmd

#endif  // MVMD_TESTS_CERTS_TEST_PKI_H_
