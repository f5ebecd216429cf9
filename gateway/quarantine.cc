#include "gateway/quarantine.h"

#include <tuple>

#include "absl/strings/match.h"

namespace mvmd {

std::vector<Quarantine::Document> Quarantine::Put(QuarantinedDocument document) {
  Erase(document.bridge, document.twin);
  const Document added = std::make_shared<const QuarantinedDocument>(std::move(document));
  Insert(added);
  std::vector<Document> gone;
  const auto make_room = [&](absl::string_view bridge, const Share& share, size_t count_max, size_t bytes_max) {
    while (share.count > count_max || share.bytes > bytes_max) {
      Document oldest = Oldest(bridge, added);
      if (oldest == nullptr) return;
      Erase(oldest->bridge, oldest->twin);
      gone.push_back(std::move(oldest));
    }
  };
  // The share stays while the document that was added is there.
  make_room(added->bridge, shares_.find(added->bridge)->second, limits_.documents_a_bridge_max,
            limits_.bytes_a_bridge_max);
  make_room("", total_, limits_.documents_max, limits_.bytes_max);
  return gone;
}

void Quarantine::Restore(QuarantinedDocument document) {
  Erase(document.bridge, document.twin);
  Insert(std::make_shared<const QuarantinedDocument>(std::move(document)));
}

void Quarantine::Insert(Document document) {
  for (Share* share : {&shares_[document->bridge], &total_}) {
    ++share->count;
    share->bytes += document->document.size();
  }
  documents_.emplace(Key(document->bridge, document->twin), std::move(document));
}

bool Quarantine::Erase(const std::string& bridge, const std::string& twin) {
  const auto found = documents_.find(Key(bridge, twin));
  if (found == documents_.end()) return false;
  const auto share = shares_.find(bridge);
  for (Share* of : {&share->second, &total_}) {
    --of->count;
    of->bytes -= found->second->document.size();
  }
  if (share->second.count == 0) shares_.erase(share);
  documents_.erase(found);
  return true;
}

Quarantine::Document Quarantine::Oldest(absl::string_view bridge, const Document& keep) const {
  const auto age = [](const QuarantinedDocument& d) { return std::tie(d.revision, d.frame, d.bridge, d.twin); };
  Document oldest;
  for (auto it = documents_.lower_bound(Key(bridge, "")); it != documents_.end(); ++it) {
    if (!bridge.empty() && it->first.first != bridge) break;
    if (it->second == keep) continue;
    if (oldest == nullptr || age(*it->second) < age(*oldest)) oldest = it->second;
  }
  return oldest;
}

Quarantine::Document Quarantine::Find(const std::string& bridge, const std::string& twin) const {
  const auto found = documents_.find(Key(bridge, twin));
  return found == documents_.end() ? nullptr : found->second;
}

std::vector<Quarantine::Document> Quarantine::List(const Key& after, absl::string_view bridge, absl::string_view prefix,
                                                   size_t limit) const {
  std::vector<Document> listed;
  const Key first(bridge, prefix);
  auto it = after < first ? documents_.lower_bound(first) : documents_.upper_bound(after);
  for (; it != documents_.end() && listed.size() < limit; ++it) {
    if (!bridge.empty() && it->first.first != bridge) break;
    if (absl::StartsWith(it->first.second, prefix)) listed.push_back(it->second);
  }
  return listed;
}

}  // namespace mvmd
