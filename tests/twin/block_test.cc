#include "twin/block.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "absl/strings/escaping.h"
#include "twin/frame_group.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = DecodedBlock::Kind;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kTime = 1'700'000'000 * kSecond;

Sample Number(uint32_t binding, double value, int64_t time = kTime) {
  return {.binding = binding, .time_unix_ns = time, .value = value};
}
Sample Boolean(uint32_t binding, bool value) { return {.binding = binding, .time_unix_ns = kTime, .value = value}; }
Sample Text(uint32_t binding, std::string value) {
  return {.binding = binding, .time_unix_ns = kTime, .value = std::move(value)};
}

pb::Block Encoded(const std::vector<Sample>& samples) {
  pb::Block block;
  EncodeBlock(samples, &block);
  return block;
}

bool SameBits(const SampleValue& a, const SampleValue& b) {
  if (a.index() != b.index()) return false;
  if (!std::holds_alternative<double>(a)) return a == b;
  return std::bit_cast<uint64_t>(std::get<double>(a)) == std::bit_cast<uint64_t>(std::get<double>(b));
}

// Encodes, serializes, parses, decodes, and compares with a stable sort by binding.
void ExpectLossless(std::vector<Sample> samples, pb::Block* reused_block = nullptr,
                    DecodedBlock* reused_decoded = nullptr) {
  pb::Block own_block;
  DecodedBlock own_decoded;
  pb::Block& block = reused_block != nullptr ? *reused_block : own_block;
  DecodedBlock& decoded = reused_decoded != nullptr ? *reused_decoded : own_decoded;
  EncodeBlock(samples, &block);
  pb::Block parsed;
  ASSERT_TRUE(parsed.ParseFromString(block.SerializeAsString()));
  const absl::Status status = DecodeBlock(parsed, &decoded);
  ASSERT_TRUE(status.ok()) << status;

  std::stable_sort(samples.begin(), samples.end(),
                   [](const Sample& a, const Sample& b) { return a.binding < b.binding; });
  ASSERT_EQ(decoded.times_unix_ns.size(), samples.size());
  ASSERT_EQ(decoded.numbers.size(), samples.size());
  uint32_t i = 0;
  for (const DecodedBlock::Run& run : decoded.runs) {
    ASSERT_EQ(run.begin, i);
    ASSERT_GE(run.count, 1u);
    for (; i < run.begin + run.count; ++i) {
      ASSERT_EQ(run.binding, samples[i].binding) << "sample " << i;
      ASSERT_EQ(decoded.times_unix_ns[i], samples[i].time_unix_ns) << "sample " << i;
      ASSERT_TRUE(SameBits(decoded.ValueAt(run, i), samples[i].value))
          << "sample " << i << ", binding " << run.binding << ", kind " << static_cast<int>(run.kind);
      ASSERT_EQ(decoded.QualityAt(i), samples[i].quality) << "sample " << i;
    }
  }
  ASSERT_EQ(i, samples.size());
}

// 100 sensors in turn, walking at random with two decimals, as docs/protocol.md has it.
std::vector<Sample> Walk(size_t count, int64_t interval_ns, uint32_t seed = 1) {
  std::mt19937_64 random(seed);
  std::map<uint32_t, int> cents;
  std::vector<Sample> samples;
  for (size_t i = 0; i < count; ++i) {
    const auto binding = static_cast<uint32_t>(1 + i % 100);
    auto [it, is_new] = cents.try_emplace(binding, 0);
    it->second = is_new ? std::uniform_int_distribution<int>(2000, 8000)(random)
                        : it->second + std::uniform_int_distribution<int>(-10, 10)(random);
    const int64_t time = kTime + 123 * kMillisecond + static_cast<int64_t>(i) * interval_ns;
    samples.push_back(Number(binding, it->second / 100.0, time - time % kMillisecond));
  }
  return samples;
}

// Of the whole FrameGroup, with its Frame and seq.
double WireBytesPerSample(const std::vector<Sample>& samples) {
  pb::Frame frame;
  frame.set_seq(1'000'000);
  EncodeBlock(samples, frame.mutable_block());
  std::string batch;
  AppendFrame(frame.SerializeAsString(), &batch);
  FrameGroupCodec codec;
  pb::FrameGroup group;
  codec.Encode(batch, pb::LANE_LIVE, 3, &group);
  return static_cast<double>(group.ByteSizeLong()) / static_cast<double>(samples.size());
}

// The worked example of docs/protocol.md, "Block".
TEST(BlockTest, WorkedExampleHasTheBytesOfTheDocument) {
  const std::vector<Sample> samples = {
      Number(1, 20.50, kTime + 100 * kMillisecond),
      Number(2, 3.0, kTime + 100 * kMillisecond),
      Number(1, 20.75, kTime + 200 * kMillisecond),
      Number(2, 3.5, kTime + 200 * kMillisecond),
      {.binding = 5, .time_unix_ns = kTime + 200 * kMillisecond, .value = true, .quality = pb::QUALITY_BAD}};
  const pb::Block block = Encoded(samples);
  EXPECT_EQ(block.ShortDebugString(),
            "count: 5 binding_deltas: 1 binding_deltas: 1 binding_deltas: 3 counts: 2 counts: 2 counts: 1 "
            "time_unit: TIME_UNIT_MILLISECOND base_time: 1700000000100 "
            "time_deltas: 100 time_deltas: -100 time_deltas: 100 "
            "kinds: 2 kinds: 2 kinds: 33 integers: 2050 integers: 25 integers: 300 integers: 50 booleans: true "
            "qualities: 1 qualities: 1 qualities: 1 qualities: 1 qualities: 3");
  EXPECT_EQ(absl::BytesToHexString(block.SerializeAsString()),
            "0805"
            "1203010103"
            "1a03020201"
            "2002"
            "28c8a1abfef962"
            "3206c801c701c801"
            "3a03020221"
            "4206842032d80464"
            "520101"
            "62050101010103");
  ExpectLossless(samples);
}

TEST(BlockTest, KeepsTheOrderOfEachSensor) {
  const std::vector<Sample> samples = {Number(7, 1, kTime + 5), Number(3, 2, kTime + 9), Number(7, 3, kTime + 1),
                                       Number(3, 4, kTime + 2), Number(7, 5, kTime + 1)};
  DecodedBlock decoded;
  ASSERT_TRUE(DecodeBlock(Encoded(samples), &decoded).ok());
  ASSERT_EQ(decoded.runs.size(), 2u);
  EXPECT_EQ(decoded.runs[0].binding, 3u);
  EXPECT_EQ(decoded.runs[1].binding, 7u);
  EXPECT_THAT(decoded.numbers, ElementsAre(2, 4, 1, 3, 5));
  EXPECT_THAT(decoded.times_unix_ns, ElementsAre(kTime + 9, kTime + 2, kTime + 5, kTime + 1, kTime + 1));
}

TEST(BlockTest, OneSampleOneRun) {
  const pb::Block block = Encoded({Number(1, 1)});
  EXPECT_THAT(block.counts(), IsEmpty());
  EXPECT_THAT(block.time_deltas(), IsEmpty());
  EXPECT_THAT(block.kinds(), ElementsAre(0));
  ExpectLossless({Number(1, 1)});
}

TEST(BlockTest, FullBlock) { ExpectLossless(Walk(kBlockSamplesMax, kMillisecond)); }

TEST(BlockTest, EqualTimesCostNothing) {
  EXPECT_THAT(Encoded({Number(1, 1), Number(2, 1), Number(3, 1)}).time_deltas(), IsEmpty());
}

TEST(BlockTest, TimeColumnEndsAtTheLastChange) {
  const pb::Block block = Encoded({Number(1, 1), Number(2, 1, kTime + kSecond), Number(3, 1, kTime + kSecond)});
  EXPECT_THAT(block.time_deltas(), ElementsAre(1));
}

TEST(BlockTest, TakesTheCoarsestTimeUnit) {
  const auto unit_of = [](int64_t a, int64_t b) { return Encoded({Number(1, 1, a), Number(1, 1, b)}).time_unit(); };
  EXPECT_EQ(unit_of(kTime, kTime + kSecond), pb::TIME_UNIT_SECOND);
  EXPECT_EQ(unit_of(kTime, kTime + kMillisecond), pb::TIME_UNIT_MILLISECOND);
  EXPECT_EQ(unit_of(kTime + kMillisecond, kTime), pb::TIME_UNIT_MILLISECOND);
  EXPECT_EQ(unit_of(kTime + 1000, kTime), pb::TIME_UNIT_MICROSECOND);
  EXPECT_EQ(unit_of(kTime, kTime + 1), pb::TIME_UNIT_NANOSECOND);
  EXPECT_EQ(unit_of(-kSecond, 0), pb::TIME_UNIT_SECOND);
}

TEST(BlockTest, TimesMayBeAnything) {
  constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
  constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();
  ExpectLossless({Number(1, 1, kLowest), Number(1, 1, kHighest), Number(1, 1, kLowest), Number(1, 1, 0),
                  Number(1, 1, -1), Number(1, 1, kHighest)});
  // The same in whole seconds.
  ExpectLossless({Number(1, 1, kLowest / kSecond * kSecond), Number(1, 1, kHighest / kSecond * kSecond)});
  ExpectLossless({Number(1, 1, kLowest)});
}

TEST(BlockTest, DecimalsTakeTheSmallestExponent) {
  const auto kind_of = [](double value) { return Encoded({Number(1, value)}).kinds(0); };
  EXPECT_EQ(kind_of(0), 0u);
  EXPECT_EQ(kind_of(1200), 0u);
  EXPECT_EQ(kind_of(-17), 0u);
  EXPECT_EQ(kind_of(0.5), 1u);
  EXPECT_EQ(kind_of(20.01), 2u);
  EXPECT_EQ(kind_of(-0.001), 3u);
  EXPECT_EQ(kind_of(1e-17), 17u);
  EXPECT_EQ(kind_of(0x1p53), 0u);
  EXPECT_EQ(kind_of(-0x1p53), 0u);
  EXPECT_EQ(kind_of(0x1p53 - 1), 0u);
  EXPECT_EQ(kind_of(9.007199254740991), 15u);
  EXPECT_EQ(kind_of(1.0 / 3), 16u) << "any double that has so few digits";
}

TEST(BlockTest, OthersGoRaw) {
  for (const double value :
       {-0.0, 0x1p53 + 2, 1e300, -1e300, 1e-18, 0.1 + 0.2, std::sqrt(2.0), std::numeric_limits<double>::denorm_min(),
        std::numeric_limits<double>::min(), std::numeric_limits<double>::max(), 0x1p51 + 0.5}) {
    const pb::Block block = Encoded({Number(1, value)});
    EXPECT_THAT(block.kinds(), ElementsAre(32)) << value;
    EXPECT_THAT(block.integers(), IsEmpty());
    ExpectLossless({Number(1, value)});
  }
}

TEST(BlockTest, RunTakesTheLargestExponentThatAValueNeeds) {
  const pb::Block block = Encoded({Number(1, 1), Number(1, 1.5), Number(1, 1.25), Number(1, 2)});
  EXPECT_THAT(block.kinds(), ElementsAre(2));
  EXPECT_THAT(block.integers(), ElementsAre(100, 50, -25, 75));
}

TEST(BlockTest, RunWithOneRawValueGoesRaw) {
  const pb::Block block = Encoded({Number(1, 1.5), Number(1, -0.0), Number(2, 2.5)});
  EXPECT_THAT(block.kinds(), ElementsAre(32, 1));
  EXPECT_THAT(block.doubles(), ElementsAre(1.5, -0.0));
  EXPECT_THAT(block.integers(), ElementsAre(25));
  ExpectLossless({Number(1, 1.5), Number(1, -0.0), Number(2, 2.5)});
}

TEST(BlockTest, RunThatNoExponentFitsGoesRaw) {
  // Each is a decimal, but with the exponent of the second the first is beyond 2^53.
  const std::vector<Sample> samples = {Number(1, 1e15), Number(1, 1e-15)};
  EXPECT_THAT(Encoded(samples).kinds(), ElementsAre(32));
  ExpectLossless(samples);
}

TEST(BlockTest, ExponentOfTheRunBeforeIsKept) {
  EXPECT_THAT(Encoded({Number(1, 20.01), Number(2, 20.5), Number(3, 21), Number(4, 0)}).kinds(), ElementsAre(2));
}

TEST(BlockTest, ExponentFallsWhenThatIsShorter) {
  EXPECT_THAT(Encoded({Number(1, 1e-9), Number(2, 21)}).kinds(), ElementsAre(9, 0));
  EXPECT_THAT(Encoded({Number(1, 0.01), Number(2, 1), Number(2, 2), Number(2, 3), Number(2, 4)}).kinds(),
              ElementsAre(2, 0));
  // The first exponent would take the second value beyond 2^53.
  EXPECT_THAT(Encoded({Number(1, 1e-17), Number(2, 1e9), Number(2, 0.25)}).kinds(), ElementsAre(17, 2));
}

TEST(BlockTest, SensorMayChangeItsType) {
  const std::vector<Sample> samples = {Number(1, 1), Text(1, "stopped"), Text(1, ""),
                                       Number(1, 2), Boolean(1, true),   Boolean(2, false)};
  const pb::Block block = Encoded(samples);
  EXPECT_THAT(block.binding_deltas(), ElementsAre(1, 0, 0, 0, 1));
  EXPECT_THAT(block.counts(), ElementsAre(1, 2, 1, 1, 1));
  ExpectLossless(samples);
}

TEST(BlockTest, TextsKeepTheirBytes) {
  ExpectLossless({Text(2, std::string("a\0b", 3)), Text(1, ""), Text(2, "\xc3\xa9"), Number(1, 5), Text(3, "z")});
}

TEST(BlockTest, QualitiesAreLeftOutWhenAllAreGood) {
  EXPECT_THAT(Encoded({Number(1, 1), Number(1, 2)}).qualities(), IsEmpty());
  Sample uncertain = Number(1, 3);
  uncertain.quality = pb::QUALITY_UNCERTAIN;
  EXPECT_THAT(Encoded({Number(1, 1), uncertain}).qualities(), ElementsAre(1, 2));
  ExpectLossless({Number(1, 1), uncertain});
}

TEST(BlockTest, UnspecifiedQualityIsGood) {
  Sample sample = Number(1, 1);
  sample.quality = pb::QUALITY_UNSPECIFIED;
  EXPECT_THAT(Encoded({sample}).qualities(), IsEmpty());
}

TEST(BlockTest, BindingsMayBeFarApart) {
  constexpr uint32_t kHighest = std::numeric_limits<uint32_t>::max();
  ExpectLossless({Number(kHighest, 1), Number(0, 2), Number(5, 3), Number(kHighest, 4), Number(1u << 31, 5)});
}

TEST(BlockTest, MessageAndColumnsAreReusable) {
  pb::Block block;
  DecodedBlock decoded;
  Sample bad = Text(1, "x");
  bad.quality = pb::QUALITY_BAD;
  ExpectLossless(Walk(300, kMillisecond), &block, &decoded);
  ExpectLossless({bad, Boolean(2, true), Number(3, 0.1 + 0.2)}, &block, &decoded);
  ExpectLossless(Walk(10, kMillisecond), &block, &decoded);
  EXPECT_THAT(decoded.texts, IsEmpty());
  EXPECT_THAT(decoded.text_index, IsEmpty());
  EXPECT_THAT(decoded.qualities, IsEmpty());
}

// Any mixture comes back.
TEST(BlockTest, LosslessForAnything) {
  pb::Block block;
  DecodedBlock decoded;
  for (uint32_t seed = 0; seed < 600; ++seed) {
    std::mt19937_64 random(seed);
    const auto pick = [&random](uint64_t n) { return random() % n; };
    const uint64_t count = 1 + pick(seed % 20 == 0 ? 3000 : 60);
    const uint64_t sensors = 1 + pick(seed % 3 == 0 ? 5 : 200);
    const uint64_t stride = seed % 7 == 0 ? 1 + pick(20'000'000) : 1;
    const std::vector<int64_t> units = {1, 1000, kMillisecond, kSecond};
    const int64_t unit = units[pick(units.size())];
    std::vector<uint64_t> style(sensors);
    for (uint64_t& s : style) s = pick(10);
    std::vector<Sample> samples;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t sensor = pick(sensors);
      Sample sample =
          Number(static_cast<uint32_t>(sensor * stride), 0,
                 seed % 11 == 0 ? static_cast<int64_t>(random()) : kTime + static_cast<int64_t>(pick(100000)) * unit);
      const uint64_t kind = pick(20) == 0 ? pick(10) : style[sensor];
      if (kind <= 4) {
        // A decimal as a parser would make it.
        const auto integer = static_cast<int64_t>(pick(uint64_t{1} << pick(54)));
        sample.value = static_cast<double>(pick(2) == 0 ? integer : -integer) / std::pow(10, kind * pick(5));
      } else if (kind == 5) {
        double any = 0;
        do any = std::bit_cast<double>(random());
        while (!std::isfinite(any));
        sample.value = any;
      } else if (kind == 6) {
        sample.value = pick(2) == 0;
      } else if (kind == 7) {
        sample.value = std::string(pick(20), static_cast<char>('a' + pick(26)));
      } else {
        sample.value = static_cast<double>(pick(10)) * (kind == 8 ? 0.1 : -0.0);
      }
      if (pick(50) == 0) sample.quality = pick(2) == 0 ? pb::QUALITY_BAD : pb::QUALITY_UNCERTAIN;
      samples.push_back(std::move(sample));
    }
    ExpectLossless(samples, &block, &decoded);
    if (HasFatalFailure()) FAIL() << "seed " << seed;
  }
}

// What the link is built for, see docs/protocol.md.
TEST(BlockTest, PacedTrafficIsSmall) { EXPECT_LE(WireBytesPerSample(Walk(50, kMillisecond)), 3.4); }
TEST(BlockTest, DenseTrafficIsSmaller) { EXPECT_LE(WireBytesPerSample(Walk(500, kMillisecond / 10)), 1.5); }

// One test a broken shape: what DecodeBlock says of a good block after `damage`.
class DecodeBlockTest : public ::testing::Test {
 protected:
  // Runs: binding 1, 3 decimals; binding 2, 1 raw; binding 3, 2 booleans; binding 4, 1 text.
  static pb::Block Good() {
    return Encoded({Number(1, 1.5, kTime + kSecond), Number(1, 2, kTime), Number(1, 2.5), Number(2, -0.0),
                    Boolean(3, true), Boolean(3, false), Text(4, "on")});
  }

  static void ExpectRefused(const std::function<void(pb::Block&)>& damage, const std::string& message) {
    pb::Block block = Good();
    damage(block);
    DecodedBlock decoded;
    const absl::Status status = DecodeBlock(block, &decoded);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("block: " + message));
  }
};

TEST_F(DecodeBlockTest, TakesTheGoodOne) {
  DecodedBlock decoded;
  EXPECT_TRUE(DecodeBlock(Good(), &decoded).ok());
}

TEST_F(DecodeBlockTest, RefusesEmptyMessage) {
  ExpectRefused([](pb::Block& block) { block.Clear(); }, "count: expected 1 to 65536, got 0");
}
TEST_F(DecodeBlockTest, RefusesTooManySamples) {
  ExpectRefused([](pb::Block& block) { block.set_count(65537); }, "count: expected 1 to 65536, got 65537");
}
TEST_F(DecodeBlockTest, RefusesCountWithoutValues) {
  ExpectRefused([](pb::Block& block) { block.set_count(65536); }, "counts: expected a sum of 65536, got 7");
}
TEST_F(DecodeBlockTest, RefusesNoRuns) {
  ExpectRefused([](pb::Block& block) { block.clear_binding_deltas(); }, "binding_deltas: expected 1 to 7");
}
TEST_F(DecodeBlockTest, RefusesMoreRunsThanSamples) {
  ExpectRefused([](pb::Block& block) { block.mutable_binding_deltas()->Resize(8, 1); }, "binding_deltas: expected");
}
TEST_F(DecodeBlockTest, RefusesBindingBeyond32Bits) {
  ExpectRefused([](pb::Block& block) { block.set_binding_deltas(3, 0xffffffff); }, "binding_deltas: binding of run 3");
}
TEST_F(DecodeBlockTest, RefusesCountsOfAnotherLength) {
  ExpectRefused([](pb::Block& block) { block.add_counts(1); }, "counts: expected 4 elements, got 5");
}
TEST_F(DecodeBlockTest, RefusesMissingCounts) {
  ExpectRefused([](pb::Block& block) { block.clear_counts(); }, "counts: expected 4 elements, got 0");
}
TEST_F(DecodeBlockTest, RefusesEmptyRun) {
  ExpectRefused([](pb::Block& block) { block.set_counts(1, 0); }, "counts: run 1: expected 1 to 4 samples, got 0");
}
TEST_F(DecodeBlockTest, RefusesRunLongerThanTheRest) {
  ExpectRefused([](pb::Block& block) { block.set_counts(1, 0xffffffff); }, "counts: run 1: expected 1 to 4");
}
TEST_F(DecodeBlockTest, RefusesCountsThatAddUpToLess) {
  ExpectRefused([](pb::Block& block) { block.set_counts(0, 2); }, "counts: expected a sum of 7, got 6");
}
TEST_F(DecodeBlockTest, RefusesUnspecifiedTimeUnit) {
  ExpectRefused([](pb::Block& block) { block.clear_time_unit(); }, "time_unit: expected 1 to 4, got 0");
}
TEST_F(DecodeBlockTest, RefusesUnknownTimeUnit) {
  ExpectRefused([](pb::Block& block) { block.set_time_unit(static_cast<pb::TimeUnit>(5)); },
                "time_unit: expected 1 to 4, got 5");
}
TEST_F(DecodeBlockTest, RefusesBaseTimeOutOfRange) {
  ExpectRefused([](pb::Block& block) { block.set_base_time(std::numeric_limits<int64_t>::max()); },
                "time_deltas: a time");
}
TEST_F(DecodeBlockTest, RefusesTimeOutOfRange) {
  ExpectRefused([](pb::Block& block) { block.set_time_deltas(0, std::numeric_limits<int64_t>::max()); },
                "time_deltas: a time does not fit");
}
TEST_F(DecodeBlockTest, RefusesTooManyTimes) {
  ExpectRefused([](pb::Block& block) { block.mutable_time_deltas()->Resize(7, 0); },
                "time_deltas: expected at most 6 elements, got 7");
}
TEST_F(DecodeBlockTest, RefusesNoKinds) {
  ExpectRefused([](pb::Block& block) { block.clear_kinds(); }, "kinds: expected 4 elements, got 0");
}
TEST_F(DecodeBlockTest, RefusesKindsOfAnotherLength) {
  ExpectRefused([](pb::Block& block) { block.mutable_kinds()->Truncate(3); }, "kinds: expected 4 elements, got 3");
}
TEST_F(DecodeBlockTest, RefusesUnknownKinds) {
  for (const uint32_t kind : {18u, 31u, 35u, 0xffffffffu}) {
    ExpectRefused([kind](pb::Block& block) { block.set_kinds(2, kind); }, "kinds: run 2: expected 0 to 17 or 32 to 34");
  }
}
TEST_F(DecodeBlockTest, RefusesOneKindForColumnsThatDiffer) {
  ExpectRefused([](pb::Block& block) { block.mutable_kinds()->Truncate(1); }, "integers: expected 7 elements, got 3");
}
TEST_F(DecodeBlockTest, RefusesIntegersMissing) {
  ExpectRefused([](pb::Block& block) { block.mutable_integers()->RemoveLast(); }, "integers: expected 3");
}
TEST_F(DecodeBlockTest, RefusesIntegersLeftOver) {
  ExpectRefused([](pb::Block& block) { block.add_integers(1); }, "integers: expected 3 elements, got 4");
}
TEST_F(DecodeBlockTest, RefusesIntegerBeyond2To53) {
  ExpectRefused([](pb::Block& block) { block.set_integers(0, (int64_t{1} << 53) + 1); },
                "integers: run 0: magnitude is larger than 2^53");
  ExpectRefused([](pb::Block& block) { block.set_integers(0, std::numeric_limits<int64_t>::min()); },
                "integers: run 0: magnitude is larger than 2^53");
}
TEST_F(DecodeBlockTest, RefusesIntegersThatOverflow) {
  ExpectRefused(
      [](pb::Block& block) {
        block.set_integers(0, std::numeric_limits<int64_t>::max());
        block.set_integers(1, std::numeric_limits<int64_t>::max());
      },
      "integers: run 0");
}
TEST_F(DecodeBlockTest, RefusesDoublesOfAnotherLength) {
  ExpectRefused([](pb::Block& block) { block.clear_doubles(); }, "doubles: expected 1 elements, got 0");
  ExpectRefused([](pb::Block& block) { block.add_doubles(1); }, "doubles: expected 1 elements, got 2");
}
TEST_F(DecodeBlockTest, RefusesDoublesThatAreNoNumbers) {
  for (const double value : {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN()}) {
    ExpectRefused([value](pb::Block& block) { block.set_doubles(0, value); }, "doubles: run 1: not a finite number");
  }
}
TEST_F(DecodeBlockTest, RefusesBooleansOfAnotherLength) {
  ExpectRefused([](pb::Block& block) { block.clear_booleans(); }, "booleans: expected 2 elements, got 0");
  ExpectRefused([](pb::Block& block) { block.add_booleans(true); }, "booleans: expected 2 elements, got 3");
}
TEST_F(DecodeBlockTest, RefusesTextsOfAnotherLength) {
  ExpectRefused([](pb::Block& block) { block.clear_texts(); }, "texts: expected 1 elements, got 0");
  ExpectRefused([](pb::Block& block) { block.add_texts("x"); }, "texts: expected 1 elements, got 2");
}
TEST_F(DecodeBlockTest, RefusesQualitiesOfAnotherLength) {
  ExpectRefused([](pb::Block& block) { block.add_qualities(1); }, "qualities: expected 7 elements, got 1");
}
TEST_F(DecodeBlockTest, RefusesUnknownQualities) {
  for (const uint32_t quality : {0u, 4u, 256u + 1u}) {
    ExpectRefused(
        [quality](pb::Block& block) {
          block.mutable_qualities()->Resize(7, 1);
          block.set_qualities(6, quality);
        },
        "qualities: expected 1 to 3, got");
  }
}

// Whatever bytes come, DecodeBlock answers; what it takes has columns that agree.
TEST_F(DecodeBlockTest, SurvivesDamagedBytes) {
  const std::string good = Good().SerializeAsString();
  std::mt19937 random(3);
  DecodedBlock decoded;
  int taken = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = good;
    for (uint32_t i = 1 + random() % 4; i > 0; --i) bytes[random() % bytes.size()] = static_cast<char>(random());
    pb::Block block;
    if (!block.ParseFromString(bytes) || !DecodeBlock(block, &decoded).ok()) continue;
    ++taken;
    ASSERT_EQ(decoded.times_unix_ns.size(), block.count());
    uint32_t samples = 0;
    for (const DecodedBlock::Run& run : decoded.runs) {
      for (uint32_t i = run.begin; i < run.begin + run.count; ++i, ++samples) (void)decoded.ValueAt(run, i);
    }
    ASSERT_EQ(samples, block.count());
  }
  EXPECT_GT(taken, 0);
}

}  // namespace
}  // namespace mvmd
