// Documents of bridges that were refused, kept for an operator.
#ifndef MVMD_GATEWAY_QUARANTINE_H_
#define MVMD_GATEWAY_QUARANTINE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "mvmd/twin/v1alpha1/twin_service.pb.h"

namespace mvmd {

// Immutable, shared with readers.
struct QuarantinedDocument {
  std::string bridge;
  std::string twin;
  std::string document;  // as it was sent
  // Where it came from: the entry, the frame in its group, and the entry's time.
  uint64_t revision = 0;
  uint32_t frame = 0;
  int64_t time_unix_ns = 0;
  // Why it was refused, the last time.
  std::string reason;
  std::string message;
  mvmd::twin::v1alpha1::ValidationResult result;  // the first findings
  uint64_t error_count = 0;
  uint64_t warning_count = 0;
  uint64_t redrive_count = 0;
  int64_t last_redrive_unix_ns = 0;
};

struct QuarantineLimits {
  // Of one bridge, and of all together. One document is kept whatever its size.
  size_t documents_a_bridge_max = 64;
  size_t bytes_a_bridge_max = 16 << 20;  // of documents
  size_t documents_max = 1024;
  size_t bytes_max = 64 << 20;
};

// The newest refused document of each (bridge, twin). A function of what was put and erased; part of the state.
// Thread-compatible.
class Quarantine {
 public:
  using Document = std::shared_ptr<const QuarantinedDocument>;
  using Key = std::pair<std::string, std::string>;  // bridge, twin

  explicit Quarantine(const QuarantineLimits& limits) : limits_(limits) {}

  // Keeps it in place of the one of the same bridge and twin. What had to go for it, oldest first: those of its bridge
  // while that has too much, then those of any.
  std::vector<Document> Put(QuarantinedDocument document);
  // Without making room: as it was kept before.
  void Restore(QuarantinedDocument document);
  // False when there is none.
  bool Erase(const std::string& bridge, const std::string& twin);

  // Null when there is none.
  Document Find(const std::string& bridge, const std::string& twin) const;
  // At most `limit` after `after` (exclusive) of twins that start with `prefix`; of one bridge, unless that is empty.
  std::vector<Document> List(const Key& after, absl::string_view bridge, absl::string_view prefix, size_t limit) const;
  const std::map<Key, Document>& documents() const { return documents_; }
  size_t count() const { return documents_.size(); }
  size_t bytes() const { return total_.bytes; }

 private:
  struct Share {
    size_t count = 0;
    size_t bytes = 0;
  };
  void Insert(Document document);
  // The oldest one, of one bridge unless that is empty, that is not `keep`; null: there is none.
  Document Oldest(absl::string_view bridge, const Document& keep) const;

  const QuarantineLimits limits_;
  std::map<Key, Document> documents_;
  std::map<std::string, Share, std::less<>> shares_;  // by bridge
  Share total_;
};

}  // namespace mvmd

#endif  // MVMD_GATEWAY_QUARANTINE_H_
