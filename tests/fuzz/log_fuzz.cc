// Records of the log and of checkpoints, whatever is in them: applied, or refused with a status.
//
// Input: steps of a kind (1 byte) and bytes (length, bytes). Kinds, modulo 4: 0 to 2 an entry of the log; 3 a key and
// value of a checkpoint, for a state of their own.
#include "tests/fuzz/fold.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  FuzzInput input(data, size);
  FuzzFold fold;
  TwinState restored(SmallLimits());
  while (!input.done() && fold.size() < 64) {
    if (input.Byte() % 4 == 3) {
      const absl::string_view key = input.Bytes();
      restored.Restore(key, input.Bytes()).IgnoreError();
      continue;
    }
    const absl::string_view bytes = input.Bytes();
    mvmd::twin::v1alpha1::LogEntry entry;
    if (!entry.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) continue;
    fold.Apply(std::move(entry));
  }
  fold.Check();
  if (restored.FinishRestore(7).ok()) restored.Fingerprint();
  return 0;
}
