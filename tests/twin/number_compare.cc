// Canonical numbers of seeded random bit patterns, as a running digest: tests/e2e/node/numbers.mjs makes the same from
// ECMAScript's own Number::toString, so that two programs that share nothing have to agree (docs/linked-data.md).
//
//   number_compare COUNT [SEED]      a line for each million: how many, and the SHA-256 of all texts so far
//
// Patterns come from SplitMix64; infinities and NaN are passed over. Each text is followed by a line feed.
#include <openssl/evp.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

constexpr uint64_t kLine = 1000000;

// https://prng.di.unimi.it/splitmix64.c
uint64_t NextPattern(uint64_t* state) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

class RunningDigest {
 public:
  RunningDigest() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }

  void Add(const std::string& bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }

  // Of everything so far; more can be added.
  std::string Hex() const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> copy(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_MD_CTX_copy_ex(copy.get(), context_.get());
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    EVP_DigestFinal_ex(copy.get(), digest, &size);
    return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

void Compare(uint64_t count, uint64_t seed) {
  RunningDigest digest;
  std::string texts;
  for (uint64_t done = 0; done < count;) {
    const uint64_t end = std::min(count, (done / kLine + 1) * kLine);
    while (done < end) {
      const uint64_t bits = NextPattern(&seed);
      double value = 0;
      std::memcpy(&value, &bits, sizeof(value));
      if (!std::isfinite(value)) continue;
      AppendCanonicalNumber(value, &texts);
      texts.push_back('\n');
      ++done;
    }
    digest.Add(texts);
    texts.clear();
    std::printf("%llu %s\n", static_cast<unsigned long long>(done), digest.Hex().c_str());
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace mvmd

int main(int argc, char** argv) {
  uint64_t count = 0;
  uint64_t seed = 1;
  if (argc < 2 || argc > 3 || !absl::SimpleAtoi(argv[1], &count) || (argc == 3 && !absl::SimpleAtoi(argv[2], &seed))) {
    std::fprintf(stderr, "usage: number_compare COUNT [SEED]\n");
    return 2;
  }
  mvmd::Compare(count, seed);
  return 0;
}
