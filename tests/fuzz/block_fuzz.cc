// Blocks: refused, or columns that agree; samples that are encoded again are the same, bit for bit.
#include <cstring>
#include <vector>

#include "mvmd/twin/v1alpha1/block.pb.h"
#include "tests/fuzz/fuzz.h"
#include "twin/block.h"

namespace mvmd {
namespace {

std::vector<Sample> SamplesOf(const DecodedBlock& block) {
  std::vector<Sample> samples;
  for (const DecodedBlock::Run& run : block.runs) {
    Ensure(run.begin <= block.times_unix_ns.size() && run.count <= block.times_unix_ns.size() - run.begin);
    for (uint32_t i = run.begin; i < run.begin + run.count; ++i) {
      samples.push_back(Sample{.binding = run.binding,
                               .time_unix_ns = block.times_unix_ns[i],
                               .value = block.ValueAt(run, i),
                               .quality = block.QualityAt(i)});
    }
  }
  return samples;
}

bool IsSame(const SampleValue& a, const SampleValue& b) {
  if (a.index() != b.index()) return false;
  const auto* x = std::get_if<double>(&a);
  const auto* y = std::get_if<double>(&b);
  return x != nullptr ? std::memcmp(x, y, sizeof(double)) == 0 : a == b;
}

}  // namespace
}  // namespace mvmd

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mvmd;
  mvmd::twin::v1alpha1::Block block;
  if (!block.ParseFromArray(data, static_cast<int>(size))) return -1;
  DecodedBlock decoded;
  if (!DecodeBlock(block, &decoded).ok()) return 0;
  const std::vector<Sample> samples = SamplesOf(decoded);
  Ensure(!samples.empty() && samples.size() <= kBlockSamplesMax && samples.size() == block.count());
  mvmd::twin::v1alpha1::Block encoded;
  EncodeBlock(samples, &encoded);
  DecodedBlock again;
  Ensure(DecodeBlock(encoded, &again).ok());
  const std::vector<Sample> same = SamplesOf(again);
  Ensure(same.size() == samples.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    Ensure(same[i].binding == samples[i].binding && same[i].time_unix_ns == samples[i].time_unix_ns);
    Ensure(IsSame(same[i].value, samples[i].value));
  }
  return 0;
}
