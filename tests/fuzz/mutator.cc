#include "tests/fuzz/mutator.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace mvmd {
namespace {

// The word between the quotes; nothing when an escape is none of the format's.
std::optional<std::string> Unescape(absl::string_view quoted) {
  std::string word;
  for (size_t i = 0; i < quoted.size(); ++i) {
    if (quoted[i] != '\\') {
      word.push_back(quoted[i]);
      continue;
    }
    if (++i == quoted.size()) return std::nullopt;
    if (quoted[i] == '\\' || quoted[i] == '"') {
      word.push_back(quoted[i]);
      continue;
    }
    const absl::string_view hex = quoted.substr(std::min(i + 1, quoted.size()), 2);
    const bool is_hex = hex.size() == 2 && std::all_of(hex.begin(), hex.end(), [](char c) {
                          return absl::ascii_isxdigit(static_cast<unsigned char>(c));
                        });
    if (quoted[i] != 'x' || !is_hex) return std::nullopt;
    word += absl::HexStringToBytes(hex);
    i += 2;
  }
  return word;
}

}  // namespace

std::optional<std::vector<std::string>> ParseDictionary(absl::string_view text) {
  std::vector<std::string> words;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    const size_t open = line.find('"');
    if (open == absl::string_view::npos || line.size() < open + 2 || line.back() != '"') return std::nullopt;
    std::optional<std::string> word = Unescape(line.substr(open + 1, line.size() - open - 2));
    if (!word) return std::nullopt;
    words.push_back(*std::move(word));
  }
  return words;
}

Mutator::Mutator(uint64_t seed, const std::vector<std::string>* corpus, const std::vector<std::string>* words,
                 size_t bytes_max)
    : corpus_(*corpus), words_(*words), bytes_max_(bytes_max), state_(seed) {}

// SplitMix64: https://prng.di.unimi.it/splitmix64.c
uint64_t Mutator::Random() {
  uint64_t z = (state_ += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

std::string Mutator::Next() {
  std::string input = corpus_[Below(corpus_.size())];
  const size_t changes = 1 + Below(5);
  for (size_t i = 0; i < changes; ++i) Change(&input);
  input.resize(std::min(input.size(), bytes_max_));
  return input;
}

void Mutator::Change(std::string* input) {
  if (input->empty()) return InsertWord(input);
  switch (Below(9)) {
    case 0:
      return FlipBit(input);
    case 1:
      return SetByte(input);
    case 2:
      return SetNumber(input);
    case 3:
      return RemovePiece(input);
    case 4:
      return DoublePiece(input);
    case 5:
      return SpliceOther(input);
    case 6:
      return input->resize(Below(input->size()));
    default:
      return InsertWord(input);
  }
}

void Mutator::FlipBit(std::string* input) {
  const size_t bit = Below(input->size() * 8);
  (*input)[bit / 8] = static_cast<char>((*input)[bit / 8] ^ (1 << (bit % 8)));
}

void Mutator::SetByte(std::string* input) { (*input)[Below(input->size())] = static_cast<char>(Below(256)); }

// A little-endian number of up to 8 bytes that is at an edge of something.
void Mutator::SetNumber(std::string* input) {
  constexpr uint64_t kEdges[] = {
      0,           1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, uint64_t{1} << 53, uint64_t{1} << 63,
      ~uint64_t{0}};
  uint64_t number = kEdges[Below(std::size(kEdges))] + Below(3) - 1;
  const size_t at = Below(input->size());
  const size_t bytes = std::min(size_t{1} << Below(4), input->size() - at);
  for (size_t i = 0; i < bytes; ++i, number >>= 8) (*input)[at + i] = static_cast<char>(number & 0xFF);
}

void Mutator::RemovePiece(std::string* input) {
  const size_t at = Below(input->size());
  input->erase(at, 1 + Below(std::min<size_t>(input->size() - at, 64)));
}

void Mutator::DoublePiece(std::string* input) {
  const size_t at = Below(input->size());
  const std::string piece = input->substr(at, 1 + Below(std::min<size_t>(input->size() - at, 128)));
  for (size_t times = 1 + Below(3); times > 0; --times) input->insert(Below(input->size() + 1), piece);
}

void Mutator::SpliceOther(std::string* input) {
  const std::string& other = corpus_[Below(corpus_.size())];
  if (other.empty()) return;
  const size_t from = Below(other.size());
  const size_t at = Below(input->size() + 1);
  input->replace(at, Below(input->size() - at + 1), other, from, 1 + Below(other.size() - from));
}

void Mutator::InsertWord(std::string* input) {
  if (words_.empty()) return input->insert(Below(input->size() + 1), 1, static_cast<char>(Below(256))), void();
  input->insert(Below(input->size() + 1), words_[Below(words_.size())]);
}

}  // namespace mvmd
