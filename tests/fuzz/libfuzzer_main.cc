// The target that libFuzzer calls, chosen by the environment: MVMD_FUZZ_TARGET.
#include <cstdio>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "google/protobuf/stubs/logging.h"
#include "runtime/log.h"
#include "tests/fuzz/targets.h"

namespace {
const mvmd::FuzzTarget* target = nullptr;
}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  const char* name = std::getenv("MVMD_FUZZ_TARGET");
  target = mvmd::FindFuzzTarget(name == nullptr ? "" : name);
  mvmd::SetLogSink([](absl::string_view) {});
  google::protobuf::SetLogHandler(nullptr);
  if (target != nullptr) return 0;
  std::fprintf(stderr, "MVMD_FUZZ_TARGET: expected one of");
  for (const mvmd::FuzzTarget& known : mvmd::FuzzTargets()) {
    std::fprintf(stderr, " %.*s", static_cast<int>(known.name.size()), known.name.data());
  }
  std::fprintf(stderr, ", got %s\n", name == nullptr ? "nothing" : name);
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { return target->run(data, size); }
