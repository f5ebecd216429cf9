// The steps and names are those of https://www.w3.org/TR/rdf-canon/, section 4.
#include "twin/rdf_canon.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "twin/canonical.h"

namespace mvmd {
namespace {

using absl::string_view;
using NodeId = uint32_t;

std::string Sha384Hex(string_view bytes) {
  static const EVP_MD* const kMethod = EVP_MD_fetch(nullptr, "SHA384", nullptr);
  std::string digest(48, '\0');
  unsigned int length = 0;
  const bool done = EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &length,
                               kMethod, nullptr) == 1;
  // As in Sha256: there is no going on without.
  if (!done || length != digest.size()) std::abort();
  return absl::BytesToHexString(digest);
}

// Issue Identifier Algorithm; identifiers are numbers, the prefix is put before them where they are written.
class Issuer {
 public:
  static constexpr size_t kNone = static_cast<size_t>(-1);

  size_t Find(NodeId node) const {
    const auto found = numbers_.find(node);
    return found == numbers_.end() ? kNone : found->second;
  }
  size_t Issue(NodeId node) {
    const auto [entry, added] = numbers_.try_emplace(node, order_.size());
    if (added) order_.push_back(node);
    return entry->second;
  }
  const std::vector<NodeId>& order() const { return order_; }

 private:
  absl::flat_hash_map<NodeId, size_t> numbers_;
  std::vector<NodeId> order_;
};

struct Node {
  string_view label;
  std::vector<uint32_t> quads;  // the mention set
  std::string first_degree;     // its hash
};

class Canonicalizer {
 public:
  Canonicalizer(absl::Span<const RdfQuad> quads, RdfHash hash, const RdfCanonLimits& limits)
      : hash_(hash), limits_(limits) {
    Gather(quads);
    steps_max_ = limits.steps_max + limits.steps_per_quad * quads_.size();
  }

  absl::StatusOr<CanonicalDataset> Run() && {
    std::map<std::string, std::vector<NodeId>> nodes_of_hash;
    for (NodeId node = 0; node < nodes_.size(); ++node) {
      nodes_[node].first_degree = HashFirstDegree(nodes_[node]);
      nodes_of_hash[nodes_[node].first_degree].push_back(node);
    }
    uint64_t ambiguous = 0;
    for (const auto& [hash, nodes] : nodes_of_hash) {
      if (nodes.size() == 1) {
        canonical_.Issue(nodes[0]);
      } else {
        ambiguous += nodes.size();
      }
    }
    // Saturates: the steps end it long before.
    calls_max_ = ambiguous < (1 << 20) ? ambiguous * ambiguous * ambiguous : UINT64_MAX;
    for (const auto& [hash, nodes] : nodes_of_hash) {
      if (nodes.size() == 1) continue;
      if (absl::Status status = TellApart(nodes); !status.ok()) return status;
    }
    return Serialize();
  }

 private:
  // A result of Hash N-Degree Quads.
  struct Path {
    std::string hash;
    Issuer issuer;
  };
  struct QuadNodes {
    const RdfQuad* quad;
    // Kept here so that no label is looked up again; kNoNode where the component is no blank node.
    NodeId subject, object, graph;
  };
  static constexpr NodeId kNoNode = static_cast<NodeId>(-1);

  std::string Hash(string_view bytes) const { return hash_ == RdfHash::kSha256 ? Sha256Hex(bytes) : Sha384Hex(bytes); }

  void Gather(absl::Span<const RdfQuad> quads) {
    absl::flat_hash_set<std::string> seen;
    seen.reserve(quads.size());
    for (const RdfQuad& quad : quads) {
      if (!seen.insert(NQuadsLine(quad)).second) continue;
      const auto index = static_cast<uint32_t>(quads_.size());
      quads_.push_back({&quad, Mention(quad.subject, index), Mention(quad.object, index), Mention(quad.graph, index)});
    }
  }

  NodeId Mention(const RdfTerm& term, uint32_t quad) {
    if (!term.is_blank()) return kNoNode;
    const auto [entry, added] = ids_.try_emplace(string_view(term.value), static_cast<NodeId>(nodes_.size()));
    if (added) nodes_.push_back({term.value, {}, {}});
    std::vector<uint32_t>& mentions = nodes_[entry->second].quads;
    if (mentions.empty() || mentions.back() != quad) mentions.push_back(quad);
    return entry->second;
  }

  std::string HashFirstDegree(const Node& node) const {
    std::vector<std::string> lines;
    lines.reserve(node.quads.size());
    for (const uint32_t quad : node.quads) {
      std::string& line = lines.emplace_back();
      AppendNQuad(
          *quads_[quad].quad,
          [&node](const RdfTerm& term) { return string_view(term.value == node.label ? "a" : "z"); }, &line);
    }
    return HashSorted(&lines);
  }

  std::string HashSorted(std::vector<std::string>* lines) const {
    std::sort(lines->begin(), lines->end());
    std::string all;
    for (const std::string& line : *lines) all += line;
    return Hash(all);
  }

  // Step 5 for nodes with one first degree hash.
  absl::Status TellApart(const std::vector<NodeId>& nodes) {
    std::vector<Path> paths;
    for (const NodeId node : nodes) {
      if (canonical_.Find(node) != Issuer::kNone) continue;
      Path& path = paths.emplace_back();
      path.issuer.Issue(node);
      if (absl::Status status = HashNDegree(node, 0, &path); !status.ok()) return status;
    }
    std::stable_sort(paths.begin(), paths.end(), [](const Path& a, const Path& b) { return a.hash < b.hash; });
    for (const Path& path : paths) {
      for (const NodeId node : path.issuer.order()) canonical_.Issue(node);
    }
    return absl::OkStatus();
  }

  // Hash Related Blank Node.
  std::string HashRelated(NodeId related, const RdfQuad& quad, const Issuer& issuer, char position) const {
    std::string input(1, position);
    if (position != 'g') absl::StrAppend(&input, "<", quad.predicate, ">");
    if (!AppendIdentifier(related, issuer, &input)) input += nodes_[related].first_degree;
    return Hash(input);
  }

  // `_:` and the canonical identifier, or the one that `issuer` gave; false when there is neither.
  bool AppendIdentifier(NodeId node, const Issuer& issuer, std::string* out) const {
    if (const size_t canonical = canonical_.Find(node); canonical != Issuer::kNone) {
      absl::StrAppend(out, "_:c14n", canonical);
      return true;
    }
    const size_t temporary = issuer.Find(node);
    if (temporary == Issuer::kNone) return false;
    absl::StrAppend(out, "_:b", temporary);
    return true;
  }

  // Hash N-Degree Quads: `path->issuer` comes in, and goes out as the path that was chosen left it.
  absl::Status HashNDegree(NodeId node, int depth, Path* path) {
    if (++calls_ > calls_max_) return TooAmbiguous("calls of Hash N-Degree Quads", calls_max_);
    if (depth > limits_.depth_max)
      return TooAmbiguous("blank nodes in a row", static_cast<uint64_t>(limits_.depth_max));
    std::map<std::string, std::vector<NodeId>> related_of_hash;
    for (const uint32_t index : nodes_[node].quads) {
      const QuadNodes& nodes = quads_[index];
      if (absl::Status status = Spend(1); !status.ok()) return status;
      auto relate = [&](NodeId related, char position) {
        if (related == kNoNode || related == node) return;
        related_of_hash[HashRelated(related, *nodes.quad, path->issuer, position)].push_back(related);
      };
      relate(nodes.subject, 's');
      relate(nodes.object, 'o');
      relate(nodes.graph, 'g');
    }
    std::string data;
    for (auto& [hash, related] : related_of_hash) {
      data += hash;
      if (absl::Status status = ChoosePath(&related, depth, &path->issuer, &data); !status.ok()) return status;
    }
    path->hash = Hash(data);
    return absl::OkStatus();
  }

  // Step 5 of Hash N-Degree Quads for one related hash: appends the least path over all orders of `related`.
  absl::Status ChoosePath(std::vector<NodeId>* related, int depth, Issuer* issuer, std::string* data) {
    if (related->size() == 1) {  // nothing to compare with, so nothing to copy
      std::string path;
      absl::StatusOr<bool> done = FollowPath(*related, depth, {}, issuer, &path);
      if (!done.ok()) return done.status();
      *data += path;
      return absl::OkStatus();
    }
    std::string chosen_path;
    Issuer chosen_issuer;
    std::sort(related->begin(), related->end());
    do {
      if (absl::Status status = Spend(issuer->order().size()); !status.ok()) return status;
      Issuer copy = *issuer;
      std::string path;
      absl::StatusOr<bool> done = FollowPath(*related, depth, chosen_path, &copy, &path);
      if (!done.ok()) return done.status();
      if (*done && (chosen_path.empty() || path < chosen_path)) {
        chosen_path = std::move(path);
        chosen_issuer = std::move(copy);
      }
    } while (std::next_permutation(related->begin(), related->end()));
    *data += chosen_path;
    *issuer = std::move(chosen_issuer);
    return absl::OkStatus();
  }

  // One order of related nodes. False when the path cannot become less than `chosen` any more.
  absl::StatusOr<bool> FollowPath(const std::vector<NodeId>& related, int depth, const std::string& chosen,
                                  Issuer* issuer, std::string* path) {
    auto hopeless = [&] { return !chosen.empty() && path->size() >= chosen.size() && *path > chosen; };
    std::vector<NodeId> recursion;
    for (const NodeId node : related) {
      if (absl::Status status = Spend(1); !status.ok()) return status;
      if (!AppendIdentifier(node, *issuer, path)) {
        recursion.push_back(node);
        absl::StrAppend(path, "_:b", issuer->Issue(node));
      }
      if (hopeless()) return false;
    }
    for (const NodeId node : recursion) {
      Path result{{}, std::move(*issuer)};
      absl::Status status = HashNDegree(node, depth + 1, &result);
      if (!status.ok()) return status;
      *issuer = std::move(result.issuer);
      absl::StrAppend(path, "_:b", issuer->Issue(node), "<", result.hash, ">");
      if (hopeless()) return false;
    }
    return true;
  }

  absl::Status Spend(uint64_t steps) {
    steps_ += steps;
    if (steps_ > steps_max_) return TooAmbiguous("steps", steps_max_);
    return absl::OkStatus();
  }

  absl::Status TooAmbiguous(string_view what, uint64_t limit) const {
    return absl::InvalidArgumentError(absl::StrCat("dataset too ambiguous: expected at most ", limit, " ", what,
                                                   ", for ", nodes_.size(), " blank nodes in ", quads_.size(),
                                                   " quads"));
  }

  CanonicalDataset Serialize() const {
    CanonicalDataset dataset;
    std::vector<std::string> labels(nodes_.size());
    for (const NodeId node : canonical_.order()) {
      labels[node] = absl::StrCat("c14n", canonical_.Find(node));
      dataset.labels.emplace_back(nodes_[node].label, labels[node]);
    }
    std::vector<std::string> lines;
    lines.reserve(quads_.size());
    size_t bytes = 0;
    for (const QuadNodes& nodes : quads_) {
      std::string& line = lines.emplace_back();
      AppendNQuad(
          *nodes.quad,
          [&](const RdfTerm& term) -> const std::string& { return labels[ids_.find(string_view(term.value))->second]; },
          &line);
      bytes += line.size();
    }
    std::sort(lines.begin(), lines.end());
    dataset.nquads.reserve(bytes);
    for (const std::string& line : lines) dataset.nquads += line;
    dataset.quads = lines.size();
    dataset.steps = steps_;
    return dataset;
  }

  const RdfHash hash_;
  const RdfCanonLimits limits_;
  std::vector<QuadNodes> quads_;
  std::vector<Node> nodes_;
  absl::flat_hash_map<string_view, NodeId> ids_;
  Issuer canonical_;
  uint64_t calls_max_ = 0;
  uint64_t calls_ = 0;
  uint64_t steps_max_ = 0;
  uint64_t steps_ = 0;
};

}  // namespace

absl::StatusOr<CanonicalDataset> CanonicalizeDataset(absl::Span<const RdfQuad> quads, RdfHash hash,
                                                     const RdfCanonLimits& limits) {
  return Canonicalizer(quads, hash, limits).Run();
}

}  // namespace mvmd
