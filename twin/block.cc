// Layout of a Block: docs/protocol.md, "Block". In short, for runs r of samples i:
//
//   count | binding_deltas[r] | counts[r] | time_unit base_time time_deltas[i] | kinds[r] | values[i], by kind |
//   qualities[i]
//
// Neighbours in a column resemble each other, so that varints are short and what is left compresses well: a sensor's
// values differ little, and sensors that are read in turn have the same distance in time.
#include "twin/block.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mvmd {
namespace {

namespace pb = mvmd::twin::v1alpha1;

// Values of Block.kinds; 0 to kExponentMax are decimal exponents.
constexpr uint32_t kExponentMax = 17;
constexpr uint32_t kRawDoubles = 32;
constexpr uint32_t kBooleans = 33;
constexpr uint32_t kTexts = 34;

// Every integer up to here is a double, and every power of ten in the table is one exactly: integer / power is then the
// correctly rounded quotient, the same double that a parser makes of the decimal text.
constexpr int64_t kIntegerMax = int64_t{1} << 53;
constexpr std::array<double, kExponentMax + 1> kPowers = {1e0, 1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,
                                                          1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17};
constexpr std::array<int64_t, kExponentMax + 1> kIntegerPowers = [] {
  std::array<int64_t, kExponentMax + 1> powers{};
  int64_t power = 1;
  for (int64_t& p : powers) {
    p = power;
    power *= 10;
  }
  return powers;
}();

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kNsPerMillisecond = 1'000'000;
constexpr int64_t kNsPerMicrosecond = 1'000;

double FromDecimal(int64_t integer, uint32_t exponent) { return static_cast<double>(integer) / kPowers[exponent]; }

// Whether `value` is integer / 10^exponent bit for bit, judged by the reader's arithmetic. -0 is not.
bool ToDecimal(double value, uint32_t exponent, int64_t* integer) {
  const double scaled = value * kPowers[exponent];
  const double magnitude = std::fabs(scaled);
  if (!(magnitude <= static_cast<double>(kIntegerMax))) return false;
  // From 2^52 on every double is an integer, and adding 0.5 would round to the wrong one.
  const double half = magnitude < 0x1p52 ? std::copysign(0.5, scaled) : 0.0;
  *integer = static_cast<int64_t>(scaled + half);
  return std::bit_cast<uint64_t>(FromDecimal(*integer, exponent)) == std::bit_cast<uint64_t>(value);
}

// Smallest exponent that reproduces `value`, or -1.
//
// What an exponent reproduces, a larger one reproduces too, as long as its integer is in range: it is the same
// quotient. So one look at the largest exponent in range decides, and the zeros at the end of its integer tell the
// smallest.
int SmallestExponent(double value) {
  const int binary_exponent = static_cast<int>((std::bit_cast<uint64_t>(value) >> 52) & 0x7ff) - 1023;
  if (binary_exponent > 53) return -1;
  // 10^e * 2^binary_exponent <= 2^53; log10(2) = 0.30103.
  int exponent = std::min((53 - binary_exponent) * 30103 / 100000, static_cast<int>(kExponentMax));
  const auto in_range = [value](int e) { return std::fabs(value * kPowers[e]) <= static_cast<double>(kIntegerMax); };
  if (exponent > 0 && !in_range(exponent)) --exponent;
  int64_t integer;
  if (!ToDecimal(value, exponent, &integer)) return -1;
  if (integer == 0) return 0;
  while (exponent > 0 && integer % 10 == 0) {
    integer /= 10;
    --exponent;
  }
  return exponent;
}

// Indices of `samples`, sorted by binding, stable.
std::vector<uint32_t> OrderByBinding(absl::Span<const Sample> samples) {
  const auto n = static_cast<uint32_t>(samples.size());
  std::vector<uint32_t> order(n);
  uint32_t lowest = samples[0].binding;
  uint32_t highest = lowest;
  bool sorted = true;
  for (uint32_t i = 1; i < n; ++i) {
    const uint32_t binding = samples[i].binding;
    sorted &= samples[i - 1].binding <= binding;
    lowest = std::min(lowest, binding);
    highest = std::max(highest, binding);
  }
  if (sorted) {
    std::iota(order.begin(), order.end(), 0);
    return order;
  }
  const uint32_t range = highest - lowest;
  if (range <= 4 * n + 256) {
    // Counting sort: bindings are dense, and this is the hot case.
    std::vector<uint32_t> place(size_t{range} + 2);
    for (const Sample& sample : samples) ++place[sample.binding - lowest + 1];
    std::partial_sum(place.begin(), place.end(), place.begin());
    for (uint32_t i = 0; i < n; ++i) order[place[samples[i].binding - lowest]++] = i;
    return order;
  }
  std::vector<uint64_t> keys(n);
  for (uint32_t i = 0; i < n; ++i) keys[i] = (uint64_t{samples[i].binding} << 32) | i;
  std::sort(keys.begin(), keys.end());
  for (uint32_t i = 0; i < n; ++i) order[i] = static_cast<uint32_t>(keys[i]);
  return order;
}

pb::TimeUnit CoarsestUnit(absl::Span<const Sample> samples) {
  // A unit that fails at sample i need not be tried on the samples before i again: they are multiples of a coarser one.
  size_t i = 0;
  const auto all_multiples = [&samples, &i]<int64_t kUnit>() {
    while (i < samples.size() && samples[i].time_unix_ns % kUnit == 0) ++i;
    return i == samples.size();
  };
  if (all_multiples.template operator()<kNsPerSecond>()) return pb::TIME_UNIT_SECOND;
  if (all_multiples.template operator()<kNsPerMillisecond>()) return pb::TIME_UNIT_MILLISECOND;
  if (all_multiples.template operator()<kNsPerMicrosecond>()) return pb::TIME_UNIT_MICROSECOND;
  return pb::TIME_UNIT_NANOSECOND;
}

template <int64_t kUnit>
void EncodeTimesIn(absl::Span<const Sample> samples, const std::vector<uint32_t>& order, pb::Block* block) {
  const size_t n = order.size();
  int64_t previous = samples[order[0]].time_unix_ns / kUnit;
  block->set_base_time(previous);
  auto* deltas = block->mutable_time_deltas();
  deltas->Reserve(static_cast<int>(n - 1));
  int64_t* out = deltas->AddNAlreadyReserved(static_cast<int>(n - 1));
  size_t used = 0;
  for (size_t i = 1; i < n; ++i) {
    const int64_t time = samples[order[i]].time_unix_ns / kUnit;
    // Times far apart overflow: the difference is taken, and added again, modulo 2^64.
    out[i - 1] = static_cast<int64_t>(static_cast<uint64_t>(time) - static_cast<uint64_t>(previous));
    if (out[i - 1] != 0) used = i;
    previous = time;
  }
  deltas->Truncate(static_cast<int>(used));
}

void EncodeTimes(absl::Span<const Sample> samples, const std::vector<uint32_t>& order, pb::Block* block) {
  const pb::TimeUnit unit = CoarsestUnit(samples);
  block->set_time_unit(unit);
  switch (unit) {
    case pb::TIME_UNIT_SECOND:
      return EncodeTimesIn<kNsPerSecond>(samples, order, block);
    case pb::TIME_UNIT_MILLISECOND:
      return EncodeTimesIn<kNsPerMillisecond>(samples, order, block);
    case pb::TIME_UNIT_MICROSECOND:
      return EncodeTimesIn<kNsPerMicrosecond>(samples, order, block);
    default:
      return EncodeTimesIn<1>(samples, order, block);
  }
}

void EncodeQualities(absl::Span<const Sample> samples, const std::vector<uint32_t>& order, pb::Block* block) {
  const auto wire_quality = [](const Sample& sample) {
    return sample.quality == pb::QUALITY_UNCERTAIN || sample.quality == pb::QUALITY_BAD ? sample.quality
                                                                                        : pb::QUALITY_GOOD;
  };
  const auto is_good = [&](const Sample& sample) { return wire_quality(sample) == pb::QUALITY_GOOD; };
  if (std::all_of(samples.begin(), samples.end(), is_good)) return;
  auto* qualities = block->mutable_qualities();
  qualities->Reserve(static_cast<int>(order.size()));
  for (const uint32_t i : order) qualities->AddAlreadyReserved(wire_quality(samples[i]));
}

// Takes the zeros at the end of all integers off, when that is worth a change of the exponent from one run to the next:
// about two bytes. Returns the new exponent.
uint32_t DropCommonZeros(uint32_t exponent, absl::Span<int64_t> integers) {
  const auto worth = static_cast<uint32_t>(integers.size() >= 4 ? 1 : (4 + integers.size() - 1) / integers.size());
  if (worth > exponent) return exponent;
  uint32_t zeros = exponent;
  bool all_zero = true;
  for (const int64_t integer : integers) {
    if (integer == 0) continue;
    all_zero = false;
    if (integer % 10 != 0) return exponent;
    while (integer % kIntegerPowers[zeros] != 0) --zeros;
    if (zeros < worth) return exponent;
  }
  if (all_zero) return exponent;
  for (int64_t& integer : integers) integer /= kIntegerPowers[zeros];
  return exponent - zeros;
}

double NumberOf(const Sample& sample) { return *std::get_if<double>(&sample.value); }

// Writes the run as decimal-scaled integers with one exponent and returns it, or -1 when there is none for all values.
// `hint` is the exponent of the run before: one kind for all runs is the shortest.
int EncodeDecimals(absl::Span<const Sample> samples, absl::Span<const uint32_t> run, uint32_t hint, int64_t* out) {
  uint32_t exponent = hint;
  bool hinted = true;  // nothing in this run needs `exponent`
  for (size_t i = 0; i < run.size();) {
    const double value = NumberOf(samples[run[i]]);
    if (ToDecimal(value, exponent, &out[i])) {
      ++i;
      continue;
    }
    const int smallest = SmallestExponent(value);
    if (smallest < 0) return -1;
    // Too large for an exponent that a value before it needs.
    if (smallest <= static_cast<int>(exponent) && !hinted) return -1;
    exponent = static_cast<uint32_t>(smallest);
    hinted = false;
    i = 0;
  }
  if (hinted) exponent = DropCommonZeros(exponent, absl::MakeSpan(out, run.size()));
  for (size_t i = run.size() - 1; i > 0; --i) out[i] -= out[i - 1];
  return static_cast<int>(exponent);
}

// Writes the values of runs into the columns of a block.
class ValueWriter {
 public:
  ValueWriter(absl::Span<const Sample> samples, pb::Block* block) : samples_(samples), block_(block) {}

  // Returns the run's kind.
  uint32_t Write(absl::Span<const uint32_t> run) {
    const SampleValue& first = samples_[run[0]].value;
    if (std::holds_alternative<double>(first)) return WriteNumbers(run);
    if (std::holds_alternative<bool>(first)) {
      for (const uint32_t i : run) block_->add_booleans(*std::get_if<bool>(&samples_[i].value));
      return kBooleans;
    }
    for (const uint32_t i : run) block_->add_texts(*std::get_if<std::string>(&samples_[i].value));
    return kTexts;
  }

 private:
  uint32_t WriteNumbers(absl::Span<const uint32_t> run) {
    auto* integers = block_->mutable_integers();
    const int used = integers->size();
    const int count = static_cast<int>(run.size());
    if (integers->Capacity() - used < count) integers->Reserve(static_cast<int>(samples_.size()));
    const int exponent = EncodeDecimals(samples_, run, exponent_, integers->AddNAlreadyReserved(count));
    if (exponent >= 0) {
      exponent_ = static_cast<uint32_t>(exponent);
      return exponent_;
    }
    integers->Truncate(used);
    for (const uint32_t i : run) block_->add_doubles(NumberOf(samples_[i]));
    return kRawDoubles;
  }

  const absl::Span<const Sample> samples_;
  pb::Block* const block_;
  uint32_t exponent_ = 0;  // of the last decimal-scaled run
};

absl::Status ColumnError(absl::string_view column, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("block: ", column, ": ", what));
}

absl::Status LengthError(absl::string_view column, size_t expected, int got) {
  return ColumnError(column, absl::StrCat("expected ", expected, " elements, got ", got));
}

// Fills `runs` and checks that the value columns have the lengths that they ask for.
absl::Status DecodeRuns(const pb::Block& block, DecodedBlock* out) {
  const size_t count = block.count();
  const size_t run_count = static_cast<size_t>(block.binding_deltas_size());
  if (run_count == 0 || run_count > count) {
    return ColumnError("binding_deltas", absl::StrCat("expected 1 to ", count, " elements, got ", run_count));
  }
  const bool has_counts = block.counts_size() != 0;
  if (has_counts && static_cast<size_t>(block.counts_size()) != run_count) {
    return LengthError("counts", run_count, block.counts_size());
  }
  if (!has_counts && run_count != count) return LengthError("counts", run_count, 0);
  const bool one_kind = block.kinds_size() == 1;
  if (!one_kind && static_cast<size_t>(block.kinds_size()) != run_count) {
    return LengthError("kinds", run_count, block.kinds_size());
  }

  out->runs.clear();
  out->runs.reserve(run_count);
  uint64_t binding = 0;
  size_t begin = 0;
  size_t integers = 0, doubles = 0, booleans = 0, texts = 0;
  for (size_t r = 0; r < run_count; ++r) {
    binding += block.binding_deltas(static_cast<int>(r));
    if (binding > std::numeric_limits<uint32_t>::max()) {
      return ColumnError("binding_deltas", absl::StrCat("binding of run ", r, " is larger than 32 bits"));
    }
    const size_t samples = has_counts ? block.counts(static_cast<int>(r)) : 1;
    if (samples == 0 || samples > count - begin) {
      return ColumnError("counts",
                         absl::StrCat("run ", r, ": expected 1 to ", count - begin, " samples, got ", samples));
    }
    const uint32_t kind = block.kinds(one_kind ? 0 : static_cast<int>(r));
    DecodedBlock::Kind decoded_kind = DecodedBlock::Kind::kNumber;
    if (kind <= kExponentMax) {
      integers += samples;
    } else if (kind == kRawDoubles) {
      doubles += samples;
    } else if (kind == kBooleans) {
      booleans += samples;
      decoded_kind = DecodedBlock::Kind::kBoolean;
    } else if (kind == kTexts) {
      texts += samples;
      decoded_kind = DecodedBlock::Kind::kText;
    } else {
      return ColumnError("kinds", absl::StrCat("run ", r, ": expected 0 to 17 or 32 to 34, got ", kind));
    }
    out->runs.push_back({.binding = static_cast<uint32_t>(binding),
                         .begin = static_cast<uint32_t>(begin),
                         .count = static_cast<uint32_t>(samples),
                         .kind = decoded_kind});
    begin += samples;
  }
  if (begin != count) return ColumnError("counts", absl::StrCat("expected a sum of ", count, ", got ", begin));
  if (static_cast<size_t>(block.integers_size()) != integers) {
    return LengthError("integers", integers, block.integers_size());
  }
  if (static_cast<size_t>(block.doubles_size()) != doubles)
    return LengthError("doubles", doubles, block.doubles_size());
  if (static_cast<size_t>(block.booleans_size()) != booleans) {
    return LengthError("booleans", booleans, block.booleans_size());
  }
  if (static_cast<size_t>(block.texts_size()) != texts) return LengthError("texts", texts, block.texts_size());
  return absl::OkStatus();
}

template <int64_t kUnit>
absl::Status DecodeTimesIn(const pb::Block& block, std::vector<int64_t>* times) {
  const size_t count = block.count();
  const auto deltas = static_cast<size_t>(block.time_deltas_size());
  const int64_t* delta = block.time_deltas().data();
  times->resize(count);
  int64_t* out = times->data();
  uint64_t time = static_cast<uint64_t>(block.base_time());
  bool overflow = __builtin_mul_overflow(static_cast<int64_t>(time), kUnit, &out[0]);
  for (size_t i = 0; i < deltas; ++i) {
    time += static_cast<uint64_t>(delta[i]);
    overflow |= __builtin_mul_overflow(static_cast<int64_t>(time), kUnit, &out[i + 1]);
  }
  if (overflow) return ColumnError("time_deltas", "a time does not fit 64 bits of nanoseconds");
  std::fill(out + deltas + 1, out + count, out[deltas]);
  return absl::OkStatus();
}

absl::Status DecodeTimes(const pb::Block& block, std::vector<int64_t>* times) {
  if (static_cast<size_t>(block.time_deltas_size()) > block.count() - 1) {
    return ColumnError("time_deltas", absl::StrCat("expected at most ", block.count() - 1, " elements, got ",
                                                   block.time_deltas_size()));
  }
  switch (block.time_unit()) {
    case pb::TIME_UNIT_SECOND:
      return DecodeTimesIn<kNsPerSecond>(block, times);
    case pb::TIME_UNIT_MILLISECOND:
      return DecodeTimesIn<kNsPerMillisecond>(block, times);
    case pb::TIME_UNIT_MICROSECOND:
      return DecodeTimesIn<kNsPerMicrosecond>(block, times);
    case pb::TIME_UNIT_NANOSECOND:
      return DecodeTimesIn<1>(block, times);
    default:
      return ColumnError("time_unit", absl::StrCat("expected 1 to 4, got ", static_cast<int>(block.time_unit())));
  }
}

// Needs the lengths that DecodeRuns has checked.
absl::Status DecodeValues(const pb::Block& block, DecodedBlock* out) {
  const bool one_kind = block.kinds_size() == 1;
  const int64_t* integer = block.integers().data();
  const double* raw = block.doubles().data();
  const bool* boolean = block.booleans().data();
  uint32_t text = 0;
  out->numbers.resize(block.count());
  out->texts.resize(static_cast<size_t>(block.texts_size()));
  out->text_index.assign(block.texts_size() == 0 ? 0 : block.count(), 0);
  for (size_t r = 0; r < out->runs.size(); ++r) {
    const DecodedBlock::Run& run = out->runs[r];
    const uint32_t kind = block.kinds(one_kind ? 0 : static_cast<int>(r));
    double* const numbers = out->numbers.data() + run.begin;
    if (kind <= kExponentMax) {
      uint64_t sum = 0;
      bool in_range = true;
      for (uint32_t i = 0; i < run.count; ++i) {
        sum += static_cast<uint64_t>(*integer++);
        const auto value = static_cast<int64_t>(sum);
        in_range &= value >= -kIntegerMax && value <= kIntegerMax;
        numbers[i] = FromDecimal(value, kind);
      }
      if (!in_range) return ColumnError("integers", absl::StrCat("run ", r, ": magnitude is larger than 2^53"));
    } else if (kind == kRawDoubles) {
      for (uint32_t i = 0; i < run.count; ++i) {
        if (!std::isfinite(*raw)) return ColumnError("doubles", absl::StrCat("run ", r, ": not a finite number"));
        numbers[i] = *raw++;
      }
    } else if (kind == kBooleans) {
      for (uint32_t i = 0; i < run.count; ++i) numbers[i] = *boolean++ ? 1 : 0;
    } else {
      for (uint32_t i = 0; i < run.count; ++i) {
        numbers[i] = 0;
        out->texts[text] = block.texts(static_cast<int>(text));
        out->text_index[run.begin + i] = text++;
      }
    }
  }
  return absl::OkStatus();
}

absl::Status DecodeQualities(const pb::Block& block, std::vector<uint8_t>* qualities) {
  qualities->clear();
  if (block.qualities_size() == 0) return absl::OkStatus();
  if (static_cast<size_t>(block.qualities_size()) != block.count()) {
    return LengthError("qualities", block.count(), block.qualities_size());
  }
  qualities->reserve(block.count());
  for (const uint32_t quality : block.qualities()) {
    if (quality < pb::QUALITY_GOOD || quality > pb::QUALITY_BAD) {
      return ColumnError("qualities", absl::StrCat("expected 1 to 3, got ", quality));
    }
    qualities->push_back(static_cast<uint8_t>(quality));
  }
  return absl::OkStatus();
}

}  // namespace

void EncodeBlock(absl::Span<const Sample> samples, pb::Block* block) {
  assert(!samples.empty() && samples.size() <= kBlockSamplesMax);
  block->Clear();
  if (samples.empty()) return;
  const std::vector<uint32_t> order = OrderByBinding(samples);
  const auto n = static_cast<uint32_t>(order.size());
  block->set_count(n);
  EncodeTimes(samples, order, block);
  EncodeQualities(samples, order, block);

  ValueWriter values(samples, block);
  uint32_t binding_before = 0;
  bool one_kind = true;
  for (uint32_t begin = 0; begin < n;) {
    const Sample& first = samples[order[begin]];
    uint32_t end = begin + 1;
    while (end < n && samples[order[end]].binding == first.binding &&
           samples[order[end]].value.index() == first.value.index()) {
      ++end;
    }
    const uint32_t kind = values.Write(absl::MakeConstSpan(order).subspan(begin, end - begin));
    block->add_binding_deltas(first.binding - binding_before);
    block->add_counts(end - begin);
    block->add_kinds(kind);
    one_kind &= kind == block->kinds(0);
    binding_before = first.binding;
    begin = end;
  }
  if (static_cast<uint32_t>(block->binding_deltas_size()) == n) block->clear_counts();
  if (one_kind) block->mutable_kinds()->Truncate(1);
}

SampleValue DecodedBlock::ValueAt(const Run& run, uint32_t i) const {
  switch (run.kind) {
    case Kind::kBoolean:
      return numbers[i] != 0;
    case Kind::kText:
      return texts[text_index[i]];
    case Kind::kNumber:
      break;
  }
  return numbers[i];
}

absl::Status DecodeBlock(const pb::Block& block, DecodedBlock* out) {
  if (block.count() == 0 || block.count() > kBlockSamplesMax) {
    return ColumnError("count", absl::StrCat("expected 1 to ", kBlockSamplesMax, ", got ", block.count()));
  }
  // Lengths first: nothing is allocated that the message does not pay for with bytes of its own.
  if (absl::Status status = DecodeRuns(block, out); !status.ok()) return status;
  if (absl::Status status = DecodeTimes(block, &out->times_unix_ns); !status.ok()) return status;
  if (absl::Status status = DecodeValues(block, out); !status.ok()) return status;
  return DecodeQualities(block, &out->qualities);
}

}  // namespace mvmd
